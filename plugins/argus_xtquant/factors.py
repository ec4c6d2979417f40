"""Cumulative adjustment factors, made of the vendor's list of ex-dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from argus_core import BadData, FactorsQuery, Kind, Symbol, kind_of
from argus_xtquant.cells import compact, day, instant, number
from argus_xtquant.instruments import detail_of
from argus_xtquant.session import Session
from argus_xtquant.surface import Table
from argus_xtquant.symbols import spelled

_ADJUSTED = frozenset({Kind.STOCK, Kind.FUND})


def read_factors(session: Session, query: FactorsQuery) -> list[dict[str, Any]]:
    """Rows of ``FACTORS``: the factor in force at the start, and each later one until the end.

    The vendor gives the ratio of each event; a factor is the product of all up to its date. An
    empty list is the answer of a share that never paid, and of a code that does not exist, so
    the latter is asked for.
    """
    rows: list[dict[str, Any]] = []
    end = compact(query.end)
    for spelt in spelled(query.symbols, query.start, query.end):
        if kind_of(spelt.symbol) not in _ADJUSTED:
            continue
        ratios: dict[date, float] = {}
        for when, ratio in _events(_table(session, spelt.code, end)):
            ratios[when] = ratios.get(when, 1.0) * ratio
        if ratios or detail_of(session, spelt.code) is not None:
            rows += _cumulated(spelt.symbol, ratios, query.start, query.end)
    return rows


def _table(session: Session, code: str, end: str) -> Table:
    return session.call("factors", lambda x: x.get_divid_factors(code, "", end))


def _cumulated(
    symbol: Symbol, ratios: Mapping[date, float], start: date, end: date
) -> Iterator[dict[str, Any]]:
    """The product of the ratios up to the start, and up to each ex-date after it."""
    factor, later = 1.0, dict[date, float]()
    in_force = 1.0
    for when in sorted(ratios):
        factor *= ratios[when]
        if when <= start:
            in_force = factor
        elif when <= end:
            later[when] = factor
    for when, value in ((start, in_force), *later.items()):
        yield {"symbol": symbol, "date": when, "factor": value}


def _events(table: Table) -> Iterator[tuple[date, float]]:
    """The ex-dates and their ratios; a date is in ``time``, or else in the label."""
    if not len(table):
        return
    names = [str(name) for name in table.columns]
    if "dr" not in names:
        raise BadData("the client's list of ex-dates has no ratios")
    labels = list(table.index)
    times = table["time"].tolist() if "time" in names else [None] * len(labels)
    for label, time, told in zip(labels, times, table["dr"].tolist(), strict=True):
        when, ratio = _date(time, label), number(told)
        if when is None or ratio is None or ratio <= 0:
            raise BadData("the client's list of ex-dates has one without date or ratio")
        yield when, ratio


def _date(time: Any, label: Any) -> date | None:
    """A date as milliseconds, as ``YYYYMMDD``, number or text, with hyphens, or as a date.

    Which of them the label is nobody has shown.
    """
    for value in (time, label):
        if isinstance(value, date):  # a date-time is one too
            return date(value.year, value.month, value.day)
        told = value.replace("-", "") if isinstance(value, str) else value
        told = int(told) if isinstance(told, str) and told.isdecimal() else told
        at = instant(told)
        if (read := at.date() if at else day(told)) is not None:
            return read
    return None
