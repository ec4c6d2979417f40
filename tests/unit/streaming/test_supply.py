"""Every symbol is brought by the best leg of its route, and whoever listens is told of changes."""

import asyncio
import threading
from dataclasses import replace

import pytest
from support.feeding import (
    Answering,
    Asked,
    Ear,
    Feeding,
    Seen,
    alone,
    book,
    pool_of,
    trade,
    turned,
)
from support.sources import Fixed, symbols
from support.waiting import until

from argus_core import Gap, NotOffered, Quote, SourceUnavailable
from argus_core.extend.relay import RelayedPush
from argus_core.model.answer import Origin
from argus_core.streaming import doors as doors_module
from argus_core.streaming.doors import AT_ONCE
from argus_core.streaming.hub import Since
from argus_core.streaming.supply import AGAIN, AWAY, AWAY_AFTER_TRIAL, TRIAL
from argus_core.streaming.topics import DEPTH, QUOTES, TRADES, Carrier

A, B, C = symbols("600519.SH", "000001.SZ", "600000.SH")
FUTURE = symbols("rb2410.SHFE")[0]


@pytest.fixture
def one(clock):
    return Feeding("one", clock)


@pytest.fixture
def two(clock):
    return Feeding("two", clock)


def behind(source, clock, name, *symbols, stale=False):
    """Have a source pass on what another gateway has from the one of this name."""
    for symbol in symbols:
        quote = Quote(symbol=symbol, price=10.0, as_of=clock.now())
        origin = Origin(path=("edge", name), stale=stale)
        source.pushing[symbol](RelayedPush(value=quote, origin=origin, mode="poll"))


