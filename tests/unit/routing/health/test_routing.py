"""What the router makes of nodes' health: who is passed over, who is asked all the same."""

import asyncio
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.clock import RunningClock, TestClock
from support.sources import Fixed, Scripted, lone, node, symbols

from argus_core import (
    Balancer,
    NotOffered,
    PermissionDenied,
    Preparing,
    QuotesQuery,
    SourceTimeout,
    SourceUnavailable,
    Throttled,
)
from argus_core.errors import AllSourcesFailed
from argus_core.model.ask import Deadline
from argus_core.routing.health.breaker import IN_A_ROW
from argus_core.routing.pool import Member, Pool
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

(A,) = symbols("600519.SH")
pytestmark = pytest.mark.virtual

QUERY = QuotesQuery(symbols=(A,))


class First(Balancer):
    """The first of the candidates, by name."""

    def pick(self, candidates):
        return min(candidates, key=lambda candidate: candidate.name)


@pytest.fixture
def clock():
    return TestClock()


def pool(*nodes):
    return Pool("pool", tuple(Member(n) for n in nodes), First(Random(0)))


def router(clock, *pools):
    return Router(Fixed(pools), clock=clock, redactor=Redactor())


def ask(clock, seconds=5.0):
    return Deadline.within(seconds, clock)


def ejected(made, clock):
    """A node whose breaker is open and whose cool-down is over."""
    for _ in range(IN_A_ROW):
        permit = made.health.permit(heedless=True)
        made.health.judge(permit, SourceUnavailable("x"), answered=False, ran=0.1, had=1.0)
        permit.end()
    assert made.health.breaker.state == "open"
    return made


def nodes(clock, *names):
    return [node(Scripted(name, clock)) for name in names]


async def test_an_ejected_node_is_passed_over_and_the_trace_says_so(clock):
    a, b = nodes(clock, "a", "b")
    ejected(a, clock)
    routed = await router(clock, pool(a, b)).fetch(QUERY, ask(clock))
    assert routed.found[A].source == "b"
    assert a.source.asked == []
    (skip,) = routed.trace.skipped
    assert (skip.source, skip.pool) == ("a", "pool")
    assert skip.reason.startswith("ejected for another ")


async def test_below_half_all_nodes_of_the_last_pool_are_asked(clock):
    a, b, c = nodes(clock, "a", "b", "c")
    ejected(a, clock)
    ejected(b, clock)
    routed = await router(clock, pool(a, b, c)).fetch(QUERY, ask(clock))
    assert routed.found[A].source == "a", "health is ignored"
    (step,) = routed.trace.steps
    assert step == "pool: too few of its nodes are well, so ejected ones are asked too"


async def test_where_a_later_pool_can_answer_the_sick_one_is_spared(clock):
    a, b, far = nodes(clock, "a", "b", "far")
    ejected(a, clock)
    ejected(b, clock)
    routed = await router(clock, pool(a, b), *lone(far)).fetch(QUERY, ask(clock))
    assert routed.found[A].source == "far"
    assert [s.source for s in routed.trace.skipped] == ["a", "b"]


async def test_the_last_node_is_always_asked(clock):
    (a,) = nodes(clock, "a")
    ejected(a, clock)
    routed = await router(clock, *lone(a)).fetch(QUERY, ask(clock))
    assert routed.found[A].source == "a"


async def test_a_spared_node_is_asked_when_the_others_failed_after_all(clock):
    a, far = nodes(clock, "a", "far")
    ejected(a, clock)
    far.source.script = [Throttled("x")]
    routed = await router(clock, *lone(a, far)).fetch(QUERY, ask(clock))
    assert routed.found[A].source == "a"
    assert [x.source for x in routed.trace.attempts] == ["far", "a"]


async def test_an_ejected_node_further_down_is_nobody_to_go_to(clock):
    a, b = nodes(clock, "a", "b")
    ejected(a, clock)
    ejected(b, clock)
    routed = await router(clock, *lone(a, b)).fetch(QUERY, ask(clock))
    assert [x.source for x in routed.trace.attempts] == ["a"]
    assert routed.trace.skipped == []


@pytest.mark.parametrize(
    "error", [Throttled("x"), PermissionDenied("x"), Preparing("x"), NotOffered("x")]
)
async def test_refusals_and_work_in_progress_do_not_count(clock, error):
    a, b = nodes(clock, "a", "b")
    a.source.script = [error]
    for _ in range(IN_A_ROW + 1):
        assert (await router(clock, pool(a, b)).fetch(QUERY, ask(clock))).found[A].source == "b"
        clock.advance(3601)
    assert len(a.source.asked) == IN_A_ROW + 1
    assert a.health.breaker.state == "closed"
    assert a.health.breaker.total.failures == 0


async def test_what_a_spared_node_might_have_had_is_not_surely_absent(clock):
    a, far = nodes(clock, "a", "far")
    far.source.script = [{A}]
    assert (await router(clock, *lone(far)).fetch(QUERY, ask(clock))).unsure == set()
    ejected(a, clock)
    routed = await router(clock, *lone(a, far)).fetch(QUERY, ask(clock))
    assert set(routed.absent) == {A}
    assert routed.unsure == {A}


async def test_a_sick_node_comes_last_in_a_desperate_round(clock):
    a, b, far = nodes(clock, "a", "b", "far")
    ejected(a, clock)
    b.failed("quotes:stock", SourceTimeout("x"))
    far.source.script = [Throttled("x")]
    routed = await router(clock, pool(a, b), *lone(far)).fetch(QUERY, ask(clock))
    assert [x.source for x in routed.trace.attempts] == ["far", "b"]


