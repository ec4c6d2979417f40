"""The connection over which another Argus pushes: refused, lost, made again, left alone."""

import asyncio
import contextlib
import itertools
import shutil
import ssl
import subprocess
from http import HTTPStatus

import orjson
import pytest
from support.clock import TestClock
from support.waiting import until
from websockets.asyncio.server import serve, unix_serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from argus_core import (
    PUSH_PROTOCOL,
    BadData,
    Gap,
    LoginFailed,
    NotOffered,
    Origin,
    PermissionDenied,
    Quote,
    RelayedPush,
    SourceTimeout,
    SourceUnavailable,
    Symbol,
    Throttled,
)
from argus_core.errors import SourceError
from argus_core.extend.pushes import push_item
from argus_remote import questions, refusals, stream
from argus_remote.settings import RemoteSettings
from argus_remote.stream import Stream

MAOTAI, PINGAN, MANY = Symbol("600519.SH"), Symbol("000001.SZ"), Symbol("000300.SH")
HELLO = {"type": "hello", "epoch": "e1", "server_time": "2024-03-15T10:00:00+08:00"}


class Other:
    """Another Argus, as far as its stream goes."""

    def __init__(self):
        self.greeting = HELLO
        self.rejects = {}
        self.missed = {}
        self.silent = False
        self.fault = None
        self.asked = []
        self.sockets = []
        self.requests = []

    async def __call__(self, socket):
        self.sockets.append(socket)
        self.requests.append(socket.request)
        if self.greeting is not None:
            await self.say(self.greeting)
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                await self.answer(orjson.loads(message))

    async def answer(self, asked):
        self.asked.append(asked)
        if self.silent or asked["action"] != "subscribe":
            return
        if self.fault is not None:
            await self.say({"type": "error", "id": asked["id"], **self.fault})
            return
        rejected = [
            {"symbol": symbol, "code": "NOT_FOUND", "message": why}
            for symbol, why in self.rejects.items()
            if symbol in asked["symbols"]
        ]
        accepted = [symbol for symbol in asked["symbols"] if symbol not in self.rejects]
        told = {"type": "subscribed", "id": asked["id"], "epoch": self.greeting["epoch"]}
        told |= {"accepted": accepted, "rejected": rejected}
        if "since" in asked:
            told["missed"] = {symbol: self.missed.get(symbol, 0) for symbol in accepted}
        await self.say(told)

    async def say(self, body):
        await self.sockets[-1].send(orjson.dumps(body), text=True)

    async def push(self, seq, symbol=MAOTAI, kind="update"):
        item = push_item(seq, Quote(symbol=symbol, price=1.0), Origin(path=("vendor",)), "push")
        head = orjson.dumps({"type": kind, "epoch": self.greeting["epoch"]})
        await self.sockets[-1].send(head[:-1] + b',"data":[' + item + b"]}", text=True)

    def subscriptions(self):
        return [asked for asked in self.asked if asked["action"] == "subscribe"]


@contextlib.asynccontextmanager
async def listening(other=None, port=0, **options):
    other = other or Other()
    options.setdefault("subprotocols", [PUSH_PROTOCOL])
    async with serve(other, "127.0.0.1", port, close_timeout=0.1, **options) as server:
        other.port = server.sockets[0].getsockname()[1]
        other.url = f"http://127.0.0.1:{other.port}"
        other.server = server
        yield other


@contextlib.asynccontextmanager
async def streaming(other, **options):
    settings = {"url": getattr(other, "url", "http://127.0.0.1:1"), **options.pop("settings", {})}
    options.setdefault("pauses", lambda: itertools.repeat(0.01))
    clock = TestClock()
    made = Stream("agent", RemoteSettings(**settings), clock, lambda _: None, **options)
    made.pushed = []
    made.push = made.pushed.append
    made.clock = clock
    try:
        yield made
    finally:
        await made.aclose()


