"""A vendor that counts calls, and what it counted."""

import asyncio
from collections import defaultdict
from datetime import date, datetime, time

from argus_core import (
    SHANGHAI,
    Allowance,
    BarsQuery,
    Charge,
    Clock,
    Meter,
    Period,
    Quote,
    QuotesQuery,
    Source,
    Symbol,
)

MINUTE = 60.0
CLOSE = 1e-6


class Metered(Source):
    """Quotes at one call a question, bars at one call a symbol, as the vendor counts them.

    ``script`` is taken step by step, one a call: an error to raise, or how many seconds pass
    before and after the vendor counts the call. ``shown`` says whether a meter shows the calls.
    """

    symbols_per_call = 10
    max_concurrency = 3

    def __init__(self, clock: Clock, *script, shown=False, name="m", **allowed) -> None:
        super().__init__(name, None, clock)
        self.allowed = allowed
        self.script = list(script)
        self.shown = shown
        self.counted: dict[str, list[float]] = defaultdict(list)
        self.asked: list[tuple[str, ...]] = []
        self.unknown: set[str] = set()

    def charges(self, query):
        each = len(query.keys) if query.dataset == "bars" else 1
        allowance = Allowance(interface=query.dataset, **self.allowed)
        return [Charge(allowance=allowance, calls=each)]

    def meters(self):
        if not self.shown:
            return ()
        return [Meter(interface=name, used=len(calls)) for name, calls in self.counted.items()]

    async def quotes(self, query: QuotesQuery):
        await self.called(query, 1)
        known = [s for s in query.symbols if s not in self.unknown]
        return [Quote(symbol=s, price=price(s), as_of=self.clock.now()) for s in known]

    async def bars(self, query: BarsQuery):
        await self.called(query, len(query.symbols))
        day = datetime.combine(query.start, time())
        prices = dict.fromkeys(("open", "high", "low", "close"), 10.0)
        rest = {"volume": 100.0, "turnover": 1000.0, "prev_close": 10.0}
        known = [s for s in query.symbols if s not in self.unknown]
        return [{"symbol": s, "time": day.date(), **prices, **rest} for s in known]

    async def called(self, query, calls):
        self.asked.append(query.keys)
        step = self.script.pop(0) if self.script else (0.0, 0.0)
        if isinstance(step, Exception):
            self.counted[query.dataset] += [self.clock.monotonic()] * calls
            raise step
        before, after = step
        await asyncio.sleep(before)
        self.counted[query.dataset] += [self.clock.monotonic()] * calls
        await asyncio.sleep(after)


def price(symbol: str) -> float:
    """What a share costs here."""
    return 1.0 + int(symbol[:6]) % 100


def shares(number: int) -> tuple[Symbol, ...]:
    """So many shares of Shanghai."""
    return tuple(Symbol(f"60{n:04d}.SH") for n in range(1, number + 1))


def bars_of(*symbols: Symbol, day: date = date(2024, 3, 14)) -> BarsQuery:
    """A question for one day's bars."""
    return BarsQuery(
        symbols=symbols,
        period=Period.D1,
        start=day,
        end=day,
        since=datetime.combine(day, time(), SHANGHAI),
        until=datetime.combine(day, time(23, 59), SHANGHAI),
    )


def most_in_a_minute(instants) -> int:
    """The most of these instants in any sixty seconds, the last instant not counted."""
    return max((sum(0 <= at - t < MINUTE - CLOSE for at in instants) for t in instants), default=0)
