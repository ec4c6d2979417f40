"""The breaker of a node: when it opens, for how long, and how it closes again."""

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.clock import TestClock

from argus_core.routing.health.breaker import (
    CLEAN,
    FEWEST_CALLS,
    FIRST_OPEN,
    IN_A_ROW,
    JITTER,
    LONGEST_OPEN,
    SUCCESSES,
    Breaker,
)


class Steady(Random):
    """No jitter."""

    def uniform(self, a, b):
        return (a + b) / 2


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def breaker(clock, told):
    return Breaker(clock, Steady(), lambda event, message: told.append((event, message)))


def end(breaker, *outcomes, heedless=False):
    """One call for each letter: F fails, S is slow, . goes well."""
    for outcome in outcomes:
        permit = breaker.permit(heedless=heedless)
        assert permit is not None
        if outcome == "F":
            permit.failed()
        else:
            permit.succeeded(slow=outcome == "S")
        permit.end()


def broken(breaker):
    end(breaker, *"F" * IN_A_ROW)
    assert breaker.state == "open"


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not(breaker, told):
    end(breaker, *"FFFF.FFFF")
    assert breaker.state == "closed", "eight of nine: fewer calls than a share needs"
    end(breaker, "F")
    assert breaker.state == "open"
    assert told == [("ejected", "5 failures in a row; passed over for 30 s")]
    assert breaker.permit() is None


