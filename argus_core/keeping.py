"""Everything that Argus keeps: cache tiers, the archive, and the chores about them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Sequence
from random import Random
from typing import Any
from uuid import uuid4

from argus_core.answers import Answers
from argus_core.assembly import Parts
from argus_core.caching.accesses import Accesses
from argus_core.caching.asked import FILE, Asked, Tally
from argus_core.caching.desk import CacheDesk
from argus_core.caching.freshness import Freshness
from argus_core.caching.level import Level
from argus_core.caching.rules import Rules
from argus_core.clock import Clock
from argus_core.config import Config
from argus_core.errors import ArgusError, CacheError, ConfigError
from argus_core.folders import archive_folder, open_archive
from argus_core.history.archive import Archive
from argus_core.market.hours import moving
from argus_core.model.symbol import Symbol
from argus_core.past.past import Past
from argus_core.quality.trusted import TrustedTiers
from argus_core.routing.health.checks import Checks
from argus_core.routing.router import Router
from argus_core.tables import HistoryTable

log = logging.getLogger(__name__)

VERIFIED_AT_ONCE = 20
"""Stretches of the archive that are fetched once more at a time."""
VERIFYING = 60.0
"""Seconds between two looks for something to verify."""
PURGING = 600.0
"""Seconds between two removals of what has expired."""
_A_SHARE = Symbol("600519.SH")
"""Whose hours say when the market is quiet."""


class Keeping:
    """The tiers and the archive of one gateway, and the answers that go through them."""

    def __init__(
        self,
        config: Config,
        parts: Parts,
        router: Router,
        *,
        clock: Clock,
        random: Random,
        offline: bool,
    ) -> None:
        table = config.history or HistoryTable()
        self.rules = Rules(config.cache_rules)
        self.levels = _on_disk(parts.levels, config) if offline else parts.levels
        accesses = Accesses(clock)
        self.tiers = TrustedTiers(
            self.levels,
            clock,
            parts.nodes,
            router.ranked,
            rules=self.rules,
            freshness=Freshness(self.rules, random, table.settle_hours),
            accesses=accesses,
        )
        self.answers = Answers(router, self.tiers, clock, random=random, offline=offline)
        self._folder = archive_folder(config)
        self.archive = Archive(self._folder.path, clock) if self._folder else None
        self.past: Past | Answers = self.answers
        if self.archive is not None:
            self.past = Past(
                self.answers,
                self.tiers,
                router,
                self.archive,
                clock=clock,
                table=table,
                offline=offline,
            )
        self.asked = Asked(config.state_dir / FILE)
        self._tally = Tally(accesses, self.asked)
        self.desk = CacheDesk(
            self.tiers,
            accesses,
            clock=clock,
            archive=self.archive,
            flights=lambda: self.answers.flights,
            settle_hours=table.settle_hours,
        )
        self._clock = clock
        self._verifies = table.verify and not offline
        self.checks = Checks(
            parts.nodes.values, interval=parts.routes.check_interval, clock=clock, random=random
        )
        self._watches = not offline
        self._me = uuid4().hex
        self._chores: list[asyncio.Task[None]] = []

    def reconfigured(self, config: Config) -> None:
        """Go by another configuration: other rules, other routes."""
        self.rules.reconfigure(config.cache_rules)
        self.tiers.rerouted()

    @property
    def lasting(self) -> tuple[str, ...]:
        """What outlives this process: the tiers that are on disk or elsewhere, the archive."""
        names = [level.name for level in self.levels if not level.instant]
        return (*names, *(["history"] if self.archive is not None else []))

    async def open(self) -> None:
        """Return when the archive can be used; the caches are opened apart.

        Raises :class:`ConfigError` if it cannot be kept where plugins.toml says.
        """
        if self.archive is not None and self._folder is not None:
            await asyncio.to_thread(open_archive, self.archive, self._folder)

    def start(self, *chores: Coroutine[Any, Any, None]) -> None:
        """Begin what goes on beside the answers; everything is open."""
        self.tiers.start()
        self._tally.start()
        loop = asyncio.get_running_loop()
        self._chores = [loop.create_task(chore) for chore in (*chores, self._purge())]
        if self._watches:
            self._chores.append(loop.create_task(self.checks.run()))
        if isinstance(self.past, Past) and self._verifies:
            self._chores.append(loop.create_task(self._verify(self.past)))

    async def claim(self, name: str, seconds: float) -> bool:
        """True if this process may do what ``name`` says, alone among those that share a tier."""
        lender = self.tiers.lender
        if lender is None:
            return True
        holders = await lender.cache.lease([name], self._me, seconds)
        return holders[name] == self._me

    async def aclose(self) -> None:
        """End what is under way and write what is still to be written."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        self._chores = []
        if isinstance(self.past, Past):
            await self.past.aclose()
        await self.answers.aclose()
        await self.tiers.aclose()
        await self._tally.aclose()
        if self.archive is not None:
            await asyncio.to_thread(self.archive.close)

    async def _purge(self) -> None:
        """Give back, now and then, the room of what has expired and nobody asks for."""
        while True:
            await asyncio.sleep(PURGING)
            await _survived(self.tiers.purge())

    async def _verify(self, past: Past) -> None:
        """Look for late corrections while the market rests and vendors have time."""
        while True:
            await asyncio.sleep(VERIFYING)
            if moving(_A_SHARE, self._clock.now()):
                continue
            await _survived(past.verify(VERIFIED_AT_ONCE))


async def _survived(chore: Awaitable[object]) -> None:
    """Do a chore that is done again later, whatever becomes of it now."""
    try:
        await chore
    except CacheError as error:
        log.warning("what is kept cannot be looked after: %s", error.message)
    except ArgusError as error:
        log.info("what is kept cannot be looked after now: %s", error.code)
    except Exception:
        log.exception("a chore about what is kept broke off")


def _on_disk(levels: Sequence[Level], config: Config) -> tuple[Level, ...]:
    """The tiers that an offline gateway answers from."""
    kept = tuple(level for level in levels if level.cache.persistent)
    if not kept and config.history is None:
        raise ConfigError(
            "nothing is kept on disk that could be served offline",
            where=f"{config.where}, [caches] and [history]",
            fix='add a table such as [caches.l3] with plugin = "sqlite", and fill it while online',
        )
    return kept
