"""From what a source returned to canonical values, or to a sentence why they cannot be true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import polars as pl

from argus_core.errors import BadData, NotOffered, SourceError
from argus_core.extend.relay import Relayed
from argus_core.extend.source import Source
from argus_core.extend.units import Units
from argus_core.market import frames, passed_on
from argus_core.market.bars import normalise_bars
from argus_core.market.chain import Doubt, doubts_of
from argus_core.market.inference import inferred_from_quote
from argus_core.market.kinds import kind_of
from argus_core.market.quotes import normalise_depth, normalise_quote
from argus_core.market.records import (
    read_days,
    read_depth,
    read_instrument,
    read_members,
    read_quote,
    read_symbol,
)
from argus_core.market.sessions import sessions_of
from argus_core.market.ticks import normalise_ticks
from argus_core.market.units import Disproof, provable, resolution, rule_for
from argus_core.model.answer import Origin, coarsest
from argus_core.model.frames import FACTORS
from argus_core.model.query import (
    BarsQuery,
    CalendarQuery,
    DepthQuery,
    FactorsQuery,
    Query,
    TicksQuery,
)
from argus_core.model.records import Depth, Instrument, Quote, TradingDays


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One source's answer in canonical form.

    ``faults`` names the keys whose data cannot be true, with a sentence each; a key that is in
    neither mapping was not answered. ``steps`` says what was done, for ``explain``;
    ``resolution`` names, by key, the fields that the vendor counts more coarsely than it should.
    """

    values: dict[str, Any]
    faults: dict[str, str] = field(default_factory=dict[str, str])
    steps: tuple[str, ...] = ()
    resolution: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict[str, Mapping[str, float]]
    )
    proved: int = 0
    """Bars whose turnover ÷ volume lies in [low, high]."""
    off: int = 0
    """Bars outside of it by less than a factor of two."""
    origins: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    """Where the values really come from, by key, where the source passed them on."""
    doubts: Mapping[str, Doubt] = field(default_factory=dict[str, Doubt])
    """The keys among ``values`` that may lack days, and which."""
    failures: Mapping[str, SourceError | NotOffered] = field(
        default_factory=dict[str, "SourceError | NotOffered"]
    )
    """What went wrong behind the source, by key: these were not answered, and not denied."""

    @property
    def disproved(self) -> frozenset[str]:
        """The keys among ``faults`` whose own numbers contradict each other."""
        return frozenset(key for key, why in self.faults.items() if isinstance(why, Disproof))


R = TypeVar("R", Quote, Depth, Instrument)
Reader = Callable[[Any, Any, Source, datetime], Reading]


def normalise(query: Query, reply: Any, source: Source, now: datetime) -> Reading:
    """The canonical reading of ``reply``; :class:`BadData` if it is not even of the right shape."""
    if reply is None:
        raise BadData(f"{source.name} answered None to {query.dataset}")
    reading = (
        _relayed(query, reply, source, now)
        if isinstance(reply, Relayed)
        else _read(query, reply, source, now)
    )
    doubts = doubts_of(query, reading.values)
    return replace(reading, doubts=doubts) if doubts else reading


def _read(query: Query, reply: Any, source: Source, now: datetime) -> Reading:
    try:
        return _READERS[query.dataset](query, reply, source, now)
    except (TypeError, AttributeError, KeyError, ValueError, OverflowError) as error:
        raise BadData(
            f"{source.name} answered {query.dataset} in a form that cannot be read: "
            f"{type(error).__name__}"
        ) from error


def _relayed(query: Query, answer: Relayed, source: Source, now: datetime) -> Reading:
    """The reading of what was passed on: proved like any other, with its origins beside it."""
    reading = _as_told(query, answer, source, answer.now or now)
    origins = {key: answer.origins[key] for key in query.keys if key in answer.origins}
    rough = {k: origins[k].resolution for k in reading.values if k in origins}
    rough = {key: steps for key, steps in rough.items() if steps}
    return replace(
        reading,
        steps=(*answer.steps, *reading.steps),
        resolution={
            key: coarsest((reading.resolution.get(key, {}), rough.get(key, {})))
            for key in {*reading.resolution, *rough}
        },
        origins=origins,
        failures={k: e for k, e in answer.failures.items() if k not in reading.values},
    )