class TestTheRoute:
    async def test_the_first_source_that_pushes_is_asked_to(self, studio, clock, one, two):
        house = studio(*alone(one, two))
        ear = await house.listen(A, B)
        assert one.calls == [("subscribe", (A, B))]
        assert two.calls == []
        one.push(A, 10.0)
        await turned()
        assert ear.prices == [10.0]
        assert ear.updates[0].carrier.source == "one"
        assert ear.states == []  # as it is expected to be: no news

    async def test_one_that_refuses_gives_way_to_the_next(self, studio, one, two):
        one.refuses = SourceUnavailable("no session")
        house = studio(*alone(one, two))
        ear = await house.listen(A)
        assert house.leg(A) == ("push", "two")
        two.push(A, 11.0)
        await turned()
        assert ear.prices == [11.0]
        assert ear.states == [("live", "two")]
        assert isinstance(ear.log[0].told, dict)  # the status came before the value

    @pytest.mark.parametrize(
        "error",
        [NotOffered("not this"), RuntimeError("odd"), SystemExit(1), asyncio.CancelledError()],
    )
    async def test_whatever_it_raises_it_gives_way(self, studio, one, two, error):
        one.refuses = error
        house = studio(*alone(one, two))
        await house.listen(A)
        assert house.leg(A) == ("push", "two")

    async def test_a_plain_method_runs_in_a_thread_and_pushes_from_there(self, studio, clock, two):
        class Plain(Feeding):
            def subscribe(self, symbols, push):
                self.thread = threading.current_thread()
                for symbol in symbols:
                    push(book(symbol, 12.0, self.clock.now()))

            def unsubscribe(self, symbols):
                self.calls.append(("unsubscribe", symbols))

        plain = Plain("plain", clock)
        house = studio(*alone(plain))
        ear = await house.listen(A)
        await until(lambda: ear.prices)
        assert plain.thread is not threading.main_thread()
        assert ear.prices == [12.0]

    async def test_what_it_does_not_accept_is_had_of_the_next(self, studio, one, two):
        one.accepts = {A}
        house = studio(*alone(one, two))
        await house.listen(A, B)
        assert house.leg(A) == ("push", "one")
        assert house.leg(B) == ("push", "two")

    async def test_what_a_source_does_not_cover_is_not_asked_of_it(self, studio, clock, one):
        class Futures(Feeding):
            exchanges = frozenset({FUTURE.exchange})

        futures = Futures("futures", clock)
        house = studio(*alone(one, futures))
        await house.listen(A, FUTURE)
        assert one.calls == [("subscribe", (A,))]
        assert futures.calls == [("subscribe", (FUTURE,))]

    async def test_nodes_of_a_pool_share_the_symbols(self, studio, clock):
        nodes = [Feeding(name, clock) for name in ("x", "y")]
        house = studio(pool_of("both", *nodes))
        await house.listen(A, B, C)
        assert sorted(len(one.pushing) for one in nodes) == [1, 2]

    async def test_one_answer_that_cannot_be_taken_keeps_nothing_from_the_others(
        self, studio, clock, caplog
    ):
        class Choosy(Seen):
            def fragment(self, update):
                raise TypeError("no such number")

        house = studio(*alone(Asked("asked", clock, price=11.0)))
        ear = await house.listen(A, B)
        house.hub.listen(Ear().lane, Choosy(), (A,))
        clock.advance(3)
        await house.polls.polled()
        assert [update.symbol for update in ear.updates] == [B]
        assert "asked of 600519.SH was not taken" in caplog.text

    async def test_a_lone_source_that_refuses_to_push_is_asked_instead(self, studio, clock):
        one = Answering("one", clock)
        one.refuses, one.price = NotOffered("no push for this account"), 9.0
        house = studio(*alone(one))
        ear = await house.listen(A)
        assert house.leg(A) == ("poll", "one")
        await house.polls.polled()
        assert ear.prices == [9.0]
        assert ear.updates[0].carrier.mode == "poll"

    async def test_many_symbols_go_in_few_calls(self, studio, one):
        house = studio(*alone(one))
        many = symbols(*(f"6{number:05d}.SH" for number in range(AT_ONCE + 50)))
        await house.listen(*many)
        assert [len(asked) for _, asked in one.calls] == [AT_ONCE, 50]

    async def test_nobody_left_is_told_and_the_value_is_flagged(self, studio, clock, two):
        house = studio(*alone(two))
        ear = await house.listen(A)
        two.push(A, 10.0)
        await turned()
        ear.take()
        two.refuses = SourceUnavailable("gone")
        house.supplier.rearrange([house.supplier.lines[A]], "two is gone")
        await house.settle()
        assert ear.states == [("stale", None)]
        assert [(u.value.price, u.stale) for u in ear.updates] == [(10.0, False), (10.0, True)]
        newcomer = Ear()
        (caught,) = house.hub.listen(newcomer.lane, Seen(), (A,))
        assert [update.stale for update in caught.fragments] == [True]

    async def test_it_is_looked_for_again_and_whoever_listens_is_told(self, studio, clock, two):
        two.refuses = SourceUnavailable("gone")
        house = studio(*alone(two))
        ear = await house.listen(A)
        assert ear.states == [("stale", None)]
        two.refuses = None
        clock.advance(AWAY + AGAIN)
        house.supplier.retry()
        await house.settle()
        two.push(A, 10.0)
        await turned()
        assert ear.states == [("stale", None), ("live", "two")]
        assert ear.prices == [10.0]

    async def test_a_source_that_is_down_or_switched_off_is_left_out(self, studio, one, two):
        house = studio(*alone(one, two))
        node = house.routes.pools[0].members[0].node
        node.off = "by the operator"
        await house.listen(A)
        assert house.leg(A) == ("push", "two")
        node.off, node.down = None, "did not open"
        await house.listen(B)
        assert house.leg(B) == ("push", "two")


