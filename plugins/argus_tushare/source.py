"""The source itself: which question goes to which interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from argus_core import (
    BarsQuery,
    CalendarQuery,
    Charge,
    Clock,
    Exchange,
    FactorsQuery,
    Instrument,
    InstrumentsQuery,
    Kind,
    ListingsQuery,
    Meter,
    NotOffered,
    Period,
    Query,
    Quote,
    QuotesQuery,
    Source,
    SourceUnavailable,
    TradingDays,
)
from argus_tushare.bars import factor_jobs, jobs, read_bars, read_factors
from argus_tushare.calendars import check_today, read_calendar
from argus_tushare.client import Api, connect
from argus_tushare.instruments import read_instruments
from argus_tushare.interfaces import CALENDARS, NAMES, units
from argus_tushare.listings import read_listings
from argus_tushare.quota import charges
from argus_tushare.quotes import daily_jobs, read_daily, read_realtime, realtime_jobs
from argus_tushare.settings import TushareSettings

_AT_ONCE = 4
"""Calls that one question may have under way where an interface takes one symbol at a time."""

_GRACE = 1.0
"""Seconds that calls may take to end when the source is closed."""

logger = logging.getLogger(__name__)

J = TypeVar("J")
R = TypeVar("R")


class TushareSource(Source):
    """Quotes, bars, factors, instruments and calendars of a Tushare Pro account.

    Days of shares, funds, indices, convertibles, futures and options; minutes of shares, funds,
    indices and futures. What of it an account may read is a matter of its points and licences.
    """

    Settings = TushareSettings
    kinds = frozenset(Kind) - {Kind.UNKNOWN}
    periods = frozenset({Period.M1, Period.D1})
    symbols_per_call = 100
    max_concurrency = 4

    def __init__(self, name: str, settings: TushareSettings, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self.units = units(quotes_are_daily=settings.quotes_from == "daily")
        self.calls_per_minute = settings.calls_per_minute
        self._api: Api | None = None
        self._threads: ThreadPoolExecutor | None = None

    @property
    def pro(self) -> Api:
        """The vendor's own client, over this source's connections: ``source.pro.daily(...)``."""
        if self._api is None:
            raise SourceUnavailable(f"{self.name} is not open")
        return self._api

    async def open(self) -> None:
        """Return when the vendor's package is imported; nothing is sent yet."""
        self._api = await asyncio.to_thread(connect, self.settings, self.clock)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=self.name)

    async def close(self) -> None:
        """Drop the connections; calls under way get a moment to end."""
        api, self._api = self._api, None
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)
            ended = asyncio.to_thread(threads.shutdown, wait=True)
            try:
                await asyncio.wait_for(ended, _GRACE)
            except TimeoutError:
                logger.warning("%s: closed while a call was under way", self.name)
        if api is not None:
            api.close()

    async def ping(self) -> None:
        """Return if the vendor says whether today is a trading day."""
        await asyncio.to_thread(check_today, self.pro, self.clock.now().date())

    def calls_made(self) -> int | None:
        """The requests so far; long series and some interfaces take several a question."""
        return None if self._api is None else sum(self._api.calls_made.values())

    def charges(self, query: Query) -> Iterable[Charge]:
        """The calls of each interface that a question takes, every page counted."""
        return charges(query, self.settings)

    def meters(self) -> Iterable[Meter]:
        """The requests so far, by interface."""
        if self._api is None:
            return []
        made = self._api.calls_made
        return [Meter(interface=name, used=made.get(name, 0)) for name in NAMES]

    def quotes(self, query: QuotesQuery) -> Iterable[Quote]:
        """The latest quotes: snapshots, or the newest days where the settings say so."""
        api, today = self.pro, self.clock.now().date()
        if self.settings.quotes_from == "daily":
            work = self._offered(daily_jobs(query.symbols), "quotes")
            return self._gather(work, lambda job: read_daily(api, job, today))
        work = self._offered(realtime_jobs(query.symbols), "quotes")
        return self._gather(work, lambda job: read_realtime(api, job))

    def bars(self, query: BarsQuery) -> list[dict[str, Any]]:
        """Rows of ``BARS`` in the vendor's units."""
        api = self.pro
        work = self._offered(jobs(query.symbols, query.period), f"{query.period} bars")
        return self._gather(work, lambda job: read_bars(api, job, query))

    def factors(self, query: FactorsQuery) -> list[dict[str, Any]]:
        """Rows of ``FACTORS``: shares and funds only, nothing else is ever adjusted."""
        api = self.pro
        return self._gather(factor_jobs(query.symbols), lambda job: read_factors(api, job, query))

    def instruments(self, query: InstrumentsQuery) -> list[Instrument]:
        """What the symbols are; a delisted share too, with its date."""
        return read_instruments(self.pro, query.symbols, self.clock.now().date())

    def listings(self, query: ListingsQuery) -> Mapping[Exchange, Iterable[Instrument]]:
        """What is listed today, by exchange, options left out."""
        return read_listings(self.pro, query.exchanges, self.clock.now().date())

    def calendar(self, query: CalendarQuery) -> Mapping[Exchange, TradingDays]:
        """The trading dates; an exchange without calendar (Guangzhou) is left out."""
        known = [exchange for exchange in query.exchanges if exchange in CALENDARS]
        if not known:
            raise NotOffered(f"{self.name} has no calendar of {', '.join(query.exchanges)}")
        api = self.pro
        names = list(dict.fromkeys(CALENDARS[exchange] for exchange in known))

        def read(name: str) -> list[TradingDays | None]:
            return [read_calendar(api, name, query.start, query.end)]

        days = dict(zip(names, self._gather(names, read), strict=True))
        return {
            exchange: found
            for exchange in known
            if (found := days[CALENDARS[exchange]]) is not None
        }

    def _offered(self, work: list[J], what: str) -> list[J]:
        if not work:
            raise NotOffered(f"{self.name} has no {what} of these symbols")
        return work

    def _gather(self, work: list[J], read: Callable[[J], Iterable[R]]) -> list[R]:
        """What ``read`` gives for each job, in order; the first failure ends the rest."""
        threads = self._threads
        if len(work) <= 1 or threads is None:
            return [item for job in work for item in read(job)]
        return [item for found in threads.map(read, work) for item in found]
