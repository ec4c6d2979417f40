"""What other gateways are told, byte by byte, and what they must say of themselves."""

import asyncio
import json
from datetime import timedelta

import pytest
from support.clock import TestClock
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from argus_api.stream.relay import IN_A_FRAME, QUEUED_BYTES, Relay, bounds
from argus_api.stream.relay_talk import MOST_BEHIND, _behind
from argus_core import BadParameter, Depth, Level, Origin, Quote, Symbol, read_push_frame
from argus_core.errors import Loop
from argus_core.extend.pushes import PUSH_PROTOCOL
from argus_core.stream_table import StreamTable
from argus_core.streaming.lanes import Batch
from argus_core.streaming.topics import FEED, Carrier, Notice, Update

A, B = Symbol("600519.SH"), Symbol("000001.SZ")
CLOCK = TestClock()


@pytest.fixture
def relay():
    return Relay("e1", frozenset({"agent"}), CLOCK)


def update(symbol=A, seq=1, *, value=None, carrier=None, age=0.0, stale=False):
    carrier = carrier or Carrier("vendor", "push")
    at = CLOCK.now() - timedelta(seconds=age)
    return Update(FEED, symbol, seq, value or Quote(symbol=symbol), carrier, at, stale)


def read(relay, batch):
    return [read_push_frame(frame) for frame in relay.frames(batch)]


def test_a_value_goes_whole_and_with_its_origin(relay):
    book = Depth(quote=Quote(symbol=A, price=1.0, as_of=CLOCK.now()), bids=(Level(1.0, 2.0),))
    replay = {"day": "2023-02-01", "speed": 4.0}
    carrier = Carrier("vendor", "poll", via=("agent", "edge"), simulated=True, replay=replay)
    piece = relay.view(FEED, None).fragment(
        update(value=book, carrier=carrier, age=2.5, stale=True)
    )
    (frame,) = read(relay, Batch({(FEED, A): piece}))
    (item,) = frame.items
    assert (frame.type, frame.epoch) == ("update", "e1")
    assert (item.seq, item.value, item.mode) == (1, book, "poll")
    # The edge of the same server is no hop that anybody else knows.
    assert item.origin == Origin(
        path=("edge", "vendor"), age=2.5, stale=True, simulated=True, replay=replay
    )


def test_all_gateways_share_one_view_and_so_the_bytes(relay):
    assert relay.view(FEED, None) is relay.view(FEED, ("price",))


def test_what_waited_longer_goes_first_and_much_goes_in_several_messages(relay):
    view = relay.view(FEED, None)
    each = [((FEED, A), view.fragment(update(A, seq))) for seq in range(1, IN_A_FRAME + 1)]
    latest = {
        (FEED, A): view.fragment(update(A, IN_A_FRAME + 1)),
        (FEED, B): view.fragment(update(B)),
    }
    frames = read(relay, Batch(latest, each, {(FEED, A): 3}))
    assert [len(frame.items) for frame in frames] == [IN_A_FRAME, 2]
    own = [item.seq for frame in frames for item in frame.items if item.value.symbol == A]
    assert own == list(range(1, IN_A_FRAME + 2))


def test_an_inner_source_stands_in_no_notice(relay):
    told = {"state": "live", "source": "agent", "previous": "vendor", "mode": "poll"}
    frame = relay.notice(Notice("status", (A,), told))
    assert b"agent" not in frame
    assert b'"previous":"vendor"' in frame


def test_another_gateway_may_have_a_whole_market_waiting():
    table = StreamTable()
    assert bounds(table).max_queued_bytes == QUEUED_BYTES > table.max_queued_bytes
    roomy = StreamTable(max_queued_bytes=2 * QUEUED_BYTES)
    assert bounds(roomy) == roomy


def test_who_is_behind_is_said_by_id():
    assert _behind({}, "me") == frozenset()
    assert _behind({"via": ["a1", "b2", "a1"]}, "me") == {"a1", "b2"}


@pytest.mark.parametrize("via", ["a1", None, [1], ["a b"], [""], {"a": 1}, ["é"]])
def test_anything_else_is_no_list_of_ids(via):
    with pytest.raises(BadParameter, match="via must be"):
        _behind({"via": via}, "me")


@pytest.mark.parametrize("via", [["a", "me"], [f"g{n}" for n in range(MOST_BEHIND + 1)]])
def test_a_circle_and_a_net_without_end_are_refused(via):
    with pytest.raises(Loop):
        _behind({"via": via}, "me")


def test_the_protocol_has_the_name_that_both_sides_know(relay):
    assert (relay.name, relay.binary) == (PUSH_PROTOCOL, False) == ("argus.relay.v1", False)


async def test_another_gateway_ends_as_many_symbols_at_once_as_it_began(serve):
    many = [f"{600000 + n}.SH" for n in range(5)]
    async with serve(stream={"max_symbols": 2}) as house:
        async with connect(
            f"ws://{house.address}/ws/market_data",
            subprotocols=[Subprotocol(PUSH_PROTOCOL)],
            compression=None,
            proxy=None,
        ) as socket:
            for action in ("subscribe", "unsubscribe"):
                asked = {"action": action, "symbols": many, "id": 1}
                await socket.send(json.dumps(asked))
                async with asyncio.timeout(10):
                    while (told := json.loads(await socket.recv())).get("id") != 1:
                        pass
                assert told["type"] == f"{action}d", told
        assert house.gateway.streaming.hub.subscriptions == 0
