"""Sources that are wrong in one way each, as integrators get them wrong."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

from broken.good_source import (
    FIRST,
    LAST,
    SYMBOLS,
    TROUBLE,
    GoodSource,
    daily,
    days,
    factor,
)
from broken.twin import Twin
from broken.two_faced import TwoFaced

from argus_core import (
    SHANGHAI,
    BadData,
    Exchange,
    Instrument,
    Kind,
    Period,
    Quote,
    SourceUnavailable,
    Symbol,
    TradingDays,
    Units,
)

STATE = SimpleNamespace(loop=None)
GOOD_UNITS = GoodSource.units


class NoCalls(GoodSource):
    symbols_per_call = 0


class NoZone(GoodSource):
    timezone = "Beijing"


class VendorSpelling(GoodSource):
    async def quotes(self, query):
        return [
            replace(q, symbol=Symbol(f"SH{q.symbol.code}")) for q in await super().quotes(query)
        ]


class MissingColumn(GoodSource):
    def bars(self, query):
        return [{k: v for k, v in row.items() if k != "volume"} for row in super().bars(query)]


class ByPosition(GoodSource):
    def instruments(self, query):
        sent = sorted(super().instruments(query), key=lambda record: record.symbol, reverse=True)
        asked = self.known(query.symbols)
        return [replace(r, symbol=Symbol(s)) for r, s in zip(sent, asked, strict=True)]


class Zeros(GoodSource):
    async def quotes(self, query):
        found = {q.symbol: q for q in await super().quotes(query)}
        return [found.get(s, Quote(symbol=s, price=0.0, volume=0.0)) for s in query.symbols]


class AngryAtStrangers(GoodSource):
    def instruments(self, query):
        if len(self.known(query.symbols)) < len(query.symbols):
            raise SourceUnavailable("no such code")
        return super().instruments(query)


class WholeMarket(GoodSource):
    async def quotes(self, query):
        return [self.quote(symbol) for symbol in (self.known(query.symbols) and SYMBOLS)]

    def factors(self, query):
        more = {"symbol": "600000.SH", "date": FIRST, "factor": 1.0}
        return [*super().factors(query), more]


class ZeroForMissing(GoodSource):
    def instruments(self, query):
        return [replace(record, pe_ratio=0.0) for record in super().instruments(query)]


class NotANumber(GoodSource):
    async def depth(self, query):
        books = await super().depth(query)
        return [replace(b, quote=replace(b.quote, open=math.nan)) for b in books]


class KeptList(GoodSource):
    def instruments(self, query):
        kept = self.__dict__.setdefault("_kept", {})
        return kept.setdefault(query.symbols, [*super().instruments(query)])


class HighBelowLow(GoodSource):
    def bars(self, query):
        rows = super().bars(query)
        return [row | {"high": row["low"], "low": row["high"]} for row in rows]


class TwoBarsOneDay(GoodSource):
    def bars(self, query):
        rows = super().bars(query)
        return [*rows, *(row | {"close": row["open"] + 0.01} for row in rows[:1])]


class LotsAsShares(GoodSource):
    units = (Units(datasets=frozenset({"bars"}), turnover=1000, turnover_step=10), *GOOD_UNITS)


class EndExclusive(GoodSource):
    def rows(self, symbol, period, start, end):
        last = end - timedelta(days=1) if period is Period.D1 else end
        return super().rows(symbol, period, start, last)


class FilledForward(GoodSource):
    def rows(self, symbol, period, start, end):
        rows = super().rows(symbol, period, start, end)
        if period is not Period.D1 or not rows:
            return rows
        first = rows[0]["time"]
        every = [first + timedelta(days=n) for n in range((end - first).days + 1)]
        holidays = [d for d in every if d not in days() and d <= rows[-1]["time"]]
        flat = {"open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0}
        idle = {"symbol": symbol, "prev_close": 10.0, "volume": 0, "turnover": 0, **flat}
        return [*rows, *(idle | {"time": d} for d in holidays)]


class DatesInUtc(GoodSource):
    def rows(self, symbol, period, start, end):
        rows = super().rows(symbol, period, start, end)
        if period is Period.D1:
            return [row | {"time": row["time"] - timedelta(days=1)} for row in rows]
        return rows


class StartsCalledEnds(GoodSource):
    bar_label = "end"


class EndsCalledStarts(GoodSource):
    def rows(self, symbol, period, start, end):
        rows = super().rows(symbol, period, start, end)
        if period is Period.M1:
            return [row | {"time": row["time"] + timedelta(minutes=1)} for row in rows]
        return rows


class NaiveUtc(GoodSource):
    """Its minutes carry the numbers of UTC and no zone."""

    bar_label = "end"

    def bars(self, query):
        rows = super().bars(query)
        if query.period is not Period.M1:
            return rows
        return [row | {"time": row["time"] - timedelta(hours=7, minutes=59)} for row in rows]


class LastBarOnHolidays(GoodSource):
    def rows(self, symbol, period, start, end):
        rows = super().rows(symbol, period, start, end)
        if rows or period is not Period.D1:
            return rows
        return [daily(symbol, self.past(FIRST, LAST)[-1]) | {"time": end}]


class HolidayIsAnError(GoodSource):
    def rows(self, symbol, period, start, end):
        rows = super().rows(symbol, period, start, end)
        if not rows:
            raise SourceUnavailable("no data")
        return rows


class OnePage(GoodSource):
    def rows(self, symbol, period, start, end):
        rows = super().rows(symbol, period, start, end)
        return rows[-100:] if period is Period.D1 else rows


class AdjustedByVendor(GoodSource):
    def rows(self, symbol, period, start, end):
        rows = super().rows(symbol, period, start, end)
        if period is not Period.D1:
            return rows
        names = ("open", "high", "low", "close", "prev_close")
        return [r | {n: round(r[n] * factor(r["time"]), 4) for n in names} for r in rows]


class VolumePerTick(GoodSource):
    def ticks(self, query):
        rows = super().ticks(query)
        return [
            row | {"volume": 20 + n % 7, "turnover": (20 + n % 7) * 100 * row["price"] / 1000}
            for n, row in enumerate(rows)
        ]


class NoPrice(GoodSource):
    async def quotes(self, query):
        return [replace(q, price=None) for q in await super().quotes(query)]


class LotsInQuotes(GoodSource):
    units = (Units(datasets=frozenset({"quotes"}), turnover=1000, turnover_step=10), *GOOD_UNITS)


class FractionForPercent(GoodSource):
    async def quotes(self, query):
        quotes = await super().quotes(query)
        return [replace(q, change_pct=q.price / q.prev_close - 1 + 0.5) for q in quotes]


class QuotesInUtc(GoodSource):
    async def quotes(self, query):
        earlier = timedelta(hours=8)
        return [replace(q, as_of=q.as_of - earlier) for q in await super().quotes(query)]


class ShanghaiCalledUtc(GoodSource):
    async def quotes(self, query):
        quotes = await super().quotes(query)
        return [replace(q, as_of=q.as_of.replace(tzinfo=UTC)) for q in quotes]


class SidesExchanged(GoodSource):
    async def depth(self, query):
        books = [_at_half_past_two(book) for book in await super().depth(query)]
        return [replace(b, bids=b.asks[::-1], asks=b.bids[::-1]) for b in books]


def _at_half_past_two(book):
    """At the close a crossed book would be an auction's."""
    return replace(
        book, quote=replace(book.quote, as_of=datetime(2024, 3, 15, 14, 30, tzinfo=SHANGHAI))
    )


