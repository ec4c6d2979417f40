"""Silence is looked into by session and by symbol, and what nobody pushes is asked for."""

import asyncio
from datetime import timedelta
from types import MappingProxyType

import pytest
from support.clock import TestClock
from support.feeding import Answering, Asked, Ear, Feeding, Seen, alone, pool_of, turned
from support.sources import symbols
from support.waiting import until

from argus_core import Depth, Gap, Level, NotOffered, Quote, SourceUnavailable
from argus_core.streaming import polls as polls_module
from argus_core.streaming import watch as watch_module
from argus_core.streaming.topics import DEPTH, QUOTES, TRADES

A, B, C = symbols("600519.SH", "000001.SZ", "600000.SH")
SILENCE = 15


@pytest.fixture
def feed(clock):
    return Feeding("feed", clock)


@pytest.fixture
def other(clock):
    return Answering("other", clock)


async def brought(house, feed, *asked):
    """Listening, and something heard of each symbol."""
    ear = await house.listen(*asked)
    for symbol in asked:
        feed.push(symbol, 10.0)
    await turned()
    ear.take()
    return ear


class TestSilence:
    async def test_a_feed_is_broken_if_others_have_news(self, studio, clock, feed, other):
        house = studio(*alone(feed, other))
        ear = await brought(house, feed, A)
        other.price = 10.5
        await house.pass_(SILENCE + 1)
        assert house.leg(A) == ("push", "other")
        assert A not in feed.pushing
        ear.take()
        assert ear.prices == [10.0, 10.5]  # what was found out by asking is said as well
        clock.advance(1)
        other.push(A, 11.0)
        await turned()
        assert ear.prices == [10.0, 10.5, 11.0]
        assert ear.states == [("live", "other")]
        assert "silent" in ear.told[0]["reason"]

    async def test_later_it_goes_back(self, studio, clock, feed, other):
        house = studio(*alone(feed, other))
        ear = await brought(house, feed, A)
        other.price = 10.5
        await house.pass_(SILENCE + 1)
        other.price = None
        clock.advance(60)
        house.supplier.better()
        await house.settle()
        feed.push(A, 12.0)
        await house.settle()
        assert house.leg(A) == ("push", "feed")
        assert ear.prices[-1] == 12.0

    async def test_a_quiet_symbol_stays_and_is_asked_about_ever_less(
        self, studio, clock, feed, other
    ):
        house = studio(*alone(feed, other))
        ear = await brought(house, feed, A)
        other.price, other.at = 10.0, clock.now()
        await house.pass_(600)
        assert house.leg(A) == ("push", "feed")
        assert ear.prices == [10.0]
        assert ear.told == []
        assert 4 <= len(other.asked) <= 9

    async def test_a_quiet_one_that_becomes_lively_is_watched_as_closely_as_others(
        self, studio, clock, feed, other
    ):
        house = studio(*alone(feed, other))
        await brought(house, feed, A)
        other.price, other.at = 10.0, clock.now()
        await house.pass_(600)
        for number in range(10):
            feed.push(A, 11.0 + number)
            await house.pass_(3)
        other.price, other.at = 30.0, None
        await house.pass_(SILENCE + 1)
        assert house.leg(A) != ("push", "feed")

    async def test_another_stamp_of_the_same_state_is_no_news(self, studio, clock, feed, other):
        house = studio(*alone(feed, other))
        ear = await brought(house, feed, A)
        clock.advance(3)
        other.price, other.at = 10.0, clock.now()
        await house.pass_(120)
        assert house.leg(A) == ("push", "feed")
        assert ear.told == []

    async def test_a_clock_that_is_ahead_hides_no_silence(self, studio, clock, feed, other):
        house = studio(*alone(feed, other))
        await house.listen(A)
        feed.push(A, 10.0, ago=120)  # everybody else's clock is two minutes behind ours
        await turned()
        other.price = 10.5
        for _ in range(SILENCE + 10):
            other.at = clock.now() - timedelta(seconds=120)
            await house.pass_(1)
        assert house.leg(A) == ("push", "other")

    async def test_a_lively_one_is_never_asked_about(self, studio, clock, feed, other):
        house = studio(*alone(feed, other))
        await brought(house, feed, A)
        for number in range(60):
            feed.push(A, 10.0 + number)
            await house.pass_(3)
        assert other.asked == []

    async def test_a_source_whose_feed_is_stuck_is_not_its_own_witness(self, studio, clock, other):
        stuck = Answering("stuck", clock, price=10.0)
        stuck.at = clock.now()
        house = studio(*alone(stuck, other))
        await brought(house, stuck, A)
        other.price = 11.0
        await house.pass_(SILENCE + 1)
        assert house.leg(A)[1] == "stuck"  # the pool that is asked is next …
        await house.polls.polled()
        await house.polls.polled()
        await house.settle()
        assert house.leg(A) == ("push", "other")  # … and tells what is older than what is known

    async def test_a_lone_source_is_asked_itself(self, studio, clock):
        lone = Answering("lone", clock)
        house = studio(*alone(lone))
        ear = await brought(house, lone, A)
        lone.price = 10.5
        await house.pass_(SILENCE + 1)
        assert house.leg(A) == ("poll", "lone")
        assert ear.prices[-1] == 10.5
        assert ear.states == [("live", "lone")]
        assert ear.told[0]["mode"] == "poll"

    async def test_where_nobody_answers_it_is_given_up_after_a_while(self, studio, clock):
        lone = Answering("lone", clock)
        house = studio(*alone(lone))
        ear = await brought(house, lone, A)
        lone.fails = SourceUnavailable("no network")
        for _ in range(60):
            await house.pass_(1)
            await house.polls.polled()
        assert ear.states[-1] == ("stale", None)
        assert house.hub.topics[QUOTES, A].last.stale

    async def test_where_nobody_can_be_asked_it_stays(self, studio, clock, feed):
        house = studio(*alone(feed))
        ear = await brought(house, feed, A)
        await house.pass_(300)
        assert house.leg(A) == ("push", "feed")
        assert ear.told == []

    async def test_each_symbol_is_judged_by_itself(self, studio, clock, feed, other):
        house = studio(*alone(feed, other))
        await brought(house, feed, A, B)
        other.price = 10.5
        for number in range(SILENCE + 3):
            feed.push(B, 20.0 + number)
            await house.pass_(1)
        assert house.leg(A) == ("push", "other")
        assert house.leg(B) == ("push", "feed")

    async def test_many_silent_ones_are_asked_about_in_one_question(
        self, studio, clock, feed, other
    ):
        house = studio(*alone(feed, other))
        await brought(house, feed, A)
        await house.pass_(5)
        await brought(house, feed, B, C)
        other.price, other.at = 10.0, clock.now()
        await house.pass_(SILENCE)
        assert other.asked[0] == (A, B, C)

    async def test_one_that_never_begins_is_found_out(self, studio, clock, feed, other):
        house = studio(*alone(feed, other))
        other.price = 10.5
        ear = await house.listen(A)
        await house.pass_(8)
        assert house.leg(A) == ("push", "other")
        assert ear.prices == [10.5]

    async def test_what_was_missed_between_two_legs_is_had_and_blames_nobody(
        self, studio, clock, feed, other
    ):
        house = studio(*alone(feed, other))
        ear = await brought(house, feed, A)
        clock.advance(3)
        other.price, other.at = 10.5, clock.now()  # the last trade before a long pause
        feed.refuses = None
        house.supplier.rearrange([house.supplier.lines[A]], "a test", away=0)
        await house.settle()
        assert house.leg(A) == ("push", "feed")
        await house.pass_(60)
        assert house.leg(A) == ("push", "feed")
        assert ear.prices[-1] == 10.5

    async def test_after_a_gap_it_is_asked_about_soon(self, studio, clock, feed, other):
        house = studio(*alone(feed, other))
        ear = await brought(house, feed, A)
        feed.pushing[A](Gap(symbols=(A,), reason="reconnected"))
        other.price = 10.5
        await turned()
        await house.pass_(8)
        assert ear.prices[-1] == 10.5
        assert ear.told[0]["kind"] == "gap"


