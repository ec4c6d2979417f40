"""As little of an HTTP client as a load generator needs: it shall cost next to nothing."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

FRESH = 3.0
"""Seconds for which an idle connection is used again; servers close theirs after five or so."""


class Failed(Exception):
    """There was no answer."""


class Connections:
    """Kept-alive connections to one server; as many as there are questions at once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._head = f" HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n"
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []
        self.opened = 0

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body. Raises :class:`Failed` where the server gives none."""
        request = f"GET {path}{self._head}".encode()
        while (kept := self._kept()) is not None:
            try:
                return await self._ask(*kept, request)
            except (OSError, asyncio.IncompleteReadError) as error:
                if getattr(error, "partial", b""):
                    raise Failed("cut off") from error
                # It was closed while it lay idle; another may do.
        try:
            self.opened += 1
            return await self._ask(*await asyncio.open_connection(self._host, self._port), request)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Failed(type(error).__name__) from error

    def close(self) -> None:
        """Drop the idle connections."""
        for _reader, writer, _since in self._idle:
            writer.transport.abort()
        self._idle.clear()

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        while self._idle:
            reader, writer, since = self._idle.pop()
            if time.monotonic() - since < FRESH and not reader.at_eof():
                return reader, writer
            writer.transport.abort()
        return None

    async def _ask(self, reader, writer, request: bytes) -> tuple[int, bytes]:
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
            body = await reader.readexactly(length)
        except BaseException:
            writer.transport.abort()
            raise
        if "\r\nconnection: close" in head:
            writer.transport.abort()
        else:
            self._idle.append((reader, writer, time.monotonic()))
        return int(head.split(" ", 2)[1]), body