class WorstFirst(GoodSource):
    async def depth(self, query):
        return [replace(b, bids=b.bids[::-1]) for b in await super().depth(query)]


class ChangesOnly(GoodSource):
    def factors(self, query):
        return [row for row in super().factors(query) if row["date"] >= query.start]


class NegativeFactor(GoodSource):
    def factors(self, query):
        return [row | {"factor": -row["factor"]} for row in super().factors(query)]


class Weekdays(GoodSource):
    def calendar(self, query):
        length = (query.end - query.start).days + 1
        every = [query.start + timedelta(days=n) for n in range(length)]
        dates = tuple(day for day in every if day.weekday() < 5 and day <= LAST)
        return dict.fromkeys(query.exchanges, TradingDays(dates=dates, known_through=LAST))


class KnowsTheFuture(GoodSource):
    def calendar(self, query):
        tables = super().calendar(query)
        return {key: replace(days, known_through=query.end) for key, days in tables.items()}


class StocksCalledIndices(GoodSource):
    def instruments(self, query):
        return [replace(record, kind=Kind.INDEX) for record in super().instruments(query)]


class HandsCalledShares(GoodSource):
    def instruments(self, query):
        return [replace(r, total_shares=r.total_shares / 1e4) for r in super().instruments(query)]


class FirstPageOfListing(GoodSource):
    def listings(self, query):
        tables = super().listings(query)
        tables[Exchange.SH] = [Instrument(symbol=Symbol("600000.SH"))]
        return tables


class ListedTwice(GoodSource):
    def listings(self, query):
        return {key: [*rows, *rows] for key, rows in super().listings(query).items()}


class EverySector(GoodSource):
    def sectors(self, query):
        return dict.fromkeys(query.sectors, SYMBOLS)


class Sleeper(GoodSource):
    async def quotes(self, query):
        time.sleep(0.45)  # noqa: ASYNC251 - that is what is wrong with it
        return await super().quotes(query)


class CancelledForGood(GoodSource):
    dead = False

    async def quotes(self, query):
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.dead = True
            raise
        return [] if self.dead else await super().quotes(query)


class OneAtATime(GoodSource):
    busy = False

    async def quotes(self, query):
        if self.busy:
            return []
        self.busy = True
        try:
            await asyncio.sleep(0.01)
        finally:
            self.busy = False
        return await super().quotes(query)


