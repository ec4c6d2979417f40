"""What is known of a symbol before anybody listens: never an old state for the present one."""

from dataclasses import replace

import pytest
from support.feeding import Asked, Ear, Seen, alone, book
from support.sources import symbols

from argus_core.model.answer import Answer, Provenance
from argus_core.streaming.topics import DEPTH, QUOTES, Carrier

A, B = symbols("600519.SH", "000001.SZ")
CARRIER = Carrier("asked", "poll")


class Looks:
    """Answers looks with the books that the test says."""

    def __init__(self, clock):
        self.clock = clock
        self.books = {}
        self.asked = []
        self.origin = {}

    async def __call__(self, dataset, asked):
        self.asked.append((dataset, asked))
        now = self.clock.now()
        origin = Provenance(source="asked", fetched_at=now, fresh_until=now, **self.origin)
        found = {symbol: self.books[symbol] for symbol in asked if symbol in self.books}
        if dataset == QUOTES:
            found = {symbol: value.quote for symbol, value in found.items()}
        return Answer(data=found, errors={}, provenance=dict.fromkeys(found, origin))


@pytest.fixture
def looks(clock):
    return Looks(clock)


@pytest.fixture
def house(studio, clock, looks):
    house = studio(*alone(Asked("asked", clock, price=11.0)))
    house.streaming._look = looks
    return house


async def left_behind(house, clock):
    """Of a symbol a book was said, and half an hour later, when nobody wanted it, a quote."""
    ear = Ear()
    house.hub.listen(ear.lane, Seen(QUOTES), (A,))
    old = book(A, 10.0, clock.now())
    house.hub.say((DEPTH, A), old, CARRIER, clock.now())
    house.hub.say((QUOTES, A), old.quote, CARRIER, clock.now())
    clock.advance(1800)
    new = replace(old.quote, price=11.0, as_of=clock.now())
    house.hub.say((QUOTES, A), new, CARRIER, clock.now())
    return old


async def test_the_first_value_says_whose_it_is_and_out_of_which_day(house, clock, looks):
    day = {"day": "2024-03-14", "speed": 10.0}
    looks.origin = {"path": ("edge", "past"), "simulated": True, "replay": day}
    looks.books[A] = book(A, 10.0, clock.now())
    await house.streaming.ready(QUOTES, (A,))
    carrier = house.hub.topics[QUOTES, A].last.carrier
    assert carrier == Carrier("past", "poll", ("asked", "edge"), simulated=True, replay=day)


async def test_a_book_that_quotes_have_left_behind_is_asked_for_anew(house, clock, looks):
    await left_behind(house, clock)
    looks.books[A] = book(A, 11.0, clock.now())
    await house.streaming.ready(DEPTH, (A,))
    assert looks.asked == [(DEPTH, (A,))]
    last = house.hub.topics[DEPTH, A].last
    assert (last.value, last.stale) == (looks.books[A], False)
    await house.streaming.ready(DEPTH, (A,))
    assert len(looks.asked) == 1


async def test_one_that_cannot_be_had_anew_is_flagged(house, clock):
    old = await left_behind(house, clock)
    await house.streaming.ready(DEPTH, (A,))
    last = house.hub.topics[DEPTH, A].last
    assert (last.value, last.stale) == (old, True)


async def test_a_book_that_somebody_hears_already_is_known(house, clock, looks):
    await left_behind(house, clock)
    house.hub.listen(Ear().lane, Seen(DEPTH), (A,))
    await house.streaming.ready(DEPTH, (A,))
    assert looks.asked == []


async def test_the_first_value_of_a_symbol_that_nobody_brings_is_flagged(house, clock, looks):
    house.routes.pools = ()
    looks.books[A] = book(A, 10.0, clock.now())
    with house.streaming.held((A,)):
        await house.settle()
        assert house.supplier.lines[A].lost
        await house.streaming.ready(QUOTES, (A,))
    assert house.hub.topics[QUOTES, A].last.stale


async def test_the_route_is_not_gone_down_for_each_symbol_that_nobody_brings(house, clock):
    house.routes.pools = ()
    many = symbols(*(f"{600000 + n}.SH" for n in range(20)))
    arranged, arrange = [], house.supplier.arrange
    house.supplier.arrange = lambda: (arranged.append(1), arrange())
    with house.streaming.held(many):
        assert {house.streaming.mode(symbol) for symbol in many} == {None}
        assert len(arranged) == 1
        clock.advance(60)
        assert house.streaming.mode(many[0]) is None
        assert len(arranged) == 2
