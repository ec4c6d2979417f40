"""The tiers: order, filling, expiry, staleness, rest, clearing; a broken tier costs hits only."""

import asyncio
from datetime import date, datetime
from random import Random

import orjson
import pytest
from support.clock import TestClock
from support.sources import symbols

from argus_core import (
    SHANGHAI,
    BarsQuery,
    Cache,
    CacheError,
    CacheStats,
    DepthQuery,
    Period,
    Quote,
    QuotesQuery,
)
from argus_core.caching.freshness import Freshness
from argus_core.caching.level import FIRST_REST, PATIENCE, Level
from argus_core.caching.rules import Rules
from argus_core.caching.tiers import KEPT_ON_DISK, Tiers, keys_of
from argus_core.model.answer import Found

A, B = symbols("600519.SH", "000001.SZ")
TTL = 3.0


def key_of(query, key):
    """The text of one key."""
    return next(text for text, own in keys_of(query).items() if own == key)


class Dictionary(Cache):
    """A tier over a dict, which can be told to break or to dawdle."""

    def __init__(self, name, clock):
        super().__init__(name, None, clock)
        self.kept = {}
        self.reads = []
        self.broken = False
        self.slow = 0.0

    async def _work(self):
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.broken:
            raise CacheError("gone")

    async def get_many(self, keys):
        keys = list(keys)
        self.reads.append(keys)
        await self._work()
        now = self.clock.monotonic()
        return {k: self.kept[k][0] for k in keys if k in self.kept and self.kept[k][1] > now}

    async def set_many(self, values, ttl):
        await self._work()
        assert ttl > 0
        for key, value in values.items():
            self.kept[key] = (value, self.clock.monotonic() + ttl)

    async def delete_prefix(self, prefix):
        await self._work()
        gone = [self.kept.pop(key)[0] for key in list(self.kept) if key.startswith(prefix)]
        return len(gone), sum(map(len, gone))

    async def delete_many(self, keys):
        await self._work()
        gone = [self.kept.pop(key)[0] for key in keys if key in self.kept]
        return len(gone), sum(map(len, gone))

    async def stats(self):
        return CacheStats(entries=len(self.kept), bytes=None)


class Disk(Dictionary):
    """The same as if it lay on a disk."""

    persistent = True


class Together(Dictionary):
    """The same as if several processes shared it: `wire` holds who listens."""

    def __init__(self, name, clock, wire):
        super().__init__(name, clock)
        self.wire = wire

    async def publish(self, _channel, messages):
        await self._work()
        for heard in self.wire:
            for message in messages:
                heard(message)

    async def listen(self, _channel, heard):
        self.wire.append(heard)
        await asyncio.Event().wait()


@pytest.fixture
def clock():
    return TestClock()


def tiers_of(*caches, clock, rules=None):
    rules = rules or Rules()
    levels = [Level(n, cache, "dictionary", clock) for n, cache in enumerate(caches, 1)]
    return Tiers(levels, clock, rules=rules, freshness=Freshness(rules, Random(1)))


