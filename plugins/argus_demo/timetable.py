"""When the simulated exchange trades: the real sessions of the market, numbered from 1990 on."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from argus_core import SHANGHAI, CallerError, Session, session_dates
from argus_demo.day import TICK_SECONDS

FIRST = date(1990, 12, 19)
"""Session number 0, the day on which the Shanghai exchange opened."""
_FAR = date(2200, 1, 1)
_MONDAY = 0
_WEEKEND = 3  # days from a Friday to a Monday


@dataclass(frozen=True, slots=True)
class Hours:
    """The stretches of trading of one instrument on one trading date, in order."""

    stretches: tuple[tuple[datetime, datetime], ...]

    def elapsed(self, now: datetime) -> int:
        """How many trades have taken place by ``now``: one at the end of every three seconds."""
        seconds = 0
        for start, end in self.stretches:
            seconds += max(0, int((min(now, end) - start).total_seconds()))
        return seconds // TICK_SECONDS

    def tick_time(self, number: int) -> datetime:
        """The instant of the trade with this number, counted from 1."""
        left = timedelta(seconds=number * TICK_SECONDS)
        for start, end in self.stretches:
            if left <= end - start:
                return start + left
            left -= end - start
        raise ValueError(f"the day has no trade number {number}")

    def minute_ends(self) -> list[datetime]:
        """The end of every minute of trading, the label of its bar."""
        return [
            start + timedelta(minutes=minute)
            for start, end in self.stretches
            for minute in range(1, _minutes(start, end) + 1)
        ]


class Timetable:
    """The trading dates of the mainland, by session number, as far as they are known."""

    def __init__(self) -> None:
        days = range(FIRST.toordinal(), _FAR.toordinal())
        self.known_through = date.fromordinal(days[bisect_left(days, True, key=_unknown) - 1])
        self.dates = session_dates(FIRST, self.known_through)

    def sessions(self, start: date, end: date | None) -> range:
        """The session numbers from ``start`` to ``end`` (to the last if ``None``), inclusive."""
        stop = len(self.dates) if end is None else bisect_right(self.dates, end)
        return range(bisect_left(self.dates, start), stop)

    def has_night(self, session: int) -> bool:
        """True unless a public holiday lies before the session, which cancels its night."""
        if session == 0:
            return False
        day, before = self.dates[session], self.dates[session - 1]
        gap = (day - before).days
        return gap == 1 or (gap == _WEEKEND and day.weekday() == _MONDAY)

    def minutes(self, hours: Sequence[Session], session: int) -> int:
        """How many minutes of trading a session has."""
        night = self.has_night(session)
        return sum(part.minutes for part in hours if part.sitting or night)

    def hours(self, hours: Sequence[Session], session: int) -> Hours:
        """The stretches of a session; its night is that of the trading date before."""
        day = self.dates[session]
        stretches: list[tuple[datetime, datetime]] = []
        for part in hours:
            if part.sitting == 0 and not self.has_night(session):
                continue
            begins = day if part.sitting else self.dates[session - 1]
            ends = begins + timedelta(days=part.close < part.open)
            stretches.append(
                (
                    datetime.combine(begins, part.open, SHANGHAI),
                    datetime.combine(ends, part.close, SHANGHAI),
                )
            )
        return Hours(tuple(stretches))


def _unknown(ordinal: int) -> bool:
    """True if the calendar does not reach this day."""
    day = date.fromordinal(ordinal)
    try:
        session_dates(day, day)
    except CallerError:
        return True
    return False


def _minutes(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds()) // 60