class LocalTime(GoodSource):
    def factors(self, query):
        rows = super().factors(query)
        return [row | {"date": _local_date(row["date"])} for row in rows]


def _local_date(day: date) -> date:
    epoch = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).timestamp()
    return datetime.fromtimestamp(epoch).date()  # noqa: DTZ006 - that is what is wrong with it


class OpensOnce(GoodSource):
    dead = False

    async def open(self):
        await super().open()
        loop = asyncio.get_running_loop()
        self.dead, STATE.loop = STATE.loop is loop, loop

    async def quotes(self, query):
        return [] if self.dead else await super().quotes(query)


class Troubled(GoodSource):
    """Something else than the right error comes of a vendor's trouble."""

    trouble = ""
    error: Exception | None = None

    async def wait(self):
        if TROUBLE.now == self.trouble and self.error is not None:
            raise self.error
        await super().wait()

    def spoil(self):
        if TROUBLE.now != self.trouble:
            super().spoil()

    async def quotes(self, query):
        quotes = await super().quotes(query)
        return [] if TROUBLE.now == self.trouble else quotes


class SilenceIsEmpty(Troubled):
    trouble = "timeout"

    async def wait(self):
        pass


class ForeignError(Troubled):
    trouble, error = "disconnect", ConnectionResetError("reset by peer")


class QuotaIsDown(Troubled):
    trouble, error = "quota", SourceUnavailable("refused")


class NoPermissionIsEmpty(Troubled):
    trouble = "no_permission"


class BadTokenIsDown(Troubled):
    trouble, error = "bad_token", SourceUnavailable("refused")


class GarbageIsEmpty(Troubled):
    trouble = "garbage"


class EmptyIsAnError(Troubled):
    trouble, error = "empty", BadData("nothing came")


TWINS = (
    Twin("SRC-01", NoCalls),
    Twin("SRC-01", NoZone, frozenset({f"SRC-0{n}" for n in range(2, 8)})),
    Twin("SRC-02", VendorSpelling),
    Twin("SRC-02", MissingColumn),
    Twin("SRC-03", ByPosition),
    Twin("SRC-04", Zeros),
    Twin("SRC-04", AngryAtStrangers),
    Twin("SRC-05", WholeMarket),
    Twin("SRC-06", ZeroForMissing),
    Twin("SRC-06", NotANumber),
    Twin("SRC-07", KeptList),
    Twin("SRC-10", HighBelowLow),
    Twin("SRC-10", TwoBarsOneDay),
    Twin("SRC-11", LotsAsShares),
    Twin("SRC-12", EndExclusive, frozenset({"SRC-17"})),
    Twin("SRC-13", FilledForward),
    Twin("SRC-13", DatesInUtc, frozenset({"SRC-12", "SRC-17", "SRC-18"})),
    Twin("SRC-14", StartsCalledEnds),
    Twin("SRC-14", EndsCalledStarts),
    Twin("SRC-15", NaiveUtc, frozenset({"SRC-14"})),
    Twin("SRC-16", LastBarOnHolidays),
    Twin("SRC-16", HolidayIsAnError),
    Twin("SRC-17", OnePage),
    Twin("SRC-18", AdjustedByVendor),
    Twin("SRC-19", VolumePerTick),
    Twin("SRC-20", NoPrice),
    Twin("SRC-20", LotsInQuotes),
    Twin("SRC-21", FractionForPercent),
    Twin("SRC-22", QuotesInUtc),
    Twin("SRC-22", ShanghaiCalledUtc),
    Twin("SRC-23", SidesExchanged),
    Twin("SRC-24", WorstFirst),
    Twin("SRC-30", ChangesOnly),
    Twin("SRC-30", NegativeFactor),
    Twin("SRC-31", Weekdays),
    Twin("SRC-32", KnowsTheFuture),
    Twin("SRC-33", StocksCalledIndices),
    Twin("SRC-33", HandsCalledShares),
    Twin("SRC-34", FirstPageOfListing),
    Twin("SRC-34", ListedTwice),
    Twin("SRC-35", EverySector),
    Twin("SRC-40", Sleeper, alone=True),
    Twin("SRC-41", CancelledForGood),
    Twin("SRC-42", OneAtATime),
    Twin("SRC-43", LocalTime),
    Twin("SRC-44", OpensOnce, frozenset({"SRC-43"})),
    Twin("SRC-45", TwoFaced, alone=True, entry="two_faced"),
    Twin("SRC-50", SilenceIsEmpty),
    Twin("SRC-51", ForeignError),
    Twin("SRC-52", QuotaIsDown),
    Twin("SRC-53", NoPermissionIsEmpty),
    Twin("SRC-54", BadTokenIsDown),
    Twin("SRC-55", GarbageIsEmpty),
    Twin("SRC-56", EmptyIsAnError),
)
