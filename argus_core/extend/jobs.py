"""A lane for work that outlives a request: a vendor's long downloads."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from argus_core.errors import Preparing, SourceUnavailable, Throttled

log = logging.getLogger(__name__)

MOST_WAITING = 1_000
"""Jobs that may wait in one lane; the next one is refused."""

_MOST_COUNTED = 2**53


class Abandoned(Exception):
    """Raised inside a job by :meth:`Job.alive` when the lane closes, to end the job."""


@dataclass(slots=True)
class Job:
    """One piece of work. It should call :meth:`alive` often: that is its heartbeat."""

    key: str
    future: Future[None] = field(default_factory=Future[None])
    began: float | None = None
    beat: float | None = None
    done: int = 0
    total: int = 0
    abandoned: bool = False

    def alive(self, done: int = 0, total: int = 0) -> None:
        """Say that the job goes on, and how far it is; ends the job if the lane is closing."""
        self.beat = time.monotonic()
        self.done, self.total = _count(done), _count(total)
        if self.abandoned:
            raise Abandoned(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """A job that runs or waits; seconds since it began and since it last gave a sign of life."""

    key: str
    running: bool
    seconds: float
    silent: float
    done: int
    total: int


Work = Callable[[Job], None]


class Jobs:
    """Runs jobs one after another in a thread of its own, which lives only while there are any.

    A job is known by its key: asking for a running one joins it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Job, Work]] = deque()
        self._jobs: dict[str, Job] = {}
        self._running = False

    def start(self, key: str, work: Work) -> Future[None]:
        """The end of the job under ``key``, begun now if it is not under way."""
        with self._lock:
            known = self._jobs.get(key)
            if known is not None:
                return known.future
            if len(self._waiting) >= MOST_WAITING:
                raise Throttled(f"{self.name} has {MOST_WAITING} downloads waiting", retry_after=30)
            if not self._running:
                # Before anything is noted: where no thread can be had, no job must wait for one
                threading.Thread(target=self._run, name=f"{self.name} jobs", daemon=True).start()
                self._running = True
            job = self._jobs[key] = Job(key)
            job.future.set_running_or_notify_cancel()  # others may have joined: nobody cancels it
            self._waiting.append((job, work))
            return job.future

    async def ready(self, key: str, work: Work, *, wait: float, retry_after: float = 5.0) -> None:
        """Return when the job under ``key`` has ended well; its error is raised here.

        Raises :class:`Preparing` if that takes more than ``wait`` seconds; the job goes on.
        """
        future = self.start(key, work)
        ending = asyncio.wrap_future(future)
        ending.add_done_callback(_heard)
        try:
            async with asyncio.timeout(wait):
                await asyncio.shield(ending)
        except TimeoutError:
            if not future.done():
                raise Preparing(f"{self.name} is fetching it", retry_after=retry_after) from None
        # Of a job that ended as the waiting did, only the job itself knows whether it ended well
        future.result()

    def status(self) -> tuple[JobStatus, ...]:
        """The jobs that run or wait."""
        now = time.monotonic()
        with self._lock:
            jobs = list(self._jobs.values())
        return tuple(
            JobStatus(
                key=job.key.encode(errors="replace").decode(),  # a lone surrogate is no text
                running=job.began is not None,
                seconds=0.0 if job.began is None else now - job.began,
                silent=0.0 if job.beat is None else now - job.beat,
                done=job.done,
                total=job.total,
            )
            for job in jobs
        )

    def close(self) -> None:
        """Drop the waiting jobs and ask the running one to end at its next sign of life."""
        with self._lock:
            dropped = [job for job, _ in self._waiting]
            self._waiting.clear()
            for job in self._jobs.values():
                job.abandoned = True
            for job in dropped:
                del self._jobs[job.key]
        for job in dropped:
            _end(job, SourceUnavailable(f"{self.name} was closed"))

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            job, work = taken
            job.began = job.beat = time.monotonic()
            error: BaseException | None = None
            try:
                work(job)
            except Abandoned:
                error = SourceUnavailable(f"{self.name} was closed")
            except BaseException as raised:  # noqa: BLE001 - it is raised again where it is awaited
                error = raised
            with self._lock:
                self._jobs.pop(job.key, None)
            _end(job, error)

    def _next(self) -> tuple[Job, Work] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._running = False
            return None


def _count(number: float) -> int:
    """A count as whole numbers go; 0 for what vendors write where they know none."""
    return int(number) if 0 <= number < _MOST_COUNTED else 0


def _heard(future: asyncio.Future[None]) -> None:
    """Take note of an error that nobody waits for any more; the next asker begins anew."""
    if not future.cancelled() and (error := future.exception()) is not None:
        log.debug("a job that nobody waited for ended: %s", type(error).__name__)


def _end(job: Job, error: BaseException | None) -> None:
    if error is None:
        job.future.set_result(None)
    else:
        log.debug("job %s ended: %s", job.key, type(error).__name__)
        job.future.set_exception(error)
