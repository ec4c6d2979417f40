"""What processes that share a store tell one another: this was cleared, forget it too."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from uuid import uuid4

import orjson

from argus_core.caching.level import PATIENT_BUDGET, Level

log = logging.getLogger(__name__)

CHANNEL = "news"
_AGAIN = 1.0
"""Seconds before listening is tried again after the tier's own loop ended."""

Cleared = Callable[[Sequence[str], str | None], None]
"""Takes the prefixes that went elsewhere, and the label of the only level meant, if one is."""


class News:
    """Sends and hears messages over every tier that can carry them."""

    def __init__(
        self, levels: Iterable[Level], cleared: Cleared, missed: Callable[[], None]
    ) -> None:
        self._levels = [level for level in levels if level.cache.speaks()]
        self._cleared = cleared
        self._missed = missed
        self._me = uuid4().hex
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._listen(level)) for level in self._levels]

    async def tell(self, prefixes: Sequence[str], label: str | None) -> None:
        """Tell the others that what stands under these prefixes was cleared here."""
        message = orjson.dumps({"from": self._me, "prefixes": list(prefixes), "label": label})
        for level in self._levels:
            await level.tried(functools.partial(_sent, level, message), PATIENT_BUDGET)

    async def aclose(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def _listen(self, level: Level) -> None:
        while True:
            try:
                await level.cache.listen(CHANNEL, self._heard)
            except Exception as error:  # noqa: BLE001 - without news entries live out their life
                log.debug("no news over cache %s: %s", level.name, type(error).__name__)
            await asyncio.sleep(_AGAIN)

    def _heard(self, message: bytes | None) -> None:
        if message is None:
            self._missed()
            return
        try:
            told = orjson.loads(message)
            mine, label = told["from"] == self._me, told["label"]
            prefixes = [str(prefix) for prefix in told["prefixes"]]
        except (ValueError, KeyError, TypeError):
            log.warning("a message of another process cannot be read")
            return
        if not mine:
            self._cleared(prefixes, label)


async def _sent(level: Level, message: bytes) -> None:
    await level.cache.publish(CHANNEL, (message,))
