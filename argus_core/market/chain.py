"""Whether daily bars follow one upon another, or days of trading may have been left out.

A day's ``prev_close`` is the exchange's own: what the day of trading before it closed at, less
what a holder got since. Where it is anything else than the close of the bar before, and days of
trading lie between the two, either there was an ex-day while the symbol was suspended or a bar is
missing. Numbers alone cannot tell which; another source can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from argus_core.errors import BeyondHorizon
from argus_core.market.calendar import next_session
from argus_core.market.kinds import kind_of
from argus_core.market.units import provable
from argus_core.model.period import Period
from argus_core.model.query import BarsQuery, Query
from argus_core.model.symbol import Kind, Symbol

ROOM: Final = 1e-4
"""Relative room for closes that are rounded to fewer decimals here than there."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """That bars may be missing: ``reason`` in words, ``gaps`` as the bars before and after."""

    reason: str
    gaps: tuple[tuple[date, date], ...]

    def lacking(self, other: pl.DataFrame) -> date | None:
        """The first day in the gaps of which another source's series has a bar."""
        dates = other["date"]
        for before, after in self.gaps:
            inside = dates.filter((dates > before) & (dates < after))
            if inside.len():
                day: date = inside[0]
                return day
        return None


def doubts_of(query: Query, values: Mapping[str, Any]) -> dict[str, Doubt]:
    """The keys of ``values`` whose daily bars may lack a day.

    None where the chain cannot be followed: another dataset or period, no ``prev_close``, what has
    no one close a day (futures and options settle) or no price (repurchase agreements).
    """
    if not isinstance(query, BarsQuery) or query.period is not Period.D1:
        return {}
    found = {key: _broken(own) for key, own in values.items() if _chained(Symbol(key))}
    return {key: doubt for key, doubt in found.items() if doubt is not None}


def _chained(symbol: Symbol) -> bool:
    kind = kind_of(symbol)
    return kind is Kind.INDEX or provable(symbol, kind)


def _broken(own: pl.DataFrame) -> Doubt | None:
    """The places where a symbol's bars do not follow upon each other though there is room."""
    if own.height < 2:  # noqa: PLR2004 - it takes two to follow
        return None
    # Slices and plain arithmetic: a shift would wake the query engine for a handful of rows
    closed, said = own["close"].head(-1), own["prev_close"].tail(-1)
    broken = (said > closed * (1 + ROOM)) | (said < closed * (1 - ROOM))
    if not broken.any():
        return None
    dates = own["date"]
    places = [at for at, is_broken in enumerate(broken.to_list()) if is_broken]
    places = [at for at in places if _room_between(dates[at], dates[at + 1])]
    if not places:
        return None
    at = places[0]
    reason = (
        f"the bar of {dates[at + 1]} follows upon a close of {said[at]:g}, and the one before it, "
        f"of {dates[at]}, closed at {closed[at]:g}: days between them may be missing"
    )
    return Doubt(reason, tuple((dates[at], dates[at + 1]) for at in places))


def _room_between(before: date, after: date) -> bool:
    """True if there was a day of trading between them, as far as that is known."""
    try:
        return next_session(before) < after
    except BeyondHorizon:
        return False
