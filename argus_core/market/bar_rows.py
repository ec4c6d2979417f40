"""What all steps of reading bars share: the question, the facts, each row once and in order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from argus_core.extend.units import Units
from argus_core.market.labels import NextSession
from argus_core.market.sessions import Session
from argus_core.market.units import Proof
from argus_core.model.query import BarsQuery
from argus_core.model.symbol import Kind, Symbol

KEY: Final = ("symbol", "time")
"""What no two bars share."""


@dataclass(frozen=True, slots=True)
class Market:
    """What symbols must share to be read together."""

    kind: Kind
    money: bool
    """True if they cost price times volume, so that turnover can prove their units."""
    rule: Units
    sessions: tuple[Session, ...]


@dataclass(slots=True)
class BarsReading:
    """One call's question, the source's facts, and the notes and faults gathered on the way."""

    query: BarsQuery
    bar_label: str
    timezone: str
    next_session: NextSession
    now: datetime
    notes: Counter[str] = field(default_factory=Counter[str])
    faults: dict[str, str] = field(default_factory=dict[str, str])
    proofs: list[Proof] = field(default_factory=list[Proof])
    resolution: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])


def distinct(frame: pl.DataFrame, reading: BarsReading) -> pl.DataFrame:
    """Each bar once; a symbol with two different bars of one time becomes a fault."""
    if not repeats(frame):
        return frame
    once = frame.unique(maintain_order=True)
    if once.height < frame.height:
        reading.notes["dropped {n} bars that were sent twice"] += frame.height - once.height
    clash = once.filter(once.select(KEY).is_duplicated()).sort(KEY)
    for name, when in clash.unique("symbol", keep="first").select(KEY).iter_rows():
        reading.faults[Symbol(name)] = f"two different bars carry the time {when}"
    return once.filter(~pl.col("symbol").is_in([str(name) for name in reading.faults]))


def repeats(frame: pl.DataFrame) -> bool:
    """True if a symbol has two bars of one time."""
    if frame["time"].n_unique() == frame.height:
        return False
    return frame.select(KEY).is_duplicated().any()


def ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` by symbol and time; most answers come so, and sorting costs more than looking."""
    if frame["time"].is_sorted() and frame["symbol"].n_unique() == 1:
        return frame
    return frame.sort(KEY)


def filtered(frame: pl.DataFrame, keep: pl.Series, note: str, reading: BarsReading) -> pl.DataFrame:
    """The rows to keep, with a note of how many are not."""
    if keep.all() and not keep.null_count():
        return frame
    reading.notes[note] += frame.height - int(keep.sum())
    return frame.filter(keep)
