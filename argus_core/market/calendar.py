"""The offline calendar of the mainland exchanges.

Shanghai, Shenzhen, Beijing and the six futures exchanges trade on the same dates: all of them
follow the holidays that the State Council announces and rest at weekends, make-up workdays
included. The dates are those of the Shanghai calendar in ``exchange_calendars``, which agree with
two other recorded calendars; they reach to the end of the last year that it knows.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from datetime import date
from functools import cache
from importlib import import_module
from typing import Any

from argus_core.errors import BeyondHorizon

_FIRST = date(1990, 12, 19)


def session_dates(start: date, end: date) -> tuple[date, ...]:
    """The mainland trading dates from ``start`` to ``end``, inclusive, ascending.

    Empty if ``start`` is later than ``end``. There are none before :func:`first`. Raises
    :class:`BeyondHorizon` if ``end`` lies beyond :func:`horizon`.
    """
    if start > end:
        return ()
    dates = _known_to(end)
    return dates[bisect_left(dates, start) : bisect_right(dates, end)]


def is_session(day: date) -> bool:
    """True if the mainland exchanges trade on ``day``; :class:`BeyondHorizon` if not known."""
    dates = _known_to(day)
    at = bisect_left(dates, day)
    return at < len(dates) and dates[at] == day


def next_session(day: date) -> date:
    """The first trading date strictly after ``day``; :class:`BeyondHorizon` if not known."""
    dates, _ = _calendar()
    at = bisect_right(dates, day)
    if at == len(dates):
        raise _beyond(f"not the one after {day}")
    return dates[at]


def previous_session(day: date) -> date:
    """The last trading date strictly before ``day``; :class:`BeyondHorizon` if not known."""
    dates, known = _calendar()
    if (day - known).days > 1:
        raise _beyond(f"not the one before {day}")
    at = bisect_left(dates, day)
    if at == 0:
        raise BeyondHorizon(f"no mainland trading date lies before {day}: the first is {_FIRST}")
    return dates[at - 1]


def first() -> date:
    """The first trading date of all, that of the Shanghai exchange's opening."""
    return _FIRST


def horizon() -> date:
    """The last calendar date about which this calendar knows anything."""
    return _calendar()[1]


def preload() -> None:
    """Return when the calendar is at hand; the first use otherwise costs about a second."""
    _calendar()


def _known_to(day: date) -> tuple[date, ...]:
    dates, known = _calendar()
    if day > known:
        raise _beyond(f"not through {day}")
    return dates


def _beyond(what: str) -> BeyondHorizon:
    return BeyondHorizon(
        f"trading dates are known through {horizon()}, {what}: end the range earlier, "
        "route the calendar to a source that knows more, or upgrade exchange_calendars"
    )


@cache
def _calendar() -> tuple[tuple[date, ...], date]:
    """Every trading date, and the last calendar date that is known."""
    with warnings.catch_warnings():
        # exchange_calendars 4.13 uses what pandas 3 deprecates, both on import and when building;
        # the warning says nothing about Argus and cannot be acted upon here.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Imported at first use because it brings pandas, which costs about a second.
        shanghai: Any = import_module("exchange_calendars.exchange_calendar_xshg")
        last = shanghai.XSHGExchangeCalendar.bound_max()
        sessions = shanghai.XSHGExchangeCalendar(start=_FIRST, end=last).sessions
        return tuple(stamp.date() for stamp in sessions), last.date()
