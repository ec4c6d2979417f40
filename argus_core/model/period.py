"""Bar periods and price adjustment."""

from __future__ import annotations

from enum import StrEnum


class Period(StrEnum):
    """The length of a bar, in the spelling that users write."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    D1 = "1d"
    W1 = "1w"
    MON1 = "1mon"

    @property
    def intraday(self) -> bool:
        """True for periods shorter than a trading day."""
        return self in _MINUTES

    @property
    def minutes(self) -> int:
        """Minutes of trading in a full bar; 0 for a day and longer."""
        return _MINUTES.get(self, 0)


_MINUTES = {Period.M1: 1, Period.M5: 5, Period.M15: 15, Period.M30: 30, Period.H1: 60}


class Adjust(StrEnum):
    """How prices are made comparable across dividends and splits.

    ``pre`` keeps the newest price as traded, ``post`` the oldest; both use the ratio method.
    """

    NONE = "none"
    PRE = "pre"
    POST = "post"
