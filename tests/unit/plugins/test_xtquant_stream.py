"""Pushes: subscribed, converted, made again after whatever happens to the link."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

import pytest
from support.clock import TestClock
from support.waiting import block_until, until
from support.xtquant import opened, serving, symbols

from argus_core import SHANGHAI, Depth, Gap, NotOffered, SourceUnavailable, Symbol, Throttled
from argus_xtquant import stream
from argus_xtquant.feed import Feed
from argus_xtquant.hours import open_since

pytest.importorskip("pandas")
IN_SESSION = "2023-02-01 10:00:00"
SHARE = Symbol("600519.SH")
PLAYED = {"from": "2023-02-01T10:00:00", "to": "2023-02-01T10:01:00"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A watchdog that looks often."""
    monkeypatch.setattr(stream, "_BEAT", 0.05)


@pytest.fixture(scope="module")
def running(market_data):
    with serving(market_data) as server:
        yield server


@pytest.fixture
def server(running):
    before = {name: getattr(running.settings, name) for name in running.settings.__slots__}
    running.control({"fault": None, "clear": True})
    yield running
    running.control({"push": None, "fault": None, "refuse": False, "set": before})


class Heard(list):
    """Everything that was pushed."""

    def __call__(self, item):
        self.append(item)

    @property
    def books(self):
        return [item for item in self if isinstance(item, Depth)]

    @property
    def gaps(self):
        return [item for item in self if isinstance(item, Gap)]


def played(server):
    first, last = (
        datetime.fromisoformat(PLAYED[n]).replace(tzinfo=SHANGHAI) for n in ("from", "to")
    )
    return [t for t in server.terminal.world.ticks[SHARE] if first <= t.time <= last]


@pytest.mark.parametrize("push", ["whole", "single"])
async def test_every_push_is_heard_once_and_in_order(server, push):
    heard = Heard()
    async with opened(server, IN_SESSION, push=push) as source:
        await source.subscribe((SHARE,), heard)
        server.control({"push": PLAYED})
        times = [tick.time for tick in played(server)]
        await until(lambda: heard.books and heard.books[-1].quote.as_of == times[-1])
        assert source.report()["subscriptions"] == 1
    assert [book.quote.as_of for book in heard.books][-len(times) :] == times
    assert not heard.gaps
    last = played(server)[-1]
    assert heard.books[-1].quote.price == last.last
    assert heard.books[-1].quote.volume == pytest.approx(last.volume / 100, abs=0.5)
    assert len(heard.books[-1].bids) == 5


async def test_the_first_push_of_a_whole_quote_is_the_full_state(server):
    heard = Heard()
    async with opened(server, IN_SESSION) as source:
        await source.subscribe((SHARE,), heard)
        await until(lambda: heard.books)
    assert heard.books[0].quote.price is not None


async def test_a_subscription_is_asked_for_one_code_at_a_time_never_a_list(server):
    async with opened(server, IN_SESSION, push="single") as source:
        await source.subscribe(symbols("600519.SH", "688293.SH"), Heard())
    asked = [c["args"][0] for c in server.terminal.calls if c["method"] == "subscribe_quote"]
    assert [meta["stockCode"] for meta in asked] == ["600519.SH", "688293.SH"]
    assert {meta["period"] for meta in asked} == {"tick"}


async def test_a_refused_subscription_is_an_error_not_a_silence(server):
    async with opened(server, IN_SESSION) as source:
        server.control({"fault": "minus_one", "methods": ["subscribe_whole_quote"]})
        with pytest.raises(SourceUnavailable):
            await source.subscribe((SHARE,), Heard())
        assert source.report()["subscriptions"] == 0
        server.control({"fault": None})
        heard = Heard()
        await source.subscribe((SHARE,), heard)
        await until(lambda: heard.books)


async def test_of_subscriptions_refused_in_part_none_is_left(server):
    async with opened(server, IN_SESSION, push="single") as source:
        server.control({"set": {"max_subscriptions": 1}})
        with pytest.raises(SourceUnavailable):
            await source.subscribe(symbols("600519.SH", "688293.SH"), Heard())
        assert source.report()["subscriptions"] == 0
        assert server.told()["subscriptions"] == []


async def test_no_more_symbols_than_the_cap(server):
    async with opened(server, IN_SESSION, max_subscriptions=1) as source:
        await source.subscribe((SHARE,), Heard())
        with pytest.raises(Throttled, match="max_subscriptions"):
            await source.subscribe(symbols("688293.SH"), Heard())
        await source.subscribe((SHARE,), Heard())  # it is there already


async def test_symbols_that_cannot_be_pushed_are_named(server):
    async with opened(server, IN_SESSION) as source:
        with pytest.raises(NotOffered, match="CF1501"):
            await source.subscribe(symbols("600519.SH", "CF1501.CZCE"), Heard())
        assert source.report()["subscriptions"] == 0


