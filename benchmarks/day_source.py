"""The source of the replayed day: a vendor that knows :mod:`day_market` and counts what it gives.

It is a plugin like any other; :func:`install` puts its metadata where the gateway finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import day_market
import numpy as np
import polars as pl
from pydantic import BaseModel

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
    Level,
    ListingsQuery,
    Period,
    Quote,
    QuotesQuery,
    Settings,
    Source,
    Symbol,
    TradingDays,
    hookimpl,
)
from argus_core.market import calendar


class DaySettings(Settings):
    """Which market it serves."""

    seed: int
    symbols: int
    day: date


class DaySource(Source):
    """Answers with the market's truth at the clock's instant; ``report`` tells what it gave."""

    Settings: ClassVar[type[BaseModel]] = DaySettings

    def __init__(self, name: str, settings: Any, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self.market = day_market.market_of(settings.seed, settings.symbols, settings.day)
        self.ledger = Ledger(self.market)

    def report(self) -> Mapping[str, int]:
        """Calls and rows so far."""
        return self.ledger.report()

    async def quotes(self, query: QuotesQuery) -> Iterable[Quote]:
        """The running day of each symbol."""
        self.ledger.called("quotes", len(query.symbols))
        tick = self.market.tick(self.clock.now())
        return [quote_at(self.market, symbol, tick) for symbol in query.symbols]

    async def depth(self, query: DepthQuery) -> Iterable[Depth]:
        """The same with a book of a few levels."""
        self.ledger.called("depth", len(query.symbols))
        tick = self.market.tick(self.clock.now())
        return [depth_at(self.market, s, tick, query.levels) for s in query.symbols]

    async def bars(self, query: BarsQuery) -> pl.DataFrame:
        """Days or minutes, the running ones included."""
        market, tick = self.market, self.market.tick(self.clock.now())
        low, high = market.between(query.start, query.end)
        rows = market.minute_rows if query.period is Period.M1 else market.day_rows
        frames = [rows(symbol, low, high, tick) for symbol in query.symbols]
        self.ledger.called("bars", sum(frame.height for frame in frames))
        for symbol in query.symbols:
            self.ledger.gave(symbol, query.period, np.arange(low, min(high, market.today)))
        return pl.concat(frames) if len(frames) > 1 else frames[0]

    async def factors(self, query: FactorsQuery) -> pl.DataFrame:
        """What came into force in the range, and the factor before it."""
        low, high = self.market.between(query.start, query.end)
        frames = [self.market.factor_rows(symbol, low, high) for symbol in query.symbols]
        self.ledger.called("factors", sum(frame.height for frame in frames))
        return pl.concat(frames)

    async def instruments(self, query: InstrumentsQuery) -> Iterable[Instrument]:
        """What each symbol is."""
        self.ledger.called("instruments", len(query.symbols))
        return [self._instrument(symbol) for symbol in query.symbols]

    async def listings(self, query: ListingsQuery) -> Mapping[Exchange, Iterable[Instrument]]:
        """Every stock of the market."""
        self.ledger.called("listings", len(query.exchanges))
        return {
            exchange: [self._instrument(s) for s in self.market.symbols if s.exchange is exchange]
            for exchange in query.exchanges
        }

    async def calendar(self, query: CalendarQuery) -> Mapping[Exchange, TradingDays]:
        """The trading dates of the mainland."""
        self.ledger.called("calendar", len(query.exchanges))
        days = calendar.session_dates(query.start, min(query.end, calendar.horizon()))
        known = TradingDays(dates=days, known_through=calendar.horizon())
        return dict.fromkeys(query.exchanges, known)

    def _instrument(self, symbol: Symbol) -> Instrument:
        listed = self.market.days[self.market.stocks[symbol].listed]
        return Instrument(symbol=symbol, name=f"stock {symbol}", list_date=listed)


class Ledger:
    """Counts calls and rows, and tells the sealed rows that were given before from new ones.

    A row is sealed if its trading date was over when it was given, which on the replayed day are
    all but today's. New are those of a (symbol, period, trading date) never given before.
    """

    def __init__(self, market: day_market.Market) -> None:
        self._market = market
        self.calls = dict.fromkeys(
            ("quotes", "depth", "bars", "factors", "instruments", "listings", "calendar"), 0
        )
        self.rows = dict(self.calls)
        self.sealed = 0
        self.new = 0
        self._given: dict[tuple[Symbol, Period], np.ndarray] = {}

    def called(self, dataset: str, rows: int) -> None:
        """Count a call and what it gave."""
        self.calls[dataset] += 1
        self.rows[dataset] += rows

    def gave(self, symbol: Symbol, period: Period, days: np.ndarray) -> int:
        """The number of sealed rows on these past days, counted."""
        market, minutely = self._market, period is Period.M1
        days = days[days >= market.minute_from] if minutely else days
        known = self._given.setdefault((symbol, period), np.zeros(market.today, dtype=bool))
        active = market.stocks[symbol].active[days]
        each = day_market.MINUTES if minutely else 1
        rows = int(active.sum()) * each
        self.sealed += rows
        self.new += int((active & ~known[days]).sum()) * each
        known[days] = True
        return rows

    def report(self) -> dict[str, int]:
        """Every count by its name."""
        calls = {f"{name}_calls": count for name, count in self.calls.items()}
        rows = {f"{name}_rows": count for name, count in self.rows.items()}
        return {**calls, **rows, "sealed": self.sealed, "new": self.new}


def quote_at(market: day_market.Market, symbol: Symbol, tick: int) -> Quote:
    """The quote of a stock after so many ticks of the running day."""
    now = market.running(symbol, tick)
    traded = now.lots > 0
    return Quote(
        symbol=symbol,
        name=f"stock {symbol}",
        as_of=market.instant(tick if traded else 0),
        price=now.close / 100 if traded else None,
        open=now.open / 100 if traded else None,
        high=now.high / 100 if traded else None,
        low=now.low / 100 if traded else None,
        prev_close=int(market.stocks[symbol].prev[-1]) / 100,
        volume=now.lots * day_market.LOT,
        turnover=now.twice / 2,
    )


def depth_at(market: day_market.Market, symbol: Symbol, tick: int, levels: int) -> Depth:
    """The same with a book around the price, whose volumes change with each tick."""
    quote = quote_at(market, symbol, tick)
    middle = quote.price or quote.prev_close or 1.0
    sizes = [float((tick % 89 + n) * 100) for n in range(1, levels + 1)]
    return Depth(
        quote=quote,
        bids=tuple(Level(round(middle - n / 100, 2), v) for n, v in enumerate(sizes, 1)),
        asks=tuple(Level(round(middle + n / 100, 2), v) for n, v in enumerate(sizes, 1)),
    )


def install(root: Path) -> None:
    """The metadata of this module as a distribution under ``root``, which belongs on the path."""
    info = root / "bench_day-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-day\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[argus]\nbench_day = day_source\n")


@hookimpl
def register_source() -> type[Source]:
    """The plugin's class."""
    return DaySource
