"""What instruments are, read from the vendor's tables into canonical units."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

from argus_core import Exchange, Instrument, Kind, NotOffered, PermissionDenied, Symbol, kind_of
from argus_tushare.bars import spelled
from argus_tushare.cells import compact, day, known_day, number, scaled, text
from argus_tushare.client import Api
from argus_tushare.interfaces import (
    CALENDAR,
    CONTRACTS,
    CONVERTIBLES,
    FUNDS,
    INDICES,
    OPTIONS,
    RENAMED,
    STOCKS,
    VALUATION,
)
from argus_tushare.paging import Row, fetch
from argus_tushare.symbols import from_tushare, is_continuous

logger = logging.getLogger(__name__)

EXCHANGE_NAMES: Mapping[Exchange, str] = MappingProxyType(
    {Exchange.SH: "SSE", Exchange.SZ: "SZSE", Exchange.BJ: "BSE"}
)
"""Tushare's names of the stock exchanges; the futures exchanges have one name everywhere."""

LISTED, DELISTED, PAUSED = "L", "D", "P"
_TEN_THOUSAND = 10_000.0
_RECENT = timedelta(days=30)
_TRIES = 3
"""Trading days to walk back: today's valuations come in the late afternoon."""

Found = dict[str, Instrument]


def read_instruments(api: Api, symbols: Iterable[Symbol], today: date) -> list[Instrument]:
    """One record for each symbol that the vendor's tables hold."""
    groups: dict[Kind, list[Symbol]] = {}
    for symbol in symbols:
        groups.setdefault(kind_of(symbol), []).append(symbol)
    found: list[Instrument] = []
    for kind, members in groups.items():
        codes = spelled(members)
        if kind is Kind.STOCK:
            found += _shares(api, codes, today).values()
        elif kind is Kind.FUTURE:
            found += _contracts(api, codes).values()
        elif kind in _SINGLE:
            found += (one for code in codes for one in _SINGLE[kind](api, code))
    return found


def _shares(api: Api, codes: Mapping[str, Symbol], today: date) -> Found:
    found: Found = {}
    # One share is asked for by code, several are picked from the table.
    one = {"ts_code": next(iter(codes))} if len(codes) == 1 else {}
    for status in (LISTED, DELISTED, PAUSED):
        if len(found) < len(codes):
            rows = fetch(api, STOCKS, list_status=status, **one)
            found.update(
                (row["ts_code"], share(row, codes[row["ts_code"]]))
                for row in rows
                if row["ts_code"] in codes
            )
    if found:
        values = _valuations(api, list(found), today)
        found = {code: _valued(known, values.get(code)) for code, known in found.items()}
    if any(symbol.exchange is Exchange.BJ for symbol in codes.values()):
        former = former_symbols(api)
        found = {
            code: replace(known, former_symbols=former.get(known.symbol, ()))
            for code, known in found.items()
        }
    return found


def share(row: Row, symbol: Symbol) -> Instrument:
    """A row of ``stock_basic``."""
    return Instrument(
        symbol=symbol,
        kind=Kind.STOCK,
        name=text(row["name"]),
        full_name=text(row.get("fullname")),
        industry=text(row.get("industry")),
        market=text(row.get("market")),
        list_date=day(row["list_date"]),
        delist_date=day(row.get("delist_date")),
    )


def _valued(known: Instrument, row: Row | None) -> Instrument:
    """``known`` with its newest valuation: trailing twelve months, percent, shares, yuan."""
    if row is None:
        return known
    return replace(
        known,
        total_shares=scaled(row.get("total_share"), _TEN_THOUSAND),
        float_shares=scaled(row.get("float_share"), _TEN_THOUSAND),
        market_cap=scaled(row.get("total_mv"), _TEN_THOUSAND),
        pe_ratio=number(row.get("pe_ttm")),
        pb_ratio=number(row.get("pb")),
        dividend_yield=number(row.get("dv_ttm")),
    )


def _valuations(api: Api, codes: list[str], today: date) -> dict[str, Row]:
    """The newest valuation by code; none where the account may not read them."""
    since = {"start_date": compact(today - _RECENT), "end_date": compact(today)}
    try:
        if len(codes) == 1:
            rows = list(fetch(api, VALUATION, ts_code=codes[0], **since))
            rows = sorted(rows, key=lambda row: known_day(row["trade_date"]))
            return {row["ts_code"]: row for row in rows}
        for when in _open_days(api, since)[:_TRIES]:
            rows = list(fetch(api, VALUATION, trade_date=when))
            if rows:
                return {row["ts_code"]: row for row in rows}
    except PermissionDenied as refused:
        logger.warning("valuations are left out: %s", refused)
    return {}


