"""The query parameters of both dialects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from argus_api.query import Param
from argus_api.reading import (
    ALL_MARKETS,
    FORMATS,
    LEVELS,
    one_of,
    read_day,
    read_flag,
    read_format,
    read_levels,
    read_market,
    read_moment,
    read_seconds,
    read_text,
    read_texts,
)
from argus_core import Adjust, BadParameter, Exchange, Period, parse_symbol


def _same_symbols(texts: tuple[str, ...]) -> object:
    return tuple(_canonical(text) for text in texts)


def _canonical(text: str) -> str:
    try:
        return parse_symbol(text)
    except BadParameter:
        return text


_TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1}
_DATE_SCHEMA: Mapping[str, Any] = {
    "type": "string",
    "pattern": r"^([0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}.*)?|[0-9]{8})$",
}
_FLAG: Mapping[str, Any] = {"type": "boolean"}

SYMBOLS = Param(
    name="symbols",
    also=("symbol",),
    parse=read_texts,
    required=True,
    listed=True,
    about="Symbols, separated by commas, in any usual spelling.",
    schema=_TEXT,
    example="000001.SZ,600519.SH",
    comparable=_same_symbols,
)
SYMBOL = Param(
    name="symbol",
    also=("symbols",),
    parse=read_texts,
    required=True,
    listed=True,
    about="One symbol, in any usual spelling.",
    schema=_TEXT,
    example="000001.SZ",
    comparable=_same_symbols,
)
FIELDS: Param[tuple[str, ...] | None] = Param(
    name="fields",
    parse=read_texts,
    listed=True,
    about="The fields wanted, separated by commas; all of them if absent.",
    schema=_TEXT,
    comparable=frozenset,
)
DEPTH = Param(
    name="depth",
    parse=read_levels,
    default=LEVELS[0],
    about="Levels of the order book; fewer come back where the source has fewer.",
    schema={"type": "integer", "enum": list(LEVELS)},
)
START = Param(
    name="start_date",
    parse=read_moment,
    required=True,
    about="The first trading date (YYYY-MM-DD or YYYYMMDD), or an ISO 8601 instant; inclusive.",
    schema=_DATE_SCHEMA,
    example="2024-01-02",
)
END = Param(
    name="end_date",
    parse=read_moment,
    required=True,
    about="The last trading date (YYYY-MM-DD or YYYYMMDD), or an ISO 8601 instant; inclusive.",
    schema=_DATE_SCHEMA,
    example="2024-01-31",
)
OPTIONAL_START: Param[date | None] = Param(
    name="start_date",
    parse=read_moment,
    about="The first date, inclusive; 1 January of end_date's year if absent.",
    schema=_DATE_SCHEMA,
    example="20240102",
)
OPTIONAL_END: Param[date | None] = Param(
    name="end_date",
    parse=read_moment,
    about=(
        "The last date, inclusive. If absent: today, or with a start_date the end of its year, "
        "should that be later."
    ),
    schema=_DATE_SCHEMA,
    example="20240131",
)
_PERIOD_SCHEMA: Mapping[str, Any] = {"type": "string", "enum": [str(period) for period in Period]}
PERIOD = Param(
    name="period",
    also=("frequency",),
    parse=one_of(Period),
    default=Period.D1,
    about="The length of a bar.",
    schema=_PERIOD_SCHEMA,
)
FREQUENCY = Param(
    name="frequency",
    also=("period",),
    parse=one_of(Period),
    default=Period.D1,
    about="The length of a bar.",
    schema=_PERIOD_SCHEMA,
)
ADJUST = Param(
    name="adjust",
    parse=one_of(Adjust),
    default=Adjust.NONE,
    about="How prices are made comparable across dividends and splits.",
    schema={"type": "string", "enum": [str(adjust) for adjust in Adjust]},
)
ADJUST_BASE: Param[date | None] = Param(
    name="adjust_base",
    parse=read_day,
    about=(
        "The date whose prices stay as traded, today at the latest; the newest known factor's for "
        "`pre`, the first one's for `post` if absent. Needs adjust=pre or post."
    ),
    schema=_DATE_SCHEMA,
    example="2024-01-31",
)
MARKET = Param(
    name="market",
    parse=read_market,
    default=ALL_MARKETS,
    about="The exchange whose calendar is asked for; ALL is the stock exchanges' common one.",
    schema={"type": "string", "enum": [ALL_MARKETS, *(str(exchange) for exchange in Exchange)]},
)
LEGACY_MARKET = Param(
    name="market",
    parse=read_market,
    default=str(Exchange.SH),
    about="The exchange whose calendar is asked for.",
    schema=MARKET.schema,
)
SECTOR = Param(
    name="sector",
    parse=read_text,
    required=True,
    about="A canonical sector (沪深A股, 科创板, SHFE …) or one that a source knows.",
    schema=_TEXT,
    example="沪深A股",
)
USE_CACHE = Param(
    name="use_cache",
    parse=read_flag,
    default=True,
    about="False asks the source even where a cache could answer.",
    schema=_FLAG,
)
MAX_STALENESS: Param[float | None] = Param(
    name="max_staleness",
    parse=read_seconds,
    about="The most seconds by which an answer may be out of date.",
    schema={"type": "number", "minimum": 0},
)
EXPLAIN = Param(
    name="explain",
    parse=read_flag,
    default=False,
    about="True adds how the answer was found: routes, nodes, attempts, cache, steps.",
    schema=_FLAG,
)
FORMAT: Param[str | None] = Param(
    name="format",
    parse=read_format,
    about="The format of the answer; it goes before the Accept header.",
    schema={"type": "string", "enum": list(FORMATS)},
)
