"""A named group of nodes, and the routes that list such groups."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from argus_core.extend.balancer import Balancer
from argus_core.model.query import BarsQuery, Query
from argus_core.model.symbol import Exchange, Symbol
from argus_core.routes import RouteRule, Routes
from argus_core.routing.health.slow_start import SlowStart
from argus_core.routing.load.gate import Gate, Place
from argus_core.routing.node import Node
from argus_core.tables import PoolLimits

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
        """Questions under way or waiting at the node, whatever pool they came through."""
        return self.node.load

    @property
    def ramp(self) -> float:
        """The part of its share of picks that it gets: less than 1 when it has just come back."""
        return self.node.health.ramp


@dataclass(frozen=True, slots=True)
class Pool:
    """Nodes that can replace one another. A lone source is a pool of one and has no balancer."""

    name: str
    members: tuple[Member, ...]
    balancer: Balancer | None = None
    gate: Gate | None = None
    """How many calls are made through the pool at once; None: as many as its nodes take."""
    slow_start: SlowStart = field(default_factory=SlowStart, compare=False, repr=False)

    async def enter(self, seconds: float) -> Place:
        """A place for one call, after half of so many seconds at most; as :meth:`Gate.enter`."""
        return Place() if self.gate is None else await self.gate.enter(seconds)

    def try_enter(self) -> Place | None:
        """A place for one call if there is one at once and nobody waits for it."""
        return Place() if self.gate is None else self.gate.try_enter()

    def share(
        self, able: Mapping[Member, Container[str]], keys: Sequence[str]
    ) -> dict[Member, Sequence[str]]:
        """Whom to offer which keys next, out of what each member is able to answer now.

        One member is offered them all, able or not, unless the balancer has a choice for each.
        """
        if self.balancer is None or type(self.balancer).pick_each is Balancer.pick_each:
            return {self.pick(tuple(able)): keys}
        groups: dict[tuple[Member, ...], list[str]] = {}
        for key in keys:
            candidates = tuple(member for member, own in able.items() if key in own)
            groups.setdefault(candidates, []).append(key)
        groups.pop((), None)
        shares: dict[Member, list[str]] = {}
        for candidates, group in groups.items():
            for key, member in zip(group, self._pick_each(candidates, group), strict=True):
                shares.setdefault(member, []).append(key)
        return {member: tuple(own) for member, own in shares.items()}

    def pick(self, candidates: Sequence[Member]) -> Member:
        """The member that the balancer chooses among ``candidates``."""
        if self.balancer is None or len(candidates) == 1 == len(self.members):
            return candidates[0]
        candidates = self.slow_start.eased(candidates)
        try:
            chosen = self.balancer.pick(candidates)
        except Exception as error:  # noqa: BLE001 - a broken balancer must not break the request
            self._warn(error)
            chosen = candidates[0]
        picked = _own(chosen, candidates)
        self.slow_start.picked(picked)
        return picked

    def _pick_each(self, candidates: Sequence[Member], keys: Sequence[str]) -> Iterable[Member]:
        """The member that the balancer chooses for each of ``keys``, in their order."""
        chosen: Mapping[str, object] = {}
        candidates = self.slow_start.eased(candidates)
        if self.balancer is not None:
            try:
                chosen = dict(self.balancer.pick_each(candidates, tuple(keys)))
            except Exception as error:  # noqa: BLE001 - as above
                self._warn(error)
        picked = [_own(chosen.get(key), candidates) for key in keys]
        for member in set(picked):
            self.slow_start.picked(member)
        return picked

    def report(self, member: Member, *, ok: bool, seconds: float) -> None:
        """Tell the balancer how its choice did."""
        if self.balancer is None:
            return
        try:
            self.balancer.report(member, ok=ok, seconds=seconds)
        except Exception as error:  # noqa: BLE001 - as above
            self._warn(error)

    def gave_up(self, member: Member, *, seconds: float) -> None:
        """Tell the balancer that nobody waits for its choice any more."""
        if self.balancer is None:
            return
        try:
            self.balancer.gave_up(member, seconds=seconds)
        except Exception as error:  # noqa: BLE001 - as above
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        log.warning("the balancer of %s raised %s", self.name, type(error).__name__)


def _own(chosen: object, candidates: Sequence[Member]) -> Member:
    """The chosen one; the first candidate if a balancer answers with a stranger."""
    return next((member for member in candidates if member is chosen), candidates[0])


ByMerit = Callable[[tuple[Pool, ...], Query], tuple[Pool, ...]]
"""The pools in the order of what their sources prove about such a query."""


def _as_written(pools: tuple[Pool, ...], _query: Query) -> tuple[Pool, ...]:
    return pools


class Finder(Protocol):
    """Finds the pools of a query."""

    def split(self, query: Query) -> Iterable[tuple[tuple[Pool, ...], Query]]:
        """The query in parts, each with the pools to ask, best first."""
        ...


class RouteTable:
    """The operator's routes over the gateway's pools."""

    def __init__(
        self, routes: Routes, pools: Mapping[str, Pool], by_merit: ByMerit | None = None
    ) -> None:
        self._routes = routes
        self._pools = pools
        self._by_merit = by_merit or _as_written

    @property
    def routes(self) -> Routes:
        """The routes as they are in force."""
        return self._routes

    @property
    def pools(self) -> Mapping[str, Pool]:
        """Every pool by name, lone sources included."""
        return self._pools

    def check_interval(self, source: str) -> float:
        """Seconds between two checks of a source: the least that its pools say."""
        told = {
            pool.name: pool.gate.limits.health_check_interval
            for pool in self._pools.values()
            if pool.gate is not None and any(member.name == source for member in pool.members)
        }
        pooled = [seconds for name, seconds in told.items() if name != source]
        return min(pooled or told.values(), default=PoolLimits().health_check_interval)

    def become(self, other: RouteTable) -> None:
        """Take over the other's routes and pools, at once: what begins now goes by these."""
        self._routes, self._pools = other.routes, other.pools

    def split(self, query: Query) -> Iterable[tuple[tuple[Pool, ...], Query]]:
        """The query in parts, each with the pools to ask, best first.

        Keys part where a finer rule sends some of them elsewhere; the first match wins.
        """
        rules = self._routes.rules.get(query.dataset, ())
        plain = self._routes.plain(query.dataset)
        parts: dict[tuple[tuple[str, ...], bool], list[str]] = {}
        for key in query.keys:
            rule = next((r for r in rules if _matches(r, query, key)), None)
            route = plain if rule is None else (rule.pools, rule.order == "quality")
            parts.setdefault(route, []).append(key)
        for (names, by_quality), keys in parts.items():
            pools = tuple(self._pools[name] for name in names)
            part = query.only(tuple(keys))
            yield self._by_merit(pools, part) if by_quality else pools, part

    def every(self) -> Iterable[tuple[str, tuple[Pool, ...]]]:
        """Every route with the key that defines it."""
        for key, names in self._routes.all_routes():
            yield key, tuple(self._pools[name] for name in names)


def _matches(rule: RouteRule, query: Query, key: str) -> bool:
    exchange = key.exchange if isinstance(key, Symbol) else key
    if rule.markets and not (isinstance(exchange, Exchange) and exchange in rule.markets):
        return False
    return not rule.periods or (isinstance(query, BarsQuery) and query.period in rule.periods)
