"""Questions on their way to a metered vendor: counted, merged, in order, nothing left behind."""

import asyncio
import logging
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import RunningClock
from support.metered import Metered, bars_of, most_in_a_minute, price, shares
from support.sources import node, symbols
from support.virtual import run, turns

from argus_core import (
    Allowance,
    BadData,
    Charge,
    Meter,
    NotOffered,
    Priority,
    QuotesQuery,
    Source,
    SourceUnavailable,
    Throttled,
)
from argus_core.model.ask import Deadline
from argus_core.model.request import current_request, requesting
from argus_core.routing.node import Node
from argus_core.routing.quota.spent import Spent
from argus_core.routing.reply import Reply

SHARES = shares(100)
(INDEX,) = symbols("000300.SH")


async def ask(subject: Node, query, *, patience=3600.0, priority=Priority.INTERACTIVE) -> Reply:
    """What the node notes for somebody who waits so long."""
    reply = Reply()
    clock = subject.source.clock
    try:
        with requesting(priority=priority, deadline=Deadline.within(patience, clock)):
            async with asyncio.timeout(patience):
                await subject.ask(query, reply)
    except TimeoutError:
        pass
    return reply


def quotes(*symbols):
    return QuotesQuery(symbols=symbols)


def idle(subject: Node) -> bool:
    """True if no call, place, promise or asker is left."""
    desk = subject.quota
    open_calls = [tally._open for tally in desk._ledger._tallies.values()]
    return not (any(open_calls) or desk._running or len(desk._line) or subject.load)


class TestMerging:
    def test_a_hundred_questions_of_one_symbol_cost_as_few_calls_as_can_be(self):
        async def main():
            source = Metered(RunningClock())
            source.symbols_per_call = 100
            subject = node(source)
            replies = await asyncio.gather(*(ask(subject, quotes(s)) for s in SHARES))
            assert source.asked == [SHARES]
            for symbol, reply in zip(SHARES, replies, strict=True):
                assert {s: q.price for s, q in reply.values.items()} == {symbol: price(symbol)}
                assert reply.asked == [symbol]

        run(main())

    def test_a_call_takes_no_more_than_the_vendor_takes(self):
        async def main():
            source = Metered(RunningClock())
            subject = node(source)
            await asyncio.gather(*(ask(subject, quotes(s)) for s in SHARES[:25]))
            assert [len(keys) for keys in source.asked] == [10, 10, 5]

        run(main())

    def test_what_is_free_begins_at_once_and_what_waits_is_merged(self):
        async def main():
            clock = RunningClock()
            source = Metered(clock, calls_per_minute=2)
            subject = node(source)
            began = clock.monotonic()
            for symbol in SHARES[:2]:
                await ask(subject, quotes(symbol))
            assert clock.monotonic() == began, "nobody waits for company"
            asking = []
            for number, symbol in enumerate(SHARES[2:10]):
                await asyncio.sleep(number)
                asking.append(asyncio.create_task(ask(subject, quotes(symbol))))
            await asyncio.gather(*asking)
            assert source.asked[2:] == [SHARES[2:10]]
            assert clock.monotonic() == began + 60

        run(main())

    def test_other_shapes_and_other_urgencies_stay_apart(self):
        async def main():
            source = Metered(RunningClock())
            subject = node(source)
            questions = [
                ask(subject, quotes(SHARES[0])),
                ask(subject, quotes(SHARES[1]), priority=Priority.BATCH),
                ask(subject, bars_of(SHARES[2])),
                ask(subject, bars_of(SHARES[3], day=bars_of(SHARES[0]).start.replace(day=13))),
            ]
            await asyncio.gather(*questions)
            assert sorted(source.asked) == sorted((s,) for s in SHARES[:4])

        run(main())

    def test_where_each_symbol_costs_a_call_as_many_are_asked_as_are_left(self):
        async def main():
            clock = RunningClock()
            source = Metered(clock, calls_per_minute=4)
            reply = await ask(node(source), bars_of(*SHARES[:10]))
            assert set(reply.values) == set(SHARES[:10])
            assert [len(keys) for keys in source.asked] == [4, 4, 2]
            assert clock.monotonic() == 1120

        run(main())

    def test_each_hears_of_his_own_only_and_absence_too(self):
        async def main():
            source = Metered(RunningClock())
            source.unknown = {SHARES[1]}
            subject = node(source)
            first, second = await asyncio.gather(
                ask(subject, quotes(*SHARES[:2])), ask(subject, quotes(*SHARES[1:3]))
            )
            assert source.asked == [SHARES[:3]]
            assert (first.asked, list(first.values)) == (list(SHARES[:2]), [SHARES[0]])
            assert (second.asked, list(second.values)) == (list(SHARES[1:3]), [SHARES[2]])

        run(main())

    @pytest.mark.parametrize("error", [BadData("x"), NotOffered("x"), SourceUnavailable("x")])
    def test_an_error_goes_to_all_who_share_the_call(self, error):
        async def main():
            source = Metered(RunningClock(), error)
            subject = node(source)
            replies = await asyncio.gather(*(ask(subject, quotes(s)) for s in SHARES[:3]))
            assert len(source.asked) == 1
            assert [reply.errors for reply in replies] == [{"quotes:stock": error}] * 3
            assert idle(subject)

        run(main())

    def test_the_latest_deadline_and_the_first_asker_stand_for_all(self):
        seen = []

        class Nosy(Metered):
            async def called(self, query, calls):
                seen.append((current_request().client, current_request().time_left))

        async def main():
            subject = node(Nosy(RunningClock()))
            with requesting(client="ann"):
                first = asyncio.create_task(ask(subject, quotes(SHARES[0]), patience=5))
            with requesting(client="bob"):
                second = asyncio.create_task(ask(subject, quotes(SHARES[1]), patience=9))
            await asyncio.gather(first, second)
            assert seen == [("ann", 9)]

        run(main())


