"""What warm-up asks, in which portions and in which order. Pure: nothing here asks anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import chain
from types import MappingProxyType
from typing import TypeVar

from argus_core.caching.rules import Rules
from argus_core.market import calendar
from argus_core.market.hours import last_trading_date
from argus_core.model.period import Period
from argus_core.model.symbol import Exchange, Symbol
from argus_core.tables import WarmupTable

_Item = TypeVar("_Item")

ROWS = 60_000
"""Raw bars that one batch may need at most: a symbol-year of minutes, or 240 symbol-years of days.

More would not come within a batch's deadline from a vendor that pages.
"""

AskedFor = tuple[str, str, str | None, int]
"""A dataset, a symbol, for bars the period, and how often they were asked for."""

MostAsked = Callable[[date, int], Iterable[AskedFor]]
"""What was asked for most on a date, at most so many rows, the most asked first. It may block."""

BASIC = frozenset({"instruments", "listings"})
"""The datasets that hold for a whole trading date, and only from its pre-open on."""
QUICK = frozenset({"quotes", "depth", "bars"})
"""The others that can be warmed."""

_ROWS_A_SYMBOL = 8
"""Datasets and periods in which a much asked symbol may stand among the most asked."""
_RANKS: Mapping[str, int] = MappingProxyType({"high": 0, "medium": 1, "low": 2})
_BARS_A_DAY = 240
_A_DAY = timedelta(days=1)
_CLOSE_TO_MIDNIGHT = timedelta(hours=9)


@dataclass(frozen=True, slots=True)
class Kind:
    """A dataset, for bars with the period: what is asked, and given up, together."""

    dataset: str
    period: Period | None = None

    def __str__(self) -> str:
        return self.dataset if self.period is None else f"{self.dataset} {self.period}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One question: keys (symbols, for listings exchanges), for bars over trading dates."""

    kind: Kind
    keys: tuple[str, ...]
    start: date | None = None
    end: date | None = None
    times: int = 0
    """How often its most asked key was asked for."""

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """The keys as symbols."""
        return tuple(Symbol(key) for key in self.keys)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The keys as exchanges."""
        return tuple(Exchange(key) for key in self.keys)


def planned(
    table: WarmupTable,
    asked: Iterable[AskedFor] = (),
    *,
    last: date,
    limit: Callable[[str], int],
    rules: Rules,
) -> list[Batch]:
    """Everything that ``table`` wants and that was most ``asked`` for, each thing once.

    A symbol that was asked for is warmed like those of the table, and its bars also in the
    periods in which they were asked for. Bars reach ``table.days`` trading dates back from
    ``last``. A batch has at most ``limit(dataset)`` keys and needs at most :data:`ROWS` bars, or
    those of one symbol and one day. The most urgent cache rule comes first, then what is asked
    for most.
    """
    batches: list[Batch] = []
    for kind, times in _wanted(table, tuple(asked)).items():
        # sorted() keeps the order of the table among equals.
        keys = sorted(times, key=lambda key: -times[key])
        for batch in _cut(kind, keys, table.days, last, max(1, limit(kind.dataset))):
            most = max(times[key] for key in batch.keys)
            batches.append(replace(batch, times=most))

    def urgency(batch: Batch) -> tuple[int, int]:
        return _RANKS[rules.of(batch.kind.dataset).priority], -batch.times

    return sorted(batches, key=urgency)


def last_settled(now: datetime, settle_hours: float) -> date:
    """The newest trading date whose close lies ``settle_hours`` back; ``now`` in Shanghai."""
    # Moved so, a date ends when it has settled, not at midnight.
    moved = now - timedelta(hours=settle_hours) + _CLOSE_TO_MIDNIGHT
    return last_trading_date(moved.date() - _A_DAY) or calendar.first()


def most_asked(read: MostAsked, day: date, symbols: int) -> list[AskedFor]:
    """What was asked for on ``day`` of the so many symbols that were asked for most. It blocks."""
    rows = list(read(day, symbols * _ROWS_A_SYMBOL)) if symbols else []
    chosen = set([*dict.fromkeys(row[1] for row in rows)][:symbols])
    return [row for row in rows if row[1] in chosen]


def _wanted(table: WarmupTable, asked: Sequence[AskedFor]) -> dict[Kind, dict[str, int]]:
    """The keys of each kind, with how often each was asked for."""
    told: dict[Kind, dict[str, int]] = {}
    for dataset, symbol, period, times in asked:
        kind = _kind(dataset, period)
        if kind is not None:
            of_kind = told.setdefault(kind, {})
            of_kind[symbol] = of_kind.get(symbol, 0) + times
    named = (of_kind for kind, of_kind in told.items() if not _by_exchange(kind))
    symbols = tuple(dict.fromkeys((*table.symbols, *chain.from_iterable(named))))
    wanted: dict[Kind, dict[str, int]] = {}
    for kind in _kinds(table):
        keys = _exchanges(symbols) if _by_exchange(kind) else symbols
        wanted[kind] = dict.fromkeys(keys, 0)
    for kind, of_kind in told.items():
        wanted.setdefault(kind, {}).update(of_kind)
    return wanted


def _kind(dataset: str, period: str | None) -> Kind | None:
    """The kind of something that was asked for; None if it cannot be warmed."""
    if dataset == "bars":
        return next((Kind(dataset, known) for known in Period if known == period), None)
    return Kind(dataset) if dataset in QUICK | BASIC else None


def _kinds(table: WarmupTable) -> Iterator[Kind]:
    for dataset in dict.fromkeys(table.datasets):
        if dataset == "bars":
            yield from (Kind(dataset, period) for period in dict.fromkeys(table.periods))
        else:
            yield Kind(dataset)


def _by_exchange(kind: Kind) -> bool:
    return kind.dataset == "listings"


def _exchanges(symbols: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(Symbol(symbol).exchange) for symbol in symbols))


def _cut(kind: Kind, keys: Sequence[str], days: int, last: date, limit: int) -> Iterator[Batch]:
    """The keys in batches, for bars also the range in spans."""
    if kind.period is None:
        yield from (Batch(kind=kind, keys=part) for part in _parts(keys, limit))
        return
    dates = _dates(days, last)
    a_day = _BARS_A_DAY if kind.period.intraday else 1
    # The newest first: that is what is asked for, should the rest not come in time.
    for span in reversed([*_parts(dates, max(1, ROWS // a_day))]):
        fitting = max(1, ROWS // (a_day * len(span)))
        for part in _parts(keys, min(limit, fitting)):
            yield Batch(kind=kind, keys=part, start=span[0], end=span[-1])


def _dates(days: int, last: date) -> tuple[date, ...]:
    """The last ``days`` trading dates up to ``last``, fewer where there were not so many."""
    dates: list[date] = []
    day = last_trading_date(last)
    while day is not None and len(dates) < days:
        dates.append(day)
        day = last_trading_date(day - _A_DAY)
    return tuple(reversed(dates))


def _parts(items: Sequence[_Item], size: int) -> Iterator[tuple[_Item, ...]]:
    for begin in range(0, len(items), size):
        yield tuple(items[begin : begin + size])
