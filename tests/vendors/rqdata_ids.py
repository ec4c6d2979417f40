"""RQData's spelling of instruments and instants."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from vendors.world import SHANGHAI, Listed

BOURSES = {"SZ": "XSHE", "SH": "XSHG", "BJ": "BJSE"}
TYPES = {
    "stock": "CS",
    "index": "INDX",
    "fund": "ETF",
    "bond": "Convertible",
    "future": "Future",
    "option": "Option",
}
NO_DATE = "0000-00-00"
_OPTION_DIGITS = 8


def order_book_id(symbol: str) -> str:
    """``600519.XSHG``, ``RB2410``, ``10006000``, ``M2409C3300``; a main series ends in 88."""
    name, _, exchange = symbol.rpartition(".")
    if exchange in BOURSES:
        return name if len(name) == _OPTION_DIGITS else f"{name}.{BOURSES[exchange]}"
    name = name.upper().replace("-", "")
    return name if is_dated(symbol) else f"{name}88"


def is_dated(symbol: str) -> bool:
    """False for the continuous series of a future."""
    return any(letter.isdigit() for letter in symbol)


def exchange_of(symbol: str) -> str:
    suffix = symbol.rpartition(".")[2]
    return BOURSES.get(suffix, suffix)


def product_of(symbol: str) -> str:
    """The letters of a future or of an option on one, upper case."""
    name = symbol.partition(".")[0].partition("-")[0]
    return "".join(letter for letter in name if letter.isalpha()).upper()


def trading_hours(one: Listed) -> str:
    """The labels of the first and last minute of each part of the day."""
    exchange = exchange_of(one.symbol)
    if one.kind in ("future", "option") and exchange not in ("CFFEX", "XSHG", "XSHE"):
        return "09:01-10:15,10:31-11:30,13:31-15:00"
    return "09:31-11:30,13:01-15:00"


def labels(hours: str) -> list[int]:
    """Every minute label of a day as HHMM."""
    found = []
    for part in hours.split(","):
        first, last = (datetime.strptime(text, "%H:%M") for text in part.split("-"))  # noqa: DTZ007
        while first <= last:
            found.append(first.hour * 100 + first.minute)
            first += timedelta(minutes=1)
    return found


def date_text(day: date | None) -> str:
    return day.isoformat() if day else NO_DATE


def int8(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def int14(at: datetime) -> int:
    local = at.astimezone(SHANGHAI)
    return int8(local.date()) * 1_000_000 + (local.hour * 100 + local.minute) * 100 + local.second


def int17(at: datetime) -> int:
    return int14(at) * 1000 + at.microsecond // 1000
