"""Whether something ought to be pushed now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from argus_core import SHANGHAI, Session, Symbol, sessions_of
from argus_xtquant.days import trading_dates

_A_DAY = timedelta(days=1)
_LONGEST_WEEKEND = 3
"""Days from a Friday to the Monday after it: further off, the night before falls out."""


def open_since(symbols: Iterable[Symbol], now: datetime) -> datetime | None:
    """Since when one of ``symbols`` has been trading without a break, ``None`` if none is."""
    at = now.astimezone(SHANGHAI)
    opens = [
        opened
        for session in {session for symbol in symbols for session in sessions_of(symbol)}
        if (opened := _opened(session, at)) is not None
    ]
    return min(opens, default=None)


def _opened(session: Session, at: datetime) -> datetime | None:
    past_midnight = session.close < session.open and at.time() < session.close
    day = at.date() - _A_DAY if past_midnight else at.date()
    opened = datetime.combine(day, session.open, SHANGHAI)
    closed = datetime.combine(day, session.close, SHANGHAI)
    if session.close < session.open:
        closed += _A_DAY
    trading = opened <= at < closed and _is_held(session, day)
    return opened if trading else None


def _is_held(session: Session, day: date) -> bool:
    if not trading_dates(day, day):
        return False
    if session.open < time(18):
        return True
    return bool(trading_dates(day + _A_DAY, day + timedelta(days=_LONGEST_WEEKEND)))
