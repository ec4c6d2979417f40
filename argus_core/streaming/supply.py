"""The supply: every symbol that somebody wants is brought by the best leg of its route.

A symbol has one leg at a time. Where that fails (it refuses, goes silent, tells what cannot be
true) the next leg of the route takes over, as a request would go down the route. Later the better
one is tried beside it, and takes over once it really brings something. Whoever listens is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from argus_core.clock import Clock
from argus_core.market.hours import moving
from argus_core.model.symbol import Symbol
from argus_core.routing.node import Node
from argus_core.streaming.doors import Via
from argus_core.streaming.legs import Finder, Legs, chosen
from argus_core.streaming.lines import Leg, Line
from argus_core.streaming.pushing import Pushing, Taker, tell

log = logging.getLogger(__name__)

GATHERING = 0.02
"""Seconds for which wishes are gathered, so that they go to the vendor in one call."""
AWAY = 30.0
"""Seconds for which a leg that failed is not tried again."""
TRIAL = 45.0
"""Seconds, while the market moves, within which a leg on trial must bring something."""
AWAY_AFTER_TRIAL = 240.0
"""Seconds for which a leg that failed on trial is not tried again: others have their turn."""
AGAIN = 5.0
"""Seconds after which a leg is looked for again, where there was none."""
NOBODY = "no source of its route can be asked"


class Supplier:
    """Brings what is wanted; see :class:`argus_core.streaming.hub.Supply`."""

    def __init__(
        self, routes: Finder, *, clock: Clock, taker: Taker, via: Via = lambda _symbols: ()
    ) -> None:
        self.lines: dict[Symbol, Line] = {}
        self._legs = Legs(routes)
        self._clock = clock
        self._taker = taker
        self.pushing = Pushing(self, clock=clock, taker=taker, via=via)
        self._open: dict[Symbol, None] = {}
        """The symbols that need a leg."""
        self._changed = asyncio.Event()
        self._closed = False

    # -- what is wanted -------------------------------------------------------------------------

    def want(self, symbols: Iterable[Symbol]) -> None:
        """Bring these from now on."""
        now = self._clock.monotonic()
        for symbol in symbols:
            if symbol not in self.lines:
                self.lines[symbol] = Line(symbol, heard=now)
                self._open[symbol] = None
        self._changed.set()

    def drop(self, symbols: Iterable[Symbol]) -> None:
        """Bring these no more."""
        for symbol in symbols:
            self._open.pop(symbol, None)
            if (line := self.lines.pop(symbol, None)) is not None:
                # Answers that are on their way find it without a leg, and are not taken.
                legs, line.leg, line.trial = (line.leg, line.trial), None, None
                self._left(line, *legs)
        self._changed.set()

    def rearrange(self, lines: Iterable[Line], reason: str, *, away: float = AWAY) -> None:
        """Let these lines be brought by another leg: the present one has failed."""
        until = self._clock.monotonic() + away
        many = 0
        for line in lines:
            if (leg := line.leg) is None:
                continue
            many += 1
            line.reason = reason
            line.fail(leg, until)
            self._left(line, leg)
            self._open[line.symbol] = None
        log.info("%d symbols are brought by another leg of their route: %s", many, reason)
        self._changed.set()

    def retry(self) -> None:
        """Look again for legs of lines that nobody brings."""
        now = self._clock.monotonic()
        for symbol in self._open:
            if self.lines[symbol].again <= now:
                self._changed.set()
                return

    def better(self) -> None:
        """Try better legs for lines that the best one of their route does not bring."""
        lines = [line for line in self.lines.values() if line.leg is not None and line.leg.rank]
        legs, load = self._legs.of(line.symbol for line in lines), self.pushing.load
        for line in lines:
            self._try(line, legs.get(line.symbol, ()), load)
        self._changed.set()

    def rerouted(self) -> None:
        """Go by other routes, or other nodes, from now on."""
        legs, load = self._legs.of(self.lines), self.pushing.load
        for line in self.lines.values():
            own = legs.get(line.symbol, ())
            line.failed.clear()
            line.again = 0.0
            # The same leg may have another place now.
            leg, line.leg = line.leg, _same(line.leg, own)
            trial, line.trial = line.trial, _same(line.trial, own)
            self._left(line, leg, trial)
            self._end_vain_trial(line)
            if line.leg is not None:
                self._try(line, own, load)
            elif leg is not None:
                line.reason = "the routes have changed"
                self._open[line.symbol] = None
        self.arrange()

    def takes_over(self, line: Line) -> None:
        """Let the leg on trial bring a line: it does."""
        before, leg, line.trial = line.leg, line.trial, None
        if leg is None:
            return
        line.reason = f"{leg.name} brings it again"
        line.carried(leg, self._clock.monotonic())
        self._open.pop(line.symbol, None)
        self._left(line, before)

    def failed_trial(self, line: Line) -> None:
        """Leave it at the present leg: the better one is none just now."""
        if (leg := line.trial) is not None:
            line.fail(leg, self._clock.monotonic() + AWAY_AFTER_TRIAL)
            self._left(line, leg)

    def others(self, lines: Sequence[Line]) -> dict[Line, frozenset[str]]:
        """For each line the sources of its route besides those that bring it."""
        legs = self._legs.of(line.symbol for line in lines)
        return {
            line: frozenset(name for leg in legs.get(line.symbol, ()) for name in leg.members)
            - (frozenset() if line.leg is None else line.leg.members)
            for line in lines
        }

    # -- its life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Arrange lines whenever something has changed, until cancelled."""
        self._closed = False
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHERING)
            try:
                self.arrange()
            except Exception:
                log.exception("symbols could not be given to those who bring them")

    def arrange(self) -> None:
        """Give each line that has no leg the best one that it may have."""
        self._changed.clear()
        if self._closed:
            return
        now, load = self._clock.monotonic(), self.pushing.load
        lines = [line for symbol in self._open if (line := self.lines[symbol]).again <= now]
        legs = self._legs.of(line.symbol for line in lines)
        lost: dict[str, list[Line]] = {}
        for line in lines:
            leg = chosen(legs.get(line.symbol, ()), line, load, now)
            if leg is None:
                line.again = now + AGAIN
                if not line.lost:
                    lost.setdefault(line.reason or NOBODY, []).append(line)
                continue
            del self._open[line.symbol]
            line.carried(leg, now)
            self._wanted(line, leg, load)
            self._end_vain_trial(line)
        for reason, own in lost.items():
            self._taker.switched(own, reason)
        # Of a leg that pushes is told once it has accepted.
        asked = (line for line in lines if line.leg and line.leg.mode == "poll")
        tell(self._taker, (line for line in asked if not line.lost))
        self.pushing.tidy()

    async def settled(self) -> None:
        """Return when each node was told what it is to push."""
        await self.pushing.settled()

    async def aclose(self) -> None:
        """End what is under way and have nothing pushed any more."""
        self._closed = True
        self.lines.clear()
        self._open.clear()
        await self.pushing.aclose()

    # -- legs -----------------------------------------------------------------------------------

    def _try(self, line: Line, legs: Sequence[Leg], load: dict[str, int]) -> None:
        """Begin to try a better leg beside the present one, if there is one."""
        if line.leg is None:
            return
        now = self._clock.monotonic()
        if line.trial is not None:
            # While the market rests, silence says nothing about it.
            over = now - line.tried >= TRIAL and moving(line.symbol, line.trial.now(self._clock))
            if not over:
                return
            self.failed_trial(line)
        line.failed = {key: until for key, until in line.failed.items() if until > now}
        leg = chosen(legs, line, load, now, below=line.leg.rank)
        if leg is not None:
            line.trial, line.tried = leg, now
            self._wanted(line, leg, load)

    def _end_vain_trial(self, line: Line) -> None:
        """Try no leg that is no better than the one the line has by now."""
        leg, trial = line.leg, line.trial
        if leg is not None and trial is not None and trial.rank >= leg.rank:
            line.trial = None
            self._left(line, trial)

    def _wanted(self, line: Line, leg: Leg, load: dict[str, int]) -> None:
        if leg.node is not None:
            load[leg.name] = load.get(leg.name, 0) + 1
            self.pushing.want(leg.node, line.symbol)

    def _left(self, line: Line, *legs: Leg | None) -> None:
        """Have the nodes of legs that a line had push it no more."""
        for leg in legs:
            if leg is not None and leg.node is not None and not _on(line, leg.node):
                self.pushing.drop(leg.node, line.symbol)


def _same(leg: Leg | None, legs: Sequence[Leg]) -> Leg | None:
    """The leg as it stands on a route now; None if it does not stand there."""
    return legs[legs.index(leg)] if leg in legs else None


def _on(line: Line, node: Node) -> bool:
    """True if a line is to be pushed by a node."""
    return any(leg is not None and leg.node is node for leg in (line.leg, line.trial))
