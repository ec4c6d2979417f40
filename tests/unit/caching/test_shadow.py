"""The shadow: replays agree with what the tiers really did, and advice with what it then brings."""

import math
import time as wall
from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.traffic import Never, Traffic, memory, rules_with

from argus_core import (
    CalendarQuery,
    Exchange,
    InstrumentsQuery,
    Quote,
    QuotesQuery,
    SectorsQuery,
    Symbol,
)
from argus_core.cache_tables import DEFAULT_RULES
from argus_core.caching.advice import ENOUGH, GAIN, SMALLEST, advise
from argus_core.caching.freshness import Freshness
from argus_core.caching.lives import Life, Lives
from argus_core.caching.rules import Rules
from argus_core.caching.shadow import Replayed, Timeline, replay, timeline

SYMBOLS = tuple(f"{n:06d}.SZ" for n in range(1, 9))
LIVES = Lives(settle_hours=3.0)
MOVING, RESTING = Life(0.001, 1e9), Life(5000.0, 5000.0)
RULE = "LATEST_DATA"


def lined(traffic):
    """The timeline of everything that was asked."""
    recent, clock = traffic.accesses.recent(), traffic.clock
    return timeline(recent, LIVES, now=clock.now(), second=clock.monotonic())


def replayed(traffic, rules=None, deeper=()):
    rules = rules or traffic.rules
    ttls = {name: rules[name].ttl for name in rules}
    sizes = {name: rules[name].max_size for name in rules}
    outcomes = replay(lined(traffic), ttls, sizes, deeper)
    whole = sum(outcomes.values(), Replayed())
    return whole.asked, whole.fresh


async def played(traffic, script):
    """Ask what the script says: seconds to wait, then symbols, bars instead of quotes if a day."""
    for wait, numbers, day in script:
        traffic.clock.advance(wait)
        if day is None:
            await traffic.quotes(*dict.fromkeys(SYMBOLS[n] for n in numbers))
        else:
            await traffic.bars(SYMBOLS[numbers[0]], date(2024, 3, 1), date(2024, 3, day))


def script(asks=30, longest=4.0):
    waits = st.floats(0, longest, allow_nan=False).map(lambda seconds: round(seconds, 3))
    numbers = st.lists(st.integers(0, 7), min_size=1, max_size=4)
    days = st.none() | st.none() | st.sampled_from([5, 14, 15])
    return st.lists(st.tuples(waits, numbers, days), max_size=asks)


class TestReplay:
    @given(script=script(), size=st.integers(1, 9))
    @settings(max_examples=40, deadline=None)
    async def test_it_agrees_with_the_tiers(self, script, size):
        traffic = Traffic(rules_with(max_size=size))
        await played(traffic, script)
        assert replayed(traffic) == traffic.outcome()
        assert lined(traffic).fresh == traffic.outcome()[1]

    @given(script=script(longest=3600))
    @settings(max_examples=20, deadline=None)
    async def test_it_agrees_over_breaks_and_nights(self, script):
        traffic = Traffic(now="2024-03-15 11:00:00")
        # Whole minutes: what the clock says is worked out once a minute.
        await played(traffic, [(60 * round(wait / 60), *rest) for wait, *rest in script])
        assert replayed(traffic) == traffic.outcome()

    @given(script=script(), size=st.integers(1, 6))
    @settings(max_examples=20, deadline=None)
    async def test_what_lies_deeper_is_found_though_it_was_pushed_out(self, script, size):
        async def outcome(rules, deep):
            traffic = Traffic(
                rules, caches=lambda clock: [memory(f"l{n}", clock) for n in range(1 + deep)]
            )
            for step in script:
                await played(traffic, [step])
                for behind in traffic.tiers._behind.values():
                    await behind.flush()
            done = traffic.outcome(), replayed(traffic, deeper=[RULE] * deep)
            await traffic.tiers.aclose()
            return done

        deep, shadow = await outcome(rules_with(max_size=size), 1)
        assert deep == shadow
        roomy, _ = await outcome(rules_with(max_size=100), 0)
        assert deep == roomy

    def test_a_longer_ttl_and_a_larger_size_find_more(self):
        steps = [(float(n), [(f"quotes:{n % 3}", MOVING, False)]) for n in range(30)]
        line = Timeline({RULE: steps})

        def outcome(ttl, size):
            return replay(line, {RULE: ttl}, {RULE: size})[RULE]

        assert outcome(3, 9) == Replayed(30, 0, 0, 3)
        assert outcome(3.5, 9) == Replayed(30, 15, 0, 3)
        assert outcome(100, 9) == Replayed(30, 27, 0, 3)
        assert outcome(100, 2) == Replayed(30, 0, 27, 2)
        assert Replayed().hit_rate is None

    def test_a_hundred_thousand_accesses_take_less_than_a_second(self):
        random = Random(1)
        steps = [
            (n / 100, [(f"quotes:{int(5000 * random.random() ** 2)}", MOVING, False)])
            for n in range(100_000)
        ]
        line = Timeline({RULE: steps})
        started = wall.process_time()
        first = replay(line, {RULE: 3.0}, {RULE: 1000})
        assert wall.process_time() - started < 1
        assert replay(line, {RULE: 3.0}, {RULE: 1000}) == first

    async def test_what_was_never_missed_stays_found(self):
        traffic = Traffic(bound=20)
        for _ in range(100):
            await traffic.quotes(SYMBOLS[0])
        assert lined(traffic).asked == 20
        assert replayed(traffic) == (20, 20)