class TestWhatIsPushed:
    async def test_garbage_is_not_taken_and_often_enough_the_next_takes_over(
        self, studio, clock, one, two
    ):
        house = studio(*alone(one, two))
        ear = await house.listen(A)
        bad = book(A, 10.0, clock.now())
        crossed = type(bad)(quote=bad.quote, bids=bad.asks, asks=bad.bids)
        for _ in range(2):
            one.pushing[A](crossed)
        one.push(A, 10.0)
        one.pushing[A](crossed)
        await house.settle()
        assert house.leg(A) == ("push", "one")
        for _ in range(3):
            if A in one.pushing:
                one.pushing[A](crossed)
        await house.settle()
        assert house.leg(A) == ("push", "two")
        assert ear.prices == [10.0]

    async def test_what_is_no_book_does_no_harm(self, studio, clock, one, caplog):
        house = studio(*alone(one))
        ear = await house.listen(A)
        push = one.pushing[A]
        empty = book(A, 10.0, clock.now())
        object.__setattr__(empty, "quote", None)
        for odd in (None, {"symbol": A}, 7, empty, Gap(symbols=None, reason="x")):
            push(odd)
        one.push(A, 10.0)
        await turned()
        assert ear.prices == [10.0]
        assert sum("no book, no gap" in record.message for record in caplog.records) == 1

    async def test_what_was_not_asked_for_is_not_taken(self, studio, clock, one):
        house = studio(*alone(one))
        ear = await house.listen(A)
        push = one.pushing[A]
        push(book(B, 10.0, clock.now()))
        await turned()
        assert ear.prices == []
        assert (QUOTES, B) not in house.hub.topics

    async def test_a_gap_is_told_to_those_who_listen(self, studio, clock, one):
        house = studio(*alone(one))
        ear, other = await house.listen(A), await house.listen(B)
        one.pushing[A](Gap(symbols=(A, C), reason="reconnected"))
        await turned()
        assert [(n["kind"], n["symbols"], n["reason"]) for n in ear.told] == [
            ("gap", (A,), "reconnected")
        ]
        assert other.told == []

    async def test_what_says_nothing_new_is_not_said_again(self, studio, clock, one):
        house = studio(*alone(one))
        ear = await house.listen(A)
        for _ in range(3):
            one.push(A, 10.0)
        await turned()
        assert len(ear.updates) == 1
        assert house.streaming.refused == 2

    async def test_what_is_older_is_not_said_after_what_is_newer(self, studio, clock, one):
        house = studio(*alone(one))
        ear = await house.listen(A)
        one.push(A, 10.0)
        one.push(A, 9.0, ago=3.0)
        await turned()
        assert ear.prices == [10.0]

    async def test_trades_come_once_and_in_order(self, studio, clock, one):
        house = studio(*alone(one))
        ear = await house.listen(A, view=Seen(TRADES))
        await house.listen(A, view=Seen(DEPTH), ear=ear)
        trades = [trade(10.0 + n, clock.now()) for n in range(4)]
        one.push(A, 10.0, trades=tuple(trades[:2]))
        one.push(A, 10.0, trades=tuple(trades[2:]))
        await turned()
        assert [u.value for u in ear.updates if u.channel == TRADES] == trades

    async def test_trades_that_come_with_an_old_value_are_told_as_missing(self, studio, clock, one):
        house = studio(*alone(one))
        ear = await house.listen(A, view=Seen(TRADES))
        one.push(A, 10.0)
        one.push(A, 9.0, ago=3.0, trades=(trade(9.0, clock.now()),))
        await turned()
        assert ear.updates == []
        assert [told["kind"] for told in ear.told] == ["gap"]

    async def test_a_gateway_behind_says_who_gave_it_and_whether_it_is_old(
        self, studio, clock, one
    ):
        house = studio(*alone(one))
        ear = await house.listen(A)
        quote = Quote(symbol=A, price=10.0, as_of=clock.now())
        push = one.pushing[A]
        push(RelayedPush(value=quote, origin=Origin(path=("edge", "qmt")), mode="poll"))
        push(RelayedPush(value=quote, origin=Origin(path=("edge", "qmt"), stale=True)))
        await turned()
        first, second = ear.updates[-1], house.hub.topics[QUOTES, A].last
        assert (first.carrier.source, first.carrier.via) == ("qmt", ("one", "edge"))
        assert second.stale

    async def test_that_nobody_brings_it_behind_a_gateway_is_told_before_the_value_says_so(
        self, studio, clock, one
    ):
        house = studio(*alone(one))
        ear = await house.listen(A, B)

        async def passed_on(source, *, stale):
            behind(one, clock, source, A, B, stale=stale)
            await turned()
            ear.take()
            notices, updates = ear.told, ear.updates
            assert [hasattr(each, "told") for each in ear.log] == [True, False][2 - len(ear.log) :]
            ear.log.clear()
            return notices, [(update.symbol, update.stale) for update in updates]

        assert await passed_on("qmt", stale=False) == ([], [(A, False), (B, False)])
        (told,), said = await passed_on("qmt", stale=True)
        assert (told["state"], told["symbols"]) == ("stale", (A, B))
        assert "nobody brings it" in told["reason"]
        assert said == [(A, True), (B, True)]
        assert await passed_on("qmt", stale=True) == ([], [])
        (told,), said = await passed_on("qmt", stale=False)
        assert (told["state"], told["source"], told.get("previous")) == ("live", "qmt", None)
        assert said == [(A, False), (B, False)]
        (told,), _ = await passed_on("ts", stale=True)
        assert told["state"] == "stale"
        (told,), _ = await passed_on("ts", stale=False)
        assert (told["state"], told["source"]) == ("live", "ts")

    async def test_what_waits_for_such_news_comes_before_whatever_is_said_next(
        self, studio, clock, one
    ):
        house = studio(*alone(one))
        ear = await house.listen(A)
        push = one.pushing[A]
        for price, ago, stale in ((10.0, 0.0, True), (8.0, 1.0, False), (11.0, 0.0, False)):
            quote = book(A, price, clock.now(), ago=ago).quote
            push(RelayedPush(value=quote, origin=Origin(path=("edge", "qmt"), stale=stale)))
        push(Gap(symbols=(A,), reason="some"))
        await turned()
        kinds = [getattr(each, "kind", "values") for each in ear.log]
        assert ear.prices == [10.0, 11.0]
        assert kinds == ["status", "values", "status", "values", "gap"]

    async def test_one_that_cannot_be_said_costs_none_of_those_that_wait_with_it(
        self, studio, clock, one, monkeypatch
    ):
        house = studio(*alone(one))
        ear = await house.listen(A, B, C)
        behind(one, clock, "qmt", A, B, C)
        await turned()
        say = house.hub.say

        def poisoned(key, *given, **more):
            if key[1] == B:
                raise TypeError("no")
            return say(key, *given, **more)

        monkeypatch.setattr(house.hub, "say", poisoned)
        behind(one, clock, "qmt", A, B, C, stale=True)
        await turned()
        assert [update.symbol for update in ear.updates if update.stale] == [A, C]
        assert house.supplier.lines[B].suspect is not None

    async def test_nobody_who_left_meanwhile_is_brought_anything(self, studio, clock, one):
        house = studio(*alone(one), grace=0.0)
        ear = await house.listen(A)
        behind(one, clock, "qmt", A)
        await turned()
        house.streaming.brought(
            house.supplier.lines[A],
            book(A, 10.0, clock.now()).quote,
            Carrier("qmt", "poll", ("one", "edge")),
            clock.now(),
            stale=True,
        )
        house.supplier.lines.pop(A)
        before = house.hub.topics[QUOTES, A].seq
        await turned()
        assert house.hub.topics[QUOTES, A].seq == before
        assert ear.states == [("stale", None)]

    async def test_whoever_has_it_instead_is_told_before_its_value(self, studio, clock, one):
        house = studio(*alone(one))
        ear = await house.listen(A)
        behind(one, clock, "qmt", A, stale=True)
        await turned()
        line = house.supplier.lines[A]
        house.streaming.brought(
            line, book(A, 11.0, clock.now()), Carrier("two", "poll"), clock.now()
        )
        await turned()
        assert ear.states == [("stale", None), ("live", "two")]
        assert [getattr(each, "kind", "values") for each in ear.log[-1:]] == ["status"]
        assert ear.prices[-1] == 11.0
        behind(one, clock, "qmt", A, stale=True)
        await turned()
        assert ear.states[2:] == [("stale", None)]

    async def test_that_it_is_live_again_is_told_whatever_was_tried_meanwhile(
        self, studio, clock, one, two
    ):
        house = studio(*alone(one, two))
        ear = await house.listen(A)
        behind(one, clock, "qmt", A, stale=True)
        await turned()
        line = house.supplier.lines[A]
        first, other = line.leg, replace(line.leg, node=house.routes.pools[1].members[0].node)
        for leg in (other, first):  # nobody was told of the other one
            line.carried(leg, clock.monotonic())
        behind(one, clock, "qmt", A)
        await turned()
        assert ear.states == [("stale", None), ("live", "qmt")]

    async def test_one_that_is_lost_already_is_not_told_stale_again(self, studio, clock, one):
        house = studio(*alone(one))
        ear = await house.listen(A)
        behind(one, clock, "qmt", A)
        await turned()
        line = house.supplier.lines[A]
        leg, line.leg = line.leg, None
        house.streaming.switched([line], "the test says so")
        line.carried(leg, clock.monotonic())
        behind(one, clock, "qmt", A, stale=True)
        await turned()
        assert ear.states == [("stale", None)]

    async def test_more_than_can_be_taken_is_told_as_a_gap(self, studio, clock, one, monkeypatch):
        monkeypatch.setattr("argus_core.streaming.inlet.MOST", 2)
        house = studio(*alone(one))
        ear = await house.listen(A)
        for price in (1.0, 2.0, 3.0):
            one.push(A, price)
        await turned()
        assert ear.prices == [2.0]
        assert "more was pushed" in ear.told[0]["reason"]


