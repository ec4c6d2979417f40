"""A TCP proxy that makes trouble: late, silent, cut off, refused, in pieces, a trickle.

::

    with FaultProxy(server.port) as proxy:
        with proxy.trouble(latency=0.2, jitter=0.1):
            ...  # whoever talks to proxy.port waits

It runs in a thread with an event loop of its own, so that blocking and asynchronous tests can use
it, and a busy loop under test delays nobody but itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import socket
import struct
import threading
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Self

from support.network import entered

_TICK = 0.005
_AT_ONCE = 1 << 16
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Toxics:
    """What is done to the bytes that come back from the server; nothing by default."""

    latency: float = 0.0
    """Seconds by which every piece is late."""
    jitter: float = 0.0
    """Seconds that chance adds to that or takes from it."""
    hang: bool = False
    """Connections are accepted and nothing passes, in either direction, until it is over."""
    cut_after: float = math.inf
    """Bytes after which the connection is reset."""
    piece: int = _AT_ONCE
    """The most bytes that pass in one piece."""
    rate: float = math.inf
    """Bytes a second."""


class FaultProxy:
    """Passes bytes between `port` on loopback and a server's port, as well as the toxics let it.

    With ``namespace`` it listens on ``host`` in that network namespace, so that the way to it is
    one of the kernel's own that can be cut or made to lose packets.
    """

    def __init__(
        self, upstream: int, *, host: str = "127.0.0.1", namespace: str | None = None
    ) -> None:
        self.toxics = Toxics()
        self.host = host
        self._namespace = namespace
        self.accepted = 0
        """How many connections there have been."""
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, if HTTP is spoken there."""
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextlib.contextmanager
    def trouble(self, **toxics: float) -> Generator[None]:
        """Toxics by name, as long as the context lasts; open connections feel them at once."""
        before = self.toxics
        self.toxics = replace(before, **toxics)
        try:
            yield
        finally:
            self.toxics = before

    @contextlib.contextmanager
    def refusing(self) -> Generator[None]:
        """Every connection is reset and new ones are refused, as long as the context lasts."""
        self._do(self._unlisten())
        self.cut()
        try:
            yield
        finally:
            self._do(self._listen())

    def cut(self) -> None:
        """Reset every connection now."""
        self._do(self._cut())

    def _do(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _listen(self) -> None:
        if self._namespace is None:
            self._server = await asyncio.start_server(self._accept, self.host, self.port)
        else:
            listener = await asyncio.to_thread(self._inside, self._namespace)
            self._server = await asyncio.start_server(self._accept, sock=listener)
        self.port = self._server.sockets[0].getsockname()[1]

    def _inside(self, namespace: str) -> socket.socket:
        """A socket of the namespace; the thread that makes it comes back from there."""
        with entered(namespace):
            return socket.create_server((self.host, self.port))

    async def _unlisten(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    async def _end(self) -> None:
        await self._unlisten()
        await self._cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        self._writers.add(back)
        try:
            there = asyncio.create_task(self._pass(reader, back))
            here = asyncio.create_task(self._pass(theirs, writer, toxic=True))
            try:
                await asyncio.wait((there, here), return_when=asyncio.FIRST_COMPLETED)
            finally:
                there.cancel()
                here.cancel()
                await asyncio.gather(there, here, return_exceptions=True)
        finally:
            self._writers.discard(back)
            back.close()
            writer.close()

    async def _pass(self, reader, writer, *, toxic: bool = False) -> None:
        """Hand on what comes until either side is gone."""
        passed = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(self.toxics.piece if toxic else _AT_ONCE):
                passed += len(data)
                if toxic:
                    await self._spoil(len(data))
                    if passed > self.toxics.cut_after:
                        over = passed - int(self.toxics.cut_after)
                        writer.write(data[: max(0, len(data) - over)])
                        await asyncio.sleep(_TICK)  # what passed shall arrive before the reset
                        _reset(writer)
                        return
                while self.toxics.hang:  # noqa: ASYNC110 - it is set from another thread
                    await asyncio.sleep(_TICK)
                writer.write(data)
                await writer.drain()

    async def _spoil(self, size: int) -> None:
        toxics = self.toxics
        late = toxics.latency + random.uniform(-toxics.jitter, toxics.jitter) + size / toxics.rate
        if late > 0:
            await asyncio.sleep(late)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close without a goodbye: the other side sees a reset connection."""
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
