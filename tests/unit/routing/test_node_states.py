"""A node through any order of events: places at the vendor add up, cool-downs follow a model."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.clock import TestClock
from support.sources import node, symbols

from argus_core import (
    BadData,
    LoginFailed,
    Quote,
    QuotesQuery,
    Source,
    SourceUnavailable,
    Throttled,
)
from argus_core.routing.node import EVERYTHING, Reply

KEYS = symbols("600519.SH", "000001.SZ", "000300.SH")
LIMIT = 2
SCOPES = ("quotes:stock", "quotes:index", "bars:1d:stock")
ERRORS = (SourceUnavailable("x"), BadData("x"), Throttled("x"), LoginFailed("x", retry_after=7))


class Held(Source):
    """Each call waits until the test answers it."""

    max_concurrency = LIMIT
    symbols_per_call = 1

    def __init__(self, clock):
        super().__init__("held", None, clock)
        self.inside: list[asyncio.Future] = []

    async def quotes(self, query):
        answer = asyncio.get_running_loop().create_future()
        self.inside.append(answer)
        try:
            await answer
        finally:
            self.inside.remove(answer)
        return [Quote(symbol=s, price=5.0) for s in query.symbols]


class Places(RuleBasedStateMachine):
    """Askers come, leave, are answered and refused; no place at the vendor is lost or made up."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.source = Held(TestClock())
        self.node = node(self.source)
        self.asking: list[tuple[asyncio.Task, Reply, QuotesQuery]] = []

    def settle(self):
        async def turns():
            for _ in range(20):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        for task, reply, query in [a for a in self.asking if a[0].done()]:
            if not task.cancelled():
                task.result()
                assert set(reply.values) == set(query.keys) or reply.errors
            self.asking = [a for a in self.asking if a[0] is not task]

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, unique=True))
    def ask(self, keys):
        query, reply = QuotesQuery(symbols=tuple(keys)), Reply()
        task = self.loop.create_task(self.node.ask(query, reply))
        self.asking.append((task, reply, query))
        self.settle()

    @precondition(lambda self: self.source.inside)
    @rule(data=st.data())
    def answer(self, data):
        data.draw(st.sampled_from(self.source.inside)).set_result(None)
        self.settle()

    @precondition(lambda self: self.source.inside)
    @rule(data=st.data(), error=st.sampled_from([*ERRORS, ValueError("x")]))
    def refuse(self, data, error):
        data.draw(st.sampled_from(self.source.inside)).set_exception(error)
        self.settle()

    @precondition(lambda self: self.asking)
    @rule(data=st.data())
    def leave(self, data):
        data.draw(st.sampled_from(self.asking))[0].cancel()
        self.settle()

    @invariant()
    def in_flight_is_what_the_vendor_sees(self):
        assert self.node.in_flight == len(self.source.inside) <= LIMIT

    @invariant()
    def nobody_waits_in_vain(self):
        assert bool(self.source.inside) is bool(self.asking)

    def teardown(self):
        for _ in range(1000):
            if not self.source.inside:
                break
            self.source.inside[0].set_result(None)
            self.settle()
        assert self.asking == []
        assert self.node.in_flight == 0
        for _ in range(LIMIT):
            self.ask(KEYS[:1])
        assert self.node.in_flight == LIMIT, "every place is free again"
        for task, _, _ in self.asking:
            task.cancel()
        self.settle()
        assert self.node.in_flight == 0
        self.loop.close()


class CoolDowns(RuleBasedStateMachine):
    """Failures, successes and time against a dictionary of ends."""

    def __init__(self):
        super().__init__()
        self.clock = TestClock()
        self.node = node(Held(self.clock))
        self.ends: dict[str, float] = {}

    def until(self, scope):
        return max(self.ends.get(scope, 0.0), self.ends.get(EVERYTHING, 0.0))

    @rule(scope=st.sampled_from(SCOPES), error=st.sampled_from(ERRORS))
    def fail(self, scope, error):
        # One failure after the other: what two at once should leave is not this test's matter.
        if self.node.cooling(scope) is None:
            self.node.failed(scope, error)
            where = EVERYTHING if error.whole_node else scope
            self.ends[where] = self.clock.monotonic() + error.cool_seconds

    @rule(scope=st.sampled_from(SCOPES))
    def succeed(self, scope):
        self.node.succeeded(scope)
        self.ends.pop(scope, None)
        self.ends.pop(EVERYTHING, None)

    @rule(seconds=st.sampled_from([0.5, 5.0, 7.0, 30.0, 61.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def the_model_and_the_node_agree(self):
        now = self.clock.monotonic()
        for scope in SCOPES:
            cooling = self.node.cooling(scope)
            assert (cooling is not None) is (self.until(scope) > now)
            if cooling is not None:
                assert cooling.until == self.until(scope)
        ready = self.node.ready(QuotesQuery(symbols=KEYS))
        stock, index = self.until(SCOPES[0]) <= now, self.until(SCOPES[1]) <= now
        assert ready == tuple(
            k for k, free in zip(KEYS, (stock, stock, index), strict=True) if free
        )


TestPlaces = Places.TestCase
TestPlaces.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestCoolDowns = CoolDowns.TestCase
TestCoolDowns.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