async def test_unsubscribing_ends_the_pushes_and_the_vendors_subscription(server):
    heard = Heard()
    async with opened(server, IN_SESSION) as source:
        await source.subscribe(symbols("600519.SH", "688293.SH"), heard)
        await until(lambda: {b.symbol for b in heard.books} >= {SHARE})
        await source.unsubscribe((SHARE,))
        assert server.told()["subscriptions"]  # the other one is in it
        await source.unsubscribe(symbols("688293.SH", "000001.SZ"))
        assert server.told()["subscriptions"] == []
        assert source.report()["subscriptions"] == 0


async def test_after_a_reconnect_everything_is_subscribed_again_with_a_gap(server):
    """Nothing in the vendor's module does that."""
    heard = Heard()
    async with opened(server, IN_SESSION) as source:
        await source.subscribe(symbols("600519.SH", "688293.SH"), heard)
        await until(lambda: heard.books)
        server.control({"drop": True})
        await until(lambda: not source.report()["connected"])
        source._stream.check()
        assert source.report()["connections"] == 2
        (one,) = server.told()["subscriptions"]
        assert one["codes"] == ["600519.SH", "688293.SH"]
        assert {s for gap in heard.gaps for s in gap.symbols} == {SHARE, Symbol("688293.SH")}
        assert heard.gaps[-1].since is not None
        before = len(heard.books)
        server.control({"push": PLAYED})
        await until(lambda: len(heard.books) > before)


async def test_a_call_that_reconnects_makes_the_subscriptions_again_too(server):
    heard = Heard()
    async with opened(server, IN_SESSION) as source:
        await source.subscribe((SHARE,), heard)
        server.control({"drop": True})
        await until(lambda: not source.report()["connected"])
        await source.ping()
        await until(lambda: server.told()["subscriptions"])
        await until(lambda: heard.gaps)


async def test_the_vendors_own_reconnect_is_noticed(server):
    """Any of its functions connects again by itself and tells nobody."""
    heard = Heard()
    async with opened(server, IN_SESSION) as source:
        await source.subscribe((SHARE,), heard)
        server.control({"drop": True})
        await until(lambda: not source.report()["connected"])
        await asyncio.to_thread(source._session._xtdata.get_trading_dates, "SH", "", "", 1)
        await until(lambda: server.told()["subscriptions"])
        await until(lambda: heard.gaps)
        assert server.told()["links"] == 1


async def test_an_old_number_is_not_ended_over_a_new_connection(server):
    heard = Heard()
    async with opened(server, IN_SESSION) as source:
        await source.subscribe((SHARE,), heard)
        server.control({"drop": True})
        await until(lambda: not source.report()["connected"])
        server.control({"clear": True})
        await source.unsubscribe((SHARE,))
        source._stream.check()
        assert "unsubscribe_quote" not in {c["method"] for c in server.terminal.calls}


async def test_a_client_that_stays_away_is_tried_until_it_is_back(server):
    heard = Heard()
    async with opened(server, IN_SESSION) as source:
        await source.subscribe((SHARE,), heard)
        await until(lambda: heard.books)
        server.control({"refuse": True})
        await until(lambda: not source.report()["connected"])
        for _ in range(3):
            source._stream.check()
        assert len(heard.gaps) == 1  # told once
        server.control({"refuse": False})
        source._stream.check()
        assert len(server.told()["subscriptions"]) == 1
        assert len(heard.gaps) == 2


async def test_a_full_state_after_subscribing_again_is_no_news(server):
    heard = Heard()
    async with opened(server, IN_SESSION) as source:
        await source.subscribe((SHARE,), heard)
        await until(lambda: heard.books)
        server.control({"drop": True})
        await until(lambda: not source.report()["connected"])
        pushes = server.told()["pushes"]
        source._stream.check()
        await until(lambda: server.told()["pushes"] > pushes)
        await until(source._stream.feed._waiting.empty)
        assert len(heard.books) == 1


async def test_a_silent_feed_is_subscribed_again_and_then_connected_again(server):
    heard = Heard()
    async with opened(server, IN_SESSION, silent_after=120) as source:
        server.control({"fault": "silent", "methods": ["subscribe_whole_quote"]})
        await source.subscribe((SHARE,), heard)
        source.clock.advance(119)
        source._stream.check()
        assert heard.gaps == []
        source.clock.advance(1)
        source._stream.check()
        assert source.report()["connections"] == 1
        assert "120 s" in heard.gaps[-1].reason
        assert len(server.told()["subscriptions"]) == 1  # the old one was ended
        source.clock.advance(121)
        server.control({"fault": None})
        source._stream.check()
        assert source.report()["connections"] == 2
        await until(lambda: heard.books)
        source.clock.advance(60)
        source._stream.check()
        assert source.report()["connections"] == 2


@pytest.mark.parametrize(
    "now",
    ["2023-02-01 08:00:00", "2023-02-01 12:10:00", "2023-02-01 16:00:00", "2023-02-04 10:00:00"],
)
async def test_silence_outside_trading_hours_is_none(server, now):
    heard = Heard()
    async with opened(server, now) as source:
        server.control({"fault": "silent", "methods": ["subscribe_whole_quote"]})
        await source.subscribe((SHARE,), heard)
        source.clock.advance(600)
        source._stream.check()
        assert heard.gaps == []


