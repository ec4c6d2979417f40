"""Single values of the vendor's answers: missing is ``None``, noise and sentinels are taken off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from argus_core import SHANGHAI

HUGE = 1e300
"""1.7976931348623157e+308 says "invalid" among floats."""
INT_INVALID = 2**31 - 1
"""Says "invalid" among integers."""
TINY = 1e-6
"""Below this a price is uninitialised memory (7e-310 was recorded), not money."""
PRICE_DIGITS = 4
"""No instrument's tick is finer than 0.0001, so what lies beyond is binary noise."""

_EARLIEST = datetime(1990, 1, 1, tzinfo=SHANGHAI)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_DAYS = ("", "0", "99999999")
_DAY_DIGITS = 8


def number(value: Any) -> float | None:
    """A finite number; the vendor writes an int where a float happens to be whole."""
    if value is None or isinstance(value, str | bytes):
        return None
    try:
        read = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(read) or abs(read) >= HUGE or read == INT_INVALID:
        return None
    return read


def price(value: Any) -> float | None:
    """A price without binary noise; zero and garbage stand for "none"."""
    read = number(value)
    return None if read is None or read < TINY else round(read, PRICE_DIGITS)


def count(value: Any) -> float | None:
    """A volume, a turnover or a number of shares; a negative one is uninitialised memory."""
    read = number(value)
    return None if read is None or read < 0 else read


def positive(value: Any) -> float | None:
    """A number more than zero, ``None`` for the zero that stands for "not given"."""
    return count(value) or None


def prices(values: Any) -> list[float | None]:
    """The prices of one side of a book."""
    return [price(value) for value in _items(values)]


def counts(values: Any) -> list[float | None]:
    """The volumes of one side of a book."""
    return [count(value) for value in _items(values)]


def text(value: Any) -> str | None:
    """A text without surrounding blanks, ``None`` where it is empty."""
    return (value.strip() or None) if isinstance(value, str) else None


def day(value: Any) -> date | None:
    """A date from ``YYYYMMDD``, text or number, as old and new clients give it.

    ``0`` and ``99999999`` stand for "none", and the first days of 1970 are codes for new shares
    and rights, not dates.
    """
    if value is None or isinstance(value, bool):
        return None
    written = value.strip() if isinstance(value, str) else f"{number(value) or 0:.0f}"
    if written in _NO_DAYS or len(written) != _DAY_DIGITS or not written.isdecimal():
        return None
    try:
        read = datetime.strptime(written, "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return None
    return None if read < _EARLIEST.date() else read


def instant(milliseconds: Any) -> datetime | None:
    """A Shanghai instant from milliseconds since the epoch; 0 and placeholders are none."""
    read = number(milliseconds)
    if read is None or read <= 0:
        return None
    try:
        at = (_EPOCH + timedelta(milliseconds=read)).astimezone(SHANGHAI)
    except OverflowError:
        return None
    return at if at >= _EARLIEST else None


def timetag(value: Any) -> datetime | None:
    """A Shanghai instant from ``YYYYMMDD HH:MM:SS[.mmm]``, which old clients give alone."""
    if not isinstance(value, str):
        return None
    written, _, fraction = value.strip().partition(".")
    try:
        at = datetime.strptime(written, "%Y%m%d %H:%M:%S")  # noqa: DTZ007 - Beijing time, below
    except ValueError:
        return None
    milliseconds = int(fraction[:3].ljust(3, "0")) if fraction[:3].isdecimal() else 0
    aware = at.replace(microsecond=milliseconds * 1000, tzinfo=SHANGHAI)
    return aware if aware >= _EARLIEST else None


def compact(when: date) -> str:
    """A date as the vendor takes it: text, since a mixture of types reaches no function."""
    return f"{when:%Y%m%d}"


def compact_instant(at: datetime) -> str:
    """An instant as the vendor takes it: Beijing's wall clock as text."""
    return f"{at.astimezone(SHANGHAI):%Y%m%d%H%M%S}"


def _items(values: Any) -> Sequence[Any]:
    if values is None or isinstance(values, str | bytes | float | int):
        return ()
    return list(values)
