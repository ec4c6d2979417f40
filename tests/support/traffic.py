"""Real tiers under a clock that tests move, and questions whose misses are fetched at once."""

import functools
from random import Random

import polars as pl
from support.clock import TestClock

from argus_core import BarsQuery, Period, Quote, QuotesQuery, Symbol
from argus_core.cache_tables import DEFAULT_RULES
from argus_core.caching.accesses import Accesses
from argus_core.caching.freshness import Freshness
from argus_core.caching.level import Level
from argus_core.caching.rules import Rules
from argus_core.caching.tiers import Tiers
from argus_core.model.answer import Found
from argus_core.plugins import Plugins

EMPTY = pl.DataFrame({"time": pl.Series([], dtype=pl.Datetime("us", "Asia/Shanghai"))})


class Never(Random):
    """No chance at all: no life is shortened."""

    def random(self):
        return 0.0


def rules_with(**latest):
    """The default rules, LATEST_DATA with these fields."""
    return Rules({"LATEST_DATA": DEFAULT_RULES["LATEST_DATA"].model_copy(update=latest)})


@functools.cache
def _memory():
    return Plugins().load("cache", "memory", "a test")


def memory(name, clock, max_mb=64):
    """The built-in memory tier."""
    plugin = _memory()
    return plugin(name, plugin.Settings(max_mb=max_mb), clock)


class Traffic:
    """Asks the tiers; what they do not hold fresh is "fetched" and put."""

    def __init__(self, rules=None, *, caches=None, now="2024-03-15 10:00:00", bound=100_000):
        self.clock = TestClock(now)
        self.rules = rules or Rules()
        self.accesses = Accesses(self.clock, bound=bound)
        caches = [memory("l1", self.clock)] if caches is None else caches(self.clock)
        self.levels = [Level(n, cache, "memory", self.clock) for n, cache in enumerate(caches, 1)]
        self.tiers = Tiers(
            self.levels,
            self.clock,
            rules=self.rules,
            freshness=Freshness(self.rules, Never()),
            accesses=self.accesses,
        )

    async def quotes(self, *texts):
        """How many of these symbols' quotes were fresh."""
        return await self.ask(QuotesQuery(symbols=tuple(map(Symbol, texts))))

    async def bars(self, text, start, end, period=Period.D1):
        """1 if the bars were fresh, else 0."""
        at = self.clock.now()
        query = BarsQuery(
            symbols=(Symbol(text),), period=period, start=start, end=end, since=at, until=at
        )
        return await self.ask(query)

    async def ask(self, query):
        """How many keys were fresh; the others are put now."""
        fresh = (await self.tiers.get(query)).fresh
        missing = tuple(key for key in query.keys if key not in fresh)
        if missing:
            now = self.clock.now()
            found = {
                key: Found(
                    value=Quote(symbol=Symbol(key), as_of=now)
                    if query.dataset == "quotes"
                    else EMPTY,
                    source="a",
                    fetched_at=now,
                    simulated=False,
                )
                for key in missing
            }
            await self.tiers.put(query.only(missing), found)
        return len(fresh)

    def outcome(self):
        """Keys asked for and found fresh since the beginning."""
        counters = self.tiers.counters
        return counters.requests, counters.fresh + counters.negative
