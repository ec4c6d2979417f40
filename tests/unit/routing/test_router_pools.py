"""A pool is exhausted before the route goes on: key by key, not call by call."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock
from support.sources import Fixed, Scripted, lone, node, symbols

from argus_core import Balancer, Exchange, Quote, QuotesQuery, Throttled
from argus_core.model.ask import Deadline
from argus_core.routing.pool import Member, Pool
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

A, B, INDEX = symbols("600519.SH", "000001.SZ", "000300.SH")


class First(Balancer):
    """Takes the first."""

    def pick(self, candidates):
        return candidates[0]


@pytest.fixture
def clock():
    return TestClock()


def pool(*nodes):
    return Pool("pool", tuple(Member(n) for n in nodes), First(Random(0)))


async def fetch(clock, pools, *keys):
    router = Router(Fixed(pools), clock=clock, redactor=Redactor())
    return await router.fetch(QuotesQuery(symbols=keys), Deadline.within(5, clock))


def sources_of(routed):
    return {key: found.source for key, found in routed.found.items()}


async def test_keys_that_cool_down_at_one_member_are_asked_of_the_next(clock):
    one, two, far = (Scripted(name, clock) for name in ("one", "two", "far"))
    nodes = [node(s) for s in (one, two, far)]
    nodes[0].failed("quotes:index", Throttled("x"))
    routed = await fetch(clock, (pool(*nodes[:2]), *lone(nodes[2])), A, INDEX)
    assert sources_of(routed) == {A: "one", INDEX: "two"}
    assert one.asked == [(A,)]
    assert two.asked == [(INDEX,)]
    assert far.asked == []


async def test_keys_that_one_member_does_not_cover_are_asked_of_the_next(clock):
    one, two = Scripted("one", clock), Scripted("two", clock)
    one.exchanges, two.exchanges = frozenset({Exchange.SH}), frozenset({Exchange.SZ})
    routed = await fetch(clock, (pool(node(one), node(two)),), A, B)
    assert sources_of(routed) == {A: "one", B: "two"}
    assert routed.failures == {}


async def test_what_a_member_does_not_have_its_twin_is_not_asked_for(clock):
    one, two, far = Scripted("one", clock, {B}), Scripted("two", clock), Scripted("far", clock)
    routed = await fetch(clock, (pool(node(one), node(two)), *lone(node(far))), A, B)
    assert two.asked == [], "the members of a pool see the same vendor"
    assert sources_of(routed) == {A: "one", B: "far"}


async def test_only_what_was_false_is_asked_of_the_next_member(clock):
    one = Scripted("one", clock)
    one.script = [lambda _query: [one.quote(A), Quote(symbol=B, volume=1.0)]]
    two = Scripted("two", clock)
    routed = await fetch(clock, (pool(node(one), node(two)),), A, B)
    assert sources_of(routed) == {A: "one", B: "two"}
    assert two.asked == [(B,)]


@given(st.lists(st.sets(st.sampled_from(["stock", "index"])), min_size=1, max_size=4))
async def test_a_key_is_answered_if_any_member_may_be_asked(cooling):
    clock = TestClock()
    nodes = [node(Scripted(f"n{i}", clock)) for i in range(len(cooling))]
    for one, kinds in zip(nodes, cooling, strict=True):
        for kind in kinds:
            one.failed(f"quotes:{kind}", Throttled("x"))
    answerable = {
        key
        for key, kind in ((A, "stock"), (INDEX, "index"))
        if any(kind not in kinds for kinds in cooling)
    }
    if answerable:
        routed = await fetch(clock, (pool(*nodes),), A, INDEX)
        assert set(routed.found) == answerable
