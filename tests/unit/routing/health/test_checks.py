"""Active checks: whom they ask and when, what they end, and what they never do."""

import asyncio
from itertools import pairwise
from random import Random

import pytest
from support.clock import TestClock
from support.sources import Fixed, Scripted, lone, node, symbols

from argus_core import (
    LoginFailed,
    QuotesQuery,
    SourceTimeout,
    SourceUnavailable,
    Throttled,
)
from argus_core.errors import UnknownSymbol
from argus_core.model.ask import Deadline
from argus_core.routing.health import checks as module
from argus_core.routing.health.breaker import IN_A_ROW
from argus_core.routing.health.checks import FALL, LONGEST_PAUSE, Checks
from argus_core.routing.node import EVERYTHING, HASTY_IN_A_ROW, Node, Reply
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

(A,) = symbols("600519.SH")
QUERY = QuotesQuery(symbols=(A,))
INTERVAL = 30.0


class Pinged(Scripted):
    """Answers pings by script too: an exception, seconds to hang, or None."""

    def __init__(self, name, clock, *script):
        super().__init__(name, clock, *script)
        self.pings: list[float] = []
        self.answer = None
        self.opening = None
        self.life = []

    async def ping(self):
        self.pings.append(self.clock.monotonic())
        if isinstance(self.answer, BaseException):
            raise self.answer
        if self.answer is not None:
            await asyncio.sleep(self.answer)

    async def open(self):
        self.life.append("open")
        if self.opening is not None:
            raise self.opening

    async def close(self):
        self.life.append("close")


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def source(clock):
    return Pinged("one", clock)


@pytest.fixture
def subject(source, clock, told):
    return Node(
        source,
        plugin="scripted",
        clock=clock,
        random=Random(0),
        tell=lambda name, event, message: told.append((name, event, message)),
    )


@pytest.fixture
def checks(subject, clock):
    return Checks(lambda: [subject], interval=lambda _name: INTERVAL, clock=clock, random=Random(0))


async def passes(checks, clock, seconds, step=0.25):
    """Let time pass as the chore would see it."""
    for _ in range(int(seconds / step)):
        clock.advance(step)
        checks.sweep()
        while checks.running:
            await asyncio.wait(checks.running, timeout=1)


async def vouched(checks, clock, subject):
    await passes(checks, clock, 2)
    assert subject.health.vouched


class TestWhen:
    async def test_an_idle_node_is_asked_once_an_interval_with_jitter(self, checks, clock, source):
        await passes(checks, clock, 20 * INTERVAL)
        gaps = {b - a for a, b in pairwise(source.pings)}
        assert len(source.pings) in range(18, 23)
        assert len(gaps) > 5
        assert all(0.9 * INTERVAL <= gap <= 1.1 * INTERVAL + 0.25 for gap in gaps)

    async def test_no_check_while_requests_prove_the_node_well(
        self, checks, clock, source, subject
    ):
        await passes(checks, clock, 2)
        for _ in range(10):
            subject.succeeded("quotes:stock")
            await passes(checks, clock, INTERVAL / 2)
        assert len(source.pings) == 1

    async def test_no_check_while_a_request_is_under_way(self, checks, clock, source, subject):
        source.script = [60]
        asking = asyncio.create_task(subject.ask(QUERY, Reply()))
        await asyncio.sleep(0)
        await passes(checks, clock, 2 * INTERVAL)
        assert source.pings == []
        asking.cancel()

    async def test_a_source_without_a_ping_of_its_own_is_not_asked(self, clock):
        plain = node(Scripted("plain", clock))
        made = Checks(lambda: [plain], interval=lambda _: 1.0, clock=clock, random=Random(0))
        await passes(made, clock, 5)
        assert plain.health.checked is None
        assert not plain.health.vouched

    async def test_metered_accounts_are_asked_only_while_they_are_out(
        self, checks, clock, source, subject
    ):
        source.calls_per_minute = 50
        await passes(checks, clock, 5 * INTERVAL)
        assert source.pings == []
        subject.health.vouched = True
        subject.failed(EVERYTHING, SourceUnavailable("x"))
        await passes(checks, clock, 4)
        assert source.pings == [], "not before the cool-down's own time is over"
        await passes(checks, clock, 3)
        assert len(source.pings) == 1, "one good answer is enough"
        assert subject.ready(QUERY)

    async def test_one_check_at_a_time(self, checks, clock, source):
        source.answer = 1000
        for _ in range(20):
            clock.advance(INTERVAL)
            checks.sweep()
            await asyncio.sleep(0)
        assert len(source.pings) == 1
        for task in checks.running:
            task.cancel()

    async def test_a_node_that_is_gone_is_forgotten(self, clock, source, subject):
        nodes = [subject]
        made = Checks(lambda: nodes, interval=lambda _: INTERVAL, clock=clock, random=Random(0))
        source.answer = 1000
        clock.advance(2)
        made.sweep()
        clock.advance(2)
        made.sweep()
        await asyncio.sleep(0)
        (task,) = made.running
        nodes.clear()
        made.sweep()
        await asyncio.wait([task])
        assert task.cancelled()
        assert made.running == ()


