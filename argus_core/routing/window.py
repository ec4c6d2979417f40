"""The last minute of calls, counted in buckets."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from argus_core.clock import Clock

BUCKET = 5.0
"""Seconds of one bucket."""
BUCKETS = 12
"""Buckets of the window: a minute in all."""


@dataclass(slots=True)
class Tally:
    """Calls that ended, those of them that failed, and those that were slow."""

    calls: int = 0
    failures: int = 0
    slow: int = 0
    seconds: float = 0.0
    """What the calls that did not fail took together."""

    @property
    def error_rate(self) -> float | None:
        """The share of calls that failed; None without a call."""
        return self.failures / self.calls if self.calls else None

    @property
    def mean(self) -> float | None:
        """Seconds that a call took which did not fail; None if there was none."""
        good = self.calls - self.failures
        return self.seconds / good if good else None


class Window:
    """Counts of the last 60 seconds; what is older falls out five seconds at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._born = clock.monotonic()
        self._buckets: deque[tuple[int, Tally]] = deque()

    def add(self, *, failed: bool = False, slow: bool = False, seconds: float = 0.0) -> None:
        """Count one call that ended just now."""
        number = self._aged()
        if not self._buckets or self._buckets[-1][0] != number:
            self._buckets.append((number, Tally()))
        tally = self._buckets[-1][1]
        tally.calls += 1
        tally.failures += failed
        tally.slow += slow
        tally.seconds += 0.0 if failed else seconds

    @property
    def total(self) -> Tally:
        """The sum of the buckets."""
        self._aged()
        total = Tally()
        for _, tally in self._buckets:
            total.calls += tally.calls
            total.failures += tally.failures
            total.slow += tally.slow
            total.seconds += tally.seconds
        return total

    @property
    def throughput(self) -> float:
        """Calls a second; of a window that is younger than a minute, over its age."""
        age = self._clock.monotonic() - self._born
        return self.total.calls / min(BUCKET * BUCKETS, max(1.0, age))

    def clear(self) -> None:
        """Forget everything."""
        self._buckets.clear()

    def _aged(self) -> int:
        """The number of the present bucket, with those dropped that lie too far back."""
        number = int(self._clock.monotonic() // BUCKET)
        while self._buckets and self._buckets[0][0] <= number - BUCKETS:
            self._buckets.popleft()
        return number
