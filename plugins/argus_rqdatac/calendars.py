"""Trading dates and main contracts, with what the vendor knows and no more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from argus_core import BadData, NotOffered, Symbol, TradingDays
from argus_rqdatac.session import Session
from argus_rqdatac.symbols import from_rqdata, product_of

_ALL = (date(1990, 1, 1), date(2100, 1, 1))
_FIRST_EVER = date(1990, 12, 19)
"""The day on which Shanghai opened."""
_LONGEST_CLOSURE = timedelta(days=30)


def read_calendar(session: Session, start: date, end: date) -> TradingDays:
    """The trading dates from ``start`` to ``end``; the vendor has one calendar for all exchanges.

    It is known through its last trading date. The client's own functions answer beyond that, and
    before its first date, with the nearest date that it has. Raises :class:`NotOffered` where the
    range begins before the calendar does.
    """
    dates = _dates(session, *_ALL)
    if not dates:
        raise BadData("rqdatac's calendar is empty")
    if dates[0] > _FIRST_EVER and start < dates[0]:
        raise NotOffered(f"rqdatac's calendar begins on {dates[0]}")
    inside = tuple(when for when in dates if start <= when <= end)
    return TradingDays(dates=inside, known_through=dates[-1])


def read_main_contracts(
    session: Session, symbols: Iterable[Symbol], day: date
) -> dict[Symbol, Symbol]:
    """The contract behind each main continuous series on ``day``, or on the session before it."""
    sessions = _dates(session, day - _LONGEST_CLOSURE, day)
    if not sessions:
        return {}
    found: dict[Symbol, Symbol] = {}
    for symbol in symbols:
        product = product_of(symbol)
        contract = product and _dominant(session, product, sessions[-1])
        if contract:
            found[symbol] = contract
    return found


def _dominant(session: Session, product: str, when: date) -> Symbol | None:
    def work(sdk: Any) -> Any:
        return sdk.futures.get_dominant(product, start_date=when, end_date=when, rule=0, rank=1)

    series = session.call("main contracts", work)
    if series is None or not len(series):
        return None
    return from_rqdata(str(series.iloc[-1]))


def _dates(session: Session, start: date, end: date) -> list[date]:
    def work(sdk: Any) -> list[date]:
        dates: list[date] = sdk.get_trading_dates(start, end, market="cn")
        return dates

    return session.call("the calendar", work)
