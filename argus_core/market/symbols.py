"""Every usual spelling of a symbol, read into the canonical one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from string import ascii_uppercase
from types import MappingProxyType

from argus_core.errors import BadParameter
from argus_core.market.kinds import kind_of
from argus_core.market.products import exchanges_of, lists
from argus_core.model.symbol import Exchange, Kind, Symbol


def parse_symbol(text: str, *, start: date | None = None, end: date | None = None) -> Symbol:
    """The canonical symbol that ``text`` spells, in any case and amid any white space.

    Stocks, funds, bonds and indices: ``600519.SH .SS .XSHG .SSE .SHSE``, ``sh600519``,
    ``sh.600519``, ``SHSE.600519`` and the like for Shenzhen and Beijing; a bare ``600519`` where
    only one exchange numbers anything so. Exchange-traded options have eight digits.
    Futures and options on them: every vendor's suffix, ``SHFE.rb2410``, or none where the product
    decides; continuous series end in ``88``, ``888``, ``889`` or ``99``. Zhengzhou's three digits
    become four: the contract that is listed within ``start`` to ``end``, either may be open.

    Raises :class:`BadParameter`, which names the text and the candidates, for anything else.
    """
    reading = _read(text)
    return reading if isinstance(reading, Symbol) else _listed_within(text, reading, start, end)


def _spellings(table: Mapping[Exchange, str]) -> Mapping[str, Exchange]:
    return MappingProxyType(
        {spelling: exchange for exchange, names in table.items() for spelling in names.split()}
    )


_SUFFIXES = _spellings(
    {
        Exchange.SH: "SH SS XSHG SSE SHSE SHO",
        Exchange.SZ: "SZ XSHE SZSE SZO",
        Exchange.BJ: "BJ BJSE BSE",
        Exchange.SHFE: "SHFE SHF SF XSGE",
        Exchange.DCE: "DCE DF XDCE",
        Exchange.CZCE: "CZCE ZCE CZC ZF XZCE",
        Exchange.CFFEX: "CFFEX CFX CFE IF CCFX",
        Exchange.INE: "INE XINE",
        Exchange.GFEX: "GFEX GFE GF",
    }
)
# Vendors' short suffixes are product letters too (SF, IF): before the code only names count.
_PREFIXES = _spellings(
    {
        Exchange.SH: "SH SSE SHSE",
        Exchange.SZ: "SZ SZSE",
        Exchange.BJ: "BJ BSE BJSE",
        Exchange.SHFE: "SHFE",
        Exchange.DCE: "DCE",
        Exchange.CZCE: "CZCE",
        Exchange.CFFEX: "CFFEX",
        Exchange.INE: "INE",
        Exchange.GFEX: "GFEX",
    }
)
# xtquant calls the main continuous series rb00.SF, Tushare RB.SHF; others mean another by these.
_MAIN_IS_00 = frozenset({"SF", "DF", "ZF", "IF", "INE", "GF"})
_MAIN_IS_BARE = frozenset({"SHF", "DCE", "ZCE", "CFX", "INE", "GFE"})

_UPPER_CASE = frozenset({Exchange.CZCE, Exchange.CFFEX})
_HYPHENATED = frozenset({Exchange.DCE, Exchange.GFEX, Exchange.CFFEX})

_GLUED = re.compile(r"(SH|SZ|BJ)([0-9]{6}|[0-9]{8})")
_DIGITS = re.compile(r"[0-9]{6}|[0-9]{8}")
_OPTION_LENGTH = 8
_OPTION_DIGITS = MappingProxyType({Exchange.SH: "10", Exchange.SZ: "90"})
_LETTERS = re.compile(r"[A-Z]{1,3}")
_CONTINUOUS = re.compile(r"([A-Z]{1,2})(88|888|889|99|00)")
_CONTRACT = re.compile(
    r"([A-Z]{1,2})([0-9]{1,2})(0[1-9]|1[0-2])(?:(F)|-?([CP])-?([1-9][0-9]*))?",
)

_DECADES = range(4)
_LISTED_MONTHS = 18
_LONGEST = 32
_ALLOWED = (
    "allowed are 600519.SH, 000001.SZ, 430047.BJ, rb2410.SHFE, m2405.DCE, CF2501.CZCE, "
    "IF2412.CFFEX, sc2412.INE, lc2501.GFEX, rb88.SHFE, and the usual spellings of these"
)


@lru_cache(maxsize=1 << 16)
def _read(text: str) -> Symbol | tuple[Symbol, ...]:
    """The symbol that ``text`` spells, or one for each decade that its single digit leaves open."""
    # Before stripping, so that the cache never keeps a long text.
    if len(text) > _LONGEST or not text.isascii():
        raise _refusal(text, "is no symbol")
    spelt = text.strip().upper()
    before, dot, after = spelt.rpartition(".")
    if not dot:
        return _without_exchange(text, spelt)
    if after in _SUFFIXES:
        return _with_exchange(text, before, _SUFFIXES[after], after)
    if before in _PREFIXES:
        return _with_exchange(text, after, _PREFIXES[before], "")
    raise _refusal(text, "names no exchange that Argus knows")


def _without_exchange(text: str, spelt: str) -> Symbol | tuple[Symbol, ...]:
    glued = _GLUED.fullmatch(spelt)
    if glued:
        return _security(text, glued[2], Exchange(glued[1]))
    if _DIGITS.fullmatch(spelt):
        return _bare_security(text, spelt)
    match = _CONTRACT.fullmatch(spelt) or _CONTINUOUS.fullmatch(spelt)
    if not match:
        raise _refusal(text, "is no symbol")
    exchanges = exchanges_of(match[1])
    if len(exchanges) != 1:
        raise _refusal(
            text,
            f"begins with {match[1]}, which {len(exchanges)} exchanges list: add the exchange",
            (f"{spelt}.{exchange}" for exchange in exchanges),
        )
    return _future(text, spelt, exchanges[0], "")


def _with_exchange(
    text: str, code: str, exchange: Exchange, suffix: str
) -> Symbol | tuple[Symbol, ...]:
    if exchange.trades_futures:
        return _future(text, code, exchange, suffix)
    if suffix in ("SHO", "SZO") and len(code) != _OPTION_LENGTH:
        raise _refusal(text, "is no exchange-traded option")
    return _security(text, code, exchange)


def _security(text: str, code: str, exchange: Exchange) -> Symbol:
    if not _DIGITS.fullmatch(code):
        raise _refusal(text, f"needs six digits on {exchange}")
    if len(code) == _OPTION_LENGTH and not code.startswith(_OPTION_DIGITS.get(exchange, "-")):
        raise _refusal(text, f"is no option of {exchange}")
    return Symbol(f"{code}.{exchange}")


def _bare_security(text: str, digits: str) -> Symbol:
    """The only symbol with these digits, told from the exchanges' numbering rules."""
    if len(digits) == _OPTION_LENGTH:
        found = [Symbol(f"{digits}.{e}") for e, p in _OPTION_DIGITS.items() if digits.startswith(p)]
    else:
        spelt = (Symbol(f"{digits}.{e}") for e in (Exchange.SH, Exchange.SZ, Exchange.BJ))
        found = [symbol for symbol in spelt if kind_of(symbol) is not Kind.UNKNOWN]
    if len(found) == 1:
        return found[0]
    if not found:
        raise _refusal(text, "is no number of Shanghai, Shenzhen or Beijing that Argus knows")
    raise _refusal(
        text, "needs its exchange", (f"{symbol} ({kind_of(symbol)})" for symbol in found)
    )


