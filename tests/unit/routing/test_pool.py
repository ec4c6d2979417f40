"""Pools and routes: who is picked, who is told, and which pools a key goes to."""

from dataclasses import replace
from datetime import date, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock
from support.sources import Scripted, node, symbols

from argus_core import (
    SHANGHAI,
    Balancer,
    BarsQuery,
    CalendarQuery,
    Exchange,
    ListingsQuery,
    Period,
    QuotesQuery,
    SectorsQuery,
)
from argus_core.routes import Routes
from argus_core.routing.pool import Member, Pool, RouteTable

SH, SZ, RB = symbols("600519.SH", "000001.SZ", "rb2410.SHFE")
DAY = date(2024, 3, 15)
AT = datetime(2024, 3, 15, tzinfo=SHANGHAI)
BARS = BarsQuery(symbols=(SH, RB, SZ), period=Period.D1, start=DAY, end=DAY, since=AT, until=AT)


class Last(Balancer):
    """Takes the last candidate and writes down what it sees and hears."""

    def __init__(self):
        super().__init__(Random(0))
        self.offered, self.heard = [], []

    def pick(self, candidates):
        self.offered.append([c.name for c in candidates])
        return candidates[-1]

    def report(self, candidate, *, ok, seconds):
        self.heard.append((candidate.name, ok, seconds))


def members(*names):
    clock = TestClock()
    return tuple(Member(node(Scripted(name, clock)), weight=2.0) for name in names)


class TestPool:
    def test_a_member_is_its_node_with_a_weight(self):
        (one,) = members("one")
        assert (one.name, one.weight, one.in_flight) == ("one", 2.0, 0)
        assert Member(one.node).weight == 1.0

    def test_without_a_balancer_the_first_is_taken(self):
        two = members("a", "b")
        assert Pool("p", two).pick(two[1:]) is two[1]
        assert Pool("p", two).pick(two) is two[0]

    def test_the_balancer_chooses_among_the_candidates(self):
        three, balancer = members("a", "b", "c"), Last()
        pool = Pool("p", three, balancer)
        assert pool.pick(three) is three[2]
        assert pool.pick(three[:2]) is three[1]
        assert balancer.offered == [["a", "b", "c"], ["a", "b"]]

    def test_a_balancer_is_asked_about_the_last_candidate_too_but_not_in_a_pool_of_one(self):
        two, balancer = members("a", "b"), Last()
        assert Pool("p", two, balancer).pick(two[:1]) is two[0]
        assert balancer.offered == [["a"]], "it keeps count of every pick"
        assert Pool("p", two[:1], balancer).pick(two[:1]) is two[0]
        assert balancer.offered == [["a"]]

    def test_a_stranger_or_an_equal_twin_is_not_taken(self):
        two = members("a", "b")

        class Twin(Last):
            def pick(self, candidates):
                return replace(candidates[1])

        assert Pool("p", two, Twin()).pick(two) is two[0]

    def test_reports_reach_the_balancer_and_nobody_where_there_is_none(self):
        (one,), balancer = members("one"), Last()
        Pool("p", (one,), balancer).report(one, ok=False, seconds=0.25)
        assert balancer.heard == [("one", False, 0.25)]
        Pool("p", (one,)).report(one, ok=True, seconds=0.1)

    def test_a_balancer_of_a_plugin_may_ignore_reports(self):
        (one,) = members("one")
        assert Balancer(Random(0)).report(one, ok=True, seconds=1.0) is None


def table(default=(), **routes):
    names = {"near", "far", "night", "other"}
    pools = {name: Pool(name, members(name)) for name in names}
    rules = {k.removesuffix("_rules"): v for k, v in routes.items() if k.endswith("_rules")}
    plain = {k: v for k, v in routes.items() if not k.endswith("_rules")}
    parsed = Routes.model_validate({"default": default, "by_dataset": plain, "rules": rules})
    return RouteTable(parsed, pools)


def test_only_what_is_to_go_by_merit_does():
    turned = lambda pools, _query: tuple(reversed(pools))  # noqa: E731 - two lines would hide it
    plain = {"pools": ["near", "far"], "order": "quality"}
    rule = {"markets": ["SHFE"], "pools": ["night", "other"], "order": "quality"}
    written = {"default": ["near", "far"], "quotes": plain, "bars_rules": [rule]}
    pools = {name: Pool(name, members(name)) for name in ("near", "far", "night", "other")}
    routes = RouteTable(Routes.parse(written, "a test"), pools, turned)
    assert parts(routes, QuotesQuery(symbols=(SH,))) == [(["far", "near"], (SH,))]
    assert parts(routes, BARS) == [(["near", "far"], (SH, SZ)), (["other", "night"], (RB,))]
    put = routes.routes.with_route("quotes", ("near", "far"))
    assert parts(RouteTable(put, pools, turned), QuotesQuery(symbols=(SH,))) == [
        (["near", "far"], (SH,))
    ]


def parts(route_table, query):
    return [([pool.name for pool in pools], part.keys) for pools, part in route_table.split(query)]


