"""The tables of plugins.toml about what Argus keeps: cache rules, the archive, warm-up."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from argus_core.errors import BadParameter
from argus_core.market.symbols import parse_symbol
from argus_core.model.period import Period

RuleName = Literal["LATEST_DATA", "HISTORY_DATA", "BASIC_INFO"]
Priority = Literal["high", "medium", "low"]

_DAY = 86400.0
_LONGEST = 366 * _DAY


class Table(BaseModel):
    """A table whose keys are all known to the core."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CacheRule(Table):
    """How long one group of datasets lives in the caches, how deep, and how stale it may be."""

    ttl: float = Field(
        gt=0,
        le=_LONGEST,
        allow_inf_nan=False,
        description="Seconds of life while the market may change the value.",
    )
    max_size: int = Field(ge=1, description="The most entries of this rule that a process keeps.")
    level: Literal["L1", "L2", "L3"] = Field(
        default="L3", description="The deepest tier that is written."
    )
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


class HistoryTable(Table):
    """The archive of sealed bars and factors; without this table there is none."""

    path: Path = Field(
        default=Path("data/history"),
        description="Its directory; relative to the file it stands in.",
    )
    settle_hours: float = Field(
        default=3.0,
        ge=0,
        le=48,
        allow_inf_nan=False,
        description="Hours after the close from which a trading day counts as settled.",
    )
    silent_days: int = Field(
        default=4,
        ge=0,
        description="Days after which a day of which the source has no row counts as settled.",
    )
    verify: bool = Field(
        default=True,
        description="Whether sealed days are fetched once more, to notice late corrections.",
    )


class WarmupTable(Table):
    """What is fetched before the open, so that nobody has to wait for it then."""

    symbols: tuple[str, ...] = Field(default=(), description="Symbols to warm each trading day.")
    datasets: tuple[Literal["quotes", "depth", "instruments", "bars", "listings"], ...] = Field(
        default=("quotes", "instruments"), description="What to warm of them."
    )
    periods: tuple[Period, ...] = Field(
        default=(Period.D1,), description="The periods of bars to warm."
    )
    days: int = Field(default=250, ge=1, le=20_000, description="How far back bars are warmed.")
    most_asked: int = Field(
        default=200, ge=0, description="How many of the last day's most asked symbols join them."
    )
    minutes_before_open: float = Field(
        default=20.0, gt=0, le=600, allow_inf_nan=False, description="When it begins."
    )
    calls_per_minute: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="The most calls to sources a minute; the source's own fact where absent.",
    )

    @field_validator("symbols")
    @classmethod
    def _canonical(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(str(parse_symbol(text)) for text in given))
        except BadParameter as error:
            raise ValueError(error.message) from None


def rules_of(given: dict[str, dict[str, Any]], ttl: float | None) -> dict[str, dict[str, Any]]:
    """The tables ``[cache_rules.NAME]`` over the defaults; ``ttl`` replaces LATEST_DATA's own."""
    merged = {name: rule.model_dump() for name, rule in DEFAULT_RULES.items()}
    if ttl is not None:
        merged["LATEST_DATA"]["ttl"] = ttl
    for name, table in given.items():
        merged[name] = {**merged.get(name, {}), **table}
    return merged
