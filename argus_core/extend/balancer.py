"""The base class of every load balancer: it chooses inside a pool, nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Protocol, TypeVar

from argus_core.clock import Clock


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

    Calls come from one event loop, so no lock is needed; nothing here must wait or block.
    """

    clock: Clock = Clock()
    """The gateway's clock, there from the first pick on, not yet in ``__init__``."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def pick(self, candidates: Sequence[Candidate]) -> Candidate:
        """One of ``candidates``, which is never empty and holds only nodes that may be asked."""
        raise NotImplementedError

    def pick_each(
        self, candidates: Sequence[Candidate], keys: Sequence[str]
    ) -> Mapping[str, Candidate]:
        """The candidate of each key (symbol, exchange, …); every candidate may be asked for all.

        A class that overrides it is asked this instead of ``pick``. The nodes are then called at
        the same time, each for its own keys; what one of them fails to answer is offered again,
        without it.
        """
        return dict.fromkeys(keys, self.pick(candidates))

    def report(self, candidate: Candidate, *, ok: bool, seconds: float) -> None:
        """Learn how a picked node did. Called once after each call; the default forgets it.

        After a call that was given up it is ``gave_up`` instead.
        """

    def gave_up(self, candidate: Candidate, *, seconds: float) -> None:
        """Learn that nobody waits for a call any more, after so many seconds: no fault of the node.

        All that is known is that the answer would have taken longer. The default forgets it.
        """


B = TypeVar("B", bound=Balancer)


def timed(balancer: B, clock: Clock) -> B:
    """The same balancer on ``clock``, unless its class or its constructor has a ``clock`` too."""
    if type(balancer).clock is Balancer.clock:
        vars(balancer).setdefault("clock", clock)
    return balancer
