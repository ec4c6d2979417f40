"""The vendor's spelling of symbols and the canonical one, both ways.

The vendor gives options of the stock exchanges a suffix of their own (``10005334.SHO``), calls the
futures exchanges SF, DF, ZF, IF, INE and GF, writes the main continuous series ``rb00.SF``, and
Zhengzhou's years with one digit. Case matters in futures codes; a wrong one is no error but
an empty answer, so nothing is ever folded here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from argus_core import BadParameter, Exchange, Symbol, parse_symbol

MARKETS: Mapping[Exchange, str] = MappingProxyType(
    {
        Exchange.SH: "SH",
        Exchange.SZ: "SZ",
        Exchange.BJ: "BJ",
        Exchange.SHFE: "SF",
        Exchange.DCE: "DF",
        Exchange.CZCE: "ZF",
        Exchange.CFFEX: "IF",
        Exchange.INE: "INE",
        Exchange.GFEX: "GF",
    }
)
"""The vendor's name of each exchange's market."""
OPTION_MARKETS: Mapping[Exchange, str] = MappingProxyType({Exchange.SH: "SHO", Exchange.SZ: "SZO"})
"""Where the vendor keeps the options of the stock exchanges."""

_SECURITY = re.compile(r"[0-9]{6}")
_OPTION = re.compile(r"[0-9]{8}")
_MAIN = re.compile(r"([A-Za-z]{1,2})88")
_CONTRACT = re.compile(r"[A-Za-z]{1,2}[0-9]{4}(?:F|-?[CP]-?[0-9]+)?")
_ZHENGZHOU = re.compile(r"([A-Z]{1,2})([0-9])([0-9])([0-9]{2})(.*)")
_LISTED_FOR = timedelta(days=3 * 366)
"""Longer than any contract is listed, and much shorter than the ten years until a name returns."""


def is_main(symbol: Symbol) -> bool:
    """True for the main continuous series of a product."""
    return symbol.exchange.trades_futures and _MAIN.fullmatch(symbol.code) is not None


def to_xtquant(symbol: Symbol) -> str | None:
    """The vendor's spelling, ``None`` where it has no such series (``rb99``, ``rb888``)."""
    exchange, code = symbol.exchange, symbol.code
    market = MARKETS[exchange]
    if not exchange.trades_futures:
        if _OPTION.fullmatch(code):
            options = OPTION_MARKETS.get(exchange)
            return f"{code}.{options}" if options else None
        return f"{code}.{market}" if _SECURITY.fullmatch(code) else None
    if main := _MAIN.fullmatch(code):
        return f"{main[1]}00.{market}"
    if not _CONTRACT.fullmatch(code):
        return None
    if exchange is Exchange.CZCE:
        if (parts := _ZHENGZHOU.fullmatch(code)) is None:
            return None
        code = f"{parts[1]}{parts[3]}{parts[4]}{parts[5]}"
    return f"{code}.{market}"


def from_xtquant(code: str, start: date, end: date) -> Symbol | None:
    """The canonical symbol, ``None`` for what Argus has no name for (``260992.BKZS``, ``JQ00``).

    ``start`` to ``end`` is when the code is, or was, listed: it tells Zhengzhou's decade.
    """
    try:
        return parse_symbol(code, start=start, end=end)
    except BadParameter:
        return None


def lifetime(symbol: Symbol) -> tuple[date, date]:
    """The dates on which the vendor's spelling can mean ``symbol``: all, but for Zhengzhou."""
    if symbol.exchange is not Exchange.CZCE:
        return date.min, date.max
    if (parts := _ZHENGZHOU.fullmatch(symbol.code)) is None:
        return date.min, date.max
    year, month = 2000 + int(parts[2] + parts[3]), int(parts[4])
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return last - _LISTED_FOR, last


@dataclass(frozen=True, slots=True)
class Spelt:
    """One symbol, the vendor's spelling of it, and the dates on which it means this symbol."""

    symbol: Symbol
    code: str
    since: date
    until: date

    def means(self, when: date) -> bool:
        """True if the code meant this symbol on that day."""
        return self.since <= when <= self.until


def spelled(symbols: Iterable[Symbol], start: date, end: date) -> tuple[Spelt, ...]:
    """The symbols that the vendor has a code for at some time from ``start`` to ``end``.

    Two contracts of Zhengzhou ten years apart share a code: only that one is left which the code
    meant, so that nobody gets the prices of the other.
    """
    found: list[Spelt] = []
    for symbol in symbols:
        code = to_xtquant(symbol)
        since, until = lifetime(symbol)
        if code is not None and since <= end and start <= until:
            found.append(Spelt(symbol, code, since, until))
    return tuple(found)
