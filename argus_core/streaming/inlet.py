"""The door through which sources push, from whatever thread, into the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

MOST = 50_000
"""Items that may wait, nine snapshots of a whole market; further ones are dropped and counted."""
TURN = 250
"""Items that are taken before the loop turns to others: some twenty milliseconds of work."""


class Inlet:
    """Takes what one node pushes and hands it over in order, many at once, on the loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[Sequence[Any]], None],
        overflown: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._take = take
        self._overflown = overflown
        self._waiting: deque[Any] = deque()
        self._dropped = 0
        self._awake = False
        self.closed = False

    @property
    def waiting(self) -> bool:
        """True while something waits that the loop has been woken for."""
        return self._awake and not self.closed

    def push(self, item: Any) -> None:
        """Accept an item; returns at once and never raises."""
        if self.closed:
            return
        if len(self._waiting) >= MOST:
            self._dropped += 1
            return
        self._waiting.append(item)
        # Waking the loop costs more than everything else here: once for all that comes meanwhile.
        if not self._awake:
            self._awake = True
            with contextlib.suppress(RuntimeError):  # the loop may be gone by now
                self._loop.call_soon_threadsafe(self._drain)

    def close(self) -> None:
        """Take nothing any more, and hand nothing over that still waits."""
        self.closed = True
        self._waiting.clear()

    def _drain(self) -> None:
        # First asleep, then emptied: what is pushed in between wakes the loop once more.
        self._awake = False
        if self.closed:
            return
        waiting = self._waiting
        items = [waiting.popleft() for _ in range(min(len(waiting), TURN))]
        if waiting and not self._awake:
            self._awake = True
            self._loop.call_soon(self._drain)
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._overflown(dropped)
        if items:
            self._take(items)