class TestFall:
    async def test_three_bad_checks_put_a_node_out_and_two_good_ones_bring_it_back(
        self, checks, clock, source, subject, told
    ):
        await vouched(checks, clock, subject)
        source.answer = SourceUnavailable("gone")
        asked = len(source.pings)
        while len(source.pings) - asked < FALL:
            assert subject.ready(QUERY)
            await passes(checks, clock, 0.25)
        assert clock.monotonic() < 1000 + 1.1 * INTERVAL + 1 + 2 + 4 + 3, "soon after the first"
        assert subject.ready(QUERY) == ()
        cooling = subject.cooling(EVERYTHING)
        assert cooling is not None
        await passes(checks, clock, 60)
        assert subject.ready(QUERY) == (), "time alone does not bring it back"
        assert cooling.why(clock.monotonic()).startswith("waiting for a good check")
        source.answer = None
        await passes(checks, clock, LONGEST_PAUSE + 2)
        assert subject.ready(QUERY) == (A,)
        assert subject.health.ramp < 1, "and slowly"
        assert [event for _, event, _ in told] == ["checked", "cooling", "checked", "recovered"]
        assert subject.counters.failures == 0, "no request failed"

    async def test_one_bad_check_does_nothing_to_a_node_that_is_well(
        self, checks, clock, source, subject
    ):
        await vouched(checks, clock, subject)
        source.answer = SourceUnavailable("hiccup")
        await checks.check(subject)
        source.answer = None
        await passes(checks, clock, 5 * INTERVAL)
        assert subject.cooling(EVERYTHING) is None

    async def test_a_ping_that_was_never_good_proves_nothing(self, checks, clock, source, subject):
        source.answer = RuntimeError("a mistake in the plugin")
        await passes(checks, clock, 10 * INTERVAL)
        assert subject.ready(QUERY) == (A,)
        assert subject.health.status.check_ok is False

    @pytest.mark.parametrize("refusal", [Throttled("x"), UnknownSymbol("x")])
    async def test_a_refusal_is_an_answer(self, checks, clock, source, subject, refusal):
        source.answer = refusal
        await passes(checks, clock, 2)
        assert subject.health.checked.ok

    async def test_a_hanging_ping_ends_in_time(self, checks, source, subject, monkeypatch):
        monkeypatch.setattr(module, "PATIENCE", 0.01)
        source.answer = 1000
        checked = await checks.check(subject)
        assert (checked.ok, checked.error) == (False, "TIMEOUT")

    async def test_a_refused_login_is_not_tried_again_before_its_time(
        self, checks, clock, source, subject
    ):
        await vouched(checks, clock, subject)
        source.answer = LoginFailed("expired")
        subject.failed(EVERYTHING, SourceUnavailable("x"))
        await passes(checks, clock, 10)
        asked = len(source.pings)
        await passes(checks, clock, 280)
        assert len(source.pings) == asked
        assert subject.ready(QUERY, desperate=True) == ()
        await passes(checks, clock, 30)
        assert len(source.pings) == asked + 1


