"""Opening sources and caches, and closing what was opened, in reverse order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from argus_core.config import Config
from argus_core.errors import ConfigError, PluginError
from argus_core.extend.cache import Cache
from argus_core.extend.source import Source
from argus_core.routing.node import Node
from argus_core.telemetry.mistakes import of_table
from argus_core.telemetry.redact import Redactor

log = logging.getLogger(__name__)

OFFLINE = "this gateway is offline"
"""Why no source of an offline gateway is asked."""
OPENING = 60.0
"""Seconds that a source may take to open."""
MEND = "mend the cause, or set `required = false` to start without it"
"""What to do about a source that does not open and does not say so itself."""

Tell = Callable[[str, str, str], None]
"""Told of a source's name, what became of it, and why."""


class Opened:
    """What one gateway has open."""

    def __init__(self, redactor: Redactor, tell: Tell, *, offline: bool) -> None:
        self._redactor = redactor
        self._tell = tell
        self._offline = offline
        self._parts: list[Any] = []

    @property
    def parts(self) -> tuple[Any, ...]:
        """What is open, the first opened first."""
        return tuple(self._parts)

    async def open(self, cache: Cache, config: Config) -> None:
        """Open a cache; it is closed with the rest, also if this fails.

        A :class:`ConfigError` of its own is raised with its table.
        """
        self._parts.append(cache)
        try:
            await cache.open()
        except ConfigError as error:
            table = f"{config.where}, [caches.{cache.name}]"
            raise of_table(error, table, self._redactor) from None

    async def open_all(self, nodes: Iterable[Node], config: Config) -> None:
        """Open the sources of these nodes, all at once.

        One that fails is down from now on, unless it is required: then, once all have ended,
        :class:`PluginError` says why.
        """
        opening = [self._source(node, config) for node in nodes]
        ended = await asyncio.gather(*opening, return_exceptions=True)
        for failure in filter(None, ended):
            raise failure

    async def _source(self, node: Node, config: Config) -> None:
        if self._offline:
            node.down = OFFLINE
        if node.down is not None:
            return
        self._parts.append(node.source)
        try:
            async with asyncio.timeout(OPENING):
                await node.source.open()
        # Some vendors' SDKs end the process in a pinch.
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            # A source that failed to open says why in its own words, which may hold a secret.
            reason, fix = f"{type(error).__name__}: {error}", ""
            if isinstance(error, ConfigError):
                reason, fix = error.message, self._redactor.text(error.fix)
            reason = self._redactor.foreign(reason)
            if config.sources[node.name].required:
                raise PluginError(
                    f"source {node.name!r} cannot start: {reason}",
                    where=f"{config.where}, [sources.{node.name}]",
                    fix=fix or MEND,
                ) from None
            node.down, node.reopens = reason, True
            self._tell(node.name, "down", reason)

    async def close(self, parts: Iterable[Any]) -> None:
        """Close these of the open parts; what one raises keeps no other from being closed."""
        for part in parts:
            if part in self._parts:
                await _closed(part)
                # Only now: of what is cut short here, the end takes care.
                if part in self._parts:
                    self._parts.remove(part)

    async def aclose(self) -> None:
        """Close the sources, all at once since one that hangs takes its time, then the caches."""
        sources = [part for part in reversed(self._parts) if isinstance(part, Source)]
        self._parts = [part for part in self._parts if not isinstance(part, Source)]
        await asyncio.gather(*(_closed(source) for source in sources))
        while self._parts:
            await _closed(self._parts.pop())


async def _closed(part: Any) -> None:
    try:
        await part.close()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the others must still be closed
        log.warning("%s did not close: %s", part.name, type(error).__name__)
