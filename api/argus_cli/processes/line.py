"""A process' line to its supervisor: messages both ways, and the end when it breaks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

from argus_cli.processes.words import DRAIN, Message, decoded, encoded

ORPHANED = 15.0
"""Seconds after which a process ends that lost its supervisor, whatever it is doing."""


class Line:
    """The pipes to the supervisor. Only the supervisor ends this process: signals are its affair.

    A terminal and systemd send them to every process of a group at once, where the agent must
    outlive the edges.
    """

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._turn = threading.Lock()

    @classmethod
    def taken_over(cls) -> Line:
        """The pipes at stdin and stdout, moved away from where a library's prints would go."""
        incoming, outgoing = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        ignored = [signal.SIGINT, signal.SIGTERM]
        if sys.platform == "win32":
            import msvcrt

            ignored.append(signal.SIGBREAK)
            for pipe in (incoming, outgoing):
                msvcrt.setmode(pipe, os.O_BINARY)
        else:
            ignored.append(signal.SIGHUP)
        for each in ignored:
            signal.signal(each, signal.SIG_IGN)
        return cls(os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb"))

    def first(self) -> Message:
        """The line that says what to be; a process that hears none has nothing to do."""
        line = self._incoming.readline()
        if not line:
            raise SystemExit(0)
        return decoded(line)

    def tell(self, message: Message) -> None:
        """Send a message; nobody is there to hear it once the supervisor is gone."""
        try:
            with self._turn:
                self._outgoing.write(encoded(message))
                self._outgoing.flush()
        except OSError:
            return  # the reading side notices the same and ends the process

    def listen(self, heard: Callable[[Message], None]) -> None:
        """Hand each message over in the running loop; the supervisor's death counts as `drain`."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            for line in self._incoming:
                loop.call_soon_threadsafe(heard, decoded(line))
            last = threading.Timer(ORPHANED, os._exit, (1,))
            last.daemon = True
            last.start()
            loop.call_soon_threadsafe(heard, {"is": DRAIN, "at_once": True})

        threading.Thread(target=read, name="supervisor", daemon=True).start()
