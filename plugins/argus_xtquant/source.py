"""The source itself: which question goes where."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from argus_core import (
    BarsQuery,
    CalendarQuery,
    ChartPanelsQuery,
    Clock,
    Depth,
    DepthQuery,
    Exchange,
    FactorsQuery,
    Instrument,
    InstrumentsQuery,
    Kind,
    ListingsQuery,
    MainContractsQuery,
    NotOffered,
    Period,
    Push,
    Quote,
    QuotesQuery,
    Rows,
    SectorsQuery,
    Source,
    SourceUnavailable,
    Symbol,
    TicksQuery,
    TradingDays,
)
from argus_xtquant.bars import asked_symbols, bars_stretch, read_bars, read_ticks, ticks_stretch
from argus_xtquant.calendars import read_calendar
from argus_xtquant.factors import read_factors
from argus_xtquant.facts import UNITS
from argus_xtquant.history import History
from argus_xtquant.instruments import read_instruments
from argus_xtquant.level2 import Level2
from argus_xtquant.listings import Listings
from argus_xtquant.mains import read_mains
from argus_xtquant.panels import Panels
from argus_xtquant.sdk import load_xtdata, sdk_version
from argus_xtquant.session import Session
from argus_xtquant.settings import XtquantSettings
from argus_xtquant.snapshots import Snapshots
from argus_xtquant.stream import Stream


class XtquantSource(Source):
    """Everything that a running miniQMT client gives: live and past, of all nine exchanges.

    One client a source, one source a process: the vendor's module keeps its connection in a
    global. What a client holds and what its account may read differ from broker to broker.
    """

    Settings = XtquantSettings
    kinds = frozenset(Kind) - {Kind.UNKNOWN}
    periods = frozenset({Period.M1, Period.D1})
    units = UNITS
    bar_label = "end"
    symbols_per_call = 200
    max_concurrency = 8
    isolation = "process"
    logins = 1

    def __init__(self, name: str, settings: XtquantSettings, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self._session = Session(name, settings)
        self._history = History(self._session, settings, clock, self.jobs)
        self._listings = Listings(self._session, settings, clock, self.jobs)
        self._snapshots = Snapshots(self._session, settings.max_subscriptions)
        self._level2 = Level2(self._session, settings.max_subscriptions)
        self._panels = Panels(name, settings)
        self._stream = Stream(self._session, settings, clock)

    async def open(self) -> None:
        """Return when the vendor's module is imported and the client answers."""
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        xtdata = load_xtdata(self.settings.module, f"[sources.{self.name}] module")
        self._session.open(xtdata)
        self._session.look()

    async def close(self) -> None:
        """Drop the link, which also ends downloads, and end the threads."""
        self.jobs.close()
        self._stream.stop()
        await asyncio.to_thread(self._session.close)
        await asyncio.to_thread(self._panels.close)
        await asyncio.to_thread(self._stream.close)

    async def ping(self) -> None:
        """Return if the link to the client is up and it answers a cheap question."""
        await asyncio.to_thread(self._ping)

    def _ping(self) -> None:
        dates = self._session.call("trading dates", lambda x: x.get_trading_dates("SH", "", "", 1))
        if not dates:
            raise SourceUnavailable(
                "the client answers, but knows no trading date: is it logged in?"
            )
        self._session.look()

    def report(self) -> Mapping[str, str | int | float | bool | None]:
        """Versions, where the data lie, the links, the subscriptions."""
        feed = self._stream.feed
        running = [job for job in self.jobs.status() if job.running]
        return {
            "sdk": self.settings.module,
            "sdk_version": sdk_version(self.settings.module),
            "connected": self._session.connected,
            "connections": self._session.generation,
            **self._session.facts,
            "subscriptions": len(feed.codes),
            "pushed": feed.pushed,
            "pushes_dropped": feed.dropped,
            "last_push": feed.last_push.isoformat() if feed.last_push else None,
            "level2": self._level2.refused or self.settings.level2,
            "downloading": running[0].key.partition(" ")[0] if running else None,
        }

    def quotes(self, query: QuotesQuery) -> Iterable[Quote]:
        """The newest snapshots that the client knows."""
        today = self.clock.now().date()
        return [book.quote for book in self._snapshots.books(query.symbols, today)]

    def depth(self, query: DepthQuery) -> Iterable[Depth]:
        """Books of five levels, or of ten where level 2 is switched on and permitted."""
        today = self.clock.now().date()
        better = self._level2.read(query.symbols, today) if self.settings.level2 else {}
        rest = [symbol for symbol in query.symbols if symbol not in better]
        return [*better.values(), *self._snapshots.books(rest, today)]

    async def bars(self, query: BarsQuery) -> Rows:
        """Rows of ``BARS`` in the vendor's units, downloaded first where the client lacks them."""
        asked = asked_symbols(query)
        if not asked:
            raise NotOffered(f"{self.name} has no bars of these symbols")
        codes = list(dict.fromkeys(spelt.code for spelt in asked))
        frames = await self._history.read(codes, bars_stretch(query))
        return read_bars(frames, asked, query.period)

    async def ticks(self, query: TicksQuery) -> Rows:
        """Rows of ``TICKS`` in the vendor's units, downloaded first where the client lacks them."""
        asked = asked_symbols(query)
        if not asked:
            raise NotOffered(f"{self.name} has no snapshots of these symbols")
        codes = list(dict.fromkeys(spelt.code for spelt in asked))
        frames = await self._history.read(codes, ticks_stretch(query))
        return read_ticks(frames, asked)

    def factors(self, query: FactorsQuery) -> Rows:
        """Rows of ``FACTORS``: shares and funds only, nothing else is ever adjusted."""
        return read_factors(self._session, query)

    def instruments(self, query: InstrumentsQuery) -> Iterable[Instrument]:
        """What the symbols are; one that the client does not know is left out."""
        return read_instruments(self._session, query.symbols, self.clock.now().date())

    async def listings(self, query: ListingsQuery) -> Mapping[Exchange, Iterable[Instrument]]:
        """What is listed today, by exchange."""
        return await self._listings.read(query.exchanges)

    async def sectors(self, query: SectorsQuery) -> Mapping[str, Iterable[Symbol]]:
        """The members of the client's own sectors."""
        return await self._listings.members(query.sectors)

    def calendar(self, query: CalendarQuery) -> Mapping[Exchange, TradingDays]:
        """The trading dates, to come as well where the client knows the holidays."""
        return read_calendar(self._session, query, download=self.settings.download)

    async def main_contracts(self, query: MainContractsQuery) -> Mapping[Symbol, Symbol]:
        """The contracts behind main series, of today or of a past day."""
        today = self.clock.now().date()
        download = self.settings.download
        return await read_mains(self._session, self._history, query, today, download=download)

    def chart_panels(self, query: ChartPanelsQuery) -> Mapping[str, str]:
        """The panels that were drawn on the client's screen."""
        return self._panels.draw(query)

    async def subscribe(self, symbols: tuple[Symbol, ...], push: Push) -> None:
        """Begin to push these symbols too, over every reconnect."""
        await asyncio.to_thread(self._stream.subscribe, symbols, push)

    async def unsubscribe(self, symbols: tuple[Symbol, ...]) -> None:
        """Push these symbols no more."""
        await asyncio.to_thread(self._stream.unsubscribe, symbols)
