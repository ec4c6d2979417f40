"""A source that keeps every demand, over an invented vendor with habits of its own.

The vendor counts in lots and thousand yuan and labels minutes by their start, without a zone.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from datetime import date, datetime, time, timedelta
from functools import cache

from broken.good import TOKEN, Trouble
from pydantic import SecretStr

from argus_core import (
    BadData,
    Depth,
    Exchange,
    Gap,
    Instrument,
    Kind,
    Level,
    LoginFailed,
    Period,
    PermissionDenied,
    Quote,
    Settings,
    Source,
    SourceUnavailable,
    Symbol,
    Throttled,
    Trade,
    TradingDays,
    Units,
    session_dates,
)

SYMBOLS = (Symbol("600519.SH"), Symbol("000001.SZ"))
NAMES = {"600519.SH": "贵州茅台", "000001.SZ": "平安银行"}
LISTED = {"600519.SH": date(2001, 8, 27), "000001.SZ": date(1991, 4, 3)}
FIRST, LAST = date(2021, 1, 4), date(2024, 12, 31)
TROUBLE = Trouble()
FEED = threading.Event()
ERRORS = {
    "disconnect": SourceUnavailable("the connection is lost"),
    "quota": Throttled("too fast", retry_after=60),
    "no_permission": PermissionDenied("not in the contract"),
    "bad_token": LoginFailed("the vendor refuses the token"),
    "garbage": BadData("half a frame came"),
}


@cache
def days() -> tuple[date, ...]:
    return session_dates(FIRST, LAST)


def factor(day: date) -> float:
    """A cumulative factor that grows by two percent each July."""
    return round(1.02 ** (day.year - 2021 + (day.month >= 7)), 6)


def price(symbol: str, day: date) -> float:
    """The close of a day, as traded."""
    base = 40.0 if symbol.startswith("6") else 12.0
    return round(base * (1 + 0.05 * math.sin(day.toordinal() / 7)) / factor(day), 2)


def daily(symbol: str, day: date) -> dict:
    """A day's row, in the vendor's units."""
    at = days().index(day)
    before = days()[max(0, at - 1)]
    prev = round(price(symbol, before) * factor(before) / factor(day), 2)
    close = price(symbol, day)
    high, low = round(max(prev, close) + 0.1, 2), round(min(prev, close) - 0.1, 2)
    lots = 10_000 + at
    return {
        "symbol": symbol,
        "time": day,
        "open": prev,
        "high": high,
        "low": low,
        "close": close,
        "prev_close": prev,
        "volume": lots,
        "turnover": round(lots * 100 * (high + low) / 2 / 1000, 3),
    }


def minutes(symbol: str, day: date) -> list[dict]:
    """A day's minutes, labelled by their start, without a zone."""
    starts = [*range(570, 690), *range(780, 900)]
    close = price(symbol, day)
    return [
        {
            "symbol": symbol,
            "time": datetime.combine(day, time(start // 60, start % 60)),
            "open": close,
            "high": round(close + 0.02, 2),
            "low": round(close - 0.02, 2),
            "close": close,
            "volume": 20 + number % 7,
            "turnover": round((20 + number % 7) * 100 * close / 1000, 3),
        }
        for number, start in enumerate(starts)
    ]


class GoodSource(Source):
    """Two stocks since 2021, in every dataset."""

    class Settings(Settings):
        """An account."""

        token: SecretStr = SecretStr(TOKEN)

    exchanges = frozenset({Exchange.SH, Exchange.SZ})
    kinds = frozenset({Kind.STOCK})
    units = (Units(volume=100, turnover=1000, volume_step=100, turnover_step=10),)
    bar_label = "start"
    max_concurrency = 4

    def __init__(self, name, settings, clock) -> None:
        super().__init__(name, settings, clock)
        self._subscribed: set[str] = set()
        self._task: asyncio.Task | None = None

    async def open(self) -> None:
        self.spoil()

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def ping(self) -> None:
        self.spoil()

    def spoil(self) -> None:
        """What the vendor's trouble means for a call."""
        if TROUBLE.now in ERRORS:
            raise ERRORS[TROUBLE.now]

    def known(self, symbols) -> list[str]:
        self.spoil()
        return [] if TROUBLE.now == "empty" else [s for s in symbols if s in NAMES]

    async def wait(self) -> None:
        if TROUBLE.now == "timeout":
            raise SourceUnavailable("no answer from the vendor")
        if TROUBLE.now == "slow":
            await asyncio.sleep(0.1)

    def past(self, start: date, end: date) -> list[date]:
        end = min(end, self.clock.now().date())
        return [day for day in days() if start <= day <= end]

    def quote(self, symbol: str) -> Quote:
        day = self.past(FIRST, LAST)[-1]
        row = daily(symbol, day)
        return Quote(
            symbol=Symbol(symbol),
            name=NAMES[symbol],
            as_of=datetime.combine(day, time(15, 0)),
            price=row["close"],
            **{name: row[name] for name in ("open", "high", "low", "prev_close")},
            volume=row["volume"],
            turnover=row["turnover"],
        )

    async def quotes(self, query):
        await self.wait()
        return [self.quote(symbol) for symbol in self.known(query.symbols)]

    def book(self, symbol: str) -> Depth:
        quote = self.quote(symbol)
        steps = [round(0.01 * n, 2) for n in range(1, 4)]
        return Depth(
            quote=quote,
            bids=tuple(Level(round(quote.price - step, 2), 30) for step in steps),
            asks=tuple(Level(round(quote.price + step, 2), 40) for step in steps),
            trades=tuple(
                Trade(price=quote.price, volume=2, time=datetime.combine(quote.as_of, time(14, n)))
                for n in (10, 20, 30)
            ),
        )

    async def depth(self, query):
        await self.wait()
        return [self.book(symbol) for symbol in self.known(query.symbols)]

    def rows(self, symbol: str, period: Period, start: date, end: date) -> list[dict]:
        past = self.past(start, end)
        if period is Period.M1:
            return [row for day in past for row in minutes(symbol, day)]
        return [daily(symbol, day) for day in past]

    def bars(self, query):
        found = (
            self.rows(symbol, query.period, query.start, query.end)
            for symbol in self.known(query.symbols)
        )
        return [row for rows in found for row in rows]

    def ticks(self, query):
        return [
            {
                "symbol": row["symbol"],
                "time": row["time"] + timedelta(seconds=30),
                "price": row["close"],
                "high": row["high"],
                "low": row["low"],
                "volume": 20 * (number % 240 + 1),
                "turnover": round(20 * (number % 240 + 1) * 100 * row["close"] / 1000, 3),
            }
            for symbol in self.known(query.symbols)
            for number, row in enumerate(self.rows(symbol, Period.M1, query.start, query.end))
        ]

    def factors(self, query):
        changes = [FIRST] + [day for year in range(2021, 2025) if (day := date(year, 7, 1))]
        begun = max(day for day in changes if day <= max(query.start, FIRST))
        return [
            {"symbol": symbol, "date": day, "factor": factor(day)}
            for symbol in self.known(query.symbols)
            for day in changes
            if begun <= day <= query.end
        ]

    def record(self, symbol: str) -> Instrument:
        return Instrument(
            symbol=Symbol(symbol),
            name=NAMES[symbol],
            kind=Kind.STOCK,
            list_date=LISTED[symbol],
            total_shares=2e9,
            float_shares=1e9,
        )

    def instruments(self, query):
        return [self.record(symbol) for symbol in self.known(query.symbols)]

    def listings(self, query):
        return {
            exchange: [self.record(s) for s in SYMBOLS if s.exchange is exchange]
            for exchange in query.exchanges
        }

    def calendar(self, query):
        known = [day for day in days() if query.start <= day <= query.end]
        table = TradingDays(dates=tuple(known), known_through=LAST)
        return dict.fromkeys(query.exchanges, table)

    def sectors(self, query):
        return {name: SYMBOLS for name in query.sectors if name == "沪深A股"}

    async def subscribe(self, symbols, push) -> None:
        self._subscribed |= set(symbols)
        if self._task is None:
            self._task = asyncio.create_task(self.pump(push))

    async def unsubscribe(self, symbols) -> None:
        self._subscribed -= set(symbols)

    async def pump(self, push) -> None:
        """Push a book of every subscribed symbol again and again, as the vendor would."""
        lost = False
        while True:
            if TROUBLE.now == "disconnect":
                lost = True
            elif lost:
                lost = False
                self.pushed(push, Gap(symbols=tuple(map(Symbol, self._subscribed)), reason="lost"))
            elif FEED.is_set():
                for symbol in self.pushing():
                    self.pushed(push, self.pushed_book(symbol))
            await asyncio.sleep(0.01)

    def pushing(self) -> list[str]:
        return sorted(self._subscribed)

    def pushed_book(self, symbol: str) -> Depth:
        return self.book(symbol)

    def pushed(self, push, item) -> None:
        with contextlib.suppress(ValueError):
            push(item)


@contextlib.contextmanager
def feed():
    """The vendor has something to push."""
    FEED.set()
    try:
        yield
    finally:
        FEED.clear()
