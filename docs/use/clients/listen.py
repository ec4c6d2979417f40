"""Listens to Argus over a WebSocket, for as long as you like, and proves that it misses nothing.

    pip install websockets
    python listen.py ws://127.0.0.1:8001/ws/market_data 600519.SH 000001.SZ

It comes back after a broken connection, goes on where it was, and checks every number. A key, where
the server asks for one, stands in the environment variable ARGUS_API_KEY.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
NOT_ALLOWED = 4001

Message = dict[str, Any]


class Listener:
    """Listens to symbols on one channel.

    ``on_item`` is called with each item, and whether it is a snapshot; ``on_note`` with a sentence
    whenever something must be known beside the values.
    """

    def __init__(
        self,
        url: str,
        symbols: list[str],
        *,
        channel: str = "quotes",
        key: str | None = None,
        on_item: Callable[[Message, bool], None],
        on_note: Callable[[str], None],
    ) -> None:
        self.epoch: str | None = None
        self.seq: dict[str, int] = {}
        """The number of the last item of each symbol, within the epoch."""
        self._url = url
        self._symbols = symbols
        self._channel = channel
        self._key = key
        self._on_item = on_item
        self._on_note = on_note
        self._announced: dict[str, int] = {}
        """Updates since the last item that we were told we do not get."""
        self._wait: float | None = None
        """The pause that a server asked for before it ended."""

    async def run(self) -> None:
        """Listen until cancelled; raises where coming again is of no use."""
        pause = FIRST_PAUSE
        while True:
            try:
                headers = {"X-API-Key": self._key} if self._key else None
                async with connect(
                    self._url,
                    subprotocols=[Subprotocol("argus.v2")],
                    additional_headers=headers,
                    compression=None,
                ) as socket:
                    pause = FIRST_PAUSE
                    await self._listen(socket)
            except InvalidStatus as error:
                if error.response.status_code in (400, 401, 403):
                    raise
                self._on_note(f"not let in just now: {error}")
            except ConnectionClosed as error:
                if error.rcvd is not None and error.rcvd.code == NOT_ALLOWED:
                    raise
                self._on_note(f"the connection ended: {error}")
            except (OSError, WebSocketException) as error:
                self._on_note(f"no connection: {error}")
            # Thousands lose their connections at once: chance keeps them from coming back at once.
            await asyncio.sleep(random.uniform(0, pause) if self._wait is None else self._wait)
            self._wait, pause = None, min(pause * 2, LONGEST_PAUSE)

    async def _listen(self, socket: ClientConnection) -> None:
        wanted: Message = {
            "action": "subscribe",
            "channel": self._channel,
            "symbols": self._symbols,
        }
        if self.epoch is not None:
            wanted["since"] = {"epoch": self.epoch, "seq": self.seq}
        await socket.send(json.dumps(wanted))
        async for frame in socket:
            await self._hear(json.loads(frame), socket)

    async def _hear(self, told: Message, socket: ClientConnection) -> None:
        match told["type"]:
            case "subscribed":
                self._begin(told)
            case "snapshot" | "update":
                self._take(told)
            case "status":
                self._on_note(f"{told['state']}: {told.get('source') or told.get('reason')}")
            case "gap":
                self._on_note(f"something may be missing of {told['symbols']}: {told['reason']}")
            case "shutdown":
                self._wait = told["reconnect_after_ms"] / 1000
            case "error":
                self._on_note(f"{told['code']}: {told['message']}")
                await asyncio.sleep(random.uniform(1, 3))
                await socket.close()  # and try once more
            case _:
                pass  # what is not known is not for us

    def _begin(self, told: Message) -> None:
        """What happened while we were away."""
        for one in told["rejected"]:
            self._on_note(f"{one['symbol']} cannot be heard: {one['message']}")
        if told["epoch"] != self.epoch:
            self.epoch = told["epoch"]
            self.seq.clear()
        self._announced.clear()
        for symbol, missed in told.get("missed", {}).items():
            if missed is None:
                self.seq.pop(symbol, None)
                self._on_note(f"{symbol}: what was missed is not known")
            elif missed:
                self._announced[symbol] = missed
                self._on_note(f"{symbol}: {missed} updates missed")

        for symbol, seq in told["seq"].items():
            self.seq.setdefault(symbol, seq)

    def _take(self, told: Message) -> None:
        snapshot = told["type"] == "snapshot"
        for counts in (told.get("conflated", {}), told.get("lost", {})):
            for symbol, count in counts.items():
                self._announced[symbol] = self._announced.get(symbol, 0) + count
        for item in told["data"]:
            symbol, seq = item["symbol"], item["seq"]
            announced = self._announced.pop(symbol, 0)
            last = self.seq.get(symbol)
            if not snapshot and last is not None:
                missing = seq - last - 1
                if not 0 <= missing <= announced:
                    self._on_note(f"{symbol}: {seq} after {last}, and {announced} were announced")
                elif missing < announced:
                    self._announced[symbol] = announced - missing
            self.seq[symbol] = seq
            self._on_item(item, snapshot)


async def main() -> None:
    """Print what is heard."""
    parser = argparse.ArgumentParser(description="Listen to Argus.")
    parser.add_argument("url")
    parser.add_argument("symbols", nargs="+")
    parser.add_argument("--channel", default="quotes")
    parser.add_argument("--seconds", type=float, help="how long; without it, for ever")
    given = parser.parse_args()
    listener = Listener(
        given.url,
        given.symbols,
        channel=given.channel,
        key=os.environ.get("ARGUS_API_KEY"),
        on_item=lambda item, snapshot: print("=" if snapshot else "+", json.dumps(item)),
        on_note=lambda note: print("#", note),
    )
    try:
        async with asyncio.timeout(given.seconds):
            await listener.run()
    except TimeoutError:
        pass


if __name__ == "__main__":
    asyncio.run(main())
