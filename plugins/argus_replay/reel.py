"""What was recorded, wherever it lies: days, symbols, and rows as a recording has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol

import polars as pl

from argus_core import ArgusError, Symbol, session_dates

ZONE: Final = "Asia/Shanghai"
LEVELS: Final = 5
_EVENING: Final = 18
_DAY: Final = timedelta(days=1)
_FRIDAY: Final = 4

QUOTE: Final = (
    "name",
    *("price", "open", "high", "low", "prev_close"),
    *("volume", "turnover", "change", "change_pct"),
)
COLUMNS: Final = (
    *("kind", "symbol", "at", "as_of", *QUOTE),
    *("bid_prices", "bid_volumes", "ask_prices", "ask_volumes"),
    *("direction", "told", "lost"),
)
"""What is read of a recording's rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What is known of one recorded day before it is played."""

    day: date
    first: datetime
    last: datetime
    simulated: bool
    books: bool
    """True if order books were recorded, not quotes alone."""


class Reel(Protocol):
    """Something recorded."""

    def days(self) -> Sequence[Day]:
        """The days that it holds, in order; :class:`PluginError` if it cannot be read."""
        ...

    def symbols(self, day: date) -> tuple[Symbol, ...]:
        """The symbols of a day."""
        ...

    def rows(self, day: date, symbols: Sequence[Symbol]) -> pl.DataFrame:
        """The rows of symbols of a day in the order in which they were said."""
        ...


@lru_cache(maxsize=4096)
def day_of(at: datetime) -> date:
    """The trading date that an instant belongs to: evenings and nights to the next one."""
    day = at.date()
    if at.hour >= _EVENING:
        return _next(day)
    return _next(day - _DAY) if at.hour < 4 else day  # noqa: PLR2004 - nights end by four


def _next(day: date) -> date:
    try:
        found = session_dates(day + _DAY, day + 20 * _DAY)
    except ArgusError:  # beyond the calendar's horizon
        return day + (7 - day.weekday() if day.weekday() >= _FRIDAY else 1) * _DAY
    return found[0]