class TestLeaving:
    def test_one_who_leaves_takes_nothing_from_the_others(self):
        async def main():
            source = Metered(RunningClock(), (5, 5))
            subject = node(source)
            asking = [asyncio.create_task(ask(subject, quotes(s))) for s in SHARES[:3]]
            await asyncio.sleep(2)
            asking[0].cancel()
            replies = await asyncio.gather(*asking, return_exceptions=True)
            assert isinstance(replies[0], asyncio.CancelledError)
            assert [list(reply.values) for reply in replies[1:]] == [[SHARES[1]], [SHARES[2]]]
            assert idle(subject)

        run(main())

    def test_a_call_for_which_nobody_waits_is_given_up(self):
        async def main():
            source = Metered(RunningClock(), (5, 5), calls_per_minute=1)
            subject = node(source)
            asking = [asyncio.create_task(ask(subject, quotes(s))) for s in SHARES[:3]]
            await asyncio.sleep(2)
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            await turns()
            assert idle(subject)
            assert source.counted == {}
            assert subject.quota.status()[0].used == 1, "it may have come there all the same"

        run(main())

    def test_one_who_waited_in_line_leaves_no_gap(self):
        async def main():
            source = Metered(RunningClock(), calls_per_minute=1)
            subject = node(source)
            await ask(subject, quotes(SHARES[0]))
            waiting = asyncio.create_task(ask(subject, quotes(SHARES[1])))
            await turns()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert idle(subject)
            await asyncio.sleep(61)
            assert source.asked == [SHARES[:1]]

        run(main())

    def test_a_hung_call_is_the_nodes_fault_though_another_task_makes_it(self):
        async def main():
            source = Metered(RunningClock(), (500, 0))
            subject = node(source)
            reply = await ask(subject, quotes(SHARES[0]), patience=3)
            assert reply.running_since == 1000
            await turns()
            assert idle(subject)

        run(main())


