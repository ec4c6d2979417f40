"""Whatever happens to sources and wishes: each node pushes what it is to push, and no more."""

import asyncio

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.clock import TestClock
from support.feeding import Answering, Ear, Feeding, Studio, alone
from support.sources import symbols

from argus_core import Gap, SourceUnavailable
from argus_core.streaming.supply import AGAIN

ALL = symbols("600519.SH", "000001.SZ", "600000.SH", "601318.SH")
SYMBOLS = st.lists(st.sampled_from(ALL), min_size=1, unique=True)
WHICH = st.integers(0, 2)


class Supplying(RuleBasedStateMachine):
    """Three sources on one route, and one listener for each turn of events."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = TestClock("2024-03-15 10:00:00")
        self.price = 10.0
        self.run(self.begin())

    def run(self, work):
        return self.loop.run_until_complete(work)

    async def begin(self):
        self.sources = [
            Feeding("one", self.clock),
            Answering("two", self.clock, price=9.0),
            Feeding("three", self.clock),
        ]
        self.pools = alone(*self.sources)
        self.house = Studio(self.clock, *self.pools, grace=3600)
        self.ear = Ear()

    # -- wishes ---------------------------------------------------------------------------------

    @rule(asked=SYMBOLS)
    def listen(self, asked):
        self.run(self.house.listen(*asked, ear=self.ear))

    @rule(asked=SYMBOLS)
    def leave(self, asked):
        async def work():
            self.house.hub.stop(self.ear, [("quotes", symbol) for symbol in asked])
            self.house.hub.close()  # the grace is over
            await self.house.settle()
            self.ear.take()
            self.ear.log.clear()

        self.run(work())

    # -- sources --------------------------------------------------------------------------------

    @rule(which=WHICH, well=st.booleans())
    def accept(self, which, well):
        self.sources[which].refuses = None if well else SourceUnavailable("gone")

    @rule(which=WHICH, asked=SYMBOLS, ago=st.sampled_from([0.0, 0.0, 60.0]))
    def push(self, which, asked, ago):
        async def work():
            self.price += 0.01
            for symbol in asked:
                self.sources[which].push(symbol, round(self.price, 2), ago=ago)
            await self.house.settle()

        self.run(work())

    @rule(which=WHICH, asked=SYMBOLS)
    def gap(self, which, asked):
        async def work():
            for push in set(self.sources[which].pushing.values()):
                push(Gap(symbols=tuple(asked), reason="lost for a while"))
            await self.house.settle()

        self.run(work())

    @rule(kept=st.permutations(range(3)), many=st.integers(0, 3))
    def reroute(self, kept, many):
        async def work():
            self.house.routes.pools = tuple(self.pools[number] for number in kept[:many])
            self.house.streaming.rerouted()
            await self.house.settle()

        self.run(work())

    @rule(seconds=st.sampled_from([1, 10, 60, 300]))
    def pass_(self, seconds):
        async def work():
            self.clock.advance(seconds)
            self.house.supplier.retry()
            await self.house.watch.looked()
            await self.house.polls.polled()
            self.house.supplier.better()
            await self.house.settle()

        self.run(work())

    # -- what must be true ----------------------------------------------------------------------

    @invariant()
    def each_node_pushes_what_it_is_to_push(self):
        expected = {source: set() for source in self.sources}
        for symbol, line in self.house.supplier.lines.items():
            for leg in (line.leg, line.trial):
                if leg is not None and leg.node is not None:
                    expected[leg.node.source].add(symbol)
        for source, wanted in expected.items():
            assert set(source.pushing) == wanted
        nodes = {node.source for node in self.house.supplier.pushing.nodes}
        assert nodes == {source for source, wanted in expected.items() if wanted}

    @invariant()
    def each_wish_has_a_leg_or_waits_for_one_and_that_was_told(self):
        supplier = self.house.supplier
        heard = {symbol for _, symbol in self.house.hub.heard(self.ear)}
        assert set(supplier.lines) == heard
        on_route = {pool.name for pool in self.house.routes.pools}
        for symbol, line in supplier.lines.items():
            assert (symbol in supplier._open) == (line.leg is None)
            assert line.leg is None or line.leg.pool in on_route
            assert line.trial is None or line.leg is None or line.trial.rank < line.leg.rank
            assert line.leg is not None or line.lost
            topic = self.house.hub.topics.get(("quotes", symbol))
            if line.lost and topic is not None and topic.last is not None:
                assert topic.last.stale

    @invariant()
    def what_is_heard_never_goes_back(self):
        """In one life of a topic numbers and instants only rise."""
        self.ear.take()
        for symbol in ALL:
            updates = [u for u in self.ear.updates if u.symbol == symbol]
            numbers = [update.seq for update in updates]
            assert numbers == sorted(set(numbers))
            stamps = [update.value.as_of for update in updates]
            assert stamps == sorted(stamps)

    @rule()
    def one_that_is_well_is_found(self):
        """As long as somebody on the route is well, nobody waits for ever."""
        if not any(s.refuses is None for s in self.sources[:1]) or not self.house.routes.pools:
            return
        if self.pools[0] not in self.house.routes.pools:
            return

        async def work():
            for _ in range(3):
                self.clock.advance(60 + AGAIN)
                self.house.supplier.retry()
                await self.house.settle()

        self.run(work())
        assert all(line.leg is not None for line in self.house.supplier.lines.values())

    def teardown(self):
        async def work():
            self.house.hub.leave(self.ear)
            self.house.hub.close()
            await self.house.settle()

        self.run(work())
        assert not self.house.supplier.lines
        assert not self.house.supplier.pushing.nodes
        assert not self.house.hub.topics
        assert all(not source.pushing for source in self.sources)
        self.run(self.house.supplier.aclose())
        self.loop.close()


TestSupplying = Supplying.TestCase
# Without shrinking: a fault is told by the steps that led to it, and not a minute later.
TestSupplying.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, phases=[Phase.explicit, Phase.generate]
)
