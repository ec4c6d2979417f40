"""The door of a lone source: it never keeps apart what the source's quota wants merged."""

import asyncio
from random import Random

import pytest
from support.clock import RunningClock
from support.distribution import install
from support.metered import shares
from support.sources import symbols

from argus_core import InstrumentsQuery, QuotesQuery
from argus_core.assembly import assemble
from argus_core.config import Config
from argus_core.model.ask import Deadline
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

pytestmark = pytest.mark.virtual

SOURCE = """
    import asyncio
    from argus_core import Allowance, Charge, Instrument, Quote, Source, hookimpl

    CALLS = []

    class Counted(Source):
        max_concurrency = 1
        symbols_per_call = 100

        def charges(self, query):
            if query.dataset != "quotes":
                return []
            return [Charge(allowance=Allowance(interface="quotes", calls_per_minute=2))]

        async def quotes(self, query):
            CALLS.append(query.symbols)
            await asyncio.sleep(0.01)
            return [Quote(symbol=symbol, price=1.0) for symbol in query.symbols]

        async def instruments(self, query):
            return [Instrument(symbol=symbol, name="x") for symbol in query.symbols]

    @hookimpl
    def register_source():
        return Counted
"""
(MAOTAI,) = symbols("600519.SH")


@pytest.fixture
async def asks(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, dist="c", module="counted_module", source=SOURCE, entry="one")
    import counted_module

    clock = RunningClock()
    config = Config.parse({"sources": {"a": {"plugin": "one"}}}, {})
    parts = assemble(config, clock=clock, random=Random(1))
    router = Router(parts.routes, clock=clock, redactor=Redactor())

    def ask(query, seconds):
        return router.fetch(query, Deadline.within(seconds, clock))

    ask.calls = counted_module.CALLS
    return ask


async def test_questions_that_come_at_once_are_merged(asks):
    each = [asks(QuotesQuery(symbols=(share,)), 5.0) for share in shares(10)]
    assert [len(routed.found) for routed in await asyncio.gather(*each)] == [1] * 10
    assert len(asks.calls) <= 2


async def test_who_waits_for_a_quota_is_not_in_the_way_of_who_needs_none(asks):
    few = shares(4)
    for share in few[:2]:
        await asks(QuotesQuery(symbols=(share,)), 5.0)
    waiting = [asyncio.create_task(asks(QuotesQuery(symbols=(s,)), 90.0)) for s in few[2:]]
    await asyncio.sleep(0.02)
    routed = await asks(InstrumentsQuery(symbols=(MAOTAI,)), 1.0)
    assert MAOTAI in routed.found
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
