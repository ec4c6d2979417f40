"""Round robin: each node in its turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from argus_balancers.ledger import Ledger
from argus_core import Balancer, Candidate, hookimpl


@dataclass(slots=True)
class Turn:
    """When a node was last picked, counted in picks; 0 if never."""

    last: int = 0


class RoundRobin(Balancer):
    """Picks the node that has waited longest, by name among those that were never picked.

    With a constant set this is the plain rotation. A cursor would do for that, but where the
    candidates alternate between {a, b} and {a, c} it can pass b over for ever; the longest wait
    cannot: before a node is picked again, every other candidate has been picked.
    """

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._turns = Ledger(Turn)
        self._now = 0

    def pick(self, candidates: Sequence[Candidate]) -> Candidate:
        """The candidate whose last pick lies furthest back."""
        turns = self._turns.entries(candidates)
        chosen = min(
            range(len(candidates)), key=lambda index: (turns[index].last, candidates[index].name)
        )
        self._now += 1
        turns[chosen].last = self._now
        return candidates[chosen]


@hookimpl
def register_balancer() -> type[Balancer]:
    """Return :class:`RoundRobin`."""
    return RoundRobin
