"""Cache tiers that believe only this gateway's own sources, and these only while they may."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from argus_core.caching.entry import Entry
from argus_core.caching.level import Level
from argus_core.caching.memo import Hit
from argus_core.caching.tiers import Looked, Tiers
from argus_core.clock import Clock
from argus_core.model.query import Query
from argus_core.routing.node import Node
from argus_core.routing.trust import doubted

Ranked = Callable[[Query], Mapping[str, Sequence[Sequence[Node]]]]
"""Gives the nodes of each key's route, pool by pool."""


class TrustedTiers(Tiers):
    """Tiers whose entries count as absent unless this gateway could have fetched them itself.

    A tier that is shared, or that outlives a change of plugins.toml, holds what other sources
    said: a simulated one perhaps. And what came from a source in quarantine is forgotten for as
    long as that lasts.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        clock: Clock,
        nodes: Mapping[str, Node],
        ranked: Ranked,
        **parts: Any,
    ) -> None:
        super().__init__(levels, clock, **parts)
        self._nodes = nodes
        self._ranked = ranked
        self._last: tuple[Query, Mapping[str, Mapping[str, Node]]] | None = None

    async def get(self, query: Query, *, note: bool = True, counted: bool | None = None) -> Looked:
        """What the tiers hold of the query's keys and nobody has reason to doubt."""
        looked = await super().get(query, note=note, counted=counted)
        for node in self._nodes.values():
            if node.quarantine.in_force:
                fresh, stale = looked.fresh, looked.stale
                return Looked(self._undoubted(query, fresh), self._undoubted(query, stale))
        return looked

    async def look_below(self, query: Query, level: Level) -> dict[str, Hit]:
        """What is fresh in one tier and nobody has reason to doubt."""
        return self._undoubted(query, await super().look_below(query, level))

    def believes(self, query: Query, key: str, entry: Entry) -> bool:
        """True if the entry's source is on the key's route and as real as it was then.

        That nobody has a key is believed if every source that could be asked here was heard.
        """
        route = self._route(query).get(key, {})
        node = route.get(entry.source)
        if node is None:
            return False
        if node.source.simulated != entry.simulated and not node.source.relays:
            return False
        if not entry.absent:
            return True
        heard = frozenset(entry.payload.decode(errors="replace").splitlines())
        return heard.issuperset(name for name, node in route.items() if _heard(node))

    def witnesses(self, query: Query, key: str, only: Collection[str] | None) -> Collection[str]:
        """The names of the sources on the key's route that are neither down nor switched off."""
        route = self._route(query).get(key, {})
        up = (name for name, node in route.items() if _heard(node))
        return [name for name in up if only is None or name in only]

    def rerouted(self) -> None:
        """Judge every entry anew: other sources, or other ones first, may be asked from now on."""
        self._last = None
        self.forget_meanings()

    def _route(self, query: Query) -> Mapping[str, Mapping[str, Node]]:
        """The nodes of each key's route by name; a query's keys are judged one after the other."""
        if self._last is None or self._last[0] is not query:
            ranked = self._ranked(query).items()
            routes = {key: {n.name: n for pool in pools for n in pool} for key, pools in ranked}
            self._last = (query, routes)
        return self._last[1]

    def _undoubted(self, query: Query, hits: dict[str, Hit]) -> dict[str, Hit]:
        told = {hit.entry.source for hit in hits.values()}
        doubts = {n: doubted(node, query) for n in told if (node := self._nodes.get(n))}
        return {
            key: hit for key, hit in hits.items() if key not in doubts.get(hit.entry.source, ())
        }


def _heard(node: Node) -> bool:
    """True if the node could be asked, so that its silence counts."""
    return node.down is None and node.off is None
