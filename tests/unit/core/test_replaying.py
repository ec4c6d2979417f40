"""A recorded day is never taken for the present: not mixed, not kept, and always named."""

from datetime import date
from random import Random

import pytest
from support.clock import TestClock
from support.distribution import install

from argus_core import Origin, Symbol, Told, read_told
from argus_core.assembly import assemble
from argus_core.config import Config
from argus_core.errors import ConfigError
from argus_core.gateway import Gateway
from argus_core.model.ask import Ask, Deadline
from argus_core.model.period import Period
from argus_core.model.query import HistoryQuery
from argus_core.model.told import told_records

SOURCE = """
    from datetime import date, datetime, timedelta
    from argus_core import SHANGHAI, Period, Quote, Settings, Source, hookimpl

    class Player(Source):
        class Settings(Settings):
            day: str = "2024-03-15"
            speed: float = 10.0
            at: str = "10:03:30"
            invented: bool = False

        periods = frozenset({Period.M1, Period.D1})
        replaying = {}

        def __init__(self, name, settings, clock):
            super().__init__(name, settings, clock)
            self.calls = 0
            self.simulated = settings.invented
            self.replaying = {"day": settings.day, "speed": settings.speed}

        def now(self):
            return datetime.fromisoformat(f"2024-03-15T{self.settings.at}").replace(tzinfo=SHANGHAI)

        async def quotes(self, query):
            self.calls += 1
            return [Quote(symbol=s, price=10.0, as_of=self.now())
                    for s in query.symbols if s != "000002.SZ"]

        async def bars(self, query):
            self.calls += 1
            if not query.start <= date(2024, 3, 15) <= query.end:
                return []
            base = dict(open=10.0, high=10.0, low=10.0, close=10.0, volume=100.0, turnover=1000.0)
            if query.period is Period.D1:
                return [{"symbol": s, "time": date(2024, 3, 15), "prev_close": 9.9, **base}
                        for s in query.symbols]
            ends = [self.now().replace(minute=m, second=0) for m in range(1, self.now().minute + 2)]
            return [{"symbol": s, "time": end, **base} for s in query.symbols for end in ends]

    @hookimpl
    def register_source():
        return Player
"""
SYMBOLS = (Symbol("000001.SZ"),)
DAY = {"day": "2024-03-15", "speed": 10.0}


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, dist="p", module="player_module", source=SOURCE, entry="player")


@pytest.fixture
def clock():
    return TestClock("2026-11-20 22:00:00")


def table(**more):
    return {"sources": {"past": {"plugin": "player"}}, **more}


def gateway(clock, tmp_path, **more):
    config = Config.parse({"server": {"data_dir": str(tmp_path)}, **table(**more)}, {})
    return Gateway(config, clock=clock)


def ask(clock):
    return Ask(deadline=Deadline.within(5, clock))


def source_of(argus):
    return argus.control.parts.nodes["past"].source


def history(period, day=date(2024, 3, 15)):
    return HistoryQuery(symbols=SYMBOLS, period=period, start=day, end=day)


class TestItIsNamed:
    async def test_in_the_answer_and_in_every_origin(self, clock, tmp_path):
        async with gateway(clock, tmp_path) as argus:
            answer = await argus.quotes(SYMBOLS, ask(clock))
        assert answer.replay == DAY
        assert answer.provenance["000001.SZ"].replay == DAY
        assert not answer.simulated

    async def test_where_there_is_nothing_too(self, clock, tmp_path):
        async with gateway(clock, tmp_path) as argus:
            answer = await argus.quotes((Symbol("000002.SZ"),), ask(clock))
        assert answer.replay == DAY

    async def test_in_history(self, clock, tmp_path):
        async with gateway(clock, tmp_path) as argus:
            answer = await argus.history(history(Period.D1), ask(clock))
        assert answer.replay == DAY

    def test_from_one_gateway_to_another(self, clock):
        live = Origin(path=("qmt",))
        past = Origin(path=("past",), replay=DAY)
        told = Told(now=clock.now(), origins={"600519.SH": live, "000001.SZ": past})
        assert read_told("quotes", told_records("quotes", told)).origins == told.origins


