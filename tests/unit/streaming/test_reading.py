"""What a push becomes where nobody wants its book: what it would be in any case, but the book."""

import decimal
import math
from datetime import datetime

import pandas as pd
import pytest
from support.clock import TestClock
from support.feeding import Ear, Feeding, Seen, Studio, alone, book
from support.sources import symbols

from argus_core import SHANGHAI, Depth, Level, Quote
from argus_core.streaming.caught import Since
from argus_core.streaming.feed import FeedLane
from argus_core.streaming.reading import PushReader
from argus_core.streaming.topics import DEPTH, FEED

(A,) = symbols("600519.SH")
NOW = datetime(2024, 3, 15, 10, 0, tzinfo=SHANGHAI)
QUOTE = Quote(symbol=A, as_of=NOW, price=10.0, prev_close=9.9, low=9.0, high=11.0)
NOTHING = Quote(symbol=A, as_of=NOW)
BID, ASK = Level(9.9, 100.0), Level(10.1, 100.0)


@pytest.fixture
def clock():
    return TestClock("2024-03-15 10:00:00")


@pytest.mark.parametrize(
    ("quote", "bids", "asks"),
    [
        (QUOTE, (BID,), (ASK,)),
        (QUOTE, (), ()),
        (QUOTE, (ASK,), (BID,)),
        (QUOTE, [BID], [Level(None, None)]),
        (QUOTE, (Level(None, None),), (Level(None, None),)),
        (QUOTE, (BID,), (Level(math.nan, math.nan),)),
        (QUOTE, (BID,), (Level(pd.NA, pd.NA),)),
        (QUOTE, (Level(decimal.Decimal("9.9"), 1),), (Level(decimal.Decimal(10), 1),)),
        (QUOTE, (Level(decimal.Decimal("NaN"), 1),), (ASK,)),
        (QUOTE, None, None),
        (NOTHING, (BID,), (ASK,)),
        (NOTHING, (), ()),
        (None, (BID,), (ASK,)),
    ],
)
def test_without_its_book_a_push_says_the_same(clock, quote, bids, asks):
    pushed = Depth(quote=quote, bids=bids, asks=asks)
    source = Feeding("f", clock)
    whole = PushReader(source).read(pushed, NOW)
    short = PushReader(source).read(pushed, NOW, book=False)
    if isinstance(whole, Depth):
        assert (short.quote if isinstance(short, Depth) else short) == whole.quote
    else:
        assert type(short) is type(whole)


@pytest.mark.parametrize("stamped", [True, False])
async def test_who_comes_back_to_a_book_finds_the_newest(clock, stamped):
    """Also where instants do not tell which is newer: several within a second, or none at all."""
    source = Feeding("f", clock)
    studio = Studio(clock, *alone(source))

    def push(price):
        made = book(A, price, clock.now())
        stamp = made.quote.as_of if stamped else None
        fields = {name: getattr(made.quote, name) for name in ("symbol", "price", "prev_close")}
        source.pushing[A](Depth(quote=Quote(**fields, as_of=stamp), bids=made.bids, asks=made.asks))

    await studio.listen(A)
    ear = Ear()
    studio.hub.listen(ear.lane, Seen(DEPTH), (A,))
    await studio.settle()
    push(10.0)
    await studio.settle()
    since = Since(studio.hub.epoch, studio.hub.topics[DEPTH, A].seq)
    studio.hub.leave(ear)
    for price in (10.01, 10.02):
        push(price)
        await studio.settle()
    await studio.streaming.ready(DEPTH, (A,))
    (resumed,) = studio.hub.listen(Ear().lane, Seen(DEPTH), (A,), {A: since})
    assert resumed.missed == 1
    assert resumed.fragments[0].value.quote.price == 10.02
    await studio.supplier.aclose()


async def test_a_gateway_that_comes_back_finds_the_book_that_it_missed(clock):
    source = Feeding("f", clock)
    studio = Studio(clock, *alone(source))
    ear = Ear()
    ear.lane = FeedLane(ear)
    studio.hub.listen(ear.lane, Seen(FEED), (A,))
    await studio.settle()
    source.push(A, 10.0)
    await studio.settle()
    since = Since(studio.hub.epoch, studio.hub.topics[FEED, A].seq)
    studio.hub.leave(ear)
    clock.advance(3)
    source.push(A, 11.0)
    await studio.settle()
    await studio.streaming.ready(FEED, (A,))
    (caught,) = studio.hub.listen(FeedLane(Ear()), Seen(FEED), (A,), {A: since})
    (fragment,) = caught.fragments
    assert isinstance(fragment.value, Depth)
    assert fragment.value.quote.price == 11.0
    await studio.supplier.aclose()
