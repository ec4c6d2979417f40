"""Quarantine: who is caught, for how long, and who is spared, through any order of events."""

import asyncio
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.clock import TestClock
from support.sources import Fixed, Scripted, lone, node, symbols

from argus_core import Balancer, Disproved, Quote, QuotesQuery, SourceUnavailable, Throttled
from argus_core.errors import A_DAY, AllSourcesFailed
from argus_core.model.ask import Deadline
from argus_core.routing.node import Node, Reply
from argus_core.routing.pool import Member, Pool
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

A, B, C, D, E = symbols("600519.SH", "000001.SZ", "600000.SH", "600036.SH", "000002.SZ")
(INDEX,) = symbols("000300.SH")
SCOPE = "quotes:stock"
EVERY = (A, B, C, D, E)


def flipped(symbol):
    """A quote whose volume counts lots."""
    return Quote(symbol=symbol, price=10.0, high=10.1, low=9.9, volume=7.0, turnover=7000.0)


class Flipping(Scripted):
    """Quotes; those of ``lying`` have another unit."""

    def __init__(self, name, clock, *lying):
        super().__init__(name, clock)
        self.lying = set(lying)
        self.script = [
            lambda query: [flipped(s) if s in self.lying else self.quote(s) for s in query.symbols]
        ]


class Told(list):
    def __call__(self, *told):
        self.append(told)


def made(source, told=None):
    tell = {} if told is None else {"tell": told}
    return Node(source, plugin="scripted", clock=source.clock, **tell)


async def fetch(clock, pools, *keys):
    router = Router(Fixed(pools), clock=clock, redactor=Redactor())
    return await router.fetch(QuotesQuery(symbols=keys), Deadline.within(5, clock))


@pytest.fixture
def clock():
    return TestClock()


