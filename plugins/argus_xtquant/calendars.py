"""Trading dates, past and, where the client knows the holidays, to come."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from argus_core import CalendarQuery, Exchange, NotOffered, SourceError, TradingDays
from argus_xtquant.cells import compact, day, instant
from argus_xtquant.session import Session
from argus_xtquant.symbols import MARKETS

logger = logging.getLogger(__name__)

_SATURDAY = 5
_NATIONAL_DAY = 10


def read_calendar(
    session: Session, query: CalendarQuery, *, download: bool
) -> dict[Exchange, TradingDays]:
    """The trading dates of each exchange that the client keeps a calendar of.

    The vendor's own calendar of days to come counts in the zone of the host, knows two markets
    and fails with many brokers, so it is not used: known dates are continued with the weekdays
    that are no holidays, until the end of the last year whose holidays are published.
    """
    found: dict[Exchange, TradingDays] = {}
    holidays: set[date] | None = None
    for exchange in query.exchanges:
        market = MARKETS[exchange]
        newest = _dates(session, market, count=1)
        if not newest:
            continue
        last = newest[-1]
        dates = [d for d in _dates(session, market, query) if d <= last]
        known = _over_the_weekend(last)
        if query.end > known:
            holidays = _holidays(session, query.end, download) if holidays is None else holidays
            horizon = _horizon(holidays)
            if horizon > known:
                dates += _coming(max(last + timedelta(days=1), query.start), query.end, holidays)
                known = horizon
        found[exchange] = TradingDays(dates=tuple(sorted(set(dates))), known_through=known)
    return found


def _dates(
    session: Session, market: str, query: CalendarQuery | None = None, count: int = -1
) -> list[date]:
    """Dates from the vendor's milliseconds of midnights in Beijing, wherever this host stands."""
    start = compact(query.start) if query else ""
    end = compact(query.end) if query else ""
    told: Any = session.call(
        "trading dates", lambda x: x.get_trading_dates(market, start, end, count)
    )
    stamps = (instant(stamp) for stamp in told or ())
    return sorted(stamp.date() for stamp in stamps if stamp is not None)


def _over_the_weekend(last: date) -> date:
    """The last day about which ``last`` tells something: nobody trades on the weekend after it."""
    while (last + timedelta(days=1)).weekday() >= _SATURDAY:
        last += timedelta(days=1)
    return last


def _holidays(session: Session, end: date, download: bool) -> set[date]:  # noqa: FBT001
    """The published holidays, downloaded where those at hand do not reach ``end``."""
    try:
        known = _known_holidays(session)
        if download and _horizon(known) < end:
            session.call("holidays", lambda x: x.download_holiday_data())
            known = _known_holidays(session)
    except (SourceError, NotOffered) as error:
        if not session.connected:
            raise
        logger.info("%s: no holidays: %s", session.name, error.message)
        return set()
    return known


def _known_holidays(session: Session) -> set[date]:
    told: Any = session.call("holidays", lambda x: x.get_holidays())
    return {when for value in told or () if (when := day(value)) is not None}


def _horizon(holidays: Iterable[date]) -> date:
    """The end of the last year whose holidays are known as far as its national day."""
    years = [when.year for when in holidays if when.month == _NATIONAL_DAY]
    return date(max(years), 12, 31) if years else date.min


def _coming(start: date, end: date, holidays: set[date]) -> list[date]:
    span = (
        start + timedelta(days=n) for n in range((min(end, _horizon(holidays)) - start).days + 1)
    )
    return [day for day in span if day.weekday() < _SATURDAY and day not in holidays]