async def test_one_connection_carries_everything():
    async with listening() as other, streaming(other) as made:
        assert set(await made.subscribe((MAOTAI,), made.push, ("gw",))) == {MAOTAI}
        assert set(await made.subscribe((PINGAN,), made.push, ())) == {PINGAN}
        assert [asked["via"] for asked in other.subscriptions()] == [["gw"], []]
        await other.push(1)
        await other.push(1, PINGAN)
        await until(lambda: len(made.pushed) == 2)
        assert [one.symbol for one in made.pushed] == [MAOTAI, PINGAN]
        assert all(isinstance(one, RelayedPush) for one in made.pushed)
        assert (len(other.sockets), made.connections) == (1, 1)
        assert set(made.symbols) == {MAOTAI, PINGAN}


async def test_the_key_goes_with_the_handshake_and_compression_only_where_it_is_wanted():
    async with listening() as other:
        for compression, offered in (("auto", False), ("always", True)):
            settings = {"key": "argus_secret", "compression": compression}
            async with streaming(other, settings=settings) as made:
                await made.subscribe((MAOTAI,), made.push, ())
            headers = other.requests[-1].headers
            assert headers["X-API-Key"] == "argus_secret"
            assert ("permessage-deflate" in headers.get("Sec-WebSocket-Extensions", "")) is offered
            assert headers["Host"] == f"127.0.0.1:{other.port}"


async def test_a_unix_socket_serves_as_well(tmp_path):
    other, path = Other(), str(tmp_path / "agent.sock")
    async with (
        unix_serve(other, path, subprotocols=[PUSH_PROTOCOL]),
        streaming(other, settings={"url": f"http+unix://{path}"}) as made,
    ):
        assert set(await made.subscribe((MAOTAI,), made.push, ())) == {MAOTAI}


@pytest.fixture
def certificate(tmp_path):
    """The key and the certificate of a host, which nobody vouches for."""
    key, known = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=agent.example", "-addext", "subjectAltName=DNS:agent.example"]
    command += ["-keyout", str(key), "-out", str(known)]
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(command, check=True, capture_output=True)
    return key, known


async def test_certificates_are_verified_and_the_key_never_leaves_without(certificate):
    key, known = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(known, key)
    async with listening(ssl=context) as other:
        url = f"https://agent.example:{other.port}"
        place = {"url": url, "address": "127.0.0.1", "key": "argus_secret"}
        async with streaming(other, settings={**place, "ca": known}) as made:
            assert set(await made.subscribe((MAOTAI,), made.push, ())) == {MAOTAI}
        assert other.requests[0].headers["Host"] == f"agent.example:{other.port}"
        elsewhere = {"url": f"https://other.example:{other.port}", "ca": known}
        for wrong in ({}, elsewhere):
            async with streaming(other, settings={**place, **wrong}) as made:
                with pytest.raises(SourceUnavailable, match="certificate is not trusted"):
                    await made.subscribe((MAOTAI,), made.push, ())
        assert len(other.requests) == 1


async def test_some_that_it_does_not_have_are_left_out_and_none_at_all_is_a_refusal():
    async with listening() as other, streaming(other) as made:
        other.rejects = {PINGAN: "nobody knows it"}
        assert set(await made.subscribe((MAOTAI, PINGAN), made.push, ())) == {MAOTAI}
        with pytest.raises(NotOffered, match="none of these: nobody knows it"):
            await made.subscribe((PINGAN,), made.push, ())
        assert set(made.symbols) == {MAOTAI}
        assert len(other.sockets) == 1


async def test_a_connection_that_nobody_wants_is_dropped_and_made_again_when_it_is_wanted():
    async with listening() as other, streaming(other) as made:
        for connections in (1, 2):
            await made.subscribe((MAOTAI, PINGAN), made.push, ())
            await made.unsubscribe((PINGAN, MANY))
            await other.push(1, PINGAN)  # it was on its way
            await other.push(1)
            await until(lambda: made.pushed)
            assert [one.symbol for one in made.pushed] == [MAOTAI]
            made.pushed.clear()
            assert made.connections == connections
            await made.unsubscribe((MAOTAI,))
            await other.sockets[-1].wait_closed()
        ends = [asked["symbols"] for asked in other.asked if asked["action"] == "unsubscribe"]
        assert [PINGAN] in ends


