"""Plain aiocache with fixed lives, asked as an application would use it.

The whole request is the key: 30 s for quotes and books, 300 s for bars, 3600 s for the rest. It is
aiocache's own SimpleMemoryCache, untouched; its timers run on the replayed day's time, because the
event loop that it runs on takes its time from there. In place of rows it is given the instant at
which they were fetched, from which the source's truth follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

import numpy as np
from aiocache import SimpleMemoryCache
from day_clairvoyant import query_of
from day_market import Market
from day_requests import Request
from day_source import Ledger
from day_tally import DayClock, Tally
from day_truth import Truth

from argus_core import Clock, Period

TTLS = {"quotes": 30.0, "depth": 30.0, "bars": 300.0}
"""Seconds that a kind of request is kept."""
BASIC = 3600.0
"""The same for every other kind."""


class MarketLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers run on the replayed market's time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._market_clock = clock

    def time(self) -> float:
        """The replay's seconds."""
        return self._market_clock.monotonic()


class Plain:
    """aiocache with fixed lives, keyed by whole requests."""

    def __init__(self, market: Market, truth: Truth, clock: DayClock) -> None:
        self.tally = Tally()
        self.ledger = Ledger(market)
        self._market = market
        self._truth = truth
        self._clock = clock

    def replay(self, requests: Iterable[Request]) -> Tally:
        """What was counted over all requests."""
        with asyncio.Runner(loop_factory=lambda: MarketLoop(self._clock)) as runner:
            runner.run(self._replay(requests))
        self.tally.book(self.ledger)
        return self.tally

    async def _replay(self, requests: Iterable[Request]) -> None:
        cache = SimpleMemoryCache()
        for request in requests:
            self._clock.second = request.second
            for _ in range(2):  # one turn of the loop finds the timers that are due, one runs them
                await asyncio.sleep(0)
            await self._ask(cache, request, self._clock.now())

    async def _ask(self, cache: SimpleMemoryCache, request: Request, now: datetime) -> None:
        key = f"{request.kind} {request.symbols} {request.period} {request.start} {request.end}"
        key += f" {request.adjust} {request.exchanges} {request.sector}"
        fetched: datetime | None = await cache.get(key)
        self.tally.count(request.kind, hit=fetched is not None, keys=request.keys)
        if fetched is None:
            self._fetch(request)
            await cache.set(key, now, ttl=TTLS.get(request.kind, BASIC))
            return
        self.tally.old += sum(
            self._truth.too_old(request, symbol, fetched, now) for symbol in request.symbols
        )

    def _fetch(self, request: Request) -> None:
        if request.kind != "bars":
            self.ledger.called(query_of(request).dataset, request.keys)
            return
        symbol = request.symbols[0]
        base = Period.M1 if request.period.intraday else Period.D1
        low, high = self._market.between(request.start, request.end)
        days = np.arange(low, min(high, self._market.today))
        rows = self.ledger.gave(symbol, base, days)
        if high > self._market.today:
            rows += self._market.today_rows(symbol, self._clock.now(), minutely=base.intraday)
        self.ledger.called("bars", rows)
