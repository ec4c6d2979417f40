"""Single flight: a key that is being fetched is never fetched a second time meanwhile."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any, Generic, TypeVar

OVERDUE = 1.0
"""Seconds past its leader's time after which a flight is given up for lost and not joined."""

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class Flights(Generic[K, R]):
    """Fetches under way, by key. One flight may carry many keys; a key is in one at most.

    A flight is a task of its own: a waiter who leaves harms nobody. Its failure is everybody's
    who waits, and is forgotten with it, so the next asker tries again. What the context says of
    the request (who asks, how urgently, see ``current_request``) is what it says of the first one.
    """

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[R]] = {}
        self._ends: dict[asyncio.Task[R], float] = {}

    def __len__(self) -> int:
        return len(self._ends)

    async def share(
        self,
        keys: Sequence[K],
        work: Callable[[tuple[K, ...]], Coroutine[Any, Any, R]],
        timeout: float,  # noqa: ASYNC109 - waiting is shared, so a cancel scope would not do
    ) -> dict[K, asyncio.Task[R]]:
        """The finished flight of each key whose flight finished within ``timeout`` seconds.

        Keys that nobody fetches yet start one new flight together: ``work(new_keys)``.
        """
        flights = self.begin(keys, work, timeout)
        _done, late = await asyncio.wait(set(flights.values()), timeout=timeout)
        return {key: task for key, task in flights.items() if task not in late}

    def begin(
        self,
        keys: Sequence[K],
        work: Callable[[tuple[K, ...]], Coroutine[Any, Any, R]],
        seconds: float,
    ) -> dict[K, asyncio.Task[R]]:
        """The flight of each key; those that nobody fetches yet start one together."""
        now = asyncio.get_running_loop().time()
        flights = {
            key: self._tasks[key]
            for key in keys
            if key in self._tasks and self._ends[self._tasks[key]] > now
        }
        new = tuple(key for key in keys if key not in flights)
        if new:
            task = asyncio.ensure_future(work(new))
            self._ends[task] = now + seconds + OVERDUE
            for key in new:
                self._tasks[key] = flights[key] = task
            task.add_done_callback(functools.partial(self._landed, new))
        return flights

    def _landed(self, keys: tuple[K, ...], task: asyncio.Task[R]) -> None:
        # Its failure is looked at, so that a flight which everybody left is not reported as lost.
        del self._ends[task]
        for key in keys:
            if self._tasks.get(key) is task:
                del self._tasks[key]
        if not task.cancelled():
            task.exception()

    async def aclose(self) -> None:
        """Cancel what is still under way."""
        tasks = set(self._ends)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
