"""The messages between the supervisor and its processes: one JSON object a line, with ``is``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

DRAIN = "drain"
"""To a process: end, and harm no request."""
FORCE = "force"
"""To a process: end at once."""
RELOAD = "reload"
"""To the agent: read the configuration again."""
DO = "do"
"""To an edge: answer this request, for somebody who was let in elsewhere."""
REPLIES = "replies"
"""To an edge: what all edges answered to what it asked of them."""
FORGET = "forget"
"""To an edge, from the agent: these prefixes were cleared."""

READY = "ready"
"""From a process: it answers."""
FAILED = "failed"
"""From a process: it cannot start, and why."""
RELOADED = "reloaded"
"""From the agent: a new configuration is in force, or was refused."""
DONE = "done"
"""From an edge: what it answered to ``do``."""
EVERYWHERE = "everywhere"
"""From an edge: let every edge answer this request."""

AGENT, EDGE = "agent", "edge"

Message = dict[str, Any]


def encoded(message: Message) -> bytes:
    """One line."""
    return orjson.dumps(message) + b"\n"


def decoded(line: bytes) -> Message:
    """The message of a line; :class:`ValueError` if it is none."""
    message: Message = orjson.loads(line)
    return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The private way to the agent: a Unix socket, or a loopback port where there are none.

    Whoever shows ``key`` is an edge of the same supervisor.
    """

    key: str
    socket: str | None = None
    port: int = 0

    @property
    def url(self) -> str:
        """The base URL; over a Unix socket the host is only a name."""
        return f"http://127.0.0.1:{self.port}" if self.socket is None else "http://agent"

    def message(self) -> Message:
        """For the line that starts a process."""
        return {"key": self.key, "socket": self.socket, "port": self.port}


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a process must know to begin.

    ``config`` is the file's path, ``text`` what stood in it when it was put into force: what
    stands there by now may have been refused. ``private`` is a directory of this supervisor's
    processes alone. ``listener`` names the shared socket: its number, or on Windows what makes it
    out of a share.
    """

    role: str
    name: str
    config: str
    text: str
    host: str
    port: int
    offline: bool
    access_log: bool
    door: Door
    private: str
    listener: int | str | None = None

    def message(self) -> Message:
        """The first line for the process."""
        return {
            "role": self.role,
            "name": self.name,
            "config": self.config,
            "text": self.text,
            "host": self.host,
            "port": self.port,
            "offline": self.offline,
            "access_log": self.access_log,
            "door": self.door.message(),
            "private": self.private,
            "listener": self.listener,
        }

    @classmethod
    def of(cls, message: Message) -> Start:
        """The same, read from that line."""
        door = Door(**message["door"])
        return cls(door=door, **{key: told for key, told in message.items() if key != "door"})
