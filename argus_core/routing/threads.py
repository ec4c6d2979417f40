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
        self.busy = 0
        """Calls that are running, including those whose caller has left."""

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """What ``function(argument)`` returns in a thread; waits for a seat first."""
        await self._seats.acquire()
        loop = asyncio.get_running_loop()
        call = _Call(self)

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
            if not call.started:  # cancelled before a thread took it up
                call.leave()

    def sit(self) -> None:
        """Note that a call took a seat."""
        self.busy += 1

    def rise(self) -> None:
        """Note that a call left its seat."""
        self.busy -= 1
        self._seats.release()


class _Call:
    """One call's seat, which is given back exactly once."""

    def __init__(self, threads: Threads) -> None:
        self.started = False
        self._threads: Threads | None = threads
        threads.sit()

    def leave(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.rise()