class TestClocks:
    async def test_a_stamp_from_the_future_keeps_no_other_source_out(self, studio, clock, one, two):
        house = studio(*alone(one, two))
        ear = await house.listen(A)
        one.push(A, 10.0, ago=-8 * 3600)  # a vendor whose zone is wrong
        await turned()
        house.supplier.rearrange([house.supplier.lines[A]], "one is gone")
        await house.settle()
        clock.advance(3)
        two.push(A, 11.0)
        await turned()
        assert ear.prices[-1] == 11.0
        assert house.hub.topics[QUOTES, A].last.value.price == 11.0

    async def test_a_stamp_a_little_ahead_is_believed(self, studio, clock, one):
        house = studio(*alone(one))
        ear = await house.listen(A)
        one.push(A, 10.0, ago=-2.0)
        one.push(A, 9.0, ago=1.0)
        await turned()
        assert ear.prices == [10.0]

    async def test_one_that_lags_is_not_live_and_that_is_told(self, studio, clock, one, two):
        house = studio(*alone(one, two))
        ear = await house.listen(A)
        one.push(A, 10.0)
        await turned()
        one.refuses = SourceUnavailable("gone")
        house.supplier.rearrange([house.supplier.lines[A]], "one is gone")
        await house.settle()
        for _ in range(40):
            two.push(A, 9.0, ago=900.0)
            await house.pass_(1)
        assert ear.states == [("live", "two"), ("stale", None)]
        assert house.hub.topics[QUOTES, A].last.value.price == 10.0
        assert 9.0 not in ear.prices


