"""The router's promises: order, failover, blame, completion, deadline."""

import asyncio
import math
import threading

import pytest
from support.clock import RunningClock, TestClock
from support.sources import Fixed, Scripted, lone, node, symbols

from argus_core import (
    BadData,
    Balancer,
    Exchange,
    LoginFailed,
    NotOffered,
    PermissionDenied,
    QuotesQuery,
    SourceTimeout,
    SourceUnavailable,
    Throttled,
)
from argus_core.errors import AllSourcesFailed, DeadlineExceeded
from argus_core.model.ask import Deadline
from argus_core.routing.node import HASTY_IN_A_ROW
from argus_core.routing.pool import Pool
from argus_core.routing.router import MAX_ROUNDS, Router
from argus_core.telemetry.redact import Redactor

A, B, C = symbols("600519.SH", "000001.SZ", "600000.SH")


@pytest.fixture
def clock():
    return TestClock()


def router(clock, *sources, secrets=()):
    nodes = [node(source) for source in sources]
    made = Router(Fixed(lone(*nodes)), clock=clock, redactor=Redactor(secrets))
    return made, nodes


def ask(clock, seconds=5.0):
    return Deadline.within(seconds, clock)


async def test_the_first_source_answers_and_the_second_is_not_asked(clock):
    first, second = Scripted("one", clock), Scripted("two", clock)
    made, _ = router(clock, first, second)
    routed = await made.fetch(QuotesQuery(symbols=(A, B)), ask(clock))
    assert {key: found.source for key, found in routed.found.items()} == {A: "one", B: "one"}
    assert routed.found[A].value.price == 1700.0
    assert routed.found[A].fetched_at == clock.now()
    assert not routed.found[A].simulated
    assert second.asked == []
    assert routed.trace.route == ("one", "two")
    (attempt,) = routed.trace.attempts
    assert (attempt.source, attempt.pool, attempt.asked, attempt.answered) == ("one", "one", 2, 2)
    assert attempt.error is None
    assert attempt.reason is None


@pytest.mark.parametrize(
    ("error", "code", "seconds", "whole"),
    [
        (SourceUnavailable("refused"), "SERVICE_UNAVAILABLE", 5, True),
        (Throttled("too fast"), "RATE_LIMIT_EXCEEDED", 60, False),
        (Throttled("too fast", retry_after=7), "RATE_LIMIT_EXCEEDED", 7, False),
        (PermissionDenied("no"), "FORBIDDEN", 3600, False),
        (LoginFailed("token"), "UNAUTHORIZED", 300, True),
        (BadData("html"), "BAD_DATA", 30, False),
        (RuntimeError("boom"), "SERVICE_UNAVAILABLE", 5, True),
    ],
)
async def test_a_source_fault_fails_over_and_cools_down_as_its_class_says(
    clock, error, code, seconds, whole
):
    first, second = Scripted("one", clock, error), Scripted("two", clock)
    made, nodes = router(clock, first, second)
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert routed.found[A].source == "two"
    assert [(a.source, a.error) for a in routed.trace.attempts] == [("one", code), ("two", None)]
    assert nodes[0].counters.failures == 1
    assert nodes[0].counters.last_error == code

    await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert len(first.asked) == 1, "a cooling source is passed over"
    other = nodes[0].cooling("bars:1d:stock")
    assert (other is not None) is whole, "the cool-down covers what the class says"
    clock.advance(seconds - 0.5)
    again = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert len(first.asked) == 1
    (skip,) = again.trace.skipped
    assert skip.source == "one"
    assert skip.reason == f"cooling down 1 s after {code}"
    clock.advance(1)
    first.script = [None]
    assert (await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))).found[A].source == "one"
    assert nodes[0].cooling("quotes:stock") is None


async def test_a_success_ends_the_cool_down(clock):
    first = Scripted("one", clock, SourceUnavailable("x"), None)
    made, nodes = router(clock, first)
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert routed.found[A].source == "one"
    assert nodes[0].cooling("quotes:stock") is None
    assert nodes[0].counters.last_ok_at == clock.now()