async def test_down_and_cooling_nodes_are_not_well(clock):
    a, b, c = nodes(clock, "a", "b", "c")
    ejected(a, clock)
    b.down = "refused"
    routed = await router(clock, pool(a, b, c)).fetch(QUERY, ask(clock))
    assert routed.found[A].source == "a", "one of three is well"


async def test_one_request_at_a_time_finds_out_how_a_node_is(clock):
    a, b = nodes(clock, "a", "b")
    ejected(a, clock)
    clock.advance(40)
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(query):
        a.source.asked.append(query.keys)
        entered.set()
        await leave.wait()
        return [a.source.quote(s) for s in query.symbols]

    a.source.quotes = slow
    made = router(clock, pool(a, b))
    probe = asyncio.create_task(made.fetch(QUERY, ask(clock)))
    await entered.wait()
    others = await asyncio.gather(*(made.fetch(QUERY, ask(clock)) for _ in range(5)))
    assert {o.found[A].source for o in others} == {"b"}
    assert others[0].trace.skipped[0].reason.startswith("on trial")
    leave.set()
    assert (await probe).found[A].source == "a"
    assert len(a.source.asked) == 1
    assert (await made.fetch(QUERY, ask(clock))).found[A].source == "a"
    assert a.health.breaker.state == "closed"


async def test_a_cancelled_probe_returns_its_permit(clock):
    a, b = nodes(clock, "a", "b")
    ejected(a, clock)
    clock.advance(40)
    a.source.script = [60, None]
    made = router(clock, pool(a, b))
    probe = asyncio.create_task(made.fetch(QUERY, ask(clock, 30)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert a.source.asked
    assert a.health.breaker.probing
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert not a.health.breaker.probing
    assert a.in_flight == a.load == 0
    assert (await made.fetch(QUERY, ask(clock))).found[A].source == "a"


async def test_a_call_that_used_up_its_time_is_slow_and_a_hasty_one_is_not():
    clock = RunningClock()
    (a,) = nodes(clock, "a")
    for ran, had, slow in ((0.5, 0.5, 0), (2.0, 10.0, 0), (2.0, 2.4, 1)):
        permit = a.health.permit()
        a.health.judge(permit, None, answered=True, ran=ran, had=had)
        permit.end()
        assert a.health.breaker.total.slow == slow


class Traffic(RuleBasedStateMachine):
    """Three nodes of one pool and one beyond it, under requests, failures and time."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = TestClock()
        self.near = nodes(self.clock, "a", "b", "c")
        (self.far,) = nodes(self.clock, "far")
        self.made = router(self.clock, pool(*self.near), *lone(self.far))
        self.alone = router(self.clock, pool(*self.near))
        self.waiting = []

    @property
    def all(self):
        return (*self.near, self.far)

    @rule(which=st.integers(0, 3), how=st.sampled_from([None, "fail", "throttle", "hang"]))
    def becomes(self, which, how):
        steps = {
            None: None,
            "fail": SourceUnavailable("x"),
            "throttle": Throttled("x", retry_after=20),
            "hang": 1000,
        }
        self.all[which].source.script = [steps[how]]

    @rule(seconds=st.sampled_from([1, 6, 12, 35, 400]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @precondition(lambda self: not any(n.source.script == [1000] for n in self.all))
    @rule(alone=st.booleans())
    def request(self, alone):
        out = {n.name for n in self.near if n.health.breaker.state == "open"}
        spare = self.far.ready(QUERY) and self.far.health.available
        works = any(n.source.script in ([], [None]) for n in (self.near if alone else self.all))
        allowed = any(
            n.source.script in ([], [None]) and n.ready(QUERY, desperate=True)
            for n in (self.near if alone else self.all)
        )
        before = {n.name: len(n.source.asked) for n in self.all}
        # Deadlines stand still on this clock, so the pauses between rounds are the only wait.
        fetching = (self.alone if alone else self.made).fetch(QUERY, ask(self.clock, 0.05))
        task = self.loop.create_task(fetching)
        self.loop.run_until_complete(asyncio.wait([task]))
        routed = task.exception() or task.result()
        if isinstance(routed, Exception):
            assert isinstance(routed, AllSourcesFailed)
            assert not (works and allowed), "one that works was never asked"
            assert routed.retry_after >= 1
            return
        asked = {n.name for n in self.all if len(n.source.asked) > before[n.name]}
        answered = routed.found[A].source
        tried_far = self.far.name in asked
        if not alone and spare and answered == self.far.name:
            assert not (asked & out), "ejected ones are spared while others can answer"
        if not alone and spare and not tried_far:
            assert answered not in out

    @rule()
    def begin(self):
        self.waiting.append(self.loop.create_task(self.made.fetch(QUERY, ask(self.clock, 500))))
        self.loop.run_until_complete(asyncio.sleep(0))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data):
        task = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(task)
        task.cancel()
        self.loop.run_until_complete(asyncio.wait([task]))
        if not task.cancelled():
            task.exception()

    @invariant()
    def nothing_is_taken_at_rest(self):
        if not self.waiting:
            assert [n.in_flight for n in self.all] == [0, 0, 0, 0]
            assert not any(n.health.breaker.probing for n in self.all)

    def teardown(self):
        for task in self.waiting:
            task.cancel()
        if self.waiting:
            self.loop.run_until_complete(asyncio.wait(self.waiting))
            for task in self.waiting:
                if not task.cancelled():
                    task.exception()
        self.waiting.clear()
        self.nothing_is_taken_at_rest()
        self.loop.close()


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
