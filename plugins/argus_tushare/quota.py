"""What a question takes of an account: Tushare counts the calls of each interface by itself.

How many it allows is a matter of points and licences, so the numbers are the operator's. How many
a question takes follows from where each interface cuts its answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

from argus_core import (
    Allowance,
    BarsQuery,
    CalendarQuery,
    Charge,
    Exchange,
    FactorsQuery,
    InstrumentsQuery,
    Kind,
    ListingsQuery,
    Period,
    Query,
    QuotesQuery,
    kind_of,
)
from argus_tushare.bars import factor_jobs, jobs
from argus_tushare.interfaces import (
    CALENDAR,
    CALENDARS,
    CONTRACTS,
    CONVERTIBLES,
    FUNDS,
    INDICES,
    OPTIONS,
    RENAMED,
    STOCKS,
    VALUATION,
    Interface,
)
from argus_tushare.quotes import daily_jobs, realtime_jobs
from argus_tushare.settings import TushareSettings
from argus_tushare.symbols import is_continuous

_ROUND = 500
"""After a page of a multiple of so many rows one more is asked for: see ``paging``."""
_RECENT = 30
"""Days that are looked at besides those asked for."""
_MINUTES, _MINUTES_WITH_NIGHT = 241, 600
"""The most minutes of a trading day, without and with a night session."""

Use = tuple[Interface, int]
"""An interface and the calls of it."""
Count = Callable[[Any, TushareSettings], Iterable[Use]]


def charges(query: Query, settings: TushareSettings) -> list[Charge]:
    """The most calls of each interface that a question takes."""
    calls: Counter[Interface] = Counter()
    for interface, count in _COUNTS.get(type(query), _nothing)(query, settings):
        calls[interface] += count
    return [
        Charge(allowance=allowance(interface, settings), calls=count)
        for interface, count in calls.items()
    ]


def allowance(interface: Interface, settings: TushareSettings) -> Allowance:
    """What the operator says that the account allows of an interface."""
    own = settings.interfaces.get(interface.name)
    minute, day = settings.calls_per_minute, settings.calls_per_day
    return Allowance(
        interface=interface.name,
        calls_per_minute=minute if own is None else own.calls_per_minute or minute,
        calls_per_day=day if own is None else own.calls_per_day or day,
        rows_per_call=interface.cap or None,
    )


def _pages(interface: Interface, rows: int) -> int:
    pages = Allowance(rows_per_call=interface.cap or None).calls_for(rows)
    return pages + (rows >= _ROUND)


def _quotes(query: QuotesQuery, settings: TushareSettings) -> Iterator[Use]:
    if settings.quotes_from == "daily":
        for interface, symbols in daily_jobs(query.symbols):
            yield interface, _pages(interface, len(symbols) * _weekdays(_RECENT + 1))
        return
    for interface, symbols in realtime_jobs(query.symbols):
        yield interface, _pages(interface, len(symbols))


def _bars(query: BarsQuery, _settings: TushareSettings) -> Iterator[Use]:
    days = _weekdays(_days(query.start, query.end))
    for interface, symbols in jobs(query.symbols, query.period):
        a_day = 1
        if query.period is not Period.D1:
            night = kind_of(symbols[0]) is Kind.FUTURE
            a_day = _MINUTES_WITH_NIGHT if night else _MINUTES
        yield interface, _pages(interface, len(symbols) * days * a_day)


def _factors(query: FactorsQuery, _settings: TushareSettings) -> Iterator[Use]:
    days = _days(query.start, query.end) + _RECENT  # suspended days have rows as well
    for interface, _symbol in factor_jobs(query.symbols):
        yield interface, _pages(interface, days)


def _instruments(query: InstrumentsQuery, _settings: TushareSettings) -> Iterator[Use]:
    kinds = Counter(kind_of(symbol) for symbol in query.symbols)
    if shares := kinds[Kind.STOCK]:
        one = shares == 1
        # By status, and with valuations of the newest days until some are there.
        yield STOCKS, 3 if one else 6
        yield VALUATION, 1 if one else 3
        yield CALENDAR, 0 if one else 1
        if any(symbol.exchange is Exchange.BJ for symbol in query.symbols):
            yield RENAMED, 1
    tables = {
        (symbol.exchange, is_continuous(symbol))
        for symbol in query.symbols
        if kind_of(symbol) is Kind.FUTURE
    }
    yield CONTRACTS, 2 * len(tables)
    for kind, interface in _SINGLE.items():
        yield interface, kinds[kind]


def _listings(query: ListingsQuery, _settings: TushareSettings) -> Iterator[Use]:
    futures = sum(exchange.trades_futures for exchange in query.exchanges)
    yield CONTRACTS, 2 * futures
    yield STOCKS, 4 * (len(query.exchanges) - futures)
    if Exchange.BJ in query.exchanges:
        yield RENAMED, 1
    if {Exchange.SH, Exchange.SZ}.intersection(query.exchanges):
        yield FUNDS, 2
        yield CONVERTIBLES, 2
        yield INDICES, 6


def _calendar(query: CalendarQuery, _settings: TushareSettings) -> Iterator[Use]:
    names = {CALENDARS[exchange] for exchange in query.exchanges if exchange in CALENDARS}
    pages = _pages(CALENDAR, _days(query.start, query.end))
    yield CALENDAR, pages * len(names)


def _nothing(_query: Query, _settings: TushareSettings) -> Iterable[Use]:
    return ()


def _days(start: date, end: date) -> int:
    return max(1, (end - start).days + 1)


def _weekdays(days: int) -> int:
    """The most days from Monday to Friday among so many in a row."""
    weeks, rest = divmod(days, 7)
    return 5 * weeks + min(rest, 5)


_SINGLE: Mapping[Kind, Interface] = MappingProxyType(
    {
        Kind.FUND: FUNDS,
        Kind.INDEX: INDICES,
        Kind.BOND: CONVERTIBLES,
        Kind.OPTION: OPTIONS,
    }
)
_COUNTS: Mapping[type[Query], Count] = MappingProxyType(
    {
        QuotesQuery: _quotes,
        BarsQuery: _bars,
        FactorsQuery: _factors,
        InstrumentsQuery: _instruments,
        ListingsQuery: _listings,
        CalendarQuery: _calendar,
    }
)