def test_half_of_enough_calls_open_it(breaker, told):
    end(breaker, *"F." * (FEWEST_CALLS // 2 - 1), ".")
    assert breaker.state == "closed"
    end(breaker, "F")
    assert breaker.state == "open"
    assert told[0][1].startswith("5 of 10 calls failed")


def test_slow_calls_open_it(breaker, told):
    end(breaker, *"SSSSSSSS.", ".")
    assert breaker.state == "open"
    assert told[0][1].startswith("8 of 10 calls were slow")


def test_old_failures_are_forgotten(breaker, clock):
    end(breaker, *"F.F.F.F.")
    clock.advance(61)
    end(breaker, *"F.")
    assert breaker.state == "closed"


def test_open_times_double_up_to_five_minutes_and_clean_times_are_forgiven(breaker, clock):
    times = []
    broken(breaker)
    for _ in range(6):
        times.append(breaker.seconds_left)
        clock.advance(breaker.seconds_left)
        assert breaker.state == "half_open"
        end(breaker, "F")
    assert times == [30, 60, 120, 240, 300, 300]
    clock.advance(300)
    end(breaker, *"..")
    assert breaker.state == "closed"
    clock.advance(100 * CLEAN)
    broken(breaker)
    assert breaker.seconds_left == FIRST_OPEN


def test_one_clean_sweep_forgives_one_opening(breaker, clock):
    broken(breaker)
    clock.advance(30)
    end(breaker, "F")
    clock.advance(60)
    end(breaker, *"..")
    clock.advance(CLEAN)
    broken(breaker)
    assert breaker.seconds_left == 60, "two openings, one forgiven, this is the second"


def test_jitter_stays_within_a_tenth(clock):
    times = set()
    for seed in range(50):
        made = Breaker(clock, Random(seed), lambda *_told: None)
        broken(made)
        times.add(made.seconds_left)
    assert len(times) == 50
    assert all(
        FIRST_OPEN * (1 - JITTER) <= seconds <= FIRST_OPEN * (1 + JITTER) for seconds in times
    )


def test_half_open_lets_one_in_at_a_time(breaker, clock, told):
    broken(breaker)
    clock.advance(30)
    assert breaker.state == "half_open"
    probe = breaker.permit()
    assert breaker.probing
    assert breaker.permit() is None
    probe.succeeded()
    assert breaker.permit() is None, "its place is taken until the call is over"
    probe.end()
    end(breaker, ".")
    assert breaker.state == "closed"
    assert told[-1] == ("recovered", "2 calls in a row went well")
    assert breaker.total.calls == 0, "what was before says nothing about now"


def test_a_cancelled_probe_returns_its_permit_and_proves_nothing(breaker, clock):
    broken(breaker)
    clock.advance(30)
    probe = breaker.permit()
    probe.end()
    probe.end()
    assert breaker.state == "half_open"
    other = breaker.permit()
    assert other is not None
    probe.end()
    assert breaker.permit() is None, "an old permit gives back its own place only"


def test_a_slow_probe_opens_it_again(breaker, clock, told):
    broken(breaker)
    clock.advance(30)
    end(breaker, "S")
    assert breaker.state == "open"
    assert told[-1] == ("ejected", "it is still slow; passed over for 60 s")


def test_what_began_before_it_opened_does_not_judge_it_afterwards(breaker, clock):
    late = [breaker.permit() for _ in range(3)]
    broken(breaker)
    clock.advance(30)
    assert breaker.state == "half_open"
    late[0].failed()
    late[1].succeeded()
    late[2].succeeded()
    assert breaker.state == "half_open"


def test_the_last_node_is_asked_all_the_same_and_its_success_counts(breaker):
    broken(breaker)
    end(breaker, "F", heedless=True)
    assert breaker.state == "open"
    assert breaker.seconds_left == FIRST_OPEN, "asking it as a last resort does not prolong it"
    end(breaker, ".", heedless=True)
    assert breaker.state == "half_open"
    end(breaker, ".")
    assert breaker.state == "closed"


def test_a_good_check_ends_the_first_time_only(breaker, clock):
    broken(breaker)
    assert breaker.heeds_checks
    breaker.check_passed()
    assert breaker.state == "half_open"
    end(breaker, "F")
    assert breaker.state == "open"
    assert not breaker.heeds_checks, "the check tests something else than what requests need"
    breaker.check_passed()
    assert breaker.state == "open"
    assert breaker.seconds_left == FIRST_OPEN, "what the check cut short was no full opening"
    clock.advance(FIRST_OPEN)
    assert breaker.state == "half_open"
    end(breaker, "F")
    assert breaker.seconds_left == 2 * FIRST_OPEN, "this one was"


class Breakers(RuleBasedStateMachine):
    """Calls begin, end in every way or are given up, time passes, checks are answered."""

    def __init__(self):
        super().__init__()
        self.clock = TestClock()
        self.events = []
        self.breaker = Breaker(
            self.clock, Random(0), lambda event, _message: self.events.append(event)
        )
        self.under_way = []

    @rule(heedless=st.booleans())
    def begin(self, heedless):
        state, probing = self.breaker.state, self.breaker.probing
        permit = self.breaker.permit(heedless=heedless)
        free = state == "closed" or (state == "half_open" and not probing)
        assert (permit is not None) is (free or heedless)
        if permit is not None:
            assert permit.probe is (state == "half_open" and not probing)
            self.under_way.append(permit)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from("F.SX"))
    def finish(self, data, how):
        permit = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(permit)
        if how == "F":
            permit.failed()
        elif how != "X":
            permit.succeeded(slow=how == "S")
        permit.end()

    @rule(seconds=st.sampled_from([0.1, 5, 11, 33, 331]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def check(self):
        self.breaker.check_passed()

    @invariant()
    def at_most_one_probe(self):
        probes = [p for p in self.under_way if p.probe and p.era == self.breaker._era]
        assert len(probes) <= 1
        assert self.breaker.probing is bool(probes)

    @invariant()
    def never_open_for_longer_than_stated(self):
        left = self.breaker.seconds_left
        assert 0 <= left <= LONGEST_OPEN * (1 + JITTER)
        assert (left > 0) is (self.breaker.state == "open")

    @invariant()
    def operators_hear_of_every_change(self):
        last = self.events[-1] if self.events else "recovered"
        assert (last == "recovered") is (self.breaker.state == "closed")

    def teardown(self):
        """At rest it closes again, whatever happened before."""
        for permit in self.under_way:
            permit.end()
        self.clock.advance(LONGEST_OPEN * 2)
        assert not self.breaker.probing
        if self.breaker.state != "closed":
            end(self.breaker, *"." * SUCCESSES)
        assert self.breaker.state == "closed"


TestBreakers = Breakers.TestCase
TestBreakers.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
