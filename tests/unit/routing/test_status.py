"""What operators are told about a source."""

import pytest
from support.clock import TestClock
from support.sources import Scripted, node

from argus_core import Exchange, Kind, LoginFailed, Period, Throttled
from argus_core.routing.pool import Member, Pool
from argus_core.routing.status import status_of
from argus_core.telemetry.redact import Redactor


@pytest.fixture
def clock():
    return TestClock()


def status(subject, clock, routes=()):
    return status_of(
        subject, distribution="some-plugin 1.0", routes=routes, clock=clock, redactor=Redactor()
    )


def test_a_source_that_works(clock):
    source = Scripted("one", clock)
    source.exchanges = frozenset({Exchange.SZ, Exchange.SH})
    source.kinds = frozenset({Kind.STOCK, Kind.BOND})
    source.periods = frozenset({Period.D1, Period.M1, Period.M5})
    subject = node(source)
    subject.succeeded("quotes")
    subject.counters.calls = 3
    found = status(subject, clock)
    assert (found.name, found.plugin, found.distribution) == ("one", "scripted", "some-plugin 1.0")
    assert (found.state, found.reason, found.cooling) == ("up", None, {})
    assert found.datasets == ("quotes",)
    assert found.exchanges == ("SH", "SZ")
    assert found.kinds == ("bond", "stock")
    assert found.periods == ("1m", "5m", "1d"), "the shortest first"
    assert (found.pools, found.routes) == ((), ())
    assert (found.calls, found.failures, found.in_flight) == (3, 0, 0)
    assert (found.last_error, found.last_error_at, found.last_ok_at) == (None, None, clock.now())
    assert found.simulated is False


def test_a_simulated_source_says_so(clock):
    class Invented(Scripted):
        simulated = True

    assert status(node(Invented("one", clock)), clock).simulated is True


def test_a_cooling_source_says_for_how_long_and_why(clock):
    subject = node(Scripted("one", clock))
    subject.failed("quotes", Throttled("x", retry_after=10.2))
    subject.failed("bars", Throttled("x", retry_after=3))
    subject.failed("bars", LoginFailed("x"))
    found = status(subject, clock)
    assert found.state == "cooling"
    assert found.cooling == {"quotes": 11, "bars": 3, "*": 300}
    assert found.reason == "RATE_LIMIT_EXCEEDED, UNAUTHORIZED"
    assert (found.failures, found.last_error) == (3, "UNAUTHORIZED")
    assert found.last_error_at == clock.now()
    clock.advance(3)
    assert status(subject, clock).cooling == {"quotes": 8, "*": 297}
    clock.advance(297)
    later = status(subject, clock)
    assert (later.state, later.reason, later.cooling) == ("up", None, {})
    assert later.last_error == "UNAUTHORIZED", "what happened is still told"


def test_a_source_that_could_not_start_is_down_whatever_else_is_wrong(clock):
    subject = node(Scripted("one", clock))
    subject.failed("quotes", Throttled("x"))
    subject.down = "the token was refused"
    found = status(subject, clock)
    assert (found.state, found.reason) == ("down", "the token was refused")


def test_the_routes_and_pools_that_reach_it_are_named_once(clock):
    mine, other = node(Scripted("mine", clock)), node(Scripted("other", clock))
    both = Pool("both", (Member(other), Member(mine)))
    alone, foreign = Pool("mine", (Member(mine),)), Pool("other", (Member(other),))
    routes = [
        ("default", (both, alone)),
        ("bars", (foreign, both)),
        ("quotes", (foreign,)),
    ]
    found = status(mine, clock, routes)
    assert found.pools == ("both", "mine")
    assert found.routes == ("default", "bars")
