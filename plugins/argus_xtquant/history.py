"""Tables of history: read, downloaded where the client lacks them, and read again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, cast

import polars as pl

from argus_core import SHANGHAI, BadData, Clock, Jobs, NotOffered
from argus_xtquant.cells import HUGE, compact, compact_instant, number
from argus_xtquant.days import current_date, settled_at, trading_dates
from argus_xtquant.downloads import Download, Ledger
from argus_xtquant.refusals import UnknownCode
from argus_xtquant.session import Session
from argus_xtquant.settings import XtquantSettings
from argus_xtquant.surface import Table, Xtdata

logger = logging.getLogger(__name__)

_FIRST_MS = int(datetime(1990, 1, 1, tzinfo=SHANGHAI).timestamp() * 1000)
_SHANGHAI = "Asia/Shanghai"
_LABEL_DIGITS = len("YYYYMMDDHHMMSS")
TICK = "tick"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of history: trading dates, and the bounds as the vendor takes them."""

    period: str
    start: date
    end: date
    begin: str
    finish: str

    def since(self, day: date) -> Stretch:
        """The part from ``day`` on, with the night session before it."""
        if day <= self.start:
            return self
        if len(self.begin) == len("YYYYMMDD"):
            return replace(self, start=day, begin=compact(day))
        earlier = trading_dates(self.start, day - timedelta(days=1))
        begin = compact_instant(settled_at(earlier[-1])) if earlier else self.begin
        return replace(self, start=day, begin=begin)


class History:
    """The history that one source reads from its client."""

    def __init__(
        self, session: Session, settings: XtquantSettings, clock: Clock, jobs: Jobs
    ) -> None:
        self._session = session
        self._settings = settings
        self._clock = clock
        self._jobs = jobs
        self._ledger = Ledger(settings.refresh)

    async def read(self, codes: Sequence[str], stretch: Stretch) -> dict[str, pl.DataFrame]:
        """The rows by code, with a column ``at`` in Shanghai time; no key without any rows.

        :class:`Preparing` while the client is still downloading.
        """
        frames = await asyncio.to_thread(self._tables, codes, stretch)
        if not self._settings.download:
            return frames
        lacking = self._lacking(codes, stretch, frames)
        if not lacking:
            return frames
        try:
            await self.prepare(tuple(lacking), stretch.since(min(map(min, lacking.values()))))
        except NotOffered as refused:
            logger.warning(
                "%s: %s; with download = false it answers from what the client holds",
                *(self._session.name, refused.message),
            )
            raise
        again = await asyncio.to_thread(self._tables, list(lacking), stretch)
        return {code: frame for code, frame in frames.items() if code not in lacking} | again

    async def prepare(self, codes: tuple[str, ...], stretch: Stretch) -> None:
        """Return when the client has downloaded it; the job goes on beyond the waiting."""
        download = Download(codes, stretch.period, stretch.begin, stretch.finish)

        def work(job: Any) -> None:
            began = self._clock.now()
            download.run(self._session, job)
            self._ledger.note(download.codes, download.period, stretch.start, stretch.end, began)

        await self._jobs.ready(download.key, work, wait=self._settings.prepare_wait)

    def is_prepared(self, codes: Sequence[str], period: str, day: date) -> bool:
        """True if this was downloaded after the day was over."""
        now = self._clock.now()
        return not any(self._ledger.lacking(code, period, (day,), (), now) for code in codes)

    def _lacking(
        self, codes: Sequence[str], stretch: Stretch, frames: Mapping[str, pl.DataFrame]
    ) -> dict[str, list[date]]:
        """The days of each code that must be downloaded first."""
        now = self._clock.now()
        days = trading_dates(stretch.start, min(stretch.end, current_date(now)))
        found: dict[str, list[date]] = {}
        for code in codes:
            frame = frames.get(code)
            held = set[date]() if frame is None else set(frame["at"].dt.date().unique().to_list())
            if missing := self._ledger.lacking(code, stretch.period, days, held, now):
                found[code] = missing
        return found

    def _tables(self, codes: Sequence[str], stretch: Stretch) -> dict[str, pl.DataFrame]:
        """The rows that the client holds, by code."""
        # One code without ticks makes the vendor's module drop the ticks of all others
        groups = [[code] for code in codes] if stretch.period == TICK else [list(codes)]
        tables: dict[str, Table] = {}
        for group in groups:
            tables.update(self._asked(group, stretch))
        frames = {code: to_polars(table) for code, table in tables.items() if len(table)}
        return {code: frame for code, frame in frames.items() if frame.height}

    def _asked(self, codes: list[str], stretch: Stretch) -> dict[str, Table]:
        what = f"{stretch.period} history"
        try:
            told = self._session.call(what, lambda x: _market_data(x, codes, stretch))
        except UnknownCode:
            if len(codes) == 1:
                return {}
            # One wrong code fails the whole call; the others are asked alone
            return {
                key: table for code in codes for key, table in self._asked([code], stretch).items()
            }
        if not isinstance(told, Mapping):
            raise BadData(f"the client answered the {what} with {type(told).__name__}")
        answer = cast("Mapping[str, Table]", told)
        # Whether an unknown code is empty or absent differs among clients
        return {code: answer[code] for code in codes if answer.get(code) is not None}