class TestGoingBack:
    async def failed_over(self, studio, one, two):
        one.refuses = SourceUnavailable("not yet")
        house = studio(*alone(one, two))
        ear = await house.listen(A)
        two.push(A, 1.0)
        await turned()
        ear.take()
        one.refuses = None
        house.clock.advance(60)
        house.supplier.better()
        await house.settle()
        return house, ear

    async def test_the_better_one_takes_over_with_what_it_brings(self, studio, clock, one, two):
        house, ear = await self.failed_over(studio, one, two)
        assert A in one.pushing
        assert house.leg(A) == ("push", "two")  # nobody hears nothing while it is tried
        two.push(A, 2.0)
        await turned()
        ear.take()
        clock.advance(1)
        one.push(A, 3.0)
        await house.settle()
        ear.take()
        assert house.leg(A) == ("push", "one")
        assert A not in two.pushing
        assert ear.prices == [1.0, 2.0, 3.0]
        assert ear.states == [("live", "two"), ("live", "one")]
        assert not hasattr(ear.log[-2], "latest")  # the status, then its value
        clock.advance(1)
        assert not two.push(A, 4.0)

    async def test_one_that_brings_what_is_old_does_not(self, studio, clock, one, two):
        house, ear = await self.failed_over(studio, one, two)
        two.push(A, 2.0)
        one.push(A, 1.5, ago=30.0)
        await house.settle()
        assert house.leg(A) == ("push", "two")
        assert ear.prices[-1] == 2.0

    async def test_one_that_stays_silent_is_left_alone_for_longer(self, studio, clock, one, two):
        house, _ = await self.failed_over(studio, one, two)
        clock.advance(TRIAL + 1)
        house.supplier.better()
        await house.settle()
        assert A not in one.pushing
        assert house.leg(A) == ("push", "two")
        calls = len(one.calls)
        clock.advance(AWAY_AFTER_TRIAL - 1)
        house.supplier.better()
        await house.settle()
        assert len(one.calls) == calls
        clock.advance(2)
        house.supplier.better()
        await house.settle()
        assert A in one.pushing

    async def test_outside_of_sessions_its_silence_says_nothing(self, studio, clock, one, two):
        clock.advance(2 * 3600)  # noon
        house, _ = await self.failed_over(studio, one, two)
        clock.advance(TRIAL + 1)
        house.supplier.better()
        await house.settle()
        assert A in one.pushing

    async def test_one_that_refuses_again_changes_nothing(self, studio, clock, one, two):
        one.refuses = SourceUnavailable("not yet")
        house = studio(*alone(one, two))
        ear = await house.listen(A)
        clock.advance(60)
        house.supplier.better()
        await house.settle()
        assert house.leg(A) == ("push", "two")
        assert ear.states == [("live", "two")]

    async def test_garbage_on_trial_ends_the_trial_only(self, studio, clock, one, two):
        house, ear = await self.failed_over(studio, one, two)
        good = book(A, 10.0, clock.now())
        one.pushing[A](type(good)(quote=good.quote, bids=good.asks, asks=good.bids))
        await house.settle()
        assert A not in one.pushing
        assert house.leg(A) == ("push", "two")
        assert ear.states == [("live", "two")]

    async def test_if_the_present_one_fails_the_trial_goes_on(self, studio, clock, one, two):
        house, ear = await self.failed_over(studio, one, two)
        two.refuses = SourceUnavailable("gone")
        house.supplier.rearrange([house.supplier.lines[A]], "two is gone")
        await house.settle()
        assert house.leg(A) == ("push", "one")
        one.push(A, 5.0)
        await turned()
        assert ear.prices[-1] == 5.0

    async def test_cooling_does_not_take_a_feed_away_that_works(self, studio, clock, one, two):
        house = studio(*alone(one, two))
        await house.listen(A)
        node = house.routes.pools[0].members[0].node
        node.failed("*", SourceUnavailable("a request failed"))
        await house.listen(B)
        assert house.leg(A) == ("push", "one")
        assert house.leg(B) == ("push", "two")
        clock.advance(60)
        house.supplier.better()
        await house.settle()
        one.push(B, 10.0)
        await house.settle()
        assert house.leg(B) == ("push", "one")


