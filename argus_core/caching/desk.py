"""Where operators look at the caches, clear them, and have them fitted to what is asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from argus_core.cache_tables import RuleName
from argus_core.caching.accesses import Accesses
from argus_core.caching.advice import Advice, advise
from argus_core.caching.figures import (
    CacheFigures,
    CacheSettings,
    CacheType,
    ClearedFigures,
    LevelFigures,
    Optimised,
    RuleFigures,
    TierRow,
    cleared,
    megabytes,
    rates,
    share,
)
from argus_core.caching.level import LONG_BUDGET, Level
from argus_core.caching.lives import Lives
from argus_core.caching.rules import RULE_OF
from argus_core.caching.shadow import Timeline, timeline
from argus_core.caching.tiers import Tiers
from argus_core.clock import Clock
from argus_core.errors import BadParameter, CacheError
from argus_core.extend.cache import CacheStats
from argus_core.history.archive import Archive, ArchiveStats
from argus_core.tables import HistoryTable

log = logging.getLogger(__name__)

RULES: Mapping[CacheType, RuleName | None] = MappingProxyType(
    {
        "market_data": "LATEST_DATA",
        "history_data": "HISTORY_DATA",
        "basic_info": "BASIC_INFO",
        "all": None,
    }
)
"""The cache rule whose datasets each type stands for."""

NOTE = (
    "requests, hits and rates are those of this process since `since`; "
    "keys and bytes of a shared tier include what other processes put there"
)
_UNKNOWN = CacheStats(entries=None, bytes=None)


class CacheDesk:
    """The cache desk of one gateway.

    ``flights`` tells how many fetches are under way; ``archive`` is told of, never cleared here.
    """

    def __init__(
        self,
        tiers: Tiers,
        accesses: Accesses,
        *,
        clock: Clock,
        archive: Archive | None = None,
        flights: Callable[[], int] | None = None,
        settle_hours: float = HistoryTable().settle_hours,
    ) -> None:
        self._tiers = tiers
        self._accesses = accesses
        self._clock = clock
        self._archive = archive
        self._flights = flights
        self._settle_hours = settle_hours
        self._since = clock.now().replace(microsecond=0)
        self._optimising = asyncio.Lock()

    async def stats(self) -> CacheFigures:
        """What each tier holds and how often it knew the answer."""
        levels = self._tiers.levels
        held = await asyncio.gather(*(_held(level) for level in levels))
        keys = [stats.entries for stats, _ in held]
        sizes = [stats.bytes for stats, _ in held]
        known_keys = sum(n for n in keys if n is not None)
        known_bytes = sum(n for n in sizes if n is not None)
        counters = self._tiers.counters
        hit_rate, miss_rate = rates(counters)
        return CacheFigures(
            total_keys=None if None in keys else known_keys,
            hit_rate=hit_rate,
            miss_rate=miss_rate,
            memory_usage_mb=None if None in sizes else megabytes(known_bytes),
            cache_levels={
                level.label: _figures(level, stats, reason)
                for level, (stats, reason) in zip(levels, held, strict=True)
            },
            known_keys=known_keys,
            known_memory_mb=megabytes(known_bytes),
            requests=counters.requests,
            fresh_hits=counters.fresh,
            negative_hits=counters.negative,
            misses=counters.missed,
            stale_served=counters.stale,
            flights=None if self._flights is None else self._flights(),
            history=await self._archived(),
            since=self._since,
            note=NOTE,
        )

    def config(self) -> CacheSettings:
        """The rules in force and the tiers."""
        return CacheSettings(
            cache_rules={name: self._rule(name) for name in self._tiers.rules},
            tiers=tuple(
                TierRow(
                    level=level.label,
                    name=level.cache.name,
                    plugin=level.plugin,
                    persistent=level.cache.persistent,
                    shared=level.cache.speaks(),
                )
                for level in self._tiers.levels
            ),
        )

    async def clear(
        self, cache_type: CacheType = "all", level: str | None = None
    ) -> ClearedFigures:
        """What went of one type, from one level or all; the archive stays as it is.

        Raises :class:`BadParameter` for a level that is not configured, and :class:`CacheError`
        if ``level`` is named and cannot be cleared, or none can.
        """
        labels = [each.label for each in self._tiers.levels]
        if level is not None and level not in labels:
            known = ", ".join(labels) or "none"
            raise BadParameter(
                f"level {level} is not configured; configured: {known}",
                details={"parameter": "level", "allowed": labels},
            )
        clearance = await self._tiers.clear(RULES[cache_type], level)
        gone = cleared(clearance.levels, clearance.untold)
        failed = gone.failed
        if failed and len(failed) == len(gone.levels):
            told = "; ".join(f"{label}: {why}" for label, why in failed.items())
            raise CacheError(
                f"nothing was cleared ({told}); what is there may be served again later",
                details={"levels": gone.levels},
            )
        return gone

    async def forget(self, prefixes: Sequence[str]) -> None:
        """Remove what stands under these prefixes, because a process behind this one did."""
        await self._tiers.forget(prefixes)

    def on_news(self, listener: Callable[[Sequence[str]], None]) -> None:
        """Call ``listener`` with the prefixes of what other processes say that they cleared."""
        self._tiers.on_news(listener)

    async def optimise(self) -> Optimised:
        """What was changed about the rules, after the recent questions were replayed.

        The changes hold in this process until it ends. What has expired is removed as well.
        """
        async with self._optimising:
            purged = cleared(await self._tiers.purge())
            used = await self._used()
            now, second = self._clock.now(), self._clock.monotonic()
            accesses = self._accesses.recent()

            def judged() -> tuple[Timeline, Advice]:
                line = timeline(accesses, Lives(self._settle_hours), now=now, second=second)
                return line, advise(line, self._tiers.rules, used=used, deeper=self._deeper())

            line, advice = await asyncio.to_thread(judged)
            for change in advice.changes:
                self._tiers.rules.change(change.rule, **{change.field: change.new})
        return Optimised(
            changes=advice.changes,
            purged=purged,
            before=_rounded(advice.before),
            after=_rounded(advice.after),
            measured=share(line.fresh, line.asked),
            asked=line.asked,
            seconds=round(accesses[-1][0] - accesses[0][0], 3) if accesses else 0.0,
            reason=advice.reason,
        )

    def _rule(self, name: str) -> RuleFigures:
        rule, configured = self._tiers.rules[name], self._tiers.rules.configured(name)
        life = self._tiers.freshness.effective_ttl(name, self._clock.now())
        return RuleFigures(
            **rule.model_dump(),
            effective_ttl=round(life, 3),
            configured={"ttl": configured.ttl, "max_size": configured.max_size},
            datasets=tuple(dataset for dataset, of in RULE_OF.items() if of == name),
        )

    def _deeper(self) -> frozenset[str]:
        """The rules whose entries also lie below the first tier."""
        labels = [level.label for level in self._tiers.levels]
        rules = self._tiers.rules
        return frozenset(n for n in rules if len(labels) > 1 and rules[n].level != labels[0])

    async def _used(self) -> int | None:
        """The entries that the first tier holds now; None if it cannot know."""
        if not self._tiers.levels:
            return None
        return (await _held(self._tiers.levels[0]))[0].entries

    async def _archived(self) -> ArchiveStats | None:
        if self._archive is None:
            return None
        try:
            return await asyncio.to_thread(self._archive.stats)
        except CacheError as error:
            log.warning("the archive does not tell what it holds: %s", error.message)
            return None


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)


async def _held(level: Level) -> tuple[CacheStats, str | None]:
    """What a tier holds, and why it does not say if it does not."""
    stats = await level.tried(level.cache.stats, LONG_BUDGET)
    if stats is not None:
        return stats, level.reason
    return _UNKNOWN, level.reason or "it rests"


def _figures(level: Level, stats: CacheStats, reason: str | None) -> LevelFigures:
    return LevelFigures(
        keys=stats.entries,
        hit_rate=share(level.hits, level.lookups),
        memory_mb=None if stats.bytes is None else megabytes(stats.bytes),
        name=level.cache.name,
        plugin=level.plugin,
        state=level.state(),
        reason=reason,
        lookups=level.lookups,
        hits=level.hits,
        stale_found=level.stale_found,
        failures=level.failures,
    )
