"""Records as both dialects write them: names, numbers, instants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from argus_core import SHANGHAI, Depth, Instrument, Level, Quote, Trade

QUOTE_FIELDS = (
    "symbol",
    "name",
    "price",
    "change",
    "change_pct",
    "volume",
    "turnover",
    "high",
    "low",
    "open",
    "prev_close",
    "timestamp",
)
DEPTH_GROUPS = ("basic", "orderbook", "trades")
INSTRUMENT_FIELDS = (
    "symbol",
    "name",
    "full_name",
    "industry",
    "sector",
    "market",
    "list_date",
    "total_shares",
    "float_shares",
    "market_cap",
    "pe_ratio",
    "pb_ratio",
    "dividend_yield",
    "kind",
    "delist_date",
    "price_tick",
    "lot_size",
    "multiplier",
    "underlying",
    "former_symbols",
)
_COUNTS = frozenset({"total_shares", "float_shares", "lot_size", "multiplier"})

_LARGEST = 2**53
"""The largest whole number that every reader of JSON takes as it is written."""

Row = dict[str, Any]


def count(value: float | None) -> float | None:
    """A count as people write it: whole numbers without a fraction, as far as JSON has them."""
    if value is None or not float(value).is_integer() or abs(value) > _LARGEST:
        return value
    return int(value)


def instant(moment: datetime | None) -> str | None:
    """ISO 8601 with offset, Shanghai; the fraction only where there is one, in milliseconds."""
    if moment is None:
        return None
    local = moment.astimezone(SHANGHAI)
    return local.isoformat(timespec="milliseconds" if local.microsecond else "seconds")


def beijing(moment: datetime | None) -> str | None:
    """Beijing time as the legacy dialect writes it, ``YYYY-MM-DD HH:MM:SS``."""
    return None if moment is None else moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def quote(value: Quote) -> Row:
    """A quote under its v1 names."""
    return {
        "symbol": value.symbol,
        "name": value.name,
        "price": value.price,
        "change": value.change,
        "change_pct": value.change_pct,
        "volume": count(value.volume),
        "turnover": value.turnover,
        "high": value.high,
        "low": value.low,
        "open": value.open,
        "prev_close": value.prev_close,
        "timestamp": instant(value.as_of),
    }


def level(value: Level) -> Row:
    """One level of an order book."""
    return {"price": value.price, "volume": count(value.volume)}


def trade(value: Trade) -> Row:
    """One trade under its v1 names."""
    return {
        "price": value.price,
        "volume": count(value.volume),
        "direction": value.direction,
        "timestamp": instant(value.time),
    }


def book(value: Depth) -> Row | None:
    """Both sides of the order book, the best level first.

    ``None`` where there are neither levels nor trades: then the source has no book of this
    instrument. With trades it has one, which is empty just now.
    """
    if not value.bids and not value.asks and value.trades is None:
        return None
    return {
        "bids": [level(entry) for entry in value.bids],
        "asks": [level(entry) for entry in value.asks],
    }


def depth(value: Depth, groups: Sequence[str] = DEPTH_GROUPS) -> Row:
    """The wanted groups of a full quote."""
    row: Row = {}
    if "basic" in groups:
        row["basic"] = quote(value.quote)
    if "orderbook" in groups:
        row["orderbook"] = book(value)
    if "trades" in groups:
        row["trades"] = None if value.trades is None else [trade(one) for one in value.trades]
    return row


def instrument(value: Instrument) -> Row:
    """An instrument under its v1 names."""
    return {name: _plain(name, getattr(value, name)) for name in INSTRUMENT_FIELDS}


def only(row: Mapping[str, Any], names: Sequence[str]) -> Row:
    """The named entries of ``row``."""
    return {name: row[name] for name in names}


def _plain(name: str, value: Any) -> Any:
    if name in _COUNTS:
        return count(value)
    if isinstance(value, date):
        return value.isoformat()
    return value
