"""One query on its way down a route: what was found so far, and who may still be asked."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace

from argus_core.errors import SourceError
from argus_core.market.chain import Doubt
from argus_core.model.answer import Found, Skip, Trace
from argus_core.model.ask import Deadline
from argus_core.model.query import Query
from argus_core.routing.load.gate import Full
from argus_core.routing.node import Node
from argus_core.routing.pool import Member, Pool

log = logging.getLogger(__name__)

ANOTHERS = "the series is another source's"
"""Why a source is passed over where only some of the route may answer."""


@dataclass(frozen=True, slots=True)
class Held:
    """A value that is not taken before others were heard about it."""

    found: Found
    doubt: Doubt


@dataclass(slots=True)
class Walk:
    """The state of one query on one route."""

    query: Query
    pools: tuple[Pool, ...]
    deadline: Deadline
    trace: Trace
    found: dict[str, Found] = field(default_factory=dict[str, Found])
    absent: dict[str, Found] = field(default_factory=dict[str, Found])
    faults: dict[str, str] = field(default_factory=dict[str, str])
    errors: list[SourceError] = field(default_factory=list[SourceError])
    declined: set[str] = field(default_factory=set[str])
    """Keys that a source was asked for and said it cannot answer."""
    failed: set[str] = field(default_factory=set[str])
    """Keys that a node failed to answer, in whatever round."""
    preparing: dict[str, float] = field(default_factory=dict[str, float])
    """Keys that a node is fetching, and in how many seconds to ask again."""
    turned_away: dict[str, float] = field(default_factory=dict[str, float])
    """Keys that a pool had no place for, and in how many seconds it may have one."""
    held: dict[str, Held] = field(default_factory=dict[str, Held])
    """Values in doubt, held back until others were heard about them."""
    spared: bool = False
    """True if a node was passed over for its health or its quota in the present round."""
    others: tuple[Node, ...] = ()
    """Nodes further down the route that may not answer here, but elsewhere instead."""
    aside: tuple[Pool, ...] = ()
    """Pools of the route that may not answer here, but be heard about what is in doubt."""

    def narrow(self, only: Container[str]) -> None:
        """Leave all but these sources out, and say so in the trace."""
        passed: list[Node] = []
        pools: list[Pool] = []
        for pool in self.pools:
            kept = tuple(member for member in pool.members if member.name in only)
            for member in pool.members:
                skip = Skip(source=member.name, pool=pool.name, reason=ANOTHERS)
                if member not in kept and skip not in self.trace.skipped:
                    self.trace.skipped.append(skip)
            left = [member.node for member in pool.members if member not in kept]
            passed = left if kept else [*passed, *left]
            if kept:
                pools.append(replace(pool, members=kept))
        self.aside = tuple(pool for pool in self.pools if not _any_of(pool, only))
        self.pools, self.others = tuple(pools), tuple(passed)

    @property
    def nodes(self) -> Iterator[Node]:
        """Every node of the route, pool by pool."""
        return (member.node for pool in self.pools for member in pool.members)

    @property
    def served(self) -> frozenset[str]:
        """The keys that some node of the route says it can answer."""
        return frozenset(key for node in self.nodes for key in node.serves(self.query))

    @property
    def pending(self) -> tuple[str, ...]:
        """The keys without a value."""
        return tuple(k for k in self.query.keys if k not in self.found and k not in self.held)

    @property
    def unheard(self) -> tuple[str, ...]:
        """Pending keys that could be answered and about which no working node has spoken."""
        pending = [key for key in self.pending if key not in self.absent]
        if not pending:
            return ()
        served = self.served
        return tuple(key for key in pending if key in served)

    @property
    def dispensable(self) -> bool:
        """True if whoever asks here could ask others instead, so that trying again is no help."""
        if not self.others:
            return False
        query = self.query.only(self.pending)
        return any(node.ready(query) and node.health.available for node in self.others)

    def find(self, key: str, found: Found, doubt: Doubt | None) -> None:
        """Note a value; one in ``doubt`` is held back until others were heard about it."""
        if doubt is None:
            self.found[key] = found
            self.held.pop(key, None)
        elif key not in self.found:
            self._hold(key, found, doubt)

    def hear(self, key: str, other: Found, doubt: Doubt | None) -> None:
        """Note what another source has of a key that is held back.

        If it has a day that the first one left out, the first one is refuted: the other's value is
        the better one, or, where it may not answer here, there is none. If it has none either,
        there was no trading, and the doubt is over. What is stale or from another world proves
        nothing.
        """
        held = self.held.get(key)
        if held is None or other.outdated or other.simulated is not held.found.simulated:
            return
        del self.held[key]
        mine, day = held.found, held.doubt.lacking(other.value)
        if day is None:
            self.found[key] = mine
            return
        why = f"{mine.source} leaves out {day}, which {other.source} has"
        log.warning("%s: %s", key, why)
        self.trace.steps.append(f"{key}: {why}")
        if all(node.name != other.source for node in self.nodes):
            self.faults[key] = why
        elif doubt is not None:
            self._hold(key, other, doubt)
        else:
            self.found[key] = other

    def settle(self, doubtful: Container[str] = ()) -> None:
        """Take what is still held back; the ``doubtful`` might have been refuted by others."""
        for key, held in self.held.items():
            self.found[key] = replace(held.found, doubtful=key in doubtful)
        self.held.clear()

    def _hold(self, key: str, found: Found, doubt: Doubt) -> None:
        if not self.held:  # of thousands of symbols, one is example enough
            self.trace.steps.append(
                f"{key}: others are asked, for at {found.source} {doubt.reason}"
            )
        self.held[key] = Held(found, doubt)

    def untried(self, key: str) -> bool:
        """True if nobody was asked about the key, because of cool-downs."""
        heard = (self.failed, self.faults, self.declined, self.turned_away)
        return not any(key in keys for keys in heard)

    def turn_away(
        self, pool: Pool, members: Iterable[Member], keys: Iterable[str], full: Full
    ) -> None:
        """Note that a pool had no place for a call about these keys."""
        self.turned_away.update(dict.fromkeys(keys, full.retry_after))
        for member in members:
            self.trace.skipped.append(Skip(source=member.name, pool=pool.name, reason=full.reason))

    def wanted(self, heard: Container[str]) -> tuple[str, ...]:
        """Pending keys about which no node of the present pool has spoken."""
        return tuple(key for key in self.pending if key not in heard)


def _any_of(pool: Pool, names: Container[str]) -> bool:
    return any(member.name in names for member in pool.members)
