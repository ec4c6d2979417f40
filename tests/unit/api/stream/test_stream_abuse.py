"""What becomes of clients that misbehave, and of those beside them, on a running server."""

import asyncio
import json

import pytest
from support.clock import TestClock
from support.listening import PATIENCE, A, B
from support.waiting import until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from argus_api.stream import audience, pace, protocol, talk
from argus_api.stream.pace import A_SECOND, AT_ONCE

BAD, GOOD = "198.18.0.1", "198.18.0.2"
NOT_UTF8 = Frame(Opcode.TEXT, b"\xff")
MEASURES = 40
"""Rounds in which a neighbour is listened to."""


def come(client, *frames):
    """Send frames as they are, right or wrong."""
    client.socket.transport.write(b"".join(frame.serialize(mask=True) for frame in frames))


def whence(address):
    """As a proxy on the server's machine tells from where somebody comes."""
    return {"X-Forwarded-For": address}


# -- at their own pace ---------------------------------------------------------------------------


async def test_a_neighbour_of_floods_hears_everything(house):
    floods = (
        Frame(Opcode.PING, b"x" * 125),
        Frame(Opcode.PONG, b""),
        Frame(Opcode.TEXT, b'{"action": "ping"}'),
        Frame(Opcode.BINARY, b'{"action": "list"}'),
    )
    async with house.listener(A) as good, house.client() as one, house.client() as other:
        seqs = []
        for turn in range(MEASURES):
            for bad in (one, other):
                if bad.socket.close_code is None:
                    come(bad, *[floods[turn % len(floods)]] * 200)
            house.market.push(A)
            told = await good.hear("update")
            seqs += [item["seq"] for item in told["data"]]
        assert seqs == sorted(seqs)
        assert house.audience.connections


async def test_many_messages_at_once_are_all_answered_in_order(house):
    async with house.client() as client:
        many = int(AT_ONCE) + 20
        for number in range(many):
            await client.say("ping", id=number)
        answers = [(await client.hear("pong"))["id"] for _ in range(many)]
        assert answers == list(range(many))


async def test_a_flood_of_subscriptions_is_answered_little_by_little(serve):
    async with serve(stream={"max_messages": 20}) as house, house.client() as client:
        began = asyncio.get_running_loop().time()
        symbols = [f"{number:06d}.SZ" for number in range(1, 61)]
        for number in range(21):
            await client.say("subscribe", symbols=symbols, interval_ms=number)
        code, reason = await client.closed()
        took = asyncio.get_running_loop().time() - began
        assert (code, reason) == (4009, "too many messages")
        told = [one["type"] for one in client.heard if one["type"] in ("subscribed", "error")]
        assert told == ["subscribed"] * 20 + ["error"]
        units = 20 * (1 + talk.SYMBOL * len(symbols))
        assert took >= (units - AT_ONCE) / A_SECOND * 0.9


async def test_a_flood_without_an_end_is_ended_even_where_messages_are_not_counted(
    house, monkeypatch
):
    monkeypatch.setattr(pace, "LONGEST", 0.3)
    async with house.client() as client:
        for number in range(300):
            await client.say("ping", id=number)
        assert await client.closed() == (4009, "too many messages")
        told = [one for one in client.heard if one["type"] in ("pong", "error")]
        assert AT_ONCE * pace.MUCH <= len(told) < 150
        assert told[-1]["code"] == "RATE_LIMIT_EXCEEDED"


async def test_a_subscription_costs_by_its_symbols(house):
    async with house.client() as client:
        symbols = [f"{number:06d}.SZ" for number in range(1, 1001)]
        assert (await client.subscribe(*symbols))["accepted"] == symbols
        began = asyncio.get_running_loop().time()
        await client.say("ping")
        await client.hear("pong")
        assert asyncio.get_running_loop().time() - began > 0.05  # 102 units, and 100 at once


# -- the slow -----------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(audience, "LOOK", 0.02)


async def overfull(house):
    """Return when the only client is let go, since it takes nothing."""
    (connection,) = house.audience.connections
    wire = connection.wire
    async with asyncio.timeout(PATIENCE):
        while wire.open:
            if not wire.full:
                wire.write(b'{"type":"pong"}' + b" " * 60_000, binary=False)
            await asyncio.sleep(0.001)
    assert wire.ended == 4008
    return wire


async def read_on(client):
    """Take everything, to the end."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await client.socket.recv()


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_reads_again_learns_that_it_was_too_slow(serve):
    async with serve(stream={"write_deadline": 0.1}) as house, house.client() as client:
        await client.hear("hello")
        await overfull(house)
        with pytest.raises(ConnectionClosed):
            await read_on(client)
        assert client.socket.close_code == 4008
        assert not house.audience.offenders._ends


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_never_reads_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(protocol, "PATIENT", 0.2)
    async with serve(stream={"write_deadline": 0.1}) as house, house.client() as client:
        await client.hear("hello")
        await overfull(house)
        await until(lambda: not house.audience.connections)
        await until(lambda: not house.server.server_state.connections)


# -- those who come again and again ----------------------------------------------------------------


@pytest.fixture
async def strict(serve):
    """A server that has seen enough after two offences, and its clock."""
    async with serve(clock=TestClock(), stream={"max_abuses": 2}) as house:
        yield house


async def offend(house, address, frame=NOT_UTF8):
    """Come in and be ended for abuse; the code."""
    async with house.client(headers=whence(address)) as client:
        come(client, frame)
        return (await client.closed())[0]


async def refused(house, address):
    """The refusal of a handshake."""
    with pytest.raises(InvalidStatus) as caught:
        async with house.client(headers=whence(address)):
            pass
    return caught.value.response


async def test_an_address_that_offends_again_and_again_is_refused_for_a_minute(strict, caplog):
    for _ in range(2):
        assert await offend(strict, BAD) == 1007
    answer = await refused(strict, BAD)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) == 60
    error = json.loads(bytes(answer.body))["error"]
    assert error["code"] == "RATE_LIMIT_EXCEEDED"
    assert "abuse" in error["message"]
    told = [record for record in caplog.records if BAD in record.getMessage()]
    assert [record.levelname for record in told if "kept out" in record.getMessage()] == ["WARNING"]
    assert strict.audience.refused == 1
    strict.clock.advance(61)
    assert await offend(strict, BAD) == 1007


async def test_others_come_in_meanwhile(strict):
    async with strict.client(headers=whence(BAD)) as before:
        for _ in range(2):
            await offend(strict, BAD)
        await before.subscribe(B)
        async with strict.client(headers=whence(GOOD)) as client:
            assert (await client.subscribe(A))["accepted"] == [A]
        async with strict.client() as client:
            assert (await client.subscribe(A))["accepted"] == [A]
        assert (await refused(strict, BAD)).status_code == 429


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Opcode.BINARY, b" " * (protocol.LARGEST + 1)),
        Frame(Opcode.CONT, b""),
        Frame(Opcode.TEXT, b"\xff"),
    ],
    ids=["too large", "broken", "no text"],
)
async def test_every_abuse_counts(strict, frame):
    for _ in range(2):
        assert await offend(strict, BAD, frame) in (1002, 1007, 1009)
    assert (await refused(strict, BAD)).status_code == 429


async def test_who_only_leaves_is_always_welcome(strict):
    for goodbye in (True, False) * 3:
        async with strict.client(headers=whence(BAD)) as client:
            await client.subscribe(A)
            if not goodbye:
                client.socket.transport.abort()
    assert not strict.audience.offenders._ends
