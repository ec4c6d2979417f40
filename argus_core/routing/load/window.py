"""What calls of the last minute came to."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from argus_core.clock import Clock

SPAN = 60.0
"""Seconds that are looked back on."""
SLICE = 5.0
"""Seconds that are forgotten together."""


@dataclass(slots=True)
class _Slice:
    begin: float
    calls: int = 0
    failed: int = 0
    seconds: float = 0.0
    """What the calls that did not fail took together."""


class Window:
    """Counts and times of the calls that ended within the last minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._born = clock.monotonic()
        self._slices: deque[_Slice] = deque()

    def note(self, *, ok: bool, seconds: float) -> None:
        """Book a call that ended just now."""
        self._forget()
        now = self._clock.monotonic()
        if not self._slices or now - self._slices[-1].begin >= SLICE:
            self._slices.append(_Slice(now))
        last = self._slices[-1]
        last.calls += 1
        last.failed += not ok
        last.seconds += seconds if ok else 0.0

    @property
    def calls(self) -> int:
        """The calls that ended."""
        self._forget()
        return sum(one.calls for one in self._slices)

    @property
    def throughput(self) -> float:
        """Calls a second; of a window that is younger than a minute, over its age."""
        age = self._clock.monotonic() - self._born
        return self.calls / min(SPAN, max(1.0, age))

    @property
    def error_rate(self) -> float | None:
        """The share of calls that failed; None without a call."""
        calls = self.calls
        return sum(one.failed for one in self._slices) / calls if calls else None

    @property
    def mean(self) -> float | None:
        """Seconds that a call took which did not fail; None if there was none."""
        self._forget()
        good = sum(one.calls - one.failed for one in self._slices)
        return sum(one.seconds for one in self._slices) / good if good else None

    def _forget(self) -> None:
        old = self._clock.monotonic() - SPAN
        while self._slices and self._slices[0].begin <= old:
            self._slices.popleft()
