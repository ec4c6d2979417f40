"""What SIGHUP does: the configuration is read anew while requests go on, and the log tells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from argus_core.errors import ArgusError
from argus_core.gateway import Gateway

log = logging.getLogger("argus.reload")


class Reloads:
    """The reloads of one gateway, one after another. ``applied`` is called after each good one."""

    def __init__(self, gateway: Gateway, applied: Callable[[], None] | None = None) -> None:
        self._gateway = gateway
        self._applied = applied
        self._last: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Read the file anew once those that were asked for earlier are done."""
        self._last = asyncio.get_running_loop().create_task(self._after(self._last))

    async def aclose(self) -> None:
        """Return when none is under way."""
        if self._last is not None:
            await self._last

    async def _after(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        try:
            await self._gateway.reload_from_file()
        except ArgusError as error:
            log.error("the configuration is refused, the old one serves on: %s", error)  # noqa: TRY400
            return
        if self._applied is not None:
            self._applied()
