"""Adjustment factors: only their ratios mean anything, so that parts are scaled to one another.

Archived are the rows where the factor changes, over one stretch of dates without a hole. What is
asked for beside it overlaps with it by a date, because a vendor's scale may start elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import polars as pl

from argus_core.history.archive import Spans
from argus_core.market.hours import sealed_through
from argus_core.model.symbol import Symbol
from argus_core.past.forms import Cut, Kept, Range, Told, Unjoinable
from argus_core.past.plan import A_DAY, Gap
from argus_core.tables import HistoryTable

SAME: Final = 1e-9
"""The share by which two factors may differ and be the same one."""


@dataclass(frozen=True, slots=True)
class FactorsForm:
    """Cumulative factors; settled by time alone, since most days bring no row."""

    table: HistoryTable
    whole: bool = True

    @property
    def empty(self) -> pl.DataFrame:
        """A table without a factor."""
        return pl.DataFrame(schema={"date": pl.Date(), "factor": pl.Float64()})

    def sealed(self, symbol: Symbol, at: datetime) -> date:
        """The last date whose factor can be sealed at ``at``."""
        return sealed_through(symbol, at, self.table.settle_hours)

    def gaps(self, spans: Spans, asked: Range, sealed: date) -> tuple[Gap, ...]:
        """What lies before and after the one stretch that is held, its first or last date too."""
        start, end = asked
        if not spans:
            return (Gap(start, end, open=True, sealable=start <= sealed),)
        first, last = spans.pairs[-1]
        gaps: list[Gap] = []
        if start < first and spans.missing(start, first - A_DAY):
            gaps.append(Gap(start, first, open=False, sealable=True))
        if end > last and spans.missing(last + A_DAY, end):
            gaps.append(Gap(last, end, open=True, sealable=last < sealed))
        return tuple(gaps)

    def stretches(self, spans: Spans, _asked: Range, /) -> tuple[Range, ...]:
        """All that is held, for the factor in force on a day may be of any day before."""
        return spans.pairs[-1:]

    def cut(self, told: Told, kept: Kept) -> Cut:
        """The changes up to the last settled date; the table from that date on is the rest."""
        frame, (start, end) = told.frame, told.asked
        limit = min(told.limit, end)
        if not kept.spans:
            if limit < start:
                return Cut(rest=(frame, start))
            # A factor in force since before the first date says that nothing happened in between.
            first = min(_in_force(frame, start) or start, start)
            inside = frame.filter(pl.col("date").is_between(first, limit))
            return Cut(((_changes(inside), first, limit),), _rest(frame, limit, end))
        held = kept.spans.pairs[-1]
        old = self.empty if kept.rows is None else kept.rows
        apart = start > held[1] + A_DAY or end < held[0] - A_DAY
        if apart or (start >= held[0] and end < held[1]):
            return Cut()
        try:
            writes = _extended(old, frame, held, (start, limit))
        except Unjoinable:
            return Cut()
        return Cut(writes, _rest(frame, max(limit, held[1]), end))

    def joined(
        self, archived: pl.DataFrame | None, fetched: Mapping[Gap, pl.DataFrame], asked: Range, /
    ) -> pl.DataFrame:
        """One table on the scale of the archived rows; the factor in force at the start is first.

        Raises :class:`Unjoinable` where a part does not overlap with the archived rows.
        """
        table = archived
        for gap, frame in fetched.items():
            if table is None or table.is_empty():
                table = frame
            elif gap.open:
                new = _scaled(frame, table, gap.start).filter(pl.col("date") > gap.start)
                table = pl.concat([table.filter(pl.col("date") <= gap.start), new])
            else:
                new = _scaled(frame, table, gap.end).filter(pl.col("date") < gap.end)
                table = pl.concat([new, table.filter(pl.col("date") >= gap.end)])
        if table is None:
            return self.empty
        first = _in_force(table, asked[0])
        return table.filter(pl.col("date").is_between(first or asked[0], asked[1]))


def _rest(frame: pl.DataFrame, limit: date, end: date) -> tuple[pl.DataFrame, date] | None:
    """The table from the factor in force at ``limit`` on, if the question goes further."""
    if end <= limit:
        return None
    return frame.filter(pl.col("date") >= (_in_force(frame, limit) or limit)), limit


def _extended(
    old: pl.DataFrame, new: pl.DataFrame, held: Range, fresh: Range
) -> tuple[tuple[pl.DataFrame, date, date], ...]:
    """What ``new``, known over ``fresh``, adds before and after ``held``, and says otherwise."""
    (first, last), (start, limit) = held, fresh
    writes: list[tuple[pl.DataFrame, date, date]] = []
    anchor = max(first, start)
    scaled = _scaled(new, old, anchor)
    if start < first:
        since = min(_in_force(scaled, start) or start, start)
        before = scaled.filter(pl.col("date").is_between(since, first - A_DAY))
        writes.append((_changes(before), since, first - A_DAY))
    if limit >= last and limit > anchor:
        writes.append((_restated(old, scaled, anchor, limit), anchor + A_DAY, limit))
    return tuple(writes)


def _restated(old: pl.DataFrame, new: pl.DataFrame, anchor: date, limit: date) -> pl.DataFrame:
    """What ``new`` says after ``anchor``, where it changes and where ``old`` has a row.

    Where both say the same, the very value that is archived: it is no correction.
    """
    after = pl.col("date").is_between(anchor + A_DAY, limit)
    ours = old.filter(after)
    changes = _changes(new.filter(after), _value(old, anchor))
    dates = pl.concat([ours.select("date"), changes.select("date")]).unique().sort("date")
    told = dates.set_sorted("date").join_asof(new.set_sorted("date"), on="date")
    told = told.join(ours, on="date", how="left", suffix="_old", maintain_order="left")
    same = (pl.col("factor") - pl.col("factor_old")).abs() <= SAME * pl.col("factor_old")
    return told.select("date", factor=pl.when(same).then("factor_old").otherwise("factor"))


def _scaled(new: pl.DataFrame, old: pl.DataFrame, at: date) -> pl.DataFrame:
    """``new`` on the scale of ``old``, by the factors in force at ``at``."""
    theirs, ours = _value(new, at), _value(old, at)
    if ours is None:
        # Nothing was in force there: neither before, nor, if it says the same, in the new part.
        if old.is_empty() or theirs is None:
            return new
        raise Unjoinable
    if theirs is None:
        raise Unjoinable
    ratio = ours / theirs
    if abs(ratio - 1.0) <= SAME:
        return new
    return new.with_columns(pl.col("factor") * ratio)


def _in_force(table: pl.DataFrame, day: date) -> date | None:
    """The date of the row that is in force on ``day``."""
    known = table.filter(pl.col("date") <= day)["date"]
    return None if known.is_empty() else known[-1]


def _value(table: pl.DataFrame, day: date) -> float | None:
    known = table.filter(pl.col("date") <= day)
    return float(known["factor"][-1]) if known.height else None


def _changes(table: pl.DataFrame, before: float | None = None) -> pl.DataFrame:
    """The rows whose factor is another than that of the row before, or than ``before``."""
    earlier = pl.col("factor").shift(1, fill_value=before)
    same = ((pl.col("factor") - earlier).abs() <= SAME * earlier).fill_null(value=False)
    return table.filter(~same)
