"""The tables of plugins.toml: the server, pools, the archive, warm-up."""

from __future__ import annotations

import unicodedata
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from argus_core.errors import BadParameter
from argus_core.market.symbols import parse_symbol
from argus_core.model.period import Period

LONGEST_NAME = 64
"""Characters that the name of a source or a pool may have."""

MOST_CALLS = 10_000
"""The most calls at once that a pool may be given."""
LONGEST_CALL = 600.0
"""The most seconds that a pool may give a call."""

_DAY = 86400.0


class Table(BaseModel):
    """A table whose keys are all known to the core."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerTable(Table):
    """Where Argus listens and where it keeps its state."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8001, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    data_dir: Path = Field(
        default=Path("data"), description="Directory of state; relative to the file it stands in."
    )
    max_in_flight: int = Field(
        default=512,
        ge=1,
        le=100_000,
        description="Data requests that are answered at once; one more gets 503 and `Retry-After`.",
    )
    workers: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Edge processes in front of one agent that holds all sessions; 0: one process.",
    )
    drain_wait: float = Field(
        default=0.0,
        ge=0,
        le=600,
        allow_inf_nan=False,
        description="Seconds for which requests are still taken after the signal to stop, while "
        "readiness is off already; load balancers need a few.",
    )
    drain_seconds: float = Field(
        default=10.0,
        gt=0,
        le=600,
        allow_inf_nan=False,
        description="The most seconds that requests under way get to end after that.",
    )

    @property
    def loopback(self) -> bool:
        """True if only this machine can connect."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class PoolLimits(Table):
    """How many calls a pool makes at once, and how that number follows the load."""

    min_size: int = Field(default=1, ge=1, le=MOST_CALLS, description="The fewest calls at once.")
    max_size: int = Field(default=64, ge=1, le=MOST_CALLS, description="The most calls at once.")
    initial_size: int | None = Field(
        default=None,
        ge=1,
        le=MOST_CALLS,
        description="How many to begin with; `max_size` if absent.",
    )
    timeout: float = Field(
        default=30.0,
        gt=0,
        le=LONGEST_CALL,
        allow_inf_nan=False,
        description="The most seconds that one call may take, if the deadline allows as many.",
    )
    max_idle_time: float = Field(
        default=300.0,
        gt=0,
        le=_DAY,
        allow_inf_nan=False,
        description="Seconds of low use after which the size shrinks a step.",
    )
    health_check_interval: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds between two active checks of a node.",
    )
    auto_scale: bool = Field(
        default=True, description="Whether the size follows the load between its bounds."
    )
    scale_factor: float = Field(
        default=1.5, gt=1, le=10, allow_inf_nan=False, description="By how much it grows at once."
    )
    scale_threshold: float = Field(
        default=0.8,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="The utilisation from which it grows.",
    )
    max_waiting: int = Field(
        default=1000,
        ge=0,
        le=1_000_000,
        description="Calls that may wait for a free place; one more is refused.",
    )
    hedge: bool = Field(
        default=False,
        description="Whether a slow call is asked of a second node too; never of metered ones.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_size > self.max_size:
            raise ValueError(f"min_size {self.min_size} is more than max_size {self.max_size}")
        begin = self.initial_size
        if begin is not None and not self.min_size <= begin <= self.max_size:
            raise ValueError(f"initial_size {begin} lies outside of min_size and max_size")
        return self

    def fixed(self, size: int) -> Self:
        """The limits of a lone source that takes so many calls at once: no more, no fewer.

        Only how many may wait is taken over. A call may take as long as its deadline allows.
        """
        size = min(max(size, 1), MOST_CALLS)
        return type(self)(
            min_size=size,
            max_size=size,
            timeout=LONGEST_CALL,
            auto_scale=False,
            max_waiting=self.max_waiting,
        )

    @property
    def first_size(self) -> int:
        """The size to begin with."""
        return self.max_size if self.initial_size is None else self.initial_size


class ServerNodesTable(Table):
    """What may become a node of a pool that is made over the API."""

    allow: tuple[str, ...] = Field(
        default=(),
        description="Hosts, addresses or networks with a port or a range of ports: "
        "`agent-1.lan:8001`, `10.0.0.0/24:8001-8010`. Nothing else is ever connected to.",
    )
    key: SecretStr | None = Field(
        default=None, description="The API key that these nodes ask for, if they ask for one."
    )
    https: bool = Field(default=False, description="Whether they are asked over https.")
    allow_http: bool = Field(
        default=False,
        description="Whether the key may travel unencrypted to another machine.",
    )


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


def unfit(name: str) -> str | None:
    """The end of a sentence about a name that no source or pool may have; None if it may."""
    if not name.strip():
        return "is empty"
    if len(name) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} characters"
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in name):
        return "holds a control character"
    return None
