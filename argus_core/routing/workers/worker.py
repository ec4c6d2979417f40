"""One worker, kept alive: started, watched, ended when it hangs, started again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Literal, Protocol

from argus_core.errors import SourceTimeout, SourceUnavailable
from argus_core.extend.jobs import JobStatus
from argus_core.extend.quota import Meter
from argus_core.model.records import Depth, Gap
from argus_core.routing.workers import protocol
from argus_core.routing.workers.calls import Calls
from argus_core.routing.workers.limits import Backoff, Limits
from argus_core.routing.workers.link import Link
from argus_core.routing.workers.protocol import (
    BOOKS,
    CLOSE,
    GAP,
    JOBS,
    MAKE,
    METERS,
    OPEN,
    REPORT,
    START,
    STARTS,
    Facts,
    Start,
)
from argus_core.routing.workers.signs import Signs
from argus_core.routing.workers.wire import Frame
from argus_core.routing.workers.words import Hush, Words

log = logging.getLogger(__name__)

State = Literal["starting", "up", "down", "closed"]


class Listener(Protocol):
    """Whom a worker tells what happens to it."""

    def learned(self, facts: Facts) -> None:
        """Told what the opened source says of itself, before any call."""
        ...

    def pushed(self, item: Depth | Gap) -> None:
        """Told what the vendor pushed, in a thread of the worker's."""
        ...

    def died(self, reason: str) -> None:
        """Told why the process is no more."""
        ...

    async def revived(self) -> None:
        """Called when a new process has opened the source."""
        ...


@dataclass(slots=True)
class _Life:
    """One process of the worker's, from its start to its end."""

    link: Link
    signs: Signs
    calls: Calls
    words: Words
    since: float


