"""Data that cannot be true, everywhere: said key by key, and never served."""

import pytest
from support.clock import TestClock
from support.sources import Fixed, Scripted, lone, node, symbols

from argus_core import NotOffered, Quote, QuotesQuery, SourceUnavailable, Throttled
from argus_core.errors import AllSourcesFailed
from argus_core.model.ask import Deadline
from argus_core.routing.node import Node
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

A, B, C = symbols("600519.SH", "000001.SZ", "600000.SH")


@pytest.fixture
def clock():
    return TestClock()


def lying(clock, name, *about):
    """A source whose quotes of these symbols lack the price at which they were traded."""
    source = Scripted(name, clock)
    source.script = [
        lambda query: [
            Quote(symbol=s, volume=7.0) if s in about else source.quote(s) for s in query.symbols
        ]
    ]
    return source


async def fetch(clock, *sources, keys, secrets=()):
    route = Fixed(lone(*(node(source) for source in sources)))
    router = Router(route, clock=clock, redactor=Redactor(secrets))
    return await router.fetch(QuotesQuery(symbols=keys), Deadline.within(5, clock))


async def test_a_key_that_is_false_everywhere_says_so_and_the_others_are_served(clock):
    routed = await fetch(clock, lying(clock, "one", B), lying(clock, "two", B), keys=(A, B))
    assert set(routed.found) == {A}
    assert routed.absent == {}
    (failure,) = routed.failures.values()
    assert failure.code == "BAD_DATA"
    assert failure.message == "the price is missing although 7 were traded"


async def test_an_attempt_that_brought_something_false_is_marked_though_it_brought_others(clock):
    routed = await fetch(clock, lying(clock, "one", B), Scripted("two", clock), keys=(A, B))
    first, second = routed.trace.attempts
    assert (first.error, first.asked, first.answered) == ("BAD_DATA", 2, 1)
    assert first.reason == "the price is missing although 7 were traded"
    assert (second.error, second.reason, second.asked, second.answered) == (None, None, 1, 1)


async def test_if_every_key_is_false_everywhere_nothing_is_answered(clock):
    with pytest.raises(AllSourcesFailed) as caught:
        await fetch(clock, lying(clock, "one", A, B), keys=(A, B))
    assert caught.value.message == "no source gave data that can be true"
    assert [(a.source, a.error) for a in caught.value.attempts] == [("one", "BAD_DATA")]
    assert caught.value.retry_after == 30


async def test_secrets_in_a_false_value_do_not_reach_the_failure(clock):
    routed = await fetch(clock, lying(clock, "one", B), keys=(A, B), secrets=["although"])
    assert "although" not in routed.failures[B].message


async def test_a_second_round_ends_as_soon_as_every_key_was_heard_of(clock):
    first = Scripted("one", clock, SourceUnavailable("reset"), {A})
    second = Scripted("two", clock, SourceUnavailable("reset"))
    routed = await fetch(clock, first, second, keys=(A, B))
    assert set(routed.found) == {B}
    assert set(routed.absent) == {A}
    assert [a.source for a in routed.trace.attempts] == ["one", "two", "one"]
    assert second.asked == [(A, B)], "that A is absent has been said: nobody else is asked in haste"


async def test_what_one_kind_declines_does_not_hide_what_the_other_suffers(clock):
    (index,) = symbols("000300.SH")

    def by_kind(query):
        raise NotOffered("no index") if index in query.symbols else Throttled("too fast")

    one = Scripted("one", clock, by_kind)
    made = node(one)
    router = Router(Fixed(lone(made)), clock=clock, redactor=Redactor())
    with pytest.raises(AllSourcesFailed):
        await router.fetch(QuotesQuery(symbols=(index, A)), Deadline.within(5, clock))
    assert made.cooling("quotes:stock").error.code == "RATE_LIMIT_EXCEEDED"
    assert made.cooling("quotes:index") is None
    assert made.counters.failures == 1


async def test_where_nobody_cools_down_the_asker_may_come_back_in_a_second(clock):
    # The test's clock stands still, so only the attempt's own time is over.
    router = Router(Fixed(lone(node(Scripted("one", clock, 30)))), clock=clock, redactor=Redactor())
    with pytest.raises(AllSourcesFailed) as caught:
        await router.fetch(QuotesQuery(symbols=(A,)), Deadline.within(0.05, clock))
    assert [a.error for a in caught.value.attempts] == ["TIMEOUT"]
    assert caught.value.retry_after == 1


async def test_a_cool_down_that_ends_between_two_looks_keeps_nobody_out():
    clock = TestClock()
    subject = node(Scripted("one", clock))
    subject.failed("quotes:stock", Throttled("slower", retry_after=1))
    looks = iter([()])

    def ready(query, *, desperate=False):
        # The clock moves on between the two questions of one look
        if next(looks, None) == ():
            clock.advance(2)
            return ()
        return Node.ready(subject, query, desperate=desperate)

    subject.ready = ready
    made = Router(Fixed(lone(subject)), clock=clock, redactor=Redactor(()))
    routed = await made.fetch(QuotesQuery(symbols=(A,)), Deadline.within(60, clock))
    assert routed.found[A].source == "one"