class TestWhoGoesFirst:
    def test_the_urgent_before_the_batch_before_warm_up(self):
        async def main():
            source = Metered(RunningClock(), calls_per_minute=1)
            subject = node(source)
            await ask(subject, quotes(SHARES[0]))
            asking = []
            for number, priority in enumerate(reversed(Priority), 1):
                question = ask(subject, quotes(SHARES[number]), priority=priority)
                asking.append(asyncio.create_task(question))
                await turns()
            await asyncio.gather(*asking)
            assert source.asked == [(SHARES[n],) for n in (0, 3, 2, 1)]

        run(main())

    def test_nobody_overtakes_who_needs_the_same_but_others_pass(self):
        async def main():
            source = Metered(RunningClock(), calls_per_minute=4)
            source.symbols_per_call = 1
            subject = node(source)
            for symbol in SHARES[:4]:
                await ask(subject, quotes(symbol))
            first = asyncio.create_task(ask(subject, quotes(SHARES[4])))
            await turns()
            await ask(subject, bars_of(SHARES[5]))
            assert not first.done(), "bars are another interface"
            second = asyncio.create_task(ask(subject, quotes(SHARES[6])))
            await asyncio.gather(first, second)
            assert source.asked[-2:] == [(SHARES[4],), (SHARES[6],)]

        run(main())

    def test_who_needs_little_does_not_overtake_who_needs_much(self):
        class Dear(Metered):
            def charges(self, query):
                cost = 3 if query.dataset == "quotes" else 1
                return [Charge(allowance=Allowance(calls_per_minute=4), calls=cost)]

        async def main():
            clock = RunningClock()
            source = Dear(clock)
            subject = node(source)
            for symbol in SHARES[:2]:
                await ask(subject, bars_of(symbol))
            dear = asyncio.create_task(ask(subject, quotes(SHARES[2])))
            await turns()
            assert subject.quota.allowed(bars_of(SHARES[3])) == ()
            await ask(subject, bars_of(SHARES[3]))
            assert clock.monotonic() == 1060
            await dear
            assert source.asked[2:] == [(SHARES[2],), (SHARES[3],)]

        run(main())

    def test_the_wait_is_told_behind_those_who_wait_already_but_not_behind_the_less_urgent(self):
        async def main():
            subject = node(Metered(RunningClock(), calls_per_minute=1))
            await ask(subject, quotes(SHARES[0]))
            first = asyncio.create_task(ask(subject, quotes(INDEX), priority=Priority.BATCH))
            await turns()
            with requesting(priority=Priority.WARMUP):
                assert subject.rest(quotes(SHARES[1])).until == 1120
            assert subject.rest(quotes(SHARES[1])).until == 1060
            reply = await ask(subject, quotes(SHARES[1]), patience=90, priority=Priority.BATCH)
            assert isinstance(reply.error, Spent)
            assert (await first).error is None

        run(main())

    def test_warm_up_leaves_a_fifth_to_those_who_wait(self):
        async def main():
            source = Metered(RunningClock(), calls_per_minute=10)
            source.symbols_per_call = 1
            subject = node(source)
            warming = ask(subject, quotes(*SHARES[:20]), priority=Priority.WARMUP, patience=30)
            reply = await warming
            assert len(reply.values) == 8
            assert "share of warm-up in its quota of 10 calls a minute" in reply.error.message
            assert subject.quota.allowed(quotes(SHARES[0])) == SHARES[:1]
            reply = await ask(subject, quotes(*SHARES[30:32]))
            assert len(reply.values) == 2
            assert subject.quota.allowed(quotes(SHARES[0])) == ()

        run(main())


class TestUsedUp:
    def test_it_is_told_before_the_vendor_is_asked_and_nobody_is_to_blame(self):
        async def main():
            source = Metered(RunningClock(), calls_per_minute=1)
            subject = node(source)
            await ask(subject, quotes(SHARES[0]))
            await asyncio.sleep(10)
            reply = await ask(subject, quotes(SHARES[1]), patience=20)
            error = reply.errors["quotes:stock"]
            assert isinstance(error, Spent)
            assert error.retry_after == 50
            assert not error.blame
            told = "its quota of 1 calls a minute for quotes is used up; 50 s until it is free"
            assert error.message == told
            assert source.asked == [SHARES[:1]]
            rest = subject.longest_cooling(quotes(SHARES[1]))
            assert rest.why(1010.0) == told
            assert rest.error.code == "RATE_LIMIT_EXCEEDED"
            assert subject.resting(quotes(SHARES[1]))

        run(main())

    def test_the_vendors_refusal_shuts_the_interface_for_every_scope(self):
        async def main():
            source = Metered(RunningClock(), Throttled("x", retry_after=45))
            subject = node(source)
            reply = await ask(subject, quotes(SHARES[0]))
            assert isinstance(reply.error, Throttled)
            assert not isinstance(reply.error, Spent)
            reply = await ask(subject, quotes(INDEX), patience=9)
            assert isinstance(reply.error, Spent)
            assert "the vendor says that its quota for quotes is used up" in reply.error.message
            assert len(source.asked) == 1
            (status,) = subject.quota.status()
            assert (status.limit, status.used, status.resets_in) == (None, 1, 60)

        run(main())

    def test_a_meter_that_shows_the_limit_keeps_questions_back_until_it_begins_anew(self):
        class Bytes(Metered):
            used, resets_in = 100, 70.0

            def meters(self):
                shown = {"unit": "bytes", "window": "day", "resets_in": self.resets_in}
                return [Meter(used=self.used, limit=100, **shown)]

        async def main():
            clock = RunningClock()
            source = Bytes(clock)
            subject = node(source)
            reply = await ask(subject, quotes(SHARES[0]), patience=9)
            assert "its quota of 100 bytes a day is used up; 70 s" in reply.error.message
            source.resets_in = math.inf
            assert subject.rest(quotes(SHARES[0])).until == clock.monotonic() + 86400
            source.used = 99
            assert (await ask(subject, quotes(SHARES[0]), patience=9)).error is None
            used = {(s.unit, s.window): (s.used, s.limit) for s in subject.quota.status()}
            assert used == {("bytes", "day"): (99, 100), ("calls", "minute"): (1, None)}

        run(main())


