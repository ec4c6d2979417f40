"""The feed: reads, watches, joins again, tells of gaps, and is ended by nobody's mistake."""

import queue
import threading
import time
from datetime import datetime

import pytest
from support.clock import TestClock

from argus_core import (
    SHANGHAI,
    Gap,
    Level,
    SourceTimeout,
    SourceUnavailable,
    Symbol,
    Throttled,
)
from argus_rqdatac.feed import Feed
from argus_rqdatac.hours import trades_now
from argus_rqdatac.live import QUOTA_CLOSE, Closed
from argus_rqdatac.quota import Quota

MAOTAI, PINGAN = Symbol("600519.SH"), Symbol("000001.SZ")
CODES = {"600519.XSHG": MAOTAI}


def tick(code="600519.XSHG", **more):
    return {
        "action": "feed",
        "channel": f"tick_{code}",
        "order_book_id": code,
        "datetime": 20240315100003000,
        "last": 1700.5,
        "open": 1690.0,
        "high": 1710.0,
        "low": 1680.0,
        "prev_close": 1695.0,
        "volume": 1000,
        "total_turnover": 1_700_000.0,
        "bid": [1700.4, 1700.3, 0, 0, 0],
        "bid_vol": [100, 200, 0, 0, 0],
        "ask": [1700.6, 0, 0, 0, 0],
        "ask_vol": [300, 0, 0, 0, 0],
    } | more


class FakeSocket:
    """Accepts what is asked for, says what it is told to say."""

    def __init__(self, refuses=()):
        self.items = queue.SimpleQueue()
        self.refuses = set(refuses)
        self.asked, self.left, self.closed = [], [], False

    def subscribe(self, channels):
        self.asked.append(sorted(channels))
        kept = [channel for channel in channels if channel not in self.refuses]
        self.items.put({"action": "subscribe_reply", "subscribed": kept})

    def unsubscribe(self, channels):
        self.left.append(sorted(channels))

    def receive(self, seconds):
        try:
            item = self.items.get(timeout=min(seconds, 0.02))
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise item
        return item

    def close(self):
        if not self.closed:
            self.closed = True
            self.items.put(Closed(None))


class Desk:
    """A feed on fake sockets, and what it pushed."""

    def __init__(self, *, silence=60.0, timeout=2.0, refuses=()):
        self.clock = TestClock("2024-03-15 10:00:00")
        self.quota = Quota("rq", self.clock, every=300, guard=0.9)
        self.sockets, self.refuses, self.failing = [], refuses, None
        self.got = queue.SimpleQueue()
        self.feed = Feed("rq", self.join, self.quota, self.clock, silence=silence, timeout=timeout)

    def join(self):
        if self.failing is not None:
            raise self.failing
        self.sockets.append(FakeSocket(self.refuses))
        return self.sockets[-1]

    def take(self):
        return self.got.get(timeout=3)

    def until(self, what):
        for _ in range(300):
            if what():
                return
            time.sleep(0.01)
        raise AssertionError("it never happened")


@pytest.fixture
def desk():
    found = Desk()
    yield found
    found.feed.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "rq feed"]


def test_a_push_is_a_book_in_the_vendors_units(desk):
    desk.feed.subscribe(CODES, desk.got.put)
    desk.sockets[0].items.put(tick())
    depth = desk.take()
    assert depth.symbol == MAOTAI
    assert depth.quote.price == 1700.5
    assert depth.quote.volume == 1000
    assert depth.quote.as_of == datetime(2024, 3, 15, 10, 0, 3, tzinfo=SHANGHAI)
    assert depth.bids == (Level(1700.4, 100), Level(1700.3, 200))
    assert depth.asks == (Level(1700.6, 300),)


def test_a_push_may_lack_its_book(desk):
    desk.feed.subscribe(CODES, desk.got.put)
    bare = {k: v for k, v in tick().items() if k not in ("bid", "bid_vol", "ask", "ask_vol")}
    desk.sockets[0].items.put(bare)
    depth = desk.take()
    assert (depth.bids, depth.asks) == ((), ())


def test_strangers_and_nonsense_are_passed_over(desk):
    desk.feed.subscribe(CODES, desk.got.put)
    for item in (
        {},
        {"action": "hello"},
        tick("000001.XSHE"),
        tick(channel="bar_600519.XSHG"),
        tick(last="much"),
        tick(last=1700.6),
    ):
        desk.sockets[0].items.put(item)
    assert desk.take().quote.price == 1700.6


def test_a_failing_subscriber_does_not_end_the_feed(desk, caplog):
    def push(item):
        if item.quote.price == 1.0:
            raise RuntimeError("a bug of the subscriber's")
        desk.got.put(item)

    desk.feed.subscribe(CODES, push)
    desk.sockets[0].items.put(tick(last=1.0))
    desk.sockets[0].items.put(tick(last=2.0))
    assert desk.take().quote.price == 2.0
    assert "a subscriber failed" in caplog.text


def test_a_lost_connection_is_made_again_with_a_gap(desk):
    desk.feed.subscribe(CODES, desk.got.put)
    desk.sockets[0].items.put(tick())
    desk.take()
    heard = desk.clock.now()
    desk.clock.advance(30)
    desk.sockets[0].items.put(Closed(1006))
    gap = desk.take()
    assert gap == Gap(
        symbols=(MAOTAI,), reason="the connection to the live server was lost", since=heard
    )
    assert desk.sockets[1].asked == [["tick_600519.XSHG"]]
    desk.sockets[1].items.put(tick(last=1701.0))
    assert desk.take().quote.price == 1701.0
    assert desk.feed.report()["feed_reconnects"] == 1


