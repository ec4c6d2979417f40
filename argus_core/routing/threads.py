"""Blocking calls in threads that nobody can cancel."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any

import anyio
from anyio import to_thread


class Threads:
    """A fixed number of seats for blocking calls.

    A thread cannot be stopped: a call that its caller gave up keeps its seat until the vendor
    really returns. So a hung vendor costs at most its seats, and never a thread a request.
    """

    def __init__(self, seats: int) -> None:
        self._seats = asyncio.Semaphore(seats)
        # anyio would give an abandoned call's token back at once; the seats above do not.
        self._unlimited = anyio.CapacityLimiter(math.inf)
        self.seats = seats
        self.busy = 0
        """Calls that are running, including those whose caller has left."""
        self.abandoned = 0
        """Calls that are still running although their caller has left."""

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """What ``function(argument)`` returns in a thread; waits for a seat first."""
        await self._seats.acquire()
        loop = asyncio.get_running_loop()
        call = _Call(self, self._seats)

        def work() -> Any:
            call.started = True
            try:
                return function(argument)
            finally:
                with contextlib.suppress(RuntimeError):  # the loop may be gone by now
                    loop.call_soon_threadsafe(call.leave)

        try:
            return await to_thread.run_sync(work, limiter=self._unlimited, abandon_on_cancel=True)
        finally:
            if call.started:
                call.abandon()
            else:  # cancelled before a thread took it up
                call.leave()

    @property
    def stuck(self) -> bool:
        """True if every seat is held by a call that nobody waits for any more."""
        return self.abandoned >= self.seats


class _Call:
    """One call's seat, which is given back exactly once."""

    def __init__(self, threads: Threads, seats: asyncio.Semaphore) -> None:
        self.started = False
        self._threads = threads
        self._seats: asyncio.Semaphore | None = seats
        self._abandoned = False
        threads.busy += 1

    def leave(self) -> None:
        """The call is over: give its seat back."""
        seats, self._seats = self._seats, None
        if seats is not None:
            self._threads.busy -= 1
            self._threads.abandoned -= self._abandoned
            seats.release()

    def abandon(self) -> None:
        """The caller is gone; if the call is not over, it runs on for nobody."""
        if self._seats is not None:
            self._abandoned = True
            self._threads.abandoned += 1
