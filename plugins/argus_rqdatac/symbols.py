"""RQData's spelling of symbols and the canonical one, both ways.

Shares, funds, bonds and indices carry an exchange of RQData's own (``600519.XSHG``). Futures and
commodity options are upper case and carry none (``RB2410``, ``M2409C3300``), so the product tells
the exchange; options on funds are eight digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from argus_core import BadParameter, Exchange, Symbol, parse_symbol

_SUFFIX: Mapping[Exchange, str] = MappingProxyType(
    {Exchange.SH: "XSHG", Exchange.SZ: "XSHE", Exchange.BJ: "BJSE"}
)
_SECURITY = re.compile(r"([0-9]{6})\.(XSHG|XSHE|BJSE)")
_FUND_OPTION = re.compile(r"[0-9]{8}")
_CONTRACT = re.compile(r"[A-Z]{1,2}[0-9]{4}(?:F|[CP][0-9]+)?")
_SERIES = re.compile(r"([A-Z]{1,2})(88|99)")


def to_rqdata(symbol: Symbol) -> str | None:
    """RQData's spelling, ``None`` where the vendor has no such series.

    The series 888 and 889 have none: the vendor adjusts their prices and changes them afterwards.
    """
    exchange, code = symbol.exchange, symbol.code
    if not exchange.trades_futures:
        spelled = code if _FUND_OPTION.fullmatch(code) else f"{code}.{_SUFFIX[exchange]}"
    else:
        spelled = code.replace("-", "").upper()
    return spelled if from_rqdata(spelled) == symbol else None


def from_rqdata(order_book_id: str) -> Symbol | None:
    """The canonical symbol, ``None`` for what Argus has no name for (``AU99.99.SGEX``)."""
    known = (
        _SECURITY.fullmatch(order_book_id)
        or _FUND_OPTION.fullmatch(order_book_id)
        or _CONTRACT.fullmatch(order_book_id)
        or _SERIES.fullmatch(order_book_id)
    )
    if known is None:
        return None
    try:
        return parse_symbol(order_book_id)
    except BadParameter:  # a product that no exchange lists, as far as Argus knows
        return None


def spelled(symbols: Iterable[Symbol]) -> dict[str, Symbol]:
    """The symbols by RQData's spelling, without those that have none."""
    pairs = ((to_rqdata(symbol), symbol) for symbol in symbols)
    return {spelling: symbol for spelling, symbol in pairs if spelling is not None}


def product_of(symbol: Symbol) -> str | None:
    """The product of a main continuous series, as RQData names it; ``None`` for anything else."""
    series = _SERIES.fullmatch(symbol.code.upper())
    main = series is not None and series[2] == "88" and symbol.exchange.trades_futures
    return series[1] if series is not None and main else None


def is_continuous(symbol: Symbol) -> bool:
    """True for a series that is made of several contracts."""
    return symbol.exchange.trades_futures and bool(_SERIES.fullmatch(symbol.code.upper()))
