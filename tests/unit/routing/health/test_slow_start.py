"""Nodes that come back get their share little by little, whatever the balancer does."""

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import TestClock
from support.sources import Scripted, node

from argus_core.plugins import Plugins
from argus_core.routing.health.slow_start import LEAST, RAMP, SlowStart, ramp
from argus_core.routing.pool import Member, Pool

BALANCERS = ("round_robin", "weighted", "random", "least_connections", "latency")


@dataclass(frozen=True)
class Newcomer:
    name: str
    weight: float = 1.0
    ramp: float = 1.0


def test_the_ramp_goes_from_a_tenth_to_the_whole_in_half_a_minute():
    assert ramp(0) == LEAST
    assert ramp(RAMP / 2) == pytest.approx(0.55)
    assert ramp(RAMP) == ramp(1000) == 1.0


def test_a_node_that_never_left_has_its_whole_share():
    made = node(Scripted("one", TestClock()))
    assert Member(made).ramp == 1.0


def test_a_nodes_ramp_begins_when_it_comes_back():
    clock = TestClock()
    made = node(Scripted("one", clock))
    made.health.returned()
    assert made.health.ramp == LEAST
    clock.advance(RAMP / 3)
    assert made.health.ramp == pytest.approx(0.4)
    clock.advance(RAMP)
    assert made.health.ramp == 1.0


@pytest.mark.parametrize("balancer", BALANCERS)
def test_no_balancer_gives_a_newcomer_more_than_its_part(balancer):
    clock = TestClock()
    nodes = [node(Scripted(name, clock)) for name in "abcd"]
    cls = Plugins().load("balancer", balancer, "here")
    pool = Pool("p", tuple(Member(n) for n in nodes), cls(Random(1)))
    nodes[0].health.returned()
    clock.advance(RAMP / 3)
    picks = Counter(pool.pick(pool.members).name for _ in range(1000))
    most = 1000 * ramp(RAMP / 3) / 4
    assert picks["a"] <= most + 1
    clock.advance(RAMP)
    picks = Counter(pool.pick(pool.members).name for _ in range(1000))
    if balancer != "latency":  # of nodes that never answered, it tries the first it likes
        assert picks["a"] > most


def test_weighted_shares_are_exact_again_after_the_ramp():
    clock = TestClock()
    nodes = [node(Scripted(name, clock)) for name in "abc"]
    weights = (5.0, 1.0, 1.0)
    cls = Plugins().load("balancer", "weighted", "here")
    members = tuple(Member(n, w) for n, w in zip(nodes, weights, strict=True))
    pool = Pool("p", members, cls(Random(1)))
    nodes[0].health.returned()
    for _ in range(20):
        pool.pick(members)
    clock.advance(RAMP)
    picks = Counter(pool.pick(members).name for _ in range(700))
    assert abs(picks["a"] - 500) <= 6  # what it was owed at the end of the ramp
    assert picks["b"] + picks["c"] == 700 - picks["a"]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.01, 100), st.one_of(st.just(1.0), st.floats(0.1, 0.99))),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 2**16),
)
def test_newcomers_never_exceed_their_credit_and_somebody_is_always_left(nodes, seed):
    random, start = Random(seed), SlowStart()
    members = [Newcomer(str(n), weight, part) for n, (weight, part) in enumerate(nodes)]
    total, picks = sum(m.weight for m in members), Counter()
    for _ in range(60):
        able = start.eased(members)
        assert able
        assert set(able) <= set(members)
        chosen = random.choice(able)
        start.picked(chosen)
        picks[chosen.name] += 1
    if all(m.ramp < 1 for m in members):
        return  # nobody else is there to take what they may not have
    for m in members:
        if m.ramp < 1:
            assert picks[m.name] <= 60 * m.ramp * m.weight / total + 1
