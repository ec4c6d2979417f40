"""The router and quotas: others are asked before the vendor says no; who is alone waits."""

import asyncio

import pytest
from support.clock import RunningClock
from support.metered import Metered, shares
from support.sources import Fixed, Scripted, lone, node
from support.virtual import run

from argus_core import QuotesQuery, SourceUnavailable
from argus_core.errors import AllSourcesFailed
from argus_core.model.ask import Deadline
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

SHARES = shares(12)


class Bench:
    """A router over some sources, and the questions to it."""

    def __init__(self, *sources):
        self.clock = sources[0].clock
        self.nodes = [node(source) for source in sources]
        routes = Fixed(lone(*self.nodes))
        self.router = Router(routes, clock=self.clock, redactor=Redactor(()))

    async def ask(self, *symbols, seconds=5.0):
        query = QuotesQuery(symbols=symbols)
        return await self.router.fetch(query, Deadline.within(seconds, self.clock))


def skips(routed):
    return [(skip.source, skip.reason) for skip in routed.trace.skipped]


def test_the_next_source_is_asked_and_the_trace_says_why():
    async def main():
        clock = RunningClock()
        bench = Bench(Metered(clock, calls_per_minute=1), Scripted("b", clock))
        assert (await bench.ask(SHARES[0])).found[SHARES[0]].source == "m"
        await asyncio.sleep(48)
        routed = await bench.ask(SHARES[1])
        assert routed.found[SHARES[1]].source == "b"
        why = "its quota of 1 calls a minute for quotes is used up; 12 s until it is free"
        assert skips(routed) == [("m", why)]
        assert [attempt.source for attempt in routed.trace.attempts] == ["b"]
        metered = bench.nodes[0]
        assert metered.counters.failures == 0
        assert not metered.all_cooling
        assert metered.source.asked == [SHARES[:1]]
        await asyncio.sleep(12)
        assert (await bench.ask(SHARES[2])).found[SHARES[2]].source == "m"

    run(main())


def test_of_many_symbols_it_is_asked_for_as_many_as_it_has_calls():
    async def main():
        clock = RunningClock()
        first = Metered(clock, calls_per_minute=2)
        first.symbols_per_call = 4
        routed = await Bench(first, Scripted("b", clock)).ask(*SHARES)
        sources = [routed.found[symbol].source for symbol in SHARES]
        assert sources == ["m"] * 8 + ["b"] * 4
        assert clock.monotonic() == 1000, "nobody waits where another can answer"

    run(main())


def test_who_is_alone_waits_where_that_fits_the_deadline():
    async def main():
        clock = RunningClock()
        bench = Bench(Metered(clock, calls_per_minute=1))
        await bench.ask(SHARES[0])
        await asyncio.sleep(57)
        routed = await bench.ask(SHARES[1])
        assert routed.found[SHARES[1]].source == "m"
        assert clock.monotonic() == 1060
        assert bench.nodes[0].counters.failures == 0

    run(main())


def test_where_it_does_not_fit_the_answer_says_at_once_when_to_come_again():
    async def main():
        clock = RunningClock()
        bench = Bench(Metered(clock, calls_per_minute=1))
        await bench.ask(SHARES[0])
        await asyncio.sleep(20)
        with pytest.raises(AllSourcesFailed) as caught:
            await bench.ask(SHARES[1])
        assert caught.value.retry_after == 40
        assert "m: its quota of 1 calls a minute for quotes is used up" in caught.value.message
        assert clock.monotonic() == 1020
        assert bench.nodes[0].counters.failures == 0
        assert not bench.nodes[0].all_cooling

    run(main())


def test_it_is_waited_for_when_the_others_turn_out_to_fail():
    async def main():
        clock = RunningClock()
        failing = Scripted("b", clock, SourceUnavailable("x"))
        bench = Bench(Metered(clock, calls_per_minute=1), failing)
        await bench.ask(SHARES[0])
        await asyncio.sleep(58)
        routed = await bench.ask(SHARES[1])
        assert routed.found[SHARES[1]].source == "m"
        assert len(failing.asked) == 1

    run(main())


def test_a_burst_of_other_shapes_stays_within_the_quota_and_is_answered():
    async def main():
        clock = RunningClock()
        first, second = Metered(clock, calls_per_minute=3), Scripted("b", clock)
        first.symbols_per_call = 1
        bench = Bench(first, second)
        answers = await asyncio.gather(*(bench.ask(symbol) for symbol in SHARES))
        given = [routed.found[s].source for s, routed in zip(SHARES, answers, strict=True)]
        assert given.count("m") == 3
        assert given.count("b") == 9
        assert len(first.asked) == 3
        assert clock.monotonic() == 1000

    run(main())


def test_what_another_does_not_have_stays_unsure_while_the_metered_one_was_not_asked():
    async def main():
        clock = RunningClock()
        first = Metered(clock, calls_per_minute=1)
        bench = Bench(first, Scripted("b", clock, {SHARES[1]}))
        await bench.ask(SHARES[0])
        routed = await bench.ask(SHARES[1])
        assert set(routed.absent) == {SHARES[1]}
        assert routed.unsure == {SHARES[1]}

    run(main())
