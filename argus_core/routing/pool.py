"""A named group of nodes, and the routes that list such groups."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from argus_core.extend.balancer import Balancer
from argus_core.model.query import BarsQuery, Query
from argus_core.model.symbol import Exchange, Symbol
from argus_core.routes import RouteRule, Routes
from argus_core.routing.node import Node

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Member:
    """A node in one pool, with the weight that it has there."""

    node: Node
    weight: float = 1.0

    @property
    def name(self) -> str:
        """The source's name."""
        return self.node.name

    @property
    def in_flight(self) -> int:
        """Calls under way at the node, whatever pool they came through."""
        return self.node.in_flight


@dataclass(frozen=True, slots=True)
class Pool:
    """Nodes that can replace one another. A lone source is a pool of one and has no balancer."""

    name: str
    members: tuple[Member, ...]
    balancer: Balancer | None = None

    def pick(self, candidates: Sequence[Member]) -> Member:
        """The member that the balancer chooses among ``candidates``."""
        if self.balancer is None or len(candidates) == 1 == len(self.members):
            return candidates[0]
        try:
            chosen = self.balancer.pick(candidates)
        except Exception as error:  # noqa: BLE001 - a broken balancer must not break the request
            log.warning("the balancer of %s raised %s", self.name, type(error).__name__)
            return candidates[0]
        # Nor must one that answers with a stranger.
        return next((member for member in candidates if member is chosen), candidates[0])

    def report(self, member: Member, *, ok: bool, seconds: float) -> None:
        """Tell the balancer how its choice did."""
        if self.balancer is None:
            return
        try:
            self.balancer.report(member, ok=ok, seconds=seconds)
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("the balancer of %s raised %s", self.name, type(error).__name__)


class Finder(Protocol):
    """Finds the pools of a query."""

    def split(self, query: Query) -> Iterable[tuple[tuple[Pool, ...], Query]]:
        """The query in parts, each with the pools to ask, best first."""
        ...


class RouteTable:
    """The operator's routes over the gateway's pools."""

    def __init__(self, routes: Routes, pools: Mapping[str, Pool]) -> None:
        self._routes = routes
        self._pools = pools

    def split(self, query: Query) -> Iterable[tuple[tuple[Pool, ...], Query]]:
        """The query in parts, each with the pools to ask, best first.

        Keys part where a finer rule sends some of them elsewhere; the first match wins.
        """
        rules = self._routes.rules.get(query.dataset, ())
        plain = self._routes.by_dataset.get(query.dataset, self._routes.default)
        parts: dict[tuple[str, ...], list[str]] = {}
        for key in query.keys:
            names = next((r.pools for r in rules if _matches(r, query, key)), plain)
            parts.setdefault(names, []).append(key)
        for names, keys in parts.items():
            yield tuple(self._pools[name] for name in names), query.only(tuple(keys))

    def every(self) -> Iterable[tuple[str, tuple[Pool, ...]]]:
        """Every route with the key that defines it."""
        for key, names in self._routes.all_routes():
            yield key, tuple(self._pools[name] for name in names)


def _matches(rule: RouteRule, query: Query, key: str) -> bool:
    exchange = key.exchange if isinstance(key, Symbol) else key
    if rule.markets and not (isinstance(exchange, Exchange) and exchange in rule.markets):
        return False
    return not rule.periods or (isinstance(query, BarsQuery) and query.period in rule.periods)
