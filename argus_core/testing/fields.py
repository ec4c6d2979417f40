"""Which fields of a dataset a source fills: what the capability matrix is made of."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import polars as pl

from argus_core.model.records import Depth, TradingDays
from argus_core.model.symbol import Kind

_KEYS = frozenset({"symbol"})
"""Every record has them, so they say nothing."""


def fields_in(value: Any) -> set[str]:
    """The names of the fields of a canonical value that hold something."""
    if isinstance(value, pl.DataFrame):
        return {name for name in value.columns if value[name].null_count() < value.height}
    if isinstance(value, TradingDays):
        return {"dates", "known_through"}
    if isinstance(value, Depth):
        own = {name for name in ("bids", "asks", "trades") if getattr(value, name)}
        return own | fields_in(value.quote)
    if is_dataclass(value):
        named = {f.name: getattr(value, f.name) for f in fields(value)}
        return {n for n, v in named.items() if v not in (None, (), Kind.UNKNOWN)} - _KEYS
    if isinstance(value, tuple):
        records: tuple[Any, ...] = (*value,)  # pyright: ignore[reportUnknownVariableType]
        return set[str]().union(*(fields_in(item) for item in records if is_dataclass(item)))
    return set()
