"""Bars and ticks out of the quotes that were told so far.

A minute's bar spans the snapshots after its beginning up to and including its end: a snapshot of
09:31:00 tells of the trades until then. Highs and lows between two snapshots show in the day's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

import polars as pl

from argus_core import SHANGHAI, ArgusError, Session, session_dates, sessions_of
from argus_replay.reel import LEVELS
from argus_replay.tape import Tape

_MINUTES: Final = 24 * 60
_FROM: Final = 18 * 60
"""Trading days are counted from the evening before."""
_AUCTION: Final = 10
"""Minutes before an open whose bars hold its opening auction: the core makes them part of it."""
_DAY: Final = timedelta(days=1)
_BACK: Final = timedelta(days=20)


def minutes(tape: Tape, day: date, now: datetime) -> pl.DataFrame:
    """Rows of ``BARS``, one a minute in which something was traded, the running one included."""
    told = _quoted(tape, day, now)
    if told.is_empty():
        return told
    high, low = pl.col("high"), pl.col("low")
    told = told.with_columns(
        # What the day's own high and low did since the snapshot before happened in between.
        top=pl.when((high > high.shift(1)) | high.shift(1).is_null()).then(high),
        bottom=pl.when((low < low.shift(1)) | low.shift(1).is_null()).then(low),
        end=_ends(told["as_of"], sessions_of(tape.symbol)),
    )
    bars = told.group_by("end", maintain_order=True).agg(
        pl.col("price").first().alias("first"),
        pl.col("open").first(),
        high=pl.max_horizontal(pl.col("price").max(), pl.col("top").max()),
        low=pl.min_horizontal(pl.col("price").min(), pl.col("bottom").min()),
        close=pl.col("price").last(),
        volume=pl.col("volume").last(),
        turnover=pl.col("turnover").last(),
    )
    first = pl.int_range(pl.len()) == 0
    return bars.select(
        symbol=pl.lit(str(tape.symbol)),
        time=pl.col("end"),
        open=pl.when(first & pl.col("open").is_not_null()).then("open").otherwise("first"),
        high=pl.col("high"),
        low=pl.col("low"),
        close=pl.col("close"),
        volume=pl.col("volume") - pl.col("volume").shift(1).fill_null(0),
        turnover=pl.col("turnover") - pl.col("turnover").shift(1).fill_null(0),
    )


def whole_day(tape: Tape, day: date, now: datetime) -> pl.DataFrame:
    """The row of ``BARS`` of the day so far, as the last quote tells it."""
    told = _quoted(tape, day, now).tail(1)
    return told.select(
        symbol=pl.lit(str(tape.symbol)),
        time=pl.lit(day),
        open=pl.col("open"),
        high=pl.col("high"),
        low=pl.col("low"),
        close=pl.col("price"),
        volume=pl.col("volume"),
        turnover=pl.col("turnover"),
        prev_close=pl.col("prev_close"),
    )


def ticks(tape: Tape, now: datetime) -> pl.DataFrame:
    """Rows of ``TICKS``, one for each quote that was told with an instant and a price."""
    told = tape.told(now).filter(
        pl.col("as_of").is_not_null()
        & pl.col("price").is_not_null()
        & pl.col("volume").is_not_null()
    )
    levels = [
        pl.col(f"{side}_{what}s")
        .list.get(place - 1, null_on_oob=True)
        .alias(f"{side}_{what}{place}")
        for place in range(1, LEVELS + 1)
        for side in ("bid", "ask")
        for what in ("price", "volume")
    ]
    names = ("price", "open", "high", "low", "prev_close", "volume", "turnover")
    return told.select(pl.col("symbol"), pl.col("as_of").alias("time"), *names, *levels)


def _quoted(tape: Tape, day: date, now: datetime) -> pl.DataFrame:
    """The quotes with a price that speak of this trading day, in order."""
    begins = datetime.combine(_before(day), time(18), SHANGHAI)
    told = tape.told(now).with_columns(as_of=pl.coalesce("as_of", "at"))
    return told.filter(
        (pl.col("as_of") >= begins) & pl.col("price").is_not_null() & pl.col("open").is_not_null()
    )


def _before(day: date) -> date:
    """The trading date before ``day``: its evening may belong to the day."""
    try:
        return session_dates(day - _BACK, day - _DAY)[-1]
    except ArgusError:  # beyond the calendar's horizon
        return day - (3 if day.weekday() == 0 else 1) * _DAY


def _ends(instants: pl.Series, sessions: Sequence[Session]) -> pl.Series:
    """The end of the minute that each instant lies in, never outside the sessions."""
    whole = instants.dt.truncate("1m")
    ends = whole.zip_with(whole == instants, instants.dt.offset_by("1m").dt.truncate("1m"))
    minute = ends.dt.hour().cast(pl.Int32) * 60 + ends.dt.minute()
    earlier = {each: _late(each, sessions) for each in minute.unique().to_list()}
    back = minute.replace_strict(earlier, return_dtype=pl.Int64) * 60_000_000
    return (ends - back.cast(pl.Duration("us"))).alias("end")


def _late(minute: int, sessions: Sequence[Session]) -> int:
    """By how many minutes an end lies behind the close that it belongs to; 0 within a session."""
    at, close = (minute - _FROM) % _MINUTES, None
    for session in sessions:
        opened = (session.open.hour * 60 + session.open.minute - _FROM) % _MINUTES
        if at <= opened - _AUCTION:
            break
        closed = (session.close.hour * 60 + session.close.minute - _FROM) % _MINUTES
        if at <= closed:
            return 0
        close = closed
    return 0 if close is None else at - close
