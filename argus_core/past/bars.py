"""Bars: every day stands for itself, and is settled once it is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from argus_core.history.archive import Spans
from argus_core.market.bars import CANONICAL
from argus_core.model.period import Period
from argus_core.model.symbol import Symbol
from argus_core.past.forms import Cut, Kept, Range, Told
from argus_core.past.plan import A_DAY, Gap, sealed_at, sealed_to
from argus_core.tables import HistoryTable


@dataclass(frozen=True, slots=True)
class BarsForm:
    """Raw bars of one period; several stretches of dates may be archived."""

    period: Period
    table: HistoryTable
    whole: bool = False

    @property
    def empty(self) -> pl.DataFrame:
        """A series without a bar."""
        return pl.DataFrame(schema=dict(CANONICAL))

    def sealed(self, symbol: Symbol, at: datetime) -> date:
        """The last date whose bars can be sealed at ``at``."""
        return sealed_at(symbol, self.period, at, self.table.settle_hours)

    def gaps(self, spans: Spans, asked: Range, sealed: date) -> tuple[Gap, ...]:
        """The dates that are not held; the last gap takes what is not settled with it."""
        return tuple(
            Gap(start, end, open=end == asked[1], sealable=start <= sealed)
            for start, end in spans.missing(*asked)
        )

    def stretches(self, spans: Spans, asked: Range, /) -> tuple[Range, ...]:
        """What is held of the dates that are asked for."""
        return spans.within(*asked).pairs

    def cut(self, told: Told, kept: Kept) -> Cut:
        """Rows up to the last date that is settled and published, and the rows after it."""
        frame, limit, (start, end) = told.frame, told.limit, told.asked
        running = frame.filter(~pl.col("final"))["date"]
        if len(running):
            limit = min(limit, running[0] - A_DAY)
        # A running bar proves nothing: some vendors tell it live and lack the days before.
        settled = frame.filter(pl.col("date") <= limit)["date"]
        last: date | None = settled[-1] if len(settled) else None
        after = end + A_DAY
        followed = any(first <= after <= until for first, until in kept.spans)
        to = sealed_to(
            told.asked,
            last,
            limit=limit,
            fetched_at=told.fetched_at,
            table=self.table,
            followed=followed,
        )
        inside = pl.col("date") <= to
        writes = ((frame.filter(inside), start, to),) if to >= start else ()
        rest = (frame.filter(~inside), to + A_DAY) if to < end else None
        return Cut(writes, rest)

    def joined(
        self, archived: pl.DataFrame | None, fetched: Mapping[Gap, pl.DataFrame], _asked: Range, /
    ) -> pl.DataFrame:
        """The rows of all parts in order of time."""
        parts = [frame for frame in (archived, *fetched.values()) if frame is not None]
        parts = [frame for frame in parts if frame.height]
        if not parts:
            return self.empty
        series = pl.concat(parts) if len(parts) > 1 else parts[0]
        return series if series["time"].is_sorted() else series.sort("time")
