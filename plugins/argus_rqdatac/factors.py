"""Cumulative adjustment factors, instead of the vendor's adjusted prices.

Those are relative to the newest factor and are made with a cache that outlives an ex date.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from argus_core import BadData, FactorsQuery, Symbol
from argus_rqdatac.cells import day, number
from argus_rqdatac.session import Session
from argus_rqdatac.tables import by_family, look_up

_FROM_THE_BEGINNING = date(1990, 1, 1)
"""Before the first share; the cumulative factor counts from a share's listing."""
_ADJUSTED = ("stock", "fund")
_UNADJUSTED = 1.0


def read_factors(session: Session, query: FactorsQuery) -> list[dict[str, Any]]:
    """Rows of ``FACTORS``: the one in force at the start, and each change until the end."""
    families = by_family(look_up(session, query.symbols))
    codes = {code: symbol for name in _ADJUSTED for code, symbol in families.get(name, {}).items()}
    if not codes:
        return []

    def work(sdk: Any) -> Any:
        return sdk.get_ex_factor(
            list(codes), start_date=_FROM_THE_BEGINNING, end_date=query.end, market="cn"
        )

    known: dict[Symbol, dict[date, float | None]] = {symbol: {} for symbol in codes.values()}
    for code, ex_date, factor in _events(session.call("factors", work)):
        if code in codes and ex_date <= query.end:
            known[codes[code]][ex_date] = factor
    return [row for symbol, events in known.items() for row in _rows(symbol, events, query.start)]


def _events(answer: Any) -> list[tuple[str, date, float | None]]:
    if answer is None:
        return []
    try:
        ids, factors = answer["order_book_id"], answer["ex_cum_factor"]
    except KeyError:
        raise BadData("rqdatac leaves columns of the factors out") from None
    events: list[tuple[str, date, float | None]] = []
    for code, when, factor in zip(ids, answer.index, factors, strict=True):
        ex_date = day(when)
        if ex_date is None:
            raise BadData("rqdatac leaves the date of a factor out")
        events.append((code, ex_date, number(factor)))
    return events


def _rows(symbol: Symbol, events: dict[date, float | None], start: date) -> list[dict[str, Any]]:
    """The symbol's rows; before its first event the factor is 1."""
    earlier = [when for when in events if when <= start]
    first = max(earlier, default=None)
    rows = [
        {"symbol": symbol, "date": when, "factor": events[when]}
        for when in sorted(events)
        if first is None or when >= first
    ]
    if first is None:
        rows.insert(0, {"symbol": symbol, "date": start, "factor": _UNADJUSTED})
    return rows
