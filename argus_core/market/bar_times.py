"""Which bar a label names: its end, its trading date, and whether it is final."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Final

import polars as pl

from argus_core.clock import SHANGHAI
from argus_core.errors import BadData
from argus_core.market.bar_rows import KEY, BarsReading, Market, ordered, repeats
from argus_core.market.labels import close_of, end_labels, minute_of_day, moved, trading_dates
from argus_core.market.resample import bucket_bounds, merged
from argus_core.model.period import Period

_ZONE: Final = "Asia/Shanghai"


def dated(frame: pl.DataFrame, market: Market, reading: BarsReading) -> pl.DataFrame:
    """Bars of any period: stamped with their end, dated, flagged, in order of time.

    :class:`BadData` if the labels are of no use for the period.
    """
    return (_intraday if reading.query.period.intraday else _days)(frame, market, reading)


def _days(frame: pl.DataFrame, market: Market, reading: BarsReading) -> pl.DataFrame:
    """Bars of a day and longer: dated, stamped with midnight, flagged, in order."""
    day = pl.col("time")
    if frame.schema["time"] != pl.Date:
        day = _aware(frame, reading.timezone).dt.date()
    now, close = reading.now.astimezone(SHANGHAI), close_of(market.sessions)
    settled = now.date() if now.time() >= close else now.date() - timedelta(days=1)
    midnight = day.cast(pl.Datetime("ms")).dt.replace_time_zone(_ZONE)
    frame = frame.with_columns(time=midnight, date=day, final=day <= settled)
    if reading.query.period is not Period.D1:
        # A vendor's own week or month: final once its last calendar day has settled
        days = frame["date"].unique().to_list()
        ends = [bucket_bounds(d, reading.query.period)[1] for d in days]
        last = pl.col("date").replace_strict(days, ends, return_dtype=pl.Date)
        frame = frame.with_columns(final=last <= settled)
    return ordered(frame)


def _intraday(frame: pl.DataFrame, market: Market, reading: BarsReading) -> pl.DataFrame:
    """Intraday bars: labelled by their end, opening auctions merged, dated, flagged, in order."""
    if frame.schema["time"] == pl.Date:
        raise BadData("column 'time' holds dates where intraday bars need date-times")
    # The schema gives prev_close a meaning for days only
    unknown = pl.lit(None, dtype=pl.Float64)
    frame = frame.with_columns(time=_aware(frame, reading.timezone), prev_close=unknown)
    frame = _labelled(ordered(frame), market, reading)
    final = frame["time"] <= reading.now.astimezone(SHANGHAI)
    return frame.with_columns(_trading_dates(frame, reading), final.alias("final"))


def _aware(frame: pl.DataFrame, timezone: str) -> pl.Expr:
    """The time column in Shanghai time; one without a zone is in ``timezone``."""
    stamp = pl.col("time").dt
    dtype = frame.schema["time"]
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        stamp = stamp.replace_time_zone(timezone, ambiguous="earliest").dt
    return stamp.convert_time_zone(_ZONE)


def _labelled(frame: pl.DataFrame, market: Market, reading: BarsReading) -> pl.DataFrame:
    """``frame`` with end labels, each opening auction part of the first bar of its session."""
    started = reading.bar_label == "start"
    if started:
        reading.notes["label start -> end"] += 1
    minutes = frame.select(minute_of_day())["time"]
    ends = end_labels(
        minutes.unique().to_list(), reading.query.period.minutes, market.sessions, started=started
    )
    if not any(end.later for end in ends.values()):
        return frame
    auctions = Counter(m for m in minutes.to_list() if ends[m].auction)
    for minute, count in auctions.items():
        hour, past = divmod((minute + ends[minute].later) % 1440, 60)
        note = f"merged the opening auction into {hour:02}:{past:02} ({{n}} bars)"
        reading.notes[note] += count
    frame = frame.with_columns(moved(frame["time"], minutes, {m: e.later for m, e in ends.items()}))
    if not repeats(frame):
        return frame
    return frame.group_by(*KEY, maintain_order=True).agg(**merged())


def _trading_dates(frame: pl.DataFrame, reading: BarsReading) -> pl.Series:
    dates, guessed = trading_dates(frame, reading.next_session)
    if guessed:
        reading.notes["took the next weekday as trading date beyond the calendar's horizon"] += 1
    return dates
