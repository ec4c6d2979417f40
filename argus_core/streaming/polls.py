"""What no source pushes is asked for again and again, many symbols in one question."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from argus_core.clock import Clock
from argus_core.market.hours import moving
from argus_core.model.answer import Found
from argus_core.model.records import Depth, Quote
from argus_core.streaming.asking import Asking, carrier_of
from argus_core.streaming.lines import Leg, Line
from argus_core.streaming.pushing import Taker, tell
from argus_core.streaming.supply import Supplier

log = logging.getLogger(__name__)

FAILED = 2
"""Questions in a row without an answer after which a leg has failed for a symbol."""
LEAST = 0.1
"""Seconds between two rounds at least, however long one takes."""


class Polls:
    """Asks pools for what they do not push, inside sessions, and once outside of them."""

    def __init__(
        self, supplier: Supplier, asking: Asking, *, clock: Clock, taker: Taker, interval: float
    ) -> None:
        self.rounds = 0
        """Rounds of asking so far."""
        self._supplier = supplier
        self._asking = asking
        self._clock = clock
        self._taker = taker
        self._interval = interval

    async def run(self) -> None:
        """Ask round by round, until cancelled."""
        while True:
            began = self._clock.monotonic()
            try:
                await self.polled()
            except Exception:
                log.exception("a round of asking for the stream broke off")
            spent = self._clock.monotonic() - began
            await asyncio.sleep(max(self._interval - spent, LEAST))

    async def polled(self) -> None:
        """Ask once for every line that is not pushed and whose market moves, or that is new."""
        groups: dict[frozenset[str], list[Line]] = {}
        for line in self._supplier.lines.values():
            for leg in (line.leg, line.trial):
                if leg is not None and leg.mode == "poll" and self._due(line, leg):
                    groups.setdefault(leg.members, []).append(line)
        if groups:
            self.rounds += 1
            await asyncio.gather(*(self._ask(own, only) for only, own in groups.items()))

    def _due(self, line: Line, leg: Leg) -> bool:
        return line.fresh or leg is line.trial or moving(line.symbol, leg.now(self._clock))

    async def _ask(self, lines: Sequence[Line], only: frozenset[str]) -> None:
        deep = [line.symbol for line in lines if self._taker.with_book(line)]
        found = dict((await self._asking.books(deep, only)).values)
        rest = [line.symbol for line in lines if line.symbol not in found]
        found.update((await self._asking.quotes(rest, only)).values)
        silent = [line for line in lines if not self._taken(line, only, found.get(line.symbol))]
        if silent:
            self._supplier.rearrange(silent, f"{', '.join(sorted(only))} has nothing new to tell")

    def _taken(self, line: Line, only: frozenset[str], item: Found | None) -> bool:
        """As :meth:`_answered`; one that cannot be taken keeps nothing from the others."""
        try:
            return self._answered(line, only, item)
        except Exception:
            log.exception("what was asked of %s was not taken", line.symbol)
            return True

    def _answered(self, line: Line, only: frozenset[str], item: Found | None) -> bool:
        """Take what an answer says of a line; false if it has said nothing too often."""
        value = None if item is None else _without_trades(item.value)
        if line.trial is not None and line.trial.mode == "poll" and line.trial.members == only:
            if value is None or self._taker.older(line, value):
                self._supplier.failed_trial(line)
                return True
            self._supplier.takes_over(line)
        if line.leg is None or line.leg.mode != "poll" or line.leg.members != only:
            return True  # another leg has taken over meanwhile, or nobody wants it any more
        if item is not None and value is not None:
            carrier = carrier_of(item)
            if not self._taker.older(line, value):
                tell(self._taker, [line])
            if self._taker.brought(line, value, carrier, item.fetched_at):
                line.spoke(self._clock.monotonic())
                return True
        line.faults += 1
        return line.faults < FAILED


def _without_trades(value: Depth | Quote) -> Depth | Quote:
    """A value without its trades, which are the last ones, not those that are new."""
    return replace(value, trades=None) if isinstance(value, Depth) else value