def refusing(status, body=b"", **headers):
    reason = HTTPStatus(status).phrase
    return Response(status, reason, Headers(headers | {"Content-Length": str(len(body))}), body)


def explained(code="X", message="why"):
    return orjson.dumps({"success": False, "error": {"code": code, "message": message}})


@pytest.mark.parametrize(
    ("response", "cls", "word"),
    [
        (refusing(401, explained()), LoginFailed, "refuses the key"),
        (refusing(403, explained()), PermissionDenied, "why"),
        (refusing(403), NotOffered, "older"),
        (refusing(404, b"<html>"), NotOffered, "older"),
        (refusing(426), NotOffered, "older"),
        (refusing(429, Retry_After="7"), Throttled, "too often"),
        (refusing(503, explained()), refusals.Busy, "why"),
        (refusing(500), SourceUnavailable, "500"),
        (refusing(302, Location="http://127.0.0.1:1/"), SourceUnavailable, "not followed"),
    ],
)
async def test_a_refused_handshake_is_the_error_that_the_router_can_act_upon(response, cls, word):
    async with (
        listening(process_request=lambda *_: response) as other,
        streaming(other, settings={"key": "argus_secret"}) as made,
    ):
        with pytest.raises(cls, match=word) as caught:
            await made.subscribe((MAOTAI,), made.push, ())
        assert caught.value.__cause__ is None
        assert not made.symbols
        assert made.pushed == []


async def test_one_that_speaks_to_people_only_pushes_nothing():
    async with listening(subprotocols=None) as other, streaming(other) as made:
        with pytest.raises(NotOffered, match="older"):
            await made.subscribe((MAOTAI,), made.push, ())


@pytest.mark.parametrize("greeting", [{"type": "pong"}, {"type": "hello"}])
async def test_one_that_greets_otherwise_is_no_argus(greeting):
    async with listening() as other, streaming(other) as made:
        other.greeting = greeting
        with pytest.raises(BadData, match="greet"):
            await made.subscribe((MAOTAI,), made.push, ())


async def test_one_that_is_not_there_cannot_be_reached():
    async with streaming(None) as made:
        with pytest.raises(SourceUnavailable, match="nobody listens there"):
            await made.subscribe((MAOTAI,), made.push, ())


@pytest.mark.parametrize(
    ("fault", "cls", "word"),
    [
        ({"code": "LOOP_DETECTED", "message": "a circle"}, NotOffered, "leads back here"),
        ({"code": "UNAUTHORIZED", "message": "no key"}, LoginFailed, "no key"),
        ({"code": "FORBIDDEN", "message": "no scope"}, PermissionDenied, "no scope"),
        ({"code": "INVALID_PARAMETER", "message": "via"}, NotOffered, "via"),
        ({"code": "SERVICE_UNAVAILABLE", "message": "all failed"}, SourceError, "all failed"),
    ],
)
async def test_a_refused_subscription_is_raised_and_leaves_nothing_behind(fault, cls, word):
    async with listening() as other, streaming(other) as made:
        other.fault = fault
        with pytest.raises(cls, match=word):
            await made.subscribe((MAOTAI,), made.push, ())
        assert not made.symbols
        await other.sockets[0].wait_closed()
        other.fault = None
        assert set(await made.subscribe((MAOTAI,), made.push, ())) == {MAOTAI}


async def test_one_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(questions, "ANSWERING", 0.05)
    async with listening() as other, streaming(other) as made:
        other.silent = True
        with pytest.raises(SourceTimeout):
            await made.subscribe((MAOTAI,), made.push, ())


