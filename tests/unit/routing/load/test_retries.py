"""Trouble does not feed itself: only so many requests are tried again at once."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock
from support.sources import Fixed, Scripted, lone, node, symbols

from argus_core import (
    ChartPanelsQuery,
    Exchange,
    Period,
    QuotesQuery,
    Source,
    SourceUnavailable,
)
from argus_core.errors import AllSourcesFailed, GatewayError
from argus_core.model.ask import Deadline
from argus_core.routing.load.budget import RetryBudget, Rounds
from argus_core.routing.router import MAX_ROUNDS, NO_RETRY, Router
from argus_core.telemetry.redact import Redactor

A, B = symbols("600519.SH", "000001.SZ")


def router(clock, *sources):
    return Router(Fixed(lone(*map(node, sources))), clock=clock, redactor=Redactor())


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_fifth_may_be_retried_and_three_at_least(active, wanting):
    budget = RetryBudget()
    rounds = [Rounds(budget).__enter__() for _ in range(max(active, wanting))]
    allowed = sum(one.again() for one in rounds[:wanting])
    assert allowed == min(wanting, max(3, len(rounds) // 5))
    assert sum(one.again() for one in rounds[:wanting]) == allowed, "who may, may to the end"
    for one in rounds:
        one.__exit__(None, None, None)
    assert (budget.active, budget.retrying) == (0, 0)


async def test_beyond_the_budget_a_failure_is_an_answer_and_the_trace_says_why():
    clock = TestClock()
    source = Scripted("one", clock, SourceUnavailable("down"))
    made = router(clock, source)

    async def ask():
        with pytest.raises(GatewayError) as failed:
            await made.fetch(QuotesQuery(symbols=(A,)), Deadline.within(5, clock))
        return failed.value

    # All are at their first round when the first of them fails.
    failures = await asyncio.gather(*(ask() for _ in range(10)))
    assert {type(failure) for failure in failures} == {AllSourcesFailed}
    asked = sorted(len(failure.attempts) for failure in failures)
    assert asked[:7] == [1] * 7
    assert asked[7:] == [MAX_ROUNDS] * 3


async def test_what_else_was_found_is_answered_and_the_trace_says_why_no_more_is():
    clock = TestClock()
    good, bad = Scripted("good", clock), Scripted("bad", clock, SourceUnavailable("down"))
    good.exchanges, bad.exchanges = frozenset({Exchange.SH}), frozenset({Exchange.SZ})
    made, query = router(clock, good, bad), QuotesQuery(symbols=(A, B))
    routed = await asyncio.gather(*(made.fetch(query, Deadline.within(5, clock)) for _ in range(5)))
    assert all(set(one.found) == {A} and set(one.failures) == {B} for one in routed)
    assert sorted(one.trace.steps == [NO_RETRY] for one in routed) == [False] * 3 + [True] * 2


class Drawing(Source):
    """Fails to draw."""

    drawn = 0

    async def chart_panels(self, query):
        self.drawn += 1
        raise SourceUnavailable("the client is busy")


async def test_what_may_happen_only_once_is_not_tried_again():
    clock = TestClock()
    source = Drawing("screen", None, clock)
    query = ChartPanelsQuery(panels=("p",), symbols=(A,), period=Period.D1)
    with pytest.raises(GatewayError):
        await router(clock, source).fetch(query, Deadline.within(5, clock))
    assert source.drawn == 1
