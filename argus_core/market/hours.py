"""When the market may change something, and when a trading day counts as settled.

Whoever keeps a value asks here how long it can stay true. Every doubt is decided the same way: an
hour that is taken for a moving one costs a question to a source, an hour that is taken for a quiet
one costs the truth. So margins lie around the sessions, every evening of a trading date counts for
a product with a night session, also before a holiday, when the exchanges stay closed, and beyond
the calendar's horizon every weekday is a trading date.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from argus_core.clock import SHANGHAI
from argus_core.errors import BeyondHorizon
from argus_core.market import calendar
from argus_core.market.labels import close_of
from argus_core.market.sessions import Session, sessions_of
from argus_core.model.symbol import Symbol

BEFORE_SECURITIES: Final = 15
"""Minutes before a security's first session: orders of the call auction are taken from 9:15."""
BEFORE_FUTURES: Final = 5
"""Minutes before a futures night or day: the call auction runs from 20:55, 8:55, 9:25."""
AFTER_BREAK: Final = 1
"""Minutes that the last snapshot before a break, or of a night, may take to come."""
AFTER_CLOSE: Final = 31
"""Minutes after the day's close: fixed-price trading goes on until 15:30, and vendors lag."""

_DAY: Final = 24 * 60
_A_DAY: Final = timedelta(days=1)
_NIGHT_HOURS: Final = timedelta(hours=4)
_EVENING: Final = 18
_SATURDAY: Final = 5

_Span = tuple[int, int]


@dataclass(frozen=True, eq=False, slots=True)
class _Timetable:
    """When symbols of the same hours may move: minutes since the midnight before.

    Equal only to itself, so that it is a cheap key; a night's span may pass ``_DAY``.
    """

    sessions: tuple[Session, ...]
    night: tuple[_Span, ...]
    day: tuple[_Span, ...]
    close: timedelta


def moving(symbol: Symbol, at: datetime) -> bool:
    """True if the market may change something about ``symbol`` at the aware instant ``at``."""
    at = at.astimezone(SHANGHAI)
    return bisect_right(_edges(_timetable(symbol), at.date()), at) % 2 == 1


def next_move(symbol: Symbol, at: datetime) -> datetime:
    """The first instant from ``at`` on at which the market may move: ``at`` if it may now."""
    at = at.astimezone(SHANGHAI)
    edges = _edges(_timetable(symbol), at.date())
    place = bisect_right(edges, at)
    return at if place % 2 else edges[place]


def first_move(symbol: Symbol, day: date) -> datetime:
    """The instant at which the trading date ``day`` may begin to move, for a night the evening."""
    before = last_trading_date(day - _A_DAY)
    evening = time(_EVENING)
    since = (day, time()) if before is None else (before, evening)
    return next_move(symbol, datetime.combine(*since, SHANGHAI))


def last_close(symbol: Symbol, at: datetime) -> datetime | None:
    """The end of the last session, breaks included, at or before ``at``; None if there is none.

    Nights before a holiday are left out here, as the exchanges leave them out.
    """
    at = at.astimezone(SHANGHAI)
    closes = _closes(_timetable(symbol), at.date())
    place = bisect_right(closes, at)
    return closes[place - 1] if place else None


def day_close(symbol: Symbol, day: date) -> datetime:
    """The instant at which the last session of the trading date ``day`` ends."""
    return datetime.combine(day, time(), SHANGHAI) + _timetable(symbol).close


def settled(symbol: Symbol, day: date, hours: float) -> datetime:
    """The instant from which ``day`` counts as settled: ``hours`` after its last session."""
    return day_close(symbol, day) + timedelta(hours=hours)


def sealed_through(symbol: Symbol, at: datetime, settle_hours: float) -> date:
    """The last calendar date that is settled at ``at``, whether or not it is a trading date.

    With the usual few hours that is today or yesterday.
    """
    late = _timetable(symbol).close + timedelta(hours=settle_hours)
    return (at.astimezone(SHANGHAI) - late).date()


def trades_on(day: date) -> bool:
    """True if ``day`` is a trading date; beyond the calendar's horizon every weekday is."""
    try:
        return calendar.is_session(day)
    except BeyondHorizon:
        return day.weekday() < _SATURDAY


