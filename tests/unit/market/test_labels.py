from __future__ import annotations

from datetime import date, datetime, time, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import SHANGHAI, Session
from argus_core.errors import BeyondHorizon
from argus_core.market.labels import (
    before_open,
    bucket_ends,
    close_of,
    end_labels,
    next_session_after,
    trading_dates,
)

STOCK = (Session(time(9, 30), time(11, 30)), Session(time(13), time(15)))
DAY = (
    Session(time(9), time(10, 15)),
    Session(time(10, 30), time(11, 30)),
    Session(time(13, 30), time(15)),
)
SILVER = (Session(time(21), time(2, 30), 0), *DAY)
REBAR = (Session(time(21), time(23), 0), *DAY)
BONDS = (Session(time(9, 30), time(11, 30)), Session(time(13), time(15, 15)))


def minute(clock):
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def end(clock, length, sessions):
    (later,) = bucket_ends([minute(clock)], length, sessions).values()
    hours, minutes = divmod((minute(clock) + later) % 1440, 60)
    return f"{hours:02}:{minutes:02}"


@pytest.mark.parametrize(
    ("sessions", "length", "clock", "expected"),
    [
        (STOCK, 60, "09:31", "10:30"),
        (STOCK, 60, "10:30", "10:30"),
        (STOCK, 60, "11:30", "11:30"),
        (STOCK, 60, "13:01", "14:00"),
        (STOCK, 60, "15:00", "15:00"),
        (STOCK, 5, "09:36", "09:40"),
        (STOCK, 5, "09:30", "09:35"),
        (STOCK, 5, "09:25", "09:35"),
        (STOCK, 60, "13:00", "14:00"),
        (STOCK, 60, "12:00", "11:30"),
        (STOCK, 60, "15:07", "15:00"),
        (STOCK, 60, "08:00", "10:30"),
        (BONDS, 60, "15:01", "15:15"),
        (DAY, 60, "10:15", "11:15"),
        (DAY, 60, "10:31", "11:15"),
        (DAY, 60, "11:16", "14:15"),
        (DAY, 60, "14:16", "15:00"),
        (DAY, 30, "10:15", "10:45"),
        (SILVER, 60, "21:01", "22:00"),
        (SILVER, 60, "20:59", "22:00"),
        (SILVER, 60, "23:30", "00:00"),
        (SILVER, 60, "00:00", "00:00"),
        (SILVER, 60, "00:01", "01:00"),
        (SILVER, 60, "02:30", "02:30"),
        (REBAR, 30, "23:00", "23:00"),
        (REBAR, 30, "00:15", "00:30"),
        (DAY, 30, "22:10", "22:30"),
    ],
)
def test_buckets_count_trading_minutes_within_a_sitting(sessions, length, clock, expected):
    assert end(clock, length, sessions) == expected


@settings(deadline=None, max_examples=60)
@given(
    sessions=st.sampled_from([STOCK, BONDS, DAY, SILVER, REBAR]),
    length=st.sampled_from([1, 5, 15, 30, 60]),
    at=st.integers(0, 1439),
)
def test_the_end_of_a_bucket_lies_in_that_very_bucket(sessions, length, at):
    once = (at + bucket_ends([at], length, sessions)[at]) % 1440
    assert bucket_ends([once], length, sessions)[once] == 0


def test_a_day_has_as_many_buckets_as_it_should():
    minutes = [*range(minute("09:31"), minute("11:31")), *range(minute("13:01"), minute("15:01"))]
    for length, count in ((1, 240), (5, 48), (15, 16), (30, 8), (60, 4)):
        ends = bucket_ends(minutes, length, STOCK)
        assert len({at + later for at, later in ends.items()}) == count


def test_without_a_session_there_is_no_bucket():
    with pytest.raises(ValueError, match="without a trading session"):
        bucket_ends([600], 5, ())


def test_end_labels_stay_and_auctions_and_starts_move():
    ends = end_labels([minute("09:30"), minute("09:33"), minute("12:05")], 1, STOCK, started=False)
    assert [tuple(e) for e in ends.values()] == [(1, True), (0, False), (0, False)]
    starts = end_labels([minute("09:29"), minute("09:30"), 1439], 5, SILVER, started=True)
    assert [tuple(e) for e in starts.values()] == [(1, False), (5, False), (1, False)]


def test_an_auction_lies_within_ten_minutes_before_an_open():
    for clock, expected in (("09:20", False), ("09:21", True), ("09:30", True), ("09:31", False)):
        assert before_open(minute(clock), STOCK) is expected
    assert before_open(minute("20:59"), SILVER)


def test_the_day_ends_with_its_last_day_session():
    assert (close_of(SILVER), close_of(BONDS), close_of(())) == (time(15), time(15, 15), time(15))


def shanghai(day, clock):
    return datetime.combine(date(2024, 1, day), time.fromisoformat(clock), SHANGHAI)


def session_after(day):
    """Trading dates are weekdays here, except Thursday 2024-01-18."""
    day += timedelta(days=1)
    while day.weekday() > 4 or day == date(2024, 1, 18):
        day += timedelta(days=1)
    return day


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (shanghai(15, "20:00"), 16),
        (shanghai(15, "19:59"), 15),
        (shanghai(16, "03:59"), 16),
        (shanghai(16, "04:00"), 16),
        (shanghai(17, "21:01"), 19),
        (shanghai(12, "23:00"), 15),
        (shanghai(13, "00:00"), 15),
        (shanghai(13, "01:00"), 15),
        (shanghai(15, "01:00"), 15),
    ],
)
def test_the_night_belongs_to_the_next_session(when, expected):
    frame = pl.DataFrame({"time": [when, shanghai(15, "10:00")]})
    dates, guessed = trading_dates(frame, session_after)
    assert dates.to_list() == [date(2024, 1, expected), date(2024, 1, 15)]
    assert dates.name == "date"
    assert not guessed


def test_beyond_the_horizon_the_next_weekday_is_a_guess():
    def unknown(day):
        raise BeyondHorizon(f"nothing is known after {day}")

    for day, expected in ((15, 16), (11, 12), (12, 15), (13, 15), (14, 15)):
        found = next_session_after(date(2024, 1, day), unknown)
        assert found == (date(2024, 1, expected), True)
    assert next_session_after(date(2024, 1, 17), session_after) == (date(2024, 1, 19), False)
    assert trading_dates(pl.DataFrame({"time": [shanghai(15, "21:01")]}), unknown)[1]
