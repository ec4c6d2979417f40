"""When what waits is sent: at once, but to nobody too often, and never all at one turn.

A lane that was silent is emptied as soon as the loop turns; after that not before a pause is over,
and whatever is said meanwhile goes out in one frame. Nobody waits for the pause of another. Under a
load that a turn cannot carry the pauses get longer by themselves, and the frames fuller.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from argus_core.streaming.lanes import Lane, Taken

log = logging.getLogger(__name__)

PAUSE = 0.01
"""Seconds from one emptying of a lane to the next, however short its own pace is."""
TURN = 500
"""Lanes that are emptied before the loop turns to others: some eight milliseconds of work."""


class Turns:
    """Empties lanes, each no more often than its pace allows.

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
        self._going_on = False
        """True if the planned turn goes on with what an earlier one has left over."""
        self._pauses: dict[Lane, asyncio.TimerHandle] = {}
        self._closed = False

    @property
    def busy(self) -> bool:
        """True while there is somebody who may be sent something at once."""
        return self._planned is not None

    def mark(self, lane: Lane) -> None:
        """Let a lane be emptied as soon as its pace allows."""
        if self._closed:
            return
        self._marked.append(lane)
        if self._planned is None:
            self._planned = self._loop.call_soon(self._turn)

    def begin(self) -> None:
        """Begin at once with what waits for the loop to turn: nothing more comes before that.

        What is too much for one turn still goes on turn by turn.
        """
        if self._planned is not None and not self._going_on:
            self._planned.cancel()
            self._turn()

    def forget(self, lane: Lane) -> None:
        """Do not wait for a lane any more."""
        if (pause := self._pauses.pop(lane, None)) is not None:
            pause.cancel()

    def close(self) -> None:
        """Send nothing any more."""
        self._closed = True
        self._marked.clear()
        for handle in (self._planned, *self._pauses.values()):
            if handle is not None:
                handle.cancel()
        self._planned = None
        self._pauses.clear()

    def _turn(self) -> None:
        """Empty some of the lanes; the others come when the loop has turned."""
        now, marked, take = self._loop.time(), self._marked, self._take
        for _ in range(min(len(marked), TURN)):
            if not marked:  # closed by whoever was told just now
                break
            lane = marked.popleft()
            # Not marked: emptied, or closed, before its turn has come.
            if not lane.marked or self._early(lane, now):
                continue
            try:
                take(lane)
            except Exception:
                # One that cannot be told must not keep the others from it.
                log.exception("a listener could not be sent what waits")
        self._send()
        self._going_on = bool(marked)
        self._planned = self._loop.call_soon(self._turn) if marked else None

    def _early(self, lane: Lane, now: float) -> bool:
        """True if a lane has to wait until its pace allows; else its next pause begins."""
        if now >= lane.next_at:
            lane.next_at = now + max(lane.interval, PAUSE)
            return False
        # Emptied meanwhile and marked anew, it has its timer already.
        if lane not in self._pauses:
            self._pauses[lane] = self._loop.call_at(lane.next_at, self._resume, lane)
        return True

    def _resume(self, lane: Lane) -> None:
        self._pauses.pop(lane, None)
        # Its time has come, even if the loop's clock, which some count in milliseconds, is a hair
        # behind: to wait for that hair would be to wait in a circle.
        lane.next_at = 0.0
        if lane.marked:
            self.mark(lane)
