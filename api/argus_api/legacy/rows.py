"""Records under their legacy names."""

from __future__ import annotations

import polars as pl

from argus_api.wire import Row, beijing, book, count
from argus_core import Depth, Quote, Trade

QUOTE_FIELDS = (
    "symbol",
    "name",
    "time",
    "price",
    "open",
    "high",
    "low",
    "prev_close",
    "volume",
    "amount",
    "change",
    "change_pct",
)
FULL_FIELDS = (*QUOTE_FIELDS, "bids", "asks", "trades")
GROUPS = {
    "basic": QUOTE_FIELDS,
    "orderbook": ("bids", "asks"),
    "trades": ("trades",),
}
"""v1's names for groups of fields, which ``fields`` takes here too."""

_BAR_FIELDS = ("time", "open", "high", "low", "close", "volume", "amount", "final")
_TIME = "%Y-%m-%d %H:%M:%S"


def quote(value: Quote) -> Row:
    """A quote."""
    return {
        "symbol": value.symbol,
        "name": value.name,
        "time": beijing(value.as_of),
        "price": value.price,
        "open": value.open,
        "high": value.high,
        "low": value.low,
        "prev_close": value.prev_close,
        "volume": count(value.volume),
        "amount": value.turnover,
        "change": value.change,
        "change_pct": value.change_pct,
    }


def trade(value: Trade) -> Row:
    """One trade."""
    return {
        "time": beijing(value.time),
        "price": value.price,
        "volume": count(value.volume),
        "direction": value.direction,
    }


def full(value: Depth) -> Row:
    """A quote with both sides of the book and the trades."""
    return {
        **quote(value.quote),
        **(book(value) or {"bids": None, "asks": None}),
        "trades": None if value.trades is None else [trade(one) for one in value.trades],
    }


def bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Bars under their legacy names: a date at midnight, or the bar's end."""
    label = pl.col("time") if "time" in frame.columns else pl.col("date").cast(pl.Datetime("ms"))
    renamed = frame.with_columns(time=label.dt.strftime(_TIME), amount="turnover")
    return renamed.select(_BAR_FIELDS)
