from __future__ import annotations

import csv
import json
import warnings
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core import session_dates
from argus_core.errors import BeyondHorizon
from argus_core.market import calendar

DAYS = st.dates(date(1990, 12, 20), date(2026, 12, 30))


def test_a_known_week():
    # 2024-02-08 was the last session before the Spring Festival, 02-18 a make-up workday.
    assert session_dates(date(2024, 2, 7), date(2024, 2, 20)) == (
        date(2024, 2, 7),
        date(2024, 2, 8),
        date(2024, 2, 19),
        date(2024, 2, 20),
    )
    assert not calendar.is_session(date(2024, 2, 18))
    assert calendar.is_session(date(2024, 2, 19))
    assert calendar.next_session(date(2024, 2, 8)) == date(2024, 2, 19)
    assert calendar.previous_session(date(2024, 2, 19)) == date(2024, 2, 8)


def test_the_ends():
    first, last = calendar.first(), calendar.horizon()
    assert first == date(1990, 12, 19)
    assert last >= date(2026, 12, 31)
    assert session_dates(date(1900, 1, 1), first) == (first,)
    assert session_dates(last, first) == ()
    assert session_dates(last + timedelta(9), last + timedelta(8)) == ()
    assert not calendar.is_session(first - timedelta(1))
    assert calendar.next_session(date(1900, 1, 1)) == first
    final = session_dates(first, last)[-1]
    assert calendar.previous_session(last + timedelta(1)) == final


@pytest.mark.parametrize("ask", [calendar.is_session, calendar.next_session])
def test_beyond_the_horizon_nothing_is_claimed(ask):
    beyond = calendar.horizon() + timedelta(1)
    with pytest.raises(BeyondHorizon, match=f"{calendar.horizon()}.*{beyond}.*upgrade"):
        ask(beyond)


def test_a_range_that_ends_beyond_the_horizon_is_refused():
    last = calendar.horizon()
    with pytest.raises(BeyondHorizon, match=f"{last}.*{last + timedelta(1)}"):
        session_dates(last, last + timedelta(1))


def test_no_session_follows_the_last_or_precedes_the_first():
    final = session_dates(calendar.first(), calendar.horizon())[-1]
    with pytest.raises(BeyondHorizon):
        calendar.next_session(final)
    with pytest.raises(BeyondHorizon):
        calendar.previous_session(calendar.first())
    with pytest.raises(BeyondHorizon):
        calendar.previous_session(calendar.horizon() + timedelta(2))


@given(DAYS)
def test_neighbours_meet_with_nothing_between(day):
    later, earlier = calendar.next_session(day), calendar.previous_session(day)
    between = (day,) if calendar.is_session(day) else ()
    assert session_dates(earlier, later) == (earlier, *between, later)
    assert day.weekday() < 5 or not between


@given(DAYS, DAYS, DAYS)
def test_ranges_join_without_seam(one, two, three):
    start, middle, end = sorted((one, two, three))
    joined = session_dates(start, middle) + session_dates(middle + timedelta(1), end)
    assert joined == session_dates(start, end)


def test_building_it_warns_nobody_and_leaves_the_filters_alone():
    calendar._calendar.cache_clear()
    before = list(warnings.filters)
    calendar.preload()
    assert warnings.filters == before


def test_the_dates_are_those_of_two_other_recorded_calendars(market_data):
    folder = market_data / "reference"
    for text in (
        (folder / "xshg_sessions_exchange_calendars_4.13.2.csv").read_text().split()[1:],
        json.loads((folder / "akshare_calendar.json").read_text()),
    ):
        recorded = [date.fromisoformat(day) for day in text]
        assert list(session_dates(recorded[0], date(2026, 12, 31))) == recorded


def test_the_dates_are_those_of_a_vendor(market_data):
    with (market_data / "tushare/trade_cal_SSE_2024-2026.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        day = date.fromisoformat(row["cal_date"])
        assert calendar.is_session(day) == (row["is_open"] == "1")
        assert f"{calendar.previous_session(day)}" == row["pretrade_date"]
    assert len(rows) == 1096
