"""Weighted: shares by weight, spread as evenly as possible (smooth weighted round robin)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from argus_balancers.ledger import Ledger
from argus_core import Balancer, Candidate, hookimpl

MAX_FAILS = 3
"""So many failures at once take a node's whole weight away."""

RECOVERY = 0.1
"""The part of its weight that a node gets back at each pick of the pool in which it stands."""


@dataclass(slots=True)
class Share:
    """A node's credit in the rotation, and the part of its weight that failures have left it."""

    credit: float = 0.0
    health: float = 1.0


class Weighted(Balancer):
    """Picks as nginx does: weights 5, 1, 1 give a a b a c a a.

    At each pick every candidate earns its effective weight, and the richest is picked and pays
    what all have earned together. Over as many picks as the weights add up to, each node is
    picked exactly as often as its weight says. A failure lowers the effective weight for a while,
    so that a node that limps gets less without being cut off.
    """

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._shares = Ledger(Share)

    def pick(self, candidates: Sequence[Candidate]) -> Candidate:
        """The candidate with the highest credit, the first of several equals."""
        shares = self._shares.entries(candidates)
        earned = 0.0
        for candidate, share in zip(candidates, shares, strict=True):
            effective = candidate.weight * share.health
            share.credit += effective
            earned += effective
            share.health = min(1.0, share.health + RECOVERY)
        chosen = max(range(len(shares)), key=lambda index: shares[index].credit)
        shares[chosen].credit -= earned
        return candidates[chosen]

    def report(self, candidate: Candidate, *, ok: bool, seconds: float) -> None:  # noqa: ARG002
        """Lower the effective weight of a node that failed."""
        share = self._shares.get(candidate.name)
        if share is not None and not ok:
            share.health = max(0.0, share.health - 1 / MAX_FAILS)


@hookimpl
def register_balancer() -> type[Balancer]:
    """Return :class:`Weighted`."""
    return Weighted