def _open_days(api: Api, bounds: Mapping[str, str]) -> list[str]:
    rows = fetch(api, CALENDAR, exchange="SSE", **bounds)
    return sorted((str(row["cal_date"]) for row in rows if number(row["is_open"])), reverse=True)


def former_symbols(api: Api) -> dict[Symbol, tuple[Symbol, ...]]:
    """The codes that Beijing's shares had before, by today's; none where that is not told."""
    former: dict[Symbol, tuple[Symbol, ...]] = {}
    try:
        for row in fetch(api, RENAMED):
            old, new = from_tushare(str(row["o_code"])), from_tushare(str(row["n_code"]))
            if old and new and old != new:
                former[new] = (*former.get(new, ()), old)
    except (PermissionDenied, NotOffered) as refused:
        logger.warning("former codes are left out: %s", refused)
    return former


def _contracts(api: Api, codes: Mapping[str, Symbol]) -> Found:
    """Futures by code: the vendor gives them by exchange, contracts and series apart."""
    found: Found = {}
    asked = {(symbol.exchange, is_continuous(symbol)) for symbol in codes.values()}
    for exchange, continuous in sorted(asked):
        kind = "2" if continuous else "1"
        for row in fetch(api, CONTRACTS, exchange=exchange.value, fut_type=kind):
            if row["ts_code"] in codes:
                found[row["ts_code"]] = contract(row, codes[row["ts_code"]])
    return found


def contract(row: Row, symbol: Symbol) -> Instrument:
    """A row of ``fut_basic``; commodities have their multiplier under ``per_unit``."""
    return Instrument(
        symbol=symbol,
        kind=Kind.FUTURE,
        name=text(row["name"]),
        multiplier=number(row.get("multiplier")) or number(row.get("per_unit")),
        list_date=day(row.get("list_date")),
        delist_date=day(row.get("delist_date")),
    )


def fund(row: Row, symbol: Symbol) -> Instrument:
    """A row of ``fund_basic``."""
    return Instrument(
        symbol=symbol,
        kind=Kind.FUND,
        name=text(row["name"]),
        list_date=day(row.get("list_date")),
        delist_date=day(row.get("delist_date")),
    )


def index(row: Row, symbol: Symbol) -> Instrument:
    """A row of ``index_basic``."""
    return Instrument(
        symbol=symbol,
        kind=Kind.INDEX,
        name=text(row["name"]),
        full_name=text(row.get("fullname")),
        list_date=day(row.get("list_date")),
        delist_date=day(row.get("exp_date")),
    )


def convertible(row: Row, symbol: Symbol) -> Instrument:
    """A row of ``cb_basic``."""
    return Instrument(
        symbol=symbol,
        kind=Kind.BOND,
        name=text(row["bond_short_name"]),
        full_name=text(row.get("bond_full_name")),
        underlying=text(row.get("stk_code")),
        list_date=day(row.get("list_date")),
        delist_date=day(row.get("delist_date")),
    )


def option(row: Row, symbol: Symbol) -> Instrument:
    """A row of ``opt_basic``, whose ``opt_code`` is the underlying's code behind ``OP``."""
    underlying = from_tushare((text(row.get("opt_code")) or "").removeprefix("OP"))
    return Instrument(
        symbol=symbol,
        kind=Kind.OPTION,
        name=text(row["name"]),
        underlying=underlying,
        multiplier=number(row.get("per_unit")),
        list_date=day(row.get("list_date")),
        delist_date=day(row.get("delist_date")),
    )


def _single(
    interface_rows: Callable[[Api, str], Iterable[Row]], read: Callable[[Row, Symbol], Instrument]
) -> Callable[[Api, str], list[Instrument]]:
    def ask(api: Api, code: str) -> list[Instrument]:
        rows = (row for row in interface_rows(api, code) if row["ts_code"] == code)
        pairs = ((row, from_tushare(code)) for row in rows)
        return [read(row, symbol) for row, symbol in pairs if symbol is not None]

    return ask


_SINGLE: Mapping[Kind, Callable[[Api, str], list[Instrument]]] = MappingProxyType(
    {
        Kind.FUND: _single(lambda api, code: fetch(api, FUNDS, market="E", ts_code=code), fund),
        Kind.INDEX: _single(lambda api, code: fetch(api, INDICES, ts_code=code), index),
        Kind.BOND: _single(lambda api, code: fetch(api, CONVERTIBLES, ts_code=code), convertible),
        Kind.OPTION: _single(lambda api, code: fetch(api, OPTIONS, ts_code=code), option),
    }
)
