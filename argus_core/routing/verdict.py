"""What a request brought, and why the rest has no value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from argus_core.clock import Clock
from argus_core.errors import (
    AllSourcesFailed,
    DeadlineExceeded,
    GatewayError,
    NotOffered,
    NotReady,
    Overloaded,
)
from argus_core.model.answer import Failure, Found, Trace
from argus_core.model.query import Query
from argus_core.routing.quarantine import listed
from argus_core.routing.walk import Walk
from argus_core.telemetry.redact import Redactor


@dataclass(slots=True)
class Routed:
    """What a route gave: values, keys that working sources do not have, and failures."""

    trace: Trace
    found: dict[str, Found] = field(default_factory=dict[str, Found])
    absent: dict[str, Found] = field(default_factory=dict[str, Found])
    """Keys that a working source was asked for and does not have; the values are None."""
    unsure: set[str] = field(default_factory=set[str])
    """Absent keys that a source which failed or is cooling down might have had."""
    failures: dict[str, Failure] = field(default_factory=dict[str, Failure])


@dataclass(frozen=True, slots=True)
class Verdict:
    """Judges walks that are over."""

    clock: Clock
    redactor: Redactor

    def merged(self, query: Query, walks: Sequence[Walk], trace: Trace) -> Routed:
        """What the walks of ``query`` brought together; raises if that is nothing at all."""
        routed = Routed(trace=trace)
        worst: list[GatewayError] = []
        for walk in walks:
            routed.found.update(walk.found)
            for key in walk.pending:
                failure = self._failure(walk, key)
                if isinstance(failure, GatewayError):
                    worst.append(failure)
                    failure = Failure(code=failure.code, message=failure.message)
                if failure is None:
                    routed.absent[key] = walk.absent[key]
                    failed = key in walk.failed or key in walk.turned_away
                    if failed or self._cools(walk, key):
                        routed.unsure.add(key)
                else:
                    routed.failures[key] = failure
        if not routed.found and not routed.absent:
            if worst:
                raise worst[0]
            if all(f.code == NotOffered.code for f in routed.failures.values()):
                raise NotOffered(
                    f"no source of the route offers {query.dataset} like this",
                    details={"dataset": query.dataset},
                )
            raise AllSourcesFailed(
                "no source gave data that can be true",
                attempts=trace.attempts,
                retry_after=max(self._retry_after(walk) for walk in walks),
                details={"errors": {str(k): asdict(f) for k, f in routed.failures.items()}},
            )
        return routed

    def _failure(self, walk: Walk, key: str) -> Failure | GatewayError | None:
        """Why a pending key has no value; None if a working source simply does not have it."""
        if key in walk.preparing and walk.deadline.remaining > 0:
            return NotReady(
                "a source is still fetching it",
                attempts=walk.trace.attempts,
                retry_after=max(1, math.ceil(walk.preparing[key])),
            )
        if key in walk.faults:
            return Failure(code="BAD_DATA", message=self.redactor.foreign(walk.faults[key]))
        if key in walk.absent:
            return None
        heard = key not in walk.failed and key not in walk.turned_away
        refused = key in walk.declined and heard and not self._cools(walk, key)
        if key not in walk.served or refused:
            return Failure(code=NotOffered.code, message="no source of the route offers this")
        if walk.deadline.remaining <= 0:
            return DeadlineExceeded(
                "the deadline passed before a source answered", attempts=walk.trace.attempts
            )
        return self._unanswered(walk, key)

    def _unanswered(self, walk: Walk, key: str) -> GatewayError:
        """Why nobody answered about a key in time that somebody could have answered."""
        if key in walk.turned_away:
            return Overloaded(
                "too many requests are under way already",
                attempts=walk.trace.attempts,
                retry_after=max(1, math.ceil(walk.turned_away[key])),
            )
        return AllSourcesFailed(
            "every source of the route failed or is cooling down" + self._passed_over(walk, key),
            attempts=walk.trace.attempts,
            retry_after=self._retry_after(walk),
        )

    def _cools(self, walk: Walk, key: str) -> bool:
        """True if some node that could answer the key is cooling down or ejected."""
        query = walk.query.only((key,))
        return any(
            node.longest_cooling(query) is not None
            or (not node.health.available and node.serves(query))
            for node in walk.nodes
        )

    def _passed_over(self, walk: Walk, key: str) -> str:
        """The end of a sentence: which sources are not asked about the key, and why."""
        query = walk.query.only((key,))
        told = {node.name: rest.quota for node in walk.nodes if (rest := node.rest(query))}
        told |= {n.name: listed(held) for n in walk.nodes if (held := n.quarantined(query))}
        return "".join(f"; {name}: {self.redactor.foreign(why)}" for name, why in told.items())

    def _retry_after(self, walk: Walk) -> float:
        """Whole seconds until the first node of the route may be asked again, at least 1."""
        now = self.clock.monotonic()
        waits = [
            cooling.until - now
            for node in walk.nodes
            if (cooling := node.longest_cooling(walk.query)) is not None
        ]
        # Behind a node that is well itself, somebody else may have said when to come again.
        waits.extend(e.retry_after for e in walk.errors if e.retry_after is not None)
        return max(1, math.ceil(min(waits, default=1.0)))