class TestLives:
    def test_the_ttl_counts_where_the_market_moves_and_the_clock_elsewhere(self):
        query = QuotesQuery(symbols=(Symbol("600519.SH"),))
        at = Traffic(now="2024-03-15 10:00:00").clock.now()
        life = LIVES.of(query, "600519.SH", at)
        assert life.least < 1
        assert life.most > 1e8
        noon = LIVES.of(query, "600519.SH", at.replace(hour=12))
        assert noon.least == noon.most == 3600

    @pytest.mark.parametrize(
        ("instant", "least", "most", "leap"),
        [
            ("2024-03-14 10:00:00", 0.001, 23 * 3600, math.inf),
            ("2024-03-15 10:00:00", 0.001, 71 * 3600, 14 * 3600),
            ("2024-03-16 10:00:00", 47 * 3600, 47 * 3600, math.inf),
        ],
    )
    def test_tables_live_over_the_weekend_if_they_live_until_it(self, instant, least, most, leap):
        query = InstrumentsQuery(symbols=(Symbol("600519.SH"),))
        life = LIVES.of(query, "600519.SH", Traffic(now=instant).clock.now())
        assert life == Life(least, most, leap)

    @given(
        minutes=st.integers(0, 60 * 24 * 30),
        ttl=st.sampled_from([1.0, 600.0, 36_000.0, 86_400.0, 200_000.0, 900_000.0]),
    )
    @settings(deadline=None)
    def test_they_are_what_the_rules_say_whatever_the_ttl(self, minutes, ttl):
        symbol = Symbol("600519.SH")
        at = Traffic(now="2024-03-01 00:00:00").clock.now() + timedelta(minutes=minutes)
        rules = Rules({n: r.model_copy(update={"ttl": ttl}) for n, r in DEFAULT_RULES.items()})
        for query in (
            QuotesQuery(symbols=(symbol,)),
            InstrumentsQuery(symbols=(symbol,)),
            SectorsQuery(sectors=("x",)),
        ):
            key = query.keys[0]
            value = Quote(symbol=symbol, as_of=at)
            span = Freshness(rules, Never(), 3.0).span(query, key, value, at)
            expected = (span.fresh_until - at).total_seconds()
            assert LIVES.of(query, key, at).under(ttl) == pytest.approx(expected)

    def test_a_calendar_lives_without_its_value(self):
        query = CalendarQuery(
            exchanges=(Exchange.SH,), start=date(2024, 1, 1), end=date(2024, 1, 31)
        )
        at = Traffic().clock.now()
        assert LIVES.of(query, "SH", at).least > 3600


def paced(seconds, *, asks=2 * ENOUGH, symbols=2, life=MOVING, rule=RULE):
    """The same symbols, asked for in turn at an even pace; nothing was there before."""
    texts = [f"quotes:{symbol}" for symbol in SYMBOLS[:symbols]]
    steps = [(n * seconds, [(texts[n % symbols], life, False)]) for n in range(asks)]
    return Timeline({rule: steps})


async def asked_every(seconds, rules, *, symbols):
    """What the tiers really find of questions at an even pace."""
    traffic = Traffic(rules)
    for n in range(2 * ENOUGH):
        traffic.clock.advance(seconds)
        await traffic.quotes(SYMBOLS[n % symbols])
    asked, fresh = traffic.outcome()
    return traffic, fresh / asked


def follow(advice, rules):
    for change in advice.changes:
        rules.change(change.rule, **{change.field: change.new})


