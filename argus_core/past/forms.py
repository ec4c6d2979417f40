"""How a series is cut where it ceases to be settled, and put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import polars as pl

from argus_core.history.archive import Spans
from argus_core.model.symbol import Symbol
from argus_core.past.plan import Gap

Range = tuple[date, date]


class Unjoinable(ValueError):
    """Two parts of a series have nothing in common by which the one could be scaled."""


@dataclass(frozen=True, slots=True)
class Told:
    """A source's answer about the dates ``asked``, both inclusive.

    ``limit`` is the last date that was settled when it was fetched.
    """

    frame: pl.DataFrame
    asked: Range
    fetched_at: datetime
    limit: date


@dataclass(frozen=True, slots=True)
class Kept:
    """What the archive holds of a series: its spans, and rows where they are needed to cut."""

    spans: Spans
    rows: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """What of an answer is sealed, stretch by stretch, and what is left for the tiers.

    ``rest`` are the rows that are not sealed, and the first date of the question that they answer.
    """

    writes: tuple[tuple[pl.DataFrame, date, date], ...] = ()
    rest: tuple[pl.DataFrame, date] | None = None


class Form(Protocol):
    """The rules for the series of one dataset."""

    @property
    def empty(self) -> pl.DataFrame:
        """A frame without rows."""
        ...

    @property
    def whole(self) -> bool:
        """Whether all archived rows are needed to cut an answer or to use some of them."""
        ...

    def sealed(self, symbol: Symbol, at: datetime) -> date:
        """The last date that can be sealed at ``at``."""
        ...

    def gaps(self, spans: Spans, asked: Range, sealed: date) -> tuple[Gap, ...]:
        """What has to be asked for beside what ``spans`` hold."""
        ...

    def stretches(self, spans: Spans, asked: Range, /) -> tuple[Range, ...]:
        """The archived dates whose rows an answer to ``asked`` needs."""
        ...

    def cut(self, told: Told, kept: Kept) -> Cut:
        """What of an answer is to be archived, beside what is kept already."""
        ...

    def joined(
        self, archived: pl.DataFrame | None, fetched: Mapping[Gap, pl.DataFrame], asked: Range, /
    ) -> pl.DataFrame:
        """One series of the archived rows and those fetched for the gaps.

        Raises :class:`Unjoinable`.
        """
        ...
