"""Stretches of dates against the plainest model there is: a set of days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core.history.spans import Spans, any_day, has_weekday, trades_between
from argus_core.market import calendar

FIRST = date(2024, 1, 1)
RESTS = {5, 6, 7, 12, 13, 20, 21, 22, 23, 30}
LENGTH = 40

numbers = st.integers(0, LENGTH - 1)
pairs = st.lists(st.tuples(numbers, numbers), max_size=6)


def on(number):
    return FIRST + timedelta(days=number)


def has_session(first, last):
    return any(
        (first + timedelta(days=n) - FIRST).days not in RESTS
        for n in range((last - first).days + 1)
    )


def spans(some, predicate=has_session):
    return Spans.of([(on(a), on(b)) for a, b in some], predicate)


def days(some):
    """The model: the trading days of some pairs."""
    return {n for a, b in some for n in range(a, b + 1)} - RESTS


def held(found):
    return {n for n in range(LENGTH) for first, last in found if first <= on(n) <= last} - RESTS


@given(pairs)
def test_they_hold_the_days_of_their_pairs_sorted_and_apart(some):
    found = spans(some)
    assert held(found) == days(some)
    for (_, last), (first, _) in zip(found.pairs, found.pairs[1:], strict=False):
        assert last < first
        assert has_session(last + timedelta(days=1), first - timedelta(days=1))


@given(pairs, pairs)
def test_union_and_minus_are_those_of_sets(some, other):
    assert held(spans(some).union(spans(other))) == days(some) | days(other)
    assert held(spans(some).minus(spans(other))) == days(some) - days(other)


@given(pairs, numbers, numbers)
def test_what_is_missing_is_what_is_not_covered(some, start, end):
    found = spans(some)
    asked = days([(start, end)])
    assert held(found.missing(on(start), on(end))) == asked - days(some)
    assert found.covers(on(start), on(end)) == (asked <= days(some))
    assert held(found.within(on(start), on(end))) == asked & days(some)
    assert all(has_session(*pair) for pair in found.missing(on(start), on(end)))


@given(pairs, pairs)
def test_the_order_of_joining_does_not_matter(some, other):
    assert spans(some).union(spans(other)) == spans(other).union(spans(some)) == spans(some + other)


@given(pairs)
def test_where_every_day_matters_no_gap_is_closed(some):
    found = spans(some, any_day)
    exact = {n for a, b in some for n in range(a, b + 1)}
    assert {n for n in range(LENGTH) for a, b in found if a <= on(n) <= b} == exact


def test_a_weekend_and_a_holiday_part_nothing():
    found = Spans.of([(date(2024, 2, 5), date(2024, 2, 8)), (date(2024, 2, 19), date(2024, 2, 23))])
    assert found.pairs == ((date(2024, 2, 5), date(2024, 2, 23)),)
    assert found.covers(date(2024, 2, 9), date(2024, 2, 18))
    assert found.covers(date(2024, 2, 24), date(2024, 2, 25))
    assert not found.covers(date(2024, 2, 24), date(2024, 2, 26))


def test_nothing_was_traded_before_the_first_session():
    assert not trades_between(date.min, date(1990, 12, 18))
    assert trades_between(date.min, date(1990, 12, 19))


def test_beyond_the_horizon_every_weekday_may_be_a_session():
    far = calendar.horizon() + timedelta(days=3650)
    monday = far - timedelta(days=far.weekday())
    assert trades_between(monday, monday)
    assert not trades_between(monday + timedelta(days=5), monday + timedelta(days=6))
    assert trades_between(monday + timedelta(days=5), monday + timedelta(days=7))
    assert trades_between(calendar.horizon(), far)
    assert Spans.of([(monday, monday)]).missing(monday, date.max)


@given(st.dates(date(2024, 1, 1), date(2024, 3, 1)), st.integers(0, 10))
def test_a_weekday_is_found_in_any_stretch(first, more):
    last = first + timedelta(days=more)
    counted = any((first + timedelta(days=n)).weekday() < 5 for n in range(more + 1))
    assert has_weekday(first, last) == counted


def test_reversed_and_empty_stretches_are_none():
    assert not Spans.of([(on(3), on(1))])
    assert Spans().covers(on(3), on(1))
    assert not Spans().covers(on(1), on(1))
    assert len(spans([(1, 2), (9, 10)])) == 2


@pytest.mark.parametrize("edge", [date.min, date.max])
def test_the_ends_of_time_are_dates_too(edge):
    assert Spans.of([(date.min, date.max)]).covers(edge, edge)
    assert Spans.of([(date.min, date.max)]).minus([(edge, edge)])
