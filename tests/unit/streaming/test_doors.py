"""What one node is to push, asked for in the name of those for whom it is had."""

import pytest
from support.feeding import Feeding, turned
from support.sources import node, symbols

from argus_core import current_request
from argus_core.streaming.doors import Door

A, B, C = symbols("600519.SH", "000001.SZ", "600000.SH")


class Told(Feeding):
    """Writes down through whom each wish has come."""

    def __init__(self, name, clock):
        super().__init__(name, clock)
        self.vias = {}

    async def subscribe(self, symbols, push):
        self.vias[symbols] = current_request().via
        return await super().subscribe(symbols, push)


@pytest.fixture
async def door(clock):
    source = Told("told", clock)
    made = Door(
        node(source),
        pushed=lambda _door, _items: None,
        overflown=lambda _door, _dropped: None,
        accepted=lambda _door, _symbols: None,
        refused=lambda _door, _symbols, _why: None,
        via=lambda wanted: ("edge", "me") if B in wanted else ("me",),
    )
    made.source = source
    yield made
    await made.aclose()


async def test_symbols_for_others_are_asked_for_in_their_name_and_apart(door):
    for symbol in (A, B, C):
        door.want(symbol)
    await door.settled()
    assert door.source.vias == {(A, C): ("me",), (B,): ("edge", "me")}


async def test_one_that_is_not_wanted_any_more_leaves_nothing_behind(door, clock):
    door.want(A)
    await door.settled()
    assert not door.idle
    assert door.load == 1
    door.source.push(A, 10.0)
    await turned()
    door.drop(A)
    await door.settled()
    assert door.idle
    assert door.source.pushing == {}
