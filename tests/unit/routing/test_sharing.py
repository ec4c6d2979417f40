"""A balancer with a choice for each key: who is asked what at once, and what fails over."""

import asyncio
import logging
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import RunningClock, TestClock
from support.sources import Fixed, Scripted, lone, node, symbols

from argus_balancers.consistent_hash import ConsistentHash
from argus_core import (
    Balancer,
    Exchange,
    NotOffered,
    Quote,
    QuotesQuery,
    Throttled,
)
from argus_core.errors import AllSourcesFailed
from argus_core.model.ask import Deadline
from argus_core.routing.pool import Member, Pool
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

pytestmark = pytest.mark.virtual

A, B, C, D = symbols("600519.SH", "000001.SZ", "600000.SH", "000002.SZ")
INDEX = symbols("000300.SH")[0]


class Homes(Balancer):
    """Keys live where the table says, or with the first candidate."""

    def __init__(self, **homes):
        super().__init__(Random(0))
        self.homes, self.offered, self.heard = homes, [], []

    def pick(self, candidates):
        raise AssertionError("it has a choice for each key")

    def pick_each(self, candidates, keys):
        self.offered.append(([c.name for c in candidates], tuple(keys)))
        by_name = {c.name: c for c in candidates}
        home = {key: name for name, own in self.homes.items() for key in own}
        return {key: by_name.get(home.get(key), candidates[0]) for key in keys}

    def report(self, candidate, *, ok, seconds):
        assert seconds >= 0
        self.heard.append((candidate.name, ok))

    def gave_up(self, candidate, *, seconds):
        assert seconds >= 0
        self.heard.append((candidate.name, None))


@pytest.fixture
def clock():
    return TestClock()


def pool(balancer, *sources):
    return Pool("pool", tuple(Member(node(s)) for s in sources), balancer)


async def fetch(clock, pools, *keys, seconds=5.0):
    router = Router(Fixed(pools), clock=clock, redactor=Redactor())
    return await router.fetch(QuotesQuery(symbols=keys), Deadline.within(seconds, clock))


def sources_of(routed):
    return {key: found.source for key, found in routed.found.items()}


async def test_each_node_is_asked_for_its_own_keys_only(clock):
    one, two = Scripted("one", clock), Scripted("two", clock)
    balancer = Homes(one=(A, C), two=(B, D))
    routed = await fetch(clock, (pool(balancer, one, two),), A, B, C, D)
    assert (one.asked, two.asked) == ([(A, C)], [(B, D)])
    assert sources_of(routed) == {A: "one", B: "two", C: "one", D: "two"}
    assert balancer.heard == [("one", True), ("two", True)]
    assert [(a.source, a.asked, a.answered) for a in routed.trace.attempts] == [
        ("one", 2, 2),
        ("two", 2, 2),
    ]


async def test_they_are_asked_at_the_same_time():
    clock, both = RunningClock(), asyncio.Barrier(2)

    class Together(Scripted):
        async def quotes(self, query):
            await asyncio.wait_for(both.wait(), 2)
            return await super().quotes(query)

    one, two = Together("one", clock), Together("two", clock)
    balancer = Homes(one=(A,), two=(B,))
    routed = await fetch(clock, (pool(balancer, one, two),), A, B)
    assert sources_of(routed) == {A: "one", B: "two"}


async def test_what_one_node_fails_to_answer_goes_to_nodes_that_were_asked_for_other_keys(clock):
    one, two = Scripted("one", clock, Throttled("x")), Scripted("two", clock)
    balancer = Homes(one=(A, C), two=(B,))
    routed = await fetch(clock, (pool(balancer, one, two),), A, B, C)
    assert one.asked == [(A, C)]
    assert two.asked == [(B,), (A, C)]
    assert set(sources_of(routed).values()) == {"two"}
    assert balancer.offered == [(["one", "two"], (A, B, C)), (["two"], (A, C))]
    assert balancer.heard == [("one", False), ("two", True), ("two", True)]


async def test_two_that_decline_take_each_others_keys_then_the_route_goes_on(clock):
    one, two = (Scripted(n, clock, NotOffered("not like this")) for n in ("one", "two"))
    far = Scripted("far", clock)
    balancer = Homes(one=(A,), two=(B,))
    routed = await fetch(clock, (pool(balancer, one, two), *lone(node(far))), A, B)
    assert one.asked == [(A,), (B,)]
    assert two.asked == [(B,), (A,)]
    assert balancer.offered == [
        (["one", "two"], (A, B)),
        (["two"], (A,)),
        (["one"], (B,)),
    ]
    assert far.asked == [(A, B)]
    assert set(sources_of(routed).values()) == {"far"}


