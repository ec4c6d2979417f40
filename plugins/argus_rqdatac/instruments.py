"""What instruments are, read from the vendor's table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any

from argus_core import Exchange, Instrument, Kind, Symbol
from argus_rqdatac.cells import attribute, day, number, text
from argus_rqdatac.session import Session
from argus_rqdatac.symbols import from_rqdata, is_continuous
from argus_rqdatac.tables import FAMILIES, look_up

# Not "FUND": the client expands it to ETF, LOF and REITs, which are asked for here.
_SECURITIES = ("CS", "ETF", "LOF", "REITs", "INDX", "Convertible", "Repo")
_FUTURES = ("Future",)
_CONTRACTS = frozenset({Kind.FUTURE, Kind.OPTION})
_BOARDS: Mapping[str, str] = MappingProxyType(
    {"MainBoard": "主板", "SME": "中小板", "GEM": "创业板", "KSH": "科创板"}
)
_UNDERLYING: Mapping[Kind, str] = MappingProxyType(
    {Kind.OPTION: "underlying_order_book_id", Kind.BOND: "stock_code"}
)


def read_instruments(session: Session, symbols: Iterable[Symbol]) -> list[Instrument]:
    """One record for each symbol that the vendor knows, the delisted included."""
    listed = look_up(session, symbols)
    return [_instrument(symbol, _getter(one)) for symbol, one in listed.items()]


def read_listings(
    session: Session, exchanges: Sequence[Exchange], today: date
) -> dict[Exchange, list[Instrument]]:
    """What is listed on ``today``, by exchange, without options and continuous series.

    The table of options holds all that ever expired, and nobody lists a continuous series.
    """
    tables: dict[Exchange, list[Instrument]] = {exchange: [] for exchange in exchanges}
    types: tuple[str, ...] = ()
    if any(not exchange.trades_futures for exchange in exchanges):
        types += _SECURITIES
    if any(exchange.trades_futures for exchange in exchanges):
        types += _FUTURES
    for name in types:
        for known in _table(session, name):
            table = tables.get(known.symbol.exchange)
            if table is not None and is_listed(known, today):
                table.append(known)
    return tables


def is_listed(known: Instrument, today: date) -> bool:
    """True on the delisting date itself too; an unknown date is no limit."""
    begun = known.list_date is None or known.list_date <= today
    return begun and (known.delist_date is None or known.delist_date >= today)


def _table(session: Session, name: str) -> Iterator[Instrument]:
    """The whole table of one type; asked for several the client gives six columns only."""

    def work(sdk: Any) -> list[Any]:
        rows: list[Any] = sdk.all_instruments(type=name, market="cn").to_dict("records")
        return rows

    for row in session.call("instruments", work):
        symbol = from_rqdata(str(row.get("order_book_id")))
        if symbol is not None and not is_continuous(symbol):
            yield _instrument(symbol, row.get)


def _getter(instrument: Any) -> Callable[[str], Any]:
    def get(name: str) -> Any:
        return attribute(instrument, name)

    return get


def _instrument(symbol: Symbol, get: Callable[[str], Any]) -> Instrument:
    """The record; keys that the server does not send, and its word "null", are missing.

    The vendor's industry follows the national classification of the economy and not, as other
    vendors' do, the market's own names: the same word would mean something else, so it is left out.
    """
    kind = _kind(get("type"))
    underlying = text(get(_UNDERLYING[kind])) if kind in _UNDERLYING else None
    return Instrument(
        symbol=symbol,
        kind=kind,
        name=text(get("symbol")),
        sector=text(get("sector_code_name")),
        market=_board(symbol, kind, text(get("board_type"))),
        list_date=day(get("listed_date")),
        delist_date=day(get("de_listed_date")),
        lot_size=number(get("round_lot")),
        multiplier=number(get("contract_multiplier")) if kind in _CONTRACTS else None,
        underlying=from_rqdata(underlying) if underlying else None,
    )


def _board(symbol: Symbol, kind: Kind, name: str | None) -> str | None:
    """The board of a share by its Chinese name, as other vendors give it; else theirs."""
    if kind is not Kind.STOCK or name is None:
        return None
    return "北交所" if symbol.exchange is Exchange.BJ else _BOARDS.get(name, name)


def _kind(name: Any) -> Kind:
    family = FAMILIES.get(name)
    return Kind.UNKNOWN if family is None else Kind(family)
