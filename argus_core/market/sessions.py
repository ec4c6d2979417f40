"""When each market trades within a trading day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from functools import lru_cache
from types import MappingProxyType

from argus_core.market.products import NIGHT_CLOSES, TREASURIES
from argus_core.model.symbol import Exchange, Symbol


@dataclass(frozen=True, slots=True)
class Session:
    """One uninterrupted stretch of continuous trading, Shanghai wall-clock time.

    ``sitting`` numbers the parts of a trading day that intraday bars never cross: 0 for the
    night, 1 for the day. A night session may close after midnight (``close < open``).
    """

    open: time
    close: time
    sitting: int = 1

    @property
    def minutes(self) -> int:
        """The length in minutes."""
        span = _minute(self.close) - _minute(self.open)
        return span % _DAY


@lru_cache(maxsize=1 << 16)
def sessions_of(symbol: Symbol) -> tuple[Session, ...]:
    """The continuous sessions of a trading day in trading order, the night first.

    These are the hours in force in 2026; they were other hours in other years (treasury futures
    opened at 09:15 until July 2020, some night sessions ran until 23:30 or 02:30), so an old bar
    may lie outside them. The night session belongs to the trading date that follows it, and falls
    out before a public holiday. A product that is not in the tables gets the longest night of its
    exchange, so that nothing it trades lies outside.

    Raises ``ValueError`` for a symbol whose suffix names no exchange.
    """
    exchange = symbol.exchange
    if not exchange.trades_futures:
        repo = symbol.startswith(_REPOS.get(exchange, ()))
        return _REPO if repo else _SECURITIES
    letters = _LETTERS.match(symbol)
    return _of_product(exchange, letters[0].upper() if letters else "")


def minutes_of(sessions: Iterable[Session]) -> int:
    """The minutes of trading in all of ``sessions``: 240 for a stock's day."""
    return sum(session.minutes for session in sessions)


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute


_DAY = 24 * 60
_NIGHT_OPEN = time(21, 0)
_LETTERS = re.compile("[A-Za-z]+")

_MORNING = Session(time(9, 30), time(11, 30))
_SECURITIES = (_MORNING, Session(time(13, 0), time(15, 0)))
_TREASURIES = (_MORNING, Session(time(13, 0), time(15, 15)))
_REPO = (_MORNING, Session(time(13, 0), time(15, 30)))
_COMMODITIES = (
    Session(time(9, 0), time(10, 15)),
    Session(time(10, 30), time(11, 30)),
    Session(time(13, 30), time(15, 0)),
)
# Pledged repurchase agreements, whose afternoon is half an hour longer.
_REPOS: Mapping[Exchange, tuple[str, ...]] = MappingProxyType(
    {Exchange.SH: ("204",), Exchange.SZ: ("131",)}
)


@lru_cache(maxsize=1 << 10)
def _of_product(exchange: Exchange, product: str) -> tuple[Session, ...]:
    if exchange is Exchange.CFFEX:
        return _TREASURIES if product in TREASURIES else _SECURITIES
    if (exchange, product) in NIGHT_CLOSES:
        close = NIGHT_CLOSES[exchange, product]
    else:
        close = _longest_night(exchange)
    if close is None:
        return _COMMODITIES
    return (Session(_NIGHT_OPEN, close, sitting=0), *_COMMODITIES)


def _longest_night(exchange: Exchange) -> time | None:
    closes = [close for (at, _), close in NIGHT_CLOSES.items() if at is exchange and close]
    return max(
        closes, key=lambda close: (_minute(close) - _minute(_NIGHT_OPEN)) % _DAY, default=None
    )
