"""A process that stands next to the consumers: it answers what it has kept and asks the agent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from argus_api import create_app
from argus_api.inside import answered
from argus_api.passing import PATIENCE, Elsewhere
from argus_api.vouched import KEY
from argus_cli.processes.derived import edge_config
from argus_cli.processes.line import Line
from argus_cli.processes.sockets import taken
from argus_cli.processes.words import (
    DO,
    DONE,
    EVERYWHERE,
    FORGET,
    RELOADED,
    REPLIES,
    Door,
    Message,
    Start,
)
from argus_core.config import Config
from argus_core.gateway import Gateway

WAIT = 5.0
"""Seconds within which the edges say what they did; one that is silent by then did not."""


class Edge:
    """A gateway whose only source is the agent, in front of everything else that the agent says."""

    def __init__(self, config: Config, start: Start, line: Line) -> None:
        private = Path(start.private)
        self.gateway = Gateway(edge_config(config, start.door, private, offline=start.offline))
        self.app = create_app(self.gateway)
        self.served: ASGIApp = self.app
        self._shared = start.listener
        self._agent = _client(start.door)
        self._all = Everywhere(line)
        self._line = line
        self._chores: set[asyncio.Task[None]] = set()
        self.app.router.routes.insert(0, Elsewhere(self._agent, self._all))

    def listener(self) -> socket.socket:
        """The socket that all edges share."""
        assert self._shared is not None  # noqa: S101 - the supervisor gives every edge one
        return taken(self._shared)

    def address(self) -> Message:
        """Nothing that the supervisor did not know."""
        return {}

    def heard(self, message: Message) -> None:
        """Answer for all edges, or take what they answered."""
        if message["is"] == REPLIES:
            self._all.replied(message)
        elif message["is"] == DO:
            self._chore(self._do(message))
        elif message["is"] == FORGET:
            self._chore(self.gateway.cache.forget(message["prefixes"]))

    async def aclose(self) -> None:
        """End what is under way and the connections to the agent."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await self._agent.aclose()

    def _chore(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _do(self, message: Message) -> None:
        body = await answered(self.app, message["method"], message["path"], message["query"])
        self._line.tell({"is": DONE, "id": message["id"], "body": body})


class Everywhere:
    """What this edge asks of all edges, itself among them, by way of the supervisor."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._count = 0
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}

    async def answers(self, method: str, path: str, query: str) -> Mapping[str, Any]:
        """What each edge answers, by its name; None for one that did not in time."""
        self._count += 1
        number = self._count
        reply: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        request = {"method": method, "path": path, "query": query}
        try:
            self._line.tell({"is": EVERYWHERE, "id": number, **request})
            return await asyncio.wait_for(reply, WAIT + 1.0)
        except TimeoutError:
            return {}
        finally:
            del self._waiting[number]

    def replied(self, message: Message) -> None:
        """Hand the replies to whoever waits for them."""
        reply = self._waiting.get(message["id"])
        if reply is not None and not reply.done():
            reply.set_result(message["replies"])

    def reloaded(self) -> None:
        """Tell the supervisor that the agent has read another configuration."""
        self._line.tell({"is": RELOADED})


def _client(door: Door) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(uds=door.socket)
    return httpx.AsyncClient(
        transport=transport,
        base_url=door.url,
        headers={KEY: door.key},
        timeout=PATIENCE,
        trust_env=False,
    )
