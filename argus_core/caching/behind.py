"""Writing to slow tiers behind the answers' back."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Sequence

from argus_core.cache_tables import Priority
from argus_core.caching.level import PATIENT_BUDGET, Level

MOST = 20_000
"""Entries that may wait; beyond, what matters least is not written."""
_BATCH = 500
_STEP = 1.1
"""Lives are rounded up to powers of this, so that entries of about the same life go together."""


class Behind:
    """Entries on their way to one tier; a newer value of a key replaces the one that waits."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._waiting: dict[str, tuple[bytes, float]] = {}
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: str, data: bytes, ttl: float, priority: Priority) -> None:
        """Have the entry written soon, for at least ``ttl`` seconds."""
        if len(self._waiting) >= MOST and key not in self._waiting:
            if priority != "high":
                return
            self._waiting.pop(next(iter(self._waiting)))
        self._waiting[key] = (data, _rounded(ttl))
        self._some.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def forget(self, prefixes: Sequence[str]) -> None:
        """Drop what waits under keys that start so; none of it is on its way any more."""
        for key in [key for key in self._waiting if key.startswith(tuple(prefixes))]:
            del self._waiting[key]
        async with self._writing:
            return

    async def flush(self) -> None:
        """Write what waits; what the tier does not take is lost."""
        while self._waiting:
            await self._write()

    async def aclose(self) -> None:
        """Write what waits and stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.flush()

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            await self.flush()

    async def _write(self) -> None:
        """Write the batch of those that live as long as the one that waits longest."""
        _, life = self._waiting[next(iter(self._waiting))]
        batch: dict[str, bytes] = {}
        for key, (data, ttl) in self._waiting.items():
            if ttl == life:
                batch[key] = data
                if len(batch) == _BATCH:
                    break
        for key in batch:
            del self._waiting[key]
        try:
            async with self._writing:
                await self._level.write(batch, life, PATIENT_BUDGET)
        except asyncio.CancelledError:
            # Closing: what was on its way goes first among what is written at the end.
            again = {key: (data, life) for key, data in batch.items()}
            self._waiting = {**again, **self._waiting}
            raise


def _rounded(ttl: float) -> float:
    return float(_STEP ** math.ceil(math.log(max(ttl, 0.001), _STEP)))
