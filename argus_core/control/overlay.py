"""What holds now: the configuration file with what operators changed at run time laid over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from argus_core.assembly import Orders
from argus_core.config import Config, PoolTable, SourceTable
from argus_core.control.records import PoolRecord, ServerNode, Stored
from argus_core.routes import DEFAULT
from argus_core.routing.node import Node

OFF = "switched off by the operator"
DRAINING = "draining: an operator lets it take no new calls"

RESTART = ("server", "caches", "history", "warmup", "stream", "alerters")
"""Tables that only a restart applies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """Where nodes lead, by host and port: an address, or why they must not be connected to."""

    addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    barred: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaid:
    """A configuration as it is in force.

    ``pools`` are those made at run time that are in force; ``off`` says why a source takes no
    new calls; ``ignored`` says what is stored and not in force, and why.
    """

    config: Config
    orders: Orders
    pools: Mapping[str, PoolRecord]
    off: Mapping[str, str]
    ignored: tuple[str, ...]


def overlay(config: Config, stored: Stored, led: Led) -> Overlaid:
    """``config`` with what is stored. Where both speak of a name, the file wins."""
    ignored: list[str] = []
    pools: dict[str, PoolRecord] = {}
    for name, record in stored.pools.items():
        taken = _taken(config, name, record)
        if taken is None:
            pools[name] = record
        else:
            ignored.append(f"pool {name!r}: the file defines {taken!r}")
    config, barred = _with_pools(config, pools, led)
    config, told = _with_routes(config, stored, pools)
    off: dict[str, str] = {}
    for name, switch in stored.switches.items():
        if name not in config.enabled:
            ignored.append(f"switch of {name!r}: there is no such source")
        elif not switch.enabled:
            off[name] = OFF
        elif switch.drain:
            off[name] = DRAINING
    closed = frozenset(name for name, why in off.items() if why is OFF)
    return Overlaid(
        config=config,
        orders=Orders(closed=closed, barred=barred),
        pools=pools,
        off=off,
        ignored=(*ignored, *told),
    )


def _taken(config: Config, name: str, record: PoolRecord) -> str | None:
    """A name of the pool that the file uses for something of its own."""
    names = (name, *record.sources(name))
    return next((n for n in names if n in config.sources or n in config.pools), None)


def _with_pools(
    config: Config, pools: Mapping[str, PoolRecord], led: Led
) -> tuple[Config, dict[str, str]]:
    sources, tables, barred = dict(config.sources), dict(config.pools), dict[str, str]()
    for name, record in pools.items():
        nodes = record.sources(name)
        for source, node in nodes.items():
            address = led.addresses.get(node.at, "")
            sources[source] = node_table(config, record.plugin, node, address)
            if node.at in led.barred:
                barred[source] = led.barred[node.at]
        tables[name] = PoolTable(
            **record.limits.model_dump(),
            sources=tuple(nodes),
            balancer=record.balancer,
            weights={source: node.weight for source, node in nodes.items()},
        )
    return config.model_copy(update={"sources": sources, "pools": tables}), barred


def node_table(config: Config, plugin: str, node: ServerNode, address: str) -> SourceTable:
    """The table of a node as if it stood in the file; it is connected to at ``address``."""
    table = config.server_nodes
    settings: dict[str, Any] = {
        "url": f"{'https' if table.https else 'http'}://{node.at}",
        "address": address,
        "max_connections": node.max_connections,
    }
    if config.server_nodes_key is not None:
        settings["key"] = config.server_nodes_key
    if table.allow_http:
        settings["allow_http"] = True
    return SourceTable(plugin=plugin, required=False, **settings)


def _with_routes(
    config: Config, stored: Stored, pools: Mapping[str, PoolRecord]
) -> tuple[Config, list[str]]:
    routes, told = config.routes, list[str]()
    for dataset, record in stored.routes.items():
        if not record.is_over(routes, dataset):
            told.append(f"route {dataset!r}: the file's own was changed since")
            continue
        lost = [name for name in record.pools if not named(config, name, pools)]
        if lost:
            told.append(f"route {dataset!r}: there is no pool {', '.join(lost)}")
            continue
        routes = routes.with_route(dataset, record.pools, record.order)
    return config.model_copy(update={"routes": routes}), told


def named(config: Config, name: str, pools: Mapping[str, PoolRecord]) -> bool:
    """True if a route may name it: a pool, or a source that is no node of a run-time pool."""
    nodes = (source for pool, record in pools.items() for source in record.sources(pool))
    return name in config.pools or (name in config.sources and name not in set(nodes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a reload did, table by table: ``sources.demo``, ``routes.bars``, ``auth``.

    ``needs_restart`` are changed tables that were not applied; ``ignored`` says what was made at
    run time and is not in force under this file, and why.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    kept: tuple[str, ...]
    needs_restart: tuple[str, ...]
    ignored: tuple[str, ...] = ()


def compared(
    before: Config,
    old: Mapping[str, Node],
    after: Config,
    new: Mapping[str, Node],
    *,
    needs_restart: tuple[str, ...],
    ignored: tuple[str, ...],
) -> Report:
    """The report on the way from one configuration and its nodes to another."""
    first, second = _tables(before, old), _tables(after, new)
    both = [name for name in second if name in first]
    return Report(
        added=tuple(name for name in second if name not in first),
        removed=tuple(name for name in first if name not in second),
        changed=tuple(name for name in both if first[name] != second[name]),
        kept=tuple(name for name in both if first[name] == second[name]),
        needs_restart=needs_restart,
        ignored=ignored,
    )


def _tables(config: Config, nodes: Mapping[str, Node]) -> dict[str, object]:
    """Every table that a reload applies; a source is its node, since secrets may have changed."""
    own_routes = config.routes.by_dataset
    rules = {f"routes.{name}_rules": rules for name, rules in config.routes.rules.items()}
    return {
        **{f"sources.{name}": node for name, node in nodes.items()},
        **{f"pools.{name}": table for name, table in config.pools.items()},
        **{f"routes.{name}": config.routes.plain(name) for name in (DEFAULT, *own_routes)},
        **rules,
        **{f"cache_rules.{name}": rule for name, rule in config.cache_rules.items()},
        "auth": config.auth,
        "server_nodes": config.server_nodes,
    }
