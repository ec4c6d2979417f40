"""Bars and factors, in the vendor's units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from argus_core import BarsQuery, FactorsQuery, Kind, Period, Symbol, kind_of
from argus_tushare.cells import compact, instant, known_day, number
from argus_tushare.client import Api
from argus_tushare.interfaces import DAILY, FACTORS, MINUTES, Interface
from argus_tushare.paging import Row, fetch, fetch_minutes
from argus_tushare.symbols import is_continuous, to_tushare

_CONVERTIBLES = {"SH": ("110", "111", "113", "118"), "SZ": ("123", "127", "128")}
_LOOK_BACK = timedelta(days=30)
"""Longer than any closure of the exchanges, so the factor in force at the start is found."""

Job = tuple[Interface, tuple[Symbol, ...]]


def jobs(symbols: Iterable[Symbol], period: Period) -> list[Job]:
    """Which interface to ask about which symbols; those that Tushare lacks are left out."""
    grouped: dict[Interface, list[Symbol]] = {}
    for symbol in symbols:
        interface = _interface(symbol, period)
        if interface is not None:
            grouped.setdefault(interface, []).append(symbol)
    found: list[Job] = []
    for interface, members in grouped.items():
        found += (
            [(interface, tuple(members))]
            if interface.many
            else [(interface, (member,)) for member in members]
        )
    return found


def _interface(symbol: Symbol, period: Period) -> Interface | None:
    kind = kind_of(symbol)
    if to_tushare(symbol) is None:
        return None
    if kind is Kind.BOND and not symbol.code.startswith(_CONVERTIBLES.get(symbol.exchange, ())):
        return None  # government and corporate bonds, repurchase agreements
    if period is Period.D1:
        return DAILY.get(kind)
    # Minutes exist for contracts only, not for the continuous series made of them.
    return None if is_continuous(symbol) else MINUTES.get(kind)


def read_bars(api: Api, job: Job, query: BarsQuery) -> list[dict[str, Any]]:
    """The rows of the published schema ``BARS`` for one job."""
    interface, symbols = job
    codes = spelled(symbols)
    if query.period is Period.D1:
        return list(daily_bars(api, interface, codes, query.start, query.end))
    rows = fetch_minutes(
        api, interface, query.since, query.until, ts_code=",".join(codes), freq="1min"
    )
    return [
        _bar(row, codes[row["ts_code"]]) | {"time": instant(row["trade_time"])}
        for row in rows
        if row["ts_code"] in codes
    ]


def daily_bars(
    api: Api, interface: Interface, codes: Mapping[str, Symbol], start: date, end: date
) -> Iterator[dict[str, Any]]:
    """Daily rows of the published schema ``BARS``, both dates inclusive."""
    bounds = {"start_date": compact(start), "end_date": compact(end)}
    for row in fetch(api, interface, ts_code=",".join(codes), **bounds):
        if row["ts_code"] in codes:
            yield _bar(row, codes[row["ts_code"]]) | {"time": known_day(row["trade_date"])}


def _bar(row: Row, symbol: Symbol) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "open": number(row["open"]),
        "high": number(row["high"]),
        "low": number(row["low"]),
        "close": number(row["close"]),
        "volume": number(row["vol"]),
        "turnover": number(row["amount"]),
        "prev_close": number(row.get("pre_close")),
        "open_interest": number(row.get("oi")),
        "settle": number(row.get("settle")),
    }


def factor_jobs(symbols: Iterable[Symbol]) -> list[tuple[Interface, Symbol]]:
    """Which interface to ask about which symbol: only shares and funds are ever adjusted."""
    kinds = ((symbol, kind_of(symbol)) for symbol in symbols)
    return [(FACTORS[kind], symbol) for symbol, kind in kinds if kind in FACTORS]


def read_factors(
    api: Api, job: tuple[Interface, Symbol], query: FactorsQuery
) -> list[dict[str, Any]]:
    """The factor in force at the start, and each change after it until the end, ascending."""
    interface, symbol = job
    bounds = {"start_date": compact(query.start - _LOOK_BACK), "end_date": compact(query.end)}
    codes = spelled((symbol,))
    known = {
        known_day(row["trade_date"]): number(row["adj_factor"])
        for row in fetch(api, interface, ts_code=",".join(codes), **bounds)
        if row["ts_code"] in codes
    }
    changes: list[dict[str, Any]] = []
    for when in sorted(known):
        if not changes or known[when] != changes[-1]["factor"]:
            changes.append({"symbol": symbol, "date": when, "factor": known[when]})
    earlier = [change for change in changes if change["date"] <= query.start]
    return changes[max(0, len(earlier) - 1) :]


def spelled(symbols: Iterable[Symbol]) -> dict[str, Symbol]:
    """The symbols by Tushare's spelling, without those that have none."""
    pairs = ((to_tushare(symbol), symbol) for symbol in symbols)
    return {code: symbol for code, symbol in pairs if code is not None}
