"""uvicorn's WebSocket protocol with what thousands of listeners need.

An update goes to many, so its bytes are made once and written as they are; a listener that takes
nothing is noticed and let go; floods of pings and broken frames cost neither memory nor a
traceback. Compression is off: it would need its own bytes and a third of a megabyte for each
connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import State

from argus_api.stream.codes import NOT_UTF8, TOO_MANY

WIRE = "argus.wire"
"""The key of an ASGI scope's extensions under which a connection's wire stands."""
PINGS = 300
"""Pings a minute that one connection is answered."""
LAST_BYTES = 5.0
"""Seconds that a connection which is told to end has to take what was written before."""
LARGEST = 64 * 1024
"""Bytes of one message that a client may send."""
FRAGMENTS = 1024
"""Frames in which one message may come."""
UNREAD = 1000
"""Messages that may wait until those before them are answered."""
SLICE = 4096
"""Bytes that are read at once: even full of the smallest frames they take only milliseconds."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """One connection; its scope's extension ``argus.wire`` is the connection itself."""

    full = False
    """True while the other side takes less than is written."""
    drained: Callable[[], object] | None = None
    """Called when it keeps up again after it did not."""
    farewell: Callable[[], object] | None = None
    """Called before the server closes the connection because it ends itself."""
    _pings = 0
    _minute = 0.0
    _deaf = False
    """True once the other side has flooded this one: nothing more is read."""
    _closing: asyncio.TimerHandle | None = None

    async def run_asgi(self) -> None:
        """Hand the connection to the application, which finds the wire in its scope."""
        extensions: dict[str, Any] = {**self.scope.get("extensions", {}), WIRE: self}
        self.scope["extensions"] = extensions
        await super().run_asgi()

    async def send(self, message: ASGISendEvent) -> None:
        """Pass on what the application says the ASGI way: a handshake's answer, for one."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # else uvicorn's log takes a refusal for a fault

    # -- what the application does ----------------------------------------------------------------

    @property
    def open(self) -> bool:
        """True while messages can be sent."""
        return self.handshake_complete and not self.close_sent and not self.disconnected

    @property
    def unsent(self) -> int:
        """Bytes that were written and that the kernel has not taken yet."""
        return self.transport.get_write_buffer_size()

    def write(self, payload: bytes, *, binary: bool) -> None:
        """Send one message at once, or leave it with the kernel's queue if that is full."""
        if self.open and self.conn.state is State.OPEN:
            self.transport.write(framed(payload, binary=binary))

    def end(self, code: int, reason: str) -> None:
        """Close with a code; whoever does not take it within seconds is cut off."""
        if not self.open or self.conn.state is not State.OPEN:
            return
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()  # else the other side's farewell is never read
        self._cut_later()

    # -- what the transport and the other side do -------------------------------------------------

    def pause_writing(self) -> None:
        """Note that the other side does not keep up."""
        self.full = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that it does again."""
        self.full = False
        super().resume_writing()
        if self.drained is not None and self.open:
            self.drained()

    def shutdown(self) -> None:
        """Take leave, then close."""
        if self.farewell is not None and self.open:
            self.farewell()
        super().shutdown()
        self._cut_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the farewell that is not needed any more."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        self.drained = self.farewell = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read piece by piece: what a flood is made of is noticed before all of it is read."""
        for start in range(0, len(data), SLICE):
            if self._deaf:
                return
            super().data_received(data[start : start + SLICE])
            if self.queue.qsize() > UNREAD:
                self._end_flood("too many messages at once")

    def handle_ping(self) -> None:
        """Answer a ping, unless there are too many or nobody reads the answers."""
        output = self.conn.data_to_send()
        self._count_ping()
        if self.open and not self.full:
            self.transport.write(b"".join(output))

    def handle_pong(self, event: Frame) -> None:
        """Note a pong; there may be as many as pings."""
        super().handle_pong(event)
        self._count_ping()

    def _count_ping(self) -> None:
        now = self.loop.time()
        if now - self._minute >= 60.0:  # noqa: PLR2004 - the seconds of a minute
            self._minute, self._pings = now, 0
        self._pings += 1
        if self._pings > PINGS:
            self._end_flood("too many pings")

    def handle_cont(self, event: Frame) -> None:
        """Keep a further fragment of a message, unless it is in too many of them."""
        super().handle_cont(event)
        if len(self.frames) > FRAGMENTS:
            self.frames = []
            self._end_flood("too many fragments")

    def _end_flood(self, reason: str) -> None:
        """End a connection, and read nothing more of what it floods this side with."""
        self.end(TOO_MANY, reason)
        self._deaf = True
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def send_receive_event_to_app(self) -> None:
        """Pass a message on; a text that is no UTF-8 ends the connection without a traceback."""
        if self.curr_msg_data_type == "text":
            data = b"".join(self.frames)
            try:
                data.decode()
            except UnicodeDecodeError:
                self.frames = []
                self.end(NOT_UTF8, "the text is not UTF-8")
                return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """End a connection whose frames break the protocol; its code is sent first."""
        super().handle_parser_exception()
        self._cut_later()

    def keepalive_timeout(self) -> None:
        """End a connection whose other side does not answer pings."""
        super().keepalive_timeout()
        self._cut_later()

    def _cut_later(self) -> None:
        if self._closing is None and not self.disconnected:
            self._closing = self.loop.call_later(LAST_BYTES, self._cut)

    def _cut(self) -> None:
        self._closing = None
        self.transport.abort()


def framed(payload: bytes, *, binary: bool) -> bytes:
    """A whole unfragmented message as a server sends it, unmasked (RFC 6455, section 5.2)."""
    opcode = b"\x82" if binary else b"\x81"
    size = len(payload)
    if size < 126:  # noqa: PLR2004 - as the RFC has it
        return opcode + size.to_bytes(1, "big") + payload
    if size < 1 << 16:
        return opcode + b"\x7e" + size.to_bytes(2, "big") + payload
    return opcode + b"\x7f" + size.to_bytes(8, "big") + payload


SERVER: Mapping[str, Any] = MappingProxyType(
    {"ws": StreamProtocol, "ws_max_size": LARGEST, "ws_per_message_deflate": False}
)
"""What uvicorn's configuration says about WebSockets wherever Argus is served."""
