"""Cool-downs: for how long, and about what, a node is not asked after an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from argus_core.clock import Clock
from argus_core.errors import SourceError

EVERYTHING = "*"
"""The scope under which a cool-down covers the whole node."""
LONGEST_PROOF = 600.0
"""Seconds after which a cool-down is over though no check was good: checks may be wrong too."""


@dataclass(frozen=True, slots=True)
class Cooling:
    """A node is passed over until then (monotonic seconds), because of that error.

    With ``proof`` it goes on until an active check was good, but never longer than ``latest``.
    """

    until: float
    error: SourceError
    latest: float = 0.0

    @property
    def proof(self) -> bool:
        """True if a good check ends it rather than time."""
        return self.latest > 0

    def over(self, now: float) -> bool:
        """True if it keeps nobody from asking any more."""
        return max(self.until, self.latest) <= now

    def why(self, now: float) -> str:
        """The sentence for ``explain``; ``now`` in monotonic seconds."""
        if self.until <= now:
            return f"waiting for a good check after {self.error.code}"
        return f"cooling down {math.ceil(self.until - now)} s after {self.error.code}"


class CoolDowns:
    """The cool-downs of one node by scope, ``*`` for the whole node."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_scope: dict[str, Cooling] = {}

    @property
    def all(self) -> Mapping[str, Cooling]:
        """Every cool-down by scope; some may be over."""
        return self._by_scope

    def of(self, scope: str) -> Cooling | None:
        """The one in force for a scope, the longer one if the whole node cools too."""
        now = self._clock.monotonic()
        for name in [name for name, cooling in self._by_scope.items() if cooling.over(now)]:
            del self._by_scope[name]
        names = (scope, EVERYTHING)
        found = [self._by_scope[name] for name in names if name in self._by_scope]
        return max(found, key=lambda cooling: cooling.until, default=None)

    def begin(self, scope: str, error: SourceError, *, proof: bool = False) -> None:
        """Cool down as the error's class says; ``proof`` where a check is to end it."""
        place = EVERYTHING if error.whole_node else scope
        now = self._clock.monotonic()
        latest = now + LONGEST_PROOF if proof and place == EVERYTHING else 0.0
        before = self._by_scope.get(place)
        if before is not None and before.proof:
            latest = before.latest
        # A refusal for an hour is not lifted because the vendor also had a hiccup.
        if before is None or before.until < now + error.cool_seconds:
            self._by_scope[place] = Cooling(now + error.cool_seconds, error, latest)

    def end(self, scope: str) -> bool:
        """End those that speak of this scope; true if there was one."""
        ended = [self._by_scope.pop(name, None) for name in (scope, EVERYTHING)]
        return any(ended)

    def check_passed(self) -> SourceError | None:
        """The error of the cool-down that a good check ends now, if it ends one.

        One that refuses every call is not lifted before its time.
        """
        cooling = self._by_scope.get(EVERYTHING)
        now = self._clock.monotonic()
        if cooling is None or not (cooling.error.last_resort or cooling.until <= now):
            return None
        del self._by_scope[EVERYTHING]
        return cooling.error
