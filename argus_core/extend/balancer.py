"""The base class of every load balancer: it chooses inside a pool, nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol


class Candidate(Protocol):
    """What a balancer may know of a node that can take the next call."""

    @property
    def name(self) -> str:
        """The source's name, unique in the pool."""
        ...

    @property
    def weight(self) -> float:
        """The operator's weight, more than 0, 1 by default."""
        ...

    @property
    def in_flight(self) -> int:
        """Calls under way, including those whose caller has already given up."""
        ...


class Balancer:
    """Chooses the next node of one pool. Each pool has a balancer of its own.

    Calls come from one event loop, so no lock is needed; ``pick`` must neither wait nor block.
    """

    def __init__(self, random: Random) -> None:
        self.random = random

    def pick(self, candidates: Sequence[Candidate]) -> Candidate:
        """One of ``candidates``, which is never empty and holds only nodes that may be asked."""
        raise NotImplementedError

    def report(self, candidate: Candidate, *, ok: bool, seconds: float) -> None:
        """Learn how the picked node did. Called once after each pick; the default forgets it."""