def trading_date(at: datetime) -> date:
    """The trading date that an instant belongs to, or the next one where nothing trades then.

    From 18:00 and until 4:00 that is the one after the evening.
    """
    at = at.astimezone(SHANGHAI)
    evening = (at - _NIGHT_HOURS).date()
    if at.hour >= _EVENING or evening < at.date():
        return next_trading_date(evening)
    return at.date() if trades_on(at.date()) else next_trading_date(at.date())


@lru_cache(maxsize=1 << 12)
def next_trading_date(day: date) -> date:
    """The first trading date after ``day``."""
    day = max(day + _A_DAY, calendar.first())
    while not trades_on(day):
        day += _A_DAY
    return day


@lru_cache(maxsize=1 << 12)
def last_trading_date(day: date) -> date | None:
    """The last trading date up to and including ``day``; None before the first of all."""
    while not trades_on(day):
        if day < calendar.first():
            return None
        day -= _A_DAY
    return day


@lru_cache(maxsize=1 << 16)
def _timetable(symbol: Symbol) -> _Timetable:
    lead = BEFORE_FUTURES if symbol.exchange.trades_futures else BEFORE_SECURITIES
    return _timetable_of(sessions_of(symbol), lead)


@lru_cache(maxsize=1 << 8)
def _timetable_of(sessions: tuple[Session, ...], lead: int) -> _Timetable:
    night: list[_Span] = []
    day: list[_Span] = []
    for session in sessions:
        spans = day if session.sitting else night
        start, end = _minutes(session)
        margin = AFTER_CLOSE if session is sessions[-1] else AFTER_BREAK
        spans.append((start - (0 if spans else lead), end + margin))
    close = close_of(sessions)
    ends = timedelta(hours=close.hour, minutes=close.minute)
    return _Timetable(sessions, tuple(night), tuple(day), ends)


@lru_cache(maxsize=1 << 12)
def _edges(table: _Timetable, day: date) -> tuple[datetime, ...]:
    """Starts and ends of the day's moving spans by turns, then the start after the day."""
    spans = _spans(table, day)
    following = max(day + _A_DAY, calendar.first())
    while not (later := _spans(table, following)):
        following += _A_DAY
    return (*(edge for span in spans for edge in span), later[0][0])


def _spans(table: _Timetable, day: date) -> list[tuple[datetime, datetime]]:
    spans: list[_Span] = []
    if trades_on(day - _A_DAY):
        spans += [(0, end - _DAY) for _, end in table.night if end > _DAY]
    if trades_on(day):
        spans += [*table.day, *((start, min(end, _DAY)) for start, end in table.night)]
    midnight = datetime.combine(day, time(), SHANGHAI)
    return [
        (midnight + timedelta(minutes=start), midnight + timedelta(minutes=end))
        for start, end in spans
    ]


@lru_cache(maxsize=1 << 12)
def _closes(table: _Timetable, day: date) -> tuple[datetime, ...]:
    """The ends of the sessions on this day, and before them the last end of an earlier day."""
    earlier = day - _A_DAY
    while not (before := _closes_on(table, earlier)) and earlier >= calendar.first():
        earlier -= _A_DAY
    return (*before[-1:], *_closes_on(table, day))


def _closes_on(table: _Timetable, day: date) -> list[datetime]:
    ends: list[int] = []
    for evening, shift in ((day - _A_DAY, _DAY), (day, 0)):
        for session in table.sessions:
            held = trades_on(evening) if session.sitting else _night_held(evening)
            end = _minutes(session)[1] - shift
            if held and 0 <= end < _DAY:
                ends.append(end)
    midnight = datetime.combine(day, time(), SHANGHAI)
    return [midnight + timedelta(minutes=end) for end in sorted(ends)]


def _night_held(evening: date) -> bool:
    """True if futures trade in this night: the next trading date is the next weekday."""
    weekday = evening + _A_DAY
    while weekday.weekday() >= _SATURDAY:
        weekday += _A_DAY
    return trades_on(evening) and trades_on(weekday)


def _minutes(session: Session) -> _Span:
    start = session.open.hour * 60 + session.open.minute
    return start, start + session.minutes