async def test_a_key_that_is_revoked_meanwhile_is_a_refusal():
    async with listening() as other, streaming(other) as made:
        other.silent = True
        asking = asyncio.create_task(made.subscribe((MAOTAI,), made.push, ()))
        await until(other.subscriptions)
        await other.sockets[0].close(4001, "the key is not valid any more")
        with pytest.raises(LoginFailed, match="not valid any more"):
            await asking


async def test_after_a_loss_it_goes_on_where_it_was_and_nothing_is_told_if_nothing_was_missed():
    async with listening() as other, streaming(other) as made:
        await made.subscribe((MAOTAI, PINGAN), made.push, ("gw",))
        await other.push(7, kind="snapshot")
        await until(lambda: made.pushed)
        await other.sockets[0].close(1011)
        await until(lambda: len(other.subscriptions()) == 3)
        first, never = other.subscriptions()[1:]
        assert first["since"] == {"epoch": "e1", "seq": {MAOTAI: 7}}
        assert never["symbols"] == [PINGAN]
        assert [asked["via"] for asked in (first, never)] == [["gw"], ["gw"]]
        await other.push(8)
        await until(lambda: len(made.pushed) == 2)
        assert not any(isinstance(one, Gap) for one in made.pushed)
        assert made.connections == 2


@pytest.mark.parametrize("missed", [3, None])
async def test_what_was_missed_is_told_before_anything_else(missed):
    async with listening() as other, streaming(other) as made:
        await made.subscribe((MAOTAI,), made.push, ())
        await other.push(7, kind="snapshot")
        await until(lambda: made.pushed)
        heard = made.clock.now()
        made.clock.advance(9)
        other.missed = {MAOTAI: missed}
        await other.sockets[0].close(1011)
        await until(lambda: len(other.subscriptions()) == 2)
        await other.push(11, kind="snapshot")
        await until(lambda: len(made.pushed) == 3)
        gap, value = made.pushed[1:]
        assert (gap.symbols, gap.since) == ((MAOTAI,), heard)
        assert value.symbol == MAOTAI


async def test_one_that_stays_away_is_a_gap_at_once_and_is_found_again():
    async with streaming(None) as made:
        async with listening() as other:
            made._settings = RemoteSettings(url=other.url)
            await made.subscribe((MAOTAI,), made.push, ())
            port = other.port
        await until(lambda: made.pushed)
        (gap,) = made.pushed
        assert gap.symbols == (MAOTAI,)
        assert "nobody listens there" in gap.reason
        async with listening(port=port) as other:
            other.greeting = HELLO | {"epoch": "e2"}
            other.missed = {MAOTAI: None}
            await until(lambda: len(made.pushed) > 1)
            await other.push(1, kind="snapshot")
            await until(lambda: any(isinstance(one, RelayedPush) for one in made.pushed))
            assert isinstance(made.pushed[1], Gap)


async def test_a_subscription_meanwhile_waits_for_it():
    async with streaming(None) as made:
        async with listening() as other:
            made._settings = RemoteSettings(url=other.url)
            await made.subscribe((MAOTAI,), made.push, ())
            port = other.port
        await until(lambda: made.pushed)
        asking = asyncio.create_task(made.subscribe((PINGAN,), made.push, ()))
        await asyncio.sleep(0.02)
        async with listening(port=port) as other:
            assert set(await asking) == {PINGAN}
            await until(lambda: len(other.subscriptions()) >= 2)


async def test_a_subscription_meanwhile_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(stream, "WAITING", 0.05)
    async with streaming(None) as made:
        async with listening() as other:
            made._settings = RemoteSettings(url=other.url)
            await made.subscribe((MAOTAI,), made.push, ())
        await until(lambda: made.pushed)
        with pytest.raises(SourceUnavailable, match="being made again"):
            await made.subscribe((PINGAN,), made.push, ())
        assert set(made.symbols) == {MAOTAI}


