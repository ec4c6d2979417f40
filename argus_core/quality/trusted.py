"""Cache tiers that forget, for as long as it lasts, what came from a quarantined source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from argus_core.caching.tiers import Hit, Tiers
from argus_core.clock import Clock
from argus_core.extend.cache import Cache
from argus_core.model.query import Query
from argus_core.routing.node import Node, scopes_of


class TrustedTiers(Tiers):
    """Tiers whose entries count as absent while their source is in quarantine for the same key.

    What was stored before the source was disproved passed its own proof, but whoever flips a
    unit in one range may have flipped it in another that could not be proved.
    """

    def __init__(self, caches: Sequence[Cache], clock: Clock, nodes: Mapping[str, Node]) -> None:
        super().__init__(caches, clock)
        self._nodes = nodes

    async def get(self, query: Query) -> dict[str, Hit]:
        """The fresh entries of the query's keys that nobody has reason to doubt."""
        hits = await super().get(query)
        if not any(node.quarantine.in_force for node in self._nodes.values()):
            return hits
        scopes = {key: s for s, keys in scopes_of(query, hits).items() for key in keys}
        return {key: hit for key, hit in hits.items() if not self._doubted(scopes[key], key, hit)}

    def _doubted(self, scope: str, key: str, hit: Hit) -> bool:
        node = self._nodes.get(hit.entry.source)
        return node is not None and node.quarantine.holds(scope, key) is not None
