"""The snapshots that the simulated exchange pushes: one a symbol every three seconds."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from argus_core import Clock, Depth, Push, Symbol
from argus_demo.day import TICK_SECONDS

log = logging.getLogger("argus.demo")

_PHASES = 1000
"""The parts of the three seconds over which the symbols are spread, as an exchange spreads them."""


@dataclass(slots=True)
class _Place:
    """A symbol that is pushed: to whom, when next, and up to which instant its trades are told."""

    push: Push
    due: float
    told: datetime | None = None


class Feed:
    """Pushes what :meth:`begin` asked for, until :meth:`end` or :meth:`aclose`.

    At night too: the state of the close is pushed again and again, as it is answered.
    """

    def __init__(self, clock: Clock, book: Callable[[Symbol], Depth | None]) -> None:
        self._clock = clock
        self._book = book
        self._places: dict[Symbol, _Place] = {}
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """What is pushed."""
        return tuple(self._places)

    def begin(self, symbols: Iterable[Symbol], push: Push) -> None:
        """Push these too; each for the first time within the next three seconds."""
        now = self._clock.monotonic()
        for symbol in symbols:
            before = self._places.get(symbol)
            told = None if before is None else before.told
            self._places[symbol] = _Place(push, now + _phase(symbol), told)
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def end(self, symbols: Iterable[Symbol]) -> None:
        """Push these no more; unknown ones are no error."""
        for symbol in symbols:
            self._places.pop(symbol, None)
        self._changed.set()

    async def aclose(self) -> None:
        """Push nothing any more."""
        self._places.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    def pushed(self) -> float | None:
        """Push what is due; the seconds until something else is, None if nothing will be."""
        now = self._clock.monotonic()
        for symbol, place in list(self._places.items()):
            if place.due <= now and self._places.get(symbol) is place:
                late = (now - place.due) // TICK_SECONDS  # rounds that are left out, not made up
                place.due += TICK_SECONDS * (late + 1)
                self._one(symbol, place)
        due = min((place.due for place in self._places.values()), default=None)
        return None if due is None else max(due - now, 0.0)

    def _one(self, symbol: Symbol, place: _Place) -> None:
        book = self._book(symbol)
        if book is None:
            return
        told, place.told = place.told, book.quote.as_of
        # With the first one come no trades: they took place before anybody listened.
        trades = () if told is None else book.trades
        new = tuple(trade for trade in trades or () if told is not None and trade.time > told)
        try:
            place.push(replace(book, trades=None if book.trades is None else new))
        except Exception:
            log.exception("whoever is pushed %s to failed", symbol)

    async def _run(self) -> None:
        while (seconds := self.pushed()) is not None:
            self._changed.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                continue


def _phase(symbol: Symbol) -> float:
    """When within its three seconds a symbol is pushed, the same in every process."""
    return zlib.crc32(symbol.encode()) % _PHASES / _PHASES * TICK_SECONDS
