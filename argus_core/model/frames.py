"""The published schemas of the large datasets: the boundary between a source and the core.

A source answers bars and factors with rows (dicts) or with anything that has
``__arrow_c_stream__`` (polars, pandas 3, pyarrow, duckdb). Columns are found by name; a column
marked optional may be absent, unknown columns are ignored, null and NaN both mean "missing".
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a published schema."""

    name: str
    type: str
    unit: str
    required: bool = False
    about: str = ""


BARS: tuple[Column, ...] = (
    Column(name="symbol", type="text", unit="canonical symbol", required=True),
    Column(
        name="time",
        type="date, or date-time for intraday",
        unit="the trading date, or the bar's label in the source's time zone",
        required=True,
        about="The source states `bar_label` and `timezone`; the core makes the label the end.",
    ),
    Column(name="open", type="float", unit="yuan", required=True),
    Column(name="high", type="float", unit="yuan", required=True),
    Column(name="low", type="float", unit="yuan", required=True),
    Column(name="close", type="float", unit="yuan", required=True),
    Column(name="volume", type="float", unit="as stated in `units`", required=True),
    Column(name="turnover", type="float", unit="as stated in `units`"),
    Column(
        name="prev_close",
        type="float",
        unit="yuan",
        about="The exchange's own (ex-right) previous close, days only.",
    ),
    Column(name="open_interest", type="float", unit="contracts"),
    Column(name="settle", type="float", unit="yuan", about="Settlement price of futures."),
)
"""Raw bars as a source returns them, in the vendor's own units."""

_LEVELS = tuple(
    column
    for number in range(1, 6)
    for side in ("bid", "ask")
    for column in (
        Column(name=f"{side}_price{number}", type="float", unit="yuan"),
        Column(name=f"{side}_volume{number}", type="float", unit="as stated in `units`"),
    )
)

TICKS: tuple[Column, ...] = (
    Column(name="symbol", type="text", unit="canonical symbol", required=True),
    Column(
        name="time",
        type="date-time",
        unit="the snapshot's instant, in the source's time zone",
        required=True,
    ),
    Column(name="price", type="float", unit="yuan", required=True, about="The last trade."),
    Column(name="open", type="float", unit="yuan"),
    Column(name="high", type="float", unit="yuan"),
    Column(name="low", type="float", unit="yuan"),
    Column(name="prev_close", type="float", unit="yuan"),
    Column(
        name="volume",
        type="float",
        unit="as stated in `units`",
        required=True,
        about="Since the trading day began.",
    ),
    Column(
        name="turnover",
        type="float",
        unit="as stated in `units`",
        about="Since the trading day began.",
    ),
    Column(name="open_interest", type="float", unit="contracts"),
    *_LEVELS,
)
"""Snapshots as a source returns them, in the vendor's own units."""

FACTORS: tuple[Column, ...] = (
    Column(name="symbol", type="text", unit="canonical symbol", required=True),
    Column(name="date", type="date", unit="trading date", required=True),
    Column(
        name="factor",
        type="float",
        unit="ratio",
        required=True,
        about="Cumulative back factor in force from this date on; only ratios of it are used.",
    ),
)
"""Adjustment factors as a source returns them."""
