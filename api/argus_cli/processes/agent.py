"""The process that holds every session: sources, tiers, archive, pools, state."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from starlette.types import ASGIApp

from argus_api import create_app
from argus_api.vouched import Guarded
from argus_cli.processes.line import Line
from argus_cli.processes.sockets import opened
from argus_cli.processes.words import FORGET, RELOAD, RELOADED, Message, Start
from argus_cli.reloading import Reloads
from argus_core.config import Config
from argus_core.gateway import Gateway


class Agent:
    """The operator's gateway behind a door that only edges of the same supervisor can open."""

    def __init__(self, config: Config, start: Start, line: Line) -> None:
        self.gateway = Gateway(config, offline=start.offline)
        self.app = create_app(self.gateway)
        self.served: ASGIApp = Guarded(self.app, start.door.key)
        self._door = start.door
        self._line = line
        self._listener: socket.socket | None = None
        self._reloads = Reloads(self.gateway, lambda: line.tell({"is": RELOADED}))
        self.gateway.cache.on_news(self._cleared)

    def listener(self) -> socket.socket:
        """The private socket."""
        self._listener = opened(self._door)
        return self._listener

    def address(self) -> Message:
        """The port, where the door is one."""
        if self._door.socket is not None or self._listener is None:
            return {"port": 0}
        return {"port": self._listener.getsockname()[1]}

    def heard(self, message: Message) -> None:
        """Read the configuration again when told to."""
        if message["is"] == RELOAD and self.app.state.lifecycle.reason is None:
            self._reloads.begin()

    async def aclose(self) -> None:
        """Wait for a reload that has begun."""
        await self._reloads.aclose()

    def _cleared(self, prefixes: Sequence[str]) -> None:
        """Another machine has cleared a tier that is shared with it: the edges forget it too."""
        self._line.tell({"is": FORGET, "prefixes": list(prefixes)})
