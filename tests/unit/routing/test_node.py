"""One node: what it serves, how it is asked, when it is passed over, what counts as in flight."""

import asyncio
import threading
from datetime import date, datetime

import pytest
from support.clock import TestClock
from support.sources import Scripted, node, symbols
from support.waiting import until

from argus_core import (
    SHANGHAI,
    BadData,
    BarsQuery,
    CalendarQuery,
    Exchange,
    FactorsQuery,
    Kind,
    LoginFailed,
    NotOffered,
    Period,
    PermissionDenied,
    Quote,
    QuotesQuery,
    SectorsQuery,
    Source,
    SourceUnavailable,
    Throttled,
    TradingDays,
)
from argus_core.routing.node import EVERYTHING, Counters, Node, Reply

A, B, C = symbols("600519.SH", "000001.SZ", "600000.SH")
(INDEX,) = symbols("000300.SH")
DAY = date(2024, 3, 15)


@pytest.fixture
def clock():
    return TestClock()


class Wide(Source):
    """Offers something of every sort of key."""

    async def bars(self, query):
        return []

    async def calendar(self, query):
        days = TradingDays(dates=(DAY,), known_through=date(2024, 12, 31))
        return dict.fromkeys(query.exchanges, days)

    async def sectors(self, query):
        return {}


class Blocking(Source):
    """A vendor whose calls block a thread until the test lets them go."""

    max_concurrency = 2

    def __init__(self, name, settings, clock):
        super().__init__(name, settings, clock)
        self.gate = threading.Event()
        self.entered = 0
        self.left = 0

    def quotes(self, query):
        self.entered += 1
        if not self.gate.wait(30):
            raise AssertionError("the test forgot this call")
        self.left += 1
        return [Quote(symbol=s, price=5.0) for s in query.symbols]


def bars(*asked, period=Period.D1):
    at = datetime(2024, 3, 15, tzinfo=SHANGHAI)
    return BarsQuery(symbols=asked, period=period, start=DAY, end=DAY, since=at, until=at)


def sick(query):
    """Quotes that cannot be true: traded, yet without a price."""
    return [Quote(symbol=s, volume=100.0) for s in query.symbols]


class TestServes:
    def test_only_what_the_class_overrides(self, clock):
        quotes = node(Scripted("one", clock))
        assert quotes.offers == {"quotes"}
        assert quotes.name == "one"
        assert quotes.plugin == "scripted"
        assert quotes.serves(QuotesQuery(symbols=(A, B))) == (A, B)
        assert quotes.serves(bars(A)) == ()

    def test_only_the_periods_of_the_source(self, clock):
        source = Wide("one", None, clock)
        source.periods = frozenset({Period.D1})
        wide = node(source)
        assert wide.serves(bars(A)) == (A,)
        assert wide.serves(bars(A, period=Period.M1)) == ()

    def test_only_symbols_of_its_exchanges_and_kinds(self, clock):
        source = Scripted("one", clock)
        index, odd = symbols("000300.SH", "999999.SH")
        assert node(source).serves(QuotesQuery(symbols=(A, index, odd))) == (A, index, odd)
        source.kinds = frozenset({Kind.STOCK})
        source.exchanges = frozenset({Exchange.SH})
        served = node(source).serves(QuotesQuery(symbols=(A, B, index, odd)))
        assert served == (A, odd), "a kind that is not known is asked for: the vendor may know"
        source.exchanges = frozenset({Exchange.SZ})
        assert node(source).serves(QuotesQuery(symbols=(odd,))) == ()

    def test_only_exchanges_of_its_own(self, clock):
        source = Wide("one", None, clock)
        source.exchanges = frozenset({Exchange.SH})
        query = CalendarQuery(exchanges=(Exchange.SZ, Exchange.SH), start=DAY, end=DAY)
        assert node(source).serves(query) == (Exchange.SH,)

    def test_a_key_that_is_neither_is_anybodys(self, clock):
        source = Wide("one", None, clock)
        source.exchanges = frozenset()
        assert node(source).serves(SectorsQuery(sectors=("银行",))) == ("银行",)

    def test_nothing_while_it_is_down(self, clock):
        down = node(Scripted("one", clock))
        down.down = "refused"
        assert down.serves(QuotesQuery(symbols=(A,))) == ()


