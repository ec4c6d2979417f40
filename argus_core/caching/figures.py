"""What operators see of the caches. Whatever cannot be known is None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from argus_core.caching.advice import Change
from argus_core.caching.clearing import Cleared
from argus_core.caching.tiers import Counters
from argus_core.history.archive import ArchiveStats

MEBIBYTE = 1024 * 1024

CacheType = Literal["market_data", "history_data", "basic_info", "all"]
"""What can be cleared: the datasets of one rule, or everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelFigures:
    """One tier: what it holds now, and what it did for this process since start-up.

    ``lookups`` are the keys that consumers' questions had it look for, ``hits`` those found fresh,
    ``stale_found`` those found past their life. A shared tier holds what other processes put there
    too.
    """

    keys: int | None
    hit_rate: float | None
    memory_mb: float | None
    name: str
    plugin: str
    state: Literal["up", "resting"]
    reason: str | None
    lookups: int
    hits: int
    stale_found: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFigures:
    """All tiers together. A key that lies in several tiers counts in each.

    Rates are shares of the keys asked for since start-up: ``hit_rate`` those answered fresh, a
    remembered "no source has it" included; all others were missed. ``stale_served`` are the missed
    ones for which something past its life was served, flagged. Totals are None where a tier cannot
    know its own; ``known_keys`` and ``known_memory_mb`` are those of the others.
    """

    total_keys: int | None
    hit_rate: float | None
    miss_rate: float | None
    memory_usage_mb: float | None
    cache_levels: Mapping[str, LevelFigures]
    known_keys: int
    known_memory_mb: float
    requests: int
    fresh_hits: int
    negative_hits: int
    misses: int
    stale_served: int
    flights: int | None
    history: ArchiveStats | None
    since: datetime
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFigures:
    """A cache rule in force.

    ``effective_ttl`` is how many seconds a typical value would live from now, by the market's
    clock; ``configured`` what plugins.toml says, where an optimisation has moved away from it.
    """

    ttl: float
    max_size: int
    level: str
    priority: str
    effective_ttl: float
    configured: Mapping[str, float]
    stale_while_revalidate: float
    stale_if_error: float
    negative_ttl: float
    early_refresh: bool
    datasets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRow:
    """A tier in its place; ``shared`` if other processes hear of what is cleared in it."""

    level: str
    name: str
    plugin: str
    persistent: bool
    shared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """The cache rules in force, and the tiers in the order in which they are asked."""

    cache_rules: Mapping[str, RuleFigures]
    tiers: tuple[TierRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearedLevel:
    """What went from one tier; ``error`` says why nothing could."""

    cleared_keys: int
    freed_memory_mb: float
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearedFigures:
    """What a clear removed, as the tiers counted it.

    ``untold`` says by level why other processes that share it do not know yet; what they keep of
    their own they serve until they are told.
    """

    cleared_keys: int
    freed_memory_mb: float
    levels: Mapping[str, ClearedLevel]
    untold: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def failed(self) -> dict[str, str]:
        """Why tiers could not be cleared, by label."""
        return {label: level.error for label, level in self.levels.items() if level.error}


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimised:
    """What an optimisation changed, and what that does to the hit rate.

    The two rates are replayed over the recent questions (``asked`` keys in ``seconds``), hence
    estimated; ``measured`` is what they really found. ``reason`` says why there is no estimate.
    """

    changes: tuple[Change, ...]
    purged: ClearedFigures
    before: float | None
    after: float | None
    measured: float | None
    asked: int
    seconds: float
    reason: str | None


def megabytes(count: int) -> float:
    """Mebibytes, to the thousandth."""
    return round(count / MEBIBYTE, 3)


def share(part: int, whole: int) -> float | None:
    """``part / whole`` to four places; None of nothing."""
    return round(part / whole, 4) if whole else None


def rates(counters: Counters) -> tuple[float | None, float | None]:
    """The share of keys that were answered fresh, and of those that were not; together 1."""
    hit = share(counters.fresh + counters.negative, counters.requests)
    return hit, None if hit is None else round(1 - hit, 4)


def cleared(gone: Sequence[Cleared], untold: Mapping[str, str] | None = None) -> ClearedFigures:
    """What went, together and level by level, and who does not know yet."""
    return ClearedFigures(
        cleared_keys=sum(level.entries for level in gone),
        freed_memory_mb=megabytes(sum(level.bytes for level in gone)),
        levels={
            level.label: ClearedLevel(
                cleared_keys=level.entries,
                freed_memory_mb=megabytes(level.bytes),
                error=level.error,
            )
            for level in gone
        },
        untold=untold or {},
    )
