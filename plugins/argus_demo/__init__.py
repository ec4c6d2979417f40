"""A simulated exchange, for trying Argus without an account. Everything it says is invented."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any

from argus_core import (
    BarsQuery,
    CalendarQuery,
    Clock,
    Depth,
    DepthQuery,
    Exchange,
    FactorsQuery,
    Instrument,
    InstrumentsQuery,
    Kind,
    ListingsQuery,
    NotOffered,
    Period,
    Push,
    Quote,
    QuotesQuery,
    Settings,
    Source,
    Symbol,
    TradingDays,
    hookimpl,
)
from argus_demo.book import LEVELS, depth_of
from argus_demo.feed import Feed
from argus_demo.instruments import find, listed_on
from argus_demo.market import Market
from argus_demo.timetable import Timetable


class DemoSettings(Settings):
    """Another ``seed`` is another world; the same one is the same in every process."""

    seed: int = 1


class Demo(Source):
    """A simulated exchange that keeps the real market's dates and hours.

    It lists some sixty real symbols of all exchanges and moves them by the seed alone: whatever
    is asked, in whatever order, a day is always the same day, and bars, quotes, books, trades
    and factors agree with one another. Outside trading hours the last state stands.
    """

    Settings = DemoSettings
    kinds = frozenset({Kind.STOCK, Kind.INDEX, Kind.FUND, Kind.BOND, Kind.FUTURE})
    periods = frozenset({Period.M1, Period.D1})
    simulated = True

    def __init__(self, name: str, settings: DemoSettings, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self._seed = settings.seed
        self._market = lru_cache(maxsize=256)(self._make_market)
        self._feed = Feed(clock, self._book)

    async def open(self) -> None:
        """Return when the calendar is at hand: the first use takes about a second."""
        await asyncio.to_thread(lambda: self._timetable)

    async def close(self) -> None:
        """Push nothing any more."""
        await self._feed.aclose()

    async def quotes(self, query: QuotesQuery) -> Iterable[Quote]:
        """The latest quote of each symbol that has traded."""
        now = self.clock.now()
        states = ((market, market.state(now)) for market in self._markets(query.symbols))
        return [market.quote(state) for market, state in states if state is not None]

    async def depth(self, query: DepthQuery) -> Iterable[Depth]:
        """Quote, book of up to ten levels, and the last minute's trades."""
        now = self.clock.now()
        states = ((market, market.state(now)) for market in self._markets(query.symbols))
        return [depth_of(market, at, query.levels) for market, at in states if at is not None]

    def bars(self, query: BarsQuery) -> Iterable[Mapping[str, Any]]:
        """Rows of ``BARS``, the running bar included."""
        now = self.clock.now()
        rows: list[Mapping[str, Any]] = []
        for market in self._markets(query.symbols):
            make = market.minute_bars if query.period is Period.M1 else market.day_bars
            rows.extend(make(query.start, query.end, now))
        return rows

    def factors(self, query: FactorsQuery) -> Iterable[Mapping[str, Any]]:
        """Rows of ``FACTORS``: the factor in force at the start, and every change after it."""
        end = min(query.end, self.clock.now().date())
        markets = self._markets(query.symbols)
        return [row for market in markets for row in market.factors(query.start, end)]

    async def instruments(self, query: InstrumentsQuery) -> Iterable[Instrument]:
        """What each symbol is."""
        return [market.listed.record() for market in self._markets(query.symbols)]

    async def listings(self, query: ListingsQuery) -> Mapping[Exchange, Iterable[Instrument]]:
        """Everything that is listed today."""
        today = self.clock.now().date()
        return {
            exchange: [listed.record() for listed in listed_on(exchange, today)]
            for exchange in query.exchanges
        }

    async def calendar(self, query: CalendarQuery) -> Mapping[Exchange, TradingDays]:
        """The real trading dates, the same on all exchanges, as far as they are known."""
        asked = self._timetable.sessions(query.start, query.end)
        days = TradingDays(
            dates=self._timetable.dates[asked.start : asked.stop],
            known_through=self._timetable.known_through,
        )
        return dict.fromkeys(query.exchanges, days)

    async def subscribe(self, symbols: tuple[Symbol, ...], push: Push) -> Collection[Symbol]:
        """Push the book of each, with the trades since the push before, every three seconds."""
        known = [market.listed.symbol for market in self._markets(symbols)]
        if not known:
            raise NotOffered(f"{self.name} lists none of these symbols")
        self._feed.begin(known, push)
        return known

    async def unsubscribe(self, symbols: tuple[Symbol, ...]) -> None:
        """Push these no more."""
        self._feed.end(symbols)

    def _book(self, symbol: Symbol) -> Depth | None:
        market = self._market(symbol)
        state = None if market is None else market.state(self.clock.now())
        return None if market is None or state is None else depth_of(market, state, LEVELS)

    @cached_property
    def _timetable(self) -> Timetable:
        return Timetable()

    def _markets(self, symbols: Iterable[Symbol]) -> list[Market]:
        """The markets of those symbols that have been listed by today."""
        today = self.clock.now().date()
        markets = (self._market(symbol) for symbol in symbols)
        return [m for m in markets if m is not None and m.listed.list_date <= today]

    def _make_market(self, symbol: Symbol) -> Market | None:
        listed = find(symbol)
        return None if listed is None else Market(self._seed, listed, self._timetable)


@hookimpl
def register_source() -> type[Source]:
    """The simulated exchange."""
    return Demo
