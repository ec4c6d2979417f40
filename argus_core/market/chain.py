"""Whether daily bars follow one upon another, or some may have been left out.

A day's ``prev_close`` is the exchange's own: what the day of trading before it closed at, less
what a holder got since. Where it is anything else than the close of the bar before, either that
day was an ex-day or a day of trading is missing. Numbers alone cannot tell which; another source
can.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from argus_core.market.kinds import kind_of
from argus_core.market.units import CASH
from argus_core.model.period import Period
from argus_core.model.query import BarsQuery, Query
from argus_core.model.symbol import Kind, Symbol

ROOM: Final = 1e-4
"""Relative room for closes that are rounded to fewer decimals here than there."""


def doubts_of(query: Query, values: Mapping[str, Any]) -> dict[str, str]:
    """The keys of ``values`` whose daily bars may lack a day, with a sentence each.

    None where the chain cannot be followed: another dataset or period, no ``prev_close``, futures
    and options (their days refer to settlements, and contracts that are rolled to other contracts).
    """
    if not isinstance(query, BarsQuery) or query.period is not Period.D1:
        return {}
    found = {key: _break(own) for key, own in values.items() if _chained(Symbol(key))}
    return {key: why for key, why in found.items() if why is not None}


def _chained(symbol: Symbol) -> bool:
    kind = kind_of(symbol)
    return kind in CASH or kind is Kind.INDEX


def _break(own: pl.DataFrame) -> str | None:
    """Where the first of a symbol's bars is that does not follow upon the one before."""
    # Slices and plain arithmetic: a shift would wake the query engine for a handful of rows
    closed, said = own["close"].head(-1), own["prev_close"].tail(-1)
    broken = (said > closed * (1 + ROOM)) | (said < closed * (1 - ROOM))
    at = broken.arg_max() if broken.any() else None
    if at is None:
        return None
    return (
        f"the bar of {own['date'][at + 1]} follows upon a close of {said[at]:g}, and the one "
        f"before it, of {own['date'][at]}, closed at {closed[at]:g}: an ex-day, or a day is missing"
    )
