"""Cache tiers that forget, for as long as it lasts, what came from a quarantined source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from argus_core.caching.level import Level
from argus_core.caching.memo import Hit
from argus_core.caching.tiers import Looked, Tiers
from argus_core.clock import Clock
from argus_core.model.query import Query
from argus_core.routing.node import Node
from argus_core.routing.trust import doubted


class TrustedTiers(Tiers):
    """Tiers whose entries count as absent while their source is in quarantine for the same key."""

    def __init__(
        self, levels: Sequence[Level], clock: Clock, nodes: Mapping[str, Node], **parts: Any
    ) -> None:
        super().__init__(levels, clock, **parts)
        self._nodes = nodes

    async def get(self, query: Query, *, note: bool = True) -> Looked:
        """What the tiers hold of the query's keys and nobody has reason to doubt."""
        looked = await super().get(query, note=note)
        return Looked(self._believed(query, looked.fresh), self._believed(query, looked.stale))

    async def look_below(self, query: Query, level: Level) -> dict[str, Hit]:
        """What is fresh in one tier and nobody has reason to doubt."""
        return self._believed(query, await super().look_below(query, level))

    def _believed(self, query: Query, hits: dict[str, Hit]) -> dict[str, Hit]:
        if not hits or not any(node.quarantine.in_force for node in self._nodes.values()):
            return hits
        told = {hit.entry.source for hit in hits.values()}
        doubts = {n: doubted(node, query) for n in told if (node := self._nodes.get(n))}
        return {
            key: hit for key, hit in hits.items() if key not in doubts.get(hit.entry.source, ())
        }
