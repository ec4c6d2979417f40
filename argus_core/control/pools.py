"""Pools at run time: made, looked at, scaled, checked, changed, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from argus_core.config import Config
from argus_core.control.addresses import parse_host
from argus_core.control.control import Control, Edit
from argus_core.control.figures import (
    NodeFigures,
    PoolFigures,
    load_of,
    node_figures,
    routes_naming,
    wellness,
)
from argus_core.control.overlay import Overlaid, node_table
from argus_core.control.records import MOST_NODES, PoolRecord, ServerNode, Stored
from argus_core.control.refusals import Conflict, NoSuch, as_callers
from argus_core.errors import BadParameter, ConfigError
from argus_core.plugins import read_settings, registering, registers
from argus_core.routing.health.checks import Checks
from argus_core.routing.pool import Pool
from argus_core.tables import PoolLimits, Table, unfit
from argus_core.telemetry.mistakes import made, nearest
from argus_core.telemetry.secrets import Secrets

_Kind = TypeVar("_Kind", bound=Table)


@dataclass(frozen=True, slots=True)
class Scaled:
    """A pool's size before and after."""

    before: int
    after: int


class Pools:
    """The pools of one gateway, as operators see and change them.

    What is made here lies in the state database; a pool of the file is looked at, checked and
    scaled like any other, and is changed in the file. Raises :class:`NoSuch`, :class:`Conflict`
    and :class:`BadParameter`.
    """

    def __init__(self, control: Control, checks: Checks) -> None:
        self._control = control
        self._checks = checks

    # -- looking ------------------------------------------------------------------------------

    def every(self) -> tuple[PoolFigures, ...]:
        """Every pool of the file and of the API; lone sources are no pools of anybody's making."""
        return tuple(self.one(name) for name in self._control.overlaid.config.pools)

    def one(self, name: str) -> PoolFigures:
        """One pool now."""
        overlaid, pool = self._control.overlaid, self._pool(name)
        table, record = overlaid.config.pools[name], overlaid.pools.get(name)
        servers = record.sources(name) if record else {}
        load = load_of(pool)
        nodes = tuple(node_figures(m, servers.get(m.name), load) for m in pool.members)
        return PoolFigures(
            name=name,
            made="api" if record else "file",
            plugin=record.plugin if record else None,
            balancer=table.balancer,
            limits=PoolLimits(**{key: getattr(table, key) for key in PoolLimits.model_fields}),
            load=load,
            health=wellness(nodes),
            nodes=nodes,
            routes=routes_naming(name, dict(overlaid.config.routes.all_routes())),
        )

    async def check(self, name: str) -> PoolFigures:
        """The pool after every node that is open has been pinged, all at once.

        The names of server nodes are resolved and judged anew before.
        """
        self._pool(name)
        if name in self._control.overlaid.pools:
            await self._control.refresh(name)
        closed = self._control.overlaid.orders.closed
        members = [m for m in self._pool(name).members if m.name not in closed]
        nodes = [member.node for member in members if member.node.down is None]
        await asyncio.gather(*(self._checks.check(node) for node in nodes))
        return self.one(name)

    # -- changing -----------------------------------------------------------------------------

    async def create(
        self,
        name: str,
        *,
        plugin: str,
        balancer: str,
        config: Mapping[str, Any],
        server_nodes: Sequence[Any],
    ) -> PoolFigures:
        """The new pool. Its nodes need not answer yet; no request reaches it before a route does.

        ``plugin`` is that of its nodes. Raises :class:`Forbidden` for nodes that the operator
        does not allow.
        """
        trouble = "holds a slash" if "/" in name or name in {".", ".."} else unfit(name)
        if trouble:
            raise BadParameter(f"the name {name[:80]!r} {trouble}", details={"parameter": "name"})
        defaults = self._control.file.pool_limits.model_dump()
        record = PoolRecord(
            plugin=plugin,
            balancer=balancer,
            limits=_made(PoolLimits, {**defaults, **config}, "config"),
            nodes=_nodes(server_nodes),
        )
        await self._judge(record)

        def edit(stored: Stored, overlaid: Overlaid) -> Stored:
            known = {*overlaid.config.pools, *overlaid.config.sources, *stored.pools}
            taken = next((n for n in (name, *record.sources(name)) if n in known), None)
            if taken is not None:
                raise Conflict(f"there is a source or a pool named {taken!r} already")
            return replace(stored, pools={**stored.pools, name: record})

        await self._change(edit)
        return self.one(name)

    async def alter(
        self,
        name: str,
        *,
        balancer: str | None = None,
        config: Mapping[str, Any] | None = None,
        server_nodes: Sequence[Any] | None = None,
    ) -> PoolFigures:
        """The pool with some of its keys, or all of its nodes, replaced."""
        nodes = None if server_nodes is None else _nodes(server_nodes)

        def altered(before: PoolRecord) -> PoolRecord:
            limits = {**before.limits.model_dump(), **(config or {})}
            return before.model_copy(
                update={
                    "balancer": before.balancer if balancer is None else balancer,
                    "limits": _made(PoolLimits, limits, "config"),
                    "nodes": before.nodes if nodes is None else nodes,
                    "size": None if config else before.size,
                }
            )

        await self._judge(altered(self._own(name, self._control.overlaid)))

        def edit(stored: Stored, overlaid: Overlaid) -> Stored:
            before = self._own(name, overlaid)  # others may have changed it meanwhile
            record = altered(before)
            taken = [n for n in record.sources(name) if n not in before.sources(name)]
            if taken := [n for n in taken if n in overlaid.config.sources]:
                raise Conflict(f"there is a source named {taken[0]!r} already")
            return replace(stored, pools={**stored.pools, name: record})

        await self._change(edit)
        return self.one(name)

    async def delete(self, name: str) -> None:
        """Delete a pool that no route names; calls under way end before its nodes are closed."""

        def edit(stored: Stored, overlaid: Overlaid) -> Stored:
            nodes = self._own(name, overlaid).sources(name)
            routes = routes_naming(name, dict(overlaid.config.routes.all_routes()))
            if routes:
                raise Conflict(
                    f"pool {name!r} stands in the route of {', '.join(routes)}: put those first",
                    details={"routes": list(routes)},
                )
            kept = {other: record for other, record in stored.pools.items() if other != name}
            switches = {one: how for one, how in stored.switches.items() if one not in nodes}
            return replace(stored, pools=kept, switches=switches)

        await self._change(edit)

    async def scale(self, name: str, target: int) -> Scaled:
        """The size before and after; of a pool of the file it holds until the next start."""
        pool, limits = self._pool(name), self.one(name).limits
        if not limits.min_size <= target <= limits.max_size:
            raise BadParameter(
                f"target_size {target} lies outside of min_size {limits.min_size} and max_size "
                f"{limits.max_size} of pool {name!r}",
                details={"parameter": "target_size", "allowed": [limits.min_size, limits.max_size]},
            )
        if pool.gate is None:
            raise Conflict(f"pool {name!r} has no size of its own")
        before = pool.gate.figures().size

        def edit(stored: Stored, overlaid: Overlaid) -> Stored:
            record = self._own(name, overlaid).model_copy(update={"size": target})
            return replace(stored, pools={**stored.pools, name: record})

        if name in self._control.overlaid.pools:
            await self._change(edit)
        gate = self._pool(name).gate
        return Scaled(before, target if gate is None else gate.resize(target))

    # -- what must hold -----------------------------------------------------------------------

    def _pool(self, name: str) -> Pool:
        config = self._control.overlaid.config
        if name not in config.pools:
            raise NoSuch(
                f"there is no pool {name[:80]!r}{nearest(name, config.pools)}",
                details={"pools": list(config.pools)},
            )
        return self._control.parts.routes.pools[name]

    def _own(self, name: str, overlaid: Overlaid) -> PoolRecord:
        """What was made over the API under this name."""
        self._pool(name)
        if name not in overlaid.pools:
            raise Conflict(
                f"pool {name!r} is defined in {overlaid.config.where}: change it there and reload"
            )
        return overlaid.pools[name]

    async def _judge(self, record: PoolRecord) -> None:
        """Raise unless the nodes may be connected to and the plugins of the pool are there."""
        ends = [(node, await self._control.lead(node)) for node in record.nodes]
        await asyncio.to_thread(_check_plugins, self._control, record, ends)

    async def _change(self, edit: Edit) -> None:
        try:
            await self._control.change(edit)
        except ConfigError as error:
            raise as_callers(error) from None


