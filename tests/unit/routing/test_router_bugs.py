"""Bugs that another gateway's router had, each as a test of this one.

They were reported for LiteLLM, which routes questions to language models as Argus routes them to
data vendors; each test names the thread that it comes from.
"""

import asyncio

import pytest
from support.clock import RunningClock, TestClock
from support.sources import Fixed, Scripted, lone, node, symbols

from argus_core import QuotesQuery, SourceUnavailable, Throttled
from argus_core.errors import AllSourcesFailed, BadParameter, NotOffered, UnknownSymbol
from argus_core.model.ask import Deadline
from argus_core.routing.health.breaker import IN_A_ROW
from argus_core.routing.node import EVERYTHING, HASTY_IN_A_ROW
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

pytestmark = pytest.mark.virtual

A, B = symbols("600519.SH", "000001.SZ")
QUERY = QuotesQuery(symbols=(A,))


@pytest.fixture
def clock():
    return TestClock()


def routed(clock, *sources):
    nodes = [node(source) for source in sources]
    return Router(Fixed(lone(*nodes)), clock=clock, redactor=Redactor()), nodes


def ask(clock, seconds=5.0):
    return Deadline.within(seconds, clock)


async def test_failures_after_the_first_of_a_request_cool_down_too(clock):
    """https://github.com/BerriAI/litellm/issues/32574: of one request's failures only the first
    was booked, so nodes that failed as a fallback stayed in rotation."""
    error = SourceUnavailable("500")
    sources = [Scripted(name, clock, error) for name in ("one", "two", "three")]
    made, nodes = routed(clock, *sources, Scripted("four", clock))
    assert (await made.fetch(QUERY, ask(clock))).found[A].source == "four"
    for one in nodes[:3]:
        assert one.cooling(EVERYTHING) is not None
        assert one.counters.failures == 1, "booked once"
        assert one.health.breaker.total.failures == 1
    assert (await made.fetch(QUERY, ask(clock))).found[A].source == "four"
    assert [len(source.asked) for source in sources] == [1, 1, 1]


async def test_a_cooling_node_gets_not_one_request_before_its_time(clock):
    """https://github.com/BerriAI/litellm/pull/34836: cool-downs were read back in batches only
    every ten seconds, so a cooling deployment was served again in between."""
    first, second = Scripted("one", clock, Throttled("429", retry_after=15)), Scripted("two", clock)
    made, _ = routed(clock, first, second)
    await made.fetch(QUERY, ask(clock))
    at_once = await asyncio.gather(*(made.fetch(QUERY, ask(clock)) for _ in range(50)))
    assert {answer.found[A].source for answer in at_once} == {"two"}
    for _ in range(14):
        clock.advance(1)
        await made.fetch(QUERY, ask(clock))
    assert len(first.asked) == 1
    clock.advance(1)
    await made.fetch(QUERY, ask(clock))
    assert len(first.asked) == 2, "and is asked again once it is over"


async def test_a_node_that_answers_500_again_and_again_leaves_the_rotation(clock):
    """https://github.com/BerriAI/litellm/pull/34836: twenty-five server errors in a row left a
    deployment in full rotation."""
    first, second = Scripted("one", clock, SourceUnavailable("500")), Scripted("two", clock)
    made, nodes = routed(clock, first, second)
    for _ in range(50):
        assert (await made.fetch(QUERY, ask(clock))).found[A].source == "two"
        clock.advance(SourceUnavailable.cool_down + 0.1)  # its cool-down is over each time
    assert len(first.asked) < 25
    assert nodes[0].health.breaker.state != "closed"
    first.asked.clear()
    for _ in range(100):
        await made.fetch(QUERY, ask(clock))
    assert len(first.asked) <= 1, "an ejected node gets one request at a time, and rarely"


@pytest.mark.parametrize("error", [UnknownSymbol("no such thing"), BadParameter("not like this")])
async def test_a_callers_404_cools_no_source(clock, error):
    """https://github.com/BerriAI/litellm/pull/35104: one bad id answered with 404 by every
    deployment of the chain would have cooled all of them down."""
    sources = [Scripted("one", clock, error), Scripted("two", clock, error)]
    made, nodes = routed(clock, *sources)
    for _ in range(2 * IN_A_ROW):
        with pytest.raises(NotOffered):
            await made.fetch(QUERY, ask(clock))
    for one in nodes:
        assert one.cooling("quotes:stock") is None
        assert one.counters.failures == 0
        assert one.health.breaker.state == "closed"
        assert one.health.breaker.total.failures == 0
    sources[0].script = [None]
    assert (await made.fetch(QUERY, ask(clock))).found[A].source == "one", "it is asked at once"


async def test_a_callers_own_time_out_cools_no_source():
    """https://github.com/BerriAI/litellm/pull/35104: a time-out that the caller had set himself
    counted against the deployment."""
    clock = RunningClock()
    slow = Scripted("one", clock, 0.2)
    made, (subject,) = routed(clock, slow)
    for _ in range(HASTY_IN_A_ROW - 1):
        with pytest.raises(Exception, match="deadline"):
            await made.fetch(QUERY, ask(clock, 0.02))
    assert subject.cooling("quotes:stock") is None
    assert subject.health.breaker.total.failures == 0
    # Where active checks have shown that they work, no number of them is held against it.
    subject.health.vouched = True
    for _ in range(2 * HASTY_IN_A_ROW):
        with pytest.raises(Exception, match="deadline"):
            await made.fetch(QUERY, ask(clock, 0.02))
    assert subject.cooling("quotes:stock") is None
    assert subject.health.breaker.state == "closed"
    assert subject.health.suspect, "a check finds out whether it hangs"
    assert (await made.fetch(QUERY, ask(clock))).found[A].source == "one"
    assert not subject.health.suspect


async def test_where_all_cool_down_the_last_resort_is_asked_at_once(clock):
    """https://github.com/BerriAI/litellm/issues/3646: should a request wait or fail while all
    deployments cool down? A node that was only unreachable is asked all the same."""
    sources = [Scripted("one", clock), Scripted("two", clock)]
    made, nodes = routed(clock, *sources)
    nodes[0].failed("quotes:stock", Throttled("429", retry_after=40))
    nodes[1].failed(EVERYTHING, SourceUnavailable("refused"))
    answer = await made.fetch(QUERY, ask(clock))
    assert answer.found[A].source == "two"
    assert sources[0].asked == [], "one that refused is not"


async def test_where_all_refuse_the_request_fails_at_once_and_says_when_to_come_again(clock):
    """https://github.com/BerriAI/litellm/issues/3646, the other half: nobody waits for a
    cool-down that outlives the request; 503 with Retry-After until the first of them is over."""
    sources = [Scripted("one", clock), Scripted("two", clock)]
    made, nodes = routed(clock, *sources)
    nodes[0].failed("quotes:stock", Throttled("429", retry_after=40))
    nodes[1].failed("quotes:stock", Throttled("429", retry_after=7))
    began = asyncio.get_running_loop().time()
    with pytest.raises(AllSourcesFailed) as caught:
        await made.fetch(QUERY, ask(clock))
    assert asyncio.get_running_loop().time() - began < 0.5
    assert (caught.value.status, caught.value.retry_after) == (503, 7)
    assert [source.asked for source in sources] == [[], []]
