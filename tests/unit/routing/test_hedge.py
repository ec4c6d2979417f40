"""A slow call is asked of a second node too: rarely, of free places, never of metered sources."""

import asyncio
from random import Random

import pytest
from support.clock import RunningClock
from support.sources import Fixed, Scripted, node, symbols

from argus_core import (
    Balancer,
    ChartPanelsQuery,
    NotOffered,
    Period,
    QuotesQuery,
    SourceUnavailable,
)
from argus_core.model.ask import Deadline
from argus_core.routing.attempts import GIVEN_UP
from argus_core.routing.hedge import patience
from argus_core.routing.load.gate import Gate
from argus_core.routing.pool import Member, Pool
from argus_core.routing.router import Router
from argus_core.tables import PoolLimits
from argus_core.telemetry.redact import Redactor

(A,) = symbols("600519.SH")
pytestmark = pytest.mark.virtual

SLOW = 5.0


class First(Balancer):
    """Takes the first, and notes what is reported."""

    def __init__(self, random):
        super().__init__(random)
        self.told = []

    def pick(self, candidates):
        return candidates[0]

    def report(self, candidate, *, ok, seconds):
        self.told.append((candidate.name, ok))

    def gave_up(self, candidate, *, seconds):
        self.told.append((candidate.name, None))


class House:
    """One hedging pool of two scripted nodes whose answers usually come at once."""

    def __init__(self, *scripts, size=10, hedge=True, known=20):
        self.clock = RunningClock()
        self.sources = [
            Scripted(f"n{n}", self.clock, *script) for n, script in enumerate(scripts, 1)
        ]
        self.nodes = [node(source) for source in self.sources]
        self.gate = Gate("pool", PoolLimits(max_size=size, hedge=hedge), self.clock)
        for _ in range(known):
            self.gate.note("n1", ok=True, seconds=0.001)
        self.balancer = First(Random(0))
        self.pool = Pool("pool", tuple(map(Member, self.nodes)), self.balancer, self.gate)
        self.router = Router(Fixed((self.pool,)), clock=self.clock, redactor=Redactor())

    async def fetch(self, seconds=0.4):
        query = QuotesQuery(symbols=(A,))
        return await self.router.fetch(query, Deadline.within(seconds, self.clock))

    def at_rest(self):
        assert self.gate.figures().in_use == 0
        assert [one.in_flight for one in self.nodes] == [0, 0]

    @property
    def asked(self):
        return [len(source.asked) for source in self.sources]


async def test_the_first_good_answer_counts_and_the_other_call_is_given_up():
    house = House([SLOW], [])
    routed = await house.fetch()
    assert routed.found[A].source == "n2"
    assert house.asked == [1, 1]
    assert house.balancer.told == [("n2", True), ("n1", None)]
    assert [node.counters.failures for node in house.nodes] == [0, 0]
    assert house.nodes[0].health.available
    assert house.gate.figures().error_rate == 0.0
    house.at_rest()
    told = {attempt.source: attempt for attempt in routed.trace.attempts}
    assert (told["n1"].answered, told["n1"].error, told["n1"].reason) == (0, None, GIVEN_UP)
    assert (told["n2"].answered, told["n2"].error) == (1, None)
    assert told["n2"].started_ms >= 50
    assert routed.trace.steps == ["n1 was slow, so n2 was asked too after 50 ms"]


async def test_the_first_node_may_still_win():
    house = House([0.1], [SLOW])
    routed = await house.fetch()
    assert routed.found[A].source == "n1"
    assert house.asked == [1, 1]
    assert house.balancer.told == [("n1", True), ("n2", None)]
    house.at_rest()


async def test_a_failure_of_one_waits_for_the_other():
    house = House([0.1], [SourceUnavailable("down")])
    routed = await house.fetch()
    assert routed.found[A].source == "n1"
    assert house.balancer.told == [("n2", False), ("n1", True)]


async def test_if_both_fail_nobody_is_asked_twice_in_a_round():
    async def late(_query):
        await asyncio.sleep(0.07)
        raise NotOffered("not here")

    house = House([], [NotOffered("nor here")])
    house.sources[0].quotes = late
    with pytest.raises(NotOffered):
        await house.fetch()
    assert house.asked[1] == 1
    house.at_rest()


@pytest.mark.parametrize(
    "options", [{"hedge": False}, {"known": 19}, {"size": 1}], ids=["off", "unknown", "full"]
)
async def test_there_is_no_second_call(options):
    house = House([0.1], [], **options)
    routed = await house.fetch()
    assert routed.found[A].source == "n1"
    assert house.asked == [1, 0]


@pytest.mark.parametrize("which", [0, 1])
async def test_a_metered_source_is_never_asked_for_nothing(which):
    house = House([0.1], [])
    house.sources[which].calls_per_minute = 200
    routed = await house.fetch()
    assert routed.found[A].source == "n1"
    assert house.asked == [1, 0]


async def test_a_node_that_may_not_be_asked_now_is_none_to_hedge_with():
    house = House([0.1], [])
    house.nodes[1].failed("quotes:stock", SourceUnavailable("down"))
    await house.fetch()
    assert house.asked == [1, 0]


async def test_a_twentieth_of_the_calls_may_be_made_twice():
    house = House([0.06], [0.06], known=200)
    for _ in range(3):
        await house.fetch()
    assert house.asked == [3, 1], "the one that was saved up"
    for _ in range(20):
        house.gate.hedges.earn()
    await house.fetch()
    assert house.asked == [4, 2]


async def test_what_may_happen_only_once_is_not_asked_twice():
    query = ChartPanelsQuery(panels=("p",), symbols=(A,), period=Period.D1)
    house = House([], [])
    assert patience(house.gate, query) is None
    assert patience(house.gate, QuotesQuery(symbols=(A,))) == 0.05


async def test_who_gives_up_gives_both_calls_up():
    house = House([SLOW], [SLOW])
    asking = asyncio.ensure_future(house.fetch(10))
    await asyncio.sleep(0.1)
    assert house.gate.figures().in_use == 2
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    house.at_rest()
    assert house.balancer.told == [("n1", None), ("n2", None)]