class TestOneSymbol:
    async def test_the_next_source_answers_at_once_and_alone_afterwards(self, clock):
        first, second = Flipping("first", clock, A), Scripted("second", clock)
        pools = lone(made(first), made(second))
        routed = await fetch(clock, pools, A, B)
        assert {key: found.source for key, found in routed.found.items()} == {
            A: "second",
            B: "first",
        }
        again = await fetch(clock, pools, A, B)
        assert first.asked == [(A, B), (B,)], "its other symbols are still asked for"
        assert again.found[A].source == "second"
        (skip,) = again.trace.skipped
        assert skip.source == "first"
        assert skip.reason == (
            "600519.SH of quotes:stock: quarantined until 2024-03-15T10:10:00+08:00: the quote "
            "disproves its units: turnover 7000.0 ÷ volume 7.0 = 1000 lies outside [9.9, 10.1]"
        )

    async def test_of_a_symbol_alone_the_reason_says_when_and_why(self, clock):
        pools = lone(made(Flipping("first", clock, A)), made(Scripted("second", clock)))
        await fetch(clock, pools, A)
        (skip,) = (await fetch(clock, pools, A)).trace.skipped
        assert skip.reason.startswith("quarantined until 2024-03-15T10:10:00+08:00: the quote")

    async def test_where_all_are_in_quarantine_it_is_a_503_that_says_why(self, clock):
        first, second = Flipping("first", clock, A), Flipping("second", clock, A)
        pools = lone(made(first), made(second))
        with pytest.raises(AllSourcesFailed) as caught:
            await fetch(clock, pools, A)
        assert [a.error for a in caught.value.attempts] == ["BAD_DATA", "BAD_DATA"]
        assert all("disproves its units" in a.reason for a in caught.value.attempts)
        clock.advance(100)
        with pytest.raises(AllSourcesFailed) as caught:
            await fetch(clock, pools, A)
        assert caught.value.attempts == ()
        assert caught.value.retry_after == 500
        assert caught.value.message.count("quarantined until 2024-03-15T10:10:00+08:00") == 2
        assert (first.asked, second.asked) == ([(A,)], [(A,)]), "not even as a last resort"
        assert set((await fetch(clock, pools, A, B)).found) == {B}

    async def test_what_another_source_lacks_is_not_said_to_be_absent_for_sure(self, clock):
        pools = lone(made(Flipping("first", clock, A)), made(Scripted("second", clock, {A})))
        await fetch(clock, pools, A, B)
        routed = await fetch(clock, pools, A, B)
        assert A in routed.absent
        assert A in routed.unsure

    async def test_time_ends_it_the_next_ask_probes_and_the_next_lapse_lasts_longer(self, clock):
        told = Told()
        source = Flipping("first", clock, A)
        subject = made(source, told)
        pools = lone(subject, made(Scripted("second", clock)))
        await fetch(clock, pools, A)
        clock.advance(599)
        assert (await fetch(clock, pools, A)).found[A].source == "second"
        clock.advance(1)
        source.lying.clear()
        assert (await fetch(clock, pools, A)).found[A].source == "first"
        source.lying.add(A)
        await fetch(clock, pools, A)
        (held,) = subject.quarantine.in_force
        assert (held.times, held.until - clock.monotonic()) == (2, 1200)
        events = [(event, message.partition(":")[0]) for _, event, message in told]
        assert events == [
            ("quarantined", "600519.SH of quotes"),
            ("recovered", "600519.SH of quotes"),
            ("quarantined", "600519.SH of quotes"),
        ]

    async def test_an_operator_ends_it_and_it_is_forgotten(self, clock):
        told = Told()
        subject = made(Flipping("first", clock, A, B), told)
        pools = lone(subject, made(Scripted("second", clock)))
        await fetch(clock, pools, A, B)
        assert [held.symbol for held in subject.release(A)] == [A]
        assert [held.symbol for held in subject.quarantine.in_force] == [B]
        assert told[-1][1:] == ("released", "600519.SH of quotes:stock: in quarantine no longer")
        assert subject.release(A) == ()
        await fetch(clock, pools, A)
        assert {held.times for held in subject.quarantine.in_force} == {1}
        assert len(subject.release()) == 2
        assert subject.quarantine.in_force == ()

    async def test_it_is_no_cool_down_but_counts_as_a_failure(self, clock):
        subject = made(Flipping("first", clock, A))
        reply = Reply()
        await subject.ask(QuotesQuery(symbols=(A,)), reply)
        assert reply.error is None
        assert reply.false
        assert subject.cooling(SCOPE) is None
        assert (subject.counters.failures, subject.counters.last_error) == (1, "BAD_DATA")
        assert subject.counters.last_ok_at is None

    async def test_the_balancer_hears_of_it(self, clock):
        heard = []

        class Listening(Balancer):
            def pick(self, candidates):
                return candidates[0]

            def report(self, candidate, *, ok, seconds):
                heard.append((candidate.name, ok))

        one, two = made(Flipping("one", clock, A)), made(Scripted("two", clock))
        pool = Pool("both", (Member(one), Member(two)), Listening(Random(0)))
        await fetch(clock, (pool,), A)
        assert heard == [("one", False), ("two", True)]

    def test_two_askers_who_met_the_same_wrong_number_are_one_lapse(self, clock):
        quarantine = made(Flipping("first", clock)).quarantine
        assert len(quarantine.judge(SCOPE, {A: "a reason"}, ()).caught) == 1
        clock.advance(1)
        assert quarantine.judge(SCOPE, {A: "a reason"}, ()).caught == ()
        (held,) = quarantine.in_force
        assert (held.times, held.until - clock.monotonic()) == (1, 599)

    async def test_a_plugin_that_says_so_itself_cools_down_without_last_resort(self, clock):
        source = Scripted("first", clock, Disproved("the feed counts twice"))
        pools = lone(made(source))
        for _ in range(2):
            with pytest.raises(AllSourcesFailed):
                await fetch(clock, pools, A)
        assert source.asked == [(A,)]

    async def test_other_faults_and_errors_quarantine_nothing(self, clock):
        unpriced = Scripted("one", clock, lambda query: [Quote(symbol=A, volume=7.0)])
        for source in (
            unpriced,
            Scripted("two", clock, SourceUnavailable("x")),
            Scripted("three", clock, Throttled("x")),
        ):
            subject = made(source)
            with pytest.raises(AllSourcesFailed):
                await fetch(clock, lone(subject), A)
            assert subject.quarantine.in_force == ()
            assert subject.longest_cooling(QuotesQuery(symbols=(A,))) is not None


