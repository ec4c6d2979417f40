"""The parent of an agent and its edges: it binds the address, starts, watches and ends them."""

from __future__ import annotations

import asyncio
import functools
import logging
import logging.config
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import typer

from argus_cli.listening import CLOSING, LINGER, bound, url_of
from argus_cli.logs import configuration
from argus_cli.processes.derived import face
from argus_cli.processes.place import Place
from argus_cli.processes.process import Process
from argus_cli.processes.rounds import Rounds
from argus_cli.processes.sockets import place_for
from argus_cli.processes.words import (
    AGENT,
    DONE,
    EDGE,
    EVERYWHERE,
    FORGET,
    RELOAD,
    RELOADED,
    Door,
    Message,
    Start,
)
from argus_cli.signals import hanging_up, stopping
from argus_core.config import Config
from argus_core.errors import ConfigError

log = logging.getLogger("argus.processes")

SETTLING = 10.0
"""Seconds beyond the drain that a process may take to close its sources and caches."""


def supervise(config: Config, *, offline: bool = False, access_log: bool = False) -> None:
    """Serve with ``[server] workers`` edges until SIGINT or SIGTERM, then return.

    Raises :class:`ConfigError` if the address cannot be had or the agent cannot start.
    """
    log_config = configuration(logging.Filter(), access_log=False, process="supervisor")
    logging.config.dictConfig(log_config)
    private = tempfile.mkdtemp(prefix="argus-")  # 0700: only this user's processes get in
    try:
        with bound(config.server.host, config.server.port) as listener, asyncio.Runner() as runner:
            house = Supervisor(config, listener, private, offline=offline, access_log=access_log)
            runner.run(house.run())
    finally:
        shutil.rmtree(private, ignore_errors=True)


class Supervisor:
    """One agent, its edges, and what they tell one another."""

    def __init__(
        self,
        config: Config,
        listener: socket.socket,
        private: str,
        *,
        offline: bool,
        access_log: bool,
    ) -> None:
        self._path = config.path or Path(config.where)
        self._text = self._path.read_text(encoding="utf-8")
        self._config = config
        self._listener = listener
        self._private = private
        self._offline = offline
        self._access_log = access_log
        way = None if sys.platform == "win32" else place_for(private)
        self._door = Door(key=secrets.token_urlsafe(32), socket=way)
        agent = functools.partial(self._start, AGENT, AGENT)
        self._agent = Place(agent, self._heard, began=self._moved)
        self._edges = [self._edge(number) for number in range(1, config.server.workers + 1)]
        self._rounds = Rounds(self._edges)
        self._ending = asyncio.Event()
        self._rolling = asyncio.Lock()
        self._chores: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Return when everything that was started has ended."""
        loop = asyncio.get_running_loop()
        beginning = loop.create_task(self._begin())
        ending = loop.create_task(self._ending.wait())
        with stopping(self._stop), hanging_up(self._reload):
            try:
                await asyncio.wait([beginning, ending], return_when=asyncio.FIRST_COMPLETED)
                if beginning.done():
                    beginning.result()
                    await ending
            finally:
                beginning.cancel()
                ending.cancel()
                await self._end()
                await asyncio.gather(beginning, ending, return_exceptions=True)

    # -- life -----------------------------------------------------------------------------------

    async def _begin(self) -> None:
        await self._agent.begin()
        await asyncio.gather(*(edge.begin() for edge in self._edges))
        url = url_of(self._config.server.host, self._listener.getsockname()[1])
        typer.echo(f"Argus answers on {url} (documentation: {url}/docs)")
        sys.stdout.flush()

    async def _end(self) -> None:
        """The edges drain, then the agent: nobody is left who could ask it."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        self._listener.close()  # the edges hold it open as long as they accept
        server = self._config.server
        drained = server.drain_seconds + LINGER + CLOSING + SETTLING
        await asyncio.gather(*(edge.end(server.drain_wait + drained) for edge in self._edges))
        await self._agent.end(drained)

    def _stop(self) -> None:
        """End gently, and at once when told so again."""
        if not self._ending.is_set():
            self._ending.set()
            return
        for place in (*self._edges, self._agent):
            place.force()
        asyncio.get_running_loop().call_later(CLOSING + 1.0, self._kill)

    def _kill(self) -> None:
        for place in (*self._edges, self._agent):
            place.kill()

    def _edge(self, number: int) -> Place:
        name = f"{EDGE}-{number}"
        start = functools.partial(self._start, EDGE, name)
        return Place(start, self._heard, listener=self._listener, began=_announced)

    def _start(self, role: str, name: str) -> Start:
        return Start(
            role=role,
            name=name,
            config=str(self._path),
            text=self._text,
            host=self._config.server.host,
            port=self._listener.getsockname()[1],
            offline=self._offline,
            access_log=self._access_log,
            door=self._door,
            private=os.path.join(self._private, name),  # noqa: PTH118 - it goes into a message
        )

    def _moved(self, agent: Process) -> None:
        """The agent answers; edges that look for it elsewhere begin anew."""
        _announced(agent)
        port = agent.address["port"]
        known, self._door = (
            self._door.port,
            Door(key=self._door.key, socket=self._door.socket, port=port),
        )
        if known not in (0, port):
            self._chore(self._roll())

    # -- reload ---------------------------------------------------------------------------------

    def _reload(self) -> None:
        self._agent.tell({"is": RELOAD})

    async def _follow(self) -> None:
        """Let the edges begin anew where the new configuration changes their face."""
        before = face(self._config)
        try:
            text = await asyncio.to_thread(self._path.read_text, encoding="utf-8")
            config = Config.load(self._path, self._config.environ, text=text)
        except (OSError, ValueError, ConfigError) as error:  # edited once more, meanwhile
            log.error("the edges stay as they are: %s", error)  # noqa: TRY400
            return
        self._text = text
        self._config = config.with_server(**self._config.overrides)
        if face(self._config) != before:
            await self._roll()

    async def _roll(self) -> None:
        """Replace one edge after another; the others answer meanwhile."""
        server = self._config.server
        grace = server.drain_wait + server.drain_seconds + LINGER + CLOSING + SETTLING
        async with self._rolling:
            for edge in self._edges:
                try:
                    await edge.replace(grace)
                except (ConfigError, ConnectionError) as error:
                    log.error("%s stays as it is: %s", edge.name, error)  # noqa: TRY400
                    return

    # -- messages -------------------------------------------------------------------------------

    def _heard(self, process: Process, message: Message) -> None:
        what = message["is"]
        if what == RELOADED:
            self._chore(self._follow())
        elif what == EVERYWHERE:
            self._chore(self._rounds.ask(process, message))
        elif what == DONE:
            self._rounds.answered(process, message)
        elif what == FORGET:
            for edge in self._edges:
                edge.tell(message)

    def _chore(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


def _announced(process: Process) -> None:
    typer.echo(f"{process.name} answers (pid {process.pid})")
    sys.stdout.flush()
