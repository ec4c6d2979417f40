"""Trading calendars, with what they claim and no more."""

from __future__ import annotations

from datetime import date

from argus_core import BadData, TradingDays
from argus_tushare.cells import compact, day, known_day, number
from argus_tushare.client import Api
from argus_tushare.interfaces import CALENDAR
from argus_tushare.paging import fetch


def read_calendar(api: Api, name: str, start: date, end: date) -> TradingDays | None:
    """The trading dates of one of the vendor's calendars, ``None`` where it ends before ``start``.

    A calendar has a row for every date. Rows that are missing inside, or before the first row
    although a trading date lies there, would pass for holidays, so they are an error.
    """
    rows = list(
        fetch(api, CALENDAR, exchange=name, start_date=compact(start), end_date=compact(end))
    )
    is_open = {known_day(row["cal_date"]): number(row["is_open"]) for row in rows}
    if not is_open:
        return None
    first, last = min(is_open), max(is_open)
    before = next(
        (day(r.get("pretrade_date")) for r in rows if known_day(r["cal_date"]) == first), None
    )
    headless = first > start and before is not None and before >= start
    if headless or len(is_open) != (last - first).days + 1 or None in is_open.values():
        raise BadData(f"tushare's calendar of {name} has holes")
    dates = sorted(when for when, flag in is_open.items() if flag)
    return TradingDays(dates=tuple(dates), known_through=last)


def check_today(api: Api, today: date) -> None:
    """Return if the vendor's calendar knows ``today``: the cheapest question there is."""
    if read_calendar(api, "SSE", today, today) is None:
        raise BadData("tushare's calendar lacks the current date")