def _as_told(query: Query, answer: Relayed, source: Source, now: datetime) -> Reading:
    """The values themselves; what is canonical already is checked and left as it is."""
    if isinstance(query, BarsQuery | TicksQuery) and passed_on.is_canonical(query, answer.reply):
        series, faults = passed_on.series_of(query, answer.reply, answer.origins)
        return Reading(values={**series}, faults=faults)
    canonical = Source(source.name, None, source.clock)
    canonical.units = passed_on.counted(answer.origins)
    return _read(query, answer.reply, canonical, now)


def _where(source: Source, query: Query) -> str:
    return f"{source.name} answered {query.dataset}"


def _quotes(query: Query, reply: Any, source: Source, _now: datetime) -> Reading:
    asked = _asked(reply, Quote, query, read_quote, source)
    return _records(query, asked, source, normalise_quote)


def _depth(query: DepthQuery, reply: Any, source: Source, now: datetime) -> Reading:
    asked = _asked(reply, Depth, query, read_depth, source)
    return _records(query, asked, source, partial(normalise_depth, levels=query.levels, now=now))


def _asked(
    reply: Any, record: type[R], query: Query, read: Callable[[R, str], R], source: Source
) -> list[R]:
    """The records of a reply whose symbols were asked for; all must be of the right class."""
    where, asked = _where(source, query), frozenset(query.keys)
    items = _typed(reply, record, where)
    kept = [item for item in items if item.symbol in asked]
    if items and not kept:
        # Nothing but strangers is no silence: most likely the vendor's spelling came through.
        raise BadData(
            f"{where} about {items[0].symbol}, which was not asked for; "
            f"a source answers in canonical symbols, here {query.keys[0]}"
        )
    return [read(item, where) for item in kept]


def _typed(reply: Any, record: type[R], where: str) -> list[R]:
    items: list[Any] = [*reply]
    for item in items:
        if not isinstance(item, record):
            raise BadData(f"{where} with {type(item).__name__}")
    return items


def _records(
    query: Query, items: Iterable[Quote | Depth], source: Source, read: Callable[..., Any]
) -> Reading:
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    steps: dict[str, None] = {}
    coarse: dict[str, dict[str, float]] = {}
    for item in items:
        symbol = item.symbol
        rule = rule_for(source.units, query.dataset, symbol, kind_of(symbol), None)
        if rule.volume is None:
            rule = _inferred(item.quote if isinstance(item, Depth) else item, rule, steps)
        if rough := resolution(rule):
            coarse[symbol] = rough
        value = read(item, rule, timezone=source.timezone)
        if isinstance(value, str):
            faults[symbol] = value
        elif value is not None:
            known = values.setdefault(symbol, value)
            if known is not value and known != value:
                faults[symbol] = f"the answer holds two different {query.dataset} of it"
    for name in faults:
        values.pop(name, None)
    coarse = {symbol: rough for symbol, rough in coarse.items() if symbol in values}
    return Reading(values=values, faults=faults, steps=tuple(steps), resolution=coarse)


def _inferred(quote: Quote, rule: Units, steps: dict[str, None]) -> Units:
    """``rule`` with the unit that the quote's own turnover shows, as it is if it shows none."""
    known = None
    if provable(quote.symbol, kind_of(quote.symbol)):
        known = inferred_from_quote(quote, rule)
    if known is None:
        steps[f"left the volume of {quote.symbol} out: its unit is not known"] = None
        return rule
    steps[f"inferred from turnover: volume of {quote.symbol} × {known.volume:g}"] = None  # noqa: RUF001  # times, not x
    return known


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
    return Reading(
        values={**read.series},
        faults={**read.faults},
        steps=read.steps,
        resolution=read.resolution,
        proved=read.proved,
        off=read.off,
    )