class TestWholeScope:
    async def test_three_at_once_are_all_of_it(self, clock):
        told = Told()
        source = Flipping("first", clock, A, B, C)
        subject = made(source, told)
        pools = lone(subject, made(Scripted("second", clock)))
        await fetch(clock, pools, A, B)
        await fetch(clock, pools, C, INDEX)
        routed = await fetch(clock, pools, D, INDEX)
        assert source.asked[-1] == (INDEX,), "the index is another scope"
        assert routed.found[D].source == "second"
        assert subject.quarantine.in_force[0].symbol is None
        assert told[-1][1] == "quarantined"
        assert told[-1][2].startswith(
            "all of quotes:stock: quarantined until 2024-03-15T10:10:00+08:00: 3 symbols at once, "
            "such as 600000.SH: the quote disproves its units"
        )

    async def test_three_among_more_that_are_well_are_their_own_trouble(self, clock):
        source = Flipping("first", clock, A)
        subject = made(source)
        pools = lone(subject, made(Scripted("second", clock)))
        await fetch(clock, pools, A, *symbols(*(f"6001{n:02}.SH" for n in range(9))))
        source.lying = {B, C}
        await fetch(clock, pools, B, C)
        assert [held.symbol for held in subject.quarantine.in_force] == [A, B, C]

    async def test_who_was_well_and_is_caught_later_speaks_for_the_source_no_more(self, clock):
        source = Flipping("first", clock, A)
        subject = made(source)
        pools = lone(subject, made(Scripted("second", clock)))
        await fetch(clock, pools, *EVERY)
        source.lying = {B, C}
        await fetch(clock, pools, B, C)
        assert subject.quarantine.in_force[0].symbol is None, "three against two that are well"

    async def test_a_source_that_was_well_a_moment_ago_keeps_its_good_symbols(self, clock):
        source = Flipping("first", clock)
        subject = made(source)
        pools = lone(subject, made(Scripted("second", clock)))
        await fetch(clock, pools, *symbols(*(f"6001{n:02}.SH" for n in range(9))))
        source.lying = {A, B, C}
        for bad in (A, B, C):
            await fetch(clock, pools, bad)
        assert [held.symbol for held in subject.quarantine.in_force] == [A, B, C]

    async def test_the_rest_of_a_long_list_is_not_asked_for(self, clock):
        source = Flipping("first", clock, *EVERY)
        source.symbols_per_call = 1
        pools = lone(made(source), made(Scripted("second", clock)))
        routed = await fetch(clock, pools, *EVERY)
        assert source.asked == [(A,), (B,), (C,)]
        assert {found.source for found in routed.found.values()} == {"second"}

    async def test_it_ends_with_time_too(self, clock):
        source = Flipping("first", clock, A, B, C)
        subject = made(source)
        pools = lone(subject, made(Scripted("second", clock)))
        await fetch(clock, pools, A, B, C)
        clock.advance(600)
        source.lying.clear()
        assert (await fetch(clock, pools, D)).found[D].source == "first"
        assert subject.quarantine.in_force == ()

    def test_alerts_about_many_stay_short(self, clock):
        told = Told()
        subject = made(Flipping("first", clock), told)
        for n in range(40):
            subject.quarantine.judge(SCOPE, {}, [f"well{n}"])
        many = {f"bad{n}": "a reason" for n in range(5)}
        verdict = subject.quarantine.judge(SCOPE, many, [f"well{n}" for n in range(9)])
        from argus_core.routing.quarantine import listed

        assert listed(verdict.caught).startswith(
            "bad0 of quotes:stock, bad1 of quotes:stock, bad2 of quotes:stock and 2 more: quar"
        )


class Quarantines(RuleBasedStateMachine):
    """A node whose source lies about what the test says, against a model in dictionaries."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = TestClock()
        self.source = Flipping("first", self.clock)
        self.node = node(self.source)
        self.ends: dict[str | None, float] = {}
        self.times: dict[str | None, int] = {}
        self.well: dict[str, float] = {}

    @property
    def now(self):
        return self.clock.monotonic()

    def held(self):
        return [s for s in EVERY if self.ends.get(s, 0) > self.now]

    def free(self, symbol):
        return max(self.ends.get(symbol, 0), self.ends.get(None, 0)) <= self.now

    def hold(self, name):
        recent = name in self.ends and self.now < self.ends[name] + A_DAY
        self.times[name] = self.times[name] + 1 if recent else 1
        self.ends[name] = self.now + min(600 * 2 ** (self.times[name] - 1), A_DAY)

    @rule(
        keys=st.lists(st.sampled_from(EVERY), min_size=1, unique=True),
        lying=st.sets(st.sampled_from(EVERY)),
    )
    def ask(self, keys, lying):
        self.source.lying = lying
        query = QuotesQuery(symbols=tuple(keys))
        ready = self.node.ready(query, desperate=True)
        assert ready == tuple(key for key in keys if self.free(key))
        if not ready:
            return
        reply = Reply()
        self.loop.run_until_complete(self.node.ask(query.only(ready), reply))
        assert set(reply.values) == set(ready) - lying, "nothing false is served"
        caught = [key for key in ready if key in lying]
        for key in caught:
            self.hold(key)
        self.well.update(dict.fromkeys(reply.values, self.now))
        for key in caught:
            self.well.pop(key, None)
        well = [at for at in self.well.values() if at > self.now - 3600]
        if caught and len(self.held()) >= max(3, len(well)):
            self.hold(None)

    @rule(seconds=st.sampled_from([60.0, 600.0, 1200.0, 2500.0, A_DAY]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(symbol=st.sampled_from([None, *EVERY]))
    def lift(self, symbol):
        self.node.release(symbol)
        for name in [n for n in self.ends if symbol in (None, n)]:
            del self.ends[name]

    @invariant()
    def the_model_and_the_node_agree(self):
        in_force = {q.symbol: (q.until, q.times) for q in self.node.quarantine.in_force}
        assert in_force == {
            name: (end, self.times[name]) for name, end in self.ends.items() if end > self.now
        }
        assert all(end <= self.now + A_DAY for end, _ in in_force.values())

    def teardown(self):
        self.loop.close()


TestQuarantines = Quarantines.TestCase
TestQuarantines.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
