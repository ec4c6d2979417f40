"""Pushes what was recorded when its instant comes, at the recorded cadence divided by the speed."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from argus_core import Depth, Gap, Push, Symbol
from argus_replay.tape import Tape
from argus_replay.virtual import VirtualClock

log = logging.getLogger(__name__)

TURN = 500
"""Pushes after which the event loop turns to others."""
LONGEST_SLEEP = 0.25
"""Seconds after which the clock is looked at again, whatever is due next."""
AGAIN = "the recorded day begins again"


@dataclass(slots=True, eq=False)
class Listening:
    """Who listens to a symbol, and which step comes next."""

    tape: Tape
    push: Push
    next: int


class Player:
    """Plays the tapes of subscribed symbols."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._listening: dict[Symbol, Listening] = {}
        self._due: list[tuple[float, int, Listening]] = []
        """By instant, and by order of subscription where instants are the same."""
        self._order = 0
        self._lap = 0
        self._task: asyncio.Task[None] | None = None

    def listen(self, tapes: Iterable[Tape], push: Push) -> None:
        """Push the present state of these symbols, and from now on whatever comes."""
        self._catch_up()
        now = self._clock.now()
        for tape in tapes:
            reached = tape.reached(now)
            if reached:
                quote, book = tape.quote_at(now), tape.item(reached - 1)
                if quote is not None and isinstance(book, Depth):
                    _hand(push, Depth(quote=quote, bids=book.bids, asks=book.asks))
            one = Listening(tape, push, reached)
            self._listening[tape.symbol] = one
            self._plan(one)
        if self._listening and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._play())

    def leave(self, symbols: Iterable[Symbol]) -> None:
        """Push these symbols no more."""
        for symbol in symbols:
            self._listening.pop(symbol, None)

    async def close(self) -> None:
        """Push nothing any more."""
        self._listening.clear()
        self._due.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def play(self, most: int = TURN) -> int:
        """Push up to ``most`` of what is due by now; how many that were."""
        lap, now = self._clock.lap(), self._clock.now()
        over = lap != self._lap
        reached = self._clock.end if over else now
        many = 0
        while many < most and self._due and self._due[0][0] <= reached.timestamp():
            one = heapq.heappop(self._due)[2]
            if self._listening.get(one.tape.symbol) is not one:
                continue
            item = one.tape.item(one.next)
            one.next += 1
            self._plan(one)
            if item is not None:
                _hand(one.push, item)
                many += 1
        if over and many < most:
            self._lap = lap
            self._rewind()
        return many

    def _catch_up(self) -> None:
        """Finish an earlier lap, which nobody who comes now is to hear the end of."""
        if not self._listening:
            self._due.clear()
            self._lap = self._clock.lap()
        while self._lap != self._clock.lap():
            self.play()

    async def _play(self) -> None:
        while self._listening:
            many = self.play()
            await asyncio.sleep(0 if many >= TURN else self._wait())

    def _wait(self) -> float:
        """Real seconds until something is due, never so long that a loop is missed."""
        if not self._due:
            return LONGEST_SLEEP
        one = self._due[0][2]
        return min(self._clock.seconds_until(one.tape.instants[one.next]), LONGEST_SLEEP)

    def _rewind(self) -> None:
        self._due.clear()
        for one in self._listening.values():
            _hand(one.push, Gap(symbols=(one.tape.symbol,), reason=AGAIN))
            one.next = one.tape.reached(self._clock.begin)
            self._plan(one)

    def _plan(self, one: Listening) -> None:
        if one.next < len(one.tape.steps):
            self._order += 1
            at = one.tape.instants[one.next].timestamp()
            heapq.heappush(self._due, (at, self._order, one))


def _hand(push: Push, item: Depth | Gap) -> None:
    try:
        push(item)
    except Exception:
        log.exception("a listener failed to take what is played")
