"""The clock of a recorded day: where it stands while it is played, faster or as fast as it was."""

from __future__ import annotations

from datetime import datetime, timedelta

from argus_core import Clock

PAUSE = timedelta(seconds=3)
"""How long the end of the day stands before a loop begins again, in the day's own time."""


class VirtualClock:
    """Runs from ``begin`` to ``end`` at ``speed``, then stands still or begins again."""

    def __init__(
        self, clock: Clock, begin: datetime, end: datetime, *, speed: float, loop: bool
    ) -> None:
        self.begin = begin
        self.end = end
        self._clock = clock
        self._speed = speed
        self._loop = loop
        self._started: float | None = None

    def start(self) -> None:
        """Let it run from now on, from the beginning."""
        self._started = self._clock.monotonic()

    def now(self) -> datetime:
        """The instant of the recorded day that is reached."""
        return min(self.begin + self._passed(), self.end)

    def lap(self) -> int:
        """How often the day has been played to its end, where it is played again and again."""
        return self._laps()[0]

    def seconds_until(self, at: datetime) -> float:
        """Real seconds until an instant of this lap is reached; 0 if it was."""
        return max((at - self.begin - self._passed()).total_seconds() / self._speed, 0.0)

    def _passed(self) -> timedelta:
        return self._laps()[1]

    def _laps(self) -> tuple[int, timedelta]:
        if self._started is None:
            return 0, timedelta()
        seconds = (self._clock.monotonic() - self._started) * self._speed
        length = self.end - self.begin + PAUSE
        if not self._loop:
            return 0, timedelta(seconds=min(seconds, length.total_seconds()))
        laps, rest = divmod(seconds, length.total_seconds())
        return int(laps), timedelta(seconds=rest)