class TestSessions:
    async def test_at_noon_nothing_is_asked(self, studio, clock, feed, other):
        clock.advance(105 * 60)  # 11:45
        house = studio(*alone(feed, other))
        await brought(house, feed, A)
        other.price = 11.0
        await house.pass_(3600, step=10)
        assert other.asked == []
        assert house.leg(A) == ("push", "feed")

    async def test_after_noon_silence_begins_to_count_anew(self, studio, clock, feed, other):
        house = studio(*alone(feed, other))
        await brought(house, feed, A)
        clock.advance(105 * 60)  # 11:45, last heard of at ten
        other.price = 11.0
        await house.pass_(75 * 60 - 30, step=5)  # shortly before 13:00
        assert other.asked == []
        other.asked.clear()
        await house.pass_(31)  # the market moves for a second
        assert house.leg(A) == ("push", "feed")
        feed.push(A, 12.0)
        await turned()
        await house.pass_(SILENCE - 2)
        assert house.leg(A) == ("push", "feed")
        await house.pass_(5)
        assert house.leg(A) == ("push", "other")

    async def test_polls_stop_outside_of_sessions_after_one_answer(self, studio, clock):
        clock.advance(6 * 3600)  # four in the afternoon
        asked = Asked("asked", clock, price=9.0)
        house = studio(*alone(asked))
        ear = await house.listen(A)
        for _ in range(5):
            await house.polls.polled()
        assert len(asked.asked) == 1
        assert ear.prices == [9.0]
        await house.listen(B)
        for _ in range(5):
            await house.polls.polled()
        assert asked.asked == [(A,), (B,)]

    async def test_a_source_that_plays_a_day_has_hours_of_its_own(self, studio, clock):
        clock.advance(10 * 3600)  # in the evening

        class Playing(Asked):
            replaying = MappingProxyType({"day": "2024-03-14", "speed": 1.0})

            def now(self):
                return TestClock("2024-03-14 10:00:00").now()

        playing = Playing("playing", clock, price=9.0)
        house = studio(*alone(playing))
        await house.listen(A)
        for _ in range(3):
            await house.polls.polled()
        assert len(playing.asked) == 3


