"""Blocking calls in threads that nobody can cancel."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any


class Threads:
    """A fixed number of seats for blocking calls.

    A thread cannot be stopped: a call that its caller gave up keeps its seat until the vendor
    really returns. So a hung vendor costs at most its seats, never a thread a request. The
    threads are daemons: a hung one does not keep the process from ending, as a pool's would.
    """

    def __init__(self, seats: int) -> None:
        self.seats = seats
        self._free = asyncio.Semaphore(seats)
        self.busy = 0
        """Calls that are running, including those whose caller has left."""
        self.abandoned = 0
        """Calls that are still running although their caller has left."""

    @property
    def stuck(self) -> bool:
        """True if every seat is held by a call that nobody waits for any more."""
        return self.abandoned >= self.seats

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """What ``function(argument)`` returns in a thread; waits for a seat first."""
        await self._free.acquire()
        self.busy += 1
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Any] = loop.create_future()

        def over(result: Any, error: BaseException | None) -> None:
            self.busy -= 1
            self._free.release()
            if outcome.cancelled():
                self.abandoned -= 1
            elif error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(result)

        def work() -> None:
            result, error = _outcome(function, argument)
            with contextlib.suppress(RuntimeError):  # the loop may be gone by now
                loop.call_soon_threadsafe(over, result, error)

        context = contextvars.copy_context()
        try:
            threading.Thread(target=context.run, args=(work,), daemon=True).start()
        except RuntimeError:  # the system gives no more threads just now
            self.busy -= 1
            self._free.release()
            raise
        try:
            return await outcome
        except asyncio.CancelledError:
            # The vendor's own CancelledError comes as a result; here the caller has left.
            self.abandoned += outcome.cancelled()
            raise


def _outcome(function: Callable[[Any], Any], argument: Any) -> tuple[Any, BaseException | None]:
    """What a call returned or raised; a future cannot carry StopIteration as it is."""
    try:
        return function(argument), None
    except StopIteration as error:
        return None, RuntimeError(f"StopIteration: {error}")
    except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
        return None, error
