"""The canonical sectors, derived from the exchanges' instrument tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from argus_core.errors import BadParameter
from argus_core.market.kinds import kind_of
from argus_core.model.records import Instrument
from argus_core.model.symbol import Exchange, Kind, Symbol


@dataclass(frozen=True, slots=True)
class Sector:
    """A named selection: the exchanges whose tables it needs, and which instruments it takes."""

    name: str
    exchanges: tuple[Exchange, ...]
    includes: Callable[[Instrument], bool]


def members(
    name: str, listings: Mapping[Exchange, Iterable[Instrument]], *, today: date
) -> tuple[Symbol, ...]:
    """The symbols of the canonical sector ``name`` that are listed on ``today``, sorted.

    ``listings`` holds the whole instrument table of each exchange of the sector; ``KeyError`` if
    one is absent, since a part of a sector must not pass for the whole. An instrument whose
    listing or delisting date is unknown counts as listed; it is still listed on the delisting
    date itself. Raises :class:`BadParameter` for a name that is not in :data:`SECTORS`.
    """
    sector = SECTORS.get(name)
    if sector is None:
        raise BadParameter(f"sector {name!r} is not canonical; allowed are {', '.join(SECTORS)}")
    found = {
        instrument.symbol
        for exchange in sector.exchanges
        for instrument in listings[exchange]
        if sector.includes(instrument) and _listed(instrument, today)
    }
    return tuple(sorted(found))


def _listed(instrument: Instrument, today: date) -> bool:
    begun = instrument.list_date is None or instrument.list_date <= today
    ended = instrument.delist_date is not None and instrument.delist_date < today
    return begun and not ended


_B_SHARES = ("900", "200", "201")
_CHINEXT = "30"
_STAR = "68"
_CONVERTIBLES = MappingProxyType(
    {Exchange.SH: ("110", "111", "113", "118"), Exchange.SZ: ("123", "127", "128")}
)
# Of the funds of Shanghai and Shenzhen; 519 are open-end funds, the rest LOFs, REITs, closed-end.
_ETFS = MappingProxyType(
    {
        Exchange.SH: (*(f"51{i}" for i in range(9)), "52", "53", "55", "56", "588", "589"),
        Exchange.SZ: ("159",),
    }
)
_DATED_CONTRACT = re.compile(r"[A-Za-z]+[0-9]{4}F?\.")


def _is_a_share(instrument: Instrument) -> bool:
    return _is(instrument, Kind.STOCK) and not instrument.symbol.startswith(_B_SHARES)


def _is_etf(instrument: Instrument) -> bool:
    symbol = instrument.symbol
    return _is(instrument, Kind.FUND) and symbol.startswith(_ETFS.get(symbol.exchange, ()))


def _is_index(instrument: Instrument) -> bool:
    return _is(instrument, Kind.INDEX)


def _is_convertible(instrument: Instrument) -> bool:
    symbol = instrument.symbol
    return _is(instrument, Kind.BOND) and symbol.startswith(_CONVERTIBLES.get(symbol.exchange, ()))


def _is_on_chinext(instrument: Instrument) -> bool:
    return _is_a_share(instrument) and instrument.symbol.startswith(_CHINEXT)


def _is_on_star(instrument: Instrument) -> bool:
    return _is_a_share(instrument) and instrument.symbol.startswith(_STAR)


def _is_dated_future(instrument: Instrument) -> bool:
    """Leave out options, and continuous series, which nobody lists."""
    dated = _DATED_CONTRACT.match(instrument.symbol)
    return _is(instrument, Kind.FUTURE) and dated is not None


def _is(instrument: Instrument, kind: Kind) -> bool:
    # The number decides, not the source's word, so that every source fills a sector alike.
    return kind_of(instrument.symbol) is kind


_BOTH = (Exchange.SH, Exchange.SZ)
_FUTURES_EXCHANGES = {
    "上期所": Exchange.SHFE,
    "大商所": Exchange.DCE,
    "郑商所": Exchange.CZCE,
    "中金所": Exchange.CFFEX,
    "能源中心": Exchange.INE,
    "广期所": Exchange.GFEX,
}
_ALL = (
    Sector("沪深A股", _BOTH, _is_a_share),
    Sector("上证A股", (Exchange.SH,), _is_a_share),
    Sector("深证A股", (Exchange.SZ,), _is_a_share),
    Sector("京市A股", (Exchange.BJ,), _is_a_share),
    Sector("创业板", (Exchange.SZ,), _is_on_chinext),
    Sector("科创板", (Exchange.SH,), _is_on_star),
    Sector("沪深ETF", _BOTH, _is_etf),
    Sector("沪深指数", _BOTH, _is_index),
    Sector("沪深转债", _BOTH, _is_convertible),
    *(Sector(name, (at,), _is_dated_future) for name, at in _FUTURES_EXCHANGES.items()),
    *(Sector(at.value, (at,), _is_dated_future) for at in _FUTURES_EXCHANGES.values()),
)

SECTORS: Mapping[str, Sector] = MappingProxyType({sector.name: sector for sector in _ALL})
"""Every canonical sector by name; a futures exchange goes by its Chinese name and by its code."""
