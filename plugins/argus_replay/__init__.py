"""A recorded day, played again as if it were today: quotes, books, trades, bars."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from argus_core import (
    SHANGHAI,
    BarsQuery,
    Clock,
    Depth,
    DepthQuery,
    Gap,
    Instrument,
    InstrumentsQuery,
    Period,
    PluginError,
    Push,
    Quote,
    QuotesQuery,
    Rows,
    Source,
    SourceUnavailable,
    Symbol,
    TicksQuery,
    hookimpl,
    kind_of,
)
from argus_replay import series
from argus_replay.player import Player
from argus_replay.recording import Recording
from argus_replay.reel import Day, Reel
from argus_replay.settings import ReplaySettings
from argus_replay.tape import Tape
from argus_replay.tickfile import TickFile
from argus_replay.virtual import VirtualClock

_INSTANT = timedelta(microseconds=1)
_EVENING = 18


class Replay(Source):
    """A day that was recorded, under a clock of its own.

    Questions are answered with the state that the day has reached, and subscriptions are pushed
    what came then, when it comes. A recording keeps the instants at which updates were received;
    bars and ticks are made of the quotes in it.
    """

    Settings = ReplaySettings
    periods = frozenset({Period.M1, Period.D1})
    replaying: Mapping[str, Any] | None = MappingProxyType({})

    def __init__(self, name: str, settings: ReplaySettings, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self._where = f"[sources.{name}]"
        self._reel = self._opened(settings)
        self._day = self._chosen(settings)
        self.simulated = self._day.simulated
        speed = settings.speed
        whole = int(speed) if speed.is_integer() else speed
        self.replaying = {"day": self._day.day.isoformat(), "speed": whole}
        if not self._day.books:
            self.datasets = type(self).offers() - {"depth"}
        begin = self._begin(settings)
        self._virtual = VirtualClock(
            clock, begin, self._day.last, speed=settings.speed, loop=settings.loop
        )
        self._player: Player | None = None
        self._tapes: dict[Symbol, Tape] = {}
        self._symbols: frozenset[Symbol] = frozenset()
        self._reading = asyncio.Lock()

    # -- its life -------------------------------------------------------------------------------

    async def open(self) -> None:
        """Return when the day has begun to play."""
        self._symbols = frozenset(await asyncio.to_thread(self._reel.symbols, self._day.day))
        self._player = Player(self._virtual)
        self._virtual.start()

    async def close(self) -> None:
        """Play nothing any more; safe to call twice."""
        if self._player is not None:
            await self._player.close()
            self._player = None
        self._tapes.clear()

    async def ping(self) -> None:
        """Return if the day is open."""
        self._playing()

    def now(self) -> datetime:
        """The instant of the recorded day that is reached."""
        return self._virtual.now()

    def report(self) -> Mapping[str, str | int | float | bool | None]:
        """The day, the speed, how far it is, and how often it was played to its end."""
        return {
            "day": self._day.day.isoformat(),
            "speed": self.settings.speed,
            "reached": self.now().isoformat(timespec="seconds"),
            "laps": self._virtual.lap(),
            "symbols": len(self._symbols),
        }

    # -- answers --------------------------------------------------------------------------------

    async def quotes(self, query: QuotesQuery) -> Iterable[Quote]:
        """The last quote of each symbol that was told by now."""
        tapes, now = await self._of(query.symbols), self.now()
        return [quote for tape in tapes if (quote := tape.quote_at(now)) is not None]

    async def depth(self, query: DepthQuery) -> Iterable[Depth]:
        """The last book of each symbol that was told by now, with the last twenty trades."""
        tapes, now = await self._of(query.symbols), self.now()
        books = (tape.depth_at(now, query.levels) for tape in tapes)
        return [book for book in books if book is not None]

    async def bars(self, query: BarsQuery) -> Rows:
        """Rows of ``BARS`` of the day so far, made of the quotes; of other days there are none."""
        day = self._day.day
        if not query.start <= day <= query.end:
            return []
        tapes, now = await self._of(query.symbols), self.now()
        make = series.minutes if query.period is Period.M1 else series.whole_day
        return await asyncio.to_thread(lambda: _stacked(make(tape, day, now) for tape in tapes))

    async def ticks(self, query: TicksQuery) -> Rows:
        """Rows of ``TICKS``: the quotes of the day so far."""
        if not query.start <= self._day.day <= query.end:
            return []
        tapes, now = await self._of(query.symbols), self.now()
        return await asyncio.to_thread(lambda: _stacked(series.ticks(one, now) for one in tapes))

    async def instruments(self, query: InstrumentsQuery) -> Iterable[Instrument]:
        """What each recorded symbol is, as far as its quotes told."""
        return [
            Instrument(symbol=tape.symbol, name=tape.name(), kind=kind_of(tape.symbol))
            for tape in await self._of(query.symbols)
        ]

    # -- pushes ---------------------------------------------------------------------------------

    async def subscribe(self, symbols: tuple[Symbol, ...], push: Push) -> None:
        """Begin to push these symbols too, from the instant on that is reached."""
        tapes = await self._of(symbols)
        strangers = tuple(symbol for symbol in symbols if symbol not in self._symbols)
        if strangers:
            push(Gap(symbols=strangers, reason="the recording does not hold it"))
        self._playing().listen(tapes, push)

    async def unsubscribe(self, symbols: tuple[Symbol, ...]) -> None:
        """Push these symbols no more."""
        if self._player is not None:
            self._player.leave(symbols)

    # -- what was recorded ------------------------------------------------------------------------

    def _playing(self) -> Player:
        if self._player is None:
            raise SourceUnavailable(f"{self.name} is not open")
        return self._player

    async def _of(self, symbols: Iterable[Symbol]) -> list[Tape]:
        """The tapes of those symbols that were recorded."""
        self._playing()
        wanted = [symbol for symbol in symbols if symbol in self._symbols]
        async with self._reading:
            missing = [symbol for symbol in wanted if symbol not in self._tapes]
            if missing:
                self._tapes.update(await asyncio.to_thread(self._read, missing))
        return [self._tapes[symbol] for symbol in wanted]

    def _read(self, symbols: Sequence[Symbol]) -> dict[Symbol, Tape]:
        rows = self._reel.rows(self._day.day, symbols)
        each = rows.partition_by("symbol", maintain_order=True, as_dict=True)
        return {one: Tape(one, each.get((str(one),), rows.clear())) for one in symbols}

    def _opened(self, settings: ReplaySettings) -> Reel:
        path: Path = settings.path
        if path.is_dir():
            return Recording(path)
        if path.is_file():
            return TickFile(path, settings.trades)
        raise PluginError(
            f"there is no {path}",
            where=f"{self._where} path",
            fix="name a directory that `argus record` wrote, or a Parquet file of ticks",
        )

    def _chosen(self, settings: ReplaySettings) -> Day:
        try:
            days = self._reel.days()
        except PluginError as error:
            where = error.where or f"{self._where} path"
            raise PluginError(error.message, where=where, fix=error.fix) from None
        except (pl.exceptions.PolarsError, OSError) as error:
            raise PluginError(
                f"{settings.path} cannot be read: {type(error).__name__}: {error}",
                where=f"{self._where} path",
                fix="name a directory that `argus record` wrote, or a Parquet file of ticks",
            ) from None
        known = {day.day: day for day in days}
        if settings.day is None and len(days) == 1:
            return days[0]
        if settings.day is not None and settings.day in known:
            return known[settings.day]
        told = ", ".join(day.isoformat() for day in known)
        raise PluginError(
            f"{settings.path} holds no {settings.day}" if settings.day else "which day is meant?",
            where=f"{self._where} day",
            fix=f"name one of the recorded days: {told}",
        )

    def _begin(self, settings: ReplaySettings) -> datetime:
        first, last = self._day.first, self._day.last
        if settings.start is None:
            return first - _INSTANT  # so that the first update comes, too
        evening = settings.start.hour >= _EVENING and first.date() < self._day.day
        on: date = first.date() if evening else self._day.day
        begin = datetime.combine(on, settings.start, SHANGHAI)
        if begin > last:
            raise PluginError(
                f"start {settings.start} lies after the last update, {last:%H:%M:%S}",
                where=f"{self._where} start",
                fix="name an earlier time, or leave it out",
            )
        return begin


def _stacked(frames: Iterable[pl.DataFrame]) -> Rows:
    """All frames in one; no rows where there is none."""
    full = [frame for frame in frames if frame.height]
    return pl.concat(full) if full else []


@hookimpl
def register_source() -> type[Source]:
    """A recorded day."""
    return Replay
