"""History from raw bars: which period is asked of whom, batches that mix markets, bad factors."""

from datetime import date

import pytest
from support.clock import TestClock
from support.distribution import install
from support.sources import symbols

from argus_core import Adjust, Period
from argus_core.config import Config
from argus_core.errors import AllSourcesFailed
from argus_core.gateway import Gateway
from argus_core.model.ask import Ask, Deadline
from argus_core.model.query import HistoryQuery

STOCK, OTHER, FUTURE = symbols("600519.SH", "000001.SZ", "rb2405.SHFE")
DAY = date(2024, 3, 14)

PLUGIN = """
    from datetime import date, datetime
    from argus_core import Exchange, Period, Settings, Source, SourceUnavailable, hookimpl

    ASKED = []

    class Bars(Source):
        class Settings(Settings):
            periods: tuple[str, ...] = ("1m", "1d")
            down_for: tuple[str, ...] = ()
            factor: float | None = None

        def __init__(self, name, settings, clock):
            super().__init__(name, settings, clock)
            self.periods = frozenset(Period(p) for p in settings.periods)

        def bars(self, query):
            ASKED.append((self.name, str(query.period), query.symbols, query.since.hour))
            if any(s.exchange in self.settings.down_for for s in query.symbols):
                raise SourceUnavailable("down")
            minutes = query.period.minutes or 240
            ends = [datetime(2024, 3, 14, 9 + (30 + m) // 60, (30 + m) % 60)
                    for m in range(minutes, 61, minutes)] if query.period.intraday else [
                    date(2024, 3, 13), date(2024, 3, 14)]
            return [dict(symbol=s, time=end, open=10.0, high=10.0, low=10.0, close=10.0,
                         volume=100.0, turnover=1000.0) for s in query.symbols for end in ends]

        def factors(self, query):
            if self.settings.factor is None:
                raise SourceUnavailable("down")
            return [dict(symbol=s, date=date(2024, 3, 14), factor=self.settings.factor)
                    for s in query.symbols]

    @hookimpl
    def register_source():
        return Bars
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    install(
        tmp_path, monkeypatch, dist="bars-dist", module="bars_module", source=PLUGIN, entry="bars"
    )


def asked():
    import bars_module

    return [entry[:2] for entry in bars_module.ASKED]


async def ask(sources, *wanted, period=Period.D1, **terms):
    table = {"sources": {name: {"plugin": "bars", **given} for name, given in sources.items()}}
    clock = TestClock()
    query = HistoryQuery(symbols=wanted, period=period, start=DAY, end=DAY, **terms)
    async with Gateway(Config.parse(table, {}), clock=clock) as argus:
        return await argus.history(query, Ask(deadline=Deadline.within(5, clock)))


async def test_the_finest_period_that_is_offered_is_asked():
    answer = await ask({"a": {}}, STOCK, period=Period.M30)
    assert asked() == [("a", "1m")]
    frame = answer.data[STOCK]
    assert frame["time"].dt.strftime("%H:%M").to_list() == ["10:00", "10:30"]
    assert frame["volume"].to_list() == [3000.0, 3000.0]


async def test_a_source_with_coarser_bars_serves_what_they_divide():
    answer = await ask({"a": {"periods": ["5m"]}}, STOCK, period=Period.H1)
    assert asked() == [("a", "5m")]
    assert answer.data[STOCK]["volume"].to_list() == [1200.0]


async def test_when_the_finest_fails_everywhere_a_coarser_one_is_asked():
    sources = {"fine": {"periods": ["1m"], "down_for": ["SH"]}, "coarse": {"periods": ["15m"]}}
    answer = await ask(sources, STOCK, period=Period.M30)
    assert answer.sources == ("coarse",)
    assert answer.data[STOCK].height == 2


async def test_if_every_period_fails_the_failure_is_told_not_the_refusal():
    sources = {"fine": {"periods": ["1m"], "down_for": ["SH"]}}
    with pytest.raises(AllSourcesFailed):
        await ask(sources, STOCK, period=Period.M30)


async def test_a_batch_of_stocks_and_futures_is_asked_apart_and_answered_together():
    answer = await ask({"a": {}}, FUTURE, STOCK, period=Period.M30)
    import bars_module

    hours = {entry[2]: entry[3] for entry in bars_module.ASKED}
    assert hours == {(FUTURE,): 20, (STOCK,): 0}, "only futures have a night before"
    assert list(answer.data) == [FUTURE, STOCK]


async def test_one_market_down_spoils_only_its_own_symbols():
    answer = await ask({"a": {"down_for": ["SHFE"]}}, STOCK, FUTURE)
    assert list(answer.data) == [STOCK]
    assert answer.errors[FUTURE].code == "SERVICE_UNAVAILABLE"


async def test_without_factors_an_adjusted_question_fails_and_a_raw_one_does_not():
    with pytest.raises(AllSourcesFailed):
        await ask({"a": {}}, STOCK, adjust=Adjust.PRE)
    raw = await ask({"a": {}}, STOCK)
    assert raw.data[STOCK]["close"].to_list() == [10.0]
    assert raw.data[STOCK]["change"].to_list() == [0.0]


async def test_factors_that_begin_after_the_bars_are_refused_not_guessed():
    answer = await ask(
        {"a": {"factor": 2.0}}, STOCK, adjust=Adjust.PRE, adjust_base=date(2024, 3, 1)
    )
    assert answer.data == {}
    assert answer.errors[STOCK].code == "BAD_DATA"


async def test_what_an_answer_speaks_of_is_its_last_bar():
    day = await ask({"a": {}}, STOCK)
    assert day.as_of.isoformat() == "2024-03-14T15:00:00+08:00"
    minutes = await ask({"a": {}}, STOCK, period=Period.M30)
    assert minutes.as_of.isoformat() == "2024-03-14T10:30:00+08:00"
