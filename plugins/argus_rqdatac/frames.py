"""The vendor's frames as frames of the published schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from argus_core import BadData, Symbol


def schema_frame(
    answer: Any, symbols: Mapping[str, Symbol], columns: Mapping[str, str]
) -> pl.DataFrame | None:
    """``answer``, indexed by id and time, with the columns ``symbol`` and ``time`` and ours.

    ``columns`` says which of theirs is which of ours: they come in no fixed order. Rows of
    instruments that were not asked for are dropped; :class:`BadData` if there are no others.
    ``None`` for no rows.
    """
    if answer is None or not len(answer.index):
        return None
    missing = [theirs for theirs in columns.values() if theirs not in answer.columns]
    if missing:
        raise BadData(f"rqdatac leaves out the columns {', '.join(missing)}")
    ids: list[Any] = answer.index.get_level_values(0).to_list()
    data: dict[str, Any] = {
        "symbol": pl.Series([symbols.get(one) for one in ids], dtype=pl.String),
        "time": answer.index.get_level_values(1).to_numpy(),
    }
    for ours, theirs in columns.items():
        data[ours] = pl.Series(answer[theirs].to_numpy(dtype="float64"), nan_to_null=True)
    frame = pl.DataFrame(data)
    known = frame.filter(pl.col("symbol").is_not_null())
    if known.is_empty():
        raise BadData("rqdatac answers about other instruments than those asked for")
    return known


def joined(frames: Sequence[pl.DataFrame]) -> Any:
    """All rows in one frame, missing columns null; no rows at all are an empty list."""
    return pl.concat(frames, how="diagonal") if frames else []