async def test_missing_symbols_come_from_the_next_source(clock):
    first, second = Scripted("one", clock, {B}), Scripted("two", clock)
    made, nodes = router(clock, first, second)
    routed = await made.fetch(QuotesQuery(symbols=(A, B, C)), ask(clock))
    assert {k: f.source for k, f in routed.found.items()} == {A: "one", B: "two", C: "one"}
    assert second.asked == [(B,)]
    assert nodes[0].counters.failures == 0, "not having a symbol is no fault"


async def test_a_symbol_that_nobody_has_is_absent_and_not_an_error(clock):
    made, _ = router(clock, Scripted("one", clock, {B}), Scripted("two", clock, {B}))
    routed = await made.fetch(QuotesQuery(symbols=(A, B)), ask(clock))
    assert {k: f.source for k, f in routed.absent.items()} == {B: "one"}
    assert routed.failures == {}


async def test_absence_said_by_a_working_source_stands_when_the_other_is_down(clock):
    first = Scripted("one", clock, SourceUnavailable("down"))
    made, _ = router(clock, first, Scripted("two", clock, {A}))
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert {k: f.source for k, f in routed.absent.items()} == {A: "two"}
    assert len(first.asked) == 1, "absence is an answer: no second round"


async def test_all_down_tries_three_rounds_then_says_who_failed(clock):
    first = Scripted("one", clock, SourceUnavailable("down"))
    second = Scripted("two", clock, SourceUnavailable("down"))
    made, _ = router(clock, first, second)
    with pytest.raises(AllSourcesFailed) as caught:
        await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert len(first.asked) == len(second.asked) == MAX_ROUNDS == 3
    assert [a.source for a in caught.value.attempts] == ["one", "two"] * 3
    assert caught.value.retry_after == 5
    assert caught.value.code == "SERVICE_UNAVAILABLE"


@pytest.mark.parametrize("error", [Throttled("x"), PermissionDenied("x"), LoginFailed("x")])
async def test_a_refusal_is_not_asked_again_not_even_as_a_last_resort(clock, error):
    first = Scripted("one", clock, error)
    made, _ = router(clock, first)
    for _ in range(2):
        with pytest.raises(AllSourcesFailed):
            await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert len(first.asked) == 1


async def test_bad_data_is_not_asked_again_at_once_but_stays_a_last_resort(clock):
    first = Scripted("one", clock, BadData("html"))
    made, _ = router(clock, first)
    with pytest.raises(AllSourcesFailed):
        await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert len(first.asked) == 1
    first.script = [None]
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert routed.found[A].source == "one"


async def test_the_last_resort_is_taken_at_once_when_every_node_cools_down(clock):
    first = Scripted("one", clock, SourceUnavailable("down"), None)
    made, nodes = router(clock, first)
    nodes[0].failed("quotes:stock", SourceUnavailable("before"))
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert routed.found[A].source == "one"


async def test_retry_after_is_that_of_the_first_node_to_return(clock):
    first = Scripted("one", clock, Throttled("x", retry_after=40))
    second = Scripted("two", clock, Throttled("x", retry_after=12.2))
    made, _ = router(clock, first, second)
    with pytest.raises(AllSourcesFailed) as caught:
        await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert caught.value.retry_after == math.ceil(12.2)


@pytest.mark.virtual
async def test_a_hang_leaves_time_for_the_next_source(clock):
    first, second = Scripted("one", clock, 30), Scripted("two", clock)
    made, nodes = router(clock, first, second)
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock, 0.2))
    assert routed.found[A].source == "two"
    assert routed.trace.attempts[0].error == "TIMEOUT"
    assert nodes[0].cooling("quotes:stock") is None, "0.1 s is no fair chance: no blame"


