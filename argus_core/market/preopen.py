"""The hours at which what holds for a whole trading day is renewed, shortly before it opens."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime, time
from functools import lru_cache
from typing import Final

from argus_core.clock import SHANGHAI
from argus_core.market.hours import next_trading_date, trades_on
from argus_core.market.products import NIGHT_CLOSES
from argus_core.market.sessions import sessions_of
from argus_core.model.symbol import Exchange, Symbol

SECURITIES: Final = time(9, 0)
"""A quarter of an hour before the first order: by then the day's tables of securities are out."""
FUTURES: Final = time(8, 30)
"""Before the day's auction at 8:55, with time to spare for slow logins of vendors."""
NIGHT: Final = time(20, 30)
"""Before the night's auction at 20:55, with which a new trading date begins."""

_ALL: Final = (FUTURES, SECURITIES, NIGHT)
_DAYS_ONLY: Final = (FUTURES,)
_NIGHTS_TOO: Final = (FUTURES, NIGHT)


def next_pre_open(of: Symbol | Exchange | None, at: datetime) -> datetime:
    """The first pre-open strictly after ``at`` of a symbol, of an exchange, or (None) of any.

    On trading dates only. Evenings count for what has a night session, also before a holiday.
    """
    at = at.astimezone(SHANGHAI)
    edges = _edges(_times(of), at.date())
    return edges[bisect_right(edges, at)]


@lru_cache(maxsize=1 << 16)
def _times(of: Symbol | Exchange | None) -> tuple[time, ...]:
    if of is None:
        return _ALL
    exchange = of if isinstance(of, Exchange) else of.exchange
    if not exchange.trades_futures:
        return (SECURITIES,)
    if isinstance(of, Exchange):
        nightly = any(close and at is of for (at, _), close in NIGHT_CLOSES.items())
    else:
        nightly = any(session.sitting == 0 for session in sessions_of(of))
    return _NIGHTS_TOO if nightly else _DAYS_ONLY


@lru_cache(maxsize=1 << 12)
def _edges(times: tuple[time, ...], day: date) -> tuple[datetime, ...]:
    """The pre-opens of this day, and the first one after it."""
    days = (day, next_trading_date(day)) if trades_on(day) else (next_trading_date(day),)
    return tuple(datetime.combine(each, at, SHANGHAI) for each in days for at in times)
