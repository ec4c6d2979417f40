"""What operators may know of a source's truthfulness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from argus_core.clock import Clock
from argus_core.routing.evidence import FailedCheck, Proved
from argus_core.routing.node import Node
from argus_core.routing.quarantine import QuarantineStatus, status
from argus_core.telemetry.redact import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """The newest instant that a dataset's values spoke of; ``age`` in seconds since the last."""

    as_of: datetime | None
    last_ok_at: datetime
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceQuality:
    """One source since start-up: what its rows proved, by dataset, and what they disproved.

    ``failed`` counts failed checks by kind; ``last_failure`` is the newest of them.
    """

    name: str
    rows: Mapping[str, Proved]
    failed: Mapping[str, int]
    last_failure: FailedCheck | None
    freshness: Mapping[str, Freshness]
    quarantined: tuple[QuarantineStatus, ...]


def quality_of(node: Node, *, clock: Clock, redactor: Redactor) -> SourceQuality:
    """The account of a node now, its reasons fit for an answer."""
    evidence, now = node.evidence, clock.now()
    last = evidence.last_failure
    return SourceQuality(
        name=node.name,
        rows=dict(evidence.rows),
        failed=dict(evidence.failed),
        last_failure=None if last is None else replace(last, reason=redactor.foreign(last.reason)),
        freshness={
            dataset: Freshness(
                as_of=fresh.as_of,
                last_ok_at=fresh.at,
                age=round(max(0.0, (now - fresh.at).total_seconds()), 3),
            )
            for dataset, fresh in evidence.fresh.items()
        },
        quarantined=tuple(
            replace(held, reason=redactor.foreign(held.reason))
            for held in map(status, node.quarantine.in_force)
        ),
    )
