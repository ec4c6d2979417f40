"""Single values of an answer, read strictly: missing is ``None``, nonsense is ``BadData``."""

from __future__ import annotations

import math
from datetime import date, datetime
from numbers import Real
from typing import Any

from argus_core import SHANGHAI, BadData

NO_DATE = "0000-00-00"
_NO_TEXT = frozenset({"", "null", "None", "nan"})
_STAMP_DIGITS = 17


def number(value: object) -> float | None:
    """A finite number, ``None`` where the vendor gives none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real):
        raise BadData("rqdatac puts something that is no number where a number belongs")
    read = float(value)
    return read if math.isfinite(read) else None


def text(value: object) -> str | None:
    """A text without surrounding blanks, ``None`` where the vendor gives none."""
    if not isinstance(value, str):
        return None
    written = value.strip()
    return None if written in _NO_TEXT else written


def day(value: Any) -> date | None:
    """A date from a text, a date-time or eight digits; ``0000-00-00`` and NaT mean "none"."""
    if value is None or value == NO_DATE or value != value:  # noqa: PLR0124 - NaN and NaT
        return None
    if isinstance(value, datetime):
        return date(value.year, value.month, value.day)
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise BadData("rqdatac gives a date that is none") from None


def instant(value: object) -> datetime | None:
    """An aware instant from a naive Beijing time; ``None`` for the year 1, which means "none"."""
    if not isinstance(value, datetime) or value.year == 1:
        return None
    return value.replace(tzinfo=SHANGHAI)


def stamp(value: object) -> datetime | None:
    """An aware instant from 17 digits of Beijing time, as pushes carry it, as number or text."""
    digits = str(value)
    if len(digits) != _STAMP_DIGITS or not digits.isdecimal():
        return None
    try:
        return datetime.strptime(f"{digits}000", "%Y%m%d%H%M%S%f").replace(tzinfo=SHANGHAI)
    except ValueError:
        return None


def attribute(instrument: Any, name: str) -> Any:
    """What an instrument says under ``name``, ``None`` where the server sent no such key."""
    return getattr(instrument, name, None)
