"""The clients of the streaming benchmarks: thousands of connections that cost little to read.

Every connection shakes hands, asks and closes through `websockets`' own sans-I/O client, which
refuses what is no proper answer. What a server then sends is read in two ways: a :class:`Wire`
finds the frames with a few lines of its own, so that the client is not what is measured, and a
:class:`Witness` reads them all with the library, decodes every message and holds the numbers
against each other. The figures of both must agree.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from typing import Any, cast

import orjson
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

PROTOCOL = "argus.v2"
PATH = "/ws/market_data"
UPDATE = b'{"type":"update"'
STAMP = re.compile(rb'"volume":(\d+)')
CONFLATED = re.compile(rb'"conflated":(\{[^}]*\})')
BIN_US = 100
"""Microseconds of a bin of the histogram of latencies."""
BINS = 600_000
_CLOSE, _PING = 0x8, 0x9
_SHORT, _LONG = 126, 127


class Tally:
    """What clients received: updates by how late they came, and whatever went wrong."""

    def __init__(self) -> None:
        self.lost: Counter[str] = Counter()
        """Connections that ended although nobody here wanted it, by close code or reason."""
        self.holes = 0
        """Numbers that a witness missed without having been told."""
        self.errors: Counter[str] = Counter()
        """Error messages by code."""
        self.clear()

    def clear(self) -> None:
        """Begin anew; what was lost is not forgotten."""
        self.frames = 0
        self.bytes = 0
        self.updates = 0
        self.conflated = 0
        self.worst_us = 0
        self.last = 0.0
        """The monotonic instant of the last update."""
        self.bins = [0] * BINS

    def took(self, payload: bytes) -> None:
        """Count an update message that has just come."""
        now = time.monotonic_ns() // 1000
        self.frames += 1
        self.bytes += len(payload)
        bins = self.bins
        stamps = STAMP.findall(payload)
        for stamp in stamps:
            late = now - int(stamp)
            self.worst_us = max(self.worst_us, late)
            bins[min(late // BIN_US, BINS - 1)] += 1
        self.updates += len(stamps)
        self.last = now / 1e6
        if b'"conflated"' in payload:
            self.conflated += conflated(payload)

    def percentile(self, share: float) -> float:
        """Milliseconds within which ``share`` of the updates came; 0 if none did."""
        wanted, seen = share * sum(self.bins), 0
        for number, count in enumerate(self.bins):
            seen += count
            if seen >= wanted:
                return number * BIN_US / 1000
        return 0.0

    @property
    def worst(self) -> float:
        """Milliseconds of the latest one."""
        return self.worst_us / 1000


class Rate:
    """Counts messages and updates and looks at nothing else: for loads that fill a core."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.frames = 0
        self.updates = 0
        self.conflated = 0
        self.sample = b""
        """The last message that came alone."""

    def took(self, data: bytes) -> None:
        """Count what has come, one message or several."""
        self.frames += data.count(UPDATE)
        self.updates += data.count(b'"volume":')
        if data.startswith(UPDATE):  # and not with a frame's head
            self.sample = data
        if b'"conflated"' in data:
            self.conflated += conflated(data)


def conflated(payload: bytes) -> int:
    """How many updates a message says were replaced before they could be sent."""
    told = CONFLATED.search(payload)
    return 0 if told is None else sum(json.loads(told[1]).values())


