"""Pace: how soon the next call may follow, so that a vendor's quota a minute is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from argus_core.clock import Clock

Sleep = Callable[[float], Awaitable[object]]
"""Returns after so many seconds."""

_MINUTE = 60.0


class Pace:
    """Spreads calls evenly over the minute (GCRA with a burst of one).

    Where each call waits for its :meth:`turn`, any sixty seconds, the last instant not counted,
    hold at most ``calls_per_minute`` of them, however many ask at once. Whoever cannot know what
    a question costs waits for :meth:`ready` and says afterwards what was :meth:`spent`: then any
    such minute holds at most what the last question in it cost more than that.
    """

    def __init__(self, calls_per_minute: float, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._apart = _MINUTE / calls_per_minute
        self._clock = clock
        self._sleep = sleep
        self._next = clock.monotonic()

    @property
    def wait(self) -> float:
        """Seconds until the next call may begin, 0 if it may now."""
        return max(0.0, self._next - self._clock.monotonic())

    async def turn(self) -> None:
        """Return when one call may begin; it is booked, in the order of asking."""
        at = max(self._next, self._clock.monotonic())
        self._next = at + self._apart
        while (left := at - self._clock.monotonic()) > 0:
            await self._sleep(left)

    async def ready(self) -> None:
        """Return when all that was booked is paid for; nothing is booked."""
        while (left := self.wait) > 0:
            await self._sleep(left)

    def spent(self, calls: int) -> None:
        """Book calls that were made just now."""
        if calls > 0:
            now = self._clock.monotonic()
            owed = max(self._next, now) + calls * self._apart
            # After a minute of silence the vendor has forgotten them, however many they were.
            self._next = max(self._next, min(owed, now + _MINUTE))
