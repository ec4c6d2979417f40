"""How the time that a request has left is divided among the nodes that could still be asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The seconds ``left`` for ``here`` nodes of the present pool and ``later`` further down.

    Each node has an equal part. The pool as a whole has those of all its nodes, and may use them
    as it likes: on waits for a place, on a slow call, on another node. A wait is everybody's: what
    is left after it is divided anew.
    """

    left: float
    here: int
    later: int

    @property
    def node(self) -> float:
        """The seconds of one node."""
        return self.left / (self.here + self.later)

    @property
    def pool(self) -> float:
        """The seconds of the present pool as a whole."""
        return self.node * self.here

    def call(self, before: Share) -> float:
        """The seconds of a call now; ``before`` is how matters stood before a wait for its place.

        A wait is at the expense of the pool's other nodes: the call still has what one node had
        before, as far as the pool has it left.
        """
        return max(self.node, min(before.node, self.pool))
