"""When what waits is sent: soon, not once for each update, and never all at one turn.

Whatever is said within one round goes out in one frame a listener. Under a load that a round
cannot carry the rounds get longer by themselves, and the frames fuller.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from argus_core.streaming.lanes import Lane, Taken

log = logging.getLogger(__name__)

ROUND = 0.01
"""Seconds from one round to the next."""
TURN = 200
"""Lanes that are emptied before the loop turns to others."""


class Rounds:
    """Empties lanes, round by round, each no more often than its pace allows.

    ``take`` is told each lane; ``send`` is called at the end of each turn, for what was taken.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, take: Taken, send: Callable[[], object]
    ) -> None:
        self._loop = loop
        self._take = take
        self._send = send
        self._marked: deque[Lane] = deque()
        self._planned: asyncio.Handle | None = None
        self._last = 0.0
        self._pauses: dict[Lane, asyncio.TimerHandle] = {}
        self._closed = False
        self._left = 0
        """Lanes of the present round whose turn is still to come."""
        self._due = False
        """True if a round begins as soon as the loop turns."""

    @property
    def busy(self) -> bool:
        """True while something is to be sent at once, be it to those only who were not sent it."""
        return self._left > 0 or self._due

    def mark(self, lane: Lane) -> None:
        """Let a lane be emptied in the next round."""
        if self._closed:
            return
        self._marked.append(lane)
        if self._planned is None:
            self._plan()

    def forget(self, lane: Lane) -> None:
        """Do not wait for a lane any more."""
        if (pause := self._pauses.pop(lane, None)) is not None:
            pause.cancel()

    def close(self) -> None:
        """Send nothing any more."""
        self._closed = True
        self._left, self._due = 0, False
        self._marked.clear()
        for handle in (self._planned, *self._pauses.values()):
            if handle is not None:
                handle.cancel()
        self._planned = None
        self._pauses.clear()

    def _plan(self) -> None:
        """Let the next round begin: a while after the last one has begun, or at once if it is."""
        wait = self._last + ROUND - self._loop.time()
        self._due = wait <= 0
        later, soon = self._loop.call_later, self._loop.call_soon
        self._planned = soon(self._begin) if self._due else later(wait, self._begin)

    def _begin(self) -> None:
        self._due = False
        self._last = self._loop.time()
        self._turn(len(self._marked))

    def _turn(self, left: int) -> None:
        """Empty some of the lanes of this round; the others come when the loop has turned."""
        now, marked, take = self._loop.time(), self._marked, self._take
        for _ in range(min(left, TURN)):
            if not marked:  # closed by whoever was told just now
                break
            lane = marked.popleft()
            # Not marked: emptied, or closed, before its turn has come.
            if not lane.marked or (lane.interval and self._early(lane, now)):
                continue
            try:
                take(lane)
            except Exception:
                # One that cannot be told must not keep the others from it.
                log.exception("a listener could not be sent what waits")
        self._send()
        self._left = 0 if self._closed else max(0, left - TURN)
        if self._closed:
            self._planned = None
        elif self._left:
            self._planned = self._loop.call_soon(self._turn, self._left)
        elif self._marked:
            self._plan()
        else:
            self._planned = None

    def _early(self, lane: Lane, now: float) -> bool:
        """True if a lane has to wait until its pace allows; else its next pause begins."""
        if now >= lane.next_at:
            lane.next_at = now + lane.interval
            return False
        # Emptied meanwhile and marked anew, it has its timer already.
        if lane not in self._pauses:
            self._pauses[lane] = self._loop.call_at(lane.next_at, self._resume, lane)
        return True

    def _resume(self, lane: Lane) -> None:
        self._pauses.pop(lane, None)
        if lane.marked:
            self.mark(lane)
