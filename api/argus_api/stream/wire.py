"""The way to one listener, whatever server stands in front."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from starlette.types import Scope, Send

from argus_api.stream.outlet import Outlet
from argus_api.stream.protocol import WIRE


class Wire(Protocol):
    """Takes messages without waiting, and says whether they are taken off its hands."""

    drained: Callable[[], object] | None
    """Called when the other side keeps up again after it did not."""
    farewell: Callable[[], object] | None
    """Called before a server that ends closes the connection."""

    @property
    def full(self) -> bool:
        """True while the other side takes less than is written."""
        ...

    @property
    def open(self) -> bool:
        """True while messages can be sent."""
        ...

    @property
    def unsent(self) -> int:
        """Bytes that wait here."""
        ...

    def write(self, payload: bytes, *, binary: bool) -> None:
        """Send one message."""
        ...

    def end(self, code: int, reason: str) -> None:
        """Close with a code."""
        ...


MUCH = 64 * 1024
"""Bytes that may wait before the other side is taken for slow, as in the servers' own buffers."""


class AsgiWire:
    """The way through a server's own ``send``: a queue, and a task that empties it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._unsent = 0
        self._ended: tuple[int, str] | None = None
        self._news = asyncio.Event()
        self.open = True
        self.drained: Callable[[], object] | None = None
        self.farewell: Callable[[], object] | None = None

    @property
    def ended(self) -> int | None:
        """The code with which this side has closed it; None if it has not."""
        return None if self._ended is None else self._ended[0]

    @property
    def full(self) -> bool:
        """True while more waits than a server would keep either."""
        return self._unsent > MUCH

    @property
    def unsent(self) -> int:
        """Bytes that wait here."""
        return self._unsent

    def write(self, payload: bytes, *, binary: bool) -> None:
        """Let a message wait for its turn."""
        if self.open:
            self._waiting.append((payload, binary))
            self._unsent += len(payload)
            self._news.set()

    def end(self, code: int, reason: str) -> None:
        """Close after what waits."""
        if self.open:
            self.open = False
            self._ended = (code, reason)
            self._news.set()

    async def run(self) -> None:
        """Send what waits until the end."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                payload, binary = self._waiting[0]
                if binary:
                    await self._send({"type": "websocket.send", "bytes": payload})
                else:
                    await self._send({"type": "websocket.send", "text": payload.decode()})
                self._waiting.popleft()
                self._unsent -= len(payload)
            if self.drained is not None and self.open:
                self.drained()
            if self._ended is not None and not self._waiting:
                code, reason = self._ended
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
                return


def wire_of(scope: Scope, send: Send) -> Outlet | AsgiWire:
    """The connection's own wire where the server has one, else one through ``send``."""
    own: Outlet | None = scope.get("extensions", {}).get(WIRE)
    return own if own is not None else AsgiWire(send)