def _ticks(query: TicksQuery, reply: Any, source: Source, _now: datetime) -> Reading:
    read = normalise_ticks(reply, query=query, units=source.units, timezone=source.timezone)
    return Reading(
        values={**read.series},
        faults={**read.faults},
        steps=read.steps,
        resolution=read.resolution,
    )


def _factors(query: FactorsQuery, reply: Any, _source: Source, _now: datetime) -> Reading:
    frame = frames.to_frame(reply, FACTORS)
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for (symbol,), rows in frame.group_by(["symbol"], maintain_order=True):
        if symbol not in query.keys:
            continue
        series = rows.select("date", "factor").unique().sort("date")
        fault = _no_factors(series)
        if fault is None:
            values[str(symbol)] = series
        else:
            faults[str(symbol)] = fault
    return Reading(values=values, faults=faults)


def _no_factors(series: pl.DataFrame) -> str | None:
    """A sentence if ``series``, in order of date, cannot be the factors of one symbol."""
    if series["factor"].null_count() or not (series["factor"] > 0).all():
        return "an adjustment factor is missing or not positive"
    twice = series.filter(series["date"].is_duplicated())
    return f"two different factors carry the date {twice['date'][0]}" if twice.height else None


def _instruments(query: Query, reply: Any, source: Source, _now: datetime) -> Reading:
    asked = _asked(reply, Instrument, query, read_instrument, source)
    return Reading(values={item.symbol: item for item in asked})


def _listings(query: Query, reply: Any, source: Source, _now: datetime) -> Reading:
    where = _where(source, query)

    def table(items: Any) -> tuple[Instrument, ...]:
        return tuple(read_instrument(item, where) for item in _typed(items, Instrument, where))

    return _tables(query, reply, table)


def _sectors(query: Query, reply: Any, source: Source, _now: datetime) -> Reading:
    return _tables(query, reply, partial(read_members, where=_where(source, query)))


def _tables(query: Query, reply: Any, read: Callable[[Any], tuple[Any, ...]]) -> Reading:
    """One sequence a key; an empty one counts as not answered."""
    asked = frozenset(query.keys)
    tables = {str(key): read(members) for key, members in reply.items() if key in asked}
    return Reading(values={key: rows for key, rows in tables.items() if rows})


def _calendar(query: CalendarQuery, reply: Any, source: Source, _now: datetime) -> Reading:
    where = _where(source, query)
    values: dict[str, Any] = {}
    for key, answered in reply.items():
        if not isinstance(answered, TradingDays):
            raise BadData(f"{where} with {type(answered).__name__}")
        days = read_days(answered, where)
        if key in query.keys and days.known_through >= query.end:
            inside = {d for d in days.dates if query.start <= d <= query.end}
            values[str(key)] = TradingDays(
                dates=tuple(sorted(inside)), known_through=days.known_through
            )
    return Reading(values=values)


def _main_contracts(query: Query, reply: Any, source: Source, _now: datetime) -> Reading:
    where = _where(source, query)
    found = {str(key): value for key, value in reply.items() if key in query.keys}
    return Reading(values={key: read_symbol(value, where) for key, value in found.items()})


def _panels(query: Query, reply: Any, _source: Source, _now: datetime) -> Reading:
    return Reading(values={key: str(name) for key, name in reply.items() if key in query.keys})


_READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "quotes": _quotes,
        "depth": _depth,
        "bars": _bars,
        "factors": _factors,
        "instruments": _instruments,
        "listings": _listings,
        "sectors": _sectors,
        "calendar": _calendar,
        "ticks": _ticks,
        "main_contracts": _main_contracts,
        "chart_panels": _panels,
    }
)
