"""How fast clients are listened to: much at once, and from then on little by little."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

AT_ONCE = 100.0
"""What a client may say at once, in units: a message or a ping is one."""
A_SECOND = 25.0
"""What it may say a second after that."""
MUCH = 0.3
"""The part of what may be said at once after which a client has said much."""
LONGEST = 60.0
"""Seconds for which it may go on like that without a pause."""
DEEPEST = 20.0
"""Seconds of its pace that are held against it at most."""
TOGETHER = 200.0
"""What all clients that have said much may say a second, however many they are."""
TOGETHER_AT_ONCE = 20.0
"""What they may say at once."""
YIELD = 0.005
"""Seconds from one look whether there is something better to do to the next."""
YIELDS = 20
"""Looks after which whoever has said much is listened to all the same."""
FEW_YIELDS = 4
"""Looks after which anybody else is."""
_PAUSED = 0.95
"""The part that must be left again before it counts as a pause."""
_ENOUGH = 0.999
"""What must be left: one unit, but for what a rest of just the right length falls short by."""


class Pace:
    """What may still be said before it is waited for.

    Whoever says more is not refused at first: what he says is left where it is, in the end with
    himself, so that a flood costs a small share of the time however much of it comes.
    """

    __slots__ = ("_a_second", "_at", "_at_once", "_busy", "_left", "_now")

    def __init__(
        self, now: Callable[[], float], at_once: float = AT_ONCE, a_second: float = A_SECOND
    ) -> None:
        self._now = now
        self._at_once = self._left = at_once
        self._a_second = a_second
        self._at = now()
        self._busy: float | None = None
        """Since when much has been said without a pause."""

    @property
    def much(self) -> bool:
        """True after much was said within short."""
        return self._left < self._at_once * (1.0 - MUCH)

    @property
    def endless(self) -> bool:
        """True if that has gone on for too long."""
        return self._busy is not None and self._at - self._busy > LONGEST

    def spend(self, units: float) -> None:
        """Note what was said; it may be more than was left."""
        self._refill()
        self._left = max(self._left - units, -DEEPEST * self._a_second)
        if self._busy is None and self.much:
            self._busy = self._at

    def rest(self) -> float:
        """Seconds until there is something left; 0.0 if there is."""
        self._refill()
        return 0.0 if self._left >= _ENOUGH else (1.0 - self._left) / self._a_second

    def _refill(self) -> None:
        now = self._now()
        self._left = min(self._at_once, self._left + (now - self._at) * self._a_second)
        self._at = now
        if self._left >= self._at_once * _PAUSED:
            self._busy = None


class Talkers:
    """The queue of all clients that have said much: together they get what a few may say alone."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._pace = Pace(now, TOGETHER_AT_ONCE, TOGETHER)
        self._first = asyncio.Lock()

    async def turn(self) -> None:
        """Return when whoever calls is listened to; all others have their turns before his next."""
        async with self._first:
            await asyncio.sleep(self._pace.rest())

    def spend(self, units: float) -> None:
        """Note what one of them has said."""
        self._pace.spend(units)
