"""What operators may know of a source."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from argus_core.clock import Clock
from argus_core.model.period import Period
from argus_core.routing.node import Node
from argus_core.routing.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One source now. ``state`` is up, cooling or down; ``cooling`` maps datasets to seconds left.

    ``distribution`` is where its plugin came from; ``routes`` are the routes that reach it.
    """

    name: str
    plugin: str
    distribution: str
    state: str
    reason: str | None
    cooling: dict[str, int]
    simulated: bool
    datasets: tuple[str, ...]
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


def status_of(
    node: Node, *, distribution: str, routes: Iterable[tuple[str, tuple[Pool, ...]]], clock: Clock
) -> SourceStatus:
    """The status of a node."""
    now = clock.monotonic()
    cooling = {
        dataset: math.ceil(cool.until - now)
        for dataset, cool in node.all_cooling.items()
        if cool.until > now
    }
    through = [
        (route, pool.name)
        for route, pools in routes
        for pool in pools
        if any(member.node is node for member in pool.members)
    ]
    errors = [cool.error.code for cool in node.all_cooling.values() if cool.until > now]
    state = "down" if node.down else "cooling" if cooling else "up"
    source = node.source
    return SourceStatus(
        name=node.name,
        plugin=node.plugin,
        distribution=distribution,
        state=state,
        reason=node.down or ", ".join(dict.fromkeys(errors)) or None,
        cooling=cooling,
        simulated=type(source).simulated,
        datasets=tuple(sorted(node.offers)),
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
    )
