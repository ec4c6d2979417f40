"""The tally of one interface against a vendor that counts a call anywhere while it runs."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.clock import TestClock
from support.metered import most_in_a_minute

from argus_core import Allowance
from argus_core.routing.quota.tally import MINUTE, Tally, held_back, until_midnight


def tally(clock, **allowed):
    return Tally(Allowance(interface="daily", **allowed), clock)


def made(subject, calls=1):
    subject.promise(calls)
    subject.ended(calls)


def test_a_burst_up_to_the_limit_then_a_minutes_wait():
    clock = TestClock()
    subject = tally(clock, calls_per_minute=3)
    made(subject, 2)
    clock.advance(10)
    made(subject)
    assert subject.minute == 3
    assert subject.wait(1) == 50
    assert subject.wait(3) == 60
    clock.advance(50)
    assert subject.wait(2) == 0
    assert subject.wait(3) == 10


def test_a_call_counts_from_its_promise_until_a_minute_after_its_end():
    clock = TestClock()
    subject = tally(clock, calls_per_minute=1)
    subject.promise(1)
    clock.advance(500)
    assert subject.wait(1) == MINUTE, "an estimate: who knows when it ends"
    subject.ended(1)
    clock.advance(59)
    assert subject.wait(1) == 1


def test_what_nobody_states_holds_nothing_back():
    subject = tally(TestClock())
    made(subject, 10_000)
    assert subject.wait(10_000) == 0
    assert subject.minute == subject.today == 10_000


def test_more_than_it_ever_holds_fits_alone_only():
    clock = TestClock()
    subject = tally(clock, calls_per_minute=3)
    assert subject.wait(9) > 0
    assert subject.wait(9, alone=True) == 0
    made(subject)
    assert subject.wait(9, alone=True) == 60


def test_those_ahead_are_waited_for_over_several_minutes():
    clock = TestClock()
    subject = tally(clock, calls_per_minute=2)
    made(subject, 2)
    assert [subject.wait(1, ahead=ahead) for ahead in range(5)] == [60, 60, 120, 120, 180]


def test_a_share_is_whole_calls_and_at_least_one():
    assert [held_back(limit, 0.8) for limit in (1, 2, 5, 10, 500)] == [1, 1, 4, 8, 400]


def test_the_day_begins_at_midnight_in_beijing():
    clock = TestClock("2024-03-15 23:00:00")
    subject = tally(clock, calls_per_day=2)
    made(subject, 2)
    assert subject.wait(1) == 3600 == until_midnight(clock)
    assert subject.wait(1, share=0.1) == 3600
    clock.advance(3600)
    assert subject.wait(2) == 0
    assert subject.today == 0


def test_a_refusal_shuts_it_for_as_long_as_the_vendor_says():
    clock = TestClock()
    subject = tally(clock)
    subject.refuse(30)
    subject.refuse(10)
    assert subject.wait(1) == subject.refused == 30
    clock.advance(30)
    assert subject.wait(1) == 0


def test_a_meter_is_believed_over_the_estimate():
    clock = TestClock()
    subject = tally(clock, calls_per_minute=10)
    subject.seen(4)  # before anybody looked
    subject.promise(5)
    assert subject.minute == 9
    subject.seen(6)
    assert subject.minute == 9, "two of the five that were promised"
    subject.ended(5)
    assert subject.minute == 6, "the other three were not made"
    subject.seen(1)  # the source was opened anew
    assert subject.minute == 7


class Vendor(RuleBasedStateMachine):
    """Calls begin whenever the tally lets them; the vendor counts each at some instant of it."""

    LIMIT = 4

    def __init__(self):
        super().__init__()
        self.clock = TestClock()
        self.tally = tally(self.clock, calls_per_minute=self.LIMIT)
        self.running = []
        self.instants = []

    @rule(calls=st.integers(1, 4), share=st.sampled_from([1.0, 0.8]))
    def begin(self, calls, share):
        if self.tally.wait(calls, share) == 0:
            before = self.tally.minute
            self.tally.promise(calls)
            self.running.append([calls, False])
            assert before + calls <= held_back(self.LIMIT, share)

    @precondition(lambda self: any(not counted for _, counted in self.running))
    @rule(data=st.data())
    def arrive(self, data):
        call = data.draw(st.sampled_from([c for c in self.running if not c[1]]))
        call[1] = True
        self.instants += [self.clock.monotonic()] * call[0]

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data):
        call = data.draw(st.sampled_from(self.running))
        self.running.remove(call)  # given up before it came there, or answered
        self.tally.ended(call[0])

    @rule(seconds=st.sampled_from([0.5, 7, 20, 59, 60, 61]))
    def pass_time(self, seconds):
        self.clock.advance(seconds)

    @precondition(lambda self: not self.running)
    @rule()
    def wait(self):
        self.clock.advance(self.tally.wait(1))
        assert self.tally.wait(1) == 0, "a wait that was told is enough when nothing runs"

    @invariant()
    def no_minute_of_the_vendors_holds_more(self):
        assert most_in_a_minute(self.instants) <= self.LIMIT
        assert self.tally.minute <= self.LIMIT

    def teardown(self):
        while self.running:
            self.tally.ended(self.running.pop()[0])
        self.clock.advance(60)
        assert self.tally.minute == 0


TestVendor = Vendor.TestCase
TestVendor.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
