"""When warm-up runs: once a trading date, before the open, in one process only."""

import asyncio
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import TestClock

from argus_core import SHANGHAI, Exchange, session_dates
from argus_core.warmup.daily import Day, daily
from argus_core.warmup.plan import BASIC, QUICK

FIRST = datetime(2024, 1, 1, tzinfo=SHANGHAI)
STOCKS, FUTURES = [Exchange.SH], [Exchange.SHFE]


class Over(BaseException):
    """The end of the time that a test plays."""


class Played:
    """The loop over some days of a clock that only its sleeps move."""

    def __init__(self, begin, end, *, minutes=10.0, exchanges=STOCKS, takes=0.0, claim=None):
        self.clock = TestClock(begin)
        self.end = datetime.fromisoformat(end).replace(tzinfo=SHANGHAI)
        self.ran = []
        self.takes = takes
        hours = Day.of(exchanges, timedelta(minutes=minutes))
        with pytest.raises(Over):
            asyncio.run(daily(self.run, hours, clock=self.clock, sleep=self.sleep, claim=claim))

    async def sleep(self, seconds):
        assert seconds > 0
        self.clock.advance(seconds)
        if self.clock.now() > self.end:
            raise Over

    async def run(self, datasets):
        self.ran.append((self.clock.now(), frozenset(datasets)))
        self.clock.advance(self.takes)
        if len(self.ran) == 1 and self.takes == 0.5:
            raise RuntimeError("no source")

    @property
    def instants(self):
        return [f"{at:%m-%d %H:%M}" for at, _ in self.ran]


def test_weekends_and_holidays_are_slept_through():
    played = Played("2024-09-27 12:00:00", "2024-10-09 20:00:00")
    assert played.instants == ["09-30 09:05", "10-08 09:05", "10-09 09:05"]
    assert {datasets for _, datasets in played.ran} == {QUICK | BASIC}


def test_futures_open_earlier():
    played = Played("2024-03-14 12:00:00", "2024-03-15 20:00:00", exchanges=FUTURES)
    assert played.instants == ["03-15 08:45"]


def test_what_holds_for_the_day_waits_for_the_days_tables():
    played = Played("2024-03-14 12:00:00", "2024-03-15 20:00:00", minutes=60)
    assert played.instants == ["03-15 08:15", "03-15 09:00"]
    assert [datasets for _, datasets in played.ran] == [QUICK, BASIC]
    both = Played(
        "2024-03-14 12:00:00", "2024-03-15 20:00:00", minutes=10, exchanges=STOCKS + FUTURES
    )
    assert both.instants == ["03-15 08:45", "03-15 09:00"]


def test_ten_hours_before_the_open_is_the_evening_before():
    played = Played("2024-03-14 12:00:00", "2024-03-15 20:00:00", minutes=600)
    assert played.instants == ["03-14 23:15", "03-15 09:00"]


def test_a_start_before_the_open_runs_at_once_and_a_later_one_on_the_next_date():
    assert Played("2024-03-14 09:12:00", "2024-03-14 20:00:00").instants == ["03-14 09:12"]
    assert Played("2024-03-14 09:15:00", "2024-03-15 12:00:00").instants == ["03-15 09:05"]


def test_a_run_that_takes_past_the_open_is_not_run_again():
    played = Played("2024-03-14 09:00:00", "2024-03-15 12:00:00", takes=3600)
    assert played.instants == ["03-14 09:05", "03-15 09:05"]


def test_a_run_that_breaks_is_survived(caplog):
    played = Played("2024-03-14 09:00:00", "2024-03-15 12:00:00", takes=0.5)
    assert played.instants == ["03-14 09:05", "03-15 09:05"]
    assert "warm-up broke off" in caplog.text


def test_of_several_processes_one_runs():
    held = {}

    def claiming(owner):
        async def claim(name, seconds):
            assert 60 <= seconds <= 600
            return held.setdefault(name, owner) == owner

        return claim

    one, other = (
        Played("2024-03-14 12:00:00", "2024-03-18 20:00:00", claim=claiming(o)) for o in "ab"
    )
    assert one.instants == ["03-15 09:05", "03-18 09:05"]
    assert other.instants == []
    assert set(held) == {"warmup:2024-03-15", "warmup:2024-03-18"}


def test_a_store_that_cannot_say_who_is_asked_again_until_the_open():
    answers = []

    async def claim(_name, _seconds):
        answers.append(0)
        if len(answers) < 4:
            raise ConnectionError("refused")
        return True

    played = Played("2024-03-14 12:00:00", "2024-03-15 20:00:00", claim=claim)
    assert played.instants == ["03-15 09:08"]

    async def never(_name, _seconds):
        raise ConnectionError("refused")

    assert Played("2024-03-14 12:00:00", "2024-03-18 20:00:00", claim=never).ran == []


@settings(deadline=None)
@given(
    begin=st.integers(0, 366 * 86_400).map(lambda seconds: FIRST + timedelta(seconds=seconds)),
    minutes=st.floats(1, 600),
    takes=st.sampled_from([0.0, 60.0, 7200.0]),
)
def test_every_trading_date_is_warmed_once_before_its_open(begin, minutes, takes):
    end = begin + timedelta(days=12)
    texts = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (begin, end))
    played = Played(*texts, minutes=minutes, takes=takes)
    quick = [at for at, datasets in played.ran if datasets >= QUICK]
    opens = [
        datetime.combine(day, time(9, 15), SHANGHAI)
        for day in session_dates(begin.date(), end.date() - timedelta(days=1))
    ]
    due = [at for at in opens if begin < at]
    before = timedelta(minutes=minutes)
    for at in due:
        ran = [r for r in quick if at - before <= r < at]
        assert len(ran) == 1, (at, played.instants)
    # The last may belong to a date that opens after the end.
    assert len(due) <= len(quick) <= len(due) + 1


def test_the_day_of_a_claim_is_the_trading_date():
    names = []

    async def claim(name, _seconds):
        names.append(name)
        return False

    Played("2024-03-14 12:00:00", "2024-03-14 23:50:00", minutes=600, claim=claim)
    assert names == [f"warmup:{date(2024, 3, 15)}"]
