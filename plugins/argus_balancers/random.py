"""Random: each pick drawn anew, with chances by weight."""

from __future__ import annotations

from collections.abc import Sequence

from argus_core import Balancer, Candidate, hookimpl


class WeightedRandom(Balancer):
    """Picks each candidate with the chance that its weight has in the sum of all."""

    def pick(self, candidates: Sequence[Candidate]) -> Candidate:
        """A random candidate."""
        weights = [candidate.weight for candidate in candidates]
        return self.random.choices(candidates, weights)[0]


@hookimpl
def register_balancer() -> type[Balancer]:
    """Return :class:`WeightedRandom`."""
    return WeightedRandom
