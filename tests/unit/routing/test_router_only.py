"""Asking some of a route only: who is passed over, how often the rest are asked."""

import pytest
from support.clock import RunningClock
from support.sources import Fixed, Scripted, lone, node, symbols

from argus_core import QuotesQuery, SourceTimeout, SourceUnavailable
from argus_core.errors import AllSourcesFailed, NotOffered
from argus_core.model.ask import Deadline
from argus_core.routing.pool import Member, Pool
from argus_core.routing.router import MAX_ROUNDS, Router
from argus_core.routing.trust import doubted
from argus_core.telemetry.redact import Redactor

pytestmark = pytest.mark.virtual

A, B = symbols("600519.SH", "000001.SZ")


@pytest.fixture
async def clock():
    return RunningClock()


async def fetch(clock, pools, *only):
    router = Router(Fixed(pools), clock=clock, redactor=Redactor())
    return await router.fetch(
        QuotesQuery(symbols=(A, B)), Deadline.within(5, clock), frozenset(only)
    )


async def test_only_the_named_sources_are_asked_and_the_trace_says_so(clock):
    one, two, far = (Scripted(name, clock) for name in ("one", "two", "far"))
    routed = await fetch(clock, lone(node(one), node(two), node(far)), "two")
    assert {found.source for found in routed.found.values()} == {"two"}
    assert one.asked == far.asked == []
    assert routed.trace.route == ("one", "two", "far")
    told = {skip.source: skip.reason for skip in routed.trace.skipped}
    assert told == dict.fromkeys(("one", "far"), "the series is another source's")


async def test_a_member_of_a_pool_is_asked_without_its_peers(clock):
    one, two = Scripted("one", clock), Scripted("two", clock, {A, B})
    pool = Pool("both", (Member(node(one)), Member(node(two))))
    routed = await fetch(clock, (pool,), "two")
    assert set(routed.absent) == {A, B}
    assert one.asked == []


async def test_it_is_tried_once_while_others_further_down_could_be_asked(clock):
    one, two = Scripted("one", clock, SourceUnavailable("refused")), Scripted("two", clock)
    with pytest.raises(AllSourcesFailed):
        await fetch(clock, lone(node(one), node(two)), "one")
    assert len(one.asked) == 1


async def test_it_is_tried_again_where_nobody_else_could_be(clock):
    one, two = Scripted("one", clock), Scripted("two", clock, SourceUnavailable("refused"))
    with pytest.raises(AllSourcesFailed):
        await fetch(clock, lone(node(one), node(two)), "two")
    assert len(two.asked) == MAX_ROUNDS


async def test_one_that_cools_down_is_asked_only_if_nobody_else_could_be(clock):
    one, two = Scripted("one", clock), Scripted("two", clock)
    first, second = node(one), node(two)
    first.failed("quotes:stock", SourceTimeout("late"))
    with pytest.raises(AllSourcesFailed):
        await fetch(clock, lone(first, second), "one")
    assert one.asked == []
    second.down = "it did not start"
    assert (await fetch(clock, lone(first, second), "one")).found


async def test_nobody_named_of_the_route_offers_nothing(clock):
    with pytest.raises(NotOffered):
        await fetch(clock, lone(node(Scripted("one", clock))), "two")


async def test_the_nodes_of_each_key_are_ranked_pool_by_pool(clock):
    one, two, far = (node(Scripted(name, clock)) for name in ("one", "two", "far"))
    pools = (Pool("both", (Member(one), Member(two))), *lone(far))
    router = Router(Fixed(pools), clock=clock, redactor=Redactor())
    assert router.ranked(QuotesQuery(symbols=(A, B))) == dict.fromkeys((A, B), ((one, two), (far,)))


async def test_a_source_is_doubted_about_what_it_is_quarantined_for(clock):
    one = node(Scripted("one", clock))
    query = QuotesQuery(symbols=(A, B))
    assert doubted(one, query) == frozenset()
    one.quarantine.judge("quotes:stock", {A: "its numbers disprove each other"}, (B,))
    assert doubted(one, query) == {A}
