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
"""Seconds before a tier is listened to again after its own loop ended, or told again."""

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
        self._untold: dict[str, dict[bytes, None]] = {level.label: {} for level in self._levels}
        self._late = {level.label: asyncio.Event() for level in self._levels}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to listen, and to repeat what nobody could be told."""
        loop = asyncio.get_running_loop()
        works = (work(level) for level in self._levels for work in (self._listen, self._repeat))
        self._tasks = [loop.create_task(work) for work in works]

    async def tell(self, prefixes: Sequence[str], label: str | None) -> dict[str, str]:
        """Tell the others that what stands under these prefixes was cleared here.

        Why that could not be, by level; they are told when the level answers again.
        """
        message = orjson.dumps({"from": self._me, "prefixes": list(prefixes), "label": label})
        reasons: dict[str, str] = {}
        for level in self._levels:
            if not await self._tell(level, (message,), resting=True):
                reasons[level.label] = level.reason or "it failed"
        return reasons

    async def aclose(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def _tell(self, level: Level, messages: Sequence[bytes], *, resting: bool) -> bool:
        """True if the level took these messages and all that waited; what it did not take waits."""
        waiting = self._untold[level.label]
        sending = tuple({**waiting, **dict.fromkeys(messages)})
        waiting.clear()
        sent: bool | None = None
        try:
            sent = await level.tried(
                functools.partial(_sent, level, sending), PATIENT_BUDGET, resting=resting
            )
        finally:
            if not sent:
                waiting.update(dict.fromkeys(sending))
                self._late[level.label].set()
        return bool(sent)

    async def _repeat(self, level: Level) -> None:
        late = self._late[level.label]
        while True:
            await late.wait()
            await asyncio.sleep(_AGAIN)
            late.clear()  # before: what cannot be told meanwhile sets it again
            await self._tell(level, (), resting=False)

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


async def _sent(level: Level, messages: Sequence[bytes]) -> bool:
    await level.cache.publish(CHANNEL, messages)
    return True
