"""What nodes push: asked for, taken in, read, and handed on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from argus_core.clock import Clock
from argus_core.extend.relay import RelayedPush
from argus_core.model.records import Depth, Gap, Quote
from argus_core.model.symbol import Symbol
from argus_core.routing.node import Node
from argus_core.streaming.doors import Door, Via
from argus_core.streaming.lines import Line
from argus_core.streaming.reading import instant_of, symbol_of
from argus_core.streaming.topics import Carrier

log = logging.getLogger(__name__)

FAULTS = 3
"""Impossible books in a row after which a leg has failed for a symbol."""


class Taker(Protocol):
    """Who takes what is brought."""

    def brought(
        self,
        line: Line,
        value: Depth | Quote,
        carrier: Carrier,
        at: datetime,
        *,
        stale: bool = False,
    ) -> bool:
        """Told a canonical book, or a quote where there are no books; false if it is old."""
        ...

    def older(self, line: Line, value: Depth | Quote) -> bool:
        """True if a value is older than what is known."""
        ...

    def differs(self, line: Line, value: Depth | Quote) -> bool:
        """True if a value says another price than what is known."""
        ...

    def with_book(self, line: Line) -> bool:
        """True if somebody listens to the line's book, or may come back to it."""
        ...

    def switched(self, lines: Sequence[Line], reason: str) -> None:
        """Told that these lines have another leg now, or none, and why."""
        ...

    def gap(self, symbols: Sequence[Symbol], gap: Gap) -> None:
        """Told that something may be missing."""
        ...

    def caught_up(self) -> None:
        """Told that everything that was pushed until now has been brought."""
        ...


class Bearer(Protocol):
    """Who knows the lines, and by which leg each is brought."""

    lines: dict[Symbol, Line]

    def rearrange(self, lines: Iterable[Line], reason: str) -> None:
        """Let these lines be brought by another leg: the present one has failed."""
        ...

    def takes_over(self, line: Line) -> None:
        """Let the leg on trial bring a line."""
        ...

    def failed_trial(self, line: Line) -> None:
        """Leave a line at the present leg: the better one is none just now."""
        ...