@pytest.mark.virtual
async def test_a_fair_time_out_is_blamed(monkeypatch):
    monkeypatch.setattr("argus_core.routing.node.FAIR_CHANCE", 0.05)
    clock = RunningClock()
    made, nodes = router(clock, Scripted("one", clock, 30), Scripted("two", clock))
    await made.fetch(QuotesQuery(symbols=(A,)), ask(clock, 0.2))
    cooling = nodes[0].cooling("bars:1d:stock")
    assert isinstance(cooling.error, SourceTimeout)


@pytest.mark.virtual
async def test_three_hasty_time_outs_in_a_row_are_blamed_all_the_same(clock):
    first, second = Scripted("one", clock, 30), Scripted("two", clock)
    made, nodes = router(clock, first, second)
    for asked in range(HASTY_IN_A_ROW):
        assert nodes[0].cooling("quotes:stock") is None
        await made.fetch(QuotesQuery(symbols=(A,)), ask(clock, 0.1))
        assert len(first.asked) == asked + 1
    assert nodes[0].cooling("quotes:stock") is not None
    first.script = [30, None, 30, 30]
    clock.advance(60)
    for _ in range(4):
        await made.fetch(QuotesQuery(symbols=(A,)), ask(clock, 0.1))
    assert nodes[0].cooling("quotes:stock") is None, "a success in between forgives"


@pytest.mark.virtual
async def test_waiting_for_a_free_place_is_not_the_vendors_fault(monkeypatch):
    monkeypatch.setattr("argus_core.routing.node.FAIR_CHANCE", 0.3)
    clock = RunningClock()
    first = Scripted("one", clock, 0.2)
    first.max_concurrency = 1
    made, nodes = router(clock, first, Scripted("two", clock))
    asked = [made.fetch(QuotesQuery(symbols=(A,)), ask(clock, 0.8)) for _ in range(4)]
    routed = await asyncio.gather(*asked)
    assert {r.found[A].source for r in routed} == {"one", "two"}
    assert nodes[0].cooling("quotes:stock") is None


async def test_a_plugin_that_cancels_its_own_call_is_a_failing_source(clock):
    def give_up(_query):
        raise asyncio.CancelledError

    first = Scripted("one", clock, give_up)
    made, _ = router(clock, first, Scripted("two", clock))
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert routed.found[A].source == "two"
    assert routed.trace.attempts[0].error == "SERVICE_UNAVAILABLE"
    assert len(first.asked) == 1


async def test_a_generator_is_read_in_the_thread_and_a_returned_coroutine_awaited(clock):
    class Lazy(Scripted):
        def quotes(self, query):
            self.thread = threading.current_thread()
            for symbol in query.symbols:
                self.thread = threading.current_thread()
                yield self.quote(symbol)

    class Indirect(Scripted):
        def quotes(self, query):
            return Scripted.quotes(self, query)

    for kind in (Lazy, Indirect):
        source = kind("one", clock)
        made, _ = router(clock, source)
        assert A in (await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))).found
        if kind is Lazy:
            assert source.thread is not threading.main_thread()


async def test_a_cooling_kind_beside_a_healthy_one_still_gets_its_last_resort(clock):
    (index,) = symbols("000300.SH")
    first = Scripted("one", clock)
    made, nodes = router(clock, first)
    nodes[0].failed("quotes:index", BadData("before"))
    routed = await made.fetch(QuotesQuery(symbols=(A, index)), ask(clock))
    assert set(routed.found) == {A, index}


async def test_a_decline_beside_a_cooling_source_is_no_refusal(clock):
    first = Scripted("one", clock, NotOffered("no"))
    second = Scripted("two", clock)
    made, nodes = router(clock, first, second)
    nodes[1].failed("quotes:stock", Throttled("x", retry_after=30))
    with pytest.raises(AllSourcesFailed) as caught:
        await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert caught.value.retry_after == 30


@pytest.mark.parametrize("seconds", [math.inf, math.nan, -1.0])
def test_a_vendors_impossible_wait_is_ignored(seconds):
    assert Throttled("x", retry_after=seconds).cool_seconds == 60
    assert Throttled("x", retry_after=1e9).cool_seconds == 86400


