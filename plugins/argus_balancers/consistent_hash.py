"""Consistent hash: each symbol has a node of its own, as long as that node is not too busy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import ceil, log
from random import Random

from argus_core import Balancer, Candidate, hookimpl

CROWD = 1.25
"""A node takes so many times its fair share of the pool's calls, then the next best is asked."""

FEW = 4
"""So many calls are no crowd: by chance alone two meet at one node while the others are idle."""

REMEMBERED = 1 << 16
"""Draws that are remembered: a digest takes five times as long as finding it again."""


class ConsistentHash(Balancer):
    """Picks by highest random weight (rendezvous), so that caches and local data are used well.

    Every pair of node and key draws a time, exponential with the node's weight as its rate, and
    the first wins. That gives each node its weight's share of the keys; when a node leaves or is
    busy, its keys alone move, each to the node that came second, and when it returns they return.
    The draw is a digest: the same in every process, on every machine, for good.
    """

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._draw: Callable[[str, str], float] = lru_cache(REMEMBERED)(draw)

    def pick(self, candidates: Sequence[Candidate]) -> Candidate:
        """Any candidate that is not too busy, by weight: without a key there is nothing to hold."""
        free = _free(candidates)
        return self.random.choices(free, [candidate.weight for candidate in free])[0]

    def pick_each(
        self, candidates: Sequence[Candidate], keys: Sequence[str]
    ) -> Mapping[str, Candidate]:
        """The candidate that each key belongs to, among those that are not too busy."""
        nodes = [(one.name, one.weight, one) for one in _free(candidates)]
        draw = self._draw
        return {
            key: min((draw(name, key) / weight, name, one) for name, weight, one in nodes)[2]
            for key in keys
        }


def draw(name: str, key: str) -> float:
    """A time from the exponential distribution with rate 1, always the same for this pair."""
    pair = f"{name}\0{key}".encode(errors="surrogatepass")
    # 52 bits and a half: the fraction is exact, and neither 0 nor 1.
    number = int.from_bytes(blake2b(pair, digest_size=8).digest(), "big") >> 12
    return -log((number + 0.5) / (1 << 52))


def _free(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """The candidates with fewer calls under way than they may have; there is always one.

    Fair is the part of all calls, this one included, that the node's weight has in all weights.
    """
    calls = sum(candidate.in_flight for candidate in candidates) + 1
    weights = sum(candidate.weight for candidate in candidates)
    free = [
        candidate
        for candidate in candidates
        if candidate.in_flight < max(FEW, ceil(CROWD * calls * candidate.weight / weights))
    ]
    return free or candidates


@hookimpl
def register_balancer() -> type[Balancer]:
    """Return :class:`ConsistentHash`."""
    return ConsistentHash