class TestAsk:
    async def test_a_long_list_is_split_and_joined(self, clock):
        source = Scripted("one", clock, None, {C})
        source.symbols_per_call = 2
        reply = Reply()
        asked = node(source)
        await asked.ask(QuotesQuery(symbols=(A, B, C)), reply)
        assert source.asked == [(A, B), (C,)]
        assert list(reply.values) == [A, B]
        assert reply.asked == [A, B, C]
        assert reply.error is None
        assert asked.counters == Counters(calls=2, last_ok_at=clock.now())

    async def test_a_nonsensical_split_asks_one_by_one(self, clock):
        source = Scripted("one", clock)
        source.symbols_per_call = 0
        await node(source).ask(QuotesQuery(symbols=(A, B)), Reply())
        assert source.asked == [(A,), (B,)]

    async def test_what_came_before_an_error_is_kept_and_the_rest_is_not_asked(self, clock):
        error = Throttled("too fast")
        source = Scripted("one", clock, None, error, None)
        source.symbols_per_call = 1
        reply = Reply()
        await node(source).ask(QuotesQuery(symbols=(A, B, C)), reply)
        assert source.asked == [(A,), (B,)]
        assert list(reply.values) == [A]
        assert reply.asked == [A]
        assert reply.error is error

    async def test_what_came_before_a_cancel_is_kept(self, clock):
        source = Scripted("one", clock, None, 30)
        source.symbols_per_call = 1
        reply = Reply()
        asking = node(source)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await asking.ask(QuotesQuery(symbols=(A, B)), reply)
        assert list(reply.values) == [A]
        assert reply.error is None
        assert asking.in_flight == 0

    async def test_a_part_that_is_all_false_ends_the_asking(self, clock):
        source = Scripted("one", clock, sick, None)
        source.symbols_per_call = 1
        reply = Reply()
        await node(source).ask(QuotesQuery(symbols=(A, B)), reply)
        assert source.asked == [(A,)]
        assert isinstance(reply.error, BadData)
        assert "the price is missing" in reply.error.message
        assert set(reply.faults) == {A}

    async def test_one_false_value_among_good_ones_does_not(self, clock):
        source = Scripted("one", clock)
        source.script = [lambda q: [*sick(q.only((A,))), source.quote(B)], None]
        source.symbols_per_call = 2
        reply = Reply()
        await node(source).ask(QuotesQuery(symbols=(A, B, C)), reply)
        assert set(reply.values) == {B, C}
        assert set(reply.faults) == {A}
        assert reply.error is None

    async def test_a_declined_question_is_the_reply_and_no_failure(self, clock):
        refusal = NotOffered("not this market")
        reply = Reply()
        await node(Scripted("one", clock, refusal)).ask(QuotesQuery(symbols=(A,)), reply)
        assert reply.error is refusal

    @pytest.mark.parametrize("answer", [None, 7, [None], [{"symbol": A}], {A: 1}])
    async def test_an_answer_of_the_wrong_shape_is_bad_data(self, clock, answer):
        reply = Reply()
        source = Scripted("one", clock, lambda _query: answer)
        await node(source).ask(QuotesQuery(symbols=(A,)), reply)
        assert isinstance(reply.error, BadData)
        assert reply.error.message.startswith("one answered")

    async def test_an_unexpected_exception_is_unavailability_without_its_text(self, clock):
        reply = Reply()
        boom = RuntimeError("secret")
        await node(Scripted("one", clock, boom)).ask(QuotesQuery(symbols=(A,)), reply)
        assert isinstance(reply.error, SourceUnavailable)
        assert reply.error.message == "one raised RuntimeError instead of answering"
        assert reply.error.__cause__ is boom

    async def test_each_step_of_normalising_is_told_once(self, clock):
        class Strangers(Source):
            """Answers with a symbol that nobody asked for."""

            symbols_per_call = 1

            async def bars(self, query):
                price = {"open": 9.0, "high": 9.0, "low": 9.0, "close": 9.0}
                return [
                    {"symbol": s, "time": DAY, **price, "volume": 100.0, "turnover": 900.0}
                    for s in (*query.symbols, C)
                ]

        reply = Reply()
        await node(Strangers("one", None, clock)).ask(bars(A, B), reply)
        assert set(reply.values) == {A, B}
        assert len(reply.steps) == 2
        assert reply.steps[0] == "dropped 1 bars of symbols that were not asked for"