class Pushing:
    """The nodes that push, and what each of them is to push."""

    def __init__(self, bearer: Bearer, *, clock: Clock, taker: Taker, via: Via) -> None:
        self._bearer = bearer
        self._clock = clock
        self._taker = taker
        self._via = via
        self._doors: dict[Node, Door] = {}

    def want(self, node: Node, symbol: Symbol) -> None:
        """Have a node push a symbol."""
        door = self._doors.get(node)
        if door is None:
            door = self._doors[node] = Door(
                node,
                pushed=self._pushed,
                overflown=self._overflown,
                accepted=self._accepted,
                refused=self._refused,
                via=self._via,
            )
        door.want(symbol)

    def drop(self, node: Node, symbol: Symbol) -> None:
        """Have a node push a symbol no more."""
        if (door := self._doors.get(node)) is not None:
            door.drop(symbol)

    @property
    def load(self) -> dict[str, int]:
        """How many symbols each node is to push."""
        return {door.node.name: door.load for door in self._doors.values()}

    @property
    def waiting(self) -> bool:
        """True while something that was pushed waits to be taken."""
        return any(door.waiting for door in self._doors.values())

    @property
    def nodes(self) -> Mapping[Node, Door]:
        """The nodes that push, or are still being told to stop."""
        return self._doors

    def tidy(self) -> None:
        """Forget nodes that push nothing: they may be gone."""
        for node, door in list(self._doors.items()):
            door.mend()
            if door.idle:
                del self._doors[node]
                door.close()

    async def settled(self) -> None:
        """Return when each node was told what it is to push."""
        await asyncio.gather(*(door.settled() for door in self._doors.values()))

    async def aclose(self) -> None:
        """Have nothing pushed any more, and take nothing in."""
        doors = tuple(self._doors.values())
        self._doors.clear()
        await asyncio.gather(*(door.aclose() for door in doors))

    # -- what comes of it -----------------------------------------------------------------------

    def _accepted(self, door: Door, symbols: Sequence[Symbol]) -> None:
        lines = [line for s in symbols if (line := self._bearer.lines.get(s)) is not None]
        # Where nobody brought it, only what comes shows that somebody does.
        tell(self._taker, [line for line in lines if _brings(door, line) and not line.lost])

    def _refused(self, door: Door, symbols: Sequence[Symbol], why: str) -> None:
        lines = [line for s in symbols if (line := self._bearer.lines.get(s)) is not None]
        for line in lines:
            if line.trial is not None and line.trial.node is door.node:
                self._bearer.failed_trial(line)
        own = [line for line in lines if _brings(door, line)]
        if own:
            self._bearer.rearrange(own, why)

    def _pushed(self, door: Door, items: Sequence[Any]) -> None:
        now, at = self._clock.monotonic(), self._clock.now()
        for item in items:
            if isinstance(item, Gap):
                self._gap(door, item)
                continue
            symbol = symbol_of(item)
            if symbol is None:
                self._strange(door, item)
                continue
            line = self._bearer.lines.get(symbol)
            if line is None or not (_brings(door, line) or _tries(door, line)):
                continue
            try:
                self._one(door, line, item, now, at)
            except Exception:
                line.suspect = line.suspect or now  # so that it is asked for soon
                log.exception("what %s pushed of %s was not taken", door.node.name, symbol)
        if not self.waiting:
            self._taker.caught_up()

    def _one(
        self, door: Door, line: Line, item: Depth | RelayedPush, now: float, at: datetime
    ) -> None:
        value = door.reader.read(item, at, book=self._taker.with_book(line))
        if value is None:
            return
        if isinstance(value, str):
            self._fault(door, line, value)
            return
        carrier, stale = door.reader.carrier_of(item)
        if not _brings(door, line):
            if stale or self._taker.older(line, value):
                return
            self._bearer.takes_over(line)
        if _untold(line) and not (stale or self._taker.older(line, value)):
            tell(self._taker, [line])
        since = instant_of(item, at)
        if self._taker.brought(line, value, carrier, since, stale=stale):
            line.spoke(now)
        else:
            line.old += 1
            line.suspect = line.suspect or now
            if stale:  # whoever passes it on says himself that nobody brings it there
                line.old += 1

    def _fault(self, door: Door, line: Line, why: str) -> None:
        name = door.node.name
        if not _brings(door, line):
            self._bearer.failed_trial(line)
            return
        line.faults += 1
        if line.faults >= FAULTS:
            log.warning("%s pushes what cannot be true: %s", name, why)
            self._bearer.rearrange([line], f"{name} pushed what cannot be true")

    def _strange(self, door: Door, item: Any) -> None:
        door.strange += 1
        if door.strange == 1:
            log.warning("%s pushed %s: no book, no gap", door.node.name, type(item).__name__)

    def _gap(self, door: Door, gap: Gap) -> None:
        lines = self._bearer.lines
        try:
            found = [lines.get(symbol) for symbol in gap.symbols]
        except TypeError:
            self._strange(door, gap)
            return
        own = [line for line in found if line is not None and _brings(door, line)]
        now = self._clock.monotonic()
        for line in own:
            line.suspect = line.suspect or now
        if own:
            self._taker.gap([line.symbol for line in own], gap)

    def _overflown(self, door: Door, dropped: int) -> None:
        log.warning("%s pushed more than could be taken: %d dropped", door.node.name, dropped)
        reason = "more was pushed than could be taken"
        self._gap(door, Gap(symbols=door.symbols, reason=reason))


def tell(taker: Taker, lines: Iterable[Line]) -> None:
    """Tell of the legs that lines have now, if that was not told, before what these bring."""
    by_reason: dict[str, list[Line]] = {}
    for line in lines:
        if _untold(line):
            by_reason.setdefault(line.reason or "", []).append(line)
    for reason, own in by_reason.items():
        taker.switched(own, reason)


def _untold(line: Line) -> bool:
    return line.leg is not None and line.told != line.leg.key


def _brings(door: Door, line: Line) -> bool:
    return line.leg is not None and line.leg.node is door.node


def _tries(door: Door, line: Line) -> bool:
    return line.trial is not None and line.trial.node is door.node
