"""Longer bars made of shorter ones: 5m to 1h by trading minutes, weeks and months by calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Final

import polars as pl

from argus_core.errors import BeyondHorizon
from argus_core.market.labels import bucket_ends, minute_of_day, moved
from argus_core.market.sessions import Session
from argus_core.model.period import Period

SessionDates = Callable[[date, date], tuple[date, ...]]
"""The trading dates of a range, inclusive; raises :class:`BeyondHorizon` where none are known."""

_FRIDAY: Final = 4
_DECEMBER: Final = 12


def base_period(requested: Period, offered: frozenset[Period]) -> Period | None:
    """The offered period from which to make ``requested``; ``None`` if none can serve."""
    finest = Period.M1 if requested.intraday else Period.D1
    if finest in offered:
        return finest
    if not requested.intraday:
        return requested if requested in offered else None
    dividing = [p for p in offered if p.intraday and requested.minutes % p.minutes == 0]
    return max(dividing, key=lambda period: period.minutes, default=None)


def merged() -> dict[str, pl.Expr]:
    """The aggregations that make one bar of several, which must be in order of time."""
    return {
        "open": pl.col("open").drop_nulls().first(),
        "high": pl.col("high").max(),
        "low": pl.col("low").min(),
        "close": pl.col("close").drop_nulls().last(),
        "volume": _total("volume"),
        "turnover": _total("turnover"),
        "prev_close": pl.col("prev_close").first(),
        "open_interest": pl.col("open_interest").drop_nulls().last(),
        "settle": pl.col("settle").drop_nulls().last(),
    }


def _total(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum())


def resample_intraday(
    frame: pl.DataFrame, period: Period, sessions: tuple[Session, ...], now: datetime
) -> pl.DataFrame:
    """One canonical series as bars of ``period``, labelled by their scheduled ends.

    ``frame`` holds canonical intraday bars of one symbol, of any period that divides ``period``,
    in order of time. Bars cross the lunch break by counting minutes, and never a sitting.
    """
    if frame.is_empty():
        return frame
    minutes = frame.select(minute_of_day())["time"]
    moves = bucket_ends(minutes.unique().to_list(), period.minutes, sessions)
    label = moved(frame["time"], minutes, moves)
    return (
        frame.with_columns(label)
        .group_by("time", maintain_order=True)
        .agg(date=pl.col("date").first(), **merged(), final=pl.col("final").all())
        .with_columns(final=pl.col("final") & (pl.col("time") <= now))
    )


def resample_days(
    frame: pl.DataFrame,
    period: Period,
    *,
    now: datetime,
    close: time,
    session_dates: SessionDates,
) -> pl.DataFrame:
    """One canonical daily series as ISO weeks or calendar months, dated by their last trading day.

    ``prev_close`` is the bucket's last close divided by the product of its daily ratios, so that
    the change is right across ex-days. A bucket is final when no session of its week or month is
    still to come or running at ``now``; the day's last session ends at ``close``.
    """
    if frame.is_empty():
        return frame
    ratio = pl.col("close") / pl.col("prev_close")
    chained = pl.col("close").last() / ratio.product()
    prev = pl.when(ratio.is_not_null().all()).then(chained).otherwise(pl.col("prev_close").first())
    over = bucket_over(frame["date"][-1], period, now, close, session_dates)
    bucket = pl.col("date").dt.truncate("1w" if period is Period.W1 else "1mo").alias("bucket")
    result = frame.group_by(bucket, maintain_order=True).agg(
        pl.col("time").last(),
        date=pl.col("date").last(),
        **{**merged(), "prev_close": prev},
        final=pl.col("final").all(),
    )
    newest = pl.col("bucket") == pl.col("bucket").last()
    return result.with_columns(final=pl.col("final") & (~newest | pl.lit(over))).drop("bucket")


def bucket_over(
    day: date, period: Period, now: datetime, close: time, session_dates: SessionDates
) -> bool:
    """True if no session of the week or month around ``day`` is still to come or running."""
    first, last = bucket_bounds(day, period)
    today = now.date()
    if last < today:
        return True
    try:
        left = session_dates(max(first, today), last)
    except BeyondHorizon:
        left = weekdays(max(first, today), last)
    return all(session == today and now.time() >= close for session in left)


def bucket_bounds(day: date, period: Period) -> tuple[date, date]:
    """The first and the last calendar day of the bar of ``period`` that covers ``day``."""
    if period is Period.W1:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    if period is Period.MON1:
        first = day.replace(day=1)
        if day.month == _DECEMBER:
            return first, day.replace(day=31)
        return first, day.replace(month=day.month + 1, day=1) - timedelta(days=1)
    return day, day


def weekdays(start: date, end: date) -> tuple[date, ...]:
    """Monday to Friday from ``start`` to ``end``: the guess beyond every calendar's horizon."""
    days = (start + timedelta(days=n) for n in range((end - start).days + 1))
    return tuple(day for day in days if day.weekday() <= _FRIDAY)
