"""What a consumer sees of history, made of canonical base series and factors."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import date, datetime, timedelta
from functools import cache
from typing import Final

import polars as pl

from argus_core.clock import SHANGHAI
from argus_core.market import calendar
from argus_core.market.adjustment import adjust
from argus_core.market.labels import NextSession, close_of, next_session_after
from argus_core.market.resample import (
    SessionDates,
    bucket_bounds,
    resample_days,
    resample_intraday,
)
from argus_core.market.sessions import Session
from argus_core.model.period import Adjust, Period
from argus_core.model.query import FactorsQuery, HistoryQuery

FIRST_DATE: Final = date(1990, 12, 19)
"""The first trading date of the mainland exchanges."""
DAYS_BACK: Final = 20
"""Days before a date within which the bar before it is looked for."""

_BARS_A_DAY: Final = 240
_PRICES: Final = ("open", "high", "low", "close")
_PRICE_DIGITS: Final = 6
_COUNT_DIGITS: Final = 4
_PERCENT_DIGITS: Final = 4
_NIGHT_FROM: Final = 18
_NIGHT_HOURS: Final = timedelta(hours=4)


def history_frame(
    base: pl.DataFrame,
    *,
    query: HistoryQuery,
    period: Period,
    sessions: tuple[Session, ...],
    now: datetime,
    factors: pl.DataFrame | None = None,
    adjustable: bool = True,
    session_dates: SessionDates = calendar.session_dates,
) -> tuple[pl.DataFrame, date | None]:
    """The bars that ``query`` asks of one symbol, and the date whose price is left as traded.

    ``base`` is the symbol's canonical series of ``period`` over at least :func:`base_range`.
    Columns: ``date`` for days and longer, ``time`` and ``date`` for intraday, then open, high,
    low, close, volume, turnover, change, change_pct, final. This is the one place that rounds:
    prices, change and turnover to what binary arithmetic cannot blur (6, 6 and 4 decimals).

    ``factors`` (``date``, ``factor``) are needed to adjust. ``adjustable`` says whether the
    symbol's prices ever change scale; if they do and ``factors`` are known, an unadjusted change
    across days is given only against the exchange's own previous close, or where the factors show
    that nothing happened.
    """
    now = now.astimezone(SHANGHAI)
    bars, base_date = base, None
    known = None if factors is None else factors.filter(pl.col("date") <= now.date())
    if known is not None and query.adjust is not Adjust.NONE:
        bars, base_date = adjust(bars, known, query.adjust, query.adjust_base)
    if query.period is not period:
        bars = _resampled(bars, query.period, sessions, now, session_dates)
    comparable = not adjustable or query.adjust is not Adjust.NONE
    previous = _previous(bars, known, comparable=comparable)
    first, length = _within(bars, query)
    return _written(bars, previous, query.period).slice(first, length), base_date


def base_range(
    query: HistoryQuery,
    *,
    lookback_days: int = 0,
    next_session: NextSession = calendar.next_session,
) -> tuple[date, date]:
    """The first and last trading date of the base bars that ``query`` needs.

    Weeks and months are always whole, so that a bar never depends on the asked range.
    ``lookback_days`` reaches further back, for the change of the first row.
    """
    start, end = _calendar_day(query.start), _calendar_day(query.end)
    if isinstance(query.end, datetime):
        at = query.end.astimezone(SHANGHAI)
        evening = (at - _NIGHT_HOURS).date()
        if at.hour >= _NIGHT_FROM or evening < end:
            # The night belongs to a later trading date, which the instant itself does not name
            end = max(end, next_session_after(evening, next_session)[0])
    first = bucket_bounds(start - timedelta(days=lookback_days), query.period)[0]
    return first, bucket_bounds(end, query.period)[1]


def rows_needed(query: HistoryQuery, today: date) -> int:
    """About how many raw bars ``query`` takes, up to ``today``."""
    start, end = base_range(query)
    days = max(0, (min(end, today) - max(start, FIRST_DATE)).days) * 5 // 7
    return days * len(query.symbols) * (_BARS_A_DAY if query.period.intraday else 1)


def factors_query(query: HistoryQuery, today: date) -> FactorsQuery:
    """The factors by which the bars of ``query`` are adjusted, or two of their days compared.

    They begin well before the first bar, so that the one in force there is among them, and end
    with the last one: what lies in the past does not wait for a source's word about today. Only
    prices made those of today need today's factor, and a pinned base needs that of its own date.
    """
    first, last = base_range(query)
    start = FIRST_DATE if query.adjust is Adjust.POST else first - timedelta(days=2 * DAYS_BACK)
    base = query.adjust_base or start
    as_of_today = query.adjust is Adjust.PRE and query.adjust_base is None
    # Nobody knows the factors of days to come
    end = today if as_of_today else min(last, today)
    return FactorsQuery(symbols=query.symbols, start=min(start, base), end=max(end, base))


@cache
def empty_history(*, intraday: bool) -> pl.DataFrame:
    """The frame of a symbol without bars: the columns of :func:`history_frame` and no row."""
    labels: dict[str, pl.DataType] = {"date": pl.Date()}
    if intraday:
        labels = {"time": pl.Datetime("ms", str(SHANGHAI)), **labels}
    numbers = (*_PRICES, "volume", "turnover", "change", "change_pct")
    schema = {**labels, **dict.fromkeys(numbers, pl.Float64()), "final": pl.Boolean()}
    return pl.DataFrame(schema=schema)


def _calendar_day(bound: date) -> date:
    return bound.astimezone(SHANGHAI).date() if isinstance(bound, datetime) else bound


def _resampled(
    bars: pl.DataFrame,
    period: Period,
    sessions: tuple[Session, ...],
    now: datetime,
    session_dates: SessionDates,
) -> pl.DataFrame:
    if period.intraday:
        return resample_intraday(bars, period, sessions, now)
    close = close_of(sessions)
    return resample_days(bars, period, now=now, close=close, session_dates=session_dates)


def _previous(bars: pl.DataFrame, factors: pl.DataFrame | None, *, comparable: bool) -> pl.Expr:
    """The close that ``change`` is measured against, null where none can be compared.

    That is the row's own previous close, else the bar before it: within a day always, across days
    where prices are ``comparable`` or the factor in force is the same on both.
    """
    before = pl.col("close").shift(1)
    if comparable:
        return pl.col("prev_close").fill_null(before)
    if not bars["prev_close"].null_count():
        return pl.col("prev_close")
    if factors is not None and _changes_within(factors, bars):
        table = factors.select("date", "factor").sort("date")
        scale = bars.select("date").set_sorted("date").join_asof(table, on="date")["factor"]
        same = pl.lit(scale == scale.shift(1)) | (pl.col("date") == pl.col("date").shift(1))
    else:
        # One scale, or nobody knows any: the bar before is all there is to compare with
        same = pl.lit(value=True)
    own = pl.when(same).then(before)
    return pl.col("prev_close").fill_null(own)


def _changes_within(factors: pl.DataFrame, bars: pl.DataFrame) -> bool:
    """False if no factor is known, or a single one is in force from the first bar to the last."""
    if factors.is_empty():
        return False
    first, dates = bars["date"][0], factors["date"]
    # One that begins later than the first bar leaves that bar without any, or changes it
    return bool((dates > first).any())


def _within(bars: pl.DataFrame, query: HistoryQuery) -> tuple[int, int]:
    """The first and the number of the bars whose labels lie in the asked range.

    Instants are compared with the bars' ends, dates with their trading dates. Bars are in order
    of both, and looking for two bounds costs a tenth of comparing every label with them.
    """
    first = bisect_left(*_label_and_bound(bars, query.start, query.period))
    after = bisect_right(*_label_and_bound(bars, query.end, query.period))
    return first, max(0, after - first)


def _label_and_bound(bars: pl.DataFrame, bound: date, period: Period) -> tuple[pl.Series, date]:
    if isinstance(bound, datetime) and period.intraday:
        return bars["time"], bound
    return bars["date"], _calendar_day(bound)


def _written(bars: pl.DataFrame, previous: pl.Expr, period: Period) -> pl.DataFrame:
    change = pl.col("close") - previous
    return bars.select(
        *(("time", "date") if period.intraday else ("date",)),
        pl.col(*_PRICES).round(_PRICE_DIGITS),
        pl.col("volume", "turnover").round(_COUNT_DIGITS),
        change=change.round(_PRICE_DIGITS),
        change_pct=(change / previous * 100).round(_PERCENT_DIGITS),
        final=pl.col("final"),
    )
