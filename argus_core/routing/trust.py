"""Whose word is not taken: sources in quarantine, also for what they said before."""

from __future__ import annotations

from argus_core.model.query import Query
from argus_core.routing.node import Node
from argus_core.routing.scopes import scopes_of


def doubted(node: Node, query: Query) -> frozenset[str]:
    """The keys of ``query`` for which the node is in quarantine.

    What was stored before the source was disproved passed its own proof, but whoever flips a
    unit in one range may have flipped it in another that could not be proved.
    """
    if not node.quarantine.in_force:
        return frozenset()
    scopes = scopes_of(query, query.keys).items()
    return frozenset(
        key for scope, keys in scopes for key in keys if node.quarantine.holds(scope, key)
    )
