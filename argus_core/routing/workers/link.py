"""One worker's process and the threads that listen to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import IO

from argus_core.routing.workers import spawn, wire
from argus_core.routing.workers.forms import UNREADABLE
from argus_core.routing.workers.protocol import DIE
from argus_core.routing.workers.signs import Signs
from argus_core.routing.workers.wire import Frame
from argus_core.routing.workers.words import Words

log = logging.getLogger(__name__)

LAST_WORDS = 0.5
"""Seconds that a worker has to say where its threads stand before it is killed."""
CHUNK = 65536


class Link:
    """A process, its three pipes and a thread for each of them.

    The threads own the pipes and close them. When the process has ended, by whatever cause, it
    was waited for, and :attr:`gone` completes with the reason.
    """

    def __init__(
        self, *, name: str, signs: Signs, words: Words, heard: Callable[[Frame], None]
    ) -> None:
        self._signs = signs
        self._words = words
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[str] = self._loop.create_future()
        self._reason: str | None = None
        self._ending = threading.Lock()
        self._reaped = False
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process = spawn.spawned()
        self._threads = [
            threading.Thread(target=run, name=f"worker {name} {word}", daemon=True)
            for run, word in ((self._tell, "writes"), (self._hear, "says"), (self._reads, "reads"))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def send(self, frame: Frame) -> None:
        """Hand a frame over; returns at once, whatever the worker does."""
        self._outgoing.put(wire.encoded(frame))

    def end(self) -> None:
        """Close the pipe, upon which the worker ends itself."""
        self._outgoing.put(None)

    def kill(self, reason: str, *, at_once: bool = False) -> None:
        """End the process; :attr:`gone` will say the ``reason``."""
        if self._reason is not None:
            return
        self._reason = f"was killed: {reason}"
        if at_once:
            self._kill()
            return
        self.send(Frame({"is": DIE}))
        self._loop.call_later(LAST_WORDS, self._kill)

    def _kill(self) -> None:
        with self._ending:
            if not self._reaped:
                spawn.kill(self._process)

    # -- threads ------------------------------------------------------------------------------

    def _tell(self) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        try:
            while (data := self._outgoing.get()) is not None:
                wire.write(self._process.stdin, data)
        except OSError:
            log.debug("worker %s reads no more", self.pid)
        with contextlib.suppress(OSError):  # what was written to a dead reader cannot be flushed
            self._process.stdin.close()

    def _hear(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it was asked for
        with self._process.stderr as stderr:
            while data := os.read(stderr.fileno(), CHUNK):
                self._words.stderr(data)
        self._words.stderr(b"")

    def _reads(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        with self._process.stdout as stdout:
            while (frame := self._next(stdout)) is not None:
                # Time that a reader of pushes takes is not the worker's silence.
                self._signs.heard(math.inf)
                try:
                    self._heard(frame)
                except Exception:  # else nobody would notice the end of this thread
                    log.exception("worker %s said what nobody understands", self.pid)
                    self._reason = self._reason or "was killed: it said what nobody understands"
                    break
                finally:
                    self._signs.heard(time.monotonic())
        silence = self._signs.silence(time.monotonic())
        code = self._waited()
        self._outgoing.put(None)
        for thread in self._threads[:2]:
            thread.join(LAST_WORDS)
        reason = self._reason or self._signs.obituary(silence) or spawn.ending(code)
        with contextlib.suppress(RuntimeError):  # the loop may be gone by now
            self._loop.call_soon_threadsafe(self._over, reason)

    def _next(self, stdout: IO[bytes]) -> Frame | None:
        try:
            return wire.read(stdout)
        except UNREADABLE:
            log.warning("worker %s sent what cannot be read", self.pid)
            return None

    def _waited(self) -> int:
        """The exit code. Without the pipe nothing can be said any more, so what is left is ended.

        An exit that is under way keeps its code.
        """
        with self._ending:
            spawn.kill(self._process)
            code = self._process.wait()
            self._reaped = True
        return code

    def _over(self, reason: str) -> None:
        if not self.gone.done():
            self.gone.set_result(reason)
