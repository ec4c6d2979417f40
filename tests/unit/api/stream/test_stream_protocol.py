"""The protocol under floods, in a loop whose time is the test's."""

import asyncio
import json
from itertools import pairwise

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.uri import parse_uri

from argus_api.stream import SERVER, protocol
from argus_api.stream.pace import A_SECOND, AT_ONCE, MUCH, YIELD, YIELDS
from argus_api.stream.protocol import StreamProtocol

MANY = 5000
A_SLICE = protocol.SLICE // 6 + 1
"""The frames of one slice at most: the smallest has two bytes and its mask."""


class Timer:
    def __init__(self, at, call, arguments):
        self.at = at
        self.call = call
        self.arguments = arguments

    def cancel(self):
        self.call = None


class Loop:
    """A loop whose time passes when the test says so; it has no tasks."""

    def __init__(self):
        self.now = 0.0
        self.timers = []

    def time(self):
        return self.now

    def call_later(self, seconds, call, *arguments):
        timer = Timer(self.now + seconds, call, arguments)
        self.timers.append(timer)
        return timer

    def call_soon(self, call, *arguments):
        return self.call_later(0.0, call, *arguments)

    def create_task(self, coroutine):
        coroutine.close()
        return asyncio.Future()

    def pass_by(self, seconds=0.0):
        """Let time pass, timer by timer."""
        ends = self.now + seconds
        while due := [one for one in self.timers if one.call is not None and one.at <= ends]:
            first = min(due, key=lambda one: one.at)
            self.timers.remove(first)
            self.now = max(self.now, first.at)
            first.call(*first.arguments)
        self.now = ends


class Transport:
    """What the protocol does to its connection."""

    def __init__(self):
        self.written = b""
        self.reading = True
        self.ended = self.closed = self.aborted = False

    def get_extra_info(self, name):
        return {"peername": ("198.18.0.1", 1), "sockname": ("127.0.0.1", 80)}.get(name)

    def write(self, data):
        assert not self.ended
        self.written += data

    def write_eof(self):
        self.ended = True

    def can_write_eof(self):
        return True

    def get_write_buffer_size(self):
        return 0

    def set_write_buffer_limits(self, high, low):
        assert low < high

    def is_closing(self):
        return self.closed or self.aborted

    def close(self):
        self.closed = True

    def abort(self):
        self.aborted = True

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True


class Line:
    """A connection whose handshake is over, with its client."""

    def __init__(self, **headers):
        self.loop = Loop()
        self.transport = Transport()
        config = uvicorn.Config(None, log_config=None, **{**SERVER, "ws_ping_interval": None})
        config.load()
        self.protocol = StreamProtocol(config, ServerState(), {}, self.loop)
        self.protocol.connection_made(self.transport)
        self.client = ClientProtocol(parse_uri("ws://argus/ws/market_data"), max_size=None)
        request = self.client.connect()
        request.headers.update(headers)
        self.client.send_request(request)
        self.protocol.data_received(b"".join(self.client.data_to_send()))

    async def accept(self):
        """Open it."""
        assert (await self.protocol.receive())["type"] == "websocket.connect"
        await self.protocol.send({"type": "websocket.accept"})
        self.told()
        return self

    def send(self, *frames):
        """Have frames come in all at once, in the pieces in which the kernel would bring them."""
        self.come(b"".join(frame.serialize(mask=True) for frame in frames))

    def come(self, data, size=65_536):
        for start in range(0, len(data), size):
            self.protocol.data_received(data[start : start + size])

    def told(self):
        """The frames that the client got since it was asked last."""
        data, self.transport.written = self.transport.written, b""
        self.client.receive_data(data)
        return [event for event in self.client.events_received() if isinstance(event, Frame)]

    @property
    def code(self):
        """The code with which the server closes; None if it does not."""
        self.told()
        told = self.client.close_rcvd
        return None if told is None else told.code

    async def heard(self):
        """What the application gets that takes everything at once."""
        messages = []
        while not self.protocol.queue.empty():
            messages.append(await self.protocol.receive())
        return messages


@pytest.fixture
async def line():
    return await Line().accept()


def frames(opcode, count, data=b"", *, fin=True):
    return [Frame(opcode, data, fin)] * count


# -- floods -----------------------------------------------------------------------------------


async def test_a_flood_of_pings_is_answered_at_its_pace_and_then_ended(line):
    line.send(*frames(Opcode.PING, MANY, b"x" * 125))
    at_once = len(line.told())
    assert AT_ONCE <= at_once <= AT_ONCE + A_SLICE
    assert not line.transport.reading
    line.loop.pass_by(1.0)
    assert len(line.told()) <= A_SECOND + A_SLICE
    assert line.code is None
    line.loop.pass_by((protocol.PINGS - AT_ONCE) / A_SECOND)
    assert line.code == 4009
    assert line.protocol.outlet.ended == 4009


