"""A visit by a client that sends whatever it is told to, byte for byte, and reads the answers."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgpack
import orjson
from support.streams.garbage import Handshake, message
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

END = "the end"
PATIENCE = 10.0
HALF_WAY = 0.3
"""Seconds after which a client that sent half a frame says that it will send nothing more."""
PATH = "/ws/market_data"


@dataclass
class Visit:
    """What the server said."""

    status: int | None = None
    told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    code: int | None = None
    """The code of the close frame; None if there was none."""
    alive: bool = False
    """True if the connection still answered after everything."""
    cut: bool = False
    """True if the connection ended without a close frame."""

    @property
    def ended(self) -> bool:
        """True if the server answered to the end, one way or another; it must never hang."""
        return self.alive or self.cut or self.code is not None or self.status != 101


def visit(port: int, handshake: Handshake, sent: bytes, key: str, *, whole: bool = True) -> Visit:
    """Shake hands, send the bytes, ask for a last sign of life, and read everything.

    Bytes that are not ``whole`` frames may swallow that question: then the client hangs up half.
    """
    seen = Visit()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        protocol = _protocol(port, handshake)
        line.sendall(_request(protocol, handshake, key))
        _shake(line, protocol, seen)
        if seen.status != 101:
            return seen
        last = message({"action": "ping", "id": END}, binary=handshake.binary)
        with suppress(OSError):  # it was ended while we spoke; why, is still to be read
            line.sendall(sent + last)
        if not whole:
            _read(line, protocol, seen, handshake, HALF_WAY)
            with suppress(OSError):
                line.shutdown(socket.SHUT_WR)
        _read(line, protocol, seen, handshake, PATIENCE)
    return seen


def _protocol(port: int, handshake: Handshake) -> ClientProtocol:
    names = [Subprotocol(name) for name in handshake.protocols]
    uri = parse_uri(f"ws://127.0.0.1:{port}{PATH}{handshake.query}")
    return ClientProtocol(uri, subprotocols=names or None, max_size=None)


def _request(protocol: ClientProtocol, handshake: Handshake, key: str) -> bytes:
    request = protocol.connect()
    if handshake.origin is not None:
        request.headers["Origin"] = handshake.origin
    shown = key if handshake.key == "good" else handshake.key
    marks = {}
    if shown is not None:
        name = "Authorization" if handshake.bearer else "X-API-Key"
        # The library writes what a header may hold; the fuzzer writes bytes of its own.
        request.headers[name] = "@"
        marks[b"@"] = (f"Bearer {shown}" if handshake.bearer else shown).encode()
    protocol.send_request(request)
    head = b"".join(protocol.data_to_send())
    for mark, value in marks.items():
        head = head.replace(b": " + mark + b"\r\n", b": " + value + b"\r\n")
    return head


def _shake(line: socket.socket, protocol: ClientProtocol, seen: Visit) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        data = line.recv(1 << 16)
        if not data:
            return
        head += data
    seen.status = int(head.split(b" ", 2)[1])
    if seen.status == 101:
        protocol.receive_data(head)


def _read(
    line: socket.socket,
    protocol: ClientProtocol,
    seen: Visit,
    handshake: Handshake,
    seconds: float,
) -> None:
    """Read until the last sign of life, an end, or for so many seconds."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for event in protocol.events_received():
            if isinstance(event, Response):
                continue
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY):
                data = bytes(event.data)
                told = msgpack.unpackb(data) if handshake.binary else orjson.loads(data)
                seen.told.append(told)
                seen.alive = seen.alive or told.get("id") == END
        if protocol.close_rcvd is not None:
            seen.code = protocol.close_rcvd.code
        if seen.alive or seen.cut or seen.code is not None:
            return
        line.settimeout(max(0.01, ends - time.monotonic()))
        try:
            data = line.recv(1 << 16)
        except TimeoutError:
            return
        except OSError:
            data = b""
        if not data:
            seen.cut = True
            return
        protocol.receive_data(data)
