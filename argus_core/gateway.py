"""The one object that everybody uses: ``async with Gateway.from_toml(path) as argus``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from argus_core.assembly import Parts
from argus_core.checks import Check, check
from argus_core.clock import Clock
from argus_core.config import Config
from argus_core.control.control import Control
from argus_core.control.overlay import Report
from argus_core.control.pools import Pools
from argus_core.control.routes import RouteDesk
from argus_core.control.sources import Switches
from argus_core.errors import BadCredentials, ConfigError
from argus_core.extend.authenticator import Authenticator, Presented, Principal
from argus_core.extend.cache import Cache
from argus_core.folders import state_folder
from argus_core.keeping import Keeping
from argus_core.market import calendar
from argus_core.model.answer import Answer
from argus_core.model.ask import Ask, Deadline
from argus_core.model.query import DepthQuery
from argus_core.model.symbol import Symbol
from argus_core.quality.desk import Quality
from argus_core.questions import Questions
from argus_core.routing.router import Router
from argus_core.routing.status import SourceStatus, status_of
from argus_core.streaming.desk import Streaming
from argus_core.tables import HistoryTable
from argus_core.telemetry.redact import Redactor
from argus_core.warmup.run import Warmup

SNAPSHOT = 3.0
"""Seconds that the first answer about a symbol may take to whom it is streamed."""
SNAPSHOT_LEVELS = 5


class Gateway(Questions):
    """A configured Argus. Two gateways in one process share nothing.

    Use it as an async context manager: sources and caches are opened on entry and closed, in
    reverse order, on exit. Questions raise the errors of :mod:`argus_core.errors`.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        offline: bool = False,
    ) -> None:
        self.config = config
        clock, random, gateway = clock or Clock(), random or Random(), uuid4().hex
        self.control = Control(config, clock=clock, random=random, offline=offline)
        self._redactor = self.control.redactor
        self._router = Router(
            self._parts.routes,
            clock=clock,
            redactor=self._redactor,
            gateway=gateway,
            merits=self._parts.merits,
        )
        self._kept = Keeping(
            config, self._parts, self._router, clock=clock, random=random, offline=offline
        )
        nodes = self._parts.nodes.values()
        told_offline = offline or config.offline
        super().__init__(self._kept, nodes, gateway=gateway, clock=clock, offline=told_offline)
        self.control.attach(self._router, self._reconfigured)
        self.quality = Quality(
            self._parts.nodes,
            renames=self._renames,
            clock=clock,
            redactor=self._redactor,
            archive=self._kept.archive,
        )
        self.cache = self._kept.desk
        self.pools = Pools(self.control, self._kept.checks)
        self.routes = RouteDesk(self.control)
        self.switches = Switches(self.control)
        self.warmup = self._warmed(config)
        self.streaming = Streaming(
            self._parts.routes,
            self._router,
            self._look,
            clock=clock,
            table=config.stream,
            gateway=gateway,
            history=self.history,
        )
        self._entered = False
        self.started: datetime | None = None

    def _warmed(self, config: Config) -> Warmup:
        return Warmup(
            self,
            nodes=self._parts.nodes.values(),
            table=config.warmup,
            rules=self._kept.rules,
            clock=self.clock,
            most_asked=self._kept.asked.most_asked,
            settle_hours=(config.history or HistoryTable()).settle_hours,
            lasting=self._kept.lasting,
        )

    @classmethod
    def from_toml(
        cls, path: str | Path, environ: Mapping[str, str] = os.environ, *, offline: bool = False
    ) -> Gateway:
        """The gateway that a plugins.toml describes; :class:`ConfigError` if it cannot be.

        An ``offline`` one opens no source: it answers from what lies on this machine's disk.
        """
        return cls(Config.load(Path(path), environ), offline=offline)

    # -- life ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if not self._parts.nodes:
            raise ConfigError(
                "no source is configured",
                where=f"{self.config.where}, [sources]",
                fix='add a table such as [sources.demo] with plugin = "demo"; see `argus plugins`',
            )
        state = state_folder(self.config)
        if state is not None and (lost := state.lost()):
            raise lost
        if self._entered:
            raise RuntimeError("this gateway is open already; make another one to have two")
        self._entered = True
        self.started = self.clock.now()
        try:
            await self.control.restore()
            for level in self._kept.levels:
                await self.control.opened.open(level.cache, self.config)
            await self._kept.open()
            # Building the offline calendar takes a second, which no request should wait for; it
            # changes the process' warning filters for that second, so no thread may do it.
            calendar.preload()
            await self.control.open()
            warms = self.config.warmup is not None and not self.offline
            daily = [self.warmup.daily(self._kept.claim)] if warms else []
            self._kept.start(self.control.watch(), self.streaming.run(), *daily)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        try:
            await self._kept.aclose()
        finally:  # a disk that takes no more must not leave sessions with vendors open
            try:
                await self._parts.alerts.aclose()
            finally:
                await self.control.aclose()
                self._entered = False

    # -- streaming ----------------------------------------------------------------------------

    async def _look(self, dataset: str, symbols: tuple[Symbol, ...]) -> Answer[Any]:
        """What is known of symbols that somebody is about to listen to.

        He may come from where they told him more than a cache knows, and must not go back in time.
        """
        ask = Ask(deadline=Deadline.within(SNAPSHOT, self.clock), anew=True)
        if dataset == DepthQuery.dataset:
            return await self.depth(symbols, SNAPSHOT_LEVELS, ask)
        return await self.quotes(symbols, ask)

    # -- operation ----------------------------------------------------------------------------

    async def reload(self, config: Config) -> Report:
        """Put another configuration into force between two requests, and tell what it changed.

        Raises :class:`ConfigError` if it cannot be; then the present one goes on untouched.
        """
        report = await self.control.reload(config)
        self.config = self.control.file
        return report

    async def reload_from_file(self) -> Report:
        """The same with the file that this gateway was made from, read anew."""
        return await self.reload(await asyncio.to_thread(self.config.again))

    def _reconfigured(self, config: Config) -> None:
        """Let everybody go by what has come into force."""
        self._kept.reconfigured(config)
        self.streaming.rerouted()

    @property
    def _parts(self) -> Parts:
        return self.control.parts

    @property
    def carrier(self) -> Cache | None:
        """The tier over which this gateway tells others what is pushed; None: there is none."""
        return self._parts.carrier

    @property
    def authenticators(self) -> tuple[Authenticator, ...]:
        """The authenticators in the order in which they judge."""
        return self._parts.authenticators

    @property
    def redactor(self) -> Redactor:
        """Masks this gateway's secrets; also a filter for log handlers."""
        return self._redactor

    async def authenticate(self, presented: Presented) -> Principal:
        """Who asks; :class:`BadCredentials` if nobody vouches for what is presented."""
        for authenticator in self._parts.authenticators:
            principal = await authenticator.authenticate(presented)
            if principal is not None:
                return principal
        raise BadCredentials("credentials are missing or not valid")

    async def check(self) -> list[Check]:
        """A verdict on every part, found by opening and asking it; the gateway must be closed."""
        return await check(self._parts, self.config, clock=self.clock, redactor=self._redactor)

    def sources(self) -> tuple[SourceStatus, ...]:
        """Every enabled source as it stands now."""
        routes = list(self._parts.routes.every())
        return tuple(
            status_of(
                node,
                distribution=self._parts.plugins.distribution(node.plugin),
                routes=routes,
                clock=self.clock,
                redactor=self._redactor,
            )
            for node in self._parts.nodes.values()
        )

    def health(self) -> dict[str, str]:
        """Each source's name with healthy, degraded (cooling down, in quarantine) or down."""
        words = {"up": "healthy", "down": "down", "off": "down"}
        return {status.name: words.get(status.state, "degraded") for status in self.sources()}
