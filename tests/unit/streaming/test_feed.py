"""What other gateways hear of a symbol: every value in order, whole, and once."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock

from argus_core import Depth, Level, Quote, Symbol, Trade
from argus_core.streaming import feed as feeding
from argus_core.streaming.feed import ROOM, FeedLane, begin, feed, outdated
from argus_core.streaming.hub import Hub
from argus_core.streaming.topics import DEPTH, FEED, QUOTES, Carrier

A, B = Symbol("600519.SH"), Symbol("000001.SZ")
VENDOR = Carrier("vendor", "push")
NOW = TestClock().now()


class Supply:
    def want(self, symbols):
        """Nobody has to be asked."""

    def drop(self, symbols):
        """Nobody was asked."""


class Ear:
    def ready(self, lane):
        """He takes when the test says so."""

    def notice(self, notice):
        raise AssertionError(notice)


class Everything:
    channel = FEED
    lasting = True

    def fragment(self, update):
        return update


@pytest.fixture
def hub():
    return Hub(epoch="e", grace=0.0, supply=Supply(), later=lambda *_: None)


@pytest.fixture
def lane(hub):
    made = FeedLane(Ear())
    hub.listen(made, Everything(), (A, B))
    return made


def quote(price, symbol=A, seconds=0):
    return Quote(symbol=symbol, price=float(price), as_of=NOW + timedelta(seconds=seconds))


def book(price, *, trades=None):
    return Depth(quote=quote(price), bids=(Level(1.0, 1.0),), trades=trades)


TRADES = (Trade(price=1.0, volume=1.0, time=NOW),)


def say(hub, value, *, stale=False):
    feed(hub, value.symbol, value, VENDOR, NOW, stale=stale)


def taken(lane):
    batch = lane.taken()
    if batch is None:
        return [], {}
    return [u for _, u in (*batch.each, *batch.latest.items())], batch.skipped


def test_nothing_is_replaced_by_what_follows(hub, lane):
    for price in range(1, 6):
        say(hub, quote(price))
        say(hub, quote(price, B))
    updates, skipped = taken(lane)
    for symbol in (A, B):
        assert [u.value.price for u in updates if u.symbol == symbol] == [1, 2, 3, 4, 5]
        assert [u.seq for u in updates if u.symbol == symbol] == [1, 2, 3, 4, 5]
    assert skipped == {}
    assert taken(lane) == ([], {})


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.booleans()), max_size=40), st.integers(0, 5))
def test_beyond_the_room_what_is_replaced_is_counted_and_the_order_stays(said, room):
    hub = Hub(epoch="e", grace=0.0, supply=Supply(), later=lambda *_: None)
    lane = FeedLane(Ear())
    hub.listen(lane, Everything(), (A, B))
    heard = {A: [], B: []}
    left_out = {A: 0, B: 0}

    def take():
        updates, skipped = taken(lane)
        assert len(updates) <= room + 2
        for update in updates:
            heard[update.symbol].append(update.seq)
        for (_, symbol), many in skipped.items():
            left_out[symbol] += many

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeding, "ROOM", room)
        for number, (symbol, takes) in enumerate(said):
            say(hub, quote(number + 1, symbol))
            if takes:
                take()
        take()
    for symbol in (A, B):
        many = sum(one == symbol for one, _ in said)
        assert heard[symbol] == sorted(set(heard[symbol]))
        assert len(heard[symbol]) + left_out[symbol] == many
        assert heard[symbol][-1:] == ([many] if many else [])


def test_there_is_room_for_a_whole_market():
    assert ROOM > 5400


def test_what_is_known_already_is_not_said_again(hub, lane):
    say(hub, book(1, trades=TRADES))
    say(hub, book(1, trades=TRADES))
    say(hub, book(1))
    say(hub, book(1), stale=True)
    say(hub, book(1), stale=True)
    updates, _ = taken(lane)
    assert [(u.value.trades, u.stale) for u in updates] == [
        (TRADES, False),
        (None, False),
        (None, True),
    ]


def test_nobody_is_told_where_nobody_listens(hub):
    say(hub, quote(1))
    assert hub.topics == {}


def test_it_begins_with_what_is_known_without_the_trades_of_before(hub):
    hub.say((DEPTH, A), book(2, trades=TRADES), VENDOR, NOW)
    hub.say((QUOTES, A), quote(2), VENDOR, NOW)
    hub.say((QUOTES, B), quote(3, B), VENDOR, NOW, stale=True)
    begin(hub, (A, B, Symbol("000300.SH")))
    assert hub.topics[FEED, A].last.value == book(2)
    last = hub.topics[FEED, B].last
    assert (last.value, last.carrier, last.stale) == (quote(3, B), VENDOR, True)
    assert (FEED, Symbol("000300.SH")) not in hub.topics
    begin(hub, (A,))
    assert hub.topics[FEED, A].seq == 1


def test_it_begins_with_the_quote_where_the_book_is_an_older_one(hub):
    hub.say((DEPTH, A), book(2), VENDOR, NOW)
    hub.say((QUOTES, A), quote(5), VENDOR, NOW)
    begin(hub, (A,))
    assert hub.topics[FEED, A].last.value == quote(5)


def test_what_nobody_brings_any_more_is_said_once_more_and_flagged(hub, lane):
    say(hub, book(1, trades=TRADES))
    later = NOW + timedelta(seconds=9)
    outdated(hub, A, later)
    outdated(hub, A, later)
    outdated(hub, B, later)
    updates, _ = taken(lane)
    assert [(u.value, u.stale) for u in updates] == [
        (book(1, trades=TRADES), False),
        (book(1), True),
    ]
    say(hub, book(1))
    assert [u.stale for u in taken(lane)[0]] == [False]


def test_who_leaves_has_nobody_behind_him(hub, lane):
    lane.behind |= {A: frozenset("x"), B: frozenset("y")}
    say(hub, quote(1))
    hub.stop(lane.listener, [(FEED, A)])
    assert lane.behind == {B: frozenset("y")}
    assert taken(lane) == ([], {})
    hub.leave(lane.listener)
    assert lane.behind == {}