class TestOtherRoutes:
    async def test_a_source_that_goes_hands_its_symbols_to_the_next(self, studio, one, two):
        first, second = alone(one, two)
        house = studio(first, second)
        ear = await house.listen(A)
        one.push(A, 1.0)
        await turned()
        ear.take()
        house.routes.pools = (second,)
        house.streaming.rerouted()
        await house.settle()
        house.clock.advance(1)
        two.push(A, 2.0)
        await turned()
        assert house.leg(A) == ("push", "two")
        assert A not in one.pushing
        assert ear.prices == [1.0, 2.0]
        assert ear.states == [("live", "two")]
        assert list(house.supplier.pushing.nodes) == [second.members[0].node]

    async def test_a_better_source_that_comes_takes_over_without_a_hole(self, studio, one, two):
        first, second = alone(one, two)
        house = studio(second)
        ear = await house.listen(A)
        two.push(A, 1.0)
        await turned()
        house.routes.pools = (first, second)
        house.streaming.rerouted()
        await house.settle()
        assert house.leg(A) == ("push", "two")
        house.clock.advance(1)
        one.push(A, 2.0)
        await house.settle()
        assert house.leg(A) == ("push", "one")
        assert ear.states == [("live", "one")]

    async def test_another_order_is_gone_by(self, studio, one, two):
        first, second = alone(one, two)
        house = studio(first, second)
        await house.listen(A)
        house.routes.pools = (second, first)
        house.streaming.rerouted()
        await house.settle()
        assert house.leg(A) == ("push", "one")
        two.push(A, 2.0)
        await house.settle()
        assert house.leg(A) == ("push", "two")
        assert A not in one.pushing

    async def test_a_trial_that_is_worse_now_ends(self, studio, clock, one, two):
        house = studio(*alone(one, two))
        one.refuses = SourceUnavailable("not yet")
        await house.listen(A)
        one.refuses = None
        clock.advance(60)
        house.supplier.better()
        await house.settle()
        assert A in one.pushing
        house.routes.pools = tuple(reversed(house.routes.pools))
        house.streaming.rerouted()
        await house.settle()
        assert A not in one.pushing
        assert house.leg(A) == ("push", "two")

    async def test_what_failed_on_the_old_route_is_tried_on_the_new_one(self, studio, one, two):
        one.refuses = SourceUnavailable("a wrong port")
        house = studio(*alone(one, two))
        await house.listen(A)
        one.refuses = None
        house.streaming.rerouted()
        await house.settle()
        assert A in one.pushing

    async def test_nothing_left_is_told(self, studio, one):
        house = studio(*alone(one))
        ear = await house.listen(A)
        house.routes.pools = ()
        house.streaming.rerouted()
        await house.settle()
        assert ear.states == [("stale", None)]

    async def test_trades_in_between_are_told_as_missing(self, studio, clock, one, two):
        first, second = alone(one, two)
        house = studio(first, second)
        ear = await house.listen(A, view=Seen(TRADES))
        one.push(A, 1.0, trades=(trade(1.0, clock.now()),))
        await turned()
        house.routes.pools = (second,)
        house.streaming.rerouted()
        await house.settle()
        assert [told["kind"] for told in ear.told] == ["status", "gap"]


