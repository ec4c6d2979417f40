"""What a source's answers have proved about themselves since start-up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from argus_core.errors import BadData
from argus_core.market.kinds import kind_of
from argus_core.market.normalise import Reading
from argus_core.market.units import provable
from argus_core.model.codec import as_of
from argus_core.model.records import Depth, Quote
from argus_core.model.symbol import Symbol

_INFERRED = "inferred from turnover: "
_CROSSED = "the book is crossed"


@dataclass(slots=True)
class Proved:
    """Rows of one dataset: ``proved`` by turnover ÷ volume, ``off`` by less than a factor of two.

    ``unproved`` are those that nothing could prove: no turnover, an index, a contract.
    ``inferred`` counts how often the unit of a symbol's volume had to be told from its turnover.
    """

    proved: int = 0
    off: int = 0
    unproved: int = 0
    inferred: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCheck:
    """The last answer, or part of one, that could not be true; ``key`` is None for a whole one."""

    at: datetime
    dataset: str
    key: str | None
    check: str
    reason: str


@dataclass(slots=True)
class Fresh:
    """The newest instant that values of a dataset spoke of, and when the last ones came."""

    as_of: datetime | None
    at: datetime


@dataclass(slots=True)
class Evidence:
    """The running account of one source, by dataset (for bars with the period)."""

    rows: dict[str, Proved] = field(default_factory=dict[str, Proved])
    failed: Counter[str] = field(default_factory=Counter[str])
    """Failed checks by kind: disproved, crossed_book, bad_data; unreadable for whole answers."""
    last_failure: FailedCheck | None = None
    fresh: dict[str, Fresh] = field(default_factory=dict[str, Fresh])

    def read(self, dataset: str, reading: Reading, now: datetime) -> None:
        """Book one answer that could be read."""
        disproved = reading.disproved
        for key, reason in reading.faults.items():
            check = "disproved" if key in disproved else "bad_data"
            if reason.startswith(_CROSSED):
                check = "crossed_book"
            self._fail(FailedCheck(at=now, dataset=dataset, key=key, check=check, reason=reason))
        if not reading.values:
            return
        self._count(dataset, reading)
        newest = max((at for at in map(as_of, reading.values.values()) if at), default=None)
        before = self.fresh.get(dataset)
        known = [at for at in (newest, before.as_of if before else None) if at]
        self.fresh[dataset] = Fresh(max(known, default=None), now)

    def unreadable(self, dataset: str, error: BadData, now: datetime) -> None:
        """Book an answer that could not be read at all."""
        self._fail(
            FailedCheck(at=now, dataset=dataset, key=None, check="unreadable", reason=error.message)
        )

    def _fail(self, failed: FailedCheck) -> None:
        self.failed[failed.check] += 1
        self.last_failure = failed

    def _count(self, dataset: str, reading: Reading) -> None:
        rows = sum(map(_rows, reading.values.values()))
        if not rows:
            return
        counts = self.rows.setdefault(dataset, Proved())
        counts.inferred += sum(step.startswith(_INFERRED) for step in reading.steps)
        if dataset.startswith("bars"):
            proved, off = reading.proved, reading.off
        else:
            proved, off = sum(_tested(k, v) for k, v in reading.values.items()), 0
        counts.proved += proved
        counts.off += off
        counts.unproved += rows - proved - off


def _rows(value: Any) -> int:
    """The rows of a value whose units can be right or wrong; 0 for anything else."""
    if isinstance(value, pl.DataFrame):
        return value.height if "volume" in value.columns else 0
    return int(isinstance(value, Quote | Depth))


def _tested(key: str, value: Any) -> int:
    """The rows of a value that passed the proof because they had what it needs."""
    if not isinstance(key, Symbol) or not provable(key, kind_of(key)):
        return 0
    if isinstance(value, pl.DataFrame):
        return int(((value["volume"] > 0) & (value["turnover"] > 0)).sum())
    quote: Quote = value.quote if isinstance(value, Depth) else value
    ranged = quote.low is not None and quote.high is not None
    return int(bool(quote.volume and quote.turnover) and ranged)
