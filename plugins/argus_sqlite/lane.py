"""One thread that does one thing at a time, for calls that block."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argus_core import CacheError

log = logging.getLogger(__name__)
T = TypeVar("T")

MOST_WAITING = 1000
"""Calls that may wait; a lane that is further behind only delays whoever joins it."""


@dataclass(slots=True)
class _Call:
    """What is being done; ``dropped`` once nobody wants its result."""

    droppable: bool
    dropped: bool = False


class Lane:
    """Runs functions in a thread of its own, in the order of asking.

    A call whose caller has gone is left out if it has not begun. One that has begun goes on,
    unless it is droppable: it can then look at :meth:`dropped` and end early.
    """

    def __init__(self, name: str, patience: float) -> None:
        self._name = name
        self._patience = patience
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"cache-{name}")
        self._waiting = 0
        self._current = _Call(droppable=False)
        self._began: float | None = None

    async def run(self, work: Callable[[], T], *, droppable: bool = False) -> T:
        """What ``work`` returns or raises; :class:`CacheError` if it takes too long to."""
        began = self._began
        if began is not None and time.monotonic() - began > self._patience:
            raise CacheError(f"cache {self._name} is still at a call that others gave up")
        if self._waiting >= MOST_WAITING:
            raise CacheError(f"cache {self._name} is {self._waiting} calls behind")
        call = _Call(droppable)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, self._do, call, work)
        future.add_done_callback(_looked_at)
        self._waiting += 1
        try:
            done, _ = await asyncio.wait({future}, timeout=self._patience)
            if not done:
                raise CacheError(f"cache {self._name}: no answer within {self._patience:g} s")
            return future.result()
        finally:
            self._waiting -= 1
            call.dropped = True
            future.cancel()  # what has begun goes on, what has not never does

    def dropped(self) -> bool:
        """True if nobody wants the result of what runs now, and it may be given up."""
        return self._current.droppable and self._current.dropped

    async def close(self, last: Callable[[], None]) -> None:
        """Take no more calls; return when ``last`` has been run after all others.

        It is run also if nobody waits for it any more. The thread then ends.
        """
        future = asyncio.wrap_future(self._executor.submit(last))
        future.add_done_callback(_looked_at)
        self._executor.shutdown(wait=False)
        done, _ = await asyncio.wait({future}, timeout=self._patience)
        if not done:
            log.warning("cache %s closes later: its file does not answer", self._name)

    def _do(self, call: _Call, work: Callable[[], T]) -> T:
        self._current, self._began = call, time.monotonic()
        try:
            return work()
        finally:
            self._began = None


def _looked_at(future: asyncio.Future[T]) -> None:
    """Take note of an error, which asyncio would otherwise log if its caller has gone."""
    if not future.cancelled():
        future.exception()
