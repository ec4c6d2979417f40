"""The tiers: order, filling, expiry, and that a broken tier costs hits only."""

from datetime import date, datetime

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
    Exchange,
    ListingsQuery,
    Period,
    Quote,
    QuotesQuery,
)
from argus_core.caching.freshness import BASIC, RUNNING, SETTLED, life
from argus_core.caching.tiers import Tiers, decode, keys_of
from argus_core.model.answer import Found


def key_of(query, key):
    """The text of one key."""
    return next(text for text, own in keys_of(query).items() if own == key)


A, B = symbols("600519.SH", "000001.SZ")


class Dictionary(Cache):
    """A tier over a dict, which can be told to break."""

    def __init__(self, name, clock):
        super().__init__(name, None, clock)
        self.kept = {}
        self.reads = []
        self.broken = False

    async def get_many(self, keys):
        keys = list(keys)
        self.reads.append(keys)
        if self.broken:
            raise CacheError("gone")
        now = self.clock.monotonic()
        return {k: self.kept[k][0] for k in keys if k in self.kept and self.kept[k][1] > now}

    async def set_many(self, values, ttl):
        if self.broken:
            raise OSError("gone")
        assert ttl > 0
        for key, value in values.items():
            self.kept[key] = (value, self.clock.monotonic() + ttl)

    async def delete_prefix(self, prefix):
        return 0, 0

    async def stats(self):
        return CacheStats(entries=len(self.kept), bytes=None)


@pytest.fixture
def clock():
    return TestClock()


def found(clock, symbol, price=1.0, source="one"):
    quote = Quote(symbol=symbol, price=price, as_of=clock.now())
    return Found(quote, source, clock.now(), simulated=False)


async def test_what_is_put_is_found_until_it_is_no_longer_fresh(clock):
    tiers = Tiers([Dictionary("l1", clock)], clock)
    query = QuotesQuery(symbols=(A, B))
    entries = await tiers.put(query, {A: found(clock, A, 7.0)})
    assert set(entries) == {A}
    hits = await tiers.get(query)
    assert set(hits) == {A}
    assert hits[A].tier == "l1"
    assert decode(query, hits[A].entry).price == 7.0
    assert hits[A].entry.provenance("l1").as_of == clock.now()
    clock.advance(RUNNING - 0.1)
    assert set(await tiers.get(query)) == {A}
    clock.advance(0.2)
    assert await tiers.get(query) == {}


async def test_an_entry_past_its_life_is_a_miss_even_if_the_tier_still_has_it(clock):
    tier = Dictionary("l1", clock)
    tiers = Tiers([tier], clock)
    query = QuotesQuery(symbols=(A,))
    await tiers.put(query, {A: found(clock, A)})
    (key,) = tier.kept
    tier.kept[key] = (tier.kept[key][0], float("inf"))
    clock.advance(RUNNING)
    assert await tiers.get(query) == {}


async def test_a_read_fills_the_tiers_above_and_asks_lower_ones_only_for_the_rest(clock):
    upper, lower = Dictionary("l1", clock), Dictionary("l2", clock)
    tiers = Tiers([upper, lower], clock)
    assert tiers.names == ("l1", "l2")
    query = QuotesQuery(symbols=(A, B))
    await tiers.put(query, {A: found(clock, A), B: found(clock, B)})
    del upper.kept[key_of(query, B)]
    hits = await tiers.get(query)
    assert {k: h.tier for k, h in hits.items()} == {A: "l1", B: "l2"}
    assert lower.reads[-1] == [key_of(query, B)]
    hits = await tiers.get(query)
    assert {k: h.tier for k, h in hits.items()} == {A: "l1", B: "l1"}
    assert len(lower.reads) == 1


async def test_a_broken_tier_costs_hits_only(clock, caplog):
    upper, lower = Dictionary("l1", clock), Dictionary("l2", clock)
    tiers = Tiers([upper, lower], clock)
    upper.broken = True
    query = QuotesQuery(symbols=(A,))
    await tiers.put(query, {A: found(clock, A)})
    hits = await tiers.get(query)
    assert hits[A].tier == "l2"
    assert "cache l1 failed" in caplog.text
    lower.broken = True
    assert await tiers.get(query) == {}


async def test_garbage_in_a_tier_is_a_miss(clock):
    tier = Dictionary("l1", clock)
    query = QuotesQuery(symbols=(A,))
    tier.kept[key_of(query, A)] = (b"\x80\x05garbage", float("inf"))
    assert await Tiers([tier], clock).get(query) == {}


async def test_without_tiers_nothing_is_kept_but_entries_are_made(clock):
    tiers = Tiers([], clock)
    entries = await tiers.put(QuotesQuery(symbols=(A,)), {A: found(clock, A)})
    assert set(entries) == {A}
    assert await tiers.get(QuotesQuery(symbols=(A,))) == {}


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


def test_lives_follow_the_day(clock):
    now = clock.now()
    assert life(QuotesQuery(symbols=(A,)), now) == RUNNING
    assert life(bars(date(2024, 3, 14)), now) == SETTLED
    assert life(bars(date(2024, 3, 15)), now) == RUNNING
    assert life(ListingsQuery(exchanges=(Exchange.SH,)), now) == BASIC