class TestAdvice:
    def test_too_little_is_no_evidence(self):
        advice = advise(paced(2, asks=ENOUGH - 1), Rules(), used=1)
        assert (advice.changes, advice.before, advice.after) == ((), None, None)
        assert str(ENOUGH) in advice.reason

    async def test_a_ttl_is_raised_where_that_finds_more_and_then_does(self):
        rules = Rules()
        traffic, before = await asked_every(2, rules, symbols=2)  # each every 4 s, with a ttl of 3
        advice = advise(lined(traffic), rules, used=None)
        (change,) = advice.changes
        assert (change.rule, change.field, change.old) == (RULE, "ttl", 3.0)
        assert change.old < change.new <= 2 * change.old
        assert advice.before == before == 0
        assert change.points >= 100 * GAIN
        follow(advice, rules)
        _, after = await asked_every(2, rules, symbols=2)
        assert after == pytest.approx(advice.after)

    def test_the_same_evidence_is_not_used_twice(self):
        rules = Rules()
        follow(advise(paced(2), rules, used=None), rules)
        again = advise(paced(2), rules, used=None)
        assert again.changes == ()
        assert again.before == again.after > 0

    def test_a_ttl_never_leaves_half_to_double_of_the_configured_one(self):
        rules = Rules()
        for seconds in (2, 2.4, 2.9, 5, 0.2, 2):  # each symbol is asked for every double of these
            follow(advise(paced(seconds), rules, used=None), rules)
            assert 1.5 <= rules[RULE].ttl <= 6

    def test_freshness_that_costs_nothing_is_taken(self):
        (change,) = advise(paced(10), Rules(), used=None).changes
        assert (change.field, change.new, change.points) == ("ttl", 1.5, 0.0)

    def test_a_ttl_stays_where_more_wins_little_and_less_costs_something(self):
        # Every 0.059 s: one of 51 is missed; of 102 with double the ttl, of 46 with 0.9 of it.
        assert advise(paced(0.0295, asks=8000), Rules(), used=None).changes == ()

    def test_lowerings_do_not_add_up(self):
        rules = Rules()
        rules.change(RULE, ttl=2.0)
        follow(advise(paced(10), rules, used=None), rules)
        assert rules[RULE].ttl == 1.5
        assert advise(paced(10), rules, used=None).changes == ()

    @pytest.mark.parametrize("life", [RESTING, Life(60.0, 60.0)])
    def test_nothing_about_a_ttl_is_learnt_while_the_market_rests(self, life):
        assert advise(paced(2, life=life), Rules(), used=None).changes == ()

    @pytest.mark.parametrize("now", ["2024-03-15 18:00:00", "2024-03-16 10:00:00"])
    async def test_the_market_rests_at_night_and_at_weekends(self, now):
        traffic = Traffic(now=now)
        for _ in range(50):
            traffic.clock.advance(2)
            await traffic.quotes(*SYMBOLS)
        assert lined(traffic).moved(RULE).asked == 0
        assert lined(traffic).asked == 400

    def test_a_moment_says_nothing_about_a_long_life(self):
        assert advise(paced(0.001), Rules(), used=None).changes == (), "2 s, with a ttl of 3 s"

    async def test_a_size_grows_where_fresh_entries_were_pushed_out_and_then_fewer_are(self):
        rules = rules_with(max_size=4)
        traffic, before = await asked_every(0.2, rules, symbols=6)
        advice = advise(lined(traffic), rules, used=4)
        assert advice.before == before
        assert {c.field: c.new for c in advice.changes}["max_size"] == 6
        follow(advice, rules)
        _, after = await asked_every(0.2, rules, symbols=6)
        assert after == pytest.approx(advice.after)
        assert after > before

    def test_a_size_shrinks_to_double_of_what_is_used_but_not_below_the_least(self):
        line = paced(0.1, life=RESTING)
        (change,) = advise(line, Rules(), used=2).changes
        assert (change.field, change.old, change.new) == ("max_size", 200_000, SMALLEST)
        (change,) = advise(line, Rules(), used=20_000).changes
        assert change.new == 40_000
        assert advise(line, Rules(), used=60_000).changes == (), "not far larger"
        assert advise(line, Rules(), used=None).changes == (), "nobody knows"

    def test_a_size_that_was_shrunk_too_far_returns_at_once(self):
        rules = rules_with(max_size=50)
        rules.change(RULE, max_size=4)
        (change,) = advise(paced(0.2, symbols=6, life=RESTING), rules, used=4).changes
        assert (change.field, change.new) == ("max_size", 50)

    def test_each_rule_is_judged_by_its_own_questions(self):
        little = paced(2, asks=ENOUGH - 1, rule="HISTORY_DATA")
        line = Timeline({**paced(2).steps, **little.steps})
        advice = advise(line, Rules(), used=None)
        assert {change.rule for change in advice.changes} == {RULE}
