"""How the texts of query parameters are read, and what is said of those that cannot be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import TypeVar

from argus_api.query import BadValueError, quoted
from argus_core import SHANGHAI, Exchange

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


def read_levels(text: str) -> int:
    """A number of order-book levels."""
    allowed = tuple(str(levels) for levels in LEVELS)
    if text not in allowed:
        raise BadValueError(f"must be 5, 10 or 20, not {quoted(text)}", allowed=allowed)
    return int(text)


def read_format(text: str) -> str:
    """The name of a format."""
    if text not in FORMATS:
        raise BadValueError(
            f"must be one of {', '.join(FORMATS)}, not {quoted(text)}", allowed=FORMATS
        )
    return text


def read_market(text: str) -> str:
    """The canonical name of an exchange, or ALL; vendors' own names are understood."""
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