async def settled(tiers):
    """Let what is written behind the answers' back arrive."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(len(behind) for behind in tiers._behind.values())


def found(clock, symbol, price=1.0, source="one"):
    quote = Quote(symbol=symbol, price=price, as_of=clock.now())
    return Found(quote, source, clock.now(), simulated=False)


def nothing(clock, source="one"):
    return Found(None, source, clock.now(), simulated=False)


QUERY = QuotesQuery(symbols=(A, B))


async def test_what_is_put_is_fresh_for_its_life_and_stale_afterwards(clock):
    tiers = tiers_of(Dictionary("l1", clock), clock=clock)
    entries = await tiers.put(QUERY, {A: found(clock, A, 7.0)})
    assert set(entries) == {A}
    looked = await tiers.get(QUERY)
    assert (set(looked.fresh), looked.stale) == ({A}, {})
    hit = looked.fresh[A]
    assert (hit.tier, hit.value.price, hit.origin.as_of) == ("l1", 7.0, clock.now())
    clock.advance(TTL - 0.1)
    assert set((await tiers.get(QUERY)).fresh) == {A}
    clock.advance(0.1)
    looked = await tiers.get(QUERY)
    assert (looked.fresh, set(looked.stale)) == ({}, {A})
    assert looked.stale[A].fresh_until == clock.now()


async def test_a_stale_entry_goes_when_no_rule_could_serve_it_any_more(clock):
    tier = Dictionary("l1", clock)
    tiers = tiers_of(tier, clock=clock)
    await tiers.put(QUERY, {A: found(clock, A)})
    ((_, ends),) = tier.kept.values()
    rule = tiers.rules["LATEST_DATA"]
    assert ends - clock.monotonic() == pytest.approx(TTL + rule.stale_if_error)


async def test_a_hit_is_decoded_once_while_the_tier_hands_out_the_same_bytes(clock):
    tier = Dictionary("l1", clock)
    tiers = tiers_of(tier, clock=clock)
    await tiers.put(QUERY, {A: found(clock, A, 1.0)})
    first = (await tiers.get(QUERY)).fresh[A]
    assert (await tiers.get(QUERY)).fresh[A] is first
    await tiers.put(QUERY, {A: found(clock, A, 2.0)})
    assert (await tiers.get(QUERY)).fresh[A].value.price == 2.0


async def test_a_read_fills_the_tiers_above_and_asks_lower_ones_only_for_the_rest(clock):
    upper, lower = Dictionary("l1", clock), Dictionary("l2", clock)
    tiers = tiers_of(upper, lower, clock=clock)
    assert tiers.names == ("l1", "l2")
    await tiers.put(QUERY, {A: found(clock, A), B: found(clock, B)})
    await settled(tiers)
    del upper.kept[key_of(QUERY, B)]
    hits = (await tiers.get(QUERY)).fresh
    assert {k: h.tier for k, h in hits.items()} == {A: "l1", B: "l2"}
    assert lower.reads[-1] == [key_of(QUERY, B)]
    hits = (await tiers.get(QUERY)).fresh
    assert {k: h.tier for k, h in hits.items()} == {A: "l1", B: "l1"}
    assert len(lower.reads) == 1


async def test_a_slow_tier_below_is_written_behind_the_answers_back(clock):
    upper, lower = Dictionary("l1", clock), Dictionary("l2", clock)
    lower.slow = 0.01
    tiers = tiers_of(upper, lower, clock=clock)
    await tiers.put(QUERY, {A: found(clock, A)})
    assert (len(upper.kept), len(lower.kept)) == (1, 0)
    await tiers.aclose()
    assert len(lower.kept) == 1, "closing writes what is still to be written"


async def test_a_rule_says_how_deep_is_written_and_a_disk_keeps_longer(clock):
    rules = Rules()
    rules.change("LATEST_DATA", level="L2")
    one, two, three = Dictionary("l1", clock), Disk("l2", clock), Disk("l3", clock)
    tiers = tiers_of(one, two, three, clock=clock, rules=rules)
    await tiers.put(QUERY, {A: found(clock, A)})
    await settled(tiers)
    assert [len(each.kept) for each in (one, two, three)] == [1, 1, 0]
    ((_, ends),) = two.kept.values()
    assert ends - clock.monotonic() >= KEPT_ON_DISK


async def test_a_broken_tier_costs_hits_only_rests_and_is_tried_again(clock, caplog):
    upper, lower = Dictionary("l1", clock), Dictionary("l2", clock)
    tiers = tiers_of(upper, lower, clock=clock)
    await tiers.put(QUERY, {A: found(clock, A)})
    await settled(tiers)
    upper.broken = True
    for _ in range(2):
        assert (await tiers.get(QUERY)).fresh[A].tier == "l2"
    level = tiers.levels[0]
    assert (level.state(), level.reason) == ("resting", "gone")
    assert caplog.text.count("cache l1 rests") == 1
    asked = len(upper.reads)
    await tiers.get(QUERY)
    assert len(upper.reads) == asked, "a resting tier is not asked"
    upper.broken = False
    clock.advance(FIRST_REST)
    assert (await tiers.get(QUERY)).fresh[A].tier == "l1", "what it held before is still good"
    assert (level.state(), level.reason) == ("up", None)
    assert "cache l1 answers again" in caplog.text


async def test_a_slow_tier_is_a_miss_after_its_budget_and_is_then_left_alone(clock):
    tier = Dictionary("l1", clock)
    tiers = tiers_of(tier, clock=clock)
    tier.slow = 5.0
    began = asyncio.get_running_loop().time()
    for _ in range(10):
        assert (await tiers.get(QUERY)).fresh == {}
    assert asyncio.get_running_loop().time() - began < 0.5, "two budgets, then it rests"
    assert tiers.levels[0].reason == "no answer in time"


async def test_one_call_at_a_time_tries_a_resting_tier(clock):
    tier = Dictionary("l1", clock)
    tiers = tiers_of(tier, clock=clock)
    tier.broken = True
    await tiers.get(QUERY)
    await tiers.get(QUERY)
    clock.advance(60)
    tier.slow = 0.01
    asked = len(tier.reads)
    await asyncio.gather(*(tiers.get(QUERY) for _ in range(20)))
    assert len(tier.reads) == asked + 1


async def test_garbage_and_another_keys_bytes_are_a_miss(clock):
    tier = Dictionary("l1", clock)
    tiers = tiers_of(tier, clock=clock)
    tier.kept[key_of(QUERY, A)] = (b"\x80\x05garbage", float("inf"))
    assert (await tiers.get(QUERY)).fresh == {}
    await tiers.put(QUERY, {A: found(clock, A)})
    tier.kept[key_of(QUERY, B)] = tier.kept[key_of(QUERY, A)]
    assert set((await tiers.get(QUERY)).fresh) == {A}, (
        "a store that confuses answers is not believed"
    )


async def test_that_nobody_has_it_is_remembered_for_a_while(clock):
    tiers = tiers_of(Dictionary("l1", clock), clock=clock)
    await tiers.put(QUERY, {}, {A: nothing(clock)})
    hit = (await tiers.get(QUERY)).fresh[A]
    assert hit.entry.absent
    assert hit.value is None
    assert (tiers.counters.requests, tiers.counters.negative, tiers.counters.missed) == (2, 1, 1)
    clock.advance(tiers.rules["LATEST_DATA"].negative_ttl + 1)
    looked = await tiers.get(QUERY)
    assert (looked.fresh, looked.stale) == ({}, {}), "a forgotten absence is no stale answer"


async def test_a_rule_bounds_how_many_entries_the_first_tier_keeps(clock):
    rules = Rules()
    rules.change("LATEST_DATA", max_size=1)
    tier = Dictionary("l1", clock)
    tiers = tiers_of(tier, clock=clock, rules=rules)
    await tiers.put(QUERY, {A: found(clock, A)})
    await tiers.put(QUERY, {B: found(clock, B)})
    assert set(tier.kept) == {key_of(QUERY, B)}


async def test_clearing_counts_and_reaches_what_is_still_to_be_written(clock):
    upper, lower = Dictionary("l1", clock), Dictionary("l2", clock)
    tiers = tiers_of(upper, lower, clock=clock)
    await tiers.put(QUERY, {A: found(clock, A), B: found(clock, B)})
    gone = (await tiers.clear("LATEST_DATA", None)).levels
    assert [(c.label, c.entries, c.error) for c in gone] == [("L1", 2, None), ("L2", 0, None)]
    await settled(tiers)
    assert (upper.kept, lower.kept) == ({}, {})
    await tiers.put(QUERY, {A: found(clock, A)})
    await settled(tiers)
    assert [c.entries for c in (await tiers.clear("BASIC_INFO", None)).levels] == [0, 0]
    assert [c.label for c in (await tiers.clear(None, "L2")).levels] == ["L2"]
    assert (len(upper.kept), len(lower.kept)) == (1, 0)


async def test_a_clear_says_which_level_could_not_be_cleared(clock):
    upper, lower = Dictionary("l1", clock), Dictionary("l2", clock)
    tiers = tiers_of(upper, lower, clock=clock)
    lower.broken = True
    assert [c.error for c in (await tiers.clear(None, None)).levels] == [None, "gone"]


async def test_a_clear_is_tried_though_the_tier_rests(clock):
    upper, lower = Dictionary("l1", clock), Dictionary("l2", clock)
    tiers = tiers_of(upper, lower, clock=clock)
    await tiers.put(QUERY, {A: found(clock, A)})
    await settled(tiers)
    lower.broken = True
    for _ in range(PATIENCE):
        assert await tiers.levels[1].read([A]) == {}
    lower.broken = False
    assert tiers.levels[1].state() == "resting"
    gone = (await tiers.clear(None, None)).levels
    assert [(c.entries, c.error) for c in gone] == [(1, None), (1, None)]
    assert tiers.levels[1].state() == "up"


async def test_what_could_not_be_told_is_told_later_and_said(clock, monkeypatch):
    monkeypatch.setattr("argus_core.caching.news._AGAIN", 0.01)
    wire = []
    mine, other = Dictionary("l1", clock), Dictionary("l1", clock)
    between = Together("l2", clock, wire)
    here = tiers_of(mine, between, clock=clock)
    there = tiers_of(other, Together("l2", clock, wire), clock=clock)
    for tiers in (here, there):
        tiers.start()
        await tiers.put(QUERY, {A: found(clock, A)})
    await asyncio.sleep(0)
    between.broken = True
    done = await here.clear(None, "L1")
    assert [(c.label, c.entries, c.error) for c in done.levels] == [("L1", 1, None)]
    assert done.untold == {"L2": "gone"}
    await here.clear("LATEST_DATA", None)
    await asyncio.sleep(0.05)
    assert len(other.kept) == 1
    between.broken = False
    clock.advance(60)
    for _ in range(100):
        await asyncio.sleep(0.01)
        if not other.kept:
            break
    assert other.kept == {}, "told as soon as the tier answers"
    await there.put(QUERY, {A: found(clock, A)})
    await asyncio.sleep(0.05)
    assert len(other.kept) == 1, "and only once"
    assert (await here.clear(None, None)).untold == {}
    await here.aclose()
    await there.aclose()


async def test_what_cannot_be_told_while_something_else_is_told_late_is_not_lost(clock):
    wire, gate = [], asyncio.Event()
    between = Together("l2", clock, wire)
    tiers = tiers_of(Dictionary("l1", clock), between, clock=clock)
    tiers.start()
    await asyncio.sleep(0)
    told = []
    wire.append(lambda message: told.append(orjson.loads(message)["label"]))
    between.broken = True
    await tiers.clear(None, "L1")
    between.broken = False
    publish, between.publish = between.publish, None

    async def slowly(channel, messages):
        await gate.wait()
        await publish(channel, messages)

    between.publish = slowly
    await asyncio.sleep(1.05)  # the first is under way
    between.publish = publish
    between.broken = True
    await tiers.clear(None, None)
    between.broken = False
    gate.set()
    clock.advance(60)
    for _ in range(300):
        await asyncio.sleep(0.01)
        if None in told:
            break
    assert "L1" in told
    assert None in told
    await tiers.aclose()


async def test_levels_count_what_consumers_asked_and_found_fresh(clock):
    upper, lower = Dictionary("l1", clock), Dictionary("l2", clock)
    tiers = tiers_of(upper, lower, clock=clock)
    await tiers.put(QUERY, {A: found(clock, A)})
    await settled(tiers)
    await tiers.get(QUERY)
    await tiers.get(QUERY, note=False)
    await tiers.look_below(QUERY, tiers.levels[1])
    first, second = tiers.levels
    assert (first.lookups, first.hits, first.stale_found) == (2, 1, 0)
    assert (second.lookups, second.hits, second.stale_found) == (1, 0, 0)
    clock.advance(7)
    await tiers.get(QUERY)
    assert (first.lookups, first.hits) == (4, 1), "what is too old is no hit"
    assert first.stale_found == 1


async def test_a_clear_on_one_process_is_a_clear_on_all(clock):
    wire = []
    mine, other = Dictionary("l1", clock), Dictionary("l1", clock)
    here = tiers_of(mine, Together("l2", clock, wire), clock=clock)
    there = tiers_of(other, Together("l2", clock, wire), clock=clock)
    for tiers in (here, there):
        tiers.start()
        await tiers.put(QUERY, {A: found(clock, A)})
    await asyncio.sleep(0)
    await here.clear(None, None)
    await asyncio.sleep(0.01)
    assert (mine.kept, other.kept) == ({}, {})
    await there.put(QUERY, {A: found(clock, A)})
    wire[1](None)
    await asyncio.sleep(0.01)
    assert other.kept == {}, "what was cleared while nobody listened is not known"
    wire[1](b"garbage")
    await here.aclose()
    await there.aclose()


async def test_without_tiers_nothing_is_kept_but_entries_are_made(clock):
    tiers = tiers_of(clock=clock)
    entries = await tiers.put(QuotesQuery(symbols=(A,)), {A: found(clock, A)})
    assert set(entries) == {A}
    assert (await tiers.get(QuotesQuery(symbols=(A,)))).fresh == {}


def bars(end, period=Period.D1, start=date(2024, 3, 1)):
    at = datetime(2024, 3, 1, tzinfo=SHANGHAI)
    return BarsQuery(symbols=(A,), period=period, start=start, end=end, since=at, until=at)


def test_different_questions_have_different_keys():
    keys = {
        key_of(QuotesQuery(symbols=(A,)), A),
        key_of(QuotesQuery(symbols=(B,)), B),
        key_of(DepthQuery(symbols=(A,)), A),
        key_of(DepthQuery(symbols=(A,), levels=10), A),
        key_of(bars(date(2024, 3, 2)), A),
        key_of(bars(date(2024, 3, 3)), A),
        key_of(bars(date(2024, 3, 2), Period.M1), A),
        key_of(bars(date(2024, 3, 2), start=date(2024, 3, 2)), A),
    }
    assert len(keys) == 8
    assert key_of(QuotesQuery(symbols=(A, B)), A) == key_of(QuotesQuery(symbols=(A,)), A)


async def test_a_value_from_the_future_is_no_value(clock):
    tiers = tiers_of(Dictionary("l1", clock), clock=clock)
    await tiers.put(QUERY, {A: found(clock, A)})
    clock.set_back(3600)
    looked = await tiers.get(QUERY)
    assert (looked.fresh, looked.stale) == ({}, {}), "somebody set the clock back: who knows"


async def test_a_life_that_ends_while_a_tier_reads_is_over(clock):
    tier = Dictionary("l1", clock)
    tiers = tiers_of(tier, clock=clock)
    await tiers.put(QUERY, {A: found(clock, A)})
    clock.advance(TTL - 0.01)

    async def dawdles():
        clock.advance(0.05)

    tier._work = dawdles
    looked = await tiers.get(QUERY)
    assert (set(looked.fresh), set(looked.stale)) == (set(), {A})


@pytest.mark.parametrize(("absent", "life"), [(False, 3.0), (True, 30.0)])
async def test_what_somebody_with_longer_rules_wrote_lives_as_long_as_the_rules_here_say(
    clock, absent, life
):
    shared = Dictionary("l2", clock)
    longer = Rules()
    longer.change("LATEST_DATA", ttl=3600, negative_ttl=3600)
    there = tiers_of(shared, clock=clock, rules=longer)
    here = tiers_of(Dictionary("l1", clock), shared, clock=clock)
    given = ({}, {A: nothing(clock)}) if absent else ({A: found(clock, A)}, {})
    await there.put(QUERY, *given)
    clock.advance(life - 0.1)
    assert (await here.get(QUERY)).fresh
    clock.advance(0.2)
    looked = await here.get(QUERY)
    assert (set(looked.fresh), set(looked.stale)) == (set(), {A})
    assert looked.stale[A].origin.fresh_until < clock.now()


async def test_a_disk_that_comes_first_keeps_as_long_as_any(clock):
    disk = Disk("l1", clock)
    tiers = tiers_of(disk, clock=clock)
    await tiers.put(QUERY, {A: found(clock, A)})
    ((_, ends),) = disk.kept.values()
    assert ends - clock.monotonic() >= KEPT_ON_DISK


async def test_who_reads_while_a_clear_goes_on_brings_nothing_back(clock):
    upper, lower = Dictionary("l1", clock), Dictionary("l2", clock)
    tiers = tiers_of(upper, lower, clock=clock)
    await tiers.put(QUERY, {A: found(clock, A)})
    await settled(tiers)
    slow = lower.delete_prefix

    async def somebody_reads(prefix):
        await tiers.get(QUERY)
        return await slow(prefix)

    lower.delete_prefix = somebody_reads
    gone = (await tiers.clear(None, None)).levels
    assert [each.label for each in gone] == ["L1", "L2"]
    assert (upper.kept, lower.kept) == ({}, {})


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"from":"x","prefixes":5,"label":null}',
        b'{"from":"x","prefixes":[1],"label":[]}',
    ],
)
async def test_a_message_that_cannot_be_read_is_left_alone(clock, message):
    wire = []
    tiers = tiers_of(Dictionary("l1", clock), Together("l2", clock, wire), clock=clock)
    await tiers.put(QUERY, {A: found(clock, A)})
    tiers.start()
    await asyncio.sleep(0)
    wire[0](message)
    await asyncio.sleep(0)
    assert set((await tiers.get(QUERY)).fresh) == {A}
    await tiers.aclose()


async def test_what_is_on_its_way_to_a_tier_does_not_arrive_after_a_clear(clock):
    upper, lower = Dictionary("l1", clock), Dictionary("l2", clock)
    tiers = tiers_of(upper, lower, clock=clock)
    lower.slow = 0.02
    await tiers.put(QUERY, {A: found(clock, A)})
    await asyncio.sleep(0.005)
    lower.slow = 0.0
    await tiers.clear(None, None)
    await asyncio.sleep(0.03)
    assert (upper.kept, lower.kept) == ({}, {})
    await tiers.aclose()
