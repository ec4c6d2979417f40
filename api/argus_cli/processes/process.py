"""One process as its supervisor sees it."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

from argus_cli.processes.sockets import given
from argus_cli.processes.words import EDGE, FAILED, READY, Message, Start, decoded, encoded
from argus_core.errors import ConfigError

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of a message; what an edge tells of its caches is far less."""

Heard = Callable[["Process", Message], None]


class Process:
    """A running agent or edge. ``heard`` gets what it says, other than how its start went."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, heard: Heard) -> None:
        self.name = name
        self.pid = process.pid
        self.address: Message = {}
        self._process = process
        self._heard = heard
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    @classmethod
    async def begun(cls, start: Start, listener: socket.socket | None, heard: Heard) -> Process:
        """A new process that was told what to be."""
        shared = () if listener is None or sys.platform == "win32" else (listener.fileno(),)
        flags = 0
        if sys.platform == "win32":  # its signals are not ours to pass on, nor Ctrl-C to hear
            flags = subprocess.CREATE_NEW_PROCESS_GROUP
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a module in the working directory must not stand in for ours
            "-m",
            "argus_cli.processes",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(start.role),
            pass_fds=shared,
            creationflags=flags,
            limit=LONGEST_LINE,
        )
        made = cls(start.name, process, heard)
        if listener is not None:
            start = replace(start, listener=given(listener, process.pid))
        made.tell(start.message())
        return made

    async def ready(self) -> None:
        """Return when it answers; :class:`ConfigError` says why it cannot.

        A process that died without a word raises :class:`ConnectionError`.
        """
        await asyncio.shield(self._begun)

    async def ended(self) -> int:
        """Its exit code, once it is gone and everything that it said was heard."""
        await asyncio.wait([self._listening])
        return await self._process.wait()

    async def ended_within(self, seconds: float) -> None:
        """Return when it is gone; one that is still there after so many seconds is killed."""
        try:
            await asyncio.wait_for(self.ended(), seconds)
        except TimeoutError:
            self.kill()
            await self.ended()

    @property
    def running(self) -> bool:
        """True until it is gone."""
        return self._process.returncode is None

    def tell(self, message: Message) -> None:
        """Send it a message; one that is gone hears nothing."""
        pipe = self._process.stdin
        if pipe is not None and not pipe.is_closing():
            pipe.write(encoded(message))

    def kill(self) -> None:
        """End it at once."""
        if self.running:
            self._process.kill()

    async def _listen(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101 - it was asked for above
        try:
            while line := await pipe.readline():
                self._take(decoded(line))
        finally:
            if not self._begun.done():
                self._begun.set_exception(ConnectionError(f"{self.name} died while it began"))
                self._begun.exception()  # nobody may be waiting

    def _take(self, message: Message) -> None:
        what = message["is"]
        if what == READY:
            self.address = message
            if not self._begun.done():
                self._begun.set_result(None)
        elif what == FAILED:
            error = ConfigError(message["message"], where=message["where"], fix=message["fix"])
            self._begun.set_exception(error)
            self._begun.exception()
        else:
            self._heard(self, message)


def _environment(role: str) -> dict[str, str]:
    """This process' environment, with the same imports.

    Edges share the cores, and their answers are small: a second thread for polars only waits busily
    for work, a tenth of an edge's time where it answers histories. Whoever sets a number is heard.
    """
    path = os.pathsep.join(os.path.abspath(entry or os.curdir) for entry in sys.path)  # noqa: PTH100
    threads = {"POLARS_MAX_THREADS": "1"} if role == EDGE else {}
    return {**threads, **os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"}
