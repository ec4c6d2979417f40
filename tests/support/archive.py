"""Frames for an archive, and the archive as a table of days."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl

from argus_core import SHANGHAI
from argus_core.history.series import SeriesKey
from argus_core.market.bars import CANONICAL

DAYS = SeriesKey("bars", "1d", "a", "600519.SH")
MINUTES = SeriesKey("bars", "1m", "a", "600519.SH")
FACTORS = SeriesKey("factors", "", "a", "600519.SH")


def day(text: str) -> date:
    return date.fromisoformat(text)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def days_between(start: date, end: date) -> list[date]:
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


def bars(rows: dict[date, float | None], key: SeriesKey = DAYS) -> pl.DataFrame:
    """One bar a day with that close (None: its prices are missing), within the day at 9:31."""
    time = (9, 31) if key.intraday else (0, 0)
    table = [
        (
            datetime(when.year, when.month, when.day, *time, tzinfo=SHANGHAI),
            when,
            *[close] * 4,
            100.0,
            None if close is None else close * 100,
            None,
            None,
            None,
            True,
        )
        for when, close in rows.items()
    ]
    return pl.DataFrame(table, schema=dict(CANONICAL), orient="row")


def factors(rows: dict[date, float]) -> pl.DataFrame:
    schema = {"date": pl.Date, "factor": pl.Float64}
    return pl.DataFrame(list(rows.items()), schema=schema, orient="row")


def closes(frame: pl.DataFrame) -> dict[date, float | None]:
    return dict(frame.select("date", "close").iter_rows())
