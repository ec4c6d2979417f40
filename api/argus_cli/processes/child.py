"""An agent or an edge, from its first line to its clean end."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from argus_api.stream import SERVER
from argus_cli.descriptors import raise_limit
from argus_cli.gentle import GentleServer
from argus_cli.logs import configuration
from argus_cli.processes.agent import Agent
from argus_cli.processes.edge import Edge
from argus_cli.processes.line import Line
from argus_cli.processes.sockets import BACKLOG
from argus_cli.processes.words import AGENT, DRAIN, FAILED, FORCE, READY, Message, Start
from argus_core.config import Config
from argus_core.errors import ArgusError, ConfigError
from argus_core.gateway import Gateway

_IN_VAIN = 3
"""The exit code of a process that could not start and has said why."""


class Part(Protocol):
    """What an agent and an edge are to this module."""

    gateway: Gateway
    app: FastAPI

    @property
    def served(self) -> ASGIApp:
        """The application with whatever stands before it."""
        ...

    def listener(self) -> socket.socket:
        """Where it listens."""
        ...

    def address(self) -> Message:
        """What the supervisor should know of where it listens."""
        ...

    def heard(self, message: Message) -> None:
        """Do what the supervisor says, other than to end."""
        ...

    async def aclose(self) -> None:
        """Release what is not the gateway's."""
        ...


def main() -> None:
    """Serve until the supervisor says to end, or is gone."""
    line = Line.taken_over()
    start = Start.of(line.first())
    try:
        asked = Config.load(Path(start.config), os.environ, text=start.text)
        config = asked.with_server(host=start.host, port=start.port)
        part: Part = (Agent if start.role == AGENT else Edge)(config, start, line)
        _run(part, start, line)
    except ConfigError as error:
        told = {"message": error.message, "where": error.where, "fix": error.fix}
        line.tell({"is": FAILED, **told})
        sys.exit(_IN_VAIN)
    except ArgusError as error:
        line.tell({"is": FAILED, "message": error.message, "where": "", "fix": ""})
        sys.exit(_IN_VAIN)


def _run(part: Part, start: Start, line: Line) -> None:
    raise_limit()
    table = part.gateway.config.server
    config = uvicorn.Config(
        part.served,
        lifespan="off",
        server_header=False,
        access_log=start.access_log,
        timeout_keep_alive=5 if start.role != AGENT else 75,
        **SERVER,
        # Edges share their socket: each takes one connection a turn, so that they share these too.
        backlog=1 if sys.platform == "win32" and start.role != AGENT else BACKLOG,
        # On Windows a shared socket cannot be in two completion ports; uvicorn's way to ask for a
        # loop without them is to speak of several workers.
        workers=1 if start.role == AGENT else 2,
        log_config=configuration(
            part.gateway.redactor, access_log=start.access_log, process=start.name
        ),
    )
    server = GentleServer(
        config,
        part.app.state.lifecycle,
        lambda: line.tell({"is": READY, **part.address()}),
        # The agent is told last, when nobody can ask it any more.
        drain_wait=0.0 if start.role == AGENT else table.drain_wait,
        drain_seconds=table.drain_seconds,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(part, server, line))


async def _serve(part: Part, server: GentleServer, line: Line) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in a task
    line.listen(_ears(part, server, task.cancel))
    try:
        async with part.app.router.lifespan_context(part.app):
            await server.serve(sockets=[part.listener()])
    except asyncio.CancelledError:
        return  # told to end while still opening
    finally:
        await part.aclose()


def _ears(part: Part, server: GentleServer, cancel: Callable[[], Any]) -> Callable[[Message], None]:
    """What a message of the supervisor does."""

    def heard(message: Message) -> None:
        what = message["is"]
        if what not in (DRAIN, FORCE):
            part.heard(message)
        elif not server.started:
            cancel()
        elif what == FORCE:
            server.force()
        elif not part.app.state.lifecycle.draining:
            server.drain()

    return heard