@pytest.mark.virtual
async def test_the_deadline_itself_is_a_504():
    running = RunningClock()
    made, _ = router(running, Scripted("one", running, 30), Scripted("two", running, 30))
    began = asyncio.get_running_loop().time()
    with pytest.raises(DeadlineExceeded) as caught:
        await made.fetch(QuotesQuery(symbols=(A,)), ask(running, 0.2))
    assert asyncio.get_running_loop().time() - began < 0.4
    assert [a.source for a in caught.value.attempts] == ["one", "two"]


async def test_a_caller_fault_blames_nobody_and_an_unable_source_is_skipped(clock):
    first = Scripted("one", clock, NotOffered("not this period"))
    made, nodes = router(clock, first, Scripted("two", clock))
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert routed.found[A].source == "two"
    assert nodes[0].counters.failures == 0
    assert nodes[0].cooling("quotes:stock") is None


async def test_if_every_source_declines_it_is_not_offered(clock):
    made, _ = router(clock, Scripted("one", clock, NotOffered("no")))
    with pytest.raises(NotOffered):
        await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))


async def test_markets_and_kinds_that_a_source_lacks_are_not_asked_of_it(clock):
    first, second = Scripted("one", clock), Scripted("two", clock)
    first.exchanges = frozenset({Exchange.SH})
    made, _ = router(clock, first, second)
    routed = await made.fetch(QuotesQuery(symbols=(A, B)), ask(clock))
    assert first.asked == [(A,)]
    assert routed.found[B].source == "two"
    only, _ = router(clock, first)
    with pytest.raises(NotOffered):
        await only.fetch(QuotesQuery(symbols=(B,)), ask(clock))


async def test_data_that_cannot_be_true_come_from_the_next_source(clock):
    def nonsense(query):
        from argus_core import Quote

        return [
            Quote(symbol=s, price=10.0, high=10.0, low=10.0, volume=1.0, turnover=1000.0)
            for s in query.symbols
        ]

    made, nodes = router(clock, Scripted("one", clock, nonsense), Scripted("two", clock))
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert routed.found[A].source == "two"
    assert routed.trace.attempts[0].error == "BAD_DATA"
    assert [held.symbol for held in nodes[0].quarantine.in_force] == [A]


async def test_long_lists_are_split_and_what_came_before_an_error_is_kept(clock):
    first = Scripted("one", clock, None, SourceUnavailable("reset"))
    first.symbols_per_call = 2
    second = Scripted("two", clock)
    made, _ = router(clock, first, second)
    routed = await made.fetch(QuotesQuery(symbols=(A, B, C)), ask(clock))
    assert first.asked == [(A, B), (C,)]
    assert {k: f.source for k, f in routed.found.items()} == {A: "one", B: "one", C: "two"}


async def test_a_pool_tries_its_other_nodes_before_the_route_goes_on(clock):
    from argus_core.routing.pool import Member

    broken, spare, far = (
        Scripted("broken", clock, SourceUnavailable("x")),
        Scripted("spare", clock),
        Scripted("far", clock),
    )
    nodes = [node(s) for s in (broken, spare, far)]
    pools = (
        Pool("near", (Member(nodes[0]), Member(nodes[1])), First()),
        *lone(nodes[2]),
    )
    made = Router(Fixed(pools), clock=clock, redactor=Redactor())
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert routed.found[A].source == "spare"
    assert [(a.source, a.pool) for a in routed.trace.attempts] == [
        ("broken", "near"),
        ("spare", "near"),
    ]
    assert pools[0].balancer.reports == [("broken", False), ("spare", True)]


class First(Balancer):
    """A balancer that takes the first and remembers what it was told."""

    def __init__(self):
        self.reports = []

    def pick(self, candidates):
        return candidates[0]

    def report(self, candidate, *, ok, seconds):
        assert seconds >= 0
        self.reports.append((candidate.name, ok))