class TestItIsNotKept:
    async def test_the_next_question_is_asked_again(self, clock, tmp_path):
        async with gateway(clock, tmp_path, caches={"l1": {"plugin": "memory"}}) as argus:
            for _ in range(3):  # at night, when a live quote would stand until the morning
                answer = await argus.quotes(SYMBOLS, ask(clock))
                assert not answer.cached
                assert not answer.stale
            assert source_of(argus).calls == 3

    async def test_nor_that_there_is_nothing(self, clock, tmp_path):
        async with gateway(clock, tmp_path, caches={"l1": {"plugin": "memory"}}) as argus:
            for _ in range(2):
                await argus.quotes((Symbol("000002.SZ"),), ask(clock))
            assert source_of(argus).calls >= 2

    async def test_no_day_of_it_is_sealed(self, clock, tmp_path):
        path = tmp_path / "history"
        async with gateway(clock, tmp_path, history={"path": str(path)}) as argus:
            for _ in range(2):
                answer = await argus.history(history(Period.D1), ask(clock))
                assert answer.data["000001.SZ"].height == 1
            assert source_of(argus).calls >= 2
        assert not list(path.rglob("*.parquet"))


class TestItsOwnPresent:
    async def test_the_running_minute_is_not_final(self, clock, tmp_path):
        async with gateway(clock, tmp_path) as argus:
            answer = await argus.history(history(Period.M1), ask(clock))
        frame = answer.data["000001.SZ"]
        assert frame["final"].to_list() == [True, True, True, False]

    @pytest.mark.parametrize(("at", "final"), [("10:03:30", False), ("10:04:00", False)])
    async def test_nor_is_a_longer_bar_of_minutes_that_all_are(self, clock, tmp_path, at, final):
        sources = {"past": {"plugin": "player", "at": at}}
        async with gateway(clock, tmp_path, sources=sources) as argus:
            answer = await argus.history(history(Period.M5), ask(clock))
        assert answer.data["000001.SZ"]["final"].to_list() == [final]

    async def test_nor_the_day_nor_its_week(self, clock, tmp_path):
        async with gateway(clock, tmp_path) as argus:
            for period in (Period.D1, Period.W1):
                answer = await argus.history(history(period), ask(clock))
                assert answer.data["000001.SZ"]["final"].to_list() == [False]

    async def test_after_its_close_the_day_is_over(self, clock, tmp_path):
        sources = {"past": {"plugin": "player", "at": "15:00:00"}}
        async with gateway(clock, tmp_path, sources=sources) as argus:
            for period in (Period.D1, Period.W1):  # it was a Friday
                answer = await argus.history(history(period), ask(clock))
                assert answer.data["000001.SZ"]["final"].to_list() == [True]


class TestItIsNotMixed:
    def build(self, one, two):
        sources = {
            "one": {"plugin": "player", **one},
            "two": {"plugin": "player", **two},
        }
        config = Config.parse({"sources": sources, "routes": {"default": ["one", "two"]}}, {})
        return assemble(config, clock=TestClock(), random=Random(1))

    def test_two_that_play_the_same_share_a_route(self):
        assert len(self.build({}, {}).nodes) == 2

    @pytest.mark.parametrize(
        ("two", "words"),
        [
            ({"day": "2024-03-14"}, r"2024-03-15 at 10x \(one\), 2024-03-14 at 10x \(two\)"),
            ({"speed": 1}, r"2024-03-15 at 10x \(one\), 2024-03-15 at 1x \(two\)"),
        ],
    )
    def test_other_days_and_speeds_do_not(self, two, words):
        with pytest.raises(ConfigError, match=words):
            self.build({}, two)

    def test_live_data_do_not(self, tmp_path, monkeypatch):
        live = SOURCE.replace("replaying = {}", "").replace(
            '{"day": settings.day, "speed": settings.speed}', "None"
        )
        install(
            tmp_path, monkeypatch, dist="l", module="live_module", source=live, entry="livefeed"
        )
        sources = {"live": {"plugin": "livefeed"}, "past": {"plugin": "player"}}
        config = Config.parse({"sources": sources, "routes": {"default": ["live", "past"]}}, {})
        with pytest.raises(ConfigError, match=r"live data \(live\), 2024-03-15 at 10x \(past\)"):
            assemble(config, clock=TestClock(), random=Random(1))

    def test_simulated_data_do_not(self):
        with pytest.raises(ConfigError, match="mixes"):
            self.build({}, {"invented": True, "day": "2024-03-14"})

    def test_a_worker_would_tell_too_late_what_it_plays(self):
        sources = {"past": {"plugin": "player", "isolation": "process"}}
        with pytest.raises(ConfigError, match="in the gateway's own process") as caught:
            assemble(Config.parse({"sources": sources}, {}), clock=TestClock(), random=Random(1))
        assert caught.value.fix == "leave isolation out"
