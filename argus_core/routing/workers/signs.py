"""The signs of life of one worker, and when their absence is a reason to end it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from argus_core.extend.jobs import JobStatus
from argus_core.extend.quota import Meter
from argus_core.routing.workers.limits import Limits

LATE = 2.0
"""Seconds between two looks after which the looker itself was held up, not the worker."""
MARGIN = 1.0
"""Seconds that the worker's own watchdog, which can say where it hangs, comes first."""


@dataclass(frozen=True, slots=True)
class _Running:
    name: str
    since: float
    limit: float


class Signs:
    """What was last heard of a worker. Times are monotonic seconds of this process.

    One thread notes what it hears, another one looks; each note is a single assignment.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._seen = self._looked = self._told = now
        self._running: dict[int, _Running] = {}
        self.jobs: tuple[JobStatus, ...] = ()
        self.report: dict[str, Any] = {}
        self.meters: tuple[Meter, ...] = ()

    def heard(self, now: float) -> None:
        """Note that something, whatever it says, came from the worker; inf while it is read."""
        self._seen = now

    def began(self, number: int, name: str, now: float, limit: float | None = None) -> None:
        """Note that a call has left the queue and runs now."""
        self._running[number] = _Running(name, now, limit or self._limits.kill_after)

    def ended(self, number: int) -> None:
        """Note that a call is over."""
        self._running.pop(number, None)

    def ran(self, number: int, now: float) -> float | None:
        """Seconds since that call has left the queue; None if it has not, or is over."""
        call = self._running.get(number)
        return None if call is None else now - call.since

    def told(
        self,
        jobs: tuple[JobStatus, ...],
        report: dict[str, Any],
        now: float,
        meters: tuple[Meter, ...] = (),
    ) -> None:
        """Note what a heartbeat said; a job's ``silent`` counts up to that heartbeat."""
        self.jobs, self._told = jobs, now
        self.report, self.meters = report, meters

    def silence(self, now: float) -> float:
        """Seconds since anything was heard."""
        return now - self._seen

    def obituary(self, silence: float) -> str | None:
        """The reason of a death after such a silence, if that was the worker's own watchdog."""
        lost = self._limits.heartbeat_lost
        return (
            "was killed: " + _no_heartbeat(lost)
            if silence >= lost - 1.5 * self._limits.beat
            else None
        )

    def verdict(self, now: float) -> str | None:
        """Why the worker must be ended now; None while there is no reason."""
        if now - self._looked > LATE:
            self._seen = max(self._seen, now)
        self._looked = now
        return self._unheard(now) or self._silent_job(now) or self._hung_call(now)

    def _unheard(self, now: float) -> str | None:
        lost = self._limits.heartbeat_lost
        return _no_heartbeat(lost) if self.silence(now) > lost + MARGIN else None

    def _silent_job(self, now: float) -> str | None:
        since = now - self._told
        for job in self.jobs:
            if job.running and job.silent + since > self._limits.job_limit:
                return f"job `{job.key}` gave no sign of life for {self._limits.job_limit:g} s"
        return None

    def _hung_call(self, now: float) -> str | None:
        """A call that ran too long is a hang, unless it may be waiting for a job that works.

        Ending the worker would throw the job's work away, and a vendor's lock that the job holds
        keeps calls from ending; such a call is given the patience that a job has, too.
        """
        working = any(job.running for job in self.jobs)
        grace = self._limits.job_limit if working else 0.0
        for call in list(self._running.values()):
            if now - call.since > call.limit + grace:
                return f"call `{call.name}` ran {now - call.since:.3g} s"
        return None


def _no_heartbeat(seconds: float) -> str:
    return f"no heartbeat for {seconds:g} s"
