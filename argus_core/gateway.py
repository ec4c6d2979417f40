"""The one object that everybody uses: ``async with Gateway.from_toml(path) as argus``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import polars as pl

from argus_core.assembly import Parts
from argus_core.checks import Check, check
from argus_core.clock import Clock
from argus_core.config import Config
from argus_core.control.control import Control
from argus_core.control.overlay import Report
from argus_core.control.pools import Pools
from argus_core.control.routes import RouteDesk
from argus_core.control.sources import Switches
from argus_core.errors import (
    BadCredentials,
    ConfigError,
    NotOffered,
)
from argus_core.extend.authenticator import Authenticator, Presented, Principal
from argus_core.keeping import Keeping
from argus_core.lookups import Lookups, Offers
from argus_core.market import calendar
from argus_core.market.ranges import bounds
from argus_core.model.answer import Answer
from argus_core.model.ask import Ask, Deadline
from argus_core.model.period import Period
from argus_core.model.query import (
    ChartPanelsQuery,
    DepthQuery,
    HistoryQuery,
    InstrumentsQuery,
    ListingsQuery,
    MainContractsQuery,
    Query,
    QuotesQuery,
    TicksQuery,
)
from argus_core.model.records import Depth, Instrument, Quote, TradingDays
from argus_core.model.request import refuse_loop, requesting
from argus_core.model.symbol import Exchange, Symbol
from argus_core.outcomes import Outcomes, identified
from argus_core.quality.desk import Quality
from argus_core.renames import Renames
from argus_core.routing.router import Router
from argus_core.routing.status import SourceStatus, status_of
from argus_core.series import Series
from argus_core.streaming.desk import Streaming
from argus_core.tables import HistoryTable
from argus_core.telemetry.redact import Redactor
from argus_core.warmup.run import Warmup

SNAPSHOT = 3.0
"""Seconds that the first answer about a symbol may take to whom it is streamed."""
SNAPSHOT_LEVELS = 5


class Gateway:
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
        self.clock = clock or Clock()
        self.offline = offline
        random = random or Random()
        self.control = Control(config, clock=self.clock, random=random, offline=offline)
        self._redactor = self.control.redactor
        self.id = uuid4().hex
        self._router = Router(
            self._parts.routes,
            clock=self.clock,
            redactor=self._redactor,
            gateway=self.id,
            merits=self._parts.merits,
        )
        self._kept = Keeping(
            config, self._parts, self._router, clock=self.clock, random=random, offline=offline
        )
        self.control.attach(self._router, self._reconfigured)
        self._answers = self._kept.answers
        self._series = Series(self._kept.past, self._parts.nodes.values(), self.clock)
        self._outcomes = Outcomes(self._answers)
        self._lookups = Lookups(self._answers, self.clock, offline=offline)
        self._offers = Offers()
        self._renames = Renames(self._answers, self.clock)
        self.quality = Quality(
            self._parts.nodes,
            renames=self._renames,
            clock=self.clock,
            redactor=self._redactor,
            archive=self._kept.archive,
        )
        self.cache = self._kept.desk
        self.pools = Pools(self.control, self._kept.checks)
        self.routes = RouteDesk(self.control)
        self.switches = Switches(self.control)
        self.warmup = Warmup(
            self,
            nodes=self._parts.nodes.values(),
            table=config.warmup,
            rules=self._kept.rules,
            clock=self.clock,
            most_asked=self._kept.asked.most_asked,
            settle_hours=(config.history or HistoryTable()).settle_hours,
            lasting=self._kept.lasting,
        )
        self.streaming = Streaming(
            self._parts.routes,
            self._router,
            self._look,
            clock=self.clock,
            table=config.stream,
            gateway=self.id,
            replaying=self._replaying,
            history=self.history,
        )
        self._entered = False
        self.started: datetime | None = None

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
        if self._entered:
            raise RuntimeError("this gateway is open already; make another one to have two")
        self._entered = True
        self.started = self.clock.now()
        try:
            await self.control.restore()
            for level in self._kept.levels:
                await self.control.opened.open(level.cache)
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

    # -- questions ----------------------------------------------------------------------------

    async def fetch(self, query: Query, ask: Ask) -> Answer[Any]:
        """Raw canonical values of one dataset; keys that no source has are left out."""
        try:
            return await self._answers.fetch(query, ask)
        except NotOffered as error:
            raise await self._offers.refusal(query.dataset, error) from None

    async def raw(self, query: Query, ask: Ask, via: tuple[str, ...] = ()) -> Answer[Any]:
        """What :meth:`fetch` answers, bars and factors out of the archive where it holds them.

        ``via`` are the ids of the gateways through which the question has come, the first asker
        first. Raises :class:`Loop` if this one is among them.
        """
        refuse_loop(self.id, via)
        # Only who asks gateways himself must tell apart whose question he joins: see Errand.
        relays = any(node.source.relays for node in self._parts.nodes.values())
        with requesting(via=via if relays else ()):
            try:
                return await self._kept.past.fetch(query, ask)
            except NotOffered as error:
                raise await self._offers.refusal(query.dataset, error) from None

    async def quotes(self, symbols: tuple[Symbol, ...], ask: Ask) -> Answer[Quote]:
        """The latest quote of each symbol; a renamed one comes under its present code."""
        symbols = await self._renames.current(symbols, ask)
        answer = await self.fetch(QuotesQuery(symbols=symbols), ask)
        return await self._outcomes.settle(symbols, answer, ask)

    async def depth(self, symbols: tuple[Symbol, ...], levels: int, ask: Ask) -> Answer[Depth]:
        """Quote, order book and trades of each symbol; fewer levels where the source has fewer."""
        symbols = await self._renames.current(symbols, ask)
        answer = await self.fetch(DepthQuery(symbols=symbols, levels=levels), ask)
        return await self._outcomes.settle(symbols, answer, ask)

    async def history(self, query: HistoryQuery, ask: Ask) -> Answer[pl.DataFrame]:
        """One frame of bars a symbol, ascending; a known symbol without rows has none in it.

        Columns: ``date`` (and before it ``time``, the bar's end, for intraday periods), open,
        high, low, close, volume, turnover, change, change_pct, final.
        """
        query = replace(query, symbols=await self._renames.current(query.symbols, ask))
        try:
            answer = await self._series.history(query, ask)
        except NotOffered as error:
            raise await self._offers.refusal("bars", error) from None
        return await self._outcomes.settle(query.symbols, answer, ask, self._series.empty(query))

    async def instruments(self, symbols: tuple[Symbol, ...], ask: Ask) -> Answer[Instrument]:
        """What each symbol is."""
        symbols = await self._renames.current(symbols, ask)
        answer = await self.fetch(InstrumentsQuery(symbols=symbols), ask)
        return identified(symbols, answer)

    async def ticks(
        self, symbols: tuple[Symbol, ...], start: date, end: date, ask: Ask
    ) -> Answer[pl.DataFrame]:
        """One frame of past snapshots a symbol, ascending, over whole trading dates.

        Columns: time, date, price, open, high, low, prev_close, volume, turnover (both since the
        day began), open_interest, and ``bid_price1`` … ``ask_volume5``.
        """
        since, until = bounds(start, end, nightly=any(s.exchange.trades_futures for s in symbols))
        query = TicksQuery(symbols=symbols, start=start, end=end, since=since, until=until)
        return await self._outcomes.settle(symbols, await self.fetch(query, ask), ask)

    async def main_contracts(
        self, symbols: tuple[Symbol, ...], day: date, ask: Ask
    ) -> Answer[Symbol]:
        """The contract that each main continuous series (``rb88.SHFE``) follows on ``day``."""
        return await self.fetch(MainContractsQuery(symbols=symbols, day=day), ask)

    async def chart_panel(
        self, symbols: tuple[Symbol, ...], period: Period, ask: Ask
    ) -> Answer[str]:
        """The name of a panel with a chart of each symbol, drawn on a client's screen."""
        query = ChartPanelsQuery(panels=(f"argus-{ask.trace_id}",), symbols=symbols, period=period)
        answer: Answer[str] = await self.fetch(query, ask)
        if not answer.data:
            raise await self._offers.refusal(query.dataset, NotOffered("no source drew the panel"))
        return answer

    async def trading_days(
        self, exchanges: tuple[Exchange, ...], start: date, end: date, ask: Ask
    ) -> Answer[TradingDays]:
        """The trading dates of each exchange, from the sources first, else from the offline one.

        Raises :class:`BeyondHorizon` if neither knows the whole range.
        """
        return await self._lookups.trading_days(exchanges, start, end, ask)

    async def sector(self, name: str, ask: Ask) -> Answer[tuple[Symbol, ...]]:
        """The members of a sector: the vendor's own, else derived from the instrument table."""
        try:
            return await self._lookups.sector(name, ask)
        except NotOffered as error:
            raise await self._offers.refusal(ListingsQuery.dataset, error) from None

    async def _look(self, dataset: str, symbols: tuple[Symbol, ...]) -> Answer[Any]:
        """What is known of symbols that somebody is about to listen to."""
        ask = Ask(deadline=Deadline.within(SNAPSHOT, self.clock))
        if dataset == DepthQuery.dataset:
            return await self.depth(symbols, SNAPSHOT_LEVELS, ask)
        return await self.quotes(symbols, ask)

    def _replaying(self, source: str) -> Mapping[str, Any] | None:
        node = self._parts.nodes.get(source)
        return None if node is None else node.source.replaying

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
        return await check(self._parts, clock=self.clock, redactor=self._redactor)

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
