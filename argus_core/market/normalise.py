"""From what a source returned to canonical values, or to a sentence why they cannot be true."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from argus_core.errors import BadData
from argus_core.extend.source import Source
from argus_core.extend.units import Units
from argus_core.market import frames
from argus_core.market.bars import normalise_bars
from argus_core.market.kinds import kind_of
from argus_core.market.quotes import normalise_depth, normalise_quote
from argus_core.market.sessions import sessions_of
from argus_core.model.frames import FACTORS
from argus_core.model.query import BarsQuery, CalendarQuery, FactorsQuery, Query
from argus_core.model.records import Depth, Instrument, Quote, TradingDays
from argus_core.model.symbol import Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One source's answer in canonical form.

    ``faults`` names the keys whose data cannot be true, with a sentence each; a key that is in
    neither mapping was not answered. ``steps`` says what was done, for ``explain``.
    """

    values: dict[str, Any]
    faults: dict[str, str] = field(default_factory=dict[str, str])
    steps: tuple[str, ...] = ()


R = TypeVar("R")
Reader = Callable[[Any, Any, Source, datetime], Reading]


def normalise(query: Query, reply: Any, source: Source, now: datetime) -> Reading:
    """The canonical reading of ``reply``; :class:`BadData` if it is not even of the right shape."""
    if reply is None:
        raise BadData(f"{source.name} answered None to {query.dataset}")
    try:
        return _READERS[query.dataset](query, reply, source, now)
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise BadData(
            f"{source.name} answered {query.dataset} in a form that cannot be read: "
            f"{type(error).__name__}"
        ) from error


def _units(source: Source, query: Query, symbol: Symbol) -> Units:
    period = query.period if isinstance(query, BarsQuery) else None
    kind = kind_of(symbol)
    rules = (rule for rule in source.units if rule.covers(query.dataset, kind, period))
    return next(rules, Units())


def _quotes(query: Query, reply: Any, source: Source, _now: datetime) -> Reading:
    return _records(query, _typed(reply, Quote, source, query), source, normalise_quote)


def _depth(query: Query, reply: Any, source: Source, _now: datetime) -> Reading:
    return _records(query, _typed(reply, Depth, source, query), source, normalise_depth)


def _typed(reply: Any, record: type[R], source: Source, query: Query) -> list[R]:
    """The records of a reply, all of the right class."""
    items = list(reply)
    for item in items:
        if not isinstance(item, record):
            raise BadData(f"{source.name} answered {query.dataset} with {type(item).__name__}")
    return items


def _records(
    query: Query, items: Sequence[Any], source: Source, read: Callable[..., Any]
) -> Reading:
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for item in items:
        if item.symbol not in query.keys:
            continue
        value = read(item, _units(source, query, item.symbol), timezone=source.timezone)
        if isinstance(value, str):
            faults[item.symbol] = value
        else:
            values[item.symbol] = value
    return Reading(values=values, faults=faults)


def _bars(query: BarsQuery, reply: Any, source: Source, now: datetime) -> Reading:
    read = normalise_bars(
        reply,
        query=query,
        units=source.units,
        bar_label=source.bar_label,
        timezone=source.timezone,
        sessions=sessions_of,
        kind=kind_of,
        now=now,
    )
    return Reading(values={**read.series}, faults={**read.faults}, steps=read.steps)


def _factors(query: FactorsQuery, reply: Any, _source: Source, _now: datetime) -> Reading:
    frame = frames.to_frame(reply, FACTORS)
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for (symbol,), rows in frame.group_by(["symbol"], maintain_order=True):
        if symbol not in query.keys:
            continue
        series = rows.select("date", "factor").sort("date").unique("date", keep="last")
        series = series.sort("date")
        smallest = series["factor"].min()
        if series["factor"].null_count() or smallest is None or float(str(smallest)) <= 0:
            faults[str(symbol)] = "an adjustment factor is missing or not positive"
        else:
            values[str(symbol)] = series
    return Reading(values=values, faults=faults)


def _instruments(query: Query, reply: Any, source: Source, _now: datetime) -> Reading:
    values: dict[str, Any] = {}
    for item in _typed(reply, Instrument, source, query):
        if item.symbol in query.keys:
            values[item.symbol] = item
    return Reading(values=values)


def _tables(query: Query, reply: Any, _source: Source, _now: datetime) -> Reading:
    """Listings and sectors: one sequence a key; an empty one counts as not answered."""
    values: dict[str, Any] = {}
    for key, members in reply.items():
        rows = tuple(members)
        if key in query.keys and rows:
            values[str(key)] = rows
    return Reading(values=values)


def _calendar(query: CalendarQuery, reply: Any, source: Source, _now: datetime) -> Reading:
    values: dict[str, Any] = {}
    for key, days in reply.items():
        if not isinstance(days, TradingDays):
            raise BadData(f"{source.name} answered calendar with {type(days).__name__}")
        if key in query.keys and days.known_through >= query.end:
            inside = {d for d in days.dates if query.start <= d <= query.end}
            values[str(key)] = TradingDays(
                dates=tuple(sorted(inside)), known_through=days.known_through
            )
    return Reading(values=values)


_READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "quotes": _quotes,
        "depth": _depth,
        "bars": _bars,
        "factors": _factors,
        "instruments": _instruments,
        "listings": _tables,
        "sectors": _tables,
        "calendar": _calendar,
    }
)
