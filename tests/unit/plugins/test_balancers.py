"""The balancers as algorithms: who is picked, how often, and what they remember."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from argus_balancers import (
    consistent_hash,
    latency,
    least_connections,
    random,
    round_robin,
    weighted,
)
from argus_balancers.ledger import Ledger
from argus_core import Balancer

MODULES = [round_robin, least_connections, weighted, random, latency, consistent_hash]


@dataclass
class Node:
    name: str
    weight: float = 1.0
    in_flight: int = 0


def build(module, seed: int = 0) -> Balancer:
    return module.register_balancer()(Random(seed))


def nodes(*weights: float) -> list[Node]:
    return [Node(chr(ord("a") + index), weight) for index, weight in enumerate(weights)]


def picks(balancer: Balancer, candidates: list[Node], count: int) -> list[str]:
    return [balancer.pick(candidates).name for _ in range(count)]


weights_ = st.lists(st.integers(1, 12), min_size=1, max_size=7)
names_ = st.sets(st.sampled_from("abcdefg"), min_size=1)


@pytest.mark.parametrize("module", MODULES)
def test_the_hook_returns_a_balancer_class(module):
    assert issubclass(module.register_balancer(), Balancer)


@pytest.mark.parametrize("module", MODULES)
@given(sets=st.lists(names_, min_size=1, max_size=40), seed=st.integers(0, 99))
def test_a_pick_is_always_one_of_the_candidates(module, sets, seed):
    balancer = build(module, seed)
    for names in sets:
        candidates = [Node(name, weight=1 + ord(name) % 3) for name in sorted(names)]
        chosen = balancer.pick(candidates)
        assert any(chosen is candidate for candidate in candidates)
        balancer.report(chosen, ok=len(names) % 2 == 0, seconds=0.1)


@pytest.mark.parametrize("module", MODULES)
@given(weights=weights_, seed=st.integers())
def test_the_same_seed_gives_the_same_order(module, weights, seed):
    candidates = nodes(*weights)
    first, second = build(module, seed), build(module, seed)
    assert picks(first, candidates, 30) == picks(second, candidates, 30)


@pytest.mark.parametrize("module", [least_connections, random, latency, consistent_hash])
def test_another_seed_gives_another_order(module):
    candidates = nodes(1, 1, 1, 1)
    assert picks(build(module, 1), candidates, 30) != picks(build(module, 2), candidates, 30)


class TestRoundRobin:
    def test_rotates_by_name(self):
        candidates = [Node("c"), Node("a"), Node("b")]
        assert "".join(picks(build(round_robin), candidates, 7)) == "abcabca"

    @given(sets=st.lists(names_, min_size=2, max_size=60))
    def test_nobody_is_picked_again_before_every_other_candidate_has_been(self, sets):
        balancer = build(round_robin)
        history: list[str] = []
        for names in sets:
            chosen = balancer.pick([Node(name) for name in sorted(names)]).name
            if chosen in history:
                since = history[len(history) - history[::-1].index(chosen) :]
                assert names - {chosen} <= set(since)
            history.append(chosen)

    def test_alternating_sets_starve_nobody(self):
        balancer = build(round_robin)
        seen = Counter(
            balancer.pick([Node("a"), Node("b" if turn % 2 else "c")]).name for turn in range(300)
        )
        assert min(seen["a"], seen["b"], seen["c"]) >= 75

    def test_a_node_that_was_missing_keeps_its_turn(self):
        balancer = build(round_robin)
        everyone = nodes(1, 1, 1)
        assert picks(balancer, everyone, 3) == ["a", "b", "c"]
        assert picks(balancer, everyone[1:], 2) == ["b", "c"]
        assert picks(balancer, everyone, 4) == ["a", "b", "c", "a"]


class TestLeastConnections:
    @given(
        loads=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=8),
        seed=st.integers(),
    )
    def test_up_to_eight_the_lowest_load_is_found(self, loads, seed):
        candidates = [
            Node(str(index), weight, in_flight) for index, (in_flight, weight) in enumerate(loads)
        ]
        chosen = build(least_connections, seed).pick(candidates)
        assert (chosen.in_flight + 1) / chosen.weight == min(
            (node.in_flight + 1) / node.weight for node in candidates
        )

    def test_the_weight_counts_when_all_are_idle(self):
        assert set(picks(build(least_connections), nodes(1, 3, 2), 50)) == {"b"}

    def test_ties_are_uniform(self):
        seen = Counter(picks(build(least_connections), nodes(1, 1, 1, 1), 8000))
        # Four standard deviations of a fair draw (about 39) either side of 2000.
        assert all(abs(seen[name] - 2000) < 160 for name in "abcd")

    def test_above_eight_the_busiest_of_two_is_never_picked(self):
        candidates = [Node(str(index), in_flight=index) for index in range(12)]
        seen = Counter(picks(build(least_connections), candidates, 6000))
        assert seen["11"] == 0
        # The k-th busiest of n wins against all that are busier: 2k / n(n-1).
        for index in range(12):
            assert seen[str(index)] / 6000 == pytest.approx(2 * (11 - index) / 132, abs=0.03)

    def test_above_eight_ties_are_uniform(self):
        candidates = [Node(str(index)) for index in range(10)]
        seen = Counter(picks(build(least_connections), candidates, 8000))
        assert all(abs(seen[node.name] - 800) < 110 for node in candidates)

    def test_nine_idle_nodes_are_not_all_compared(self):
        candidates = [Node(str(index), in_flight=index) for index in range(9)]
        assert len(set(picks(build(least_connections), candidates, 500))) == 8
        assert set(picks(build(least_connections), candidates[:8], 500)) == {"0"}


class TestWeighted:
    def test_five_one_one(self):
        assert "".join(picks(build(weighted), nodes(5, 1, 1), 14)) == "aabacaa" * 2

    @given(weights=weights_, rounds=st.integers(1, 3))
    def test_shares_are_exact_over_the_sum_of_the_weights(self, weights, rounds):
        candidates = nodes(*weights)
        seen = Counter(picks(build(weighted), candidates, rounds * sum(weights)))
        assert seen == {node.name: rounds * int(node.weight) for node in candidates}

    @given(weights=weights_, count=st.integers(1, 60))
    def test_no_node_is_ever_a_whole_round_ahead_or_behind(self, weights, count):
        candidates = nodes(*weights)
        seen = Counter(picks(build(weighted), candidates, count))
        for node in candidates:
            assert abs(seen[node.name] - count * node.weight / sum(weights)) < len(candidates)

    def test_shares_follow_fractions(self):
        seen = Counter(picks(build(weighted), nodes(0.5, 0.25, 0.25), 4000))
        assert [seen[name] for name in "abc"] == [2000, 1000, 1000]

    def test_a_failure_costs_a_share_that_comes_back(self):
        balancer, candidates = build(weighted), nodes(3, 3)
        for _ in range(3):
            balancer.report(candidates[0], ok=False, seconds=0.1)
        assert Counter(picks(balancer, candidates, 20)) == {"a": 10, "b": 10}  # not yet known
        for _ in range(3):
            balancer.report(candidates[0], ok=False, seconds=0.1)
        limping = Counter(picks(balancer, candidates, 12))
        assert 0 < limping["a"] < limping["b"]
        assert Counter(picks(balancer, candidates, 20)) == {"a": 10, "b": 10}

    def test_success_and_strangers_change_nothing(self):
        balancer, other = build(weighted), build(weighted)
        candidates = nodes(5, 1, 1)
        for _ in range(21):
            chosen = balancer.pick(candidates)
            assert chosen is other.pick(candidates)
            balancer.report(chosen, ok=True, seconds=0.1)
            balancer.report(Node("stranger"), ok=False, seconds=0.1)

    def test_a_node_that_always_fails_is_still_tried_now_and_then(self):
        balancer, candidates = build(weighted), nodes(1, 1)
        seen: Counter[str] = Counter()
        for _ in range(200):
            chosen = balancer.pick(candidates)
            seen[chosen.name] += 1
            balancer.report(chosen, ok=chosen.name != "a", seconds=0.1)
        assert 10 < seen["a"] < 90

    def test_all_failing_at_once_still_gives_everybody_turns(self):
        balancer, candidates = build(weighted), nodes(2, 2, 2)
        picks(balancer, candidates, 3)
        for node in candidates * 3:
            balancer.report(node, ok=False, seconds=0.1)
        assert set(picks(balancer, candidates, 6)) == {"a", "b", "c"}


class TestRandom:
    def test_chances_follow_the_weights(self):
        seen = Counter(picks(build(random), nodes(6, 3, 1), 10_000))
        assert seen["a"] / 10_000 == pytest.approx(0.6, abs=0.02)
        assert seen["b"] / 10_000 == pytest.approx(0.3, abs=0.02)
        assert seen["c"] / 10_000 == pytest.approx(0.1, abs=0.02)


class TestLedger:
    def test_a_name_survives_a_short_absence(self):
        ledger = Ledger(list, keep=10)
        ledger.entries([Node("a"), Node("b")])[0].append("mark")
        for _ in range(9):
            ledger.entries([Node("b")])
        assert ledger.get("a") == ["mark"]
        assert ledger.entries([Node("a")]) == [["mark"]]

    def test_a_name_that_is_gone_is_forgotten(self):
        ledger = Ledger(list, keep=10)
        ledger.entries([Node("a"), Node("b")])[0].append("mark")
        for _ in range(20):
            ledger.entries([Node("b")])
        assert ledger.get("a") is None
        assert len(ledger) == 1

    @given(gaps=st.lists(st.integers(0, 4), max_size=20))
    def test_what_turns_up_often_is_never_forgotten(self, gaps):
        ledger = Ledger(list, keep=5)
        ledger.entries([Node("z")])[0].append("mark")
        for gap in gaps:
            for _ in range(gap):
                ledger.entries([Node("a")])
            assert ledger.entries([Node("z")]) == [["mark"]]

    @pytest.mark.parametrize("module", [round_robin, weighted, latency])
    def test_balancers_do_not_grow_with_names_that_come_and_go(self, module):
        balancer = build(module)
        for turn in range(5000):
            balancer.pick([Node(f"short-lived-{turn}"), Node("stays")])
        ledger = next(value for value in vars(balancer).values() if isinstance(value, Ledger))
        assert len(ledger) <= 2001


class Pool(RuleBasedStateMachine):
    """A pool whose nodes join, leave, cool down, fail and recover, under every balancer."""

    @initialize(seed=st.integers(0, 9))
    def start(self, seed):
        self.balancers = {module: build(module, seed) for module in MODULES}
        self.members: dict[str, Node] = {"a": Node("a"), "b": Node("b", 2)}
        self.cooling: set[str] = set()
        self.waits: Counter[str] = Counter()

    def _standing(self) -> list[str]:
        return sorted(self.members.keys() - self.cooling)

    @rule(name=st.sampled_from("abcdefghijkl"), weight=st.integers(1, 9))
    def join(self, name, weight):
        self.members[name] = Node(name, weight)
        self.waits.pop(name, None)

    @precondition(lambda self: len(self._standing()) > 1)
    @rule(data=st.data())
    def leave(self, data):
        name = data.draw(st.sampled_from(self._standing()))
        del self.members[name]
        self.waits.pop(name, None)

    @precondition(lambda self: len(self._standing()) > 1)
    @rule(data=st.data())
    def cool(self, data):
        name = data.draw(st.sampled_from(self._standing()))
        self.cooling.add(name)
        self.waits.pop(name, None)

    @rule()
    def recover(self):
        self.cooling.clear()

    @rule(ok=st.booleans(), in_flight=st.integers(0, 5))
    def call(self, ok, in_flight):
        candidates = [self.members[name] for name in self._standing()]
        for module, balancer in self.balancers.items():
            chosen = balancer.pick(candidates)
            assert any(chosen is node for node in candidates)
            balancer.report(chosen, ok=ok, seconds=0.2)
            if module is round_robin:
                self.waits.update(node.name for node in candidates)
                self.waits[chosen.name] = 0
            chosen.in_flight = in_flight

    @invariant()
    def nobody_waits_for_ever(self):
        # While a candidate waits, each of the eleven other names is picked once at most.
        assert all(wait <= 11 for wait in self.waits.values())

    @invariant()
    def credits_stay_bounded(self):
        shares = vars(self.balancers[weighted])["_shares"]
        for name in self.members:
            share = shares.get(name)
            assert share is None or (0 <= share.health <= 1 and abs(share.credit) <= 12 * 12 * 9)


TestPool = Pool.TestCase
