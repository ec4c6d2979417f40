"""The router at a pool's door: the next pool is asked, or the caller told when to come again."""

import asyncio
from random import Random

import pytest
from support.clock import RunningClock, TestClock
from support.sources import Fixed, Scripted, node, symbols
from support.virtual import run

from argus_core import Balancer, Quote, QuotesQuery, Source, SourceTimeout, Throttled
from argus_core.errors import DeadlineExceeded, Overloaded
from argus_core.model.ask import Deadline
from argus_core.model.request import Priority, current_request, requesting
from argus_core.routing.load.gate import Gate
from argus_core.routing.pool import Member, Pool
from argus_core.routing.router import Router
from argus_core.tables import PoolLimits
from argus_core.telemetry.redact import Redactor

A, B = symbols("600519.SH", "000001.SZ")


class LeastBusy(Balancer):
    def pick(self, candidates):
        return min(candidates, key=lambda one: one.in_flight)


class Foremost(Balancer):
    def pick(self, candidates):
        return candidates[0]


class Apart(Balancer):
    """Gives each key to another candidate."""

    def pick_each(self, candidates, keys):
        return {key: candidates[n % len(candidates)] for n, key in enumerate(keys)}


@pytest.fixture
def clock():
    return RunningClock()


def gated(name, *nodes, clock, balancer=LeastBusy, **limits):
    limits = {"max_size": 1, "auto_scale": False, **limits}
    gate = Gate(name, PoolLimits(**limits), clock)
    return Pool(name, tuple(map(Member, nodes)), balancer(Random(0)), gate)


def router(clock, *pools):
    return Router(Fixed(pools), clock=clock, redactor=Redactor())


def ask(made, clock, *keys, seconds=5.0):
    return made.fetch(QuotesQuery(symbols=keys or (A,)), Deadline.within(seconds, clock))


def occupied(pool):
    """The task that holds the pool's one place for good, and the pool."""
    return pool.gate.try_enter()


async def test_a_full_pool_is_passed_over_and_the_next_is_asked(clock):
    one, two = Scripted("one", clock), Scripted("two", clock)
    first = gated("first", node(one), clock=clock, max_waiting=0)
    made = router(clock, first, gated("second", node(two), clock=clock))
    occupied(first)
    routed = await ask(made, clock)
    assert routed.found[A].source == "two"
    assert one.asked == []
    (skip,) = routed.trace.skipped
    assert (skip.source, skip.pool) == ("one", "first")
    assert skip.reason.startswith("pool first is full: 1 calls under way, 0 waiting")


async def test_where_nobody_else_is_left_the_caller_is_told_when_to_come_again(clock):
    pool = gated("only", node(Scripted("one", clock)), clock=clock, max_waiting=0)
    occupied(pool)
    began = clock.monotonic()
    with pytest.raises(Overloaded) as refused:
        await ask(router(clock, pool), clock)
    assert refused.value.retry_after == 1
    assert clock.monotonic() - began < 0.05, "without a second round"


def test_who_has_waited_half_his_time_is_told_that_it_is_too_much(clock):
    async def main():
        pool = gated("only", node(Scripted("one", clock)), clock=clock)
        occupied(pool)
        began = clock.monotonic()
        with pytest.raises(Overloaded):
            await ask(router(clock, pool), clock, seconds=2)
        assert clock.monotonic() - began == pytest.approx(1)
        assert pool.gate.figures().waiting == 0

    run(main())


def test_where_any_of_many_nodes_may_become_free_one_waits_as_long_as_for_a_single_one(clock):
    async def main():
        sources = [Scripted(f"n{number}", clock) for number in range(10)]
        pool = gated("only", *map(node, sources), clock=clock)
        place = occupied(pool)
        asyncio.get_running_loop().call_later(0.9, place.leave)
        routed = await ask(router(clock, pool), clock, seconds=2)
        assert list(routed.found) == [A]
        assert clock.monotonic() == pytest.approx(1000.9), "no later than the place came"

    run(main())


def test_after_a_wait_a_call_still_has_the_share_of_one_node(clock):
    async def main():
        source = Scripted("n0", clock, 30)
        others = [Scripted(f"n{number}", clock) for number in range(1, 10)]
        pool = gated("only", *map(node, [source, *others]), clock=clock, balancer=Foremost)
        place = occupied(pool)
        asyncio.get_running_loop().call_later(0.9, place.leave)
        routed = await ask(router(clock, pool), clock, seconds=2)
        assert routed.found[A].source == "n1"
        assert routed.trace.attempts[0].ms == pytest.approx(200), "2 s over 10 nodes"

    run(main())


def test_however_long_one_waits_for_a_large_pool_the_next_ones_keep_their_share(clock):
    async def main():
        pools = [
            gated(
                name, *(node(Scripted(f"{name}{n}", clock, 30)) for n in range(size)), clock=clock
            )
            for name, size in (("first", 4), ("second", 1))
        ]
        occupied(pools[0])
        with pytest.raises(DeadlineExceeded):
            await ask(router(clock, *pools), clock, seconds=5)
        (attempt,) = [one for one in pools[1].members if one.node.source.asked]
        assert attempt.node.source.asked == [(A,)]
        assert clock.monotonic() == pytest.approx(1005)

    run(main())