async def test_a_key_is_offered_to_those_alone_that_may_be_asked_for_it(clock):
    one, two, three = (Scripted(name, clock) for name in ("one", "two", "three"))
    one.exchanges, two.exchanges = frozenset({Exchange.SH}), frozenset({Exchange.SZ})
    made = pool(Homes(one=(B, D), two=(A, C), three=(INDEX,)), one, two, three)
    made.members[2].node.failed("quotes:stock", Throttled("x"))
    routed = await fetch(clock, (made,), A, B, C, D, INDEX)
    assert made.balancer.offered == [
        (["one"], (A, C)),
        (["two"], (B, D)),
        (["one", "three"], (INDEX,)),
    ]
    assert (one.asked, two.asked, three.asked) == ([(A, C)], [(B, D)], [(INDEX,)])
    assert len(routed.found) == 5
    assert len(made.balancer.heard) == 3, "one report for each call"


async def test_keys_of_two_groups_that_go_to_one_node_are_one_call(clock):
    one, two = Scripted("one", clock), Scripted("two", clock)
    two.exchanges = frozenset({Exchange.SZ})
    made = pool(Homes(one=(A, B)), one, two)
    await fetch(clock, (made,), A, B)
    assert one.asked == [(A, B)]
    assert made.balancer.heard == [("one", True)]


async def test_what_a_node_does_not_have_its_peers_are_not_asked_for(clock):
    one, two, far = Scripted("one", clock, {A}), Scripted("two", clock), Scripted("far", clock)
    balancer = Homes(one=(A,), two=(B,))
    routed = await fetch(clock, (pool(balancer, one, two), *lone(node(far))), A, B)
    assert two.asked == [(B,)]
    assert far.asked == [(A,)]
    assert sources_of(routed) == {A: "far", B: "two"}


async def test_a_hung_node_leaves_time_for_the_others_and_holds_up_its_own_keys_only():
    clock = RunningClock()
    one, two = Scripted("one", clock, 60.0), Scripted("two", clock)
    balancer = Homes(one=(A,), two=(B,))
    routed = await fetch(clock, (pool(balancer, one, two),), A, B, seconds=0.4)
    assert sources_of(routed) == {A: "two", B: "two"}
    assert balancer.heard == [("two", True), ("one", False), ("two", True)]
    assert [(a.source, a.error) for a in routed.trace.attempts] == [
        ("two", None),
        ("one", "TIMEOUT"),
        ("two", None),
    ]
    assert 150 < routed.trace.attempts[1].ms < 390, "half of the time, not all of it"


async def test_when_all_fail_each_was_asked_once_for_each_key(clock):
    sources = [Scripted(n, clock, Throttled("x")) for n in ("one", "two", "three")]
    balancer = Homes(one=(A,), two=(B,), three=(C,))
    with pytest.raises(AllSourcesFailed):
        await fetch(clock, (pool(balancer, *sources),), A, B, C)
    assert [s.asked for s in sources] == [[(A,)], [(B,)], [(C,)]], "then all three cool down"


async def test_calls_that_the_asker_gives_up_are_given_up_not_reported():
    clock = RunningClock()
    one, two = Scripted("one", clock, 60.0), Scripted("two", clock, 60.0)
    made = pool(Homes(one=(A,), two=(B,)), one, two)
    asking = asyncio.ensure_future(fetch(clock, (made,), A, B, seconds=50))
    await asyncio.sleep(0.05)
    assert (one.asked, two.asked) == ([(A,)], [(B,)])
    assert [member.in_flight for member in made.members] == [1, 1]
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert sorted(made.balancer.heard) == [("one", None), ("two", None)]
    assert [member.in_flight for member in made.members] == [0, 0]
    assert made.members[0].node.counters.failures == 0, "the asker's haste is no fault"