def _market_data(xtdata: Xtdata, codes: list[str], stretch: Stretch) -> Any:
    """The vendor's tables. Filling would invent bars; a mixture of bound types fits no function."""
    try:
        return xtdata.get_market_data_ex(
            [],
            codes,
            period=stretch.period,
            start_time=stretch.begin,
            end_time=stretch.finish,
            fill_data=False,
        )
    except KeyError as error:
        if stretch.period == TICK and error.args == ("time",):
            return {}  # the vendor's way of saying that a code has no ticks
        raise


def to_polars(table: Table) -> pl.DataFrame:
    """The vendor's table in order of time, with ``at`` made of its ``time`` column.

    Labels are read where there is nothing else: those of bars are Beijing's, those of ticks are in
    the zone of the host, but ticks have times. Rows without a time, or with one of the epoch's
    first days, are placeholders.
    """
    names = [str(name) for name in table.columns]
    if "time" in names:
        stamps = _numbers("at", table["time"])
        usable = stamps.is_between(_FIRST_MS, HUGE).fill_null(value=False)
        milliseconds = pl.when(usable).then(stamps).otherwise(None).cast(pl.Int64)
        frame = pl.select(milliseconds.cast(pl.Datetime("ms", "UTC")).alias("at"))
    elif "timetag" in names:
        written = pl.Series("at", table["timetag"].tolist(), dtype=pl.String).str.slice(0, 17)
        stamps = written.str.to_datetime("%Y%m%d %H:%M:%S", strict=False, time_unit="ms")
        frame = pl.DataFrame([stamps.dt.replace_time_zone(_SHANGHAI)])
    elif "close" in names:
        frame = pl.DataFrame([_labelled([str(label) for label in table.index])])
    else:
        raise BadData("the client's history has no time")
    columns = {name: _column(name, table[name]) for name in names if name in _READ}
    return (
        frame.with_columns(pl.col("at").dt.convert_time_zone(_SHANGHAI), **columns)
        .drop_nulls("at")
        .sort("at", maintain_order=True)
    )


def _labelled(labels: Sequence[str]) -> pl.Series:
    """The instants of bars' labels, ``YYYYMMDD`` or ``YYYYMMDDHHMMSS`` in Beijing's time."""
    written = pl.Series("at", labels, dtype=pl.String).str.pad_end(_LABEL_DIGITS, "0")
    stamps = written.str.to_datetime("%Y%m%d%H%M%S", strict=False, time_unit="ms")
    if stamps.null_count():
        raise BadData("the client's history has no time")
    return stamps.dt.replace_time_zone(_SHANGHAI)


_SCALARS = frozenset(
    {
        *("open", "high", "low", "close", "lastPrice", "lastClose", "preClose"),
        *("volume", "amount", "openInterest", "openInt"),
        # Both spellings: that of historical bars is the first
        *("settelementPrice", "settlementPrice"),
    }
)
_LADDERS = frozenset({"askPrice", "bidPrice", "askVol", "bidVol"})
_READ = _SCALARS | _LADDERS


def _column(name: str, column: Any) -> pl.Series:
    if name in _LADDERS:
        rows = [_ladder(cell) for cell in column.tolist()]
        return pl.Series(name, rows, dtype=pl.List(pl.Float64))
    return _numbers(name, column)


def _numbers(name: str, column: Any) -> pl.Series:
    """A column of numbers; one with a hole in it comes as Python objects."""
    values = column.to_numpy()
    if values.dtype.hasobject:
        values = [str(value) for value in values.tolist()]
    return pl.Series(name, values).cast(pl.Float64, strict=False)


def _ladder(cell: Any) -> list[float | None] | None:
    """One side of a book, which old clients leave out row by row."""
    if cell is None or isinstance(cell, str | bytes | int | float):
        return None
    return [number(value) for value in cell]
