"""What of a question the archive holds, whom to ask for the rest, and what may be sealed of it.

Pure: spans, dates and names in, decisions out.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from argus_core.clock import SHANGHAI
from argus_core.history.archive import Spans
from argus_core.market.hours import sealed_through
from argus_core.market.resample import bucket_bounds
from argus_core.model.period import Period
from argus_core.model.symbol import Symbol
from argus_core.tables import HistoryTable

A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Gap:
    """Dates, both inclusive, that one call to a source has to fill.

    ``open``: nothing lies behind it, so it may reach to days that are not settled yet.
    ``sealable``: some of it can be settled, so what comes may belong into the archive.
    """

    start: date
    end: date
    open: bool
    sealable: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom to ask next about a series.

    ``owner`` is the source whose archived days are used; without one, nothing is archived of any
    of ``sources`` and whichever of them answers has the whole series.
    """

    sources: frozenset[str]
    owner: str | None = None


def choose(
    pools: Sequence[Sequence[str]], days: Mapping[str, int], usable: Container[str]
) -> Choice | None:
    """Who answers next: of the first pool with a usable source, the one that has most of it.

    ``days`` counts the archived days of the question by source. Where nobody in that pool has any,
    its usable sources are asked together with those of later pools, up to one where somebody has.
    """
    for place, pool in enumerate(pools):
        able = [name for name in pool if name in usable]
        if not able:
            continue
        best = max(able, key=lambda name: days.get(name, 0))
        if days.get(best, 0):
            return Choice(frozenset({best}), best)
        group = list(able)
        for later in pools[place + 1 :]:
            names = [name for name in later if name in usable]
            if any(days.get(name, 0) for name in names):
                break
            group += names
        return Choice(frozenset(group))
    return None


def sealed_at(symbol: Symbol, period: Period, at: datetime, settle_hours: float) -> date:
    """The last date that is settled at ``at`` and ends a bar of ``period``.

    The week that is running has no bar yet, whichever of its days are over.
    """
    day = sealed_through(symbol, at, settle_hours)
    first, last = bucket_bounds(day, period)
    return day if last == day else first - A_DAY


def days_within(spans: Spans, start: date, end: date) -> int:
    """How many calendar days of the range are held."""
    return sum((last - first).days + 1 for first, last in spans.within(start, end))


def longest(spans: Spans, start: date, end: date) -> tuple[date, date] | None:
    """The longest stretch without a hole that is held of the range, the later one of equals."""
    held = spans.within(start, end)
    return max(held, key=lambda pair: (pair[1] - pair[0], pair[1]), default=None)


def sealed_to(
    asked: tuple[date, date],
    last_row: date | None,
    *,
    limit: date,
    fetched_at: datetime,
    table: HistoryTable,
    followed: bool,
) -> date:
    """The last date of ``asked`` that an answer settles; the day before the first if none is.

    ``limit`` is the last settled date when it was fetched, ``last_row`` that of the last settled
    row. A date counts as published if the answer has such a row of it or later, if days after
    ``asked`` are archived already (``followed``), or if it is long enough past: before that, a
    silent source may only be late. An answer without any row settles nothing: a source that has
    run out of its quota, or has not loaded its tables yet, says just that, and to believe it once
    would hide what there is for good.
    """
    start, end = asked
    if last_row is None:
        return start - A_DAY
    limit = min(limit, end)
    quiet = fetched_at.astimezone(SHANGHAI).date() - timedelta(days=table.silent_days + 1)
    known = max(quiet, last_row)
    return max(limit if followed else min(limit, known), start - A_DAY)