class TestAsking:
    async def test_symbols_go_together(self, studio, clock):
        asked = Asked("asked", clock, price=9.0)
        house = studio(*alone(asked))
        await house.listen(A, B, C)
        await house.polls.polled()
        assert asked.asked == [(A, B, C)]
        assert house.polls.rounds == 1

    async def test_each_pool_is_asked_for_its_own(self, studio, clock, feed):
        asked = Asked("asked", clock, price=9.0)
        feed.accepts = {A}
        house = studio(*alone(feed, asked))
        await house.listen(A, B)
        await house.polls.polled()
        assert asked.asked == [(B,)]

    async def test_nodes_that_take_turns_are_no_news(self, studio, clock):
        nodes = [Asked(name, clock, price=9.0) for name in ("x", "y")]
        house = studio(pool_of("both", *nodes))
        ear = await house.listen(A)
        for number in range(4):
            nodes[0].price = 9.0 + number
            nodes[1].price = None if number % 2 else 9.5
            clock.advance(3)
            await house.polls.polled()
        assert ear.told == []
        assert ear.prices

    async def test_one_that_does_not_answer_gives_way_to_the_next(self, studio, clock):
        first = Asked("first", clock, price=9.0)
        second = Asked("second", clock, price=9.1)
        house = studio(*alone(first, second))
        ear = await house.listen(A)
        await house.polls.polled()
        first.fails = NotOffered("no more")
        for _ in range(2):
            clock.advance(3)
            await house.polls.polled()
        await house.settle()
        assert house.leg(A) == ("poll", "second")
        assert ear.states == [("live", "second")]
        first.fails = None
        clock.advance(60)
        house.supplier.better()
        await house.polls.polled()
        assert house.leg(A) == ("poll", "first")
        assert ear.states == [("live", "second"), ("live", "first")]

    async def test_a_pool_on_trial_that_has_nothing_is_no_better(self, studio, clock, feed):
        asked = Asked("asked", clock)
        house = studio(*alone(asked, feed))
        await house.listen(A)
        for _ in range(2):
            await house.polls.polled()
        await house.settle()
        assert house.leg(A) == ("push", "feed")
        clock.advance(60)
        house.supplier.better()
        await house.polls.polled()
        await house.settle()
        assert house.leg(A) == ("push", "feed")
        assert house.supplier.lines[A].trial is None

    async def test_who_listens_to_the_book_gets_books(self, studio, clock):
        class Booked(Asked):
            books = 0

            async def depth(self, query):
                self.books += 1
                quote = Quote(symbol=A, price=9.0, open=9.0, as_of=self.clock.now())
                asks = (Level(9.01, 100.0 * self.books),)
                return [Depth(quote=quote, bids=(Level(9.0, 100.0),), asks=asks, trades=())]

        booked = Booked("booked", clock, price=9.0)
        house = studio(*alone(booked))
        ear = await house.listen(A, view=Seen(DEPTH))
        for number in range(1, 4):
            clock.advance(3)
            await house.polls.polled()
            assert ear.updates[-1].value.asks[0].volume == 100.0 * number
        assert booked.asked == []
        assert all(update.value.trades is None for update in ear.updates)

    async def test_who_listens_to_trades_is_told_that_quotes_are_all_there_is(
        self, studio, clock, feed
    ):
        asked = Asked("asked", clock, price=9.0)
        house = studio(*alone(feed, asked))
        ear = Ear()
        await house.listen(A, view=Seen(TRADES), ear=ear)
        feed.push(A, 10.0)
        await turned()
        feed.refuses = SourceUnavailable("gone")
        house.supplier.rearrange([house.supplier.lines[A]], "gone")
        await house.settle()
        assert [told["kind"] for told in ear.told] == ["status", "gap"]
        assert "quotes only" in ear.told[1]["reason"]


async def test_a_fault_does_not_end_the_watching(studio, clock, monkeypatch, feed):
    monkeypatch.setattr(watch_module, "LOOK", 0.001)
    monkeypatch.setattr(polls_module, "LEAST", 0.001)
    house = studio(*alone(feed), poll_interval=0.2)
    house.polls._interval = 0.001
    counted = {"looked": 0, "polled": 0}

    def failing(name):
        async def fail():
            counted[name] += 1
            raise RuntimeError("a fault")

        return fail

    house.watch.looked = failing("looked")
    house.polls.polled = failing("polled")
    running = asyncio.create_task(house.streaming.run())
    await until(lambda: min(counted.values()) >= 3)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
