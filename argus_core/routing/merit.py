"""Which pool of a route comes first where the operator leaves that to what the sources prove.

A source's merit is a product of four shares, each 1 for a source that nothing is known against:
how often it answers, how much of what it said was proved, how old its data are when they come, and
how long it takes. What was seen counts less the longer ago it was, so that a source which fell
behind is tried again by and by.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from argus_core.clock import Clock
from argus_core.model.query import Query
from argus_core.routing.evidence import Fresh
from argus_core.routing.node import Node
from argus_core.routing.pool import Pool
from argus_core.routing.scopes import dataset_of

WEIGHT = 0.1
"""What one answer counts against all that came before it."""
HALVED = 300.0
"""Seconds of silence after which half of what was seen of a source is forgotten."""
PATIENCE = 1.0
"""An answer that takes so many seconds halves the merit of a source."""
STALENESS = 60.0
"""So does one whose data come so many seconds older than the other sources' data."""
MARGIN = 1.1
"""A pool overtakes another only if it is so much better: near equals keep the written order."""
REVIEW = 10.0
"""Seconds for which an order stands."""
_FALSE = 10
"""What one answer that could not be true counts in rows that could."""


@dataclass(slots=True)
class Seen:
    """How a source answered one dataset lately: the share of calls that went well, and seconds."""

    well: float
    seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class _Standing:
    order: tuple[Pool, ...]
    until: float


class Merits:
    """What was seen of each source, and the order of pools that follows from it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[tuple[str, str], Seen] = {}
        self._orders: dict[Hashable, _Standing] = {}

    def note(self, node: Node, query: Query, *, well: bool, seconds: float) -> None:
        """Count one answer, or the lack of one."""
        key, now = (node.name, dataset_of(query)), self._clock.monotonic()
        before = self._seen.get(key) or Seen(1.0, 0.0, now)
        self._seen[key] = Seen(
            well=before.well + WEIGHT * (well - before.well),
            seconds=before.seconds + WEIGHT * (seconds - before.seconds),
            at=now,
        )

    def ordered(self, pools: tuple[Pool, ...], query: Query) -> tuple[Pool, ...]:
        """The pools, the best first; near equals and strangers in the order in which they come."""
        dataset, now = dataset_of(query), self._clock.monotonic()
        key = (dataset, tuple(pool.name for pool in pools))
        standing = self._orders.get(key)
        if standing is not None and now < standing.until and set(standing.order) == set(pools):
            return standing.order
        before = _rank(standing.order if standing else ())
        last = sorted(pools, key=lambda pool: before.get(pool.name, len(pools)))
        order = tuple(_overtaken(last, [self._pool(pool, dataset, pools) for pool in last]))
        self._orders[key] = _Standing(order, now + REVIEW)
        return order

    def merit(self, node: Node, dataset: str, quickest: float = 0.0) -> float:
        """Between 0 and 1; ``quickest`` is how old the newest source's data are when they come."""
        seen = self._seen.get((node.name, dataset))
        well, seconds = 1.0, 0.0
        if seen is not None:
            kept = 0.5 ** ((self._clock.monotonic() - seen.at) / HALVED)
            well, seconds = 1 - kept * (1 - seen.well), kept * seen.seconds
        late = max(0.0, (_delay(node.evidence.fresh.get(dataset)) or 0.0) - quickest)
        return (
            well
            * _proof(node, dataset)
            * (PATIENCE / (PATIENCE + seconds))
            * (STALENESS / (STALENESS + late))
        )

    def _pool(self, pool: Pool, dataset: str, rivals: Sequence[Pool]) -> float:
        """The merit of the best node that the pool has."""
        fresh = (
            _delay(member.node.evidence.fresh.get(dataset))
            for rival in rivals
            for member in rival.members
        )
        quickest = min((delay for delay in fresh if delay is not None), default=0.0)
        up = (member.node for member in pool.members if member.node.down is None)
        return max((self.merit(node, dataset, quickest) for node in up), default=0.0)


def _overtaken(pools: Sequence[Pool], merits: Sequence[float]) -> list[Pool]:
    """The pools after those that are clearly better have passed those before them."""
    order = list(zip(pools, merits, strict=True))
    for place in range(1, len(order)):
        while place and order[place][1] > order[place - 1][1] * MARGIN:
            order[place - 1], order[place] = order[place], order[place - 1]
            place -= 1  # noqa: PLW2901 - the pool moves on towards the front
    return [pool for pool, _ in order]


def _rank(order: Sequence[Pool]) -> dict[str, int]:
    return {pool.name: place for place, pool in enumerate(order)}


def _delay(fresh: Fresh | None) -> float | None:
    """Seconds by which data were old when they came."""
    if fresh is None or fresh.as_of is None:
        return None
    return max(0.0, (fresh.at - fresh.as_of).total_seconds())


def _proof(node: Node, dataset: str) -> float:
    """The share of what a source said that could be true."""
    rows = node.evidence.rows.get(dataset)
    sound, off = (rows.proved + rows.unproved, rows.off) if rows else (0, 0)
    false = _FALSE * node.evidence.failed.total()
    return (1 + sound) / (1 + sound + off + false)
