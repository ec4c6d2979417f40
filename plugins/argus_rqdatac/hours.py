"""Whether something trades now, so that silence means something."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from argus_core import CallerError, Symbol, session_dates, sessions_of

_FRIDAY = 4
_NIGHT_ENDS = 12


def trades_now(symbols: Iterable[Symbol], now: datetime) -> bool:
    """True if one of ``symbols`` is in a continuous session at ``now`` (aware, Shanghai).

    Beyond the calendar's horizon weekdays count as trading days.
    """
    return any(_trades(symbol, now) for symbol in symbols)


def _trades(symbol: Symbol, now: datetime) -> bool:
    at, today = now.time(), now.date()
    for session in sessions_of(symbol):
        if session.open <= at < session.close:
            return _has_night(today) if not session.sitting else _is_session(today)
        if session.close < session.open and (at >= session.open or at < session.close):
            evening = today - timedelta(days=1) if at.hour < _NIGHT_ENDS else today
            return _has_night(evening)
    return False


def _has_night(evening: date) -> bool:
    """True if a night session begins on ``evening``: none does before a public holiday."""
    following = evening + timedelta(days=3 if evening.weekday() == _FRIDAY else 1)
    return _is_session(evening) and _is_session(following)


def _is_session(day: date) -> bool:
    try:
        return bool(session_dates(day, day))
    except CallerError:
        return day.weekday() <= _FRIDAY
