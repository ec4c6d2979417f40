"""Whoever has left leaves nothing for Python's collector, which looks at what is old but seldom."""

import asyncio
import weakref

import httpx
import pytest
from support.listening import PACKED, V2, A
from support.process import PLAINLY
from support.waiting import until
from websockets.server import ServerProtocol

from argus_api.stream.connection import Connection
from argus_api.stream.events import HttpWire
from argus_api.stream.protocol import StreamProtocol
from argus_cli import garbage


@pytest.fixture
def born(monkeypatch, uncollected):
    """Whatever was made for each connection, as long as it lives; nothing looks for garbage."""
    monkeypatch.setattr(garbage, "tidy", lambda: None)
    made = []
    for kind in (Connection, StreamProtocol, ServerProtocol, HttpWire):

        def init(self, *arguments, _original=kind.__init__, **named):
            made.append(weakref.ref(self))
            _original(self, *arguments, **named)

        monkeypatch.setattr(kind, "__init__", init)
    return made


@pytest.mark.parametrize("protocol", [None, V2, PACKED])
async def test_a_listener_that_has_left_is_gone(house, born, protocol):
    for _ in range(3):
        async with house.client(protocol) as client:
            await client.subscribe(A)
            await house.market.brings(A)
            await client.subscribe(A, **({"interval_ms": 500} if protocol else {}))
            house.market.push(A)
            await asyncio.sleep(0.02)
    assert len(born) == 9
    await until(lambda: not [one for one in born if one() is not None])


async def test_one_that_vanishes_is_gone_too(house, born):
    async with house.client() as client:
        await client.subscribe(A)
        client.socket.transport.abort()
    assert len(born) == 3
    await until(lambda: not [one for one in born if one() is not None])


@pytest.mark.parametrize(
    "frame",
    [b"\x81\x02{}", b"\xc1\x81\0\0\0\0x", b"\x81\xff" + (1 << 20).to_bytes(8, "big") + b"\0" * 4],
    ids=["not masked", "an unknown flag", "a megabyte"],
)
async def test_one_that_breaks_the_protocol_is_gone_too(house, born, frame):
    async with house.client() as client:
        await client.subscribe(A)
        client.socket.transport.write(frame)
        assert (await client.closed())[0] in (1002, 1009)
    assert len(born) == 3
    await until(lambda: not [one for one in born if one() is not None])


async def test_one_whose_handshake_is_refused_is_gone_too(house, born):
    wrong = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "7"}
    async with httpx.AsyncClient(**PLAINLY) as client:
        url = house.url + "/ws/market_data"
        assert (await client.get(url, headers=wrong)).status_code in (400, 426)
    assert born
    await until(lambda: not [one for one in born if one() is not None])


async def test_an_event_stream_that_was_left_is_gone_too(house, born):
    async with (
        httpx.AsyncClient(**PLAINLY) as client,
        client.stream(
            "GET", house.url + "/api/v1/market_data/stream", params={"symbols": A}
        ) as response,
    ):
        assert response.status_code == 200, await response.aread()
        lines = response.aiter_lines()
        while await anext(lines) != "event: subscribed":
            pass
    assert len(born) == 2
    await until(lambda: not [one for one in born if one() is not None])
