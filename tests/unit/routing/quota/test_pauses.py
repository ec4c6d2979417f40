"""Waiting for nothing but the quota: measured exactly, and nobody's fault but the quota's."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import RunningClock
from support.metered import Metered, shares
from support.sources import Fixed, node
from support.virtual import run, turns

from argus_core import Balancer, Priority, QuotesQuery
from argus_core.errors import GatewayError
from argus_core.model.ask import Deadline
from argus_core.model.request import requesting
from argus_core.routing.load.gate import Gate
from argus_core.routing.merit import Merits
from argus_core.routing.pool import Member, Pool
from argus_core.routing.quota.pauses import Pauses
from argus_core.routing.reply import Reply
from argus_core.routing.router import Router
from argus_core.tables import PoolLimits
from argus_core.telemetry.redact import Redactor

FIRST, SECOND, THIRD = shares(3)


class Noting(Balancer):
    """Takes the first, and notes what it is told."""

    def __init__(self, random):
        super().__init__(random)
        self.told = []

    def pick(self, candidates):
        return candidates[0]

    def report(self, candidate, *, ok, seconds):
        self.told.append(ok)

    def gave_up(self, candidate, *, seconds):
        self.told.append("gave up")


class Bench:
    """A gated pool over one metered source."""

    def __init__(self, source):
        self.clock = source.clock
        self.node = node(source)
        limits = PoolLimits(max_size=20, initial_size=20)
        self.gate = Gate("pool", limits, self.clock)
        self.balancer = Noting(None)
        self.merits = Merits(self.clock)
        pool = Pool("pool", (Member(self.node),), self.balancer, self.gate)
        self.router = Router(
            Fixed((pool,)), clock=self.clock, redactor=Redactor(), merits=self.merits
        )

    async def ask(self, *symbols, seconds=5.0, priority=Priority.INTERACTIVE):
        with requesting(priority=priority):
            deadline = Deadline.within(seconds, self.clock)
            return await self.router.fetch(QuotesQuery(symbols=symbols), deadline)


async def overtaken(bench):
    """What somebody hears whose turn at the quota a more urgent question took."""
    await bench.ask(FIRST)
    await asyncio.sleep(57)
    patient = asyncio.create_task(bench.ask(SECOND, priority=Priority.BATCH))
    await asyncio.sleep(1)
    assert (await bench.ask(THIRD)).found[THIRD].source == "m"
    (outcome,) = await asyncio.gather(patient, return_exceptions=True)
    return outcome


def test_who_waits_for_the_quota_in_vain_costs_the_node_and_its_pool_nothing():
    async def main():
        bench = Bench(Metered(RunningClock(), calls_per_minute=1))
        merit = bench.merits.merit(bench.node, "quotes", 0.0)
        outcome = await overtaken(bench)
        assert isinstance(outcome, GatewayError)
        (attempt,) = outcome.attempts
        assert attempt.reason == "its quota left no room within 5.0 s"
        assert len(bench.node.source.asked) == 2
        assert bench.gate.figures().size == 20, "no sign that the node cannot keep up"
        assert bench.node.counters.failures == 0
        assert not bench.node.all_cooling
        assert not bench.node.health.suspect
        status = bench.node.health.status
        assert (status.breaker, status.failures, status.slow) == ("closed", 0, 0)
        assert bench.balancer.told == [True, True, "gave up"]
        assert bench.merits.merit(bench.node, "quotes", 0.0) == pytest.approx(merit, rel=0.3)

    run(main())


async def told(subject, *symbols, seconds, priority=Priority.INTERACTIVE):
    """What the node notes for somebody who waits so long."""
    reply, clock = Reply(), subject.source.clock
    with requesting(priority=priority, deadline=Deadline.within(seconds, clock)):
        asking = asyncio.ensure_future(subject.ask(QuotesQuery(symbols=symbols), reply))
        await asyncio.wait([asking], timeout=seconds)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    return reply


async def two_calls(script):
    """A question of two calls: one at once, one when the quota allows it three seconds later."""
    source = Metered(RunningClock(), (0, 0), (0, 0), *script, calls_per_minute=2)
    source.symbols_per_call = 1
    subject = node(source)
    await told(subject, FIRST, seconds=5)
    await asyncio.sleep(57)
    return source, subject


def test_what_ran_before_the_wait_is_not_counted_as_running_on():
    async def main():
        source, subject = await two_calls([])
        batch = {"seconds": 5, "priority": Priority.BATCH}
        patient = asyncio.create_task(told(subject, FIRST, SECOND, **batch))
        await asyncio.sleep(1)
        await told(subject, THIRD, seconds=3)
        reply = await patient
        assert (reply.asked, len(source.asked)) == ([FIRST], 3)
        assert reply.pauses.lasting
        assert reply.running_since == 1057
        assert reply.ran(1062) == pytest.approx(0)

    run(main())


def test_what_hangs_after_the_wait_ran_since_then():
    async def main():
        _source, subject = await two_calls([(500, 0)])
        reply = await told(subject, FIRST, SECOND, seconds=5)
        assert not reply.pauses.lasting
        assert reply.ran(1062) == pytest.approx(2)

    run(main())


def test_a_wait_for_a_free_place_is_the_nodes_own():
    async def main():
        source = Metered(RunningClock(), (500, 0), calls_per_minute=100)
        source.max_concurrency = 1
        subject = node(source)
        hung = asyncio.create_task(told(subject, FIRST, seconds=10))
        await turns()
        reply = await told(subject, SECOND, seconds=5)
        assert not reply.pauses.lasting
        assert reply.pauses.seconds(0) == 0
        await hung

    run(main())


STEPS = st.lists(
    st.tuples(st.sampled_from(("begin", "hold", "free", "end")), st.integers(0, 2), st.floats(0, 9))
)


@given(STEPS, st.floats(0, 50))
def test_a_pause_is_when_every_part_is_held(steps, since):
    """The same, counted tick by tick."""
    pauses, parts, now, expected = Pauses(), {}, 0.0, 0.0
    for what, part, seconds in steps:
        if what == "begin":
            parts.setdefault(part, False)
            pauses.begin(part, now)
        elif part in parts and what == "end":
            del parts[part]
            pauses.end(part, now)
        elif part in parts:
            parts[part] = what == "hold"
            pauses.hold(part, now, held=parts[part])
        paused = bool(parts) and all(parts.values())
        assert pauses.lasting is paused
        if paused:
            expected += max(0.0, now + seconds - max(now, since))
        now += seconds
    lasted = pauses.lasting
    pauses.stop(now)
    pauses.begin("late", now + 1)
    pauses.hold("late", now + 1)
    pauses.end("late", now + 9)
    assert pauses.lasting is lasted
    assert pauses.seconds(since) == pytest.approx(expected)
