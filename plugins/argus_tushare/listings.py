"""The instrument table of whole exchanges: what is listed today."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date

from argus_core import Exchange, Instrument, PermissionDenied, Symbol
from argus_tushare.client import Api
from argus_tushare.instruments import (
    EXCHANGE_NAMES,
    LISTED,
    PAUSED,
    contract,
    convertible,
    former_symbols,
    fund,
    index,
    share,
)
from argus_tushare.interfaces import CONTRACTS, CONVERTIBLES, FUNDS, INDICES, STOCKS, Interface
from argus_tushare.paging import Row, fetch
from argus_tushare.symbols import from_tushare

logger = logging.getLogger(__name__)

_INDEX_MARKETS = ("SSE", "SZSE", "CSI")
"""The publishers of indices with codes of the two exchanges."""


def read_listings(
    api: Api, exchanges: Sequence[Exchange], today: date
) -> dict[Exchange, list[Instrument]]:
    """Shares, funds, indices and convertibles of the stock exchanges, contracts of the others.

    Options are left out: the vendor gives them only with all that ever expired, and that takes
    longer than any deadline. A table that the account may not read is left out with a warning,
    but the shares, or the contracts, must be there.
    """
    tables: dict[Exchange, list[Instrument]] = {exchange: [] for exchange in exchanges}
    for exchange in exchanges:
        if exchange.trades_futures:
            rows = fetch(api, CONTRACTS, exchange=exchange.value, fut_type="1")
            tables[exchange] += _read(rows, contract)
        else:
            tables[exchange] += _shares(api, exchange)
    if {Exchange.SH, Exchange.SZ}.intersection(exchanges):
        for known in _others(api):
            if known.symbol.exchange in tables:
                tables[known.symbol.exchange].append(known)
    return {
        exchange: [known for known in table if _is_listed(known, today)]
        for exchange, table in tables.items()
    }


def _shares(api: Api, exchange: Exchange) -> Iterator[Instrument]:
    former = former_symbols(api) if exchange is Exchange.BJ else {}
    for status in (LISTED, PAUSED):
        rows = fetch(api, STOCKS, exchange=EXCHANGE_NAMES[exchange], list_status=status)
        for known in _read(rows, share):
            if known.symbol.exchange is exchange:
                yield replace(known, former_symbols=former.get(known.symbol, ()))


def _others(api: Api) -> Iterator[Instrument]:
    yield from _permitted(api, FUNDS, fund, market="E")
    yield from _permitted(api, CONVERTIBLES, convertible)
    for market in _INDEX_MARKETS:
        yield from _permitted(api, INDICES, index, market=market)


def _permitted(
    api: Api, interface: Interface, read: Callable[[Row, Symbol], Instrument], **params: str
) -> list[Instrument]:
    try:
        return list(_read(fetch(api, interface, **params), read))
    except PermissionDenied as refused:
        logger.warning("a part of the listings is left out: %s", refused)
        return []


def _read(rows: Iterable[Row], read: Callable[[Row, Symbol], Instrument]) -> Iterator[Instrument]:
    """The rows whose code Argus has a name for."""
    for row in rows:
        symbol = from_tushare(str(row["ts_code"]))
        if symbol is not None:
            yield read(row, symbol)


def _is_listed(known: Instrument, today: date) -> bool:
    begun = known.list_date is None or known.list_date <= today
    return begun and (known.delist_date is None or known.delist_date >= today)
