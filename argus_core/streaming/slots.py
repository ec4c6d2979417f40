"""Where an instant stands among the bars of a period: the same labels as those of history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from argus_core.clock import SHANGHAI
from argus_core.market.hours import (
    AFTER_BREAK,
    AFTER_CLOSE,
    day_close,
    last_close,
    moving,
    trading_date,
)
from argus_core.market.labels import bucket_ends
from argus_core.market.sessions import Session, sessions_of
from argus_core.model.period import Period
from argus_core.model.symbol import Symbol

LATE: Final = timedelta(seconds=5)
"""How long after the end of a bar an update of it may still come."""
LATE_AT_BREAK: Final = timedelta(seconds=20)
"""The same before a break and at the close: the closing auction is told of after its end."""

_A_MINUTE: Final = timedelta(minutes=1)
_BREAK: Final = timedelta(minutes=AFTER_BREAK)
_AFTER_DAY: Final = timedelta(minutes=AFTER_CLOSE)
_A_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Slot:
    """The stretch of time that one bar covers."""

    end: datetime
    """The label of its bar: its end; for a day the midnight that begins the trading date."""
    date: date
    """The trading date."""
    first: bool
    """True if nothing of the trading date lies before it."""
    settles: datetime
    """The instant from which nothing is added to it any more."""


def slot_of(symbol: Symbol, period: Period, at: datetime, *, trade: bool = False) -> Slot | None:
    """The slot of an aware instant; None before the first trading date of all.

    What is told outside the sessions belongs to what traded last: after the close, in a break, at
    night. Auctions belong to the first and the last bar. A snapshot of the last instant of a
    minute tells of that minute; a ``trade`` at the same instant belongs to the next one.
    """
    place = _placed(symbol, at.astimezone(SHANGHAI))
    if place is None:
        return None
    at, inside = place
    day = trading_date(at)
    if not period.intraday:
        midnight = datetime.combine(day, time(), SHANGHAI)
        return Slot(midnight, day, first=True, settles=day_close(symbol, day) + _AFTER_DAY)
    sessions = sessions_of(symbol)
    label = at.replace(second=0, microsecond=0)
    if at > label or (trade and inside):
        label += _A_MINUTE
    end = label + timedelta(minutes=_later(_minute(label), period.minutes, sessions))
    wait = LATE_AT_BREAK if last_close(symbol, end) == end else LATE
    first = _minute(end) == _first_end(period.minutes, sessions)
    return Slot(end, day, first=first, settles=end + wait)


def _placed(symbol: Symbol, at: datetime) -> tuple[datetime, bool] | None:
    """The instant of trading that ``at`` tells of, and whether that is ``at`` itself."""
    closed = last_close(symbol, at)
    if closed is not None and (at - closed <= _BREAK or not moving(symbol, at)):
        return closed, False
    return None if closed is None else (at, True)


def _minute(at: datetime) -> int:
    return at.hour * 60 + at.minute


@lru_cache(maxsize=1 << 14)
def _later(minute: int, length: int, sessions: tuple[Session, ...]) -> int:
    """How many minutes after an end label (minute of the day) its bar ends."""
    return bucket_ends((minute,), length, sessions)[minute]


@lru_cache(maxsize=1 << 8)
def _first_end(length: int, sessions: tuple[Session, ...]) -> int:
    """The minute of the day at which the first bar of a trading date ends."""
    opened = sessions[0].open
    minute = opened.hour * 60 + opened.minute + 1
    return (minute + _later(minute, length, sessions)) % _A_DAY
