"""Bars, raw and in the vendor's units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from argus_core import BarsQuery, NotOffered, Period, Symbol
from argus_rqdatac.cells import attribute, day
from argus_rqdatac.frames import joined, schema_frame
from argus_rqdatac.session import Session
from argus_rqdatac.symbols import is_continuous
from argus_rqdatac.tables import by_family, look_up

FIRST_DAY = date(2000, 1, 4)
"""The vendor's client moves an earlier start here and answers what is left."""

_COMMON = (
    ("open", "open"),
    ("high", "high"),
    ("low", "low"),
    ("close", "close"),
    ("volume", "volume"),
    ("turnover", "total_turnover"),
)
_DAILY = (("prev_close", "prev_close"),)
_OPEN_INTEREST = (("open_interest", "open_interest"),)
_SETTLED = (*_OPEN_INTEREST, ("settle", "settlement"))
_CONTRACTS = frozenset({"future", "option"})


def columns(family: str, period: Period) -> dict[str, str]:
    """The vendor's columns of a family's bars, by our names: the fields to ask for."""
    daily = period is Period.D1
    own = (_SETTLED if daily else _OPEN_INTEREST) if family in _CONTRACTS else ()
    return dict((*_COMMON, *(_DAILY if daily else ()), *own))


def read_bars(session: Session, query: BarsQuery) -> Any:
    """A frame of the published schema ``BARS``; dates are trading dates on both sides.

    Raises :class:`NotOffered` where the whole question lies before the vendor's first day.
    """
    listed = look_up(session, query.symbols)
    covered = {symbol: one for symbol, one in listed.items() if _is_covered(symbol, one, query)}
    if listed and not covered:
        raise NotOffered(f"rqdatac has no bars before {FIRST_DAY}")
    frames = (
        _family_bars(session, query, family, codes) for family, codes in by_family(covered).items()
    )
    return joined([frame for frame in frames if frame is not None])


def _is_covered(symbol: Symbol, instrument: Any, query: BarsQuery) -> bool:
    """False where the head of the series would be missing without a word."""
    if query.start >= FIRST_DAY:
        return True
    listed = day(attribute(instrument, "listed_date"))
    if listed is None:
        return is_continuous(symbol) and query.end >= FIRST_DAY
    return listed >= FIRST_DAY


def _family_bars(
    session: Session, query: BarsQuery, family: str, codes: Mapping[str, Symbol]
) -> pl.DataFrame | None:
    asked = columns(family, query.period)
    daily = query.period is Period.D1

    def work(sdk: Any) -> Any:
        return sdk.get_price(
            list(codes),
            start_date=max(query.start, FIRST_DAY),
            end_date=query.end,
            frequency="1d" if daily else "1m",
            fields=list(asked.values()),
            adjust_type="none",
            skip_suspended=False,
            expect_df=True,
        )

    frame = schema_frame(session.call(f"{query.period} bars of {family}s", work), codes, asked)
    if frame is None or not daily:
        return frame
    return frame.with_columns(pl.col("time").cast(pl.Date))