@pytest.mark.parametrize(
    "answer",
    [
        lambda _candidates, _keys: None,
        lambda _candidates, _keys: {},
        lambda _candidates, keys: dict.fromkeys(keys, "one"),
        lambda candidates, keys: {key: Member(candidates[0].node, 2.0) for key in keys},
        lambda _candidates, _keys: 1 / 0,
        lambda _candidates, keys: {[]: keys},
    ],
)
async def test_a_broken_choice_does_not_break_the_request(clock, answer, caplog):
    class Broken(Homes):
        def pick_each(self, candidates, keys):
            return answer(candidates, keys)

        def gave_up(self, candidate, *, seconds):
            raise KeyError(seconds)

    one, two = Scripted("one", clock), Scripted("two", clock)
    made = pool(Broken(), one, two)
    with caplog.at_level(logging.CRITICAL):
        routed = await fetch(clock, (made,), A, B)
        made.gave_up(made.members[0], seconds=1.0)
    assert sources_of(routed) == {A: "one", B: "one"}
    assert one.asked == [(A, B)]


def test_without_a_balancer_nobody_is_told(clock):
    made = pool(None, Scripted("one", clock))
    assert made.gave_up(made.members[0], seconds=1.0) is None
    assert made.share({made.members[0]: {A}}, (A, B)) == {made.members[0]: (A, B)}


async def test_a_market_is_asked_of_its_homes_and_only_a_failed_nodes_part_moves(clock):
    sources = [Scripted(name, clock) for name in ("one", "two", "three")]
    for source in sources:
        source.symbols_per_call = 300
    made = pool(ConsistentHash(Random(0)), *sources)
    keys = symbols(*(f"{600000 + n}.SH" for n in range(300)))
    before = sources_of(await fetch(clock, (made,), *keys))
    assert [len(s.asked) for s in sources] == [1, 1, 1]
    assert sorted(key for s in sources for key in s.asked[0]) == sorted(keys)
    assert sources_of(await fetch(clock, (made,), *keys[::-1])) == before
    sources[0].script = [Throttled("x")]
    after = sources_of(await fetch(clock, (made,), *keys))
    assert {key for key in keys if after[key] != before[key]} == set(sources[0].asked[0])
    assert set(after.values()) == {"two", "three"}


async def test_a_balancer_without_such_a_choice_is_asked_to_pick_as_ever(clock):
    class Last(Balancer):
        def pick(self, candidates):
            self.seen = [c.name for c in candidates]
            return candidates[-1]

    one, two = Scripted("one", clock), Scripted("two", clock)
    two.exchanges = frozenset({Exchange.SH})
    made = pool(Last(Random(0)), one, two)
    assert sources_of(await fetch(clock, (made,), A, B)) == {A: "two", B: "one"}
    assert made.balancer.seen == ["one"], "the second pick, about what the first may not be asked"
    assert made.balancer.pick_each(made.members, (A, B)) == dict.fromkeys((A, B), made.members[1])


def lies(query):
    return [Quote(symbol=s, volume=1.0) for s in query.symbols]


STEPS = {
    "answers": None,
    "has nothing": {A, B, C, D},
    "lies": lies,
    "throttles": Throttled("x"),
    "declines": NotOffered("x"),
}


@given(
    kinds=st.lists(
        st.tuples(st.sampled_from([*STEPS]), st.sets(st.sampled_from(["SH", "SZ"]), min_size=1)),
        min_size=1,
        max_size=4,
    ),
    homes=st.lists(st.integers(0, 3), min_size=4, max_size=4),
)
async def test_every_key_finds_the_node_that_answers(kinds, homes):
    clock, keys, sources = TestClock(), (A, B, C, D), []
    for number, (kind, exchanges) in enumerate(kinds):
        sources.append(Scripted(f"n{number}", clock, STEPS[kind]))
        sources[-1].exchanges = frozenset(map(Exchange, exchanges))
    homes = {f"n{n}": [k for k, at in zip(keys, homes, strict=True) if at == n] for n in range(4)}
    made = pool(Homes(**homes), *sources)
    try:
        found = sources_of(await fetch(clock, (made,), *keys))
    except (AllSourcesFailed, NotOffered):
        found = {}
    for source in sources:
        asked = [key for call in source.asked for key in call]
        assert len(asked) == len(set(asked)), "no node is asked twice for one key"
        assert all(key.exchange in source.exchanges for key in asked), "never an ineligible node"
    assert len(made.balancer.heard) == sum(len(source.asked) for source in sources)
    assert all(member.in_flight == 0 for member in made.members)
    for key in keys:
        able = {kind for kind, exchanges in kinds if key.exchange.value in exchanges}
        if "answers" in able and "has nothing" not in able:
            assert key in found
        if "answers" not in able:
            assert key not in found
