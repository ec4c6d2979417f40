"""What instruments are, read from the client's details."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

from argus_core import BadData, Exchange, Instrument, Kind, Symbol, kind_of
from argus_xtquant.cells import day, positive, text
from argus_xtquant.refusals import UnknownCode
from argus_xtquant.session import Session
from argus_xtquant.surface import Tick
from argus_xtquant.symbols import MARKETS, Spelt, from_xtquant, lifetime, spelled

logger = logging.getLogger(__name__)

_MULTIPLIED = frozenset({Kind.FUTURE, Kind.OPTION})
_COUNTED = frozenset({Kind.STOCK, Kind.FUND})
# An ETF is a fund as well, so the narrower word is looked for first
_TYPES: Mapping[str, Kind] = MappingProxyType(
    {
        "etf": Kind.FUND,
        "fund": Kind.FUND,
        "index": Kind.INDEX,
        "bond": Kind.BOND,
        "option": Kind.OPTION,
        "future": Kind.FUTURE,
        "stock": Kind.STOCK,
    }
)


def read_instruments(session: Session, symbols: Iterable[Symbol], today: date) -> list[Instrument]:
    """One record for each symbol that the client knows."""
    found: list[Instrument] = []
    unreadable: BadData | None = None
    for spelt in spelled(symbols, date.min, date.max):
        try:
            detail = detail_of(session, spelt.code)
        except BadData as error:
            # The vendor's module falls over options without a name; the others are as they are
            unreadable = error
            continue
        if detail is not None and _is_meant(spelt, detail, today):
            found.append(instrument(spelt.symbol, detail, _kind(session, spelt)))
    if unreadable is not None and not found:
        raise unreadable
    return found


def detail_of(session: Session, code: str) -> Tick | None:
    """The client's details of a code, ``None`` if it does not know it."""
    try:
        told: Any = session.call("instruments", lambda x: x.get_instrument_detail(code, True))
    except UnknownCode:
        return None
    return told if isinstance(told, Mapping) and told else None  # pyright: ignore[reportUnknownVariableType]


def instrument(symbol: Symbol, detail: Tick, kind: Kind) -> Instrument:
    """The client's details as a record.

    Limits, ``IsTrading`` and ``InstrumentStatus`` are not read: the first are of today only, and
    the others were recorded as false for instruments that traded.
    """
    listed = ("CreateDate", "OpenDate") if kind in _MULTIPLIED else ("OpenDate", "CreateDate")
    counted = kind in _COUNTED
    return Instrument(
        symbol=symbol,
        name=text(detail.get("InstrumentName")),
        kind=kind,
        list_date=next((d for name in listed if (d := day(detail.get(name)))), None),
        delist_date=expiry(detail),
        total_shares=_either(detail, "TotalVolume", "TotalVolumn") if counted else None,
        float_shares=_either(detail, "FloatVolume", "FloatVolumn") if counted else None,
        price_tick=positive(detail.get("PriceTick")),
        multiplier=positive(detail.get("VolumeMultiple")) if kind in _MULTIPLIED else None,
        underlying=_underlying(detail),
    )


def expiry(detail: Tick) -> date | None:
    """The last day of an instrument, ``None`` for what does not end."""
    return day(detail.get("ExpireDate"))


def _is_meant(spelt: Spelt, detail: Tick, today: date) -> bool:
    """True if the code means this symbol now, and not the contract of another decade."""
    return spelt.means(expiry(detail) or today)


def _kind(session: Session, spelt: Spelt) -> Kind:
    kind = kind_of(spelt.symbol)
    if kind is not Kind.UNKNOWN:
        return kind
    told: Any = session.call("instruments", lambda x: x.get_instrument_type(spelt.code))
    names: Mapping[Any, Any] = told if isinstance(told, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]
    return next((_TYPES[name] for name in _TYPES if names.get(name)), Kind.UNKNOWN)


def _either(detail: Tick, new: str, old: str) -> float | None:
    """A number that old servers spell differently."""
    return positive(detail.get(new)) or positive(detail.get(old))


def _underlying(detail: Tick) -> str | None:
    code, market = text(detail.get("OptUndlCode")), text(detail.get("OptUndlMarket"))
    if code is None or market is None:
        return code
    end = expiry(detail) or date.max
    return from_xtquant(f"{code}.{market}", end, end) or code


def symbol_of(code: str, detail: Tick | None, today: date) -> Symbol | None:
    """The symbol of a code of the client's lists, whose details tell Zhengzhou's decade."""
    end = (expiry(detail) if detail else None) or today
    symbol = from_xtquant(code, end, end)
    if symbol is None or symbol.exchange is not Exchange.CZCE:
        return symbol
    since, until = lifetime(symbol)
    return symbol if since <= end <= until else None


def market_of(exchange: Exchange) -> tuple[str, ...]:
    """The names under which a client may list an exchange, the usual one first."""
    short = MARKETS[exchange]
    return (short,) if short == exchange.value else (short, exchange.value)