class TestRaces:
    async def test_a_wish_that_ends_while_it_is_carried_out_ends(self, studio, one):
        house = studio(*alone(one))
        one.gate = asyncio.Event()
        ear = Ear()
        house.hub.listen(ear.lane, Seen(), (A,))
        house.supplier.arrange()
        await one.entered.wait()
        house.supplier.drop((A,))
        one.gate.set()
        await house.settle()
        assert one.calls == [("subscribe", (A,)), ("unsubscribe", (A,))]
        assert one.pushing == {}
        assert not house.supplier.pushing.nodes

    async def test_a_wish_that_comes_back_while_its_end_is_carried_out_holds(self, studio, one):
        house = studio(*alone(one))
        await house.listen(A)
        entered, gate = asyncio.Event(), asyncio.Event()
        before = one.unsubscribe

        async def slow(symbols):
            entered.set()
            await gate.wait()
            await before(symbols)

        one.unsubscribe = slow
        house.supplier.drop((A,))
        await entered.wait()
        house.supplier.want((A,))
        house.supplier.arrange()
        gate.set()
        await house.settle()
        assert [what for what, _ in one.calls] == ["subscribe", "unsubscribe", "subscribe"]
        assert set(one.pushing) == {A}

    async def test_off_and_on_within_a_turn_costs_no_call(self, studio, one):
        house = studio(*alone(one))
        await house.listen(A)
        house.supplier.drop((A,))
        house.supplier.want((A,))
        await house.settle()
        assert [what for what, _ in one.calls] == ["subscribe"]

    async def test_what_is_pushed_after_the_end_is_not_said(self, studio, clock, one):
        house = studio(*alone(one))
        await house.listen(A)
        push = one.pushing[A]
        house.supplier.drop((A,))
        push(book(A, 10.0, clock.now()))
        await house.settle()
        push(book(A, 11.0, clock.now()))
        await house.settle()
        assert (QUOTES, A) not in house.hub.topics or house.hub.topics[QUOTES, A].last is None

    async def test_an_answer_that_comes_after_the_end_is_not_said(self, studio, clock):
        asked = Asked("asked", clock, price=9.0)
        house = studio(*alone(asked))
        house.supplier.want((A,))
        house.supplier.arrange()
        entered, gate = asyncio.Event(), asyncio.Event()
        before = asked.quotes

        async def slow(query):
            entered.set()
            await gate.wait()
            return await before(query)

        asked.quotes = slow
        poll = asyncio.create_task(house.polls.polled())
        await entered.wait()
        house.supplier.drop((A,))
        gate.set()
        await poll
        assert not house.hub.topics

    async def test_one_that_hangs_is_given_up_and_not_called_again_until_it_returns(
        self, studio, clock, two, monkeypatch
    ):
        monkeypatch.setattr(doors_module, "ACCEPTING", 0.05)
        hold = threading.Event()

        class Hanging(Feeding):
            def subscribe(self, symbols, push):
                self.calls.append(("subscribe", symbols))
                hold.wait(10)

            def unsubscribe(self, symbols):
                self.calls.append(("unsubscribe", symbols))

        hanging = Hanging("hanging", clock)
        house = studio(*alone(hanging, two))
        await house.listen(A)
        assert house.leg(A) == ("push", "two")
        await house.listen(B)
        assert house.leg(B) == ("push", "two")
        assert len(hanging.calls) == 1
        hold.set()
        left = {house.routes.pools[1].members[0].node}
        await until(lambda: house.supplier.arrange() or house.supplier.pushing.nodes.keys() == left)
        assert ("unsubscribe", (A,)) in hanging.calls

    async def test_an_end_that_hangs_is_carried_out_once_the_source_is_back(
        self, studio, clock, monkeypatch
    ):
        monkeypatch.setattr(doors_module, "ACCEPTING", 0.05)
        hold = threading.Event()

        class Hanging(Feeding):
            def subscribe(self, symbols, push):
                self.calls.append(("subscribe", symbols))

            def unsubscribe(self, symbols):
                self.calls.append(("unsubscribe", symbols))
                hold.wait(10)

        hanging = Hanging("hanging", clock)
        house = studio(*alone(hanging))
        await house.listen(A)
        house.supplier.drop((A,))
        await house.settle()
        assert house.supplier.pushing.nodes  # nobody knows whether it still pushes
        hold.set()
        await until(lambda: house.supplier.arrange() or not house.supplier.pushing.nodes)
        assert [what for what, _ in hanging.calls] == ["subscribe", "unsubscribe", "unsubscribe"]


