"""Least connections: the node with the fewest calls under way for its weight."""

from __future__ import annotations

from collections.abc import Sequence

from argus_core import Balancer, Candidate, hookimpl

FULL_SCAN = 8
"""Up to this many candidates all are compared; above, two random ones are.

Two choices come close to the best of all and do not make every process rush to the same idle node.
"""


class LeastConnections(Balancer):
    """Picks the lowest ``(in_flight + 1) / weight``; ties are broken at random."""

    def pick(self, candidates: Sequence[Candidate]) -> Candidate:
        """The least loaded of all candidates, or of two random ones where there are many."""
        if len(candidates) > FULL_SCAN:
            candidates = self.random.sample(candidates, 2)
        loads = [_load(candidate) for candidate in candidates]
        lowest = min(loads)
        return self.random.choice(
            [candidate for candidate, load in zip(candidates, loads, strict=True) if load == lowest]
        )


def _load(candidate: Candidate) -> float:
    # The call that is about to be made counts too, else an idle node of weight 1 and an idle
    # node of weight 10 would look alike.
    return (candidate.in_flight + 1) / candidate.weight


@hookimpl
def register_balancer() -> type[Balancer]:
    """Return :class:`LeastConnections`."""
    return LeastConnections
