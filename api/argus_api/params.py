"""The query parameters of both dialects, and how each one's text is read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from argus_api.query import BadValueError, Param, quoted
from argus_core import SHANGHAI, Adjust, BadParameter, Exchange, Period, parse_symbol

E = TypeVar("E", bound=StrEnum)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*")
_LOST_PLUS = re.compile(r"([0-9]{2}:[0-9]{2}\S*) ([0-9]{2}:?[0-9]{2})$")
_YEARS = range(1900, 2101)
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})

LEVELS = (5, 10, 20)
FORMATS = ("json", "json-columns", "csv", "ndjson", "arrow", "parquet")
ALL_MARKETS = "ALL"

_MARKET_ALIASES: Mapping[str, Exchange] = {
    "SSE": Exchange.SH,
    "XSHG": Exchange.SH,
    "SZSE": Exchange.SZ,
    "XSHE": Exchange.SZ,
    "BSE": Exchange.BJ,
    "XBEI": Exchange.BJ,
    "SHF": Exchange.SHFE,
    "XSGE": Exchange.SHFE,
    "XDCE": Exchange.DCE,
    "ZCE": Exchange.CZCE,
    "XZCE": Exchange.CZCE,
    "CFX": Exchange.CFFEX,
    "CCFX": Exchange.CFFEX,
    "XINE": Exchange.INE,
    "GFE": Exchange.GFEX,
}


def read_moment(text: str) -> date:
    """The trading date, or the aware Shanghai instant, that ``text`` spells."""
    try:
        moment = _moment(text.strip())
    except (ValueError, OverflowError):
        raise BadValueError(
            f"must be YYYY-MM-DD, YYYYMMDD or an ISO 8601 date-time, not {quoted(text)}"
        ) from None
    if moment.year not in _YEARS:
        raise BadValueError(f"must lie between the years {_YEARS[0]} and {_YEARS[-1]}")
    return moment


def _moment(text: str) -> date:
    if _DAY.fullmatch(text):
        return date.fromisoformat(text)
    if not _INSTANT.fullmatch(text):
        raise ValueError(text)
    # A plus that was not percent-encoded arrives as a blank.
    moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
    return moment.replace(tzinfo=SHANGHAI) if moment.tzinfo is None else moment.astimezone(SHANGHAI)


def day_of(moment: date) -> date:
    """The calendar date of a date or an instant."""
    return moment.date() if isinstance(moment, datetime) else moment


def read_day(text: str) -> date:
    """The date that ``text`` spells; a time of day is left out."""
    return day_of(read_moment(text))


def read_flag(text: str) -> bool:
    """The truth value that ``text`` spells."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise BadValueError(f"must be true or false, not {quoted(text)}", allowed=("true", "false"))


def read_seconds(text: str) -> float:
    """A number of seconds, 0 or more."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise BadValueError(f"must be a number of seconds, 0 or more, not {quoted(text)}")
    return seconds


def read_texts(text: str) -> tuple[str, ...]:
    """The different entries of a comma list, in order."""
    entries = tuple(dict.fromkeys(part for raw in text.split(",") if (part := raw.strip())))
    if not entries:
        raise BadValueError("must not be empty")
    return entries


def read_text(text: str) -> str:
    """One non-empty text."""
    if not (text := text.strip()):
        raise BadValueError("must not be empty")
    return text


def one_of(choices: type[E]) -> Callable[[str], E]:
    """A parser for exactly the values of an enumeration."""
    allowed = tuple(str(choice) for choice in choices)

    def read(text: str) -> E:
        if text in allowed:
            return choices(text)
        raise BadValueError(
            f"must be one of {', '.join(allowed)}, not {quoted(text)}", allowed=allowed
        )

    return read


def _read_levels(text: str) -> int:
    allowed = tuple(str(levels) for levels in LEVELS)
    if text not in allowed:
        raise BadValueError(f"must be 5, 10 or 20, not {quoted(text)}", allowed=allowed)
    return int(text)


def _read_format(text: str) -> str:
    if text not in FORMATS:
        raise BadValueError(
            f"must be one of {', '.join(FORMATS)}, not {quoted(text)}", allowed=FORMATS
        )
    return text


def _read_market(text: str) -> str:
    name = text.strip().upper()
    name = _MARKET_ALIASES.get(name, name)
    allowed = (ALL_MARKETS, *Exchange)
    if name not in allowed:
        raise BadValueError(
            f"must be one of {', '.join(allowed)}, not {quoted(text)}", allowed=allowed
        )
    return str(name)


def exchanges_of(market: str) -> tuple[Exchange, ...]:
    """The exchanges whose calendar ``market`` asks for.

    ALL stands for Shanghai and Shenzhen: all mainland stock exchanges share their trading dates.
    """
    return (Exchange.SH, Exchange.SZ) if market == ALL_MARKETS else (Exchange(market),)


def _same_symbols(texts: tuple[str, ...]) -> object:
    return tuple(_canonical(text) for text in texts)


def _canonical(text: str) -> str:
    try:
        return parse_symbol(text)
    except BadParameter:
        return text


_TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1}
_DATE_SCHEMA: Mapping[str, Any] = {"type": "string", "minLength": 8}
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
    parse=_read_levels,
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
    about="The first date, inclusive; 1 January of the current year if absent.",
    schema=_DATE_SCHEMA,
    example="20240102",
)
OPTIONAL_END: Param[date | None] = Param(
    name="end_date",
    parse=read_moment,
    about="The last date, inclusive; today if absent.",
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
    about="The date whose prices `pre` leaves as traded; the newest known factor if absent.",
    schema=_DATE_SCHEMA,
    example="2024-01-31",
)
MARKET = Param(
    name="market",
    parse=_read_market,
    default=ALL_MARKETS,
    about="The exchange whose calendar is asked for; ALL is the stock exchanges' common one.",
    schema={"type": "string", "enum": [ALL_MARKETS, *(str(exchange) for exchange in Exchange)]},
)
LEGACY_MARKET = Param(
    name="market",
    parse=_read_market,
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
    parse=_read_format,
    about="The format of the answer; it goes before the Accept header.",
    schema={"type": "string", "enum": list(FORMATS)},
)
