"""The gate through which whatever clients say passes: little in each turn of the loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

PATIENCE = 3
"""Turns with updates to be sent after which somebody is let through all the same."""
READING = 0.001
"""Seconds of one turn in which slices of bytes are read; the last one may begin just before."""
EARNS = 0.004
"""Seconds of a turn for each of which one is let through after it: more than one costs, as a rule,
so that long turns, which others made long, do not keep them waiting, and do not get longer."""
MOST = 16
"""Those that are let through in one turn at most."""

_Waiting = deque[asyncio.Future[None]]


class Gate:
    """Lets one message or newcomer through in each turn of the loop, and some slices of bytes.

    The loop gives every task and every socket its turn, and an answer may take a millisecond:
    without a gate a hundred clients that speak at once would keep the updates of all others for a
    tenth of a second. After a long turn, as requests beside it may make it, more are let through.
    ``busy`` says whether updates have come or are being sent just now; these go first.
    """

    def __init__(
        self, busy: Callable[[], bool], now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._busy = busy
        self._now = now
        self._messages: _Waiting = deque()
        self._newcomers: _Waiting = deque()
        self._queues = [self._messages, self._newcomers]
        self._waited = 0
        """Turns in which nobody was let through, for the sake of updates."""
        self._open = False
        """True while the gate is going to let somebody through."""
        self._last = 0.0
        """When it last was about to, by the loop's clock."""
        self._reading: float | None = None
        """Since when slices are read in this turn."""

    def lets_read(self) -> bool:
        """True if one slice more may be read just now."""
        if self._busy():
            return False
        if self._reading is None:
            self._reading = self._now()
            asyncio.get_running_loop().call_soon(self._next_turn)
        return self._now() - self._reading < READING

    def _next_turn(self) -> None:
        self._reading = None

    async def spoken(self) -> None:
        """Return when a message may be answered: in the next turn, if nobody waits."""
        await self._passed(self._messages)

    async def come(self) -> None:
        """Return when a newcomer may be welcomed. A crowd of them keeps no message waiting."""
        await self._passed(self._newcomers)

    async def _passed(self, waiting: _Waiting) -> None:
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        waiting.append(turn)
        if not self._open:
            self._open = True
            self._last = loop.time()
            loop.call_soon(self._let, loop)
        await turn

    def _let(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        took, self._last = now - self._last, now
        if self._busy() and self._waited < PATIENCE:
            self._waited += 1
        else:
            self._waited = 0
            for _ in range(max(1, min(MOST, int(took / EARNS)))):
                self._let_one()
        self._open = bool(self._messages or self._newcomers)
        if self._open:
            loop.call_soon(self._let, loop)

    def _let_one(self) -> None:
        """Let the first of one queue through; the next time it is the other's turn."""
        self._queues.reverse()
        for waiting in self._queues:
            while waiting:
                turn = waiting.popleft()
                if not turn.done():  # else whoever waited has left
                    turn.set_result(None)
                    return
