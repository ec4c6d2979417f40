"""The tables ``[cache_rules.NAME]`` of plugins.toml, and the rules where it says nothing."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field

from argus_core.tables import Table

RuleName = Literal["LATEST_DATA", "HISTORY_DATA", "BASIC_INFO"]
Priority = Literal["high", "medium", "low"]
Tier = Literal["L1", "L2", "L3"]

TIERS: tuple[str, ...] = get_args(Tier)
"""The places of the tiers, in the order in which they are asked; there are no others."""

_DAY = 86400.0
_LONGEST = 366 * _DAY


class CacheRule(Table):
    """How long one group of datasets lives in the caches, how deep, and how stale it may be."""

    ttl: float = Field(
        gt=0,
        le=_LONGEST,
        allow_inf_nan=False,
        description="Seconds of life while the market may change the value.",
    )
    max_size: int = Field(ge=1, description="The most entries of this rule that a process keeps.")
    level: Tier = Field(default="L3", description="The deepest tier that is written.")
    priority: Priority = Field(
        default="medium",
        description="Who goes first in warm-up, refreshing and writing to slow tiers.",
    )
    stale_while_revalidate: float = Field(
        default=0.0,
        ge=0,
        le=_LONGEST,
        allow_inf_nan=False,
        description="Seconds after its life for which a value is served, flagged, and refreshed.",
    )
    stale_if_error: float = Field(
        default=0.0,
        ge=0,
        le=_LONGEST,
        allow_inf_nan=False,
        description="Seconds after its life for which it is served, flagged, if no source answers.",
    )
    negative_ttl: float = Field(
        default=30.0,
        ge=0,
        le=_LONGEST,
        allow_inf_nan=False,
        description="Seconds for which it is remembered that no source has something; 0: never.",
    )
    early_refresh: bool = Field(
        default=True, description="Whether much asked values are refreshed before their life ends."
    )


DEFAULT_RULES: dict[str, CacheRule] = {
    "LATEST_DATA": CacheRule(
        ttl=3, max_size=200_000, priority="high", stale_if_error=60, negative_ttl=30
    ),
    "HISTORY_DATA": CacheRule(
        ttl=5, max_size=50_000, priority="medium", stale_if_error=300, negative_ttl=60
    ),
    "BASIC_INFO": CacheRule(
        ttl=_DAY,
        max_size=200_000,
        priority="low",
        stale_while_revalidate=3600,
        stale_if_error=7 * _DAY,
        negative_ttl=300,
    ),
}
"""The rules as they are where plugins.toml says nothing."""


def rules_of(given: dict[str, dict[str, Any]], ttl: float | None) -> dict[str, dict[str, Any]]:
    """The tables ``[cache_rules.NAME]`` over the defaults; ``ttl`` replaces LATEST_DATA's own."""
    merged = {name: rule.model_dump() for name, rule in DEFAULT_RULES.items()}
    if ttl is not None:
        merged["LATEST_DATA"]["ttl"] = ttl
    for name, table in given.items():
        merged[name] = {**merged.get(name, {}), **table}
    return merged