async def test_silence_is_a_loss():
    async with listening() as other, streaming(other, silence=0.1) as made:
        await made.subscribe((MAOTAI,), made.push, ())
        await until(lambda: len(other.subscriptions()) > 1)
        assert other.subscriptions()[1]["symbols"] == [MAOTAI]


async def test_a_sign_of_life_is_none():
    async with listening() as other, streaming(other, silence=0.3) as made:
        await made.subscribe((MAOTAI,), made.push, ())
        for _ in range(10):
            await other.say({"type": "heartbeat", "time": "2024-03-15T10:00:00+08:00"})
            await asyncio.sleep(0.05)
        assert made.connections == 1


async def test_what_cannot_be_read_is_a_loss():
    async with listening() as other, streaming(other) as made:
        await made.subscribe((MAOTAI,), made.push, ())
        await other.sockets[0].send("garbage")
        await until(lambda: made.connections == 2)


async def test_one_that_takes_its_leave_is_a_gap_and_asked_when_it_said():
    async with listening() as other, streaming(other) as made:
        await made.subscribe((MAOTAI,), made.push, ())
        await other.say({"type": "shutdown", "reason": "restart", "reconnect_after_ms": 100})
        await other.sockets[0].close(1012)
        await until(lambda: made.pushed)
        assert made.connections == 1
        began = asyncio.get_running_loop().time()
        await until(lambda: made.connections == 2)
        assert asyncio.get_running_loop().time() - began > 0.05


async def test_what_is_refused_after_a_loss_is_a_gap_and_asked_for_at_the_next():
    async with listening() as other, streaming(other) as made:
        await made.subscribe((MAOTAI, PINGAN), made.push, ())
        other.rejects = {PINGAN: "it is gone"}
        await other.sockets[0].close(1011)
        await until(lambda: any("it is gone" in gap.reason for gap in made.pushed))
        other.rejects = {}
        other.fault = {"code": "LOOP_DETECTED", "message": "a circle"}
        await other.sockets[1].close(1011)
        await until(lambda: any("a circle" in gap.reason for gap in made.pushed))
        other.fault = None
        await other.sockets[2].close(1011)
        await until(lambda: made.connections == 4)
        await until(lambda: set(other.subscriptions()[-1]["symbols"]) == {MAOTAI, PINGAN})


async def test_the_end_leaves_no_task_and_no_socket():
    async with listening() as other:
        before = asyncio.all_tasks()
        async with streaming(other) as made:
            await made.subscribe((MAOTAI,), made.push, ())
            await made.aclose()
            await other.sockets[0].wait_closed()
            await asyncio.sleep(0.02)
            assert made.push is not None
        left = {task for task in asyncio.all_tasks() - before if "remote" in repr(task)}
        assert left == set()


async def test_one_that_closes_every_connection_is_tried_ever_more_rarely():
    rows = []

    def pauses():
        rows.append(0)
        while True:
            rows[-1] += 1
            yield 0.01

    async with listening() as other, streaming(other, pauses=pauses) as made:
        await made.subscribe((MAOTAI,), made.push, ())
        for number in range(4):
            await until(lambda n=number: len(other.sockets) > n)
            await other.sockets[number].close(4008, "too slow")
        await until(lambda: made.connections == 5)
        assert rows == [4]
        made.clock.advance(stream.STEADY + 1)
        await other.sockets[4].close(1011)
        await until(lambda: made.connections == 6)
        assert rows == [4, 1]


async def test_a_connection_that_is_given_up_before_it_greets_does_not_stay_open():
    async with listening() as other, streaming(other) as made:
        other.greeting = None
        asking = asyncio.create_task(made.subscribe((MAOTAI,), made.push, ()))
        await until(lambda: other.sockets)
        await asyncio.sleep(0.05)  # it waits for the greeting now
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(5):
            await other.sockets[0].wait_closed()