def test_the_calls_of_a_split_question_take_no_more_than_the_pool_has(clock):
    async def main():
        slow = gated(
            "first",
            *(node(Scripted(name, clock, 30)) for name in ("one", "two")),
            clock=clock,
            balancer=Apart,
        )
        last = Scripted("last", clock)
        routed = await ask(
            router(clock, slow, gated("second", node(last), clock=clock)), clock, A, B, seconds=3
        )
        assert {found.source for found in routed.found.values()} == {"last"}
        assert clock.monotonic() <= 1002 + 1e-6, "the third node's second is left"

    run(main())


async def test_a_wait_leaves_time_for_the_next_pool(clock):
    first = gated("first", node(Scripted("one", clock)), clock=clock)
    made = router(clock, first, gated("second", node(Scripted("two", clock)), clock=clock))
    occupied(first)
    routed = await ask(made, clock, seconds=0.1)
    assert routed.found[A].source == "two"


async def test_whom_to_ask_is_chosen_when_the_place_is_there_not_before(clock):
    sources = [Scripted("one", clock, 0.03), Scripted("two", clock, 0.03)]
    pool = gated("pool", *map(node, sources), clock=clock, max_size=2)
    made = router(clock, pool)
    await asyncio.gather(*(ask(made, clock) for _ in range(8)))
    assert [len(source.asked) for source in sources] == [4, 4]
    assert pool.gate.figures().in_use == 0


async def test_who_got_bad_while_one_waited_is_not_asked(clock):
    source = Scripted("one", clock, Throttled("too fast"), None)
    pool = gated("pool", node(source), clock=clock)
    made = router(clock, pool)
    asked = await asyncio.gather(*(ask(made, clock) for _ in range(3)), return_exceptions=True)
    assert len(asked) == 3
    assert source.asked == [(A,)]
    assert pool.gate.figures().in_use == 0


async def test_each_call_of_a_split_question_takes_a_place(clock):
    sources = [Scripted("one", clock, 0.02), Scripted("two", clock, 0.02)]
    pool = gated("pool", *map(node, sources), clock=clock, balancer=Apart)
    routed = await ask(router(clock, pool), clock, A, B)
    assert {key: found.source for key, found in routed.found.items()} == {A: "one", B: "two"}
    apart = [attempt.started_ms for attempt in routed.trace.attempts]
    assert apart[1] - apart[0] >= 15, "one after the other: there is one place"


async def test_a_call_takes_no_longer_than_the_pool_allows(clock):
    source = Scripted("one", clock, 30)
    pool = gated("pool", node(source), clock=clock, timeout=0.02)
    made = router(clock, pool, gated("next", node(Scripted("two", clock)), clock=clock))
    routed = await ask(made, clock)
    assert routed.found[A].source == "two"
    assert routed.trace.attempts[0].error == SourceTimeout.code
    assert routed.trace.attempts[0].ms < 1000


async def test_a_vendor_that_says_too_fast_costs_places(clock):
    pool = gated(
        "pool",
        node(Scripted("one", clock, Throttled("x"))),
        clock=clock,
        max_size=20,
        auto_scale=True,
    )
    with pytest.raises(Exception, match="failed or is cooling"):
        await ask(router(clock, pool), clock)
    assert pool.gate.figures().size == 18
    assert pool.gate.figures().nodes["one"].error_rate == 1.0


async def test_a_caller_in_a_hurry_costs_none(clock):
    pool = gated(
        "pool", node(Scripted("one", clock, 30)), clock=clock, max_size=20, auto_scale=True
    )
    with pytest.raises(DeadlineExceeded):
        await ask(router(clock, pool), clock, seconds=0.02)
    assert pool.gate.figures().size == 20


class Blocking(Source):
    """Notes what is known of the request in the thread that it is called in."""

    def quotes(self, query):
        self.seen = current_request()
        return [Quote(symbol=symbol, price=1.0) for symbol in query.symbols]


async def test_a_thread_knows_the_request_and_the_end_of_its_own_attempt():
    clock = TestClock()
    source = Blocking("one", None, clock)
    pool = gated("pool", node(source), clock=clock, timeout=3)
    with requesting(client="somebody", priority=Priority.BATCH, deadline=None):
        await ask(router(clock, pool), clock)
    assert (source.seen.client, source.seen.priority) == ("somebody", Priority.BATCH)
    assert source.seen.time_left == 3


async def test_who_is_cancelled_gives_his_place_back(clock):
    pool = gated("pool", node(Scripted("one", clock, 30)), clock=clock, balancer=Apart)
    made = router(clock, pool)
    tasks = [asyncio.ensure_future(ask(made, clock)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    figures = pool.gate.figures()
    assert (figures.in_use, figures.waiting) == (0, 0)
