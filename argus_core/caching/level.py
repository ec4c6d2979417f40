"""One tier in its place: its time limit, its rest after failures, its figures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Literal, TypeVar

from argus_core.clock import Clock
from argus_core.errors import CacheError
from argus_core.extend.cache import Cache
from argus_core.telemetry.redact import Redactor

log = logging.getLogger(__name__)

BUDGET = 0.08
"""Seconds that a tier may take on the way to an answer; a slower one counts as a miss."""
PATIENT_BUDGET = 1.0
"""Seconds for a write that no answer waits for."""
LONG_BUDGET = 10.0
"""Seconds for what an operator asked for: clearing, counting."""
PATIENCE = 2
"""Failures in a row after which a tier is left alone for a while."""
FIRST_REST, LONGEST_REST = 0.5, 10.0
"""Seconds of the first rest, doubled each time, and of the longest."""

_LAG = 0.02
"""Seconds by which a timer comes late in a process that is busy."""

T = TypeVar("T")

_FIT = Redactor().foreign


class Level:
    """A cache at its place in the order in which the tiers are asked.

    A tier that fails or is slow costs hits, never an answer: after some failures in a row it
    rests, then one call tries it, and its success ends the rest. ``fit`` makes what the tier says
    of its failures fit to be shown to operators.
    """

    def __init__(
        self,
        number: int,
        cache: Cache,
        plugin: str,
        clock: Clock,
        fit: Callable[[str], str] = _FIT,
    ) -> None:
        self.label = f"L{number}"
        self.cache = cache
        self.plugin = plugin
        self.lookups = 0
        self.hits = 0
        self.stale_found = 0
        self.failures = 0
        self.reason: str | None = None
        self._clock = clock
        self._fit = fit
        self.instant = type(cache).instant
        self._in_a_row = 0
        self._rests_until = 0.0
        self._trying = False

    @property
    def name(self) -> str:
        """The tier's name in the configuration."""
        return self.cache.name

    def state(self) -> Literal["up", "resting"]:
        """Whether the tier is asked as usual."""
        return "up" if self._in_a_row < PATIENCE else "resting"

    @property
    def shaky(self) -> bool:
        """True if the last call failed."""
        return self._in_a_row > 0

    async def read(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """What the tier holds of these keys; nothing if it fails, is late or rests."""
        wanted = list(keys)
        return await self.tried(lambda: self.cache.get_many(wanted)) or {}

    def count(self, lookups: int, hits: int, stale_found: int) -> None:
        """Count keys that a consumer asked for: how many, and what was fresh or too old of them."""
        self.lookups += lookups
        self.hits += hits
        self.stale_found += stale_found

    async def write(self, values: Mapping[str, bytes], ttl: float, budget: float = BUDGET) -> bool:
        """True if the tier took the values."""
        done = await self.tried(lambda: _done(self.cache.set_many(values, ttl)), budget)
        return done is not None

    async def tried(
        self, call: Callable[[], Awaitable[T]], budget: float = BUDGET, *, resting: bool = False
    ) -> T | None:
        """What ``call`` gives; None if it failed, took longer, or if the tier rests.

        With ``resting`` it is tried all the same: an operator asked for it. A success that took
        longer than a reading may does not end a rest: who waits for an answer would still wait in
        vain.
        """
        tries = self._in_a_row >= PATIENCE
        first = not self._trying
        if tries:
            rests = self._trying or self._clock.monotonic() < self._rests_until
            if rests and not resting:
                return None
            self._trying = True
        try:
            if self.instant:  # a timer costs more than the whole call
                result = await call()
                quick = True
            else:
                began = self._clock.monotonic()
                async with _within(budget):
                    result = await call()
                quick = self._clock.monotonic() - began <= BUDGET
        except BaseException as error:
            if _is_askers(error):
                raise
            self._failed(error, tries=tries)
            return None
        finally:
            if tries and first:
                self._trying = False
        if self._in_a_row and quick:
            self._recovered()
        return result

    def _failed(self, error: BaseException, *, tries: bool) -> None:
        self.failures += 1
        if self._in_a_row >= PATIENCE and not tries:
            return  # it began before the rest did
        self._in_a_row += 1
        late = isinstance(error, TimeoutError)
        self.reason = "no answer in time" if late else self._said(error)
        if self._in_a_row < PATIENCE:
            return
        rest = min(LONGEST_REST, FIRST_REST * 2 ** min(self._in_a_row - PATIENCE, 10))
        self._rests_until = self._clock.monotonic() + rest
        if self._in_a_row == PATIENCE:
            log.warning("cache %s rests: %s", self.name, self.reason)

    def _said(self, error: BaseException) -> str:
        """What the tier says of itself, fit to be shown; of any other error only its type is."""
        return self._fit(error.message) if isinstance(error, CacheError) else type(error).__name__

    def _recovered(self) -> None:
        if self._in_a_row >= PATIENCE:
            log.warning("cache %s answers again", self.name)
        self._in_a_row = 0
        self.reason = None


def _is_askers(error: BaseException) -> bool:
    """True if it is none of the tier's doing: the asker was cancelled, or the process ends.

    A tier's own libraries may well raise a cancellation that nobody asked for.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)


@asynccontextmanager
async def _within(budget: float) -> AsyncGenerator[None]:
    """Let the body run for ``budget`` seconds, then cancel it and raise ``TimeoutError``.

    A timer that itself comes late says that this process is busy, not that the tier is slow: the
    answer may lie in the socket unread. Then the budget begins anew. For the same reason the socket
    is looked at once more when the time is over: uvloop sees to its timers first.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        timers: list[asyncio.Handle] = []

        def begin() -> None:
            due = loop.time() + budget
            timers[:] = [loop.call_at(due, over, due)]

        def over(due: float) -> None:
            if loop.time() - due > _LAG:
                begin()
            else:
                timers[:] = [loop.call_soon(look)]

        def look() -> None:  # the callbacks of this turn; the socket is next
            timers[:] = [loop.call_soon(end)]

        def end() -> None:
            limit.reschedule(loop.time())

        begin()
        try:
            yield
        finally:
            timers[0].cancel()


async def _done(work: Awaitable[None]) -> bool:
    await work
    return True
