"""One place among the processes: whoever stands there is started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from time import monotonic

from argus_cli.processes.process import Heard, Process
from argus_cli.processes.words import DRAIN, FORCE, Message, Start
from argus_core.errors import ConfigError

log = logging.getLogger("argus.processes")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a process that died is started again; doubled for each early death."""
LONG_LIFE = 60.0
"""Seconds after which a death counts as the first again."""


class Place:
    """Where an agent or an edge stands. ``start`` is asked anew for each process."""

    def __init__(
        self,
        start: Callable[[], Start],
        heard: Heard,
        *,
        listener: socket.socket | None = None,
        began: Callable[[Process], None],
    ) -> None:
        self.name = start().name
        self.process: Process | None = None
        self.restarts = 0
        self._start = start
        self._heard = heard
        self._listener = listener
        self._began = began
        self._leaving: set[Process] = set()
        self._ending = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Return when a process answers here, and from then on see to it that one does.

        Raises :class:`ConfigError` if it cannot start.
        """
        try:
            await self._fill()
        except ConnectionError as error:
            raise ConfigError(str(error), where=self.name, fix="its log stands above") from None
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def replace(self, grace: float) -> None:
        """Return when a new process stands here and the old one has drained.

        Where the new one cannot start, the old one stays, and the error is raised.
        """
        old = self.process
        await self._fill()
        if old is not None:
            self._leaving.add(old)
            old.tell({"is": DRAIN})
            await old.ended_within(grace)
            self._leaving.discard(old)

    def tell(self, message: Message) -> None:
        """Send a message to whoever stands here."""
        if self.process is not None:
            self.process.tell(message)

    def give_up(self) -> None:
        """Start nobody again."""
        self._ending.set()

    async def end(self, grace: float) -> None:
        """Drain whoever stands here; after ``grace`` seconds it is killed."""
        self.give_up()
        if self.process is not None and self.process.running:
            self.process.tell({"is": DRAIN})
            self._leaving.add(self.process)
        await asyncio.gather(*(process.ended_within(grace) for process in self._leaving))
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping

    def force(self) -> None:
        """End whoever stands here at once."""
        self.give_up()
        for process in self._here():
            process.tell({"is": FORCE})

    def kill(self) -> None:
        """End whoever stands here without a word."""
        for process in self._here():
            process.kill()

    def _here(self) -> set[Process]:
        """Who stands here, and who is on the way out."""
        return self._leaving if self.process is None else {*self._leaving, self.process}

    async def _fill(self) -> None:
        """Return when a new process answers; one that does not is gone again."""
        process = await Process.begun(self._start(), self._listener, self._heard)
        before, self.process = self.process, process
        try:
            await process.ready()
        except BaseException:
            process.kill()
            if before is not None and before.running:
                self.process = before
            raise
        self._began(process)

    async def _keep(self) -> None:
        """Start another process whenever the one that stands here is gone."""
        pause = FIRST_PAUSE
        while not self._ending.is_set():
            process = self.process
            assert process is not None  # noqa: S101 - there was one to begin with
            since = monotonic()
            code = await process.ended()
            if self._ending.is_set():
                return
            if process is not self.process:
                continue  # it was replaced
            if monotonic() - since > LONG_LIFE:
                pause = FIRST_PAUSE
            log.warning(
                "%s (pid %d) ended with %d; another one starts in %g s",
                self.name,
                process.pid,
                code,
                pause,
            )
            pause = await self._again(pause)

    async def _again(self, pause: float) -> float:
        """Fill the place after a pause, however often it takes; how long to pause next time."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause)
                return pause
            pause = min(pause * 2, LONGEST_PAUSE)
            self.restarts += 1
            try:
                await self._fill()
            except (ConfigError, ConnectionError, OSError) as error:
                log.error("%s cannot start: %s; again in %g s", self.name, error, pause)  # noqa: TRY400
            else:
                return pause
