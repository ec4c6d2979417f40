"""The way out of one connection of our own server.

It is apart from the protocol, and small: at each update it is looked at for thousands of listeners
in turn, and whatever they need of memory then is brought in anew for each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache


class Outlet:
    """Takes messages and hands them on without waiting."""

    __slots__ = ("_close", "drained", "ended", "farewell", "full", "lets_read", "open", "transport")

    def __init__(self, close: Callable[[int, str], object]) -> None:
        self.open = False
        """True while messages can be sent."""
        self.full = False
        """True while the other side takes less than is written."""
        self.transport: asyncio.Transport
        """The connection, from the moment on at which there is one."""
        self.drained: Callable[[], object] | None = None
        """Called when the other side keeps up again after it did not."""
        self.farewell: Callable[[], object] | None = None
        """Called before the server closes the connection because it ends itself."""
        self.lets_read: Callable[[], bool] = _always
        """Asked before each slice that is read: False says that others go first just now."""
        self.ended: int | None = None
        """The code with which this side has closed the connection; None if it has not."""
        self._close = close

    @property
    def unsent(self) -> int:
        """Bytes that were written and that the kernel has not taken yet."""
        return self.transport.get_write_buffer_size()

    def write(self, payload: bytes, *, binary: bool) -> None:
        """Send one message, or leave it with the transport if the kernel takes no more."""
        if self.open:
            self.transport.write(header(len(payload), binary) + payload)

    def end(self, code: int, reason: str) -> None:
        """Close with a code; whoever does not take it within seconds is cut off."""
        if self.open:
            self._close(code, reason)

    def gone(self) -> None:
        """Let go of everything: the connection is lost.

        Else each would hold the other, and wait for the collector to look at what is old.
        """
        self.open = False
        self.drained = self.farewell = None
        self.lets_read = _always
        self._close = _nothing


def _always() -> bool:
    return True


def _nothing(_code: int, _reason: str) -> None:
    pass


@lru_cache(maxsize=1 << 13)
def header(size: int, binary: bool) -> bytes:  # noqa: FBT001 - a keyword would double its cost
    """What stands before a whole unfragmented message of a server (RFC 6455, section 5.2)."""
    opcode = b"\x82" if binary else b"\x81"
    if size < 126:  # noqa: PLR2004 - as the RFC has it
        return opcode + size.to_bytes(1, "big")
    if size < 1 << 16:
        return opcode + b"\x7e" + size.to_bytes(2, "big")
    return opcode + b"\x7f" + size.to_bytes(8, "big")
