"""The source itself: which question goes where."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from argus_core import (
    Allowance,
    ArgusError,
    BarsQuery,
    CalendarQuery,
    Charge,
    Clock,
    Depth,
    DepthQuery,
    Exchange,
    FactorsQuery,
    Instrument,
    InstrumentsQuery,
    Kind,
    ListingsQuery,
    LoginFailed,
    MainContractsQuery,
    Meter,
    NotOffered,
    Period,
    Push,
    Query,
    Quote,
    QuotesQuery,
    SectorsQuery,
    Source,
    Symbol,
    TicksQuery,
    TradingDays,
)
from argus_rqdatac.bars import read_bars
from argus_rqdatac.calendars import read_calendar, read_main_contracts
from argus_rqdatac.cells import attribute
from argus_rqdatac.factors import read_factors
from argus_rqdatac.feed import Feed
from argus_rqdatac.instruments import read_instruments, read_listings
from argus_rqdatac.live import LiveSocket, Socket, check_package
from argus_rqdatac.quotes import read_depth, read_quotes
from argus_rqdatac.sectors import read_sectors
from argus_rqdatac.session import Session
from argus_rqdatac.settings import RqdatacSettings
from argus_rqdatac.symbols import is_continuous, spelled
from argus_rqdatac.tables import look_up
from argus_rqdatac.ticks import read_ticks
from argus_rqdatac.units import UNITS

_FIRST_QUOTA = 5.0
"""Seconds after the first question before the quota is asked for, which is no part of any."""

logger = logging.getLogger(__name__)


class RqdatacSource(Source):
    """Quotes, books, bars, ticks, factors, instruments, calendars and pushes of an RQData account.

    The vendor's package keeps one login per process and answers one call at a time; what an
    account may read is a matter of its license, and so is how many bytes a day.
    """

    Settings = RqdatacSettings
    kinds = frozenset(Kind) - {Kind.UNKNOWN}
    periods = frozenset({Period.M1, Period.D1})
    units = UNITS
    symbols_per_call = 100
    max_concurrency = 1
    isolation = "process"
    logins = 1

    def __init__(self, name: str, settings: RqdatacSettings, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        if not settings.enable_bjse:
            self.exchanges = frozenset(Exchange) - {Exchange.BJ}
        self._session = Session(name, settings, clock)
        self._feed = self._new_feed()
        self._watch: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Return when the vendor's package is imported; only a license key is checked at once."""
        await asyncio.to_thread(self._session.open)
        if self._watch is None:
            self._watch = asyncio.create_task(self._watch_quota())

    async def close(self) -> None:
        """Close every connection, also those over which a call still waits."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        feed, self._feed = self._feed, self._new_feed()
        await asyncio.to_thread(self._end, feed)

    async def ping(self) -> None:
        """Return if the vendor tells its trading date, or the quota where that is due."""
        await asyncio.to_thread(self._ping)

    def report(self) -> Mapping[str, str | int | float | bool | None]:
        """The package's version, the quota, the connections and the live feed."""
        return {
            "sdk_version": self._session.version,
            "connections": self._session.connections,
            **self._session.quota.report(),
            **self._feed.report(),
        }

    def charges(self, query: Query) -> Iterable[Charge]:  # noqa: ARG002 - all cost alike
        """One call of an account that is limited by bytes, whose number nobody knows before."""
        return (Charge(allowance=Allowance()),)

    def meters(self) -> Iterable[Meter]:
        """The bytes of the day, as the vendor tells them."""
        return self._session.quota.meters()

    def quotes(self, query: QuotesQuery) -> Iterable[Quote]:
        """The latest quotes, with names."""
        return read_quotes(self._session, query.symbols)

    def depth(self, query: DepthQuery) -> Iterable[Depth]:
        """The latest quotes with five levels a side and no trades."""
        return read_depth(self._session, query.symbols)

    def bars(self, query: BarsQuery) -> Any:
        """Rows of ``BARS``, raw, in the vendor's units."""
        return read_bars(self._session, query)

    def ticks(self, query: TicksQuery) -> Any:
        """Rows of ``TICKS``; refused where they would use up the day's quota."""
        return read_ticks(self._session, query)

    def factors(self, query: FactorsQuery) -> list[dict[str, Any]]:
        """Rows of ``FACTORS``: shares and funds only, nothing else is ever adjusted."""
        return read_factors(self._session, query)

    def instruments(self, query: InstrumentsQuery) -> list[Instrument]:
        """What the symbols are; a delisted share too, with its date."""
        return read_instruments(self._session, query.symbols)

    def listings(self, query: ListingsQuery) -> Mapping[Exchange, Iterable[Instrument]]:
        """What is listed today, by exchange, options left out."""
        return read_listings(self._session, query.exchanges, self.clock.now().date())

    def calendar(self, query: CalendarQuery) -> Mapping[Exchange, TradingDays]:
        """The trading dates; the vendor has one calendar for all exchanges."""
        days = read_calendar(self._session, query.start, query.end)
        return dict.fromkeys(query.exchanges, days)

    def sectors(self, query: SectorsQuery) -> Mapping[str, Iterable[Symbol]]:
        """The members of the vendor's own sectors and industries."""
        return read_sectors(self._session, query.sectors, self.clock.now().date())

    def main_contracts(self, query: MainContractsQuery) -> Mapping[Symbol, Symbol]:
        """The contract behind each ``88`` series on the asked day."""
        return read_main_contracts(self._session, query.symbols, query.day)

    def subscribe(self, symbols: tuple[Symbol, ...], push: Push) -> None:
        """Push the books of ``symbols`` too; blocks until the live server has accepted them.

        Raises :class:`NotOffered`, and subscribes nothing, where one of them is unknown or is a
        continuous series: whether the vendor pushes those is not known.
        """
        check_package()
        listed = look_up(self._session, symbols)
        refused = [one for one in symbols if one not in listed or is_continuous(one)]
        if refused:
            raise NotOffered(f"{self.name} cannot push {', '.join(refused)}", details=refused)
        codes = {attribute(one, "order_book_id"): symbol for symbol, one in listed.items()}
        self._feed.subscribe(codes, push)

    def unsubscribe(self, symbols: tuple[Symbol, ...]) -> None:
        """Push these no more."""
        self._feed.unsubscribe(spelled(symbols))

    def _new_feed(self) -> Feed:
        return Feed(
            self.name,
            self._join,
            self._session.quota,
            self.clock,
            silence=self.settings.live_silence,
            timeout=self.settings.timeout,
        )

    def _join(self) -> Socket:
        return LiveSocket(self._session, self.settings.live_url, self.settings.connect_timeout)

    def _end(self, feed: Feed) -> None:
        feed.close()
        self._session.close()

    def _ping(self) -> None:
        if self._session.quota.due:
            self._session.read_quota()
        else:
            self._session.call(
                "the trading date", lambda sdk: sdk.services.calendar.current_trading_date()
            )

    async def _watch_quota(self) -> None:
        """Ask for the quota now and then, beside the questions and never before one."""
        pause = _FIRST_QUOTA
        while True:
            await asyncio.sleep(pause)
            if not self._session.connections:
                continue  # nobody has asked anything yet, so nothing can have been used
            pause = self.settings.quota_every
            try:
                await asyncio.to_thread(self._session.read_quota)
            except LoginFailed:
                logger.warning("%s: the quota is watched no more: the login failed", self.name)
                return
            except ArgusError as error:
                logger.warning("%s: the quota is not known: %s", self.name, error.message)