class TestRecovery:
    async def test_after_a_hang_no_request_pays_for_finding_out(self, clock, source, subject):
        """A cool-down ends by a check, not by the next request, while others can answer."""
        other = node(Scripted("other", clock))
        checks = Checks(
            lambda: [subject, other], interval=lambda _: INTERVAL, clock=clock, random=Random(0)
        )
        await vouched(checks, clock, subject)
        router = Router(Fixed(lone(subject, other)), clock=clock, redactor=Redactor())
        source.answer = SourceTimeout("still hanging")
        subject.failed(EVERYTHING, SourceTimeout("no answer"))
        for _ in range(60):
            await passes(checks, clock, 1)
            await router.fetch(QUERY, Deadline.within(5, clock))
        assert source.asked == []
        source.answer = None
        await passes(checks, clock, LONGEST_PAUSE + 2)
        await router.fetch(QUERY, Deadline.within(5, clock))
        assert source.asked == [(A,)]

    async def test_good_checks_from_before_the_failure_do_not_count(
        self, checks, clock, source, subject
    ):
        await passes(checks, clock, 3 * INTERVAL)
        subject.failed(EVERYTHING, SourceUnavailable("x"))
        asked = len(source.pings)
        while len(source.pings) == asked:
            await passes(checks, clock, 0.25)
        assert clock.monotonic() < 1000 + 3 * INTERVAL + 2
        assert subject.ready(QUERY) == (), "one is not enough"
        await passes(checks, clock, 1.5)
        assert subject.ready(QUERY) == (A,)

    async def test_an_ejected_node_goes_on_trial_after_good_checks(
        self, checks, clock, source, subject
    ):
        await vouched(checks, clock, subject)
        for _ in range(IN_A_ROW):
            permit = subject.health.permit()
            permit.failed()
            permit.end()
        await passes(checks, clock, 3)
        assert subject.health.breaker.state == "half_open"
        subject.health.permit().failed()
        asked = len(source.pings)
        await passes(checks, clock, 20)
        assert subject.health.breaker.state == "open", "now only time helps"
        assert len(source.pings) == asked

    async def test_calls_in_a_hurry_call_for_a_check_instead_of_a_cool_down(
        self, checks, clock, source, subject
    ):
        await vouched(checks, clock, subject)
        late = SourceTimeout("late")
        for _ in range(2 * HASTY_IN_A_ROW):
            assert not subject.timed_out(late, Reply(running_since=clock.monotonic()))
        assert subject.cooling(EVERYTHING) is None
        asked = len(source.pings)
        await passes(checks, clock, 2)
        assert len(source.pings) == asked + 1
        assert not subject.health.suspect, "it is well: the callers were in a hurry"
        source.answer = SourceTimeout("hangs")
        for _ in range(HASTY_IN_A_ROW):
            subject.timed_out(late, Reply(running_since=clock.monotonic()))
        await passes(checks, clock, 2)
        assert subject.cooling(EVERYTHING) is not None, "one bad check confirms the suspicion"

    async def test_a_source_that_did_not_open_is_opened_again_with_growing_pauses(
        self, checks, clock, source, subject, told
    ):
        subject.down, subject.reopens = "refused", True
        source.opening = OSError("still refused")
        times = []
        for _ in range(800):
            before = len(source.life)
            await passes(checks, clock, 1, step=1)
            if len(source.life) > before:
                times.append(clock.monotonic())
        gaps = [b - a for a, b in pairwise(times)]
        expected = [10, 20, 40, 80, 160, 300]
        assert all(0.9 * e - 1 <= g <= 1.1 * e + 1 for g, e in zip(gaps, expected, strict=False)), (
            gaps
        )
        assert source.life[:4] == ["close", "open", "close", "open"]
        source.opening = None
        await passes(checks, clock, 331, step=1)
        assert subject.down is None
        assert subject.ready(QUERY) == (A,)
        assert told == [("one", "recovered", "it could be opened")]

    async def test_one_that_could_not_even_be_built_or_is_off_is_left_alone(
        self, checks, clock, source, subject
    ):
        subject.down = "there is no such plugin"
        await passes(checks, clock, 100, step=1)
        subject.reopens, subject.off = True, "switched off"
        await passes(checks, clock, 100, step=1)
        assert source.life == []
        subject.down = None
        await passes(checks, clock, 100, step=1)
        assert source.pings == []


async def test_the_chore_ends_with_what_it_began(checks, clock, source):
    source.answer = 1000
    clock.advance(2)
    chore = asyncio.create_task(checks.run())
    await asyncio.sleep(0)
    clock.advance(2)
    checks.sweep()
    await asyncio.sleep(0)
    assert checks.running
    chore.cancel()
    with pytest.raises(asyncio.CancelledError):
        await chore
    assert checks.running == ()


async def test_a_time_out_of_the_plugins_own_is_no_silence_of_three_seconds(
    checks, source, subject, monkeypatch
):
    source.answer = TimeoutError("the package's own patience")
    assert (await checks.check(subject)).error == SourceUnavailable.code
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    source.answer = 60
    assert (await checks.check(subject)).error == SourceTimeout.code
