"""Single values of an answer, read strictly: missing is ``None``, nonsense is ``BadData``."""

from __future__ import annotations

import math
from datetime import date, datetime

from argus_core import SHANGHAI, BadData


def number(value: object) -> float | None:
    """A finite number, ``None`` where the vendor gives none."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadData("tushare puts something that is no number where a number belongs")
    try:
        read = float(value)
    except (ValueError, OverflowError):
        raise BadData("tushare puts text where a number belongs") from None
    return read if math.isfinite(read) else None


def price(value: object) -> float | None:
    """A price of a snapshot; 0 stands there for "none yet"."""
    return number(value) or None


def scaled(value: object, factor: float) -> float | None:
    """A number in another unit, ``None`` where there is none."""
    read = number(value)
    return None if read is None else read * factor


def text(value: object) -> str | None:
    """A text without surrounding blanks, ``None`` where it is empty."""
    if value is None:
        return None
    return str(value).strip() or None


def day(value: object) -> date | None:
    """A date from ``YYYYMMDD``, ``None`` where there is none."""
    written = text(value)
    if written is None:
        return None
    try:
        return datetime.strptime(written, "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        raise BadData("tushare gives a date that is none") from None


def instant(value: object) -> datetime:
    """An aware Shanghai instant from ``YYYY-MM-DD HH:MM:SS``."""
    read = snapshot_time(value)
    if read is None:
        raise BadData("tushare gives a time that is none")
    return read


def snapshot_time(value: object) -> datetime | None:
    """The instant of a snapshot; ``None`` where the text lacks a date, which would be a guess."""
    written = text(value) or ""
    if len(written) < len("YYYY-MM-DD HH:MM"):
        return None
    try:
        return datetime.fromisoformat(written).replace(tzinfo=SHANGHAI)
    except ValueError:
        return None


def known_day(value: object) -> date:
    """A date that must be there."""
    read = day(value)
    if read is None:
        raise BadData("tushare leaves a date out")
    return read


def compact(when: date) -> str:
    """A date as the vendor wants it: ``YYYYMMDD``."""
    return f"{when:%Y%m%d}"
