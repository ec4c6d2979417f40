"""The one object that everybody uses: ``async with Gateway.from_toml(path) as argus``."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import polars as pl

from argus_core.answers.answers import OFFLINE as OFFLINE_ANSWER
from argus_core.assembly import assemble
from argus_core.checks import Check, check
from argus_core.clock import Clock
from argus_core.config import Config
from argus_core.errors import (
    ArgusError,
    BadCredentials,
    BadParameter,
    ConfigError,
    NotOffered,
    PluginError,
)
from argus_core.extend.authenticator import Authenticator, Presented, Principal
from argus_core.keeping import Keeping
from argus_core.market import calendar, sectors
from argus_core.market.ranges import bounds
from argus_core.model.answer import Answer, Provenance
from argus_core.model.ask import Ask
from argus_core.model.period import Period
from argus_core.model.query import (
    CalendarQuery,
    ChartPanelsQuery,
    DepthQuery,
    HistoryQuery,
    InstrumentsQuery,
    ListingsQuery,
    MainContractsQuery,
    Query,
    QuotesQuery,
    SectorsQuery,
    TicksQuery,
)
from argus_core.model.records import Depth, Instrument, Quote, TradingDays
from argus_core.model.symbol import Exchange, Symbol
from argus_core.outcomes import Outcomes, identified
from argus_core.plugins import offering
from argus_core.quality.desk import Quality
from argus_core.renames import Renames
from argus_core.routing.router import Router
from argus_core.routing.status import SourceStatus, status_of
from argus_core.series import Series
from argus_core.tables import HistoryTable
from argus_core.telemetry.redact import Redactor
from argus_core.warmup.run import Warmup

log = logging.getLogger("argus")

OFFLINE_CALENDAR = "exchange_calendars"
"""What answers name as the source of trading dates that no configured source knew."""
OFFLINE = "this gateway is offline"
"""Why no source of an offline gateway is asked."""
OPENING = 60.0
"""Seconds that a source may take to open."""
MEND = "mend the cause, or set `required = false` to start without it"
"""What to do about a source that does not open and does not say so itself."""


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
        self._parts = assemble(config, clock=self.clock, random=random)
        self._redactor = Redactor(self._parts.secrets)
        self._router = Router(self._parts.routes, clock=self.clock, redactor=self._redactor)
        self._kept = Keeping(
            config, self._parts, self._router, clock=self.clock, random=random, offline=offline
        )
        self._answers = self._kept.answers
        self._series = Series(self._kept.past, self._parts.nodes.values(), self.clock)
        self._outcomes = Outcomes(self._answers)
        self._renames = Renames(self._answers, self.clock)
        self.quality = Quality(
            self._parts.nodes,
            renames=self._renames,
            clock=self.clock,
            redactor=self._redactor,
            archive=self._kept.archive,
        )
        self.cache = self._kept.desk
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
        self._opened: list[Any] = []
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
            for level in self._kept.levels:
                self._opened.append(level.cache)
                await level.cache.open()
            await self._kept.open()
            # Building the offline calendar takes a second, which no request should wait for; it
            # changes the process' warning filters for that second, so no thread may do it.
            calendar.preload()
            opening = [self._open(name) for name in self._parts.nodes]
            # All of them end, well or badly, before anything is closed again.
            ended = await asyncio.gather(*opening, return_exceptions=True)
            for failure in filter(None, ended):
                raise failure  # noqa: TRY301 - so that what did open is closed below
            warms = self.config.warmup is not None and not self.offline
            self._kept.start(*([self.warmup.daily(self._kept.claim)] if warms else []))
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

    async def _open(self, name: str) -> None:
        node = self._parts.nodes[name]
        if self.offline:
            node.down = OFFLINE
        if node.down is not None:
            return
        self._opened.append(node.source)
        try:
            async with asyncio.timeout(OPENING):
                await node.source.open()
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            # A source that failed to open says why in its own words, which may hold a secret.
            reason, fix = f"{type(error).__name__}: {error}", ""
            if isinstance(error, ConfigError):
                reason, fix = error.message, self._redactor.text(error.fix)
            reason = self._redactor.foreign(reason)
            if self.config.sources[name].required:
                raise PluginError(
                    f"source {name!r} cannot start: {reason}",
                    where=f"{self.config.where}, [sources.{name}]",
                    fix=fix or MEND,
                ) from None
            node.down = reason
            self._parts.alerts.tell(name, "down", reason)

    async def _close(self) -> None:
        await self._kept.aclose()
        await self._parts.alerts.aclose()
        while self._opened:
            part = self._opened.pop()
            try:
                await part.close()
            except Exception as error:  # noqa: BLE001 - the others must still be closed
                log.warning("%s did not close: %s", part.name, type(error).__name__)
        self._entered = False

    # -- questions ----------------------------------------------------------------------------

    async def fetch(self, query: Query, ask: Ask) -> Answer[Any]:
        """Raw canonical values of one dataset; keys that no source has are left out."""
        try:
            return await self._answers.fetch(query, ask)
        except NotOffered as error:
            raise self._not_offered(query.dataset, error) from None

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
            raise self._not_offered("bars", error) from None
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
            raise self._not_offered(query.dataset, NotOffered("no source drew the panel"))
        return answer

    async def trading_days(
        self, exchanges: tuple[Exchange, ...], start: date, end: date, ask: Ask
    ) -> Answer[TradingDays]:
        """The trading dates of each exchange, from the sources first, else from the offline one.

        Raises :class:`BeyondHorizon` if neither knows the whole range.
        """
        query = CalendarQuery(exchanges=exchanges, start=start, end=end)
        answer: Answer[Any] = Answer(data={}, errors={}, provenance={})
        try:
            answer = await self._answers.fetch(query, ask)
        except ArgusError as error:
            log.debug("no source answered calendar: %s", error.code)
        missing = [exchange for exchange in exchanges if exchange not in answer.data]
        if not missing:
            return answer
        now = self.clock.now()
        dates = await asyncio.to_thread(calendar.session_dates, start, end)
        days = TradingDays(dates=dates, known_through=calendar.horizon())
        reason = OFFLINE_ANSWER if self.offline else None
        origin = Provenance(source=OFFLINE_CALENDAR, fetched_at=now, fresh_until=now, reason=reason)
        return replace(
            answer,
            data={**answer.data, **dict.fromkeys(missing, days)},
            errors={},
            provenance={**answer.provenance, **dict.fromkeys(missing, origin)},
        )

    async def sector(self, name: str, ask: Ask) -> Answer[tuple[Symbol, ...]]:
        """The members of a sector: the vendor's own, else derived from the instrument table."""
        try:
            answer = await self._answers.fetch(SectorsQuery(sectors=(name,)), ask)
        except ArgusError as error:
            log.debug("no source answered sectors: %s", error.code)
        else:
            if name in answer.data:
                return answer
        sector = sectors.SECTORS.get(name)
        if sector is None:
            raise BadParameter(
                f"sector {name!r} is not known; canonical sectors: " + ", ".join(sectors.SECTORS)
            )
        tables = await self.fetch(ListingsQuery(exchanges=sector.exchanges), ask)
        lost = [exchange for exchange in sector.exchanges if exchange not in tables.data]
        if lost:
            raise NotOffered(f"no source has the instrument table of {', '.join(lost)}")
        listings = {Exchange(key): rows for key, rows in tables.data.items()}
        members = sectors.members(name, listings, today=self.clock.now().date())
        origin = next(iter(tables.provenance.values()))
        return Answer(
            data={name: members}, errors={}, provenance={name: origin}, traces=tables.traces
        )

    # -- operation ----------------------------------------------------------------------------

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
        words = {"up": "healthy", "down": "down"}
        return {status.name: words.get(status.state, "degraded") for status in self.sources()}

    def _not_offered(self, dataset: str, error: NotOffered) -> NotOffered:
        """The same refusal with the names of the installed plugins that offer the dataset."""
        told: dict[str, Any] = error.details or {}
        wanted = str(told.get("dataset", dataset))
        details = {"dataset": wanted, "offered_by": list(offering(wanted))}
        return NotOffered(error.message, details=details)