class TestPlugins:
    def test_a_plugin_that_says_nothing_is_asked_at_once_and_not_counted(self):
        class Silent(Metered):
            charges, meters = Source.charges, Source.meters

        async def main():
            subject = node(Silent(RunningClock()))
            await asyncio.gather(*(ask(subject, quotes(s)) for s in SHARES[:5]))
            assert len(subject.source.asked) == 5
            assert subject.quota.status() == ()
            assert not subject.source.metered

        run(main())

    def test_calls_a_minute_of_the_whole_source_are_one_interface(self):
        class Plain(Metered):
            charges, meters = Source.charges, Source.meters
            calls_per_minute = 2

        async def main():
            subject = node(Plain(RunningClock()))
            assert subject.source.metered
            await ask(subject, quotes(SHARES[0]))
            await ask(subject, bars_of(SHARES[0]))
            reply = await ask(subject, quotes(SHARES[1]), patience=9)
            assert "its quota of 2 calls a minute is used up" in reply.error.message
            (status,) = subject.quota.status()
            assert (status.interface, status.limit, status.used) == ("*", 2, 2)

        run(main())

    @pytest.mark.parametrize("broken", ["charges", "meters"])
    def test_one_that_breaks_is_asked_all_the_same_and_told_once(self, broken, caplog):
        class Broken(Metered):
            def fail(self, *_):
                raise ValueError("no")

        setattr(Broken, broken, Broken.fail)

        async def main():
            subject = node(Broken(RunningClock(), calls_per_minute=100))
            for symbol in SHARES[:3]:
                assert (await ask(subject, quotes(symbol))).error is None

        with caplog.at_level(logging.WARNING):
            run(main())
        assert [r.message for r in caplog.records] == [f"m: its {broken} cannot be used"]

    def test_charges_of_one_interface_add_up(self):
        class Twice(Metered):
            def charges(self, query):
                allowance = Allowance(calls_per_minute=5)
                none = Charge(allowance=Allowance(interface="never"), calls=0)
                return [Charge(allowance=allowance, calls=2), Charge(allowance=allowance), none]

        async def main():
            subject = node(Twice(RunningClock()))
            await ask(subject, quotes(SHARES[0]))
            (status,) = subject.quota.status()
            assert status.used == 3

        run(main())


STEP = st.one_of(
    st.tuples(st.sampled_from([0.0, 0.5, 8.0]), st.sampled_from([0.0, 0.5, 40.0])),
    st.just(BadData("x")),
    st.just(SourceUnavailable("x")),
)
QUESTION = st.fixed_dictionaries(
    {
        "at": st.integers(0, 90),
        "keys": st.lists(st.sampled_from(SHARES[:12]), min_size=1, max_size=6, unique=True),
        "bars": st.booleans(),
        "priority": st.sampled_from(Priority),
        "patience": st.sampled_from([1.0, 30.0, 200.0, 4000.0]),
        "leaves": st.one_of(st.none(), st.integers(0, 60)),
    }
)


@given(
    questions=st.lists(QUESTION, max_size=14),
    script=st.lists(STEP, max_size=8),
    limit=st.integers(1, 6),
    shown=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_no_minute_holds_more_and_everybody_gets_what_he_would_get_alone(
    questions, script, limit, shown
):
    async def one(subject, question):
        await asyncio.sleep(question["at"])
        keys = tuple(question["keys"])
        query = bars_of(*keys) if question["bars"] else quotes(*keys)
        asking = asyncio.create_task(
            ask(subject, query, patience=question["patience"], priority=question["priority"])
        )
        if question["leaves"] is not None:
            await asyncio.wait([asking], timeout=question["leaves"])
            asking.cancel()
        try:
            reply = await asking
        except asyncio.CancelledError:
            return
        silent = subject.source.unknown
        assert set(reply.asked) <= set(keys)
        assert set(reply.values) == {key for key in reply.asked if key not in silent}
        if not question["bars"]:
            assert all(quote.price == price(key) for key, quote in reply.values.items())
        if reply.error is None and question["patience"] == 4000:
            assert reply.asked == list(keys) or set(reply.asked) == set(keys)

    async def main():
        source = Metered(RunningClock(), *script, shown=shown, calls_per_minute=limit)
        source.unknown = {SHARES[3]}
        source.symbols_per_call = 4
        subject = node(source)
        await asyncio.gather(*(one(subject, question) for question in questions))
        await turns()
        assert idle(subject)
        for instants in source.counted.values():
            assert most_in_a_minute(instants) <= limit
        assert all(len(keys) <= 4 for keys in source.asked)
        await asyncio.sleep(120)
        assert all(status.used == 0 for status in subject.quota.status())

    run(main())
