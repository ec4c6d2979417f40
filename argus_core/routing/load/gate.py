"""The door of a pool: so many calls at once, a bounded line before it, and what came of them."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from argus_core.clock import Clock
from argus_core.model.request import Priority, current_request
from argus_core.routing.load.budget import HedgeBudget
from argus_core.routing.load.line import Line, Waiter
from argus_core.routing.load.scaling import Scaling
from argus_core.routing.window import Tally, Window
from argus_core.tables import PoolLimits

RECENT = 256
"""Answers whose times a quantile is taken of, the newest."""
PATIENCE = 0.5
"""The part of the pool's time that a call may wait: one that begins too late is made in vain."""
ENOUGH = 20
"""Answers without which there is no quantile."""


class Full(Exception):
    """A pool takes no more calls now; ``retry_after`` seconds later it may."""

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Resized:
    """A change of a pool's size, at an instant (monotonic seconds), and why."""

    at: float
    before: int
    size: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFigures:
    """What the calls of the last minute to one node came to; None where there were none."""

    calls: int
    error_rate: float | None
    response_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFigures:
    """A pool's load now, and what its calls of the last minute came to.

    ``utilisation`` is in_use / size, more than 1 while a pool that was made smaller empties.
    ``throughput`` is in calls a second; ``response_ms`` and ``error_rate`` are None where no call
    ended. ``refused`` counts calls since the start.
    """

    size: int
    in_use: int
    waiting: int
    utilisation: float
    throughput: float
    error_rate: float | None
    response_ms: float | None
    refused: int
    nodes: Mapping[str, NodeFigures]


Observe = Callable[[Resized], None]
"""Told of each change of the size."""


def _unobserved(_change: Resized) -> None:
    return None


class Place:
    """A call's place in a pool, until it leaves; where nobody counts, it has nothing to give."""

    def __init__(
        self, give_back: Callable[[], None] | None = None, *, waited: bool = False
    ) -> None:
        self._give_back = give_back
        self.waited = waited
        """True if it was not free at once, so that what was known before may be out of date."""

    def leave(self) -> None:
        """Give the place back; a second time does nothing."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class Gate:
    """Admits calls to one pool. All calls come from one event loop."""

    def __init__(
        self, name: str, limits: PoolLimits, clock: Clock, observe: Observe = _unobserved
    ) -> None:
        self.name = name
        self.limits = limits
        self.hedges = HedgeBudget()
        self._clock = clock
        self._observe = observe
        self._scaling = Scaling(limits, clock.monotonic())
        self._line = Line()
        self._in_use = 0
        self._since = clock.monotonic()
        self._refused = 0
        self._window = Window(clock)
        self._nodes: dict[str, Window] = {}
        self._recent: deque[float] = deque(maxlen=RECENT)

    # -- coming and going -----------------------------------------------------------------------

    def try_enter(self) -> Place | None:
        """A place if one is free and nobody waits for it."""
        self._review()
        if self._in_use >= self._scaling.size or len(self._line):
            return None
        self._in_use += 1
        return Place(self._leave)

    async def enter(self, seconds: float) -> Place:
        """A place for a call, be it after a wait of half of the ``seconds`` that the pool has.

        Raises :class:`Full`, at once where the line is full or the wait would be too long.
        """
        place = self.try_enter()
        if place is not None:
            return place
        seconds *= PATIENCE
        request = current_request()
        self._make_room(request.priority, seconds)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = Waiter(request.client, request.priority, turn)
        self._line.join(waiter)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            self._gave_up(waiter)
            if isinstance(error, TimeoutError):
                raise self._full(f"no place within {seconds:.1f} s") from None
            raise
        return Place(self._leave, waited=True)

    def _gave_up(self, waiter: Waiter) -> None:
        self._line.leave(waiter)
        turn = waiter.turn
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self._leave()  # the turn came in the very moment

    def _make_room(self, priority: Priority, seconds: float) -> None:
        """Let one more wait, perhaps in somebody's stead; raises :class:`Full`."""
        ahead = self._line.ahead(priority)
        expected = self._wait(ahead)
        if expected > seconds or seconds <= 0:
            raise self._full(f"a place would come in {expected:.1f} s, too late")
        if len(self._line) < self.limits.max_waiting:
            return
        last = self._line.last_below(priority)
        if last is None:
            raise self._full("no more may wait")
        self._line.leave(last)
        if not last.turn.done():
            last.turn.set_exception(self._full("its place in the line went to a more urgent call"))

    def _full(self, why: str) -> Full:
        self._refused += 1
        under, line = self._in_use, len(self._line)
        reason = f"pool {self.name} is full: {under} calls under way, {line} waiting; {why}"
        return Full(reason, self._wait(line))

    def _wait(self, ahead: int) -> float:
        """Seconds until a place is free behind so many; 0 where nobody knows."""
        return (self._window.total.mean or 0.0) * (ahead + 1) / self._scaling.size

    def _leave(self) -> None:
        self._integrate()
        self._in_use -= 1
        self._review()

    def _wake(self) -> None:
        """Give free places to those whose turn it is."""
        while self._in_use < self._scaling.size and (waiter := self._line.next()) is not None:
            if not waiter.turn.done():  # else he was cancelled a moment ago
                self._in_use += 1
                waiter.turn.set_result(None)

    # -- the size ---------------------------------------------------------------------------------

    def resize(self, target: int) -> int:
        """The new size: ``target``, or the bound that it exceeds. No call is cancelled for it."""
        before = self._scaling.size
        self._integrate()
        self._scaling.resize(target, self._clock.monotonic())
        self._told(before, "an operator set it")
        self._wake()
        return self._scaling.size

    def _integrate(self) -> None:
        now = self._clock.monotonic()
        self._scaling.used(self._in_use, now - self._since)
        self._since = now

    def _review(self) -> None:
        self._integrate()
        before = self._scaling.size
        why = self._scaling.review(len(self._line), self._clock.monotonic())
        self._told(before, why)
        self._wake()

    def _told(self, before: int, why: str | None) -> None:
        size = self._scaling.size
        if why and size != before:
            self._observe(Resized(self._clock.monotonic(), before, size, why))

    # -- what came of it ------------------------------------------------------------------------

    def note(self, node: str, *, ok: bool, seconds: float, strain: bool = False) -> None:
        """Book a call that ended. ``strain``: the node could not keep up with what it was asked."""
        for window in (self._window, self._nodes.setdefault(node, Window(self._clock))):
            window.add(failed=not ok, seconds=seconds)
        if ok:
            self._recent.append(seconds)
        before = self._scaling.size
        now = self._clock.monotonic()
        why = self._scaling.note(ok=ok, strain=strain, seconds=seconds, now=now)
        self._told(before, why)

    def quantile(self, part: float) -> float | None:
        """Seconds within which that part of recent answers came; None while there are too few."""
        if len(self._recent) < ENOUGH:
            return None
        return sorted(self._recent)[math.ceil(part * len(self._recent)) - 1]

    def figures(self) -> GateFigures:
        """How the pool does now."""
        self._review()
        size, total = self._scaling.size, self._window.total
        return GateFigures(
            size=size,
            in_use=self._in_use,
            waiting=len(self._line),
            utilisation=self._in_use / size,
            throughput=self._window.throughput,
            error_rate=total.error_rate,
            response_ms=_ms(total.mean),
            refused=self._refused,
            nodes={name: _node_figures(window.total) for name, window in self._nodes.items()},
        )


def _node_figures(total: Tally) -> NodeFigures:
    return NodeFigures(calls=total.calls, error_rate=total.error_rate, response_ms=_ms(total.mean))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