async def test_a_flood_is_read_after_the_updates_that_wait_but_not_never(line):
    line.send(*frames(Opcode.PING, int(AT_ONCE * (MUCH + 0.2))))
    line.told()
    line.protocol.outlet.lets_read = lambda: False
    line.send(Frame(Opcode.PING, b"and one more"))
    line.loop.pass_by(YIELD * (YIELDS - 1.5))
    assert line.told() == []
    line.loop.pass_by(2 * YIELD)
    assert len(line.told()) == 1


async def test_a_flood_of_pongs_too(line):
    line.send(*frames(Opcode.PONG, MANY))
    assert line.code is None
    line.loop.pass_by(protocol.PINGS / A_SECOND)
    assert line.code == 4009


async def test_those_who_come_together_are_not_asked_together_whether_they_are_there(line):
    line.protocol.ping_interval = 20.0
    begins = len(line.loop.timers)
    for _ in range(200):
        line.protocol.start_keepalive()
    delays = sorted(timer.at - line.loop.now for timer in line.loop.timers[begins:])
    assert 0 <= delays[0] < 2
    assert 18 < delays[-1] <= 20
    assert max(later - one for one, later in pairwise(delays)) < 2


CLOSE = Frame(Opcode.CLOSE, Close(1000, "").serialize())


@pytest.mark.parametrize(
    "before",
    [
        frames(Opcode.TEXT, 1, b"\xff"),
        frames(Opcode.PING, protocol.PINGS + 10),
        [Frame(Opcode.TEXT, b"", False), *frames(Opcode.CONT, protocol.FRAGMENTS + 9, fin=False)],
    ],
    ids=["no UTF-8", "pings", "fragments"],
)
async def test_one_that_offends_and_closes_at_once_is_not_written_to_any_more(line, before):
    line.send(*before, CLOSE)
    line.loop.pass_by(60.0)
    assert not line.protocol.outlet.open
    assert line.transport.is_closing()
    assert not line.protocol._unread


async def test_a_server_that_ends_does_not_stumble_over_one_that_is_closing(line):
    line.send(CLOSE)
    line.protocol.shutdown()
    assert line.code == 1000
    assert line.transport.closed


