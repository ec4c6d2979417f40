"""uvicorn's WebSocket protocol with what thousands of listeners need.

An update goes to many, so its bytes are made once and written as they are, past the protocol; a
listener that takes nothing is noticed and let go; floods of pings, messages and broken frames cost
neither memory nor a traceback, nor much time of the others. Compression is off: it would need its
own bytes and a third of a megabyte for each connection.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import State

from argus_api.stream.codes import ABUSES, NOT_UTF8, SLOW, TOO_MANY
from argus_api.stream.outlet import Outlet
from argus_api.stream.pace import FEW_YIELDS, YIELD, YIELDS, Pace

WIRE = "argus.wire"
"""The key of an ASGI scope's extensions under which a connection's outlet stands."""
ASKING = 45.0
"""Seconds from one ping of ours to the next: proxies in between wait for a minute, as a rule."""
PINGS = 300
"""Pings a minute that one connection is answered."""
LAST_BYTES = 5.0
"""Seconds that a connection which is told to end has to take what was written before."""
PATIENT = 15.0
"""The same for a client that was too slow: if it reads again by then, it learns why it ended."""
HIGH, LOW = 64 * 1024, 16 * 1024
"""Bytes that wait unsent from which on, and down to which, the other side does not keep up."""
LARGEST = 64 * 1024
"""Bytes of one message that a client may send."""
FRAGMENTS = 1024
"""Frames in which one message may come."""
FRAGMENT = 0.25
"""What one of them costs of the pace; a ping costs one."""
BYTE = 0.0001
"""What every byte costs."""
SLICE = 1024
"""Bytes that are read at once: even full of the smallest frames they take only a millisecond."""
FORGETTING = 0.05
"""Seconds between two looks at what is not read any more."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """One connection; its scope's extension ``argus.wire`` is its :class:`Outlet`."""

    _pings = 0
    _minute = 0.0
    _deaf = False
    """True once nothing that the other side sends is looked at any more."""
    _over = False
    """True once the other side has closed, or the server itself ends."""
    _later: asyncio.TimerHandle | None = None
    """When it is read on."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.outlet = Outlet(self._end)
        self._yields = 0
        self._pace = Pace(self.loop.time)
        self._unread = bytearray()
        """What has come and waits until what came before it is answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a connection."""
        self.outlet.transport = transport
        transport.set_write_buffer_limits(HIGH, LOW)  # uvloop waits until next to nothing is left
        super().connection_made(transport)

    async def run_asgi(self) -> None:
        """Hand the connection to the application, which finds the outlet in its scope."""
        extensions: dict[str, Any] = {**self.scope.get("extensions", {}), WIRE: self.outlet}
        self.scope["extensions"] = extensions
        await super().run_asgi()

    async def send(self, message: ASGISendEvent) -> None:
        """Pass on what the application says the ASGI way: a handshake's answer, for one."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # else uvicorn's log takes a refusal for a fault
        self._judge()

    async def receive(self) -> ASGIReceiveEvent:
        """The next message, the ASGI way; more are read once the application has taken all."""
        message = await self.queue.get()
        if self.queue.empty():
            self._read()
        return message

    # -- what goes out ----------------------------------------------------------------------------

    @property
    def _open(self) -> bool:
        ended = self._over or self.close_sent or self.disconnected
        return self.handshake_complete and not ended

    def _judge(self) -> None:
        """Let the outlet be open or not, after anything that may have changed it."""
        self.outlet.open = self._open

    def _end(self, code: int, reason: str) -> None:
        """Close with a code, if it is open; the other side may have closed in this very slice."""
        if self._open and self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
            self._leave(code, reason)

    def _leave(self, code: int, reason: str) -> None:
        """Send the close frame; the other side has some time to take it and to say goodbye."""
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self._judge()
        self.outlet.ended = code
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if code in ABUSES:
            self._turn_deaf()
        else:
            self.loop.call_soon(self._read)  # the other side's farewell, for one
        self._cut_after(PATIENT if code == SLOW else LAST_BYTES)

    # -- what the transport tells -----------------------------------------------------------------

    def pause_writing(self) -> None:
        """Note that the other side does not keep up."""
        self.outlet.full = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that it does again."""
        self.outlet.full = False
        super().resume_writing()
        drained = self.outlet.drained
        if drained is not None and self._open:
            drained()

    def shutdown(self) -> None:
        """Take leave, then close."""
        farewell = self.outlet.farewell
        if farewell is not None and self._open:
            farewell()
        if self.handshake_complete and self.conn.state is not State.OPEN:
            self.stop_keepalive()  # it has been told, or has said so itself
            self.transport.close()
        else:
            super().shutdown()
        self._over = True
        self._judge()
        self._cut_after(LAST_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what is not needed any more."""
        self._read_later(None)
        self._unread.clear()
        super().connection_lost(exc)
        self.outlet.gone()
        self.conn.parser.close()  # it holds what it parses for, which holds it
        _unwound(self.conn.parser_exc)
        _unwound(self.conn.handshake_exc)

    # -- how it is read ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read what has come, or leave it for later."""
        if self._deaf:  # but its end is still to be noticed
            self._hold()
            self._read_later(FORGETTING)
            return
        self._unread += data
        self._read()

    def _read(self) -> None:
        """Read piece by piece, as long as everything is answered and the pace allows it."""
        self._read_later(None)
        while self._unread and not self._deaf and (self.close_sent or self.queue.empty()):
            rest = self._pace.rest() or self._yielded()
            if rest:
                self._read_later(rest)
                break
            piece = bytes(self._unread[:SLICE])
            del self._unread[:SLICE]
            self._pace.spend(len(piece) * BYTE)
            try:
                super().data_received(piece)
            except Exception:
                self.transport.abort()  # else it would be neither read nor ended
                raise
            finally:
                self._judge()
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                self._turn_away()
        if self._unread:
            self._hold()
        elif self.close_sent or self.queue.empty():
            self._go_on()

    def _yielded(self) -> float:
        """Seconds for which what was said waits because others go first; 0.0 if it has its turn."""
        if (
            self._yields < (YIELDS if self._pace.much else FEW_YIELDS)
            and not self.outlet.lets_read()
        ):
            self._yields += 1
            return YIELD
        self._yields = 0
        return 0.0

    def _turn_away(self) -> None:
        """Answer a handshake that the library cannot read; uvicorn would leave it lying."""
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self._deaf = True
        self._unread.clear()
        self.transport.close()

    def _read_later(self, seconds: float | None) -> None:
        if self._later is not None:
            self._later.cancel()
        self._later = None if seconds is None else self.loop.call_later(seconds, self._read)

    def _hold(self) -> None:
        """Take nothing more from the kernel; it is full at some time, and the other side waits."""
        if not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def _go_on(self) -> None:
        if not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    def _turn_deaf(self) -> None:
        """Look at nothing more that comes, and say that nothing more goes out."""
        self._deaf = True
        self._unread.clear()
        if not self.transport.is_closing():
            if self.transport.can_write_eof():
                self.transport.write_eof()  # so that whoever waits for the end has it at once
            self.loop.call_soon(self._read)

    # -- what the other side does -----------------------------------------------------------------

    def handle_ping(self) -> None:
        """Answer a ping, unless there are too many or nobody reads the answers."""
        output = self.conn.data_to_send()
        self._count_ping()
        if self._open and not self.outlet.full:
            self.transport.write(b"".join(output))

    def handle_pong(self, event: Frame) -> None:
        """Note a pong; there may be as many as pings."""
        super().handle_pong(event)
        self._count_ping()

    def _count_ping(self) -> None:
        self._pace.spend(1.0)
        now = self.loop.time()
        if now - self._minute >= 60.0:  # noqa: PLR2004 - the seconds of a minute
            self._minute, self._pings = now, 0
        self._pings += 1
        if self._pings > PINGS:
            self._end(TOO_MANY, "too many pings")

    def handle_close(self, event: Frame) -> None:
        """Note that the other side has closed; nothing may be said after the answer to that."""
        self._over = True
        super().handle_close(event)

    def handle_cont(self, event: Frame) -> None:
        """Keep a further fragment of a message, unless it is in too many of them."""
        self._pace.spend(FRAGMENT)
        if not self._deaf:
            super().handle_cont(event)
        if len(self.frames) > FRAGMENTS:
            self.frames = []
            self._end(TOO_MANY, "too many fragments")

    def send_receive_event_to_app(self) -> None:
        """Pass a message on; a text that is no UTF-8 ends the connection without a traceback."""
        if self.close_sent:  # nobody answers it, but to read it took its time
            self._pace.spend(1.0)
        if self.curr_msg_data_type == "text":
            data = b"".join(self.frames)
            try:
                data.decode()
            except UnicodeDecodeError:
                self.frames = []
                self._end(NOT_UTF8, "the text is not UTF-8")
                return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """End a connection whose frames break the protocol; its code is sent first."""
        told = self.conn.close_sent
        if self.close_sent:
            self._turn_deaf()
        elif told is None:  # it did not even wait for the handshake's answer
            self.transport.abort()
        else:
            self._leave(told.code, told.reason)

    def start_keepalive(self) -> None:
        """Ask from time to time whether the other side is there; not all connections at once.

        Those of one moment, after a restart for one, would else be asked at one moment for ever.
        """
        if self.ping_interval:
            first = random.uniform(0.0, self.ping_interval)
            self.ping_timer = self.loop.call_later(first, self.send_keepalive_ping)

    def keepalive_timeout(self) -> None:
        """End a connection whose other side does not answer pings, unless it is not listened to."""
        if self.read_paused and self._open:
            self.pong_timer = None
            self.schedule_ping()
            return
        super().keepalive_timeout()
        self._judge()
        self._cut_after(LAST_BYTES)

    def _cut_after(self, seconds: float) -> None:
        """Cut it off then; uvicorn closes nothing before that, unless the other side does."""
        if self.close_timer is not None:
            self.close_timer.cancel()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(seconds, self._cut)

    def _cut(self) -> None:
        self.close_timer = None
        self.transport.abort()


def _unwound(error: BaseException | None) -> None:
    """Let an error forget where it was raised: who was there holds it, and would be held by it."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


SERVER: Mapping[str, Any] = MappingProxyType(
    {
        "ws": StreamProtocol,
        "ws_max_size": LARGEST,
        "ws_per_message_deflate": False,
        "ws_ping_interval": ASKING,
    }
)
"""What uvicorn's configuration says about WebSockets wherever Argus is served."""
