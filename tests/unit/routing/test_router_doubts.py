"""Series in doubt: the pools further down are asked, and whoever has more rows is believed."""

import asyncio
from datetime import date, datetime

import polars as pl
import pytest
from support.clock import TestClock
from support.sources import Scripted, lone, node, symbols
from support.virtual import run

from argus_core import BarsQuery, Period, SourceUnavailable
from argus_core.clock import SHANGHAI
from argus_core.model.ask import Deadline
from argus_core.routing.router import OPINION, Router
from argus_core.telemetry.redact import Redactor

A, B = symbols("600519.SH", "000001.SZ")
DAYS = [date(2024, 1, d) for d in (2, 3, 4, 5, 8)]
CLOSES = [10.0, 10.5, 10.2, 10.4, 10.9]
BEFORE = [9.8, *CLOSES[:-1]]
EX = [9.8, 10.0, 9.5, 10.2, 10.4]
"""As BEFORE, with an ex-day on the third day."""


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


class Fixed:
    def __init__(self, pools):
        self.pools = pools

    def split(self, query):
        yield self.pools, query


@pytest.fixture
def clock():
    return TestClock()


async def fetch(clock, *sources, keys=(A,), seconds=10.0):
    since, until = (datetime(2024, 1, day, tzinfo=SHANGHAI) for day in (1, 9))
    query = BarsQuery(
        symbols=keys, period=Period.D1, start=DAYS[0], end=DAYS[-1], since=since, until=until
    )
    made = Router(Fixed(lone(*map(node, sources))), clock=clock, redactor=Redactor())
    return await made.fetch(query, Deadline.within(seconds, clock))


async def test_days_that_one_leaves_out_come_from_the_next(clock):
    one, two = Days("one", clock, left_out=(2,)), Days("two", clock)
    routed = await fetch(clock, one, two, keys=(A, B))
    assert {key: found.source for key, found in routed.found.items()} == {A: "two", B: "one"}
    assert routed.found[A].value["date"].to_list() == DAYS
    assert two.asked == [(A,)], "only what is in doubt is asked on"
    steps = "\n".join(routed.trace.steps)
    assert f"{A}: looked further, since at one the bar of 2024-01-05" in steps
    assert f"{A}: two has 5 rows, one has 4" in steps


async def test_an_ex_day_is_confirmed_and_the_first_source_keeps_its_place(clock):
    one, two = Days("one", clock, before=EX), Days("two", clock, before=EX)
    routed = await fetch(clock, one, two)
    assert routed.found[A].source == "one"
    assert routed.found[A].value.height == len(DAYS)
    assert len(two.asked) == 1


async def test_whoever_is_in_no_doubt_but_has_less_is_not_believed(clock):
    one = Days("one", clock, before=EX)
    two = Days("two", clock, left_out=(0, 1), before=[None] * 5)
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


async def test_a_third_decides_where_two_left_days_out(clock):
    one = Days("one", clock, left_out=(1, 3))
    two, three = Days("two", clock, left_out=(2,)), Days("three", clock)
    routed = await fetch(clock, one, two, three)
    assert routed.found[A].source == "three"


def test_a_second_opinion_does_not_keep_anybody_waiting_for_long(clock):
    one, two = Days("one", clock, left_out=(2,)), Days("two", clock, 50.0)

    async def waited():
        loop = asyncio.get_running_loop()
        began = loop.time()
        routed = await fetch(clock, one, two, seconds=60.0)
        return routed.found[A].source, loop.time() - began

    source, seconds = run(waited())
    assert source == "one"
    assert seconds == pytest.approx(OPINION, abs=0.1)
