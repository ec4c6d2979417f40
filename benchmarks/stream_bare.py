"""A bare uvicorn that sends, in a loop, what it is told to: the measure of the streaming figures.

    python benchmarks/stream_bare.py PORT

Every connection to ``/ws/market_data`` is a listener; whatever it says is answered with an empty
``subscribed``. A connection to ``/control`` commands: ``{"do": "burst", "frame": …}`` sends one
frame to each listener, ``{"do": "flood", "frame": …, "seconds": …, "period": …}`` one every
``period`` seconds, for so long; both answer when the last one is out. In a frame ``"volume":0``
becomes the monotonic instant of the beginning in microseconds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import orjson
import uvicorn

Send = Any
_STAMP = '"volume":0'
_HELLO = '{"type":"hello"}'
_SUBSCRIBED = '{"type":"subscribed"}'


class Bare:
    """The application."""

    def __init__(self) -> None:
        self._sends: dict[int, Send] = {}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        elif scope["type"] == "websocket":
            await receive()
            protocols = scope["subprotocols"]
            await send({"type": "websocket.accept", "subprotocol": (protocols or [None])[0]})
            await (self._control if scope["path"] == "/control" else self._listen)(receive, send)

    async def _listen(self, receive: Any, send: Send) -> None:
        await send({"type": "websocket.send", "text": _HELLO})
        self._sends[id(send)] = send
        try:
            while (await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": _SUBSCRIBED})
        finally:
            del self._sends[id(send)]

    async def _control(self, receive: Any, send: Send) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            command = orjson.loads(message["text"])
            frames = 0
            if command["do"] == "burst":
                frames = await self._burst(command["frame"])
            if command["do"] == "flood":
                ends = time.monotonic() + command["seconds"]
                while (now := time.monotonic()) < ends:
                    frames += await self._burst(command["frame"])
                    await asyncio.sleep(max(0.0, now + command["period"] - time.monotonic()))
            told = {"type": "done", "frames": frames}
            await send({"type": "websocket.send", "text": orjson.dumps(told).decode()})

    async def _burst(self, frame: str) -> int:
        stamped = frame.replace(_STAMP, f'"volume":{time.monotonic_ns() // 1000}')
        message = {"type": "websocket.send", "text": stamped}
        sends = list(self._sends.values())
        for send in sends:
            await send(message)
        return len(sends)


if __name__ == "__main__":
    config = uvicorn.Config(
        Bare(),
        port=int(sys.argv[1]),
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="warning",
        lifespan="off",
    )
    uvicorn.Server(config).run()
