"""Which trading dates a question is about, and until when a day's history still changes."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from argus_core import SHANGHAI, CallerError, session_dates

_EVENING = time(20, 0)
"""From here on a night session may be trading, which belongs to the next trading date."""
_SETTLED = time(16, 0)
"""When the day's bars are complete and the client has them."""
_FRIDAY = 4


def trading_dates(start: date, end: date) -> tuple[date, ...]:
    """The trading dates in the range; weekdays where the calendar at hand does not reach."""
    if start > end:
        return ()
    try:
        return session_dates(start, end)
    except CallerError:
        span = (start + timedelta(days=n) for n in range((end - start).days + 1))
        return tuple(day for day in span if day.weekday() <= _FRIDAY)


def current_date(now: datetime) -> date:
    """The trading date that is being traded, or was last: the next one in the evening."""
    today = now.astimezone(SHANGHAI).date()
    if now.astimezone(SHANGHAI).time() < _EVENING:
        return today
    following = trading_dates(today + timedelta(days=1), today + timedelta(days=15))
    return following[0] if following else today


def settled_at(day: date) -> datetime:
    """The instant from which a trading date's history changes no more."""
    return datetime.combine(day, _SETTLED, SHANGHAI)
