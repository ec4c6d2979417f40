"""Silence is looked into.

A feed that is silent may be broken, or its symbol quiet. Nobody can tell by waiting longer, so
the other sources of the route are asked once: if they know of something that happened since, the
feed is broken and the next leg takes over; if not, the symbol is quiet, and is left alone for
longer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from argus_core.clock import Clock
from argus_core.market.hours import moving
from argus_core.model.answer import Found
from argus_core.streaming.asking import Asking, carrier_of
from argus_core.streaming.lines import Line
from argus_core.streaming.pushing import Taker, tell
from argus_core.streaming.supply import Supplier

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between two looks at what is silent."""
CATCHING_UP = 6.0
"""Seconds, two snapshots of the exchanges, within which a leg says something that has just begun,
or has told of a gap."""
NEWER = timedelta(seconds=1.5)
"""By how much another source must be ahead: vendors stamp one snapshot differently."""
SINCE = timedelta(seconds=5)
"""How long after a leg was heard last something must have happened to prove that it is broken."""
LONGEST_PATIENCE = 8.0
"""How many times longer than usual a quiet symbol may be silent."""
TWICE = 2
"""Times in a row that settle what once may be chance."""
BACK = 60.0
"""Seconds between two tries to go back to a better leg."""


class Watch:
    """Finds out which feeds are silent, and looks for better legs."""

    def __init__(
        self, supplier: Supplier, asking: Asking, *, clock: Clock, taker: Taker, silence: float
    ) -> None:
        self._supplier = supplier
        self._asking = asking
        self._clock = clock
        self._taker = taker
        self._silence = silence

    async def run(self) -> None:
        """Look into silence, and for better legs, until cancelled."""
        back = self._clock.monotonic() + BACK
        while True:
            await asyncio.sleep(LOOK)
            try:
                self._supplier.retry()
                await self.looked()
                if self._clock.monotonic() >= back:
                    back = self._clock.monotonic() + BACK
                    self._supplier.better()
            except Exception:
                log.exception("a look at silent feeds broke off")

    async def looked(self) -> None:
        """Ask the route about every pushed line that is silent for too long, once."""
        suspects = self._suspects()
        if not suspects:
            return
        asked = self._clock.monotonic()
        found, failed = await self._heard(suspects)
        broken: dict[str, list[Line]] = {}
        for line in suspects:
            if line.leg is None or line.leg.mode != "push" or line.heard >= asked:
                continue  # it spoke meanwhile, or another leg has taken over
            why = self._judged(line, found.get(line.symbol), failed=line in failed)
            if why is not None:
                broken.setdefault(f"{line.leg.name} {why}", []).append(line)
        for reason, own in broken.items():
            self._supplier.rearrange(own, reason)

    def _suspects(self) -> list[Line]:
        """The pushed lines that should have said something by now.

        Where some have to be asked about, those that will be soon go along in the same question.
        """
        now = self._clock.monotonic()
        over: list[Line] = []
        soon: list[Line] = []
        for line in self._supplier.lines.values():
            leg = line.leg
            if leg is None or leg.mode != "push":
                continue
            silent, limit = now - line.heard, self._silence * line.patience
            unsure = line.suspect is not None and now - line.suspect > CATCHING_UP
            # One that missed something is asked about again when it had the time to go on.
            if not unsure and (line.missed or silent <= limit / 2):
                continue
            if not moving(line.symbol, leg.now(self._clock)):
                # Silence begins to count when the market moves again.
                line.heard = now
                line.suspect = now if line.suspect is not None else None
                continue
            (over if unsure or silent > limit else soon).append(line)
        return [*over, *soon] if over else []

    async def _heard(self, lines: Sequence[Line]) -> tuple[dict[str, Found], set[Line]]:
        """What the others say, else what they say themselves; and of whom nobody could tell.

        A source whose feed is stuck may well answer with what it pushed last.
        """
        groups: dict[frozenset[str], list[Line]] = {}
        for line, others in self._supplier.others(lines).items():
            groups.setdefault(others, []).append(line)
        found: dict[str, Found] = {}
        failed: set[Line] = set()
        for only, own in groups.items():
            heard = await self._asking.quotes([line.symbol for line in own], only)
            found.update(heard.values)
            if heard.failed:
                failed.update(own)
        left: dict[frozenset[str], list[Line]] = {}
        for line in lines:
            if line.symbol not in found and line.leg is not None:
                left.setdefault(line.leg.members, []).append(line)
        for only, own in left.items():
            heard = await self._asking.quotes([line.symbol for line in own], only)
            found.update(heard.values)
            if heard.failed:
                failed.update(own)
        return found, {line for line in failed if line.symbol not in found}

    def _judged(self, line: Line, item: Found | None, *, failed: bool) -> str | None:
        """What is wrong with the leg of a silent line; None if nothing is known to be."""
        now = self._clock.monotonic()
        silent, line.suspect = now - line.heard, None
        news = item is not None and self._news(line, item)
        line.unheard = line.unheard + failed if item is None else 0
        if item is None or not news:
            line.heard, line.missed = now, 0
            if item is not None:
                line.patience = min(line.patience * 2, LONGEST_PATIENCE)
            if line.old >= TWICE:
                return "tells what is older than what is known"
            return "is silent, and nobody can be asked" if line.unheard >= TWICE else None
        line.missed += 1
        tell(self._taker, [line])  # if it was lost until now
        self._taker.brought(line, item.value, carrier_of(item), item.fetched_at)
        heard = self._clock.now() - timedelta(seconds=silent)
        happened = item.value.as_of
        if line.missed >= TWICE or (happened is not None and happened > heard + SINCE):
            return "is silent while others have news"
        line.suspect = now  # it may have been said before this leg began
        return None

    def _news(self, line: Line, item: Found) -> bool:
        told, known = item.value.as_of, line.as_of
        if told is None or known is None:
            return self._taker.differs(line, item.value)
        return bool(told > known + NEWER)
