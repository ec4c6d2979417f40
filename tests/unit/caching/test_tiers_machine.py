"""The tiers under any order of events: never a value that was not put, never one past its life."""

import asyncio
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.clock import TestClock
from support.sources import symbols

from argus_core import Cache, CacheError, CacheStats, Quote, QuotesQuery
from argus_core.caching.freshness import Freshness
from argus_core.caching.level import Level
from argus_core.caching.rules import Rules
from argus_core.caching.tiers import Tiers, keys_of
from argus_core.model.answer import Found

SYMBOLS = symbols("600519.SH", "000001.SZ", "600000.SH")
QUERY = QuotesQuery(symbols=SYMBOLS)
TTL = 3.0
KEYS = st.sampled_from(SYMBOLS)
PLACES = st.sampled_from([0, 1])


class Shaky(Cache):
    """A tier that may break, forget, tear a value or mix two of them up."""

    def __init__(self, name, clock):
        super().__init__(name, None, clock)
        self.kept = {}
        self.broken = False

    def _up(self):
        if self.broken:
            raise CacheError("gone")

    async def get_many(self, keys):
        self._up()
        now = self.clock.monotonic()
        return {k: self.kept[k][0] for k in keys if k in self.kept and self.kept[k][1] > now}

    async def set_many(self, values, ttl):
        self._up()
        self.kept.update({k: (v, self.clock.monotonic() + ttl) for k, v in values.items()})

    async def delete_prefix(self, prefix):
        self._up()
        return await self.delete_many([key for key in self.kept if key.startswith(prefix)])

    async def delete_many(self, keys):
        self._up()
        gone = [self.kept.pop(key)[0] for key in keys if key in self.kept]
        return len(gone), sum(map(len, gone))

    async def stats(self):
        return CacheStats(entries=len(self.kept), bytes=None)


class Machine(RuleBasedStateMachine):
    """What was put, by key, with the end of its life; and whether anything ever went wrong."""

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = TestClock()
        self.caches = [Shaky("l1", self.clock), Shaky("l2", self.clock)]
        self.put_ever = {key: {} for key in SYMBOLS}
        self.latest = {}
        self.faultless = True
        self.price = 0.0

    @initialize(size=st.sampled_from([1, 2, 100]))
    def build(self, size):
        rules = Rules()
        rules.change("LATEST_DATA", max_size=size)
        levels = [Level(n, cache, "shaky", self.clock) for n, cache in enumerate(self.caches, 1)]
        freshness = Freshness(rules, Random(1))
        self.tiers = Tiers(levels, self.clock, rules=rules, freshness=freshness)

    def run(self, work):
        """Run to the end, with all that is written behind it."""

        async def whole():
            result = await work
            for _ in range(10):
                await asyncio.sleep(0)
            return result

        return self.runner.run(whole())

    @rule(keys=st.sets(KEYS, min_size=1))
    def put(self, keys):
        self.price += 1.0
        now = self.clock.now()
        prices = {key: self.price + SYMBOLS.index(key) / 10 for key in keys}
        found = {
            key: Found(Quote(symbol=key, price=price, as_of=now), "one", now, simulated=False)
            for key, price in prices.items()
        }
        self.run(self.tiers.put(QUERY, found))
        for key, price in prices.items():
            self.put_ever[key][price] = self.clock.monotonic() + TTL
            self.latest[key] = (price, self.clock.monotonic() + TTL)

    @rule(key=KEYS)
    def put_absence(self, key):
        now = self.clock.now()
        self.run(self.tiers.put(QUERY, {}, {key: Found(None, "one", now, simulated=False)}))
        life = TTL  # while the market moves
        self.put_ever[key][None] = self.clock.monotonic() + life
        self.latest[key] = (None, self.clock.monotonic() + life)

    @rule()
    def look(self):
        looked = self.run(self.tiers.get(QUERY))
        now = self.clock.monotonic()
        assert not set(looked.fresh) & set(looked.stale)
        for key, hit in looked.fresh.items():
            price = hit.value.price if hit.value else None
            assert self.put_ever[key].get(price, -1.0) > now, "a value past its life, or never put"
        for key, hit in looked.stale.items():
            if hit.value is not None:
                assert self.put_ever[key][hit.value.price] <= now
        if self.faultless:
            for key, (price, ends) in self.latest.items():
                if ends > now:
                    value = looked.fresh[key].value
                    assert (value.price if value else None) == price, "not the newest"

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 20.0, 100.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(label=st.sampled_from([None, "L1", "L2"]))
    def clear(self, label):
        cleared = self.run(self.tiers.clear("LATEST_DATA", label)).levels
        assert [c.label for c in cleared] == ([label] if label else ["L1", "L2"])
        left = set().union(*(cache.kept for cache in self.caches))
        for key in set(self.latest) - {key for text, key in keys_of(QUERY).items() if text in left}:
            del self.latest[key]  # a small first tier did not hold what the second one lost
        if label is None and all(c.error is None for c in cleared):
            assert not any(cache.kept for cache in self.caches)
            self.latest.clear()
            for values in self.put_ever.values():
                values.clear()

    @rule(place=PLACES)
    def break_or_mend(self, place):
        self.caches[place].broken = not self.caches[place].broken
        self.faultless = False

    @rule(place=PLACES)
    def forget(self, place):
        self.caches[place].kept.clear()
        self.faultless = False

    @precondition(lambda self: any(cache.kept for cache in self.caches))
    @rule(place=PLACES, at=st.integers(0, 10_000), bit=st.integers(0, 7))
    def tear(self, place, at, bit):
        kept = self.caches[place].kept
        for key, (data, ends) in list(kept.items())[:1]:
            torn = bytearray(data)
            torn[at % len(torn)] ^= 1 << bit
            kept[key] = (bytes(torn), ends)
            self.faultless = False

    @rule(place=PLACES)
    def mix_up(self, place):
        kept = self.caches[place].kept
        if len(kept) > 1:
            (a, one), (b, other) = list(kept.items())[:2]
            kept[a], kept[b] = other, one
            self.faultless = False

    @invariant()
    def the_first_tier_keeps_to_its_size(self):
        if not self.faultless or not hasattr(self, "tiers"):
            return
        assert len(self.caches[0].kept) <= self.tiers.rules["LATEST_DATA"].max_size

    def teardown(self):
        if hasattr(self, "tiers"):
            self.run(self.tiers.aclose())
        self.runner.close()


TestTiers = Machine.TestCase
TestTiers.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
