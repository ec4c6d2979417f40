"""What another gateway says of its values reaches whoever asks this one, each time anew."""

import sys
from datetime import date

import pytest
from support.clock import TestClock
from support.distribution import install

from argus_core import Exchange, Origin, Symbol
from argus_core.config import Config
from argus_core.gateway import Gateway
from argus_core.model.ask import Ask, Deadline
from argus_core.model.period import Period
from argus_core.model.query import HistoryQuery

SOURCE = """
    from argus_core import Instrument, Quote, Relayed, Source, hookimpl, session_dates

    ORIGINS = {}

    class Passing(Source):
        relays = True

        def _relayed(self, query, reply):
            origins = {key: ORIGINS[key] for key in query.keys if key in ORIGINS}
            return Relayed(reply=reply, origins=origins, now=self.clock.now())

        async def quotes(self, query):
            return self._relayed(query, [Quote(symbol=s, price=10.0) for s in query.symbols])

        async def bars(self, query):
            base = dict(open=10.0, high=10.0, low=10.0, close=10.0, volume=100.0, turnover=1000.0)
            return self._relayed(query, [
                {"symbol": s, "time": day, "prev_close": 10.0, **base}
                for s in query.symbols for day in session_dates(query.start, query.end)
            ])

        async def listings(self, query):
            return self._relayed(query, {
                e: (Instrument(symbol="600519.SH" if e == "SH" else "000001.SZ"),)
                for e in query.exchanges
            })

    @hookimpl
    def register_source():
        return Passing
"""
ONE, TWO = Symbol("600519.SH"), Symbol("000001.SZ")
OFFLINE = Origin(path=("vendor",), age=600.0, reason="offline")
OLD = Origin(path=("vendor",), age=600.0, stale=True, reason="no source answered: TIMEOUT")
WELL = Origin(path=("vendor",))


@pytest.fixture
def origins(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, dist="p", module="passing_m", source=SOURCE, entry="passing")


def gateway(tmp_path, **told):
    table = {
        "server": {"data_dir": str(tmp_path)},
        "sources": {"agent": {"plugin": "passing"}},
        "caches": {"l1": {"plugin": "memory"}},
    }
    made = Gateway(Config.parse(table, {}), clock=TestClock("2024-03-15 22:00:00"))
    origins = sys.modules["passing_m"].ORIGINS  # it is there once the plugin was loaded
    origins |= told
    return made, origins


def ask(argus):
    return Ask(deadline=Deadline.within(5, argus.clock))


@pytest.mark.usefixtures("origins")
class TestReasons:
    async def test_that_a_value_was_found_offline_is_said_until_it_is_so_no_more(self, tmp_path):
        argus, told = gateway(tmp_path, **{ONE: OFFLINE})
        async with argus:
            for _ in range(2):
                answer = await argus.quotes((ONE,), ask(argus))
                assert (answer.stale, answer.reason) == (False, "offline")
                assert answer.sources == ("vendor",)
            told[ONE] = WELL
            answer = await argus.quotes((ONE,), ask(argus))
            assert (answer.stale, answer.reason) == (False, None)

    async def test_why_a_value_is_stale_is_said_as_it_was_told(self, tmp_path):
        argus, _ = gateway(tmp_path, **{ONE: WELL, TWO: OLD})
        async with argus:
            answer = await argus.quotes((ONE, TWO), ask(argus))
        assert (answer.stale, answer.reason) == (True, OLD.reason)
        assert not answer.provenance[ONE].stale

    @pytest.mark.parametrize("origin", [OFFLINE, OLD])
    async def test_of_history_too(self, tmp_path, origin):
        argus, _ = gateway(tmp_path, **{ONE: origin})
        day = date(2024, 3, 14)
        query = HistoryQuery(symbols=(ONE,), period=Period.D1, start=day, end=day)
        async with argus:
            answer = await argus.history(query, ask(argus))
        assert answer.data[ONE].height == 1
        assert (answer.stale, answer.reason) == (origin.stale, origin.reason)

    @pytest.mark.parametrize("origin", [OFFLINE, OLD])
    async def test_of_what_is_made_of_several_tables(self, tmp_path, origin):
        argus, _ = gateway(tmp_path, **{Exchange.SH: WELL, Exchange.SZ: origin})
        async with argus:
            answer = await argus.sector("沪深A股", ask(argus))
        assert len(answer.data["沪深A股"]) == 2
        assert (answer.stale, answer.reason) == (origin.stale, origin.reason)


async def test_what_a_process_knows_by_itself_is_offline_where_the_one_behind_it_is(tmp_path):
    table = {"server": {"data_dir": str(tmp_path)}, "sources": {"agent": {"plugin": "remote"}}}
    config = Config.parse(table, {}).model_copy(update={"offline": True})
    argus = Gateway(config, clock=TestClock())
    week = date(2024, 3, 11), date(2024, 3, 15)
    days = await argus.trading_days((Exchange.SH,), *week, ask(argus))
    assert days.reason == "offline"
