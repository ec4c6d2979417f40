"""The tables of plugins.toml that name plugins or sources: sources, pools, authenticators."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from argus_core.extend.isolation import Isolation
from argus_core.tables import PoolLimits
from argus_core.telemetry.mistakes import unknown


class PluginTable(BaseModel):
    """A table that names a plugin; the keys that the core does not know are the plugin's."""

    model_config = ConfigDict(extra="allow", frozen=True)

    plugin: str = Field(description="Name of the plugin, as `argus plugins` lists it.")

    @property
    def settings(self) -> dict[str, Any]:
        """The plugin's own keys, unchecked and with secrets not yet looked up."""
        return dict(self.model_extra or {})


class AuthTable(BaseModel):
    """Which authenticators judge a request, in order; each may have a table of its own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    plugins: tuple[str, ...] = Field(
        default=("open",), min_length=1, description="Authenticator plugins, asked in this order."
    )

    def settings(self, name: str) -> dict[str, Any]:
        """The table ``[auth.NAME]``, unchecked."""
        return dict((self.model_extra or {}).get(name, {}))

    @model_validator(mode="after")
    def _only_named_tables(self) -> Self:
        for key, value in (self.model_extra or {}).items():
            if key not in self.plugins:
                raise ValueError(unknown(key, ["plugins", *self.plugins]))
            if not isinstance(value, dict):
                raise ValueError(f"{key} must be a table, [auth.{key}]")  # noqa: TRY004 - pydantic's
        return self


class SourceTable(Isolation, PluginTable):
    """One source: a vendor account, an SDK session."""

    enabled: bool = Field(
        default=True, description="False: the table is kept, the plugin not imported."
    )
    required: bool = Field(
        default=True,
        description="False: if it cannot start, Argus starts without it and shows it down.",
    )


class PoolTable(PoolLimits):
    """Sources that can replace one another at once, and how to choose among them."""

    sources: tuple[str, ...] = Field(min_length=1, description="Names of the member sources.")
    balancer: str | None = Field(
        default=None, description="Balancer plugin; needed where the pool has several members."
    )
    weights: dict[str, float] = Field(
        default_factory=dict, description="Weight per member, 1 where absent."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if len(set(self.sources)) != len(self.sources):
            raise ValueError("a source stands twice in `sources`")
        if len(self.sources) > 1 and self.balancer is None:
            raise ValueError('several sources need a `balancer`, for example "round_robin"')
        for name, weight in self.weights.items():
            if name not in self.sources:
                raise ValueError(f"`weights` speaks of {name!r}, which is not in `sources`")
            if not 0 < weight <= 1000:  # noqa: PLR2004
                raise ValueError(f"the weight of {name!r} must be more than 0, at most 1000")
        return self
