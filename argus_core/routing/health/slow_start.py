"""Nodes that come back get their share little by little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

RAMP = 30.0
"""Seconds from the first calls after a recovery to the full share."""
LEAST = 0.1
"""The part of its share with which a node begins."""


def ramp(seconds: float) -> float:
    """The part of its share that a node gets so many seconds after it came back: 0.1 to 1."""
    return min(1.0, max(LEAST, LEAST + (1 - LEAST) * seconds / RAMP))


class Warming(Protocol):
    """What is known here of a member of a pool."""

    @property
    def name(self) -> str:
        """Its name, unique in the pool."""
        ...

    @property
    def weight(self) -> float:
        """The operator's weight."""
        ...

    @property
    def ramp(self) -> float:
        """The part of its share that it may get now."""
        ...


M = TypeVar("M", bound=Warming)


class SlowStart:
    """Thins out the picks of one pool that go to nodes which have just come back.

    Weights would not do: some balancers ignore them, and an idle newcomer looks best of all to
    those that count calls under way. So each pick gives a newcomer credit, its ramp times its fair
    share, and only one with credit for a whole pick is a candidate. What the balancer makes of the
    candidates is its own affair; a newcomer never gets more than it has credit for.
    """

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def eased(self, candidates: Sequence[M]) -> Sequence[M]:
        """The candidates of one pick; all of them if only newcomers are left."""
        new = {member.name: member.ramp for member in candidates if member.ramp < 1}
        if not new:
            self._credit.clear()
            return candidates
        total = sum(member.weight for member in candidates)
        for member in candidates:
            if member.name in new:
                earned = new[member.name] * member.weight / total
                self._credit[member.name] = min(1.0, self._credit.get(member.name, 0.0)) + earned
        able = [m for m in candidates if m.name not in new or self._credit[m.name] >= 1]
        return able or candidates

    def picked(self, member: Warming) -> None:
        """Note whom the balancer picked."""
        if member.name in self._credit:
            self._credit[member.name] = max(0.0, self._credit[member.name] - 1)
