"""Cool-downs that wait for a good check."""

import pytest
from support.clock import TestClock

from argus_core import BadData, LoginFailed, SourceTimeout, SourceUnavailable, Throttled
from argus_core.routing.health.cooling import EVERYTHING, LONGEST_PROOF, CoolDowns


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def downs(clock):
    return CoolDowns(clock)


def test_it_outlives_its_time_until_a_check_is_good(downs, clock):
    downs.begin("quotes", SourceTimeout("x"), proof=True)
    clock.advance(60)
    cooling = downs.of("bars")
    assert cooling is not None
    assert cooling.why(clock.monotonic()) == "waiting for a good check after TIMEOUT"
    assert downs.check_passed() is cooling.error
    assert downs.of("bars") is None
    assert downs.check_passed() is None


def test_a_good_check_ends_it_before_its_time(downs):
    downs.begin(EVERYTHING, SourceUnavailable("x"))
    assert downs.check_passed() is not None
    assert downs.of(EVERYTHING) is None


def test_a_refused_login_is_not_forgiven_before_its_time(downs, clock):
    downs.begin(EVERYTHING, LoginFailed("x"), proof=True)
    assert downs.check_passed() is None
    clock.advance(301)
    assert downs.of(EVERYTHING) is not None, "now a check decides"
    assert downs.check_passed() is not None


def test_checks_that_never_get_good_do_not_keep_it_for_ever(downs, clock):
    downs.begin(EVERYTHING, SourceUnavailable("x"), proof=True)
    clock.advance(LONGEST_PROOF - 4)
    downs.begin(EVERYTHING, SourceUnavailable("x"), proof=True)
    clock.advance(4)
    assert downs.of(EVERYTHING) is not None, "its own five seconds are not over"
    clock.advance(1)
    assert downs.of(EVERYTHING) is None, "asked as a last resort it failed, but that adds no wait"


def test_refusals_of_one_scope_never_wait_for_a_check(downs, clock):
    downs.begin("quotes", Throttled("x", retry_after=3), proof=True)
    downs.begin("bars", BadData("x"), proof=True)
    clock.advance(31)
    assert downs.of("quotes") is None
    assert downs.of("bars") is None
