"""How pools and their nodes do now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from argus_core.control.records import ServerNode
from argus_core.routing.health.cooling import EVERYTHING
from argus_core.routing.load.gate import GateFigures
from argus_core.routing.node import Node
from argus_core.routing.pool import Member, Pool
from argus_core.routing.workers.isolated import Isolated
from argus_core.tables import PoolLimits

Wellness = Literal["healthy", "degraded", "unhealthy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFigures:
    """One node of a pool. ``host`` and ``port`` are None where it is no server of its own.

    ``response_ms`` is the mean of the last minute's calls, else the time of the last check.
    """

    name: str
    host: str | None
    port: int | None
    weight: float
    healthy: bool
    reason: str | None
    connections: int
    response_ms: float | None
    checked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFigures:
    """One pool now: its load, what its calls of the last minute came to, its nodes.

    ``made`` says who defined it; ``routes`` are the routes that name it.
    """

    name: str
    made: Literal["file", "api"]
    plugin: str | None
    balancer: str | None
    limits: PoolLimits
    load: GateFigures
    health: Wellness
    nodes: tuple[NodeFigures, ...]
    routes: tuple[str, ...]


def node_figures(
    member: Member, server: ServerNode | None, load: GateFigures | None
) -> NodeFigures:
    """The figures of a pool's member; ``server`` is where it is, if it is a server."""
    node, checked = member.node, member.node.health.checked
    reason = _trouble(node)
    calls = load.nodes.get(node.name) if load else None
    response = calls.response_ms if calls else None
    if response is None and checked is not None and checked.ok:
        response = round(checked.seconds * 1000, 3)
    return NodeFigures(
        name=node.name,
        host=server.host if server else None,
        port=server.port if server else None,
        weight=member.weight,
        healthy=reason is None,
        reason=reason,
        connections=node.load,
        response_ms=response,
        checked_at=checked.at if checked else None,
    )


def _trouble(node: Node) -> str | None:
    """Why requests pass the node over, whatever they ask; None if they do not."""
    source = node.source
    if node.down is not None:
        return node.down
    if isinstance(source, Isolated) and source.worker != "up":
        return f"its worker is {source.worker}"
    if node.off is not None:
        return node.off
    cooling = node.cooling(EVERYTHING)
    if cooling is not None:
        return f"cooling down after {cooling.error.code}"
    return None if node.health.available else node.health.obstacle


def wellness(nodes: tuple[NodeFigures, ...]) -> Wellness:
    """One word for a pool."""
    well = sum(node.healthy for node in nodes)
    return "unhealthy" if not well else "healthy" if well == len(nodes) else "degraded"


def load_of(pool: Pool) -> GateFigures:
    """The load of a pool; that of its nodes where nobody counts at its door."""
    if pool.gate is not None:
        return pool.gate.figures()
    under_way = sum(member.node.load for member in pool.members)
    size = sum(member.node.source.max_concurrency for member in pool.members)
    return GateFigures(
        size=size,
        in_use=under_way,
        waiting=0,
        utilisation=under_way / size if size else 0.0,
        throughput=0.0,
        error_rate=None,
        response_ms=None,
        refused=0,
        nodes={},
    )


def routes_naming(name: str, routes: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The routes that name a pool."""
    return tuple(key for key, pools in routes.items() if name in pools)
