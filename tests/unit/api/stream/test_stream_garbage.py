"""Whoever has left leaves nothing for Python's collector, which looks at what is old but seldom."""

import asyncio
import weakref

import pytest
from support.listening import PACKED, V2, A
from support.waiting import until
from websockets.server import ServerProtocol

from argus_api.stream.connection import Connection
from argus_api.stream.protocol import StreamProtocol


@pytest.fixture
def born(monkeypatch):
    """Whatever was made for each connection, as long as it lives."""
    made = []
    for kind in (Connection, StreamProtocol, ServerProtocol):

        def init(self, *arguments, _original=kind.__init__, **named):
            made.append(weakref.ref(self))
            _original(self, *arguments, **named)

        monkeypatch.setattr(kind, "__init__", init)
    return made


@pytest.mark.usefixtures("uncollected")
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


@pytest.mark.usefixtures("uncollected")
async def test_one_that_vanishes_is_gone_too(house, born):
    async with house.client() as client:
        await client.subscribe(A)
        client.socket.transport.abort()
    assert len(born) == 3
    await until(lambda: not [one for one in born if one() is not None])
