"""What came of asking a node, and what a node has done so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from argus_core.errors import NotOffered, SourceError
from argus_core.market.chain import Doubt
from argus_core.model.answer import Origin
from argus_core.routing.quota.pauses import Pauses


@dataclass(slots=True)
class Counters:
    """What a node has done since start-up."""

    calls: int = 0
    failures: int = 0
    last_error: str | None = None
    last_error_at: datetime | None = None
    last_ok_at: datetime | None = None


@dataclass(slots=True)
class Reply:
    """What came of asking a node: readings so far, and the errors that ended some of it.

    ``errors`` is by scope, the part of the question that failed; ``asked`` are the keys that
    were answered, be it with nothing. ``running_since`` is when the first call really began
    (monotonic seconds), after any wait for a free place.
    """

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    faults: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[str] = field(default_factory=list[str])
    steps: list[str] = field(default_factory=list[str])
    resolution: dict[str, Mapping[str, float]] = field(
        default_factory=dict[str, Mapping[str, float]]
    )
    errors: dict[str, SourceError | NotOffered] = field(
        default_factory=dict[str, "SourceError | NotOffered"]
    )
    origins: dict[str, Origin] = field(default_factory=dict[str, Origin])
    """Where the values really come from, by key, where the node passed them on."""
    doubts: dict[str, Doubt] = field(default_factory=dict[str, Doubt])
    """The keys among ``values`` that may lack days, and which."""
    failures: dict[str, SourceError | NotOffered] = field(
        default_factory=dict[str, "SourceError | NotOffered"]
    )
    """Keys that failed behind a node which is well itself."""
    running_since: float | None = None
    pauses: Pauses = field(default_factory=Pauses)

    def ran(self, now: float) -> float:
        """Seconds since the first call really began, without waits for the quota; 0 if none did."""
        since = self.running_since
        return 0.0 if since is None else now - since - self.pauses.seconds(since)

    @property
    def false(self) -> bool:
        """True if all that came cannot be true."""
        return bool(self.faults) and not self.values

    @property
    def error(self) -> SourceError | NotOffered | None:
        """The first error, if there was one."""
        return next(iter(self.errors.values()), None)