async def test_a_fault_in_reading_ends_the_connection(line, monkeypatch):
    monkeypatch.setattr(line.protocol.conn, "receive_data", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        line.send(Frame(Opcode.PING, b""))
    assert line.transport.aborted


async def test_pings_at_a_sensible_pace_are_all_answered(line):
    for _ in range(600):
        line.send(Frame(Opcode.PING, b"?"))
        line.loop.pass_by(0.25)
        assert [frame.opcode for frame in line.told()] == [Opcode.PONG]


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
async def test_of_a_flood_of_messages_few_wait_and_none_is_lost(line, opcode):
    line.send(*[Frame(opcode, b"%d" % number) for number in range(MANY)])
    taken = []
    while len(taken) < MANY:
        assert 0 < line.protocol.queue.qsize() <= A_SLICE
        assert not line.transport.reading
        message = await line.protocol.receive()
        taken.append(int(message.get("text") or message["bytes"]))
        if line.protocol.queue.empty():
            line.loop.pass_by(1.0)
    assert taken == list(range(MANY))
    assert line.transport.reading
    assert line.code is None


async def test_too_many_fragments_end_it_after_a_while(line):
    line.send(Frame(Opcode.TEXT, b"{", fin=False), *frames(Opcode.CONT, MANY, fin=False))
    assert line.code is None
    assert len(line.protocol.frames) <= AT_ONCE / protocol.FRAGMENT + A_SLICE
    line.loop.pass_by(protocol.FRAGMENTS * protocol.FRAGMENT / A_SECOND)
    assert line.code == 4009
    assert line.protocol.frames == []


async def test_as_many_fragments_as_are_allowed_are_a_message(line):
    last = Frame(Opcode.CONT, b"}")
    between = frames(Opcode.CONT, protocol.FRAGMENTS - 2, b" ", fin=False)
    line.send(Frame(Opcode.TEXT, b"{", fin=False), *between, last)
    line.loop.pass_by(protocol.FRAGMENTS * protocol.FRAGMENT / A_SECOND)
    (message,) = await line.heard()
    assert json.loads(message["text"]) == {}


async def test_of_a_frame_that_is_too_large_only_the_head_is_read(line):
    line.come(Frame(Opcode.TEXT, b" " * (1 << 20)).serialize(mask=True)[:20])
    assert line.code == 1009
    assert line.protocol.outlet.ended == 1009


# -- after the end ------------------------------------------------------------------------------


async def test_nothing_that_comes_after_a_flood_is_kept_or_read(line, monkeypatch):
    line.send(Frame(Opcode.TEXT, b"\xff"))
    assert line.code == 1007
    assert line.transport.ended  # whoever waits for the end of the connection has it
    monkeypatch.setattr(line.protocol.conn, "receive_data", lambda _: pytest.fail("it is read"))
    for _ in range(50):
        line.loop.pass_by(protocol.FORGETTING)
        assert line.transport.reading  # else nobody would notice that the other side has gone
        line.come(b"x" * 65_536)
        assert not line.transport.reading
    assert not line.protocol._unread
    line.loop.pass_by(protocol.LAST_BYTES)
    assert line.transport.aborted


async def test_what_comes_after_a_polite_end_is_read_at_its_pace_and_dropped(line):
    line.protocol.outlet.end(4001, "the key is not valid any more")
    line.send(*frames(Opcode.TEXT, MANY, b"{}"))
    assert not line.transport.reading
    assert [one["type"] for one in await line.heard()] == ["websocket.disconnect"]
    assert len(line.protocol._unread) > 6 * (MANY - AT_ONCE - A_SLICE)
    assert line.code == 4001


async def test_a_client_that_says_goodbye_is_not_waited_for(line):
    line.send(Frame(Opcode.TEXT, b"{}"))
    line.protocol.outlet.end(4001, "no key came")
    line.loop.pass_by()
    assert line.code == 4001
    line.come(b"".join(line.client.data_to_send()))
    assert line.transport.closed
    line.loop.pass_by(2 * protocol.LAST_BYTES)
    assert not line.transport.aborted


@pytest.mark.parametrize(
    ("code", "seconds"), [(4001, protocol.LAST_BYTES), (4008, protocol.PATIENT)]
)
async def test_one_that_does_not_is_cut_off(line, code, seconds):
    line.protocol.outlet.end(code, "a reason")
    line.loop.pass_by(seconds - 0.1)
    assert not line.transport.is_closing()
    assert line.code == code  # whoever reads by now
    line.loop.pass_by(0.2)
    assert line.transport.aborted


async def test_a_server_that_ends_waits_less(line):
    line.protocol.outlet.end(4008, "this client reads too slowly")
    line.protocol.shutdown()
    assert line.transport.closed
    line.loop.pass_by(protocol.LAST_BYTES)
    assert line.transport.aborted


async def test_the_first_end_counts(line):
    line.protocol.outlet.end(4001, "the key is not valid any more")
    line.send(*frames(Opcode.PING, 50))
    line.come(b"\xff" * 100)
    line.loop.pass_by(1.0)
    assert line.protocol._deaf
    assert line.protocol.outlet.ended == 4001
    assert line.code == 4001


async def test_what_breaks_the_protocol_before_the_handshake_is_answered_is_cut_off():
    line = Line()
    await line.protocol.receive()
    line.come(b"\xff" * 100)
    assert line.transport.aborted
    assert line.protocol.outlet.ended is None


@pytest.mark.parametrize(
    "headers", [{"X": "x" * 12_000}, {f"X-{number}": "x" for number in range(200)}]
)
async def test_a_handshake_that_cannot_be_read_is_answered(headers):
    line = Line(**headers)
    assert line.transport.written.startswith(b"HTTP/1.1 431 ")
    assert line.transport.closed
    line.come(b"x" * 10_000)  # what is on its way already
    assert line.protocol.queue.empty()


async def test_of_a_connection_that_is_gone_nothing_is_left(line):
    line.send(*frames(Opcode.PING, MANY))
    line.protocol.connection_lost(None)
    assert not line.protocol._unread
    line.loop.pass_by(60.0)
    assert [one["type"] for one in await line.heard()] == ["websocket.disconnect"]


# -- whatever comes, however it is cut -------------------------------------------------------------


@given(
    sizes=st.lists(st.integers(0, 3000), max_size=40),
    pieces=st.lists(st.integers(200, 4000), min_size=1, max_size=10),
    turns=st.lists(st.booleans(), min_size=1, max_size=10),
)
def test_messages_come_whole_and_in_order(sizes, pieces, turns):
    async def led():
        line = await Line().accept()
        sent = [b"%d" % place + b" " * size for place, size in enumerate(sizes)]
        data = b"".join(Frame(Opcode.BINARY, one).serialize(mask=True) for one in sent)
        taken, at, turn = [], 0, 0
        while len(taken) < len(sent):
            piece, eager = pieces[turn % len(pieces)], turns[turn % len(turns)]
            if line.transport.reading:  # as a kernel does
                line.protocol.data_received(data[at : at + piece])
                at += piece
            if eager or not line.transport.reading:
                taken += [one["bytes"] for one in await line.heard()]
            line.loop.pass_by(0.1)
            turn += 1
            assert turn < 2000
        assert taken == sent
        assert line.code is None

    asyncio.run(led())
