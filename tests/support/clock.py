"""A clock that tests move."""

import asyncio
from datetime import datetime, timedelta

from argus_core import SHANGHAI, Clock


class TestClock(Clock):
    """Stands still until it is moved; deadlines of awaited work still end in real time."""

    __test__ = False

    def __init__(self, now: str = "2024-03-15 10:00:00") -> None:
        self._now = datetime.fromisoformat(now).replace(tzinfo=SHANGHAI)
        self._seconds = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds

    def set_back(self, seconds: float) -> None:
        """Have somebody set the wall clock back; no time passes."""
        self._now -= timedelta(seconds=seconds)


class RunningClock(TestClock):
    """Its monotonic seconds run with the event loop; the market's instant stands still."""

    __test__ = False

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
