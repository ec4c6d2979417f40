"""The cache desk: honest figures, clears that are proved, optimisations that hold what they say."""

import asyncio
from datetime import date

import pytest
from support.traffic import Traffic, memory, rules_with

from argus_core import BadParameter, Cache, CacheError, CacheStats
from argus_core.caching.advice import ENOUGH
from argus_core.caching.desk import CacheDesk
from argus_core.caching.figures import MEBIBYTE
from argus_core.history.archive import Archive

SYMBOLS = tuple(f"{n:06d}.SZ" for n in range(1, 9))
DAY = date(2024, 3, 15)


class Moody(Cache):
    """A tier that may break, dawdle, or not know what it holds."""

    def __init__(self, name, clock, *, knows=True):
        super().__init__(name, None, clock)
        self.inner = memory(name, clock)
        self.knows = knows
        self.broken = False
        self.asked = []

    async def _work(self, method, *arguments):
        self.asked.append(method)
        if self.broken:
            raise CacheError("gone")
        return await getattr(self.inner, method)(*arguments)

    async def get_many(self, keys):
        return await self._work("get_many", keys)

    async def set_many(self, values, ttl):
        await self._work("set_many", values, ttl)

    async def delete_prefix(self, prefix):
        return await self._work("delete_prefix", prefix)

    async def delete_many(self, keys):
        return await self._work("delete_many", keys)

    async def purge(self):
        return await self._work("purge")

    async def stats(self):
        held = await self._work("stats")
        return held if self.knows else CacheStats(entries=None, bytes=None)


@pytest.fixture
async def two():
    """Traffic over two tiers, the second of which is moody."""
    traffic = Traffic(caches=lambda clock: [memory("near", clock), Moody("far", clock)])
    yield traffic
    await traffic.tiers.aclose()


def desk_of(traffic, **terms):
    return CacheDesk(traffic.tiers, traffic.accesses, clock=traffic.clock, **terms)


async def settled(traffic):
    """Everything is written that waits to be."""
    for behind in traffic.tiers._behind.values():
        await behind.flush()


class TestStats:
    async def test_nothing_is_claimed_before_anything_was_asked(self, two):
        figures = await desk_of(two).stats()
        assert (figures.hit_rate, figures.miss_rate) == (None, None)
        assert (figures.total_keys, figures.memory_usage_mb, figures.requests) == (0, 0.0, 0)
        assert list(figures.cache_levels) == ["L1", "L2"]
        assert [level.hit_rate for level in figures.cache_levels.values()] == [None, None]
        assert (figures.flights, figures.history) == (None, None)
        assert figures.since == two.clock.now()

    async def test_rates_are_of_keys_and_each_level_counts_its_own(self, two):
        desk = desk_of(two)
        await two.quotes(*SYMBOLS[:4])
        await settled(two)
        await two.quotes(*SYMBOLS[:6])
        await two.tiers.clear(None, "L1")
        await two.quotes(*SYMBOLS[:4])
        figures = await desk.stats()
        assert (figures.requests, figures.fresh_hits, figures.misses) == (14, 8, 6)
        assert figures.hit_rate == round(8 / 14, 4)
        assert figures.hit_rate + figures.miss_rate == 1
        near, far = figures.cache_levels.values()
        assert (near.lookups, near.hits, near.hit_rate) == (14, 4, round(4 / 14, 4))
        # 4 that nobody had, 2 new ones, 4 that were cleared above.
        assert (far.lookups, far.hits, far.hit_rate) == (10, 4, 0.4)
        assert figures.total_keys == near.keys + far.keys
        assert near.keys == (await two.levels[0].cache.stats()).entries == 4
        held = sum([(await level.cache.stats()).bytes for level in two.levels])
        assert figures.memory_usage_mb == pytest.approx(held / MEBIBYTE, abs=0.001)

    async def test_what_a_tier_cannot_know_is_null_and_so_is_the_sum(self):
        traffic = Traffic(
            caches=lambda clock: [memory("near", clock), Moody("far", clock, knows=False)]
        )
        await traffic.quotes(*SYMBOLS)
        figures = await desk_of(traffic).stats()
        assert (figures.total_keys, figures.memory_usage_mb) == (None, None)
        assert figures.known_keys == len(SYMBOLS)
        assert figures.cache_levels["L2"].keys is None
        assert figures.cache_levels["L2"].state == "up"
        await traffic.tiers.aclose()

    async def test_a_tier_that_is_down_says_so(self, two):
        desk = desk_of(two)
        two.levels[1].cache.broken = True
        for _ in range(3):
            await two.quotes(*SYMBOLS)
            two.clock.advance(5)
        figures = await desk.stats()
        far = figures.cache_levels["L2"]
        assert (far.state, far.reason, far.keys, far.memory_mb) == (
            "resting",
            "gone",
            None,
            None,
        )
        assert far.failures >= 2
        assert figures.total_keys is None
        assert figures.known_keys == figures.cache_levels["L1"].keys == len(SYMBOLS)

    async def test_what_was_served_stale_is_told_apart(self, two):
        two.tiers.counters.requests, two.tiers.counters.missed = 10, 4
        two.tiers.counters.fresh, two.tiers.counters.negative = 5, 1
        two.tiers.counters.stale = 3
        figures = await desk_of(two, flights=lambda: 7).stats()
        assert (figures.hit_rate, figures.miss_rate) == (0.6, 0.4)
        assert (figures.negative_hits, figures.stale_served, figures.flights) == (1, 3, 7)

    async def test_the_archive_is_told_of(self, two, tmp_path):
        archive = Archive(tmp_path / "history", two.clock)
        archive.open()
        figures = await desk_of(two, archive=archive).stats()
        assert (figures.history.series, figures.history.rows) == (0, 0)
        archive.close()

    async def test_without_a_tier_there_is_nothing_to_tell(self):
        figures = await desk_of(Traffic(caches=lambda _clock: [])).stats()
        assert (figures.total_keys, figures.cache_levels) == (0, {})


