"""The order of pools that follows from what their sources prove."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock
from support.sources import Scripted, lone, node, symbols

from argus_core import BadData, QuotesQuery
from argus_core.model.ask import Deadline
from argus_core.routes import Routes
from argus_core.routing.evidence import Fresh, Proved
from argus_core.routing.merit import HALVED, REVIEW, Merits
from argus_core.routing.pool import Member, Pool, RouteTable
from argus_core.routing.router import Router
from argus_core.telemetry.redact import Redactor

QUERY = QuotesQuery(symbols=symbols("600519.SH"))


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def merits(clock):
    return Merits(clock)


def pool(name, clock):
    return Pool(name, (Member(node(Scripted(name, clock))),))


@pytest.fixture
def pair(clock):
    return pool("first", clock), pool("second", clock)


def seen(merits, pool, times=30, *, well=True, seconds=0.01):
    for _ in range(times):
        merits.note(pool.members[0].node, QUERY, well=well, seconds=seconds)


def names(merits, pools):
    return [pool.name for pool in merits.ordered(pools, QUERY)]


def test_strangers_keep_the_written_order(merits, pair):
    assert names(merits, pair) == ["first", "second"]


def test_who_fails_often_falls_behind(merits, pair):
    seen(merits, pair[0], well=False)
    seen(merits, pair[1])
    assert names(merits, pair) == ["second", "first"]


def test_who_is_slow_falls_behind(merits, pair):
    seen(merits, pair[0], seconds=2.0)
    seen(merits, pair[1], seconds=0.02)
    assert names(merits, pair) == ["second", "first"]


def test_who_is_hardly_slower_does_not(merits, pair):
    seen(merits, pair[0], seconds=0.06)
    seen(merits, pair[1], seconds=0.02)
    assert names(merits, pair) == ["first", "second"]


def test_whose_rows_are_off_falls_behind(merits, pair):
    pair[0].members[0].node.evidence.rows["quotes"] = Proved(proved=60, off=40)
    pair[1].members[0].node.evidence.rows["quotes"] = Proved(proved=100)
    assert names(merits, pair) == ["second", "first"]


def test_who_told_what_cannot_be_true_falls_behind(merits, pair):
    pair[0].members[0].node.evidence.failed["disproved"] += 1
    assert names(merits, pair) == ["second", "first"]


def test_whose_data_come_late_falls_behind(merits, pair, clock):
    for one, late in zip(pair, (120, 2), strict=True):
        fresh = Fresh(clock.now() - timedelta(seconds=late), clock.now())
        one.members[0].node.evidence.fresh["quotes"] = fresh
    assert names(merits, pair) == ["second", "first"]


def test_a_pool_is_as_good_as_its_best_node_that_is_up(merits, clock):
    good, bad = node(Scripted("good", clock)), node(Scripted("bad", clock))
    both = Pool("both", (Member(bad), Member(good)))
    alone = pool("alone", clock)
    for _ in range(30):
        merits.note(bad, QUERY, well=False, seconds=1.0)
    assert names(merits, (both, alone)) == ["both", "alone"]
    good.down = "it could not start"
    clock.advance(REVIEW)
    assert names(merits, (both, alone)) == ["alone", "both"]


def test_an_order_stands_for_a_while(merits, pair, clock):
    assert names(merits, pair) == ["first", "second"]
    seen(merits, pair[0], well=False)
    assert names(merits, pair) == ["first", "second"]
    clock.advance(REVIEW)
    assert names(merits, pair) == ["second", "first"]


def test_it_does_not_turn_back_for_a_trifle(merits, pair, clock):
    seen(merits, pair[0], well=False)
    assert names(merits, pair) == ["second", "first"]
    seen(merits, pair[0], times=60)
    clock.advance(REVIEW)
    assert names(merits, pair) == ["second", "first"], "they are near equals again"


def test_what_was_long_ago_is_forgiven(merits, pair, clock):
    seen(merits, pair[0], well=False)
    assert names(merits, pair) == ["second", "first"]
    seen(merits, pair[1], seconds=1.0)
    clock.advance(10 * HALVED)
    seen(merits, pair[1], seconds=1.0)
    assert names(merits, pair) == ["first", "second"]


def test_a_pool_made_anew_under_its_name_is_the_one_that_is_asked(merits, pair, clock):
    merits.ordered(pair, QUERY)
    anew = pool("first", clock)
    assert merits.ordered((anew, pair[1]), QUERY)[0] is anew


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.booleans(), st.floats(0, 20), st.floats(0, 60)),
        max_size=60,
    )
)
def test_every_order_holds_every_pool_once_and_merits_are_shares(events):
    clock = TestClock()
    merits, pools = Merits(clock), tuple(pool(name, clock) for name in "abcd")
    for number, well, seconds, passed in events:
        merits.note(pools[number].members[0].node, QUERY, well=well, seconds=seconds)
        clock.advance(passed)
        order = merits.ordered(pools, QUERY)
        assert sorted(p.name for p in order) == list("abcd")
        assert all(0 <= merits.merit(p.members[0].node, "quotes") <= 1 for p in pools)


async def test_a_route_by_quality_leaves_a_source_behind_that_answers_badly(clock, merits):
    flaky = Scripted("flaky", clock, BadData("nothing but dashes"))
    pools = {"flaky": lone(node(flaky))[0], "sound": lone(node(Scripted("sound", clock)))[0]}
    written = {"default": {"pools": ["flaky", "sound"], "order": "quality"}}
    table = RouteTable(Routes.parse(written, "a test"), pools, merits.ordered)
    router = Router(table, clock=clock, redactor=Redactor(), merits=merits)
    routes = []
    for _ in range(8):
        routed = await router.fetch(QUERY, Deadline.within(5, clock))
        assert routed.found[QUERY.keys[0]].source == "sound"
        routes.append(routed.trace.route)
        clock.advance(BadData.cool_down + REVIEW)
    assert routes[0] == ("flaky", "sound")
    assert routes[-1] == ("sound", "flaky")
    assert len(flaky.asked) < len(routes)
