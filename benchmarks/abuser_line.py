"""A connection of which everything can be sent, right or wrong, for clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import socket

from stream_wire import PATH, PROTOCOL
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

Ending = str


class Refused(ConnectionError):
    """A handshake that was answered with another status than 101."""


class Line:
    """A connection of which everything can be sent, right or wrong."""

    def __init__(self, sock: socket.socket, port: int, address: str | None) -> None:
        self.sock = sock
        self._address = address
        uri = parse_uri(f"ws://127.0.0.1:{port}{PATH}")
        self.protocol = ClientProtocol(uri, subprotocols=[Subprotocol(PROTOCOL)], max_size=None)

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def frame(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> None:
        """Send a masked frame, whatever came before it."""
        await self.raw(Frame(opcode, data, fin).serialize(mask=True))

    async def say(self, **message: object) -> None:
        """Send a message."""
        await self.frame(Opcode.TEXT, json.dumps(message).encode())

    async def taken(self, size: int = 1 << 16) -> bytes:
        """The next bytes; none at the end."""
        return await asyncio.get_running_loop().sock_recv(self.sock, size)

    async def shake(self) -> None:
        """The handshake; :class:`Refused` or another ConnectionError if it fails."""
        request = self.protocol.connect()
        if self._address is not None:
            request.headers["X-Forwarded-For"] = self._address
        self.protocol.send_request(request)
        await self.raw(b"".join(self.protocol.data_to_send()))
        head = b""
        while b"\r\n\r\n" not in head:
            data = await self.taken()
            if not data:
                raise ConnectionError("no handshake")
            head += data
        status = head.split(b" ", 2)[1].decode()
        if status != "101":
            raise Refused(status)
        self.protocol.receive_data(head)

    async def ending(self, seconds: float = 10.0) -> Ending:
        """How the server ends it: the code, ``cut``, or ``open`` if it does not."""
        try:
            async with asyncio.timeout(seconds):
                while self.protocol.close_rcvd is None:
                    data = await self.taken()
                    if not data:
                        return "cut"
                    self.protocol.receive_data(data)
        except TimeoutError:
            return "open"
        except OSError:
            return "cut"
        return str(self.protocol.close_rcvd.code)


async def opened(
    port: int, address: str | None, *, narrow: bool = False, shake: bool = True
) -> Line:
    """A connection; a narrow one makes the kernel buffer as little as it can."""
    sock = socket.socket()
    sock.setblocking(False)
    if narrow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        if hasattr(socket, "TCP_MAXSEG"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        line = Line(sock, port, address)
        if shake:
            await line.shake()
    except BaseException:
        sock.close()
        raise
    return line
