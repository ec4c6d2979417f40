"""Connections on which no request comes to its end."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from support.listening import PATIENCE, running

from argus_api.lifecycle import Lifecycle
from argus_cli import unasked
from argus_cli.unasked import TOO_LATE, WHOLE, Unasked

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"
ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Transport:
    def __init__(self):
        self.written = b""
        self.closing = False

    def write(self, data):
        self.written += data

    def close(self):
        self.closing = True

    def is_closing(self):
        return self.closing


class Connection:
    """A connection as uvicorn keeps it; ``come`` are the bytes of a request that has begun."""

    def __init__(self, *, come=b"", cycle=None, timer=None, paused=False):
        self.transport = Transport()
        self.cycle = cycle
        self.conn = SimpleNamespace(trailing_data=(come, False))
        self.timeout_keep_alive_task = timer
        self.flow = SimpleNamespace(read_paused=paused)


def request(*, whole=True, answered=False):
    return SimpleNamespace(more_body=not whole, response_complete=answered)


def looked_at(*connections, seconds, watch=None, start=0):
    """Second by second."""
    watch = watch or Unasked()
    for now in range(start, start + int(seconds)):
        watch.look(list(connections), float(now))
    return watch


def test_one_that_says_nothing_is_closed_without_a_word():
    connection = Connection()
    watch = looked_at(connection, seconds=WHOLE)
    assert not connection.transport.closing
    looked_at(connection, seconds=2, watch=watch, start=int(WHOLE))
    assert connection.transport.closing
    assert connection.transport.written == b""


@pytest.mark.parametrize(
    "connection",
    [
        Connection(come=b"GET / HT"),
        Connection(come=b"G", cycle=request(answered=True)),
        Connection(cycle=request(whole=False)),
    ],
    ids=["the first head", "a later head", "the body"],
)
def test_one_that_has_begun_is_told_why(connection):
    looked_at(connection, seconds=WHOLE + 2)
    assert connection.transport.closing
    assert connection.transport.written == TOO_LATE


@pytest.mark.parametrize(
    "connection",
    [
        Connection(cycle=request()),
        Connection(cycle=request(answered=True), timer=object()),
        Connection(cycle=request(whole=False), paused=True),
        SimpleNamespace(transport=Transport()),
    ],
    ids=["it is being answered", "uvicorn waits already", "we do not read", "a WebSocket"],
)
def test_others_are_left_alone(connection):
    looked_at(connection, seconds=10 * WHOLE)
    assert not connection.transport.closing


def test_the_time_of_each_request_is_its_own():
    connection = Connection()
    watch = Unasked()
    for round_ in range(10):
        connection.cycle = request(whole=False)
        looked_at(connection, seconds=WHOLE - 1, watch=watch, start=round_ * int(WHOLE))
    assert not connection.transport.closing


def test_nothing_is_kept_of_those_who_have_gone():
    watch = looked_at(Connection(), seconds=2)
    looked_at(seconds=1, watch=watch, start=2)
    assert not watch._waited


# -- on a server --------------------------------------------------------------------------------


async def answering(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect":
            return
        if not message.get("more_body"):
            break
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port(monkeypatch):
    monkeypatch.setattr(unasked, "WHOLE", 0.2)

    async def app(scope, receive, send):
        await answering(scope, receive, send)

    app.state = SimpleNamespace(lifecycle=Lifecycle())
    async with running(app) as (_, port):
        yield port


@contextlib.asynccontextmanager
async def connection(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(PATIENCE):
        yield reader, writer
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET /ws/market", HEAD, HEAD + b"\r\n12345"])
async def test_whoever_stops_half_way_is_not_waited_for(port, sent):
    async with connection(port) as (reader, writer):
        writer.write(sent)
        assert await reader.read() == (TOO_LATE if sent else b"")


async def test_the_next_request_too_must_come_to_its_end(port):
    async with connection(port) as (reader, writer):
        writer.write(ASKED)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.write(ASKED[:-2])
        assert await reader.read() == TOO_LATE


async def test_whoever_asks_is_answered_as_often_as_he_likes(port):
    async with connection(port) as (reader, writer):
        for _ in range(8):
            writer.write(HEAD + b"\r\n12345")
            await asyncio.sleep(0.05)
            writer.write(b"67890")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(10) == b"1234567890"
            await asyncio.sleep(0.3)
