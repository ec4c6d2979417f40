"""The parts of the simulated exchange: its walk and its days."""

from __future__ import annotations

from itertools import pairwise
from statistics import mean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_demo.day import TICKS, Plan, crowd, draw_day
from argus_demo.paths import Walk, band_of, draw


def test_draws_are_for_ever() -> None:
    assert draw(4, 1, "600519.SH", "event", 3).hex() == "5ca8115c"
    assert draw(4, 1, "a") != draw(4, 1, "b")


@given(seed=st.integers(), volatility=st.floats(0.001, 0.03), start=st.integers(-3000, 9000))
@settings(max_examples=50, deadline=None)
def test_a_step_of_a_walk_is_bounded(seed: int, volatility: float, start: int) -> None:
    walk = Walk(volatility, seed)
    levels = [walk(session) for session in range(start, start + 300)]
    drift = 0.7 / 1024
    assert all(abs(b - a) <= 4.2 * volatility + drift for a, b in pairwise(levels))
    assert walk(start) == Walk(volatility, seed)(start)


def test_a_walk_has_the_volatility_that_it_was_given() -> None:
    walk = Walk(0.02, "some key")
    levels = [walk(session) for session in range(9000)]
    steps = [b - a for a, b in pairwise(levels)]
    assert pstdev(steps) == pytest.approx(0.02, rel=0.1)
    assert abs(mean(levels)) < 0.5


@pytest.mark.parametrize(
    ("reference", "percent", "band"),
    [(1005, 10, (905, 1106)), (1000, 10, (900, 1100)), (333, 20, (266, 400)), (7, 30, (5, 9))],
)
def test_limits_are_rounded_half_up(reference: int, percent: int, band: tuple[int, int]) -> None:
    assert band_of(reference, percent) == band


@pytest.mark.parametrize("minutes", [225, 240, 255, 345, 465, 555])
def test_a_crowd_averages_256(minutes: int) -> None:
    busy = crowd(minutes)
    assert len(busy) == minutes
    assert mean(busy) == pytest.approx(256, rel=0.01)
    assert busy[0] > 2 * busy[minutes // 2]


plans = st.builds(
    lambda reference, band, move, swing, lots: Plan(
        reference=reference,
        low_limit=band_of(reference, band)[0],
        high_limit=band_of(reference, band)[1],
        target=max(1, reference + round(reference * move)),
        swing=reference * swing,
        lots=lots,
    ),
    reference=st.integers(60, 2_000_000),
    band=st.sampled_from([10, 20, 30]),
    move=st.floats(-0.35, 0.35),
    swing=st.floats(0, 0.05),
    lots=st.floats(1, 5e8),
)


@given(plan=plans, minutes=st.sampled_from([225, 240, 555]), key=st.text(max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_day_adds_up_whatever_was_planned(plan: Plan, minutes: int, key: str) -> None:
    day = draw_day(plan, crowd(minutes), key)
    whole = day.bar()
    assert day.minutes == minutes
    assert whole.close == min(max(plan.target, plan.low_limit), plan.high_limit)
    assert plan.low_limit <= whole.low <= whole.high <= plan.high_limit
    for minute in (0, 1, minutes // 2, minutes - 1):
        ticks = day.ticks(minute)
        assert len(ticks) == TICKS
        assert all(tick.lots > 0 for tick in ticks)
        assert day.begun(minute, TICKS) == day.bar(minute, minute + 1)
    total = day.bar(0, 1)
    for minute in range(1, minutes):
        total = total.then(day.bar(minute, minute + 1))
    assert total == whole == day.so_far(minutes * TICKS)


@given(plan=plans, count=st.integers(1, 240 * TICKS))
@settings(max_examples=40, deadline=None)
def test_the_latest_trades_are_the_last_of_so_far(plan: Plan, count: int) -> None:
    day = draw_day(plan, crowd(240), "key")
    latest = day.latest(count, 25)
    assert [number for number, _ in latest] == list(range(max(1, count - 24), count + 1))
    assert latest[-1][1].price == day.so_far(count).close
    if count > 1:
        grown = day.so_far(count).lots - day.so_far(count - 1).lots
        assert grown == latest[-1][1].lots
