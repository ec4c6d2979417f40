"""Live updates for plain HTTP clients: server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from argus_api.stream.asks import Want
from argus_api.stream.audience import Audience
from argus_api.stream.connection import Connection
from argus_api.stream.modern import JSON_PROTOCOL, Modern
from argus_api.stream.opening import said_before, subscribed
from argus_api.stream.protocol import LAST_BYTES
from argus_core import Presented
from argus_core.streaming.lanes import Batch
from argus_core.streaming.topics import Fragment, Key, Notice, View

MEDIA_TYPE = "text/event-stream"
RETRY = 3000
"""Milliseconds after which a client that lost the connection comes again."""


class Events:
    """The messages of ``argus.v2`` as events: the type is the event, the message its data."""

    name = "events"
    binary = False

    def __init__(self, inner: Modern) -> None:
        self._inner = inner

    def view(self, channel: str, fields: tuple[str, ...] | None) -> View:
        """The view of a channel with these fields."""
        return self._inner.view(channel, fields)

    def frames(self, batch: Batch) -> Iterator[bytes]:
        """One event a message."""
        for message in self._inner.frames(batch):
            yield event("update", message)

    def newest(self, pieces: Mapping[Key, Fragment]) -> Iterator[bytes]:
        """The same where nothing but these is to be told."""
        for message in self._inner.newest(pieces):
            yield event("update", message)

    def notice(self, notice: Notice) -> bytes | None:
        """The event of a notice; a sign of life is a comment, which clients ignore."""
        if notice.kind == "heartbeat":
            return b": nothing new\n\n"
        message = self._inner.notice(notice)
        return None if message is None else event(notice.kind, message)

    def message(self, body: Mapping[str, Any]) -> bytes:
        """Any other message."""
        return event(str(body.get("type", "message")), self._inner.message(body))


def event(kind: str, data: bytes) -> bytes:
    """One event; JSON has no line breaks that would have to be cared for."""
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


class HttpWire:
    """The way through a streaming HTTP response: a queue, emptied as fast as it is taken."""

    def __init__(self) -> None:
        self.drained: Callable[[], object] | None = None
        self.farewell: Callable[[], object] | None = None
        self.open = True
        self._waiting: list[bytes] = []
        self._sending = 0
        self._news = asyncio.Event()
        self.cut = asyncio.Event()
        """Set when the other side has not taken the last events in time."""
        self._closing: asyncio.TimerHandle | None = None

    @property
    def full(self) -> bool:
        """True while something is on its way that the client has not taken."""
        return self.unsent > 0

    @property
    def unsent(self) -> int:
        """Bytes that wait here."""
        return self._sending + sum(len(payload) for payload in self._waiting)

    def write(self, payload: bytes, *, binary: bool) -> None:  # noqa: ARG002 - as every wire's
        """Let an event wait for its turn."""
        if self.open:
            self._waiting.append(payload)
            self._news.set()

    def end(self, code: int, reason: str) -> None:
        """Say why, and end."""
        if not self.open:
            return
        told = orjson.dumps({"type": "close", "code": code, "reason": reason})
        self._waiting.append(event("close", told))
        self.open = False
        self._news.set()
        # Whoever takes nothing does not take this either, and is not waited for.
        self._closing = asyncio.get_running_loop().call_later(LAST_BYTES, self.cut.set)

    async def run(self, send: Send) -> None:
        """Send what waits until the end."""
        while self.open or self._waiting:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                body, self._waiting = b"".join(self._waiting), []
                self._sending = len(body)
                await send({"type": "http.response.body", "body": body, "more_body": True})
                self._sending = 0
            drained = self.drained
            if drained is not None and self.open:
                drained()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def close(self) -> None:
        """Wait for nothing any more, and for nobody."""
        self.drained = self.farewell = None
        if self._closing is not None:
            self._closing.cancel()


class EventStream(Response):
    """A response that goes on for as long as the client listens."""

    media_type = MEDIA_TYPE

    def __init__(
        self, audience: Audience, want: Want, presented: Presented | None, *, client: str
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(None, headers=headers, media_type=MEDIA_TYPE)
        self._audience = audience
        self._want = want
        self._presented = presented
        self._client = client

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Listen, and tell, until the client or the server ends."""
        headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope.get("argus.head"):  # whoever asks for the head alone does not listen
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        wire = HttpWire()
        audience = self._audience
        modern = audience.dialects[JSON_PROTOCOL]
        assert isinstance(modern, Modern)  # noqa: S101 - the audience makes it so
        connection = Connection(
            wire,
            Events(modern),
            audience.turns,
            audience.streaming.table,
            client=self._client,
            since=audience.gateway.clock.now(),
        )
        wire.drained = connection.flush
        wire.farewell = lambda: audience.farewell(connection)
        audience.enter(connection, self._presented)
        leaving = asyncio.ensure_future(_left(receive))
        sending = asyncio.ensure_future(wire.run(send))
        cutting = asyncio.ensure_future(wire.cut.wait())
        try:
            self._begin(connection, modern)
            ends = {leaving, sending, cutting}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wire.close()
            audience.leave(connection)
            for task in (leaving, sending, cutting):
                task.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await task

    def _begin(self, connection: Connection, modern: Modern) -> None:
        want, hub = self._want, self._audience.streaming.hub
        view = modern.view(want.channel, want.fields)
        caught = hub.listen(connection.lane(want.interval), view, want.symbols, want.since)
        told = subscribed(self._audience.streaming, connection, want, caught, want.rejected)
        connection.say(
            b"retry: %d\n\n" % RETRY,
            connection.dialect.message(told),
            *(event(kind, one) for kind, one in said_before(modern, want.channel, caught)),
        )


async def _left(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
