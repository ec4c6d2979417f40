"""How a consumer wants one request to be treated."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from argus_core.clock import Clock


@dataclass(frozen=True, slots=True)
class Deadline:
    """One absolute instant on the monotonic clock; every wait of a request uses what is left."""

    at: float
    clock: Clock
    started: float

    @classmethod
    def within(cls, seconds: float, clock: Clock) -> Deadline:
        """The deadline that lies so many seconds ahead."""
        now = clock.monotonic()
        return cls(now + seconds, clock, now)

    @property
    def remaining(self) -> float:
        """Seconds left, 0 when it has passed."""
        return max(0.0, self.at - self.clock.monotonic())

    def sooner(self, margin: float) -> Deadline:
        """The same deadline ``margin`` seconds, at most a tenth of what is left, earlier."""
        return Deadline(self.at - min(margin, self.remaining / 10), self.clock, self.started)

    def share(self, part: float) -> Deadline:
        """The deadline after ``part`` of the time that is left."""
        now = self.clock.monotonic()
        return Deadline(now + self.remaining * part, self.clock, self.started)

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the request began."""
        return (self.clock.monotonic() - self.started) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The terms of one request: its deadline, and whether the caches may answer."""

    deadline: Deadline
    use_cache: bool = True
    max_staleness: float | None = None
    anew: bool = False
    """True if, while the market moves, quotes and books come from a cache only where no source can
    be heard; then they are flagged."""
    background: bool = False
    """True if Argus asks for itself, as in warm-up: that is no consumer's interest."""
    trace_id: str = field(default_factory=lambda: uuid4().hex)


__all__ = ["Ask", "Deadline"]
