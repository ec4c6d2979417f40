"""The simulated exchange pushes what it would answer, every three seconds, trades once."""

import asyncio
from collections import Counter

import pytest
from support.clock import TestClock
from support.sources import symbols
from support.waiting import until

from argus_core import DepthQuery, NotOffered
from argus_demo import Demo, DemoSettings
from argus_demo.feed import Feed

A, B, INDEX = symbols("600519.SH", "000001.SZ", "000300.SH")
UNKNOWN = symbols("688999.SH")


@pytest.fixture
def clock():
    return TestClock("2024-03-15 10:00:00")


@pytest.fixture
async def demo(clock):
    source = Demo("demo", DemoSettings(), clock)
    await source.open()
    yield source
    await source.close()


@pytest.fixture
def feed(demo, clock):
    """Its feed, driven by the test instead of a task."""
    return Feed(clock, demo._book)


def run(feed, clock, seconds, step=0.5):
    for _ in range(int(seconds / step)):
        feed.pushed()
        clock.advance(step)


async def begin(feed, pushed, *asked):
    feed.begin(asked, pushed.append)
    feed._task.cancel()  # the test tells the time


async def test_each_symbol_comes_every_three_seconds(feed, clock):
    pushed = []
    await begin(feed, pushed, A, B, INDEX)
    run(feed, clock, 3)
    pushed.clear()
    run(feed, clock, 60)
    assert Counter(book.symbol for book in pushed) == {A: 20, B: 20, INDEX: 20}


async def test_it_is_what_would_be_answered_and_in_the_end_all_trades_are_told(feed, demo, clock):
    pushed = []
    await begin(feed, pushed, A)
    run(feed, clock, 45)
    (answer,) = await demo.depth(DepthQuery(symbols=(A,), levels=10))
    assert pushed[-1].quote.as_of <= answer.quote.as_of
    told = [trade for book in pushed for trade in book.trades]
    assert told == sorted(set(told), key=lambda trade: trade.time)
    assert pushed[0].trades == ()
    expected = [t for t in answer.trades if pushed[0].quote.as_of < t.time <= told[-1].time]
    assert told == expected
    assert told


async def test_the_symbols_are_spread_over_the_time(feed, clock, demo):
    pushed = []
    many = symbols("600519.SH", "000001.SZ", "600036.SH", "000858.SZ", "601318.SH", "300750.SZ")
    await begin(feed, pushed, *many)
    feed.pushed()
    at_once = len(pushed)
    run(feed, clock, 3, step=0.1)
    assert at_once < len(many)
    assert len({book.symbol for book in pushed}) >= 4


async def test_at_night_the_last_state_is_pushed(feed, clock):
    clock.advance(13 * 3600)
    pushed = []
    await begin(feed, pushed, A)
    run(feed, clock, 9)
    assert len(pushed) == 3
    assert len({book.quote.price for book in pushed}) == 1
    assert all(book.trades == () for book in pushed[1:])


async def test_after_a_long_pause_nothing_is_made_up(feed, clock):
    pushed = []
    await begin(feed, pushed, A)
    run(feed, clock, 6)
    before = len(pushed)
    clock.advance(3000)  # the machine slept
    feed.pushed()
    assert len(pushed) == before + 1


async def test_one_who_fails_does_not_end_it(feed, clock):
    pushed = []

    def fail(book):
        pushed.append(book)
        raise ValueError("a consumer that fails")

    feed.begin((A,), fail)
    feed._task.cancel()
    run(feed, clock, 9)
    assert len(pushed) == 3


async def test_what_is_not_listed_is_not_accepted(demo):
    assert list(await demo.subscribe((A, *UNKNOWN), lambda _book: None)) == [A]
    with pytest.raises(NotOffered):
        await demo.subscribe(UNKNOWN, lambda _book: None)


async def test_it_pushes_by_itself_and_leaves_no_task(clock):
    demo = Demo("demo", DemoSettings(), clock)
    pushed = []
    await demo.subscribe((A,), pushed.append)
    clock.advance(3)
    await demo.subscribe((B,), pushed.append)
    await until(lambda: pushed)
    await demo.unsubscribe((A, B, *UNKNOWN))
    assert demo._feed.symbols == ()
    await demo.close()
    await demo.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