def _made(kind: type[_Kind], given: object, where: str) -> _Kind:
    try:
        return made(kind, given, where)
    except ConfigError as error:
        raise BadParameter(f"{where}: {error.message}", details={"parameter": where}) from None


def _nodes(given: Sequence[Any]) -> tuple[ServerNode, ...]:
    """The nodes, their hosts in one spelling, none twice."""
    if not given:
        raise BadParameter("server_nodes must name a node", details={"parameter": "server_nodes"})
    if len(given) > MOST_NODES:
        raise BadParameter(
            f"server_nodes names {len(given)} nodes; a pool has at most {MOST_NODES}",
            details={"parameter": "server_nodes"},
        )
    read = [_made(ServerNode, item, f"server_nodes.{n}") for n, item in enumerate(given, 1)]
    nodes = [node.model_copy(update={"host": parse_host(node.host)}) for node in read]
    ends = [node.at for node in nodes]
    twice = next((end for end in ends if ends.count(end) > 1), None)
    if twice is not None:
        raise BadParameter(f"{twice} stands twice in server_nodes")
    return tuple(nodes)


def _check_plugins(
    control: Control, record: PoolRecord, ends: Sequence[tuple[ServerNode, str]]
) -> None:
    """Raise unless the balancer is installed and the nodes' plugin takes what they are."""
    if not registers(record.balancer, "balancer"):
        names = registering("balancer")
        raise BadParameter(
            f"load_balance_strategy {record.balancer[:80]!r} is not known"
            f"{nearest(record.balancer, names)}; allowed: {', '.join(names)}",
            details={"parameter": "load_balance_strategy", "allowed": list(names)},
        )
    config: Config = control.file
    try:
        cls = control.parts.plugins.load("source", record.plugin, "server_nodes")
        for node, address in ends:
            table = node_table(config, record.plugin, node, address)
            secrets = Secrets(config.environ, config.directory)
            read_settings(cls, table.settings, where="server_nodes", secrets=secrets)
    except ConfigError as error:
        raise as_callers(error) from None


__all__ = ["NodeFigures", "PoolFigures", "Pools", "Scaled"]
