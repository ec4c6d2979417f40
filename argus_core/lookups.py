"""What Argus knows besides its sources: trading dates, members of sectors, who offers what."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import date
from typing import Any

from argus_core.answers.answers import OFFLINE, Answers
from argus_core.clock import Clock
from argus_core.errors import ArgusError, BadParameter, NotOffered
from argus_core.market import calendar, sectors
from argus_core.model.answer import Answer, Provenance
from argus_core.model.ask import Ask
from argus_core.model.query import CalendarQuery, ListingsQuery, SectorsQuery
from argus_core.model.records import TradingDays
from argus_core.model.symbol import Exchange, Symbol
from argus_core.plugins import Installed, scanned

log = logging.getLogger("argus")

OFFLINE_CALENDAR = "exchange_calendars"
"""What answers name as the source of trading dates that no configured source knew."""


class Lookups:
    """Answers out of tables that Argus brings along where no source has its own."""

    def __init__(self, answers: Answers, clock: Clock, *, offline: bool) -> None:
        self._answers = answers
        self._clock = clock
        self._offline = offline

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
        now = self._clock.now()
        dates = await asyncio.to_thread(calendar.session_dates, start, end)
        days = TradingDays(dates=dates, known_through=calendar.horizon())
        reason = OFFLINE if self._offline else None
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
        tables = await self._answers.fetch(ListingsQuery(exchanges=sector.exchanges), ask)
        lost = [exchange for exchange in sector.exchanges if exchange not in tables.data]
        if lost:
            raise NotOffered(f"no source has the instrument table of {', '.join(lost)}")
        listings = {Exchange(key): rows for key, rows in tables.data.items()}
        members = sectors.members(name, listings, today=self._clock.now().date())
        # One table that is old makes the list old, however new the others are.
        origin = max(tables.provenance.values(), key=lambda it: (it.stale, it.reason is not None))
        return Answer(
            data={name: members}, errors={}, provenance={name: origin}, traces=tables.traces
        )


class Offers:
    """Which of the installed plugins offer a dataset that no source of the gateway has.

    Their files are read at the first question, beside the event loop and once, however many ask
    meanwhile: what is installed later is not seen before a restart.
    """

    def __init__(self) -> None:
        self._plugins: tuple[Installed, ...] | None = None
        self._reading: asyncio.Task[tuple[Installed, ...]] | None = None

    async def refusal(self, dataset: str, error: NotOffered) -> NotOffered:
        """The same refusal with the names of the installed plugins that offer the dataset."""
        told: dict[str, Any] = error.details or {}
        wanted = str(told.get("dataset", dataset))
        names = {p.name for p in await self._installed() if wanted in p.offers}
        return NotOffered(error.message, details={"dataset": wanted, "offered_by": sorted(names)})

    async def _installed(self) -> tuple[Installed, ...]:
        if self._plugins is not None:
            return self._plugins
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(asyncio.to_thread(scanned))
        # Whoever leaves meanwhile does not stop it for the others.
        found = await asyncio.shield(self._reading)
        self._plugins = found
        return found