async def test_closing_is_no_gap(server, monkeypatch):
    heard = Heard()
    async with opened(server, IN_SESSION) as source:
        await source.subscribe((SHARE,), heard)
        cut = source._session.close

        def cut_and_looked_at():
            cut()
            source._stream.check()

        monkeypatch.setattr(source._session, "close", cut_and_looked_at)
    assert heard.gaps == []


async def test_closing_leaves_no_thread(server):
    import threading

    before = threading.active_count()
    async with opened(server, IN_SESSION) as source:
        await source.subscribe((SHARE,), Heard())
    names = {thread.name for thread in threading.enumerate()}
    assert not {"qmt feed", "qmt watchdog"} & names
    assert threading.active_count() <= before + 40


# --- what is pushed, without a client


def tick(second=0, **changes):
    at = datetime(2024, 3, 15, 10, 0, second, tzinfo=SHANGHAI)
    return {"time": int(at.timestamp() * 1000), "lastPrice": 9.0, "volume": 5} | changes


@pytest.fixture
def feed():
    feed = Feed("qmt", TestClock())
    yield feed
    feed.close()


def listen(feed, push):
    feed.add("600519.SH", SHARE, push)


def test_whole_quotes_push_one_a_code_and_single_ones_a_list(feed):
    heard = Heard()
    listen(feed, heard)
    feed.take({"600519.SH": tick(0)})
    feed.take({"600519.SH": [tick(3), tick(6)], "000001.SZ": tick(0)})
    block_until(lambda: len(heard) == 3)


def test_duplicates_and_old_pushes_are_dropped_and_corrections_are_not(feed):
    heard = Heard()
    listen(feed, heard)
    for one in (tick(3), tick(3), tick(0), tick(3, volume=6), tick(6)):
        feed.take({"600519.SH": one})
    block_until(lambda: len(heard) == 3)
    assert [book.quote.volume for book in heard] == [5.0, 6.0, 5.0]


@pytest.mark.parametrize("payload", [b"bytes", None, 7, [], {"600519.SH": 7}, {"600519.SH": ["x"]}])
def test_an_unreadable_push_harms_no_other(feed, payload, caplog):
    heard = Heard()
    listen(feed, heard)
    feed.take(payload)
    feed.take({"600519.SH": tick()})
    block_until(lambda: len(heard) == 1)
    assert feed.unreadable <= 1


def test_an_exception_of_the_listener_does_not_end_the_feed(feed, caplog):
    heard = []

    def broken(item):
        heard.append(item)
        raise RuntimeError("listener")

    listen(feed, broken)
    with caplog.at_level(logging.ERROR):
        feed.take({"600519.SH": tick(0)})
        feed.take({"600519.SH": tick(3)})
        block_until(lambda: len(heard) == 2)


def test_a_callback_only_puts_on_a_queue_and_returns(feed):
    """Asking the client inside a callback may stall its dispatcher."""
    import threading

    blocked = threading.Event()
    listen(feed, lambda item: blocked.wait(2))
    for second in range(50):
        feed.take({"600519.SH": tick(second)})
    blocked.set()


def test_what_came_too_fast_is_told_as_a_gap(monkeypatch):
    import queue
    import threading

    feed, heard, go = Feed("qmt", TestClock()), Heard(), threading.Event()
    feed._waiting = queue.Queue(2)

    def slow(item):
        go.wait(2)
        heard(item)

    listen(feed, slow)
    for second in range(10):
        feed.take({"600519.SH": tick(second)})
    go.set()
    block_until(lambda: heard.gaps)
    assert feed.dropped > 0
    feed.close()


@pytest.mark.parametrize(
    ("name", "now", "since"),
    [
        ("600519.SH", "2024-03-15 09:29:59", None),
        ("600519.SH", "2024-03-15 09:30:00", "2024-03-15 09:30:00"),
        ("600519.SH", "2024-03-15 13:01:00", "2024-03-15 13:00:00"),
        ("600519.SH", "2024-03-16 10:00:00", None),
        ("rb2410.SHFE", "2024-03-15 22:00:00", "2024-03-15 21:00:00"),
        ("au2406.SHFE", "2024-03-16 01:00:00", "2024-03-15 21:00:00"),
        ("au2406.SHFE", "2024-03-16 02:30:00", None),
        ("au2406.SHFE", "2024-03-17 01:00:00", None),
        ("au2406.SHFE", "2024-04-03 22:00:00", None),  # the night before Qingming falls out
        ("IF2406.CFFEX", "2024-03-15 21:30:00", None),
    ],
)
def test_since_when_something_ought_to_be_pushed(name, now, since):
    at = datetime.fromisoformat(now).replace(tzinfo=SHANGHAI)
    expected = since and datetime.fromisoformat(since).replace(tzinfo=SHANGHAI)
    assert open_since((Symbol(name),), at) == (expected or None)
    assert open_since((), at + timedelta(seconds=1)) is None
