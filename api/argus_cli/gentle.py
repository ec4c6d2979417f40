"""uvicorn's server with an end that harms no request."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from argus_api.lifecycle import Lifecycle
from argus_cli import garbage
from argus_cli.accepting import Acceptor
from argus_cli.listening import CLOSING, LINGER, refused
from argus_cli.unasked import Unasked

_LOOK = 0.02
_TICKS = 10
"""uvicorn's ticks from one look at its connections to the next: a second."""
UNTAKEN = 15.0
"""Seconds without a byte after which a connection that is to close is cut off."""
_UNTIDY = 5
"""uvicorn's ticks in a row that may be too busy to look for garbage."""
_TURNS = 5
"""Turns of the loop that an accepted connection may take until its protocol knows of it."""


class GentleServer(uvicorn.Server):
    """A server that drains, and that waits for ever neither for a request nor for an answer's end.

    ``announce`` is called once it listens. Told to end, it goes through four steps: readiness off
    for ``drain_wait`` seconds, no new connections, one more request on idle ones, and up to
    ``drain_seconds`` for what is under way. Signals are the business of whoever runs it.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        lifecycle: Lifecycle,
        announce: Callable[[], None],
        *,
        drain_wait: float = 0.0,
        drain_seconds: float = 10.0,
    ) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._announce = announce
        self._drain_wait = drain_wait
        self._drain_seconds = drain_seconds
        self._acceptors: list[Acceptor] = []
        self._untaken: dict[Any, tuple[int, float]] = {}
        """Connections that are to close: the bytes that still wait there, and since when so."""
        self._unasked = Unasked()
        self._untidy = 0

    async def on_tick(self, counter: int) -> bool:
        """True if it is to end; looks after those who keep it waiting, about once a second."""
        self._tidy()
        if counter % _TICKS == 0:
            now = asyncio.get_running_loop().time()
            self._unasked.look(list(self.server_state.connections), now)
            self._cut_off(now)
        return await super().on_tick(counter)

    def _tidy(self) -> None:
        """Look for garbage, while nothing is to be sent if there is such a moment."""
        self._untidy += 1
        if self._untidy >= _UNTIDY or not self._lifecycle.busy():
            self._untidy = 0
            garbage.tidy()

    def _cut_off(self, now: float) -> None:
        """Cut off who takes nothing more; a transport that closes would wait for him for ever."""
        before, self._untaken = self._untaken, {}
        for connection in list(self.server_state.connections):
            transport: Any = connection.transport
            if not transport.is_closing():
                continue
            left = transport.get_write_buffer_size()
            known, since = before.get(connection, (-1, now))
            since = since if left == known else now
            self._untaken[connection] = left, since
            if now - since > UNTAKEN:
                transport.abort()

    def drain(self) -> None:
        """Begin to end; asked once more, end at once. To be called in the server's loop."""
        if self._lifecycle.draining:
            self.force()
            return
        self._lifecycle.drain()
        asyncio.get_running_loop().call_later(self._drain_wait, self._stop)

    def force(self) -> None:
        """End at once: requests under way are broken off, closing gets two seconds."""
        self._lifecycle.drain()
        self.force_exit = True
        self.should_exit = True
        # Whatever hangs by then, a vendor's thread or a plugin's close, shall not keep us.
        last = threading.Timer(CLOSING, os._exit, (1,))
        last.daemon = True
        last.start()

    def _stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; raises :class:`ConfigError` if somebody else has begun to since our bind."""
        try:
            if sockets is None or sys.platform == "win32":
                await super().startup(sockets)
            else:
                await super().startup([])
                self._acceptors.extend(self._acceptor(sock) for sock in sockets)
        except OSError as error:
            raise refused(self.config.host, self.config.port, error) from None
        garbage.spare()
        self._announce()

    def _acceptor(self, sock: socket.socket) -> Acceptor:
        """Takes what connects to ``sock``, in place of the loop."""
        busy = self._lifecycle.busy
        return Acceptor(sock, self._protocol, backlog=self.config.backlog, busy=busy)

    def _protocol(self) -> asyncio.Protocol:
        """The protocol of one more connection, as uvicorn's own listeners make it."""
        protocol: Any = self.config.http_protocol_class
        made: asyncio.Protocol = protocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        return made

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Return when the last connection is closed, or its time is over."""
        waiting = [peer for sock in sockets or () for peer in _waiting(sock)]
        for server in self.servers:
            server.close()
        for acceptor in self._acceptors:
            acceptor.close()
        for sock in sockets or ():
            sock.close()
        await self._welcome(waiting)
        state = self.server_state
        await self._while_any(LINGER, lambda: bool(state.connections))
        for connection in list(state.connections):
            connection.shutdown()
        await self._while_any(self._drain_seconds, lambda: bool(state.connections or state.tasks))
        late = list(state.tasks)
        for task in late:
            task.cancel("the server ends")
        if late:
            await asyncio.wait(late, timeout=CLOSING)
        for connection in list(state.connections):
            connection.transport.abort()

    async def _welcome(self, peers: list[socket.socket]) -> None:
        """Return when these connections, and those accepted just before, are known as such."""
        for peer in peers:
            with suppress(OSError):  # it has left meanwhile
                await asyncio.get_running_loop().connect_accepted_socket(self._protocol, peer)
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def _while_any(self, seconds: float, left: Callable[[], bool]) -> None:
        """Return when nothing is left, the time is over, or the end is forced."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        # uvicorn has no event for it.
        while left() and not self.force_exit and loop.time() < ends:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals alone."""
        # The original raises them once more at its end, and the process would die of it with the
        # lifespan still open.
        yield


def _waiting(listener: socket.socket) -> list[socket.socket]:
    """Connections that stand but were not accepted yet; closing the listener would reset them."""
    peers: list[socket.socket] = []
    if sys.platform == "win32":  # there the loop has its accept under way already
        return peers
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:  # none is left
            return peers
        peer.setblocking(False)
        peers.append(peer)