class TestConfig:
    def test_rules_as_they_are_and_as_they_were_written(self):
        traffic = Traffic(rules_with(ttl=4))
        traffic.rules.change("LATEST_DATA", ttl=6)
        rules = desk_of(traffic).config().cache_rules
        assert list(rules) == ["LATEST_DATA", "HISTORY_DATA", "BASIC_INFO"]
        latest = rules["LATEST_DATA"]
        assert (latest.ttl, latest.configured["ttl"], latest.effective_ttl) == (6, 4, 6)
        assert latest.datasets == ("quotes", "depth")
        traffic.clock.advance(2 * 3600)
        assert desk_of(traffic).config().cache_rules["LATEST_DATA"].effective_ttl == 3600

    def test_the_tiers_in_their_order(self, two):
        rows = desk_of(two).config().tiers
        assert [(row.level, row.name, row.persistent) for row in rows] == [
            ("L1", "near", False),
            ("L2", "far", False),
        ]


class TestClear:
    async def test_what_is_counted_is_what_went(self, two):
        await two.quotes(*SYMBOLS)
        await two.bars(SYMBOLS[0], DAY, DAY)
        await settled(two)
        before = {level.label: await level.cache.stats() for level in two.levels}
        gone = await desk_of(two).clear("market_data")
        after = {level.label: await level.cache.stats() for level in two.levels}
        assert gone.cleared_keys == 16
        for label, level in gone.levels.items():
            assert level.cleared_keys == before[label].entries - after[label].entries == 8
            freed = (before[label].bytes - after[label].bytes) / MEBIBYTE
            assert level.freed_memory_mb == pytest.approx(freed, abs=0.001)
            assert after[label].entries == 1
        assert await two.quotes(*SYMBOLS) == 0
        assert await two.bars(SYMBOLS[0], DAY, DAY) == 1

    async def test_one_level_of_one_type(self, two):
        await two.quotes(*SYMBOLS)
        await two.bars(SYMBOLS[0], DAY, DAY)
        await settled(two)
        gone = await desk_of(two).clear("history_data", "L2")
        assert (gone.cleared_keys, list(gone.levels)) == (1, ["L2"])
        assert [(await level.cache.stats()).entries for level in two.levels] == [9, 8]
        assert (await desk_of(two).clear()).cleared_keys == 17
        assert (await desk_of(two).clear()).cleared_keys == 0

    async def test_a_level_that_is_not_there_is_refused(self, two):
        with pytest.raises(BadParameter, match="L3 is not configured; configured: L1, L2"):
            await desk_of(two).clear("all", "L3")

    async def test_a_tier_that_is_down_is_told_of(self, two):
        await two.quotes(*SYMBOLS)
        two.levels[1].cache.broken = True
        gone = await desk_of(two).clear()
        assert gone.cleared_keys == len(SYMBOLS)
        assert gone.failed == {"L2": "gone"}
        with pytest.raises(CacheError, match="L2"):
            await desk_of(two).clear("all", "L2")

    async def test_it_fails_where_nothing_could_be_cleared(self):
        traffic = Traffic(caches=lambda clock: [Moody("only", clock)])
        traffic.levels[0].cache.broken = True
        with pytest.raises(CacheError) as raised:
            await desk_of(traffic).clear()
        assert list(raised.value.details["levels"]) == ["L1"]


class TestOptimise:
    async def test_little_evidence_changes_nothing_but_what_expired_goes(self, two):
        await two.quotes(*SYMBOLS)
        await settled(two)
        two.clock.advance(3600)
        done = await desk_of(two).optimise()
        assert (done.changes, done.before, done.after, done.measured) == ((), None, None, 0.0)
        assert (done.asked, done.seconds) == (8, 0.0)
        assert str(ENOUGH) in done.reason
        assert done.purged.cleared_keys == 16
        assert done.purged.freed_memory_mb > 0
        assert (await desk_of(two).stats()).total_keys == 0

    async def test_nothing_was_asked_at_all(self, two):
        done = await desk_of(two).optimise()
        assert (done.measured, done.asked, done.seconds) == (None, 0, 0.0)

    async def test_what_it_says_comes_true_when_the_same_is_asked_again(self):
        async def asked():
            """Each of eight symbols every 4 s."""
            traffic = Traffic(rules)
            for n in range(250 * len(SYMBOLS)):
                traffic.clock.advance(0.5)
                await traffic.quotes(SYMBOLS[n % len(SYMBOLS)])
            requests, fresh = traffic.outcome()
            return traffic, round(fresh / requests, 4)

        rules = rules_with()
        traffic, before = await asked()
        done = await desk_of(traffic).optimise()
        assert done.before == done.measured == before
        assert done.reason is None
        assert [(change.field, change.old) for change in done.changes] == [
            ("ttl", 3.0),
            ("max_size", 200_000),
        ]
        for change in done.changes:
            assert getattr(rules[change.rule], change.field) == change.new
        _, after = await asked()
        assert after == done.after > before + 0.4

    async def test_two_at_once_do_not_change_the_same_twice(self):
        traffic = Traffic(rules_with(max_size=4))
        for n in range(2 * ENOUGH):
            traffic.clock.advance(0.2)
            await traffic.quotes(SYMBOLS[n % 6])
        desk = desk_of(traffic)
        one, two = await asyncio.gather(desk.optimise(), desk.optimise())
        sizes = [[c.new for c in done.changes if c.field == "max_size"] for done in (one, two)]
        assert sizes == [[6], []]
