"""What operators may know of a source."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from argus_core.clock import Clock
from argus_core.extend.source import Source
from argus_core.model.period import Period
from argus_core.routing.health.standing import HealthStatus
from argus_core.routing.node import Node
from argus_core.routing.pool import Pool
from argus_core.routing.quarantine import QuarantineStatus, status
from argus_core.routing.quota.ledger import QuotaStatus
from argus_core.routing.workers.isolated import Isolated
from argus_core.telemetry.redact import Redactor

Told = str | int | float | bool | None
"""What a source's report may hold."""

_WORD = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One source now.

    ``state`` is up, off (an operator wants it so), ejected (its breaker is open or on trial),
    cooling, quarantined (some scope as a whole) or down.

    ``cooling`` maps scopes to seconds left, 0 while a good check is waited for;
    ``quarantined`` lists what is not asked for, and why.

    ``distribution`` is where its plugin came from; ``routes`` are the routes that reach it.
    ``worker`` is starting, up, down or closed, None where ``isolation`` is none; ``report`` is
    what the source itself says of its session.
    """

    name: str
    plugin: str
    distribution: str
    state: str
    reason: str | None
    cooling: dict[str, int]
    quarantined: tuple[QuarantineStatus, ...]
    simulated: bool
    isolation: str
    worker: str | None
    report: dict[str, Told]
    datasets: tuple[str, ...]
    pushes: bool
    exchanges: tuple[str, ...]
    kinds: tuple[str, ...]
    periods: tuple[str, ...]
    pools: tuple[str, ...]
    routes: tuple[str, ...]
    in_flight: int
    calls: int
    failures: int
    last_error: str | None
    last_error_at: datetime | None
    last_ok_at: datetime | None
    health: HealthStatus
    quota: tuple[QuotaStatus, ...]
    """What was used of what the vendor allows; nothing where it states no allowance."""


def status_of(
    node: Node,
    *,
    distribution: str,
    routes: Iterable[tuple[str, tuple[Pool, ...]]],
    clock: Clock,
    redactor: Redactor,
) -> SourceStatus:
    """The status of a node."""
    now = clock.monotonic()
    cooling = {
        dataset: max(0, math.ceil(cool.until - now))
        for dataset, cool in node.all_cooling.items()
        if not cool.over(now)
    }
    through = [
        (route, pool.name)
        for route, pools in routes
        for pool in pools
        if any(member.node is node for member in pool.members)
    ]
    errors = [cool.error.code for cool in node.all_cooling.values() if not cool.over(now)]
    held = node.quarantine.in_force
    errors += [entry.error.code for entry in held if entry.symbol is None]
    source = node.source
    worker = source.worker if isinstance(source, Isolated) else None
    down = node.down or (f"its worker is {worker}" if worker not in (None, "up") else None)
    ejected = node.health.breaker.state != "closed"
    state = "cooling" if cooling else "quarantined" if errors else "ejected" if ejected else "up"
    state = "down" if down else "off" if node.off else state
    return SourceStatus(
        name=node.name,
        plugin=node.plugin,
        distribution=distribution,
        state=state,
        reason=down or node.off or ", ".join(dict.fromkeys(errors)) or None,
        cooling=cooling,
        quarantined=tuple(status(entry) for entry in held),
        simulated=source.simulated,
        isolation="none" if worker is None else "process",
        worker=worker,
        report=_report(source, redactor),
        datasets=tuple(sorted(node.offers)),
        pushes=source.pushes(),
        exchanges=tuple(sorted(source.exchanges)),
        kinds=tuple(sorted(source.kinds)),
        periods=tuple(period for period in Period if period in source.periods),
        pools=tuple(dict.fromkeys(pool for _, pool in through)),
        routes=tuple(dict.fromkeys(route for route, _ in through)),
        in_flight=node.in_flight,
        calls=node.counters.calls,
        failures=node.counters.failures,
        last_error=node.counters.last_error,
        last_error_at=node.counters.last_error_at,
        last_ok_at=node.counters.last_ok_at,
        health=node.health.status,
        quota=node.quota.status(),
    )


def _report(source: Source, redactor: Redactor) -> dict[str, Told]:
    """What a source says of its session, free of secrets, whatever its plugin does."""
    try:
        return {_text(key, redactor): _told(v, redactor) for key, v in source.report().items()}
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; operators see it
        return {"report": f"failed: {type(error).__name__}"}


def _told(value: object, redactor: Redactor) -> Told:
    """A value that JSON can hold: one odd entry must not cost operators the whole list."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and value.bit_length() < _WORD:
        return value
    return _text(value, redactor)


def _text(value: object, redactor: Redactor) -> str:
    return redactor.text(str(value)).encode(errors="replace").decode()