class TestSplit:
    def test_a_dataset_without_a_route_takes_the_default(self):
        routes = table(default=["near", "far"], bars=["far"])
        assert parts(routes, QuotesQuery(symbols=(SH, SZ))) == [(["near", "far"], (SH, SZ))]
        assert parts(routes, BARS) == [(["far"], (SH, RB, SZ))]

    def test_nothing_is_routed_where_nothing_is_said(self):
        assert parts(table(), QuotesQuery(symbols=(SH,))) == [([], (SH,))]

    def test_a_rule_by_market_takes_its_keys_only(self):
        routes = table(
            default=["near"], bars_rules=[{"markets": ["SHFE", "DCE"], "pools": ["night"]}]
        )
        assert parts(routes, BARS) == [(["near"], (SH, SZ)), (["night"], (RB,))]
        assert parts(routes, QuotesQuery(symbols=(RB,))) == [(["near"], (RB,))]

    @pytest.mark.parametrize(("period", "pools"), [(Period.M1, ["night"]), (Period.D1, ["near"])])
    def test_a_rule_by_period_takes_whole_queries(self, period, pools):
        routes = table(default=["near"], bars_rules=[{"periods": ["1m"], "pools": ["night"]}])
        assert parts(routes, replace(BARS, period=period)) == [(pools, (SH, RB, SZ))]

    def test_every_condition_of_a_rule_must_hold(self):
        rule = {"markets": ["SH"], "periods": ["1m"], "pools": ["night"]}
        routes = table(default=["near"], bars_rules=[rule])
        assert parts(routes, BARS) == [(["near"], (SH, RB, SZ))]
        minutes = replace(BARS, period=Period.M1)
        assert parts(routes, minutes) == [(["night"], (SH,)), (["near"], (RB, SZ))]

    def test_the_first_rule_that_matches_wins(self):
        rules = [
            {"markets": ["SHFE"], "pools": ["night"]},
            {"pools": ["other"]},
            {"markets": ["SH"], "pools": ["far"]},
        ]
        routes = table(default=["near"], bars_rules=rules)
        assert parts(routes, BARS) == [(["other"], (SH, SZ)), (["night"], (RB,))]

    def test_rules_that_name_the_same_pools_are_one_part(self):
        rules = [
            {"markets": ["SHFE"], "pools": ["near", "far"]},
            {"markets": ["SZ"], "pools": ["far", "near"]},
        ]
        routes = table(default=["near", "far"], bars_rules=rules)
        assert parts(routes, BARS) == [(["near", "far"], (SH, RB)), (["far", "near"], (SZ,))]

    def test_exchanges_are_keys_of_their_market(self):
        rules = [{"markets": ["SHFE"], "pools": ["night"]}]
        routes = table(default=["near"], listings_rules=rules, calendar_rules=rules)
        exchanges = (Exchange.SH, Exchange.SHFE)
        expected = [(["near"], (Exchange.SH,)), (["night"], (Exchange.SHFE,))]
        assert parts(routes, ListingsQuery(exchanges=exchanges)) == expected
        assert parts(routes, CalendarQuery(exchanges=exchanges, start=DAY, end=DAY)) == expected

    def test_a_sector_has_no_market_even_if_it_is_called_like_one(self):
        rules = [{"markets": ["SH"], "pools": ["night"]}]
        routes = table(default=["near"], sectors_rules=rules)
        query = SectorsQuery(sectors=("SH", "银行"))
        assert parts(routes, query) == [(["near"], ("SH", "银行"))]

    def test_a_rule_by_period_says_nothing_about_other_datasets(self):
        routes = table(default=["near"], quotes_rules=[{"periods": ["1d"], "pools": ["night"]}])
        assert parts(routes, QuotesQuery(symbols=(SH,))) == [(["near"], (SH,))]

    @given(
        st.lists(st.sampled_from(symbols("1.SH", "2.SH", "1.SZ", "rb.SHFE", "a.DCE")), unique=True),
        st.lists(
            st.builds(
                lambda markets, periods, pools: {
                    "markets": markets,
                    "periods": periods,
                    "pools": pools,
                },
                st.lists(st.sampled_from(["SH", "SZ", "SHFE", "DCE"]), max_size=2),
                st.lists(st.sampled_from(["1m", "1d"]), max_size=2),
                st.lists(st.sampled_from(["near", "far", "night"]), min_size=1, unique=True),
            ),
            max_size=4,
        ),
        st.sampled_from([Period.M1, Period.D1, Period.M5]),
    )
    def test_every_key_goes_exactly_one_way(self, keys, rules, period):
        routes = table(default=["near"], bars_rules=rules)
        query = replace(BARS, symbols=tuple(keys), period=period)
        found = parts(routes, query)
        assert sorted(key for _, part in found for key in part) == sorted(keys)
        assert len({tuple(pools) for pools, _ in found}) == len(found)
        for pools, part in found:
            for key in part:
                assert pools == expected_pools(rules, key.exchange.value, period.value)


def expected_pools(rules, market, period):
    for rule in rules:
        if market in (rule["markets"] or [market]) and period in (rule["periods"] or [period]):
            return rule["pools"]
    return ["near"]


def test_every_route_is_listed_with_the_key_that_defines_it():
    routes = table(
        default=["near"], bars=["far", "near"], bars_rules=[{"periods": ["1m"], "pools": ["night"]}]
    )
    listed = [(key, [pool.name for pool in pools]) for key, pools in routes.every()]
    assert len(listed) == 3
    assert dict(listed)["default"] == ["near"]
    assert dict(listed)["bars"] == ["far", "near"]
    assert [pools for key, pools in listed if key.startswith("bars_rules")] == [["night"]]
