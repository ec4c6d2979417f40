"""How long a worker may be silent, and how soon an ended one is started again."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The patience with one worker, in seconds where nothing else is said."""

    kill_after: float = 30.0
    """A call may run so long; its consumer's answer ends at the consumer's own deadline."""
    heartbeat_lost: float = 10.0
    """The process may be without a heartbeat so long."""
    job_limit: float = 600.0
    """A job may give no sign of life so long; one that gives them may last for ever."""
    opening: float = 55.0
    """Loading, making and opening the source may take so long; the gateway waits a minute."""
    closing: float = 5.0
    """Closing the source may take so long."""
    beat: float = 1.0
    """Between two heartbeats."""
    fair_chance: float = 0.4
    """A call that ran so long before its asker left keeps others from waiting behind it."""
    deserted: float = 5.0
    """So does one that a hasty asker left, once it has run so long."""
    queue: int = 64
    """Calls that may be under way or wait at once; the next one is refused."""
    first_pause: float = 0.5
    """Before the first restart; each further one waits twice as long."""
    longest_pause: float = 60.0
    """Before any restart."""
    steady: float = 60.0
    """A worker that stayed up so long starts the pauses anew."""


class Backoff:
    """The pauses before restarts: twice as long each time, with jitter, up to a longest one."""

    def __init__(self, limits: Limits, random: Random) -> None:
        self._limits = limits
        self._random = random
        self._deaths = 0

    def pause(self, lived: float) -> float:
        """Seconds to wait before the next start, after a worker that was up for ``lived``."""
        if lived >= self._limits.steady:
            self._deaths = 0
        whole = min(self._limits.first_pause * 2.0**self._deaths, self._limits.longest_pause)
        self._deaths = min(self._deaths + 1, 64)
        return whole * self._random.uniform(0.75, 1.0)
