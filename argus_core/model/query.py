"""Frozen, validated questions, one class a dataset.

Every query is a list of *keys* (symbols, exchanges, sector names) that are answered one by one,
plus what to say about each. That is what lets two of fifty symbols come from the next source.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from functools import cache
from typing import Any, ClassVar, Self, cast

from argus_core.model.period import Adjust, Period
from argus_core.model.symbol import Exchange, Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The base of all queries; ``dataset`` is also the name of the source's method."""

    dataset: ClassVar[str] = ""
    idempotent: ClassVar[bool] = True
    """True if asking twice does no more than asking once, so that it may be asked again."""
    _keys: ClassVar[str] = "symbols"

    @property
    def keys(self) -> tuple[str, ...]:
        """What is asked about, in the asker's order."""
        keys: tuple[str, ...] = getattr(self, self._keys)
        return keys

    def only(self, keys: tuple[str, ...]) -> Self:
        """The same question about fewer keys."""
        return replace(self, **{self._keys: keys})

    @property
    def variant(self) -> str:
        """Everything but the keys, as text: two queries with the same variant share cache keys."""
        return ":".join([str(getattr(self, name)) for name in _terms(cast("Hashable", type(self)))])


@cache
def _terms(kind: Any) -> tuple[str, ...]:
    """The names of a query's fields but the one with its keys."""
    return tuple(f.name for f in fields(kind) if f.name != kind._keys)  # noqa: SLF001 - its own


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotesQuery(Query):
    """The latest quote of each symbol."""

    dataset = "quotes"
    symbols: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthQuery(Query):
    """Quote, order book of ``levels`` levels, and recent trades of each symbol."""

    dataset = "depth"
    symbols: tuple[Symbol, ...]
    levels: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BarsQuery(Query):
    """Raw bars of whole trading dates, ``start`` to ``end``, both inclusive.

    ``period`` is one that the source offers. ``since`` and ``until`` are the widest instants
    (aware, Shanghai) which bars of these trading dates can carry: ``since`` lies on an earlier
    evening where the market has a night session. Rows outside are dropped by the core.
    """

    dataset = "bars"
    symbols: tuple[Symbol, ...]
    period: Period
    start: date
    end: date
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TicksQuery(Query):
    """Snapshots of whole trading dates, ``start`` to ``end``, both inclusive.

    ``since`` and ``until`` are as in :class:`BarsQuery`.
    """

    dataset = "ticks"
    symbols: tuple[Symbol, ...]
    start: date
    end: date
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorsQuery(Query):
    """Cumulative adjustment factors of each symbol from ``start`` to ``end``, inclusive."""

    dataset = "factors"
    symbols: tuple[Symbol, ...]
    start: date
    end: date


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentsQuery(Query):
    """What each symbol is: one :class:`Instrument` a symbol."""

    dataset = "instruments"
    symbols: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingsQuery(Query):
    """The whole instrument table of each exchange."""

    dataset = "listings"
    _keys = "exchanges"
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarQuery(Query):
    """The trading dates of each exchange from ``start`` to ``end``, inclusive."""

    dataset = "calendar"
    _keys = "exchanges"
    exchanges: tuple[Exchange, ...]
    start: date
    end: date


@dataclass(frozen=True, slots=True, kw_only=True)
class SectorsQuery(Query):
    """The members of each named sector."""

    dataset = "sectors"
    _keys = "sectors"
    sectors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MainContractsQuery(Query):
    """The contract that each main continuous series (``rb88.SHFE``) follows on ``day``."""

    dataset = "main_contracts"
    symbols: tuple[Symbol, ...]
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPanelsQuery(Query):
    """A panel of charts of ``symbols`` on the screen of a vendor's client, under a name."""

    dataset = "chart_panels"
    idempotent = False
    _keys = "panels"
    panels: tuple[str, ...]
    symbols: tuple[Symbol, ...]
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """What a consumer asks of history: any period, any adjustment, any bounds.

    ``start`` and ``end`` are trading dates, or aware instants for intraday periods; both are
    inclusive. The gateway answers it from raw bars and factors, so it never reaches a source.
    """

    symbols: tuple[Symbol, ...]
    period: Period
    start: date
    end: date
    adjust: Adjust = Adjust.NONE
    adjust_base: date | None = None
