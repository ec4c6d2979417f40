"""A connection whose other side does not keep up: bounded, in order, and let go in the end."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock

from argus_api.stream.connection import Connection
from argus_api.stream.modern import Modern
from argus_api.stream.outgoing import Outgoing
from argus_api.stream.wire import AsgiWire
from argus_core import Quote, Symbol
from argus_core.stream_table import StreamTable
from argus_core.streaming.topics import QUOTES, Carrier, Notice, Update
from argus_core.streaming.turns import Turns

A = Symbol("600519.SH")
KEY = QUOTES, A


class Wire:
    """A wire that is full when the test says so."""

    def __init__(self):
        self.full = False
        self.open = True
        self.unsent = 0
        self.sent = []
        self.closed = None

    def write(self, payload, *, binary):
        assert not binary
        self.sent.append(payload)

    def end(self, code, reason):
        self.open = False
        self.closed = code, reason


class Stage:
    """A connection on a wire of the test's own."""

    def __init__(self, **table):
        self.wire = Wire()
        self.now = 100.0
        self.dialect = Modern("argus.v2", "e1", frozenset(), lambda: "now")
        self.outgoing = Outgoing()
        self.turns = Turns(asyncio.get_running_loop(), self.outgoing.take, self.outgoing.send)
        since = TestClock().now()
        self.connection = Connection(
            self.wire, self.dialect, self.turns, StreamTable(**table), client="", since=since
        )
        self.lane = self.connection.lane(0.0)
        self.number = 0

    def say(self):
        """One more update of a symbol."""
        self.number += 1
        quote = Quote(symbol=A, price=float(self.number))
        at = TestClock().now()
        update = Update(QUOTES, A, self.number, quote, Carrier("s", "push"), at)
        self.lane.conflated(KEY, self.dialect.view(QUOTES, None).fragment(update))

    def look(self, seconds=1.0):
        """A second passes."""
        self.now += seconds
        self.connection.looked_at(self.now, 15.0)

    def turn(self):
        """What the next round does."""
        self.outgoing.take(self.lane)
        self.outgoing.send()

    @property
    def numbers(self):
        """The numbers of the updates that were sent."""
        return [int(m.split(b'"seq":')[1].split(b",")[0]) for m in self.wire.sent if b"seq" in m]


async def test_while_the_wire_is_full_only_the_newest_waits():
    stage = Stage()
    stage.wire.full = True
    for _ in range(1000):
        stage.say()
        stage.turn()
    assert stage.wire.sent == []
    assert stage.connection.backlog == 1
    stage.wire.full = False
    stage.connection.flush()
    assert stage.numbers == [1000]
    assert stage.connection.skipped == 999
    assert b'"conflated":{"600519.SH":999}' in stage.wire.sent[0]


async def test_what_must_be_known_keeps_its_place_among_the_values():
    stage = Stage()
    stage.wire.full = True
    stage.say()
    stage.connection.notice(Notice("gap", (A,), {"reason": "x", "since": None}))
    stage.say()
    stage.say()
    stage.wire.full = False
    stage.connection.flush()
    stage.turn()
    assert stage.numbers == [1, 3]
    assert b'"gap"' in stage.wire.sent[1]


async def test_who_takes_nothing_for_too_long_is_let_go():
    stage = Stage(write_deadline=5)
    stage.wire.full = True
    for _ in range(6):
        stage.look()
    assert stage.wire.closed is None
    stage.look()
    assert stage.wire.closed[0] == 4008


async def test_who_takes_something_now_and_then_stays():
    stage = Stage(write_deadline=5)
    for _ in range(10):
        stage.wire.full = True
        for _ in range(4):
            stage.say()
            stage.turn()
            stage.look()
        stage.wire.full = False
        stage.connection.flush()
        stage.look()
    assert stage.wire.closed is None


async def test_answers_that_nobody_takes_are_bounded():
    stage = Stage(max_queued_bytes=16 * 1024)
    stage.wire.full = True
    for number in range(2000):
        stage.connection.say(stage.dialect.message({"type": "pong", "id": number}))
    stage.look()
    assert stage.wire.closed[0] == 4008
    assert stage.connection.backlog == 0


@given(st.lists(st.sampled_from(["say", "notice", "full", "free", "turn"]), max_size=60))
def test_nothing_is_reordered_and_every_number_is_accounted_for(steps):
    async def run():
        stage = Stage()
        for step in [*steps, "free", "turn"]:
            match step:
                case "say":
                    stage.say()
                case "notice":
                    stage.connection.notice(Notice("gap", (A,), {}))
                case "full":
                    stage.wire.full = True
                case "free":
                    stage.wire.full = False
                    stage.connection.flush()
                case _:
                    stage.turn()
        numbers = stage.numbers
        assert numbers == sorted(set(numbers))
        assert stage.connection.skipped == stage.number - len(numbers)
        assert (numbers[-1:] or [0]) == [stage.number]
        stage.connection.close()

    asyncio.run(run())


async def test_nothing_is_sent_after_the_end():
    stage = Stage()
    stage.say()
    stage.connection.close()
    stage.turn()
    assert stage.wire.sent == []
    assert stage.connection.lane(0.0).listener is stage.connection


async def test_a_wire_through_any_server_sends_in_order_and_closes_last():
    sent = []

    async def send(message):
        await asyncio.sleep(0)
        sent.append(message)

    wire = AsgiWire(send)
    running = asyncio.create_task(wire.run())
    wire.write(b"one", binary=False)
    wire.write(b"two", binary=True)
    assert wire.unsent == 6
    wire.end(4001, "enough")
    wire.write(b"three", binary=False)
    async with asyncio.timeout(5):
        await running
    assert sent == [
        {"type": "websocket.send", "text": "one"},
        {"type": "websocket.send", "bytes": b"two"},
        {"type": "websocket.close", "code": 4001, "reason": "enough"},
    ]
    assert wire.unsent == 0


async def test_a_wire_through_any_server_is_full_when_much_waits():
    taken = asyncio.Event()

    async def send(message):
        await taken.wait()

    drained = asyncio.Event()
    wire = AsgiWire(send)
    wire.drained = drained.set
    running = asyncio.create_task(wire.run())
    for _ in range(65):
        wire.write(b"x" * 1024, binary=True)
    assert wire.full
    assert wire.unsent == 65 * 1024
    taken.set()
    async with asyncio.timeout(5):
        await drained.wait()
    assert not wire.full
    running.cancel()


async def test_a_lane_that_nobody_needs_is_forgotten():
    stage = Stage()
    slow = stage.connection.lane(5.0)
    stage.connection.keep([slow])
    assert stage.connection.lane(5.0) is slow
    assert stage.connection.lane(0.0) is not stage.lane


async def test_one_who_lets_answers_lie_is_let_go_at_the_next_one_not_a_second_later():
    stage = Stage(max_queued_bytes=16 * 1024)
    stage.wire.full = True
    for _ in range(100):
        stage.connection.say(b"x" * 10_000)
    assert stage.wire.closed == (4008, "this client reads too slowly")
    assert stage.connection.backlog == 0  # nor is anything kept for one who has gone


async def test_an_answer_may_be_as_long_as_it_must_be():
    stage = Stage(max_queued_bytes=16 * 1024)
    stage.wire.full = True
    stage.connection.say(*(b"x" * 10_000 for _ in range(50)))
    stage.wire.full = False
    stage.connection.flush()
    assert len(stage.wire.sent) == 50
    assert stage.wire.open
