"""How little time is too little for one node, as the calls show that it answered too late.

A call that had next to no time proves nothing against a node: whoever asked was in a hurry. But
if a few of them were in vain, another one with as little time will be too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from argus_core.clock import Clock

IN_VAIN: Final = 3
"""So many calls about a scope have to be late before others with as little time pass by."""
SPAN: Final = 30.0
"""Seconds for which they do; then one that is late again is enough."""

ALIKE: Final = 1.1
"""Up to a tenth more time is as little time: what a call is given is never quite the same."""


@dataclass(slots=True)
class _Late:
    """The times that the last late calls about one scope had, and until when that counts."""

    had: deque[float] = field(default_factory=lambda: deque(maxlen=IN_VAIN))
    until: float = 0.0


class Haste:
    """What the late calls to one node have shown, by scope."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._late: dict[str, _Late] = {}

    @property
    def noted(self) -> bool:
        """True if a call was late that no quicker answer has refuted."""
        return bool(self._late)

    def late(self, scope: str, *, had: float) -> None:
        """Note that ``had`` seconds, waits for its turn not counted, were not enough."""
        known = self._late.setdefault(scope, _Late())
        known.had.append(had)
        known.until = self._clock.monotonic() + SPAN

    def answered(self, scope: str, *, ran: float) -> None:
        """Note an answer after ``ran`` seconds: whoever has as much need not pass by."""
        known = self._late.get(scope)
        if known is None:
            return
        known.had = deque((had for had in known.had if had < ran), maxlen=IN_VAIN)
        if not known.had:
            del self._late[scope]

    def forget(self) -> None:
        """Forget everything: the node is back, and nobody knows how it is now."""
        self._late.clear()

    def too_little(self, scope: str, seconds: float) -> bool:
        """True if an answer is not to be expected within so many seconds."""
        known = self._late.get(scope)
        if known is None or len(known.had) < IN_VAIN:
            return False
        if known.until <= self._clock.monotonic():
            known.had.popleft()
            return False
        return seconds <= min(known.had) * ALIKE
