"""Peak EWMA: the faster node first, trouble noticed at once, nobody forgotten."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import exp
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.clock import TestClock

from argus_balancers.latency import FAILURE, MEMORY, PATIENCE, Latency
from argus_core.extend.balancer import timed


@dataclass(eq=False)
class Node:
    name: str
    weight: float = 1.0
    in_flight: int = 0


def made(seed=0):
    clock = TestClock()
    return timed(Latency(Random(seed)), clock), clock


def taught(seconds, weights=(1.0, 1.0, 1.0)):
    """A balancer that has heard once of each node, and the nodes."""
    balancer, clock = made()
    nodes = [Node(n, w) for n, w, _ in zip("abc", weights, seconds, strict=False)]
    balancer.pick(nodes)
    for node, took in zip(nodes, seconds, strict=True):
        balancer.report(node, ok=True, seconds=took)
    return balancer, clock, nodes


def picks(balancer, nodes, count=50):
    return Counter(balancer.pick(nodes).name for _ in range(count))


class TestCost:
    def test_the_faster_node_is_picked(self):
        balancer, _, nodes = taught((0.5, 0.1, 0.3))
        assert picks(balancer, nodes) == {"b": 50}

    def test_calls_under_way_and_weights_count(self):
        balancer, _, nodes = taught((0.3, 0.1))
        nodes[1].in_flight = 1
        assert picks(balancer, nodes) == {"b": 50}
        nodes[1].in_flight = 3
        assert picks(balancer, nodes) == {"a": 50}
        nodes[1].weight = 2.0
        assert picks(balancer, nodes) == {"b": 50}

    def test_one_slow_call_is_noticed_at_once_and_forgiven_slowly(self):
        balancer, clock, nodes = taught((0.1, 0.05))
        balancer.report(nodes[1], ok=True, seconds=2.0)
        assert picks(balancer, nodes) == {"a": 50}
        for _ in range(10):  # its twin goes on answering
            clock.advance(1)
            balancer.report(nodes[0], ok=True, seconds=0.1)
        assert picks(balancer, nodes) == {"a": 50}, "2 s have faded to 0.7 s"
        for _ in range(21):
            clock.advance(1)
            balancer.report(nodes[0], ok=True, seconds=0.1)
        assert picks(balancer, nodes) == {"b": 50}, "2 s have faded below 0.1 s: it gets a call"
        balancer.report(nodes[1], ok=True, seconds=0.05)
        assert picks(balancer, nodes) == {"b": 50}, "it is fast again"

    @pytest.mark.parametrize("took", [0.01, 0.36, 0.5])
    def test_the_cost_is_the_newest_answer_or_what_is_left_of_slower_ones(self, took):
        balancer, clock, nodes = taught((1.0, 1.0))
        clock.advance(MEMORY)
        balancer.report(nodes[0], ok=True, seconds=took)
        balancer.report(nodes[1], ok=True, seconds=1.0)
        even = 1 / max(took, exp(-1))  # the weight of a node of 1 s that makes both loads equal
        nodes[1].weight = even * 1.001
        assert picks(balancer, nodes) == {"b": 50}
        nodes[1].weight = even / 1.001
        assert picks(balancer, nodes) == {"a": 50}

    def test_below_a_millisecond_the_load_decides(self):
        balancer, _, nodes = taught((0.0009, 0.0001))
        nodes[1].in_flight = 1
        assert picks(balancer, nodes) == {"a": 50}

    def test_after_a_long_rest_all_are_tried_by_load(self):
        balancer, clock, nodes = taught((5.0, 0.01))
        clock.advance(86_400)
        nodes[1].in_flight = 1
        assert picks(balancer, nodes) == {"a": 50}

    def test_among_many_the_worse_of_two_is_never_picked(self):
        balancer, _ = made()
        nodes = [Node(str(n)) for n in range(12)]
        for _ in range(200):
            balancer.pick(nodes)  # each is met once
        for number, node in enumerate(nodes):
            balancer.report(node, ok=True, seconds=0.01 * (number + 1))
        seen = picks(balancer, nodes, 3000)
        assert seen["11"] == 0
        assert seen["0"] / 3000 == pytest.approx(2 * 11 / 132, abs=0.03)


class TestNew:
    def test_a_new_node_comes_first_but_not_for_everybody(self):
        balancer, _, nodes = taught((0.1, 0.1))
        nodes.append(Node("new"))
        assert [balancer.pick(nodes).name == "new" for _ in range(20)] == [True, *[False] * 19]

    def test_it_is_tried_again_if_nothing_is_heard_of_it(self):
        balancer, clock, nodes = taught((0.1, 0.1))
        nodes.append(Node("new"))
        tried = 0
        for _ in range(100):
            tried += balancer.pick(nodes).name == "new"
            clock.advance(PATIENCE / 10)
        assert 8 <= tried <= 11, "once a second, no more"

    def test_where_all_are_new_each_gets_a_call_and_then_the_least_busy(self):
        balancer, _ = made()
        nodes = [Node(n) for n in "abcd"]
        assert picks(balancer, nodes, 4) == dict.fromkeys("abcd", 1)
        nodes[2].weight = 3.0
        assert picks(balancer, nodes) == {"c": 50}

    def test_its_first_answer_is_its_cost(self):
        balancer, clock, nodes = taught((0.1, 0.1))
        new = Node("new")
        assert balancer.pick([*nodes, new]) is new
        clock.advance(0.05)
        balancer.report(new, ok=True, seconds=0.05)
        assert picks(balancer, [*nodes, new]) == {"new": 50}


class TestTrouble:
    def test_a_quick_failure_counts_as_slow(self):
        balancer, _, nodes = taught((0.1, 0.1))
        balancer.report(nodes[0], ok=False, seconds=0.0001)
        assert picks(balancer, nodes) == {"b": 50}
        nodes[1].in_flight = int(FAILURE) - 2
        assert picks(balancer, nodes) == {"b": 50}, "as slow as ten answers"
        nodes[1].in_flight = int(FAILURE)
        assert picks(balancer, nodes) == {"a": 50}

    def test_failures_do_not_add_up(self):
        balancer, clock, nodes = taught((0.1, 0.1))
        for _ in range(100):
            balancer.report(nodes[0], ok=False, seconds=0.1)
        for _ in range(25):
            clock.advance(1)
            balancer.report(nodes[1], ok=True, seconds=0.1)
        assert picks(balancer, nodes) == {"a": 50}, "it is tried again within half a minute"

    def test_a_failure_before_any_answer_is_no_recommendation(self):
        balancer, _ = made()
        nodes = [Node("a"), Node("b")]
        first, second = (balancer.pick(nodes) for _ in range(2))
        balancer.report(first, ok=False, seconds=0.0)
        balancer.report(second, ok=True, seconds=0.005)
        assert picks(balancer, nodes) == {second.name: 50}

    def test_a_call_given_up_early_says_nothing(self):
        balancer, _, nodes = taught((0.1, 0.1))
        balancer.gave_up(nodes[0], seconds=0.01)
        assert len(picks(balancer, nodes)) == 2

    def test_a_call_given_up_late_was_slow(self):
        balancer, _, nodes = taught((0.1, 0.1))
        balancer.gave_up(nodes[0], seconds=3.0)
        assert picks(balancer, nodes) == {"b": 50}

    def test_a_new_node_that_hangs_costs_one_caller_a_second(self):
        balancer, clock, nodes = taught((0.1, 0.1))
        nodes.append(Node("hung"))
        victims = 0
        for _ in range(100):
            chosen = balancer.pick(nodes)
            clock.advance(0.1)
            if chosen.name == "hung":
                victims += 1
                balancer.gave_up(chosen, seconds=0.1)
            else:
                balancer.report(chosen, ok=True, seconds=0.1)
        assert 5 <= victims <= 10

    def test_strangers_are_nothing_to_it(self):
        balancer, _, nodes = taught((0.1, 0.2))
        balancer.report(Node("stranger"), ok=True, seconds=0.0)
        balancer.gave_up(Node("stranger"), seconds=9.0)
        assert picks(balancer, nodes) == {"a": 50}


@dataclass(order=True)
class Call:
    ends: float
    number: int
    node: Node = field(compare=False)
    seconds: float = field(compare=False)


def simulate(balancer, clock, nodes, takes, *, calls, rate):
    """How often each node was picked when calls arrive at a rate and take what ``takes`` says."""
    seen: Counter[str] = Counter()
    running: list[Call] = []
    for number in range(calls):
        clock.advance(1 / rate)
        while running and running[0].ends <= clock.monotonic():
            over = heappop(running)
            over.node.in_flight -= 1
            balancer.report(over.node, ok=True, seconds=over.seconds)
        chosen = balancer.pick(nodes)
        seen[chosen.name] += 1
        chosen.in_flight += 1
        seconds = takes[chosen.name]
        heappush(running, Call(clock.monotonic() + seconds, number, chosen, seconds))
    for call in running:
        call.node.in_flight -= 1
        balancer.gave_up(call.node, seconds=0.0)
    return seen


class TestTraffic:
    def test_most_calls_go_to_the_faster_node_and_come_back_when_the_other_recovers(self):
        balancer, clock = made()
        nodes = [Node("a"), Node("b")]
        takes = {"a": 0.02, "b": 1.0}
        seen = simulate(balancer, clock, nodes, takes, calls=3000, rate=50)
        assert seen["a"] > 0.98 * 3000
        assert seen["b"] >= 1, "a slow node is asked now and then"
        takes["b"] = 0.02
        simulate(balancer, clock, nodes, takes, calls=3000, rate=50)  # a minute of recovery
        seen = simulate(balancer, clock, nodes, takes, calls=3000, rate=50)
        assert seen["b"] > 0.3 * 3000
        takes["a"], takes["b"] = 1.0, 0.02
        seen = simulate(balancer, clock, nodes, takes, calls=3000, rate=50)
        assert seen["b"] > 0.98 * 3000

    def test_equal_nodes_under_load_share_by_weight(self):
        balancer, clock = made()
        nodes = [Node("a", 3.0), Node("b", 1.0)]
        seen = simulate(balancer, clock, nodes, {"a": 0.2, "b": 0.2}, calls=4000, rate=200)
        assert seen["a"] / 4000 == pytest.approx(0.75, abs=0.03)


@given(
    names=st.lists(st.sets(st.sampled_from("abcdefghijkl"), min_size=1), min_size=1, max_size=30),
    seed=st.integers(0, 99),
)
def test_the_same_seed_and_times_give_the_same_order(names, seed):
    def run():
        balancer, clock = made(seed)
        for number, standing in enumerate(names):
            chosen = balancer.pick([Node(name) for name in sorted(standing)])
            yield chosen.name
            clock.advance(0.1)
            balancer.report(chosen, ok=number % 3 > 0, seconds=0.1 * (number % 4))

    assert list(run()) == list(run())


class Pool(RuleBasedStateMachine):
    """Calls begin, end, fail and are given up, nodes come and go, time passes."""

    @initialize(seed=st.integers(0, 9))
    def start(self, seed):
        self.balancer, self.clock = made(seed)
        self.members = {name: Node(name) for name in "abc"}
        self.calls: list[Node] = []

    @rule(name=st.sampled_from("abcdefghijk"), weight=st.floats(0.01, 100))
    def join(self, name, weight):
        self.members.setdefault(name, Node(name, weight))

    @precondition(lambda self: len(self.members) > 1)
    @rule(data=st.data())
    def leave(self, data):
        del self.members[data.draw(st.sampled_from(sorted(self.members)))]

    @rule(data=st.data())
    def begin(self, data):
        names = st.sets(st.sampled_from(sorted(self.members)), min_size=1)
        candidates = [self.members[name] for name in sorted(data.draw(names))]
        chosen = self.balancer.pick(candidates)
        assert any(chosen is node for node in candidates)
        chosen.in_flight += 1
        self.calls.append(chosen)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), ok=st.sampled_from([True, False, None]), seconds=st.floats(0, 1e6))
    def end(self, data, ok, seconds):
        node = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        node.in_flight -= 1
        if ok is None:
            self.balancer.gave_up(node, seconds=seconds)
        else:
            self.balancer.report(node, ok=ok, seconds=seconds)

    @rule(seconds=st.floats(0, 1e5))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def every_idle_node_is_picked_after_a_rest(self):
        if self.calls:
            return
        self.clock.advance(1e9)
        idle = list(self.members.values())[:8]
        seen = set()
        for _ in idle:
            chosen = self.balancer.pick([node for node in idle if node.name not in seen])
            seen.add(chosen.name)
        assert seen == {node.name for node in idle}


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=40, stateful_step_count=30)