def _future(text: str, code: str, exchange: Exchange, suffix: str) -> Symbol | tuple[Symbol, ...]:
    match = _CONTRACT.fullmatch(code)
    if match:
        return _contract(text, match, exchange)
    match = _CONTINUOUS.fullmatch(code)
    if match:
        product, series = match.groups()
        if series == "00":
            if suffix not in _MAIN_IS_00:
                main = f"{_symbol(product + '88', exchange)} (main)"
                raise _refusal(text, "could be the main or the nearest contract", [main])
            series = "88"
        return _symbol(product + series, exchange)
    if suffix in _MAIN_IS_BARE and _LETTERS.fullmatch(code):
        return _main_series(text, code, exchange)
    raise _refusal(text, f"is no contract of {exchange}: a product, a four-digit month, e.g. 2412")


def _main_series(text: str, letters: str, exchange: Exchange) -> Symbol:
    """Tushare's main continuous series: the product alone, which an L turns into the nearest."""
    nearest = letters.endswith("L") and lists(exchange, letters[:-1])
    if nearest:
        raise _refusal(
            text, f"may be the nearest-month series of {letters[:-1]}, which has no symbol"
        )
    if not lists(exchange, letters):
        raise _refusal(text, f"is no product of {exchange} that Argus knows")
    return _symbol(f"{letters}88", exchange)


def _contract(text: str, match: re.Match[str], exchange: Exchange) -> Symbol | tuple[Symbol, ...]:
    product, year, month, average, right, strike = match.groups()
    tail = ""
    if average:
        if exchange is not Exchange.DCE:
            raise _refusal(text, "ends in F, as only Dalian's monthly-average futures do")
        tail = average
    elif right:
        tail = f"-{right}-{strike}" if exchange in _HYPHENATED else f"{right}{strike}"
    if len(year) == 2:  # noqa: PLR2004
        return _symbol(f"{product}{year}{month}", exchange, tail)
    if exchange is not Exchange.CZCE:
        raise _refusal(text, f"needs a four-digit month on {exchange}, e.g. 2412")
    return tuple(_symbol(f"{product}{d}{year}{month}", exchange, tail) for d in _DECADES)


def _symbol(code: str, exchange: Exchange, tail: str = "") -> Symbol:
    cased = code if exchange in _UPPER_CASE else code.lower()
    return Symbol(f"{cased}{tail}.{exchange}")


def _listed_within(
    text: str, candidates: tuple[Symbol, ...], start: date | None, end: date | None
) -> Symbol:
    """The one candidate that is listed at some time from ``start`` to ``end``.

    A contract is listed from at most 18 months before its delivery month to the end of that month.
    """
    if start is None and end is None:
        raise _refusal(
            text, "leaves the decade open: write four digits, or give a range", candidates
        )
    low, high = _month_of(start or date.min), _month_of(end or date.max)
    found = [
        symbol
        for symbol in candidates
        if low <= _delivery_month(symbol) and _delivery_month(symbol) - _LISTED_MONTHS <= high
    ]
    if len(found) != 1:
        which = "none is" if not found else "several are"
        raise _refusal(
            text, f"leaves the decade open, {which} listed in the asked range", candidates
        )
    return found[0]


def _month_of(day: date) -> int:
    return day.year * 12 + day.month


def _delivery_month(symbol: Symbol) -> int:
    year, month = divmod(int(symbol.lstrip(ascii_uppercase)[:4]), 100)
    return (2000 + year) * 12 + month


def _refusal(text: str, reason: str, candidates: Iterable[str] = ()) -> BadParameter:
    shown = repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")
    named = ", ".join(candidates)
    advice = f"candidates are {named}" if named else _ALLOWED
    return BadParameter(f"symbol {shown} {reason}; {advice}")
