"""Series in doubt: other pools are heard, and whoever has the missing day is believed."""

import asyncio
from datetime import date, datetime

import polars as pl
import pytest
from support.clock import TestClock
from support.sources import Fixed, Scripted, lone, node, symbols
from support.virtual import run

from argus_core import BarsQuery, Period, SourceUnavailable
from argus_core.clock import SHANGHAI
from argus_core.errors import AllSourcesFailed
from argus_core.extend.relay import Relayed
from argus_core.model.answer import Origin
from argus_core.model.ask import Deadline
from argus_core.routing.opinions import WAIT
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

A, B = symbols("600519.SH", "000001.SZ")
DAYS = [date(2024, 1, d) for d in (2, 3, 4, 5, 8, 9)]
CLOSES = [10.0, 10.5, 10.2, 10.4, 10.9, 11.1]
BEFORE = [9.8, *CLOSES[:-1]]
EX = [9.8, 10.0, 10.5, 9.5, 10.4, 10.9]
"""As BEFORE, with an ex-day on the fourth day."""


class Days(Scripted):
    """Daily bars: ``left_out`` days are lost, ``before`` is the chain of previous closes."""

    def __init__(self, name, clock, *script, left_out=(), before=BEFORE):
        super().__init__(name, clock, *script)
        self.left_out, self.before = left_out, before

    async def bars(self, query):
        self.asked.append(query.keys)
        step = self._next()
        if isinstance(step, Exception):
            raise step
        if isinstance(step, int | float):
            await asyncio.sleep(step)
        rows = [
            {
                "symbol": str(symbol),
                "time": day,
                "open": close,
                "high": close,
                "low": close,
                "close": close,
                "volume": 100.0,
                "turnover": close * 100,
                "prev_close": before,
            }
            for symbol in query.symbols
            for at, (day, close, before) in enumerate(zip(DAYS, CLOSES, self.before, strict=True))
            if at not in self.left_out or symbol != A
        ]
        return pl.DataFrame(rows)


@pytest.fixture
def clock():
    return TestClock()


def route(clock, *sources):
    return Router(Fixed(lone(*map(node, sources))), clock=clock, redactor=Redactor())


async def fetch(clock, *sources, keys=(A,), seconds=10.0, only=None, router=None):
    since, until = (datetime(2024, 1, day, tzinfo=SHANGHAI) for day in (1, 9))
    query = BarsQuery(
        symbols=keys, period=Period.D1, start=DAYS[0], end=DAYS[-1], since=since, until=until
    )
    made = router or route(clock, *sources)
    return await made.fetch(query, Deadline.within(seconds, clock), only)


async def test_days_that_one_leaves_out_come_from_the_next(clock):
    one, two = Days("one", clock, left_out=(2,)), Days("two", clock)
    routed = await fetch(clock, one, two, keys=(A, B))
    assert {key: found.source for key, found in routed.found.items()} == {A: "two", B: "one"}
    assert routed.found[A].value["date"].to_list() == DAYS
    assert two.asked == [(A,)], "only what is in doubt is asked on"
    steps = "\n".join(routed.trace.steps)
    assert f"{A}: others are asked, for at one the bar of 2024-01-05" in steps
    assert f"{A}: one leaves out 2024-01-04, which two has" in steps


async def test_an_ex_day_costs_no_second_opinion(clock):
    one, two = Days("one", clock, before=EX), Days("two", clock, before=EX)
    routed = await fetch(clock, one, two)
    assert routed.found[A].source == "one"
    assert not two.asked


async def test_an_ex_day_after_a_suspension_is_confirmed_and_the_first_keeps_its_place(clock):
    one = Days("one", clock, before=EX, left_out=(2,))
    two = Days("two", clock, before=EX, left_out=(2,))
    routed = await fetch(clock, one, two)
    assert routed.found[A].source == "one"
    assert not routed.found[A].doubtful
    assert len(two.asked) == 1


async def test_whoever_has_more_but_not_the_day_in_doubt_is_not_believed(clock):
    one = Days("one", clock, left_out=(2, 5))
    two = Days("two", clock, left_out=(2,))
    routed = await fetch(clock, one, two)
    assert routed.found[A].source == "one"


@pytest.mark.parametrize("others", [(), (SourceUnavailable("gone"),)], ids=["none", "failing"])
async def test_without_another_opinion_the_answer_stands(clock, others):
    one = Days("one", clock, left_out=(2,))
    far = [Days("far", clock, *others)] if others else []
    routed = await fetch(clock, one, *far)
    assert routed.found[A].source == "one"
    assert routed.found[A].value.height == len(DAYS) - 1
    assert len(one.asked) == 1, "there is an answer: nothing is tried again"
    assert routed.found[A].doubtful == bool(others), "not sealed while somebody could refute it"


async def test_a_third_is_heard_where_the_second_has_a_gap_too(clock):
    one = Days("one", clock, left_out=(1, 2))
    two, three = Days("two", clock, left_out=(2, 4)), Days("three", clock)
    routed = await fetch(clock, one, two, three)
    assert routed.found[A].source == "three"


async def test_a_source_that_alone_may_answer_is_refuted_by_others_and_then_has_none(clock):
    one, two = Days("one", clock, left_out=(2,)), Days("two", clock)
    with pytest.raises(AllSourcesFailed) as refuted:
        await fetch(clock, one, two, only=frozenset({"one"}))
    assert "leaves out 2024-01-04, which two has" in str(refuted.value.details)
    assert len(one.asked) == 1
    with pytest.raises(AllSourcesFailed):  # the same where the one who knows better comes earlier
        await fetch(clock, two, one, only=frozenset({"one"}))
    whole = await fetch(clock, Days("one", clock), two, only=frozenset({"one"}))
    assert whole.found[A].source == "one"


@pytest.mark.parametrize(
    "origin", [Origin(path=("x",), stale=True), Origin(path=("x",), simulated=True)]
)
async def test_what_is_stale_or_simulated_refutes_nobody(clock, origin):
    class Passing(Days):
        async def bars(self, query):
            rows = await super().bars(query)
            return Relayed(reply=rows, origins={A: origin})

    one, two = Days("one", clock, left_out=(2,)), Passing("two", clock)
    routed = await fetch(clock, one, two)
    assert routed.found[A].source == "one"
    assert routed.found[A].doubtful


@pytest.mark.parametrize("health", ["vouched", "new"])
def test_who_is_too_slow_for_an_opinion_keeps_nobody_waiting_and_is_not_to_blame(clock, health):
    one, two = Days("one", clock, left_out=(2,)), Days("two", clock, 50.0)
    router = route(clock, one, two)

    async def waited(seconds):
        loop = asyncio.get_running_loop()
        began = loop.time()
        routed = await fetch(clock, router=router, seconds=seconds)
        return routed.found[A].source, loop.time() - began

    async def story():
        for _ in range(5):
            assert await waited(60.0) == ("one", pytest.approx(WAIT, abs=0.1))
        assert await waited(1.0) == ("one", pytest.approx(0.5, abs=0.1))
        (far,) = (n for pools in router.ranked(QUERY)[A] for n in pools if n.name == "two")
        far.health.vouched = health == "vouched"
        assert far.cooling("bars:1d:stock") is None
        assert far.health.breaker.total.failures == far.health.breaker.total.slow == 0

    run(story())


QUERY = BarsQuery(
    symbols=(A,),
    period=Period.D1,
    start=DAYS[0],
    end=DAYS[-1],
    since=datetime(2024, 1, 1, tzinfo=SHANGHAI),
    until=datetime(2024, 1, 9, tzinfo=SHANGHAI),
)
