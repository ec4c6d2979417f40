"""What is stored of operators' changes: pools, routes and switches, each a row of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from argus_core.routes import Order, Routes
from argus_core.tables import PoolLimits, Table

MOST_NODES = 256
"""The most nodes of one pool."""


class ServerNode(Table):
    """Another Argus that is a node of a pool."""

    host: str = Field(min_length=1, max_length=253, description="A host name or an address.")
    port: int = Field(ge=1, le=65535, description="The port on which it serves its API.")
    weight: float = Field(
        default=1.0, gt=0, le=1000, allow_inf_nan=False, description="Its weight in the pool."
    )
    max_connections: int = Field(
        default=100, ge=1, le=10_000, description="The most connections to it at once."
    )

    @property
    def at(self) -> str:
        """Host and port as a URL has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def name_in(self, pool: str) -> str:
        """The name of the source that this node is."""
        return f"{pool}@{self.at}"


class PoolRecord(Table):
    """A pool that was made at run time; ``plugin`` is that of its nodes."""

    plugin: str
    balancer: str
    limits: PoolLimits
    nodes: tuple[ServerNode, ...] = Field(min_length=1, max_length=MOST_NODES)
    size: int | None = None
    """What an operator scaled it to."""

    def sources(self, pool: str) -> dict[str, ServerNode]:
        """The nodes by the names of their sources."""
        return {node.name_in(pool): node for node in self.nodes}


class RouteRecord(Table):
    """A route that was put at run time; ``over`` is what the file said then, None if nothing."""

    pools: tuple[str, ...] = Field(min_length=1)
    order: Order = "written"
    over: tuple[str, ...] | None = None
    over_order: Order | None = None
    """The order of ``over``; None where nobody took note of it."""

    def is_over(self, file: Routes, dataset: str) -> bool:
        """True if the file still says of the dataset what it said when this was put."""
        if file.of(dataset) != self.over:
            return False
        return self.over_order is None or file.order(dataset) == self.over_order


class Switch(Table):
    """How an operator set a source; the defaults are as if nobody had."""

    enabled: bool = True
    drain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Everything stored, by name. ``generation`` counts the changes of whatever process."""

    pools: Mapping[str, PoolRecord] = field(default_factory=dict[str, PoolRecord])
    routes: Mapping[str, RouteRecord] = field(default_factory=dict[str, RouteRecord])
    switches: Mapping[str, Switch] = field(default_factory=dict[str, Switch])
    generation: int = 0


KINDS: Mapping[str, type[Table]] = {"pools": PoolRecord, "routes": RouteRecord, "switches": Switch}
"""The kinds of rows by the field of :class:`Stored` that holds them."""
