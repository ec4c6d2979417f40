"""A listener that comes back after every loss, and writes down everything that it hears."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgpack
import orjson
from support.streams.judge import Event, Item, Joined, Told
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

AGAIN = 0.1


class Listener:
    """One client; ``heard`` holds the events of each share in their order."""

    def __init__(
        self, port: int, symbols: tuple[str, ...], *, binary: bool = False, interval_ms: int = 0
    ) -> None:
        self.heard: dict[str, list[Event]] = {symbol: [] for symbol in symbols}
        self.connections = 0
        self.closes: list[int | None] = []
        """The codes with which connections ended; None where nobody said one."""
        self.odd: list[str] = []
        """Messages that nobody documents, and errors."""
        self._url = f"ws://127.0.0.1:{port}/ws/market_data"
        self._protocol = Subprotocol("argus.v2.msgpack" if binary else "argus.v2")
        self._binary = binary
        self._interval = interval_ms
        self._epoch = ""
        self._seqs: dict[str, int] = {}
        self._line: ClientConnection | None = None

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            with contextlib.suppress(OSError, InvalidHandshake, TimeoutError, EOFError):
                async with connect(
                    self._url, subprotocols=[self._protocol], proxy=None, max_size=None
                ) as line:
                    self._line = line
                    await self._talk(line)
            self._line = None
            for events in self.heard.values():
                events.append(Told("left"))
            await asyncio.sleep(AGAIN)

    def drop(self) -> None:
        """Lose the connection without a word."""
        if self._line is not None:
            self._line.transport.abort()

    async def _talk(self, line: ClientConnection) -> None:
        self.connections += 1
        await self._say(line)
        try:
            async for message in line:
                self._took(self._read(message))
        except ConnectionClosed:
            pass
        finally:
            self.closes.append(line.close_code)

    async def _say(self, line: ClientConnection) -> None:
        body: dict[str, Any] = {"action": "subscribe", "channel": "quotes", "id": 1}
        body |= {"symbols": list(self.heard), "interval_ms": self._interval}
        if self._seqs:
            body["since"] = {"epoch": self._epoch, "seq": self._seqs}
        await line.send(msgpack.packb(body) if self._binary else orjson.dumps(body).decode())

    def _read(self, message: str | bytes) -> dict[str, Any]:
        told: dict[str, Any]
        told = msgpack.unpackb(message) if self._binary else orjson.loads(message)
        return told

    def _took(self, told: dict[str, Any]) -> None:
        match told["type"]:
            case "subscribed":
                self._joined(told)
            case "snapshot" | "update":
                self._values(told)
            case "gap" | "status":
                for symbol in told["symbols"]:
                    self.heard[symbol].append(Told(told["type"]))
            case "hello" | "heartbeat" | "shutdown":
                pass
            case _:
                self.odd.append(str(told))

    def _joined(self, told: dict[str, Any]) -> None:
        if told["epoch"] != self._epoch:
            self._seqs.clear()
        self._epoch = told["epoch"]
        missed = told.get("missed", {})
        for symbol in told["accepted"]:
            self.heard[symbol].append(Joined(told["epoch"], missed.get(symbol)))
        self.odd += [str(one) for one in told["rejected"]]

    def _values(self, told: dict[str, Any]) -> None:
        skipped = {**told.get("conflated", {})}
        for symbol, count in told.get("lost", {}).items():
            skipped[symbol] = skipped.get(symbol, 0) + count
        for item in told["data"]:
            symbol = item["symbol"]
            self._seqs[symbol] = item["seq"]
            self.heard[symbol].append(
                Item(
                    kind=told["type"],
                    epoch=told["epoch"],
                    seq=item["seq"],
                    number=int(item["volume"]),
                    source=item["source"],
                    stale=item.get("stale", False),
                    skipped=skipped.get(symbol, 0),
                )
            )