class TestCooling:
    def test_a_cool_down_covers_what_its_class_says_and_ends_by_itself(self, clock):
        one = node(Scripted("one", clock))
        error = PermissionDenied("no", retry_after=20)
        one.failed("quotes", error)
        cooling = one.cooling("quotes")
        assert cooling.error is error
        assert cooling.until == clock.monotonic() + 20
        assert one.cooling("bars") is None
        clock.advance(19.999)
        assert one.cooling("quotes") is cooling
        clock.advance(0.001)
        assert one.cooling("quotes") is None
        assert one.all_cooling == {}, "what is over is forgotten"

    def test_looking_at_one_dataset_forgets_only_what_is_over(self, clock):
        one = node(Scripted("one", clock))
        one.failed("quotes", PermissionDenied("no", retry_after=5))
        one.failed("bars", PermissionDenied("no", retry_after=50))
        clock.advance(5)
        assert one.cooling("depth") is None
        assert set(one.all_cooling) == {"bars"}

    @pytest.mark.parametrize(("own", "whole"), [(50, 5), (5, 50)])
    def test_the_longer_of_two_is_in_force(self, clock, own, whole):
        one = node(Scripted("one", clock))
        one.failed("quotes", Throttled("x", retry_after=own))
        one.failed("bars", LoginFailed("x", retry_after=whole))
        assert set(one.all_cooling) == {"quotes", EVERYTHING}
        assert one.cooling("quotes").until == clock.monotonic() + max(own, whole)
        assert one.cooling("bars").until == clock.monotonic() + whole

    def test_a_success_ends_its_own_and_the_whole_nodes_only(self, clock):
        one = node(Scripted("one", clock))
        one.failed("quotes", Throttled("x"))
        one.failed("bars", Throttled("x"))
        one.failed("bars", LoginFailed("x"))
        one.succeeded("quotes")
        assert set(one.all_cooling) == {"bars"}
        one.succeeded("depth")
        assert set(one.all_cooling) == {"bars"}

    def test_the_counters_remember_the_last_failure_and_the_last_success(self, clock):
        one = node(Scripted("one", clock))
        assert one.counters == Counters(0, 0, None, None, None)
        began = clock.now()
        one.failed("quotes", Throttled("x"))
        clock.advance(1)
        one.failed("quotes", BadData("y"))
        clock.advance(1)
        one.succeeded("quotes")
        counters = one.counters
        assert counters.failures == 2
        assert counters.last_error == "BAD_DATA"
        assert (counters.last_error_at - began).total_seconds() == 1
        assert (counters.last_ok_at - began).total_seconds() == 2

    def test_what_changes_is_told_and_what_goes_on_is_not(self, clock):
        told = []
        one = Node(
            Scripted("one", clock), plugin="p", clock=clock, tell=lambda *what: told.append(what)
        )
        one.succeeded("quotes:stock")
        assert told == []
        one.failed("quotes:stock", Throttled("x", retry_after=7))
        one.failed("quotes:stock", Throttled("x"))
        assert told == [("one", "cooling", "quotes:stock: RATE_LIMIT_EXCEEDED, 7 s")]
        one.failed("bars:1d:stock", LoginFailed("x"))
        assert told[1:] == [("one", "cooling", "everything: UNAUTHORIZED, 300 s")]
        one.succeeded("depth:stock")
        one.succeeded("depth:stock")
        assert told[2:] == [("one", "recovered", "depth:stock is answered again")]