class Worker:
    """Calls into a process that is started again whenever it dies."""

    def __init__(
        self,
        start: Start,
        limits: Limits,
        listener: Listener,
        *,
        secrets: Collection[str],
        random: Random,
    ) -> None:
        self.name = start.name
        self.state: State = "starting"
        self.restarts = 0
        self.reason: str | None = None
        """Why the last process ended, or the last start failed."""
        self._start = start
        self._limits = limits
        self._listener = listener
        self._secrets = secrets
        self._backoff = Backoff(limits, random)
        self._life: _Life | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._reviving: asyncio.Task[None] | None = None
        self._next_start = 0.0

    @property
    def pid(self) -> int | None:
        """The process id; None while there is no process."""
        return None if self._life is None else self._life.link.pid

    @property
    def jobs(self) -> tuple[JobStatus, ...]:
        """The jobs of the last heartbeat."""
        return () if self._life is None else self._life.signs.jobs

    @property
    def meters(self) -> tuple[Meter, ...]:
        """The meters of the last heartbeat."""
        return () if self._life is None else self._life.signs.meters

    @property
    def report(self) -> dict[str, Any]:
        """What the source reported with the last heartbeat."""
        return {} if self._life is None else self._life.signs.report

    async def open(self) -> None:
        """Return when the source is open in its process; raises what its opening raised."""
        life = await self._launched()
        self._keeping = asyncio.create_task(self._keep(life))

    async def call(
        self,
        name: str,
        argument: Any = None,
        *,
        plain: bool = False,
        began: Callable[[], None] | None = None,
    ) -> Any:
        """What the source's method returns. Fails at once while there is no open source.

        ``began`` is called, perhaps in another thread, when no other call is before this one.
        """
        life = self._life
        if life is None or self.state != "up":
            wait = max(0.1, self._next_start - time.monotonic())
            why = f": {self.reason}" if self.reason else ""
            raise SourceUnavailable(
                f"the worker of {self.name} is {self.state}{why}", retry_after=wait
            )
        return await self._asked(life, name, argument, plain=plain, began=began)

    async def close(self) -> None:
        """Close the source and end its process, by force if need be; safe to call twice."""
        was_up, self.state = self.state == "up", "closed"
        for task in (self._keeping, self._reviving):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        self._keeping = self._reviving = None
        life, self._life = self._life, None
        if life is None:
            return
        try:
            if was_up and not life.link.gone.done():
                async with asyncio.timeout(self._limits.closing):
                    await self._asked(life, CLOSE)
        except TimeoutError:
            log.warning("%s did not close within %g s", self.name, self._limits.closing)
        except SourceUnavailable:
            if not life.link.gone.done():  # else its process has ended by itself
                raise
        finally:
            life.link.end()
            await asyncio.wait([life.link.gone], timeout=self._limits.beat)
            life.link.kill("it did not end", at_once=True)
            await asyncio.wait([life.link.gone], timeout=self._limits.closing)

    # -- one process --------------------------------------------------------------------------

    async def _launched(self) -> _Life:
        """A new process whose source is open."""
        now = time.monotonic()
        signs = Signs(self._limits, now)
        calls = Calls(self.name, signs, self._limits)
        words = Words(self.name, self._secrets)
        heard = partial(self._heard, signs, calls, words)
        link = Link(name=self.name, signs=signs, words=words, heard=heard)
        life = self._life = _Life(link, signs, calls, words, now)
        link.gone.add_done_callback(partial(self._over, life))
        try:
            start = replace(self._start, level=words.level)
            link.send(Frame({"is": START, "start": STARTS.encode(start)}))
            async with asyncio.timeout(self._limits.opening):
                await self._asked(life, MAKE)
                facts = await self._asked(life, OPEN)
        except TimeoutError:
            reason = f"it did not open within {self._limits.opening:g} s"
            link.kill(reason)
            raise SourceTimeout(f"{self.name}: {reason}") from None
        except BaseException:
            link.kill("it did not open", at_once=True)
            raise
        self._listener.learned(facts)
        life.since = time.monotonic()
        self.state, self.reason = "up", None
        return life

    async def _asked(
        self,
        life: _Life,
        name: str,
        argument: Any = None,
        *,
        plain: bool = False,
        began: Callable[[], None] | None = None,
    ) -> Any:
        if life.link.gone.done():
            raise SourceUnavailable(f"the worker of {self.name} {life.link.gone.result()}")
        number, frame = life.calls.opened(name, argument, plain=plain, began=began)
        life.link.send(frame)
        try:
            return await life.calls.outcome(number)
        except asyncio.CancelledError:
            if (leave := life.calls.given_up(number)) is not None:
                life.link.send(leave)
            raise

    def _heard(self, signs: Signs, calls: Calls, words: Words, frame: Frame) -> None:
        """Take what a process says, in its reading thread."""
        head = frame.head
        match head["is"]:
            case protocol.BEGAN:
                limit = self._limits.opening if head["name"] in (MAKE, OPEN) else None
                signs.began(head["number"], head["name"], time.monotonic(), limit)
                calls.began(head["number"])
            case protocol.BEAT:
                jobs, report = JOBS.decode(head["jobs"]), REPORT.decode(head["report"])
                signs.told(jobs, report, time.monotonic(), METERS.decode(head["meters"]))
            case protocol.LOG:
                words.record(head["level"], head["logger"], head["text"])
            case protocol.PUSH:
                for item in (*map(GAP.decode, head["gaps"]), *BOOKS.decode(head["books"])):
                    self._listener.pushed(item)
            case _:
                calls.heard(frame)

    def _over(self, life: _Life, gone: asyncio.Future[str]) -> None:
        if life is self._life and self.state == "up":
            self.state, self.reason = "down", gone.result()
        life.calls.failed(SourceUnavailable(f"the worker of {self.name} {gone.result()}"))

    # -- keeping it alive ---------------------------------------------------------------------

    async def _keep(self, life: _Life) -> None:
        while True:
            reason = await self._end_of(life)
            if self._reviving is not None:
                self._reviving.cancel()
            last = life.words.last
            log.error(
                "the worker of %s %s%s",
                self.name,
                reason,
                f"; its last lines:\n{last}" * bool(last),
            )
            self._listener.died(f"the worker of {self.name} {reason}")
            life = await self._restarted(time.monotonic() - life.since)
            self._reviving = asyncio.create_task(self._listener.revived())

    async def _end_of(self, life: _Life) -> str:
        """Why the process ended; it is ended here if it gives a reason."""
        limits = self._limits
        shortest = min(limits.kill_after, limits.heartbeat_lost, limits.job_limit)
        tick = min(max(shortest / 5, 0.02), 1.0)
        while not life.link.gone.done():
            await asyncio.wait([life.link.gone], timeout=tick)
            verdict = life.signs.verdict(time.monotonic())
            if verdict is not None:
                life.link.kill(verdict)
        return life.link.gone.result()

    async def _restarted(self, lived: float) -> _Life:
        while True:
            pause = self._backoff.pause(lived)
            self._next_start = time.monotonic() + pause
            await asyncio.sleep(pause)
            self.state = "starting"
            try:
                life = await self._launched()
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it is tried again
                lived = 0.0
                said = Hush(self._secrets).text(f"{type(error).__name__}: {error}")
                self.state, self.reason = "down", said
                log.warning("the worker of %s did not start again: %s", self.name, said)
                continue
            self.restarts += 1
            return life
