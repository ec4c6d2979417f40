"""The sockets of the processes: the shared one of the edges, the agent's own."""

from __future__ import annotations

import base64
import os
import socket
import sys
from pathlib import Path

from argus_cli.processes.words import Door
from argus_core.errors import ConfigError

BACKLOG = 2048
"""Connections that may stand and wait to be accepted."""


class Shared(socket.socket):
    """A listening socket whose queue stays long, whatever its user asks for.

    On Windows the number that is asked for is also how many connections a server accepts in one
    turn: one, so that edges which share a socket share the connections too.
    """

    def listen(self, _backlog: int = BACKLOG, /) -> None:
        """Listen with a queue of ``BACKLOG``."""
        super().listen(BACKLOG)


def given(listener: socket.socket, pid: int | None) -> int | str:
    """How the process ``pid`` gets at ``listener``: its number here, or on Windows a share."""
    if sys.platform == "win32":
        return base64.b64encode(listener.share(pid or 0)).decode()
    return listener.fileno()


def taken(listener: int | str) -> Shared:
    """The socket that :func:`given` stood for."""
    if sys.platform == "win32":
        shared = socket.fromshare(base64.b64decode(str(listener)))
        return Shared(shared.family, shared.type, shared.proto, fileno=shared.detach())
    return Shared(fileno=int(listener))


def opened(door: Door) -> Shared:
    """The agent's own socket, bound; on loopback the former port is taken again if it is free."""
    if sys.platform != "win32" and door.socket is not None:
        Path(door.socket).unlink(missing_ok=True)  # an agent that was killed left its own
        listener = Shared(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(door.socket)
        return listener
    listener = Shared(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.bind(("127.0.0.1", door.port))
    except OSError:
        listener.bind(("127.0.0.1", 0))
    return listener


LONGEST_PATH = 100
"""Bytes that every system's Unix sockets can hold as a path."""


def place_for(directory: str) -> str:
    """The path of the agent's socket in a private directory; :class:`ConfigError` if too long."""
    path = os.path.join(directory, "agent")  # noqa: PTH118 - a string is what is needed
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError(
            f"the path of the agent's socket is longer than {LONGEST_PATH} bytes: {path}",
            where="TMPDIR",
            fix="set TMPDIR to a short path, such as /tmp",
        )
    return path
