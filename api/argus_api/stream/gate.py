"""The gate through which whatever clients say passes: little in each turn of the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

PATIENCE = 3
"""Turns in the middle of a round after which somebody is let through all the same."""


SLICES = 3
"""Slices of bytes that are read in one turn."""


class Gate:
    """Lets one message or newcomer through in each turn of the loop, and some slices of bytes.

    The loop gives every task and every socket its turn, and an answer may take a millisecond:
    without a gate a hundred clients that speak at once would keep the updates of all others for a
    tenth of a second. ``busy`` says whether updates are being sent just now; these go first.
    """

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._busy = busy
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._waited = 0
        """Turns in which nobody was let through, for the sake of updates."""
        self._open = False
        """True while the gate is going to let somebody through."""
        self._slices = 0
        """Slices that were read in this turn."""

    def lets_read(self) -> bool:
        """True if one slice more may be read just now, which then is counted."""
        if self._slices >= SLICES or self._busy():
            return False
        if not self._slices:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._slices += 1
        return True

    def _next_turn(self) -> None:
        self._slices = 0

    async def passed(self) -> None:
        """Return when it is the caller's turn to be answered, which goes by who came first.

        That is in the next turn of the loop, if nobody waits.
        """
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if not self._open:
            self._open = True
            loop.call_soon(self._let, loop)
        await turn

    def _let(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._busy() and self._waited < PATIENCE:
            self._waited += 1
        else:
            self._waited = 0
            self._let_one()
        self._open = bool(self._waiting)
        if self._open:
            loop.call_soon(self._let, loop)

    def _let_one(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # else whoever waited has left
                turn.set_result(None)
                return