class TestScopes:
    """Kinds and periods are asked, judged and passed over apart."""

    async def test_kinds_are_asked_apart(self, clock):
        source = Scripted("one", clock)
        one = node(source)
        reply = Reply()
        await one.ask(QuotesQuery(symbols=(A, INDEX, B)), reply)
        assert sorted(source.asked) == sorted([(A, B), (INDEX,)])
        assert set(reply.values) == {A, B, INDEX}

    async def test_an_error_ends_its_own_scope_only(self, clock):
        refusal = PermissionDenied("no index data")

        def stocks_only(query):
            if INDEX in query.symbols:
                raise refusal
            return [source.quote(s) for s in query.symbols]

        source = Scripted("one", clock, stocks_only)
        reply = Reply()
        await node(source).ask(QuotesQuery(symbols=(INDEX, A)), reply)
        assert reply.errors == {"quotes:index": refusal}
        assert reply.error is refusal
        assert reply.asked == [A]
        assert set(reply.values) == {A}

    async def test_a_call_that_worked_ends_its_scopes_cool_down(self, clock):
        one = node(Scripted("one", clock))
        for scope in ("quotes:stock", "quotes:index"):
            one.failed(scope, Throttled("x"))
        await one.ask(QuotesQuery(symbols=(A,)), Reply())
        assert set(one.all_cooling) == {"quotes:index"}

    def test_keys_of_a_cooling_scope_are_not_ready(self, clock):
        one = node(Scripted("one", clock))
        query = QuotesQuery(symbols=(INDEX, A, B))
        assert one.ready(query) == (INDEX, A, B)
        assert one.longest_cooling(query) is None
        one.failed("quotes:stock", BadData("x"))
        assert one.ready(query) == (INDEX,)
        assert one.ready(query, desperate=True) == (INDEX, A, B), "the asker's order"
        one.failed("quotes:index", Throttled("x"))
        assert one.ready(query) == ()
        assert one.ready(query, desperate=True) == (A, B), "a throttled scope is left alone"
        assert one.longest_cooling(query).error.code == "RATE_LIMIT_EXCEEDED"
        assert one.longest_cooling(query.only((A,))).error.code == "BAD_DATA"

    def test_what_is_not_served_is_never_ready(self, clock):
        source = Scripted("one", clock)
        source.exchanges = frozenset({Exchange.SZ})
        one = node(source)
        one.failed("quotes:index", Throttled("x"))
        query = QuotesQuery(symbols=(INDEX, A, B))
        assert one.ready(query, desperate=True) == (B,)
        assert one.longest_cooling(query) is None

    def test_a_period_cools_down_alone_and_exchanges_have_no_kind(self, clock):
        one = node(Wide("one", None, clock))
        one.failed("bars:1m:stock", Throttled("x"))
        assert one.ready(bars(A)) == (A,)
        assert one.ready(bars(A, period=Period.M1)) == ()
        calendar = CalendarQuery(exchanges=(Exchange.SH,), start=DAY, end=DAY)
        one.failed("calendar", Throttled("x"))
        assert one.ready(calendar) == ()


class TestInFlight:
    async def test_no_more_calls_at_once_than_the_vendor_allows(self, clock):
        gate = asyncio.Event()
        most = 0

        class Counted(Source):
            max_concurrency = 3

            async def quotes(self, query):
                nonlocal most
                most = max(most, one.in_flight)
                await gate.wait()
                return []

        one = node(Counted("one", None, clock))
        query = QuotesQuery(symbols=(A,))
        asking = [asyncio.create_task(one.ask(query, Reply())) for _ in range(8)]
        await until(lambda: one.in_flight == 3)
        await asyncio.sleep(0.01)
        assert one.in_flight == 3
        gate.set()
        await asyncio.gather(*asking)
        assert most == 3
        assert one.in_flight == 0

    async def test_a_plain_method_runs_in_a_thread_and_blocks_nobody(self, clock):
        source = Blocking("one", None, clock)
        one = node(source)
        reply = Reply()
        asking = asyncio.create_task(one.ask(QuotesQuery(symbols=(A,)), reply))
        await until(lambda: source.entered == 1)
        assert one.in_flight == 1
        source.gate.set()
        await asking
        assert set(reply.values) == {A}
        assert one.in_flight == 0

    async def test_a_hung_thread_call_stays_in_flight_until_the_vendor_returns(self, clock):
        source = Blocking("one", None, clock)
        one = node(source)
        try:
            for hung in (1, 2):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await one.ask(QuotesQuery(symbols=(A,)), Reply())
                await until(lambda hung=hung: source.entered == hung)
                assert one.in_flight == hung
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await one.ask(QuotesQuery(symbols=(A,)), Reply())
            assert source.entered == 2, "both of the vendor's places are taken by hung calls"
            assert one.in_flight == 2
        finally:
            source.gate.set()
        await until(lambda: one.in_flight == 0)
        reply = Reply()
        await one.ask(QuotesQuery(symbols=(A,)), reply)
        assert set(reply.values) == {A}

    async def test_a_thread_that_raises_gives_its_place_back(self, clock):
        class Raising(Source):
            def quotes(self, query):
                raise OSError("gone")

        one = node(Raising("one", None, clock))
        for _ in range(20):
            reply = Reply()
            await one.ask(QuotesQuery(symbols=(A,)), reply)
            assert isinstance(reply.error, SourceUnavailable)
        assert one.in_flight == 0


def test_a_node_says_which_dataset_it_lacks(clock):
    with pytest.raises(NotOffered, match="one offers no factors"):
        Scripted("one", clock).factors(FactorsQuery(symbols=(A,), start=DAY, end=DAY))
