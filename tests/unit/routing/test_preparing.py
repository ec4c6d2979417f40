"""A source that is fetching what was asked for: no failure of anybody, told as PREPARING."""

import pytest
from support.clock import TestClock
from support.sources import Scripted, lone, node, symbols

from argus_core import Kind, Preparing, QuotesQuery, SourceUnavailable, Symbol
from argus_core.errors import AllSourcesFailed, NotReady
from argus_core.model.ask import Deadline
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

QUERY = QuotesQuery(symbols=symbols("600519.SH"))


class Route:
    def __init__(self, *pools):
        self.pools = pools

    def split(self, query):
        yield self.pools, query


def router(clock, *nodes):
    return Router(Route(*lone(*nodes)), clock=clock, redactor=Redactor(frozenset()))


async def test_the_next_source_answers_and_the_busy_one_keeps_its_good_name():
    clock = TestClock()
    busy, other = (
        node(Scripted("busy", clock, Preparing("fetching", retry_after=9))),
        node(Scripted("other", clock)),
    )
    routed = await router(clock, busy, other).fetch(QUERY, Deadline.within(3, clock))
    assert routed.found["600519.SH"].source == "other"
    assert routed.trace.attempts[0].error == "PREPARING"
    assert busy.counters.failures == 0
    assert busy.ready(QUERY) == QUERY.symbols


async def test_nobody_else_has_it():
    clock = TestClock()
    nodes = (
        node(Scripted("busy", clock, Preparing("fetching", retry_after=9))),
        node(Scripted("dead", clock, SourceUnavailable("gone"))),
    )
    with pytest.raises(NotReady) as caught:
        await router(clock, *nodes).fetch(QUERY, Deadline.within(0.2, clock))
    assert caught.value.code == "PREPARING"
    assert caught.value.status == 503
    assert caught.value.retry_after == 9
    assert {attempt.source for attempt in caught.value.attempts} == {"busy", "dead"}


async def test_without_anybody_at_work_it_is_unavailable():
    clock = TestClock()
    dead = node(Scripted("dead", clock, SourceUnavailable("gone")))
    with pytest.raises(AllSourcesFailed):
        await router(clock, dead).fetch(QUERY, Deadline.within(0.2, clock))


async def test_that_another_source_lacks_it_is_no_last_word():
    clock = TestClock()
    nodes = (
        node(Scripted("busy", clock, Preparing("fetching", retry_after=9))),
        node(Scripted("other", clock, set(QUERY.symbols))),
    )
    with pytest.raises(NotReady):
        await router(clock, *nodes).fetch(QUERY, Deadline.within(3, clock))


async def test_each_key_of_a_batch_has_its_own_reason():
    clock = TestClock()
    index = Symbol("000300.SH")

    def by_kind(query):
        if index in query.symbols:
            raise SourceUnavailable("gone")
        raise Preparing("fetching", retry_after=9)

    fund = Symbol("510300.SH")
    other = node(Scripted("other", clock, {index, *QUERY.symbols}))
    other.source.kinds = frozenset({Kind.FUND})
    query = QuotesQuery(symbols=(*QUERY.symbols, index, fund))
    nodes = (node(Scripted("busy", clock, by_kind)), other)
    routed = await router(clock, *nodes).fetch(query, Deadline.within(0.2, clock))
    codes = {key: failure.code for key, failure in routed.failures.items()}
    assert codes == {"600519.SH": "PREPARING", "000300.SH": "SERVICE_UNAVAILABLE"}
    assert set(routed.found) == {fund}