class TestTheEnd:
    async def test_closing_ends_what_is_pushed_and_leaves_nothing(self, studio, clock, one, two):
        house = studio(*alone(one, two))
        await house.listen(A, B)
        push = one.pushing[A]
        running = asyncio.create_task(house.streaming.run())
        await turned()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert one.pushing == {}
        push(book(A, 10.0, clock.now()))
        await turned()
        assert not house.supplier.lines
        assert not house.supplier.pushing.nodes
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others

    async def test_one_that_does_not_answer_does_not_keep_it_from_closing(
        self, studio, one, monkeypatch
    ):
        monkeypatch.setattr(doors_module, "LEAVING", 0.01)
        house = studio(*alone(one))
        await house.listen(A)

        async def never(_symbols):
            await asyncio.Event().wait()

        one.unsubscribe = never
        async with asyncio.timeout(5):
            await house.supplier.aclose()

    async def test_whoever_leaves_for_good_leaves_nothing(self, studio, one):
        house = studio(*alone(one), grace=0)
        ear = await house.listen(A, B)
        house.hub.leave(ear)
        await asyncio.sleep(0)
        await house.settle()
        await until(lambda: not house.supplier.lines)
        await house.settle()
        assert one.pushing == {}
        assert not house.supplier.pushing.nodes
        assert not house.hub.topics

    async def test_it_begins_by_itself(self, studio, clock, one):
        house = studio(*alone(one))
        running = asyncio.create_task(house.streaming.run())
        ear = Ear()
        house.hub.listen(ear.lane, Seen(), (A,), {A: Since("x", 1)})
        await until(lambda: A in one.pushing)
        one.push(A, 10.0)
        await turned()
        assert ear.prices == [10.0]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_how_it_is_brought_is_known_at_once(studio, one):
    house = studio(*alone(one))
    house.hub.listen(Ear().lane, Seen(), (A,))
    assert house.streaming.mode(A) == "push"
    assert house.streaming.mode(B) is None


async def test_a_route_without_sources_is_no_error(studio):
    house = studio()
    house.routes = Fixed(())
    ear = await house.listen(A)
    assert ear.states == [("stale", None)]


class TestCaughtUp:
    """Whoever sends what is said may do so once nothing more is on its way."""

    async def test_it_is_told_after_all_that_was_pushed_and_not_before(self, studio, clock, one):
        house = studio(*alone(one))
        ear, heard = await house.listen(A, B), []
        house.streaming.when_caught_up = lambda: heard.append(tuple(ear.prices))
        assert not house.supplier.pushing.waiting
        one.push(A, 10.0)
        one.push(B, 11.0)
        assert house.supplier.pushing.waiting
        await turned()
        assert heard == [(10.0, 11.0)]
        assert not house.supplier.pushing.waiting

    async def test_it_waits_for_what_another_source_has_pushed(self, studio, clock, one, two):
        house = studio(*alone(one), *alone(two))
        one.accepts, two.accepts = {A}, {B}
        ear, heard = await house.listen(A, B), []
        house.streaming.when_caught_up = lambda: heard.append(tuple(ear.prices))
        one.push(A, 10.0)
        two.push(B, 11.0)
        await turned()
        assert heard == [(10.0, 11.0)]

    async def test_what_cannot_be_taken_keeps_nobody_from_it(self, studio, clock, one):
        house = studio(*alone(one))
        ear, heard = await house.listen(A, B), []
        house.streaming.when_caught_up = lambda: heard.append(tuple(ear.prices))
        one.pushing[A](object())
        one.push(B, 11.0)
        await turned()
        assert heard == [(11.0,)]

    async def test_what_waits_for_its_status_is_said_before_it(self, studio, clock, one):
        house = studio(*alone(one))
        ear, heard = await house.listen(A, B), []
        behind(one, clock, "agent", A, B)
        await turned()
        house.streaming.when_caught_up = lambda: heard.append((len(ear.updates), len(ear.states)))
        values, states = len(ear.updates), len(ear.states)
        clock.advance(1)
        behind(one, clock, "other", A)
        behind(one, clock, "agent", B)
        await turned()
        assert heard == [(values + 2, states + 1)]
