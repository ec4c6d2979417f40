"""Where a bar stands in time: the end that labels it, its bucket, its trading date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta
from typing import Final, NamedTuple

import polars as pl

from argus_core.errors import BeyondHorizon
from argus_core.market.sessions import Session

NextSession = Callable[[date], date]
"""The first trading date after a day; raises :class:`BeyondHorizon` where none is known."""

_AUCTION: Final = 10
"""Minutes before a session's open whose bars hold its opening auction."""
_DAY: Final = 24 * 60
_NIGHT_FROM: Final = 18 * 60
_NIGHT_OPEN: Final = 21 * 60
_EVENING: Final = 20 * 60
_EARLY: Final = 4 * 60
_FRIDAY: Final = 4


class EndLabel(NamedTuple):
    """How many minutes after a source's label the bar ends, and if it is an opening auction."""

    later: int
    auction: bool


def end_labels(
    minutes: Iterable[int], length: int, sessions: tuple[Session, ...], *, started: bool
) -> dict[int, EndLabel]:
    """The end of each bar of ``length`` trading minutes, by its label (minute of the day).

    ``started`` says that the labels are starts. End labels stay, except those of opening
    auctions, which become that of the first bar of the session.
    """
    labels: dict[int, EndLabel] = {}
    for minute in minutes:
        first = (minute + 1) % _DAY if started else minute
        auction = before_open(first, sessions)
        later = _bucket_end(first, length, sessions) - first if started or auction else 0
        labels[minute] = EndLabel(later + 1 if started else later, auction)
    return labels


def moved(times: pl.Series, minutes: pl.Series, later: Mapping[int, int]) -> pl.Series:
    """``times``, each later by what its minute of the day (``minutes``) says."""
    shift = minutes.replace_strict(list(later), list(later.values()), return_dtype=pl.Int64)
    return (times + (shift * 60_000).cast(pl.Duration("ms"))).alias("time")


def bucket_ends(
    minutes: Iterable[int], length: int, sessions: tuple[Session, ...]
) -> dict[int, int]:
    """For each end label (minute of the day), how many minutes later its bucket ends.

    Buckets of ``length`` trading minutes count from the start of a sitting; the last one of a
    sitting may be shorter. A label before an open belongs to the first bucket after it, a label
    after a close to the last bucket before it (hence a difference may be negative).
    """
    return {minute: _bucket_end(minute, length, sessions) - minute for minute in minutes}


def _bucket_end(minute: int, length: int, sessions: tuple[Session, ...]) -> int:
    if minute >= _NIGHT_FROM or minute <= _EARLY:
        late = minute if minute >= _NIGHT_FROM else minute + _DAY
        end = _end_within(late, length, [_night_span(late, sessions)])
        return end if late == minute else end - _DAY
    spans = [(_minute(s.open), _minute(s.close)) for s in sessions if s.sitting]
    return _end_within(minute, length, spans)


def _night_span(late: int, sessions: tuple[Session, ...]) -> tuple[int, int]:
    """The night session as minutes since midnight before it.

    Night hours have changed over the years, so a bar after today's close is a real bar of a
    longer night, and its buckets go on counting.
    """
    for session in sessions:
        if not session.sitting:
            opened, closed = _minute(session.open), _minute(session.close)
            closed += _DAY if closed <= opened else 0
            return (opened, closed if late <= closed else _DAY + _EARLY)
    return (_NIGHT_OPEN, _DAY + _EARLY)


def _end_within(minute: int, length: int, spans: list[tuple[int, int]]) -> int:
    elapsed = sum(min(max(minute - opened, 0), closed - opened) for opened, closed in spans)
    if elapsed == 0 or any(opened - _AUCTION < minute <= opened for opened, _ in spans):
        elapsed += 1
    total = sum(closed - opened for opened, closed in spans)
    left = min(-(-elapsed // length) * length, total)
    for opened, closed in spans:
        if left <= closed - opened:
            return opened + left
        left -= closed - opened
    raise ValueError("a symbol without a trading session has no intraday bars")


def before_open(minute: int, sessions: tuple[Session, ...]) -> bool:
    """True if an end label (minute of the day) is that of an opening auction."""
    return any(_minute(s.open) - _AUCTION < minute <= _minute(s.open) for s in sessions)


def close_of(sessions: tuple[Session, ...]) -> time:
    """When the trading day ends: the close of its last day session."""
    return max((session.close for session in sessions if session.sitting), default=time(15))


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute


def minute_of_day(column: str = "time") -> pl.Expr:
    """The minute of the day of a date-time column, 0 to 1439."""
    stamp = pl.col(column).dt
    return stamp.hour().cast(pl.Int32) * 60 + stamp.minute()


def trading_dates(frame: pl.DataFrame, next_session: NextSession) -> tuple[pl.Series, bool]:
    """The trading date of each end label in ``time``, and whether one of them is a guess.

    From 20:00 and until 04:00 trading belongs to the next session. Beyond the calendar's horizon
    that is guessed to be the next weekday.
    """
    dates, minute = frame.select(date=pl.col("time").dt.date(), minute=minute_of_day())
    night = (minute >= _EVENING) | (minute < _EARLY)
    if not night.any():
        return dates, False
    evenings = (frame["time"] - timedelta(minutes=_EARLY)).dt.date()
    days: list[date] = evenings.filter(night).unique().to_list()
    following = [next_session_after(day, next_session) for day in days]
    mornings = evenings.replace_strict(
        days, [day for day, _ in following], default=None, return_dtype=pl.Date
    )
    return mornings.zip_with(night, dates).alias("date"), any(guess for _, guess in following)


def next_session_after(day: date, next_session: NextSession) -> tuple[date, bool]:
    """The trading date after ``day``, and whether it is a guess beyond the calendar's horizon."""
    try:
        return next_session(day), False
    except BeyondHorizon:
        return day + timedelta(days=7 - day.weekday() if day.weekday() >= _FRIDAY else 1), True