def test_a_silent_server_is_left_while_something_trades(desk):
    desk.feed.subscribe(CODES, desk.got.put)
    desk.clock.advance(61)
    gap = desk.take()
    assert "silent for 60 seconds" in gap.reason
    assert desk.sockets[0].closed


def test_silence_at_noon_means_nothing(desk):
    desk.clock._now = datetime(2024, 3, 15, 12, 0, tzinfo=SHANGHAI)
    desk.feed.subscribe(CODES, desk.got.put)
    desk.clock.advance(600)
    time.sleep(0.1)
    assert len(desk.sockets) == 1


def test_a_used_up_quota_ends_the_feed_until_midnight(desk, caplog):
    desk.feed.subscribe(CODES, desk.got.put)
    desk.sockets[0].items.put(Closed(QUOTA_CLOSE))
    gap = desk.take()
    assert "quota" in gap.reason
    desk.until(lambda: desk.feed.report()["feed_error"])
    assert not desk.feed.report()["feed_connected"]
    with pytest.raises(Throttled):
        desk.feed.subscribe({"000001.XSHE": PINGAN}, desk.got.put)
    assert len(desk.sockets) == 1
    assert "the quota is used up" in caplog.text


def test_subscribing_more_goes_over_the_same_connection(desk):
    desk.feed.subscribe(CODES, desk.got.put)
    desk.feed.subscribe(CODES | {"000001.XSHE": PINGAN}, desk.got.put)
    assert desk.sockets[0].asked == [["tick_600519.XSHG"], ["tick_000001.XSHE"]]
    assert desk.feed.report()["feed_subscriptions"] == 2
    assert len(desk.sockets) == 1


def test_what_the_server_does_not_accept_is_an_error_and_is_forgotten():
    desk = Desk(timeout=0.2, refuses={"tick_000001.XSHE"})
    try:
        desk.feed.subscribe(CODES, desk.got.put)
        with pytest.raises(SourceTimeout):
            desk.feed.subscribe({"000001.XSHE": PINGAN}, desk.got.put)
        assert desk.feed.report()["feed_subscriptions"] == 1
        desk.sockets[0].items.put(Closed(None))
        assert desk.take().symbols == (MAOTAI,)
        assert desk.sockets[1].asked == [["tick_600519.XSHG"]]
    finally:
        desk.feed.close()


def test_a_login_that_fails_is_told_and_tried_again(desk):
    desk.failing = SourceUnavailable("the live server cannot be joined")
    with pytest.raises(SourceUnavailable):
        desk.feed.subscribe(CODES, desk.got.put)
    desk.failing = None
    desk.until(lambda: desk.sockets)
    desk.feed.subscribe(CODES, desk.got.put)
    desk.sockets[-1].items.put(tick())
    assert desk.take().symbol == MAOTAI


def test_a_login_that_stumbles_does_not_end_the_thread(desk):
    desk.failing = RuntimeError("a bug, or a warning made an error")
    with pytest.raises(SourceUnavailable, match="RuntimeError"):
        desk.feed.subscribe(CODES, desk.got.put)
    desk.failing = None
    desk.until(lambda: desk.feed.report()["feed_connected"])


def test_unsubscribing_ends_the_pushes_and_strangers_are_no_error(desk):
    desk.feed.subscribe(CODES, desk.got.put)
    desk.feed.unsubscribe(["600519.XSHG", "000001.XSHE"])
    assert desk.sockets[0].left == [["tick_600519.XSHG"]]
    desk.sockets[0].items.put(tick())
    time.sleep(0.1)
    assert desk.got.empty()
    desk.feed.unsubscribe(["600519.XSHG"])


def test_closing_twice_is_safe_and_ends_the_thread(desk):
    desk.feed.subscribe(CODES, desk.got.put)
    desk.feed.close()
    desk.feed.close()
    assert desk.sockets[0].closed


@pytest.mark.parametrize(
    ("symbol", "at", "trades"),
    [
        ("600519.SH", "2024-03-15 10:00", True),
        ("600519.SH", "2024-03-15 12:00", False),
        ("600519.SH", "2024-03-15 15:00", False),
        ("600519.SH", "2024-03-16 10:00", False),  # a Saturday
        ("600519.SH", "2024-05-01 10:00", False),  # Labour Day
        ("rb2410.SHFE", "2024-03-15 22:00", True),  # Friday night
        ("rb2410.SHFE", "2024-03-17 22:00", False),  # Sunday night
        ("rb2410.SHFE", "2024-04-30 22:00", False),  # before a holiday
        ("au2410.SHFE", "2024-03-16 01:00", True),  # Friday night goes on
        ("au2410.SHFE", "2024-03-18 01:00", False),
        ("IF2412.CFFEX", "2024-03-15 22:00", False),
        ("600519.SH", "2199-03-15 10:00", True),  # a weekday beyond the calendar
        ("600519.SH", "2199-03-16 10:00", False),
    ],
)
def test_when_silence_means_something(symbol, at, trades):
    now = datetime.fromisoformat(at).replace(tzinfo=SHANGHAI)
    assert trades_now([Symbol(symbol)], now) is trades
