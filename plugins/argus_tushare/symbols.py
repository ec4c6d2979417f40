"""Tushare's spelling of symbols and the canonical one, both ways.

Shares, funds, bonds, indices and exchange-traded options are spelled alike. Futures differ:
the suffix is Tushare's own, the code is upper case, and the main continuous series is the bare
product (``RB.SHF`` for ``rb88.SHFE``). Zhengzhou's contracts carry four digits on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from argus_core import Exchange, Symbol

_SUFFIX: Mapping[Exchange, str] = MappingProxyType(
    {
        Exchange.SH: "SH",
        Exchange.SZ: "SZ",
        Exchange.BJ: "BJ",
        Exchange.SHFE: "SHF",
        Exchange.DCE: "DCE",
        Exchange.CZCE: "ZCE",
        Exchange.CFFEX: "CFX",
        Exchange.INE: "INE",
        Exchange.GFEX: "GFE",
    }
)
_EXCHANGE: Mapping[str, Exchange] = MappingProxyType({v: k for k, v in _SUFFIX.items()})
_UPPER_CASE = frozenset({Exchange.CZCE, Exchange.CFFEX})
_SECURITY = re.compile(r"[0-9]{6}|[0-9]{8}")
_CONTRACT = re.compile(r"([A-Za-z]{1,2})([0-9]{4})")
_OPTION = re.compile(r"([A-Za-z]{1,2})([0-9]{4}(?:-[CP]-|[CP])[0-9]+)")
_MAIN = re.compile(r"([A-Za-z]{1,2})88")
_PRODUCT = re.compile(r"[A-Z]{1,2}")


def is_continuous(symbol: Symbol) -> bool:
    """True for the main continuous series of a product."""
    return symbol.exchange.trades_futures and _MAIN.fullmatch(symbol.code) is not None


def to_tushare(symbol: Symbol) -> str | None:
    """Tushare's spelling, ``None`` where the vendor has no such series."""
    exchange, code = symbol.exchange, symbol.code
    suffix = _SUFFIX[exchange]
    if not exchange.trades_futures:
        return f"{code}.{suffix}" if _SECURITY.fullmatch(code) else None
    if main := _MAIN.fullmatch(code):
        return f"{main[1].upper()}.{suffix}"
    if _CONTRACT.fullmatch(code):
        return f"{code.upper()}.{suffix}"
    # How the vendor writes the year of Zhengzhou's options is not known, so they are not asked.
    if _OPTION.fullmatch(code) and exchange is not Exchange.CZCE:
        return f"{code.upper()}.{suffix}"
    return None


def from_tushare(ts_code: str) -> Symbol | None:
    """The canonical symbol, ``None`` for what Argus has no name for (``930955.CSI``)."""
    code, _, suffix = ts_code.rpartition(".")
    exchange = _EXCHANGE.get(suffix)
    if exchange is None:
        return None
    if not exchange.trades_futures:
        return Symbol(f"{code}.{exchange}") if _SECURITY.fullmatch(code) else None
    if _PRODUCT.fullmatch(code):
        product, rest = code, "88"
    elif contract := _CONTRACT.fullmatch(code) or _OPTION.fullmatch(code):
        product, rest = contract[1], contract[2]
        if exchange is Exchange.CZCE and not _CONTRACT.fullmatch(code):
            return None
    else:
        return None
    cased = product.upper() if exchange in _UPPER_CASE else product.lower()
    return Symbol(f"{cased}{rest}.{exchange}")
