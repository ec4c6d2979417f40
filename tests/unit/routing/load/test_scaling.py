"""The size follows the load: up by use, down by strain, useless growth and idleness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock

from argus_core.routing.load.gate import Gate
from argus_core.tables import PoolLimits


@pytest.fixture
def clock():
    return TestClock()


class Pool:
    """A gate under a load that the test sets, second by second."""

    def __init__(self, clock, **limits):
        self.clock = clock
        self.told = []
        given = {"min_size": 2, "max_size": 40, "initial_size": 4, **limits}
        self.gate = Gate("pool", PoolLimits(**given), clock, self.told.append)
        self.places = []

    @property
    def size(self):
        return self.gate.figures().size

    def run(self, in_use, seconds=1.0, calls=0, latency=0.01):
        """Keep so many calls under way for a while, in which ``calls`` others end."""
        while len(self.places) > in_use:
            self.places.pop().leave()
        while len(self.places) < in_use and (place := self.gate.try_enter()) is not None:
            self.places.append(place)
        self.clock.advance(seconds)
        for _ in range(calls):
            self.gate.note("n", ok=True, seconds=latency)
        return self.size

    def strain(self, seconds=0.0):
        self.gate.note("n", ok=False, seconds=seconds, strain=True)
        return self.size


def test_it_grows_by_its_factor_while_it_is_used_up_to_its_bound(clock):
    pool = Pool(clock)
    sizes = [pool.run(in_use=100) for _ in range(9)]
    assert sizes == [6, 9, 14, 21, 32, 40, 40, 40, 40]
    assert pool.told[0].why == "used to 100%"


@pytest.mark.parametrize(("in_use", "grown"), [(7, 10), (8, 15)])
def test_it_grows_from_its_threshold_on(clock, in_use, grown):
    pool = Pool(clock, initial_size=10, scale_threshold=0.8)
    assert pool.run(in_use) == grown


def test_it_does_not_grow_more_than_twice_a_second(clock):
    pool = Pool(clock)
    assert [pool.run(100, 0.25) for _ in range(6)] == [4, 6, 6, 9, 9, 14]


def test_a_peak_is_not_a_load(clock):
    pool = Pool(clock, initial_size=10)
    pool.run(10, 0.1)
    assert pool.run(2, 0.9) == 10


def test_a_time_out_costs_a_tenth_and_a_burst_of_them_once(clock):
    pool = Pool(clock, initial_size=20)
    clock.advance(5)
    assert pool.strain(seconds=3) == 18
    assert [pool.strain(seconds=3) for _ in range(10)] == [18] * 10, "all began before the cut"
    clock.advance(4)
    assert pool.strain(seconds=3) == 16
    for _ in range(30):
        clock.advance(2)
        pool.strain(seconds=1)
    assert pool.size == 2


def test_after_a_cut_it_holds_and_then_grows_by_one_at_a_time(clock):
    pool = Pool(clock, initial_size=20)
    pool.strain()
    sizes = [pool.run(100) for _ in range(12)]
    assert sizes == [18] * 9 + [19, 20, 21]
    clock.advance(60)
    assert pool.size == 32


def test_growth_that_makes_answers_slower_and_not_more_is_taken_back(clock):
    pool = Pool(clock, initial_size=10)
    assert pool.run(100, calls=100, latency=0.1) == 15
    sizes = [pool.run(100, calls=100, latency=0.2) for _ in range(8)]
    assert sizes == [13, 11, 10, 10, 10, 10, 10, 10]
    assert pool.told[-1].why == "growth made answers slower and not more"


def test_growth_that_brings_more_answers_stays_even_if_they_are_slower(clock):
    pool = Pool(clock, initial_size=10)
    sizes = [pool.run(100, calls=50 * (n + 1), latency=0.1 * 1.5**n) for n in range(6)]
    assert sizes[-1] == 40


def test_an_idle_pool_shrinks_step_by_step_also_while_nobody_looks(clock):
    pool = Pool(clock, initial_size=18, max_idle_time=60)
    assert pool.run(2, 59) == 18
    assert pool.run(2, 1) == 12
    assert pool.run(2, 59) == 12
    assert pool.run(2, 121) == 3, "at 120, 180 and 240 s"
    assert pool.run(0, 1000) == 2
    assert pool.told[-1].why == "little used for 60 s"


def test_use_of_half_the_threshold_keeps_it_as_it_is(clock):
    pool = Pool(clock, initial_size=10, max_idle_time=60, scale_threshold=0.8)
    assert [pool.run(4, 30) for _ in range(10)] == [10] * 10


def test_without_auto_scale_only_an_operator_changes_it(clock):
    pool = Pool(clock, auto_scale=False, max_idle_time=1)
    pool.strain()
    assert pool.run(100, 10) == 4
    assert pool.run(0, 1000) == 4
    assert pool.gate.resize(30) == 30


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("run"), st.integers(0, 60), st.floats(0.01, 200)),
            st.tuples(st.just("strain"), st.floats(0, 5)),
            st.tuples(st.just("resize"), st.integers(-5, 100)),
        ),
        max_size=40,
    ),
    st.floats(1.01, 10),
    st.floats(0.01, 1),
)
def test_it_never_leaves_its_bounds(steps, factor, threshold):
    pool = Pool(TestClock(), scale_factor=factor, scale_threshold=threshold)
    for kind, *numbers in steps:
        if kind == "run":
            pool.run(*numbers, calls=12)
        elif kind == "strain":
            pool.strain(*numbers)
        else:
            pool.gate.resize(*numbers)
        assert 2 <= pool.size <= 40
