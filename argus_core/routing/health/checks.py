"""Active checks: nodes are asked now and then how they are, so that no request has to find out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from random import Random

from argus_core.clock import Clock
from argus_core.errors import CallerError, SourceError, SourceTimeout, SourceUnavailable
from argus_core.extend.source import Source
from argus_core.routing.health.breaker import JITTER
from argus_core.routing.health.cooling import EVERYTHING
from argus_core.routing.health.standing import Checked
from argus_core.routing.node import Node
from argus_core.routing.workers.isolated import Isolated

log = logging.getLogger(__name__)

FALL = 3
"""So many bad checks in a row put a node out that was well."""
RISE = 2
"""So many good ones in a row bring it back; one is enough where checks cost vendor calls."""
PATIENCE = 3.0
"""Seconds that a check may take."""
SOON = 1.0
"""Seconds from a failure to the first check, and between the good ones of a recovery."""
LONGEST_PAUSE = 5.0
"""Bad checks are a second apart, then two, four, and at most so many seconds."""
OPENING = 60.0
"""Seconds that a source may take to open anew."""
FIRST_REOPENING = 5.0
LONGEST_REOPENING = 300.0
"""Seconds between two attempts to open a source, at first and at most."""
TICK = 0.25
"""Seconds between two looks for what is due: cheaper than waking up for every change."""


Work = Callable[[Node, "_Plan"], Coroutine[object, object, object]]


@dataclass(slots=True)
class _Plan:
    """When a node is checked next, and how its last checks went."""

    due: float
    good: int = 0
    bad: int = 0
    ailed: bool = False
    task: asyncio.Task[object] | None = None


class Checks:
    """Pings nodes that no request has proved well lately, and opens anew what did not open.

    ``interval`` gives the seconds between two checks of a well node, by name. A source that does
    not override ``ping`` is not checked, since that would prove nothing; one whose account counts
    calls only while it is out. Tests call :meth:`sweep`.
    """

    def __init__(
        self,
        nodes: Callable[[], Iterable[Node]],
        *,
        interval: Callable[[str], float],
        clock: Clock,
        random: Random,
    ) -> None:
        self._nodes = nodes
        self._interval = interval
        self._clock = clock
        self._random = random
        self._plans: dict[Node, _Plan] = {}

    async def run(self) -> None:
        """Check what is due, for ever; what is under way ends with it."""
        try:
            while True:
                try:
                    self.sweep()
                except Exception:  # what a plugin states of itself may be anything
                    log.exception("a look for what is to be checked broke off")
                await asyncio.sleep(TICK)
        finally:
            running = self.running
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    @property
    def running(self) -> tuple[asyncio.Task[object], ...]:
        """The checks under way."""
        tasks = (plan.task for plan in self._plans.values())
        return tuple(task for task in tasks if task is not None and not task.done())

    def sweep(self) -> None:
        """Begin every check that is due; one at a time per node."""
        now = self._clock.monotonic()
        nodes = set(self._nodes())
        for gone in self._plans.keys() - nodes:
            task = self._plans.pop(gone).task
            if task is not None:
                task.cancel()
        for node in nodes:
            plan = self._plan(node, now)
            if plan.task is not None and not plan.task.done():
                continue
            self._hurry(node, plan, now)
            if plan.due > now:
                continue
            plan.due = now + self._jittered(self._interval(node.name))
            work = self._work(node, plan, now)
            if work is not None:
                plan.task = asyncio.get_running_loop().create_task(work(node, plan))

    async def check(self, node: Node) -> Checked:
        """What came of a check made now, at an operator's wish; it counts as any other."""
        return await self._check(node, self._plan(node, self._clock.monotonic()))

    def _plan(self, node: Node, now: float) -> _Plan:
        """The node's plan; a new one begins soon, but not with all others at once."""
        if node not in self._plans:
            first = self._random.uniform(0, SOON)
            if node.down is not None:
                first = self._jittered(FIRST_REOPENING)
            self._plans[node] = _Plan(now + first)
        return self._plans[node]

    def _hurry(self, node: Node, plan: _Plan, now: float) -> None:
        """Check a node soon that is or seems out; what was good before that no longer counts."""
        ails = node.down is None and ailing(node)
        if ails and not plan.ailed:
            plan.good = 0
        if ails or (node.down is None and plan.bad and node.health.vouched):
            plan.due = min(plan.due, now + self._pause(node, plan))
        plan.ailed = ails

    def _work(self, node: Node, plan: _Plan, now: float) -> Work | None:
        """What is to be done about a node whose time has come, if anything."""
        if node.down is not None:
            return self._reopen if node.reopens and node.off is None else None
        if node.off is not None or not checkable(node.source):
            return None
        if ailing(node):
            return self._check if _worth_asking(node, now) else None
        answered = node.health.answered_at
        proved = answered is not None and now - answered < self._interval(node.name)
        idle = not proved and not node.load and not node.source.metered
        return self._check if idle or plan.bad else None

    def _pause(self, node: Node, plan: _Plan) -> float:
        """Seconds from one check of a node that is out to the next."""
        longest = LONGEST_PAUSE
        if node.source.metered:
            longest = max(longest, self._interval(node.name))
        return self._jittered(min(longest, SOON * 2.0 ** min(plan.bad, 16)))

    def _jittered(self, seconds: float) -> float:
        return seconds * self._random.uniform(1 - JITTER, 1 + JITTER)

    async def _check(self, node: Node, plan: _Plan) -> Checked:
        """Ping a node and book what comes of it."""
        began = self._clock.monotonic()
        error = await _complaint(node.source)
        checked = Checked(
            at=self._clock.now(),
            ok=error is None,
            seconds=self._clock.monotonic() - began,
            error=None if error is None else error.code,
        )
        node.health.note_check(checked)
        if error is None:
            plan.good, plan.bad = plan.good + 1, 0
            # A single good answer clears a mere suspicion.
            rise = 1 if node.source.metered or not _out(node) else RISE
            if plan.good >= rise:
                node.check_passed()
        else:
            plan.good, plan.bad = 0, plan.bad + 1
            self._book(node, plan, error)
        return checked

    def _book(self, node: Node, plan: _Plan, error: SourceError) -> None:
        """Put a node out that checks say is not well, if their word counts."""
        health, out = node.health, _out(node)
        refused = not error.last_resort
        trusted = health.vouched and (refused or health.suspect or plan.bad >= FALL)
        if (out and refused) or (not out and trusted):
            health.suspect = False
            node.cool(EVERYTHING, error)

    async def _reopen(self, node: Node, plan: _Plan) -> None:
        """Open a source anew that did not open; with growing pauses if it still does not."""
        try:
            await node.source.close()
            async with asyncio.timeout(OPENING):
                await node.source.open()
        # As below. It is tried again.
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            pause = min(LONGEST_REOPENING, FIRST_REOPENING * 2.0 ** min(plan.bad + 1, 16))
            plan.bad += 1
            plan.due = self._clock.monotonic() + self._jittered(pause)
            log.info("%s still does not open: %s", node.name, type(error).__name__)
        else:
            plan.bad = 0
            node.opened()