async def test_a_balancer_that_picks_a_stranger_does_not_break_the_request(clock):
    from argus_core.routing.pool import Member

    class Stranger(First):
        def pick(self, candidates):
            return object()

    nodes = [node(Scripted(n, clock)) for n in ("a", "b")]
    pool = Pool("p", tuple(Member(n) for n in nodes), Stranger())
    made = Router(Fixed((pool,)), clock=clock, redactor=Redactor())
    assert (await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))).found[A].source == "a"


async def test_secrets_in_a_plugins_message_do_not_reach_the_trace(clock):
    first = Scripted("one", clock, SourceUnavailable("http://x/?token=s3cretvalue failed"))
    made, _ = router(clock, first, Scripted("two", clock), secrets=["s3cretvalue"])
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert "s3cretvalue" not in routed.trace.attempts[0].reason
    assert "***" in routed.trace.attempts[0].reason


async def test_an_unexpected_exception_is_named_by_class_only(clock):
    first = Scripted("one", clock, ValueError("the password is hunter22"))
    made, _ = router(clock, first, Scripted("two", clock))
    routed = await made.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert "hunter22" not in routed.trace.attempts[0].reason
    assert "ValueError" in routed.trace.attempts[0].reason


async def test_a_vendor_that_wants_to_end_the_process_does_not(clock):
    def leave(_query):
        raise SystemExit(1)

    routed_by, _ = router(clock, Scripted("one", clock, leave), Scripted("two", clock))
    routed = await routed_by.fetch(QuotesQuery(symbols=(A,)), ask(clock))
    assert routed.found[A].source == "two"
    assert "SystemExit" in routed.trace.attempts[0].reason


async def test_some_symbols_failing_everywhere_do_not_spoil_the_others(clock):
    first = Scripted("one", clock, None, SourceUnavailable("reset"))
    first.symbols_per_call = 1
    made, _ = router(clock, first)
    first.script = [None, Throttled("x")]
    routed = await made.fetch(QuotesQuery(symbols=(A, B)), ask(clock))
    assert set(routed.found) == {A}
    assert routed.failures[B].code == "SERVICE_UNAVAILABLE"


@pytest.mark.virtual
async def test_in_flight_is_zero_at_rest_also_after_a_cancel(clock):
    first = Scripted("one", clock, 30)
    made, nodes = router(clock, first)
    task = asyncio.create_task(made.fetch(QuotesQuery(symbols=(A,)), ask(clock)))
    await asyncio.sleep(0.01)
    assert nodes[0].in_flight == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert nodes[0].in_flight == 0
    assert nodes[0].counters.failures == 0, "the caller left: nobody is to blame"


async def test_what_a_vendor_refuses_for_one_kind_leaves_the_others_alone(clock):
    (index,) = symbols("000300.SH")

    def stocks_only(query):
        if index in query.symbols:
            raise PermissionDenied("no licence for indices")
        return [first.quote(s) for s in query.symbols]

    first, second = Scripted("one", clock, stocks_only), Scripted("two", clock)
    made, nodes = router(clock, first, second)
    routed = await made.fetch(QuotesQuery(symbols=(A, index, B)), ask(clock))
    assert {k: f.source for k, f in routed.found.items()} == {A: "one", B: "one", index: "two"}
    assert nodes[0].cooling("quotes:stock") is None
    assert nodes[0].cooling("quotes:index") is not None
    await made.fetch(QuotesQuery(symbols=(A, index)), ask(clock))
    assert first.asked[-1] == (A,), "the refused kind is not asked again, the other is"


async def test_a_key_that_nobody_covers_is_not_supported_and_spoils_nothing(clock):
    first = Scripted("one", clock)
    first.exchanges = frozenset({Exchange.SH})
    made, _ = router(clock, first)
    routed = await made.fetch(QuotesQuery(symbols=(A, B)), ask(clock))
    assert set(routed.found) == {A}
    assert routed.failures[B].code == "NOT_SUPPORTED"
    assert len(first.asked) == 1
