"""What ends a talk and what does not: sizes, numbers, broken frames."""

import asyncio
import json

import pytest
from support.listening import PACKED, A, B, C
from support.waiting import until
from websockets.frames import Frame, Opcode

from argus_api.stream import protocol
from argus_core.streaming.lanes import QUEUED


async def raw(client, *frames):
    """Write frames as they are, right or wrong."""
    client.socket.transport.write(b"".join(frame.serialize(mask=True) for frame in frames))


async def test_too_many_messages_end_it_with_a_word(serve):
    async with serve(stream={"max_messages": 5}) as house, house.client() as client:
        for number in range(6):
            await client.say("ping", id=number)
        assert await client.closed() == (4009, "too many messages")
        told = [m for m in client.heard if m["type"] in ("pong", "error")]
        assert [m["type"] for m in told] == ["pong"] * 5 + ["error"]
        assert told[-1]["code"] == "RATE_LIMIT_EXCEEDED"


async def test_unreadable_messages_count_too(serve):
    async with serve(stream={"max_messages": 5}) as house, house.client() as client:
        for _ in range(6):
            await client.send("{")
        assert (await client.closed())[0] == 4009


async def test_the_count_begins_anew_after_a_minute(serve, monkeypatch):
    from argus_api.stream import talk

    passed = 0.0
    real = asyncio.get_running_loop().time
    original = talk.Talk.__init__

    def init(self, *arguments):
        original(self, *arguments)
        self._now = lambda: real() + passed

    monkeypatch.setattr(talk.Talk, "__init__", init)
    async with serve(stream={"max_messages": 4}) as house, house.client() as client:
        for _ in range(3):
            for number in range(4):
                await client.say("ping", id=number)
                await client.hear("pong", id=number)
            passed += 61
        assert not [m for m in client.heard if m["type"] == "error"]


async def test_too_many_symbols_are_refused_and_nothing_of_them_is_heard(serve):
    async with serve(stream={"max_symbols": 2}) as house, house.client() as client:
        told = await client.subscribe(A, B, C)
        assert (told["type"], told["code"]) == ("error", "PAYLOAD_TOO_LARGE")
        assert (await client.subscribe(A))["accepted"] == [A]
        assert (await client.subscribe(B, channel="depth"))["accepted"] == [B]
        assert (await client.subscribe(A, channel="depth"))["symbols"] == [B, A]
        told = await client.subscribe(C)
        assert (told["type"], told["code"]) == ("error", "PAYLOAD_TOO_LARGE")
        await client.say("list")
        assert (await client.hear("subscriptions"))["data"] == {"quotes": [A], "depth": [B, A]}


async def test_a_frame_may_have_64_kilobytes_and_not_more(house):
    async with house.client() as client:
        padding = "x" * (protocol.LARGEST - len('{"action": "ping", "pad": ""}'))
        await client.send(json.dumps({"action": "ping", "pad": padding}))
        assert (await client.hear("pong"))["type"] == "pong"
        await client.send(json.dumps({"action": "ping", "pad": padding + "x"}))
        assert (await client.closed())[0] == 1009


async def test_fragments_count_together(house):
    async with house.client() as client:
        await client.hear("hello")
        part = b"x" * 20_000
        await raw(client, Frame(Opcode.TEXT, part, fin=False))
        await raw(client, *[Frame(Opcode.CONT, part, fin=False)] * 3)
        assert (await client.closed())[0] == 1009


async def test_text_that_is_not_utf_8(house):
    async with house.client() as client:
        await client.hear("hello")
        await raw(client, Frame(Opcode.TEXT, b'{"action": "ping\xff"}'))
        assert (await client.closed())[0] == 1007


@pytest.mark.parametrize(
    "frame",
    [b"\x89\xfe\x00\x7e\0\0\0\0" + b"x" * 126, b"\xc1\x81\0\0\0\0x"],
    ids=["a long ping", "an unknown flag"],
)
async def test_frames_that_break_the_protocol(house, frame):
    async with house.client() as client:
        await client.hear("hello")
        client.socket.transport.write(frame)
        assert (await client.closed())[0] == 1002


async def test_json_in_binary_frames_is_read_too(house):
    async with house.client() as client:
        await client.send(b'{"action": "ping", "id": 3}')
        assert (await client.hear("pong"))["id"] == 3


@pytest.mark.parametrize("form", [None, PACKED])
async def test_what_cannot_be_read_again_and_again_ends_it(house, form):
    async with house.client(form) as client:
        for _ in range(20):
            await client.send(b"\xc1")
        code, reason = await client.closed()
        assert code == 4000
        assert "read" in reason
        assert len([m for m in client.heard if m["type"] == "error"]) == 20


async def test_a_flood_of_pings(house, monkeypatch):
    monkeypatch.setattr(protocol, "PINGS", 110)
    async with house.client() as client:
        await client.hear("hello")
        await raw(client, *[Frame(Opcode.PING, b"?")] * (protocol.PINGS + 1))
        assert (await client.closed())[0] == 4009


async def test_paces_come_and_go_without_leaving_anything(house):
    async with house.client() as client:
        for pace in range(40):
            await client.subscribe(A, interval_ms=1000 + pace)
        (connection,) = house.audience.connections
        heard = house.gateway.streaming.hub.heard(connection)
        assert {lane.interval for _, lane in heard.values()} == {1.039}
        assert connection.backlog <= QUEUED
        assert len(connection._lanes) == 1


async def test_the_ways_of_one_client_are_not_another_s(house):
    async with house.listener(A) as client, house.client() as bad:
        await raw(bad, Frame(Opcode.TEXT, b"\xff"))
        assert (await bad.closed())[0] == 1007
        house.market.push(A)
        assert (await client.hear("update"))["data"][0]["symbol"] == A


async def test_who_leaves_leaves_nothing_behind(serve):
    async with serve(stream={"grace": 0}) as house:
        takers = house.market.source.takers
        for goodbye in (True, False):
            async with house.client() as client:
                await client.subscribe(A, B)
                await house.market.brings(A, B)
                if not goodbye:
                    client.socket.transport.abort()
            await until(lambda: not house.audience.connections and not takers)
            assert house.gateway.streaming.hub.topics == {}
            assert house.gateway.streaming.hub.listeners == []


async def test_where_everybody_is_let_in_there_is_no_limit_unless_one_is_stated(serve):
    async with serve() as house, house.client() as client:
        hello = await client.hear("hello")
        assert hello["limits"]["messages_per_minute"] is None