def checkable(source: Source) -> bool:
    """True if a ping of the source would prove something."""
    kind = source.inner if isinstance(source, Isolated) else type(source)
    return kind.ping is not Source.ping


def ailing(node: Node) -> bool:
    """True if a check should find out soon how the node is."""
    return _out(node) or node.health.suspect


def _out(node: Node) -> bool:
    """True if requests pass the node over for what a good check may end."""
    cooling = node.cooling(EVERYTHING)
    return cooling is not None or node.health.breaker.heeds_checks


def _worth_asking(node: Node, now: float) -> bool:
    """False where a check would only repeat a refusal, or spend a call before its time."""
    cooling = node.cooling(EVERYTHING)
    if cooling is None or cooling.until <= now:
        return True
    return cooling.error.last_resort and not node.source.metered


async def _complaint(source: Source) -> SourceError | None:
    """What is wrong with a source, None if it answers, be it with a refusal."""
    limit = asyncio.timeout(PATIENCE)
    try:
        async with limit:
            await source.ping()
    except CallerError:
        return None
    except SourceError as error:
        return error if error.unwell else None
    # Some vendors' SDKs end the process in a pinch.
    except (Exception, SystemExit) as error:
        if limit.expired():  # else a time-out is the plugin's own, and may come at once
            return SourceTimeout(f"no answer within {PATIENCE:.0f} s")
        log.warning("the check of %s failed", source.name, exc_info=error)
        return SourceUnavailable(f"raised {type(error).__name__}")
    return None