class Wire(asyncio.Protocol):
    """One connection, whose frames are found without a library."""

    def __init__(
        self, port: int, tally: Tally | Rate, lost: Counter[str], headers: dict[str, str]
    ) -> None:
        uri = parse_uri(f"ws://127.0.0.1:{port}{PATH}")
        self.protocol = ClientProtocol(uri, subprotocols=[Subprotocol(PROTOCOL)], max_size=None)
        self.tally = tally
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        """Messages that are no updates."""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closing = False
        self.code: int | None = None
        """The code of the server's close frame."""
        self._lost = lost
        self._headers = headers
        self._rest = b""
        self._transport: asyncio.Transport

    # -- what the benchmark does ------------------------------------------------------------------

    def say(self, **message: Any) -> None:
        """Send a message."""
        self.protocol.send_text(orjson.dumps(message))
        self._flush()

    async def answer(self, kind: str) -> dict[str, Any]:
        """The next message of a type; an error in its place ends the run."""
        async with asyncio.timeout(120):
            while (told := await self.told.get())["type"] != kind:
                if told["type"] == "error":
                    raise SystemExit(f"instead of {kind}: {told}")
        return told

    def close(self) -> None:
        """End the connection without waiting for the other side."""
        self.closing = True
        if not self._transport.is_closing():
            self._transport.abort()

    # -- what the transport tells -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        request = self.protocol.connect()
        for name, value in self._headers.items():
            request.headers[name] = value
        self.protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Read the handshake with the library, then whatever frames are complete."""
        if self.opened.done():
            self._read(self._rest + data if self._rest else data)
            return
        self._rest += data
        head, found, rest = self._rest.partition(b"\r\n\r\n")
        if found:
            self._rest = b""
            self._shaken(head + found)
            self._read(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note why, if nobody here wanted it."""
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("closed during the handshake"))
        if not self.closing:
            self.closing = True
            self._lost[str(self.code or exc or "no close frame")] += 1
        self.told.put_nowait({"type": "error", "code": "the connection is gone"})

    def _shaken(self, head: bytes) -> None:
        self.protocol.receive_data(head)
        for event in self.protocol.events_received():
            if isinstance(event, Response) and self.protocol.handshake_exc is None:
                self.opened.set_result(None)
        if not self.opened.done():
            why = self.protocol.handshake_exc or InvalidHandshake(repr(head[:80]))
            self.opened.set_exception(why)

    def _read(self, data: bytes) -> None:
        """Take the complete frames of ``data`` and keep the rest (RFC 6455, section 5.2)."""
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length >= _SHORT:
                start = at + (4 if length == _SHORT else 10)
                length = int.from_bytes(data[at + 2 : start], "big")
            if start + length > size:
                break
            self._frame(data[at], data[start : start + length])
            at = start + length
        self._rest = data[at:]

    def _frame(self, first: int, payload: bytes) -> None:
        if payload.startswith(UPDATE):
            self.tally.took(payload)
            return
        opcode = first & 0x0F
        if opcode == _PING:
            self.protocol.send_pong(payload)
            self._flush()
        elif opcode == _CLOSE:
            self.code = int.from_bytes(payload[:2], "big") or None
        else:
            self.told.put_nowait(orjson.loads(payload))

    def _flush(self) -> None:
        self._transport.write(b"".join(self.protocol.data_to_send()))


class Flooded(Wire):
    """A connection that only counts, as cheaply as can be; it answers no pings.

    From the first update on it looks for no frames any more.
    """

    _flooded = False

    def _read(self, data: bytes) -> None:
        if self._flooded or UPDATE in data:
            self._flooded = True
            self.tally.took(data)
        else:
            super()._read(data)


class Witness(Wire):
    """A connection that the library reads alone; it decodes everything and checks the numbers."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._seqs: dict[str, int] = {}

    def _read(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode is Opcode.CLOSE:
                self.code = self.protocol.close_code
            elif event.opcode is Opcode.TEXT:
                self._message(bytes(event.data))
        self._flush()  # the library's pongs

    def _message(self, payload: bytes) -> None:
        told = orjson.loads(payload)
        assert isinstance(self.tally, Tally)
        if told["type"] == "update":
            self.tally.took(payload)
            self.tally.holes += self._numbered(told)
        elif told["type"] == "snapshot":
            self._seqs |= {item["symbol"]: item["seq"] for item in told["data"]}
        if told["type"] != "update":
            self.told.put_nowait(told)

    def _numbered(self, told: dict[str, Any]) -> int:
        """How many of the message's items do not follow what came before."""
        holes, skipped = 0, told.get("conflated", {})
        for item in told["data"]:
            symbol, seq = item["symbol"], item["seq"]
            holes += seq != self._seqs.get(symbol, 0) + 1 + skipped.get(symbol, 0)
            self._seqs[symbol] = seq
        return holes


async def connected(
    kind: type[Wire],
    port: int,
    tally: Tally | Rate,
    lost: Counter[str],
    headers: dict[str, str] | None = None,
) -> Wire:
    """An open connection."""
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(
        lambda: kind(port, tally, lost, headers or {}), "127.0.0.1", port
    )
    await asyncio.wait_for(wire.opened, 120)
    return wire
