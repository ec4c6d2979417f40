"""The shapes of the cache paths' bodies, for OpenAPI only."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class CacheLevelRow(BaseModel):
    """One level: what it holds now, and its lookups by this process since start-up."""

    keys: int | None = Field(description="Entries; null where the level cannot tell.")
    hit_rate: float | None = Field(description="hits ÷ lookups; null before the first lookup.")
    memory_mb: float | None = Field(description="MiB; null where the level cannot tell.")
    name: str
    plugin: str
    state: Literal["up", "resting"]
    reason: str | None = Field(description="Why the level failed last, or does not answer.")
    lookups: int = Field(description="Keys that consumers' questions had it look for.")
    hits: int = Field(description="Keys that the level held, still fresh.")
    stale_found: int = Field(description="Keys that it held past their life.")
    failures: int


class ArchiveRow(BaseModel):
    """How much the archive of sealed bars and factors holds."""

    series: int
    rows: int
    bytes: int
    chunks: int
    spans: int
    revisions: int


class CacheRow(BaseModel):
    """All levels together; a key that lies in several of them counts in each."""

    total_keys: int | None = Field(description="Null where a level cannot tell.")
    hit_rate: float | None = Field(
        description=(
            "The share of asked keys that were answered fresh, a remembered 'no source has it' "
            "included; null before the first."
        )
    )
    miss_rate: float | None = Field(description="1 - hit_rate.")
    memory_usage_mb: float | None = Field(description="MiB; null where a level cannot tell.")
    cache_levels: dict[str, CacheLevelRow]
    known_keys: int = Field(description="Entries of the levels that can tell.")
    known_memory_mb: float
    requests: int = Field(description="Keys asked of the caches by this process.")
    fresh_hits: int
    negative_hits: int
    misses: int
    stale_served: int = Field(description="Of the misses, those answered stale, and flagged so.")
    flights: int | None = Field(description="Fetches under way.")
    history: ArchiveRow | None = Field(description="Null without an archive.")
    since: str
    note: str


class CacheBody(BaseModel):
    """What the caches hold and how often they knew the answer."""

    success: Literal[True]
    data: CacheRow
    timestamp: str


class ConfiguredRow(BaseModel):
    """What plugins.toml says, where an optimisation has moved away from it."""

    ttl: float
    max_size: int


class RuleRow(BaseModel):
    """How one group of datasets is cached."""

    ttl: float = Field(description="Seconds of life while the market may change the value.")
    max_size: int
    level: Literal["L1", "L2", "L3"] = Field(description="The deepest level that is written.")
    priority: Literal["high", "medium", "low"]
    effective_ttl: float = Field(
        description="Seconds that a typical value would live from now, by the market's clock."
    )
    configured: ConfiguredRow
    stale_while_revalidate: float
    stale_if_error: float
    negative_ttl: float
    early_refresh: bool
    datasets: list[str]


class TierRow(BaseModel):
    """A tier in the order in which they are asked."""

    level: str
    name: str
    plugin: str
    persistent: bool
    shared: bool = Field(description="Whether other processes hear of what is cleared.")


class CacheConfigRow(BaseModel):
    """The rules in force and the tiers."""

    cache_rules: dict[str, RuleRow]
    tiers: list[TierRow]


class CacheConfigBody(BaseModel):
    """The rules in force and the tiers."""

    success: Literal[True]
    data: CacheConfigRow
    timestamp: str


class ClearedLevelRow(BaseModel):
    """What went from one level."""

    cleared_keys: int
    freed_memory_mb: float
    error: str | None = Field(description="Why nothing could go.")


class ClearedBody(BaseModel):
    """What went."""

    success: Literal[True]
    message: str
    cleared_keys: int
    freed_memory_mb: float
    complete: bool = Field(
        description="False where a level could not be cleared, or others were not told yet."
    )
    levels: dict[str, ClearedLevelRow]
    untold: dict[str, str] = Field(
        description=(
            "By level, why other processes that share it do not know yet. They are told as soon "
            "as it answers; until then they may serve what they keep themselves."
        )
    )
    timestamp: str


class ImprovementRow(BaseModel):
    """The hit rates of the recent questions, replayed under the old and the new rules."""

    hit_rate_before: float | None = Field(description="Null where too little was asked.")
    hit_rate_after: float | None
    memory_saved_mb: float = Field(description="Measured: what expired entries took.")
    estimated: Literal[True] = Field(description="The two rates are estimated.")
    measured_hit_rate: float | None = Field(description="What those questions really found.")
    reason: str | None = Field(description="Why there is no estimate.")


class ChangeRow(BaseModel):
    """One field of one rule."""

    rule: str
    field: Literal["ttl", "max_size"]
    old: float
    new: float
    reason: str
    points: float | None = Field(
        description="Estimated percentage points of the rule's hit rate while the market moves."
    )


class ObservedRow(BaseModel):
    """What was replayed."""

    keys: int
    seconds: float


class OptimizedBody(BaseModel):
    """What was changed, and what it is estimated to bring."""

    success: Literal[True]
    message: str
    optimizations: list[str]
    performance_improvement: ImprovementRow
    changes: list[ChangeRow]
    purged: dict[str, ClearedLevelRow]
    observed: ObservedRow
    where: str
    timestamp: str
