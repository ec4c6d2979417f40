"""Latency: the node that is expected to answer first (peak EWMA)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf
from random import Random

from argus_balancers.ledger import Ledger
from argus_core import Balancer, Candidate, hookimpl

MEMORY = 10.0
"""Seconds in which a cost fades to 1/e, be it for better answers or for want of any."""

FAILURE = 10.0
"""A failed call counts as one that took so many times what an answer takes."""

NEWEST = 0.1
"""How much the newest answer counts in what an answer of the pool usually takes."""

NOISE = 0.001
"""Seconds below which costs are alike; nodes that quick, or long unused, differ by load alone."""

PATIENCE = 1.0
"""Seconds in which a new node's first call keeps others from trying it too."""

FULL_SCAN = 8
"""Up to this many candidates all are compared; above, two random ones are."""


@dataclass(slots=True)
class Pace:
    """What a node's calls cost in seconds, as of an instant; no cost if it never answered."""

    cost: float | None = None
    at: float = -inf


class Latency(Balancer):
    """Picks the lowest ``cost * (in_flight + 1) / weight``; ties are broken at random.

    The cost leaps to a call that took longer, so that trouble shows at once, and fades slowly
    towards those that take less. It also fades while the node is not asked: a slow one gets a
    call now and then, and its share again when it has become fast. A node that never answered
    comes first, but for one call at a time.
    """

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._paces = Ledger(Pace)
        self._usual: float | None = None

    def pick(self, candidates: Sequence[Candidate]) -> Candidate:
        """The least costly of all candidates, or of two random ones where there are many."""
        if len(candidates) > FULL_SCAN:
            candidates = self.random.sample(candidates, 2)
        now = self.clock.monotonic()
        paces = self._paces.entries(candidates)
        loads = [_load(one, pace, now) for one, pace in zip(candidates, paces, strict=True)]
        lowest = min(loads)
        chosen = self.random.choice([n for n, load in enumerate(loads) if load == lowest])
        if paces[chosen].cost is None:
            paces[chosen].at = now
        return candidates[chosen]

    def report(self, candidate: Candidate, *, ok: bool, seconds: float) -> None:
        """Learn from an answer; a failure counts as slow, however soon it came."""
        pace = self._paces.get(candidate.name)
        if pace is None:
            return
        now = self.clock.monotonic()
        usual = seconds if self._usual is None else self._usual
        if ok:
            self._usual = usual + NEWEST * (seconds - usual)
        else:
            seconds = FAILURE * max(seconds, usual, NOISE)
        before = 0.0 if pace.cost is None else _faded(pace.cost, pace.at, now)
        pace.cost, pace.at = max(seconds, before), now

    def gave_up(self, candidate: Candidate, *, seconds: float) -> None:
        """Learn that an answer would have taken longer, and nothing if that is no news."""
        pace = self._paces.get(candidate.name)
        if pace is None:
            return
        now = self.clock.monotonic()
        if pace.cost is not None:
            pace.cost = max(seconds, _faded(pace.cost, pace.at, now))
        pace.at = now  # one that is still unknown must not keep the next caller waiting either


def _load(candidate: Candidate, pace: Pace, now: float) -> tuple[bool, float]:
    """What a call to the candidate costs; a new one costs nothing, or all while it is tried."""
    waiting = (candidate.in_flight + 1) / candidate.weight
    if pace.cost is not None:
        return False, max(_faded(pace.cost, pace.at, now), NOISE) * waiting
    tried = now - pace.at < PATIENCE
    return tried, waiting if tried else 0.0


def _faded(cost: float, at: float, now: float) -> float:
    return cost * exp(-(now - at) / MEMORY)


@hookimpl
def register_balancer() -> type[Balancer]:
    """Return :class:`Latency`."""
    return Latency
