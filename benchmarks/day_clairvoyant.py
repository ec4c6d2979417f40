"""An offline clairvoyant cache: what the replayed day's hit rate is measured against.

It is unlimited in size and knows every request: it keeps everything that will be asked for again,
and fetches a key exactly when no fresh copy exists. It lives by the very rules that Argus lives by
(``argus_core.caching.freshness``, without the jitter), and reads bars as an archive can: a window
is a hit if each of its settled days was fetched before, in whatever window, and what is not
settled yet is no older than the rules allow. Where bars need the session before the window (the
first change of intraday bars) or factors (adjusting, intraday bars), those belong to the question.
It fetches every row once.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from random import Random

import numpy as np
import polars as pl
from day_market import ENDS, Market
from day_requests import LEVELS, Request
from day_source import Ledger, quote_at
from day_tally import Tally
from day_truth import LATEST

from argus_core import SHANGHAI, Adjust, Period, Symbol
from argus_core.caching.freshness import Freshness
from argus_core.caching.rules import Rules
from argus_core.caching.tiers import keys_of
from argus_core.config import Config
from argus_core.market import calendar, sectors
from argus_core.market.history import base_range
from argus_core.model.query import (
    BarsQuery,
    CalendarQuery,
    DepthQuery,
    FactorsQuery,
    HistoryQuery,
    InstrumentsQuery,
    ListingsQuery,
    Query,
    QuotesQuery,
)
from argus_core.model.records import TradingDays

_RECENT = 40
"""More days than can be unsettled."""


class Unjittered(Random):
    """Chance that never shortens a life."""

    def random(self) -> float:
        """Always 0."""
        return 0.0


class Clairvoyant:
    """The best that any cache can do under Argus' own rules of freshness."""

    def __init__(self, market: Market, config: Config) -> None:
        self.tally = Tally()
        self.ledger = Ledger(market)
        self._market = market
        table = config.history
        self._silent_days = timedelta(days=table.silent_days if table else 0)
        rules = Rules(config.cache_rules)
        self._freshness = Freshness(rules, Unjittered())
        self._until: dict[str, datetime] = {}
        self._sealed: dict[tuple[Symbol, Period], np.ndarray] = {}

    def ask(self, request: Request, now: datetime) -> None:
        """Answer one request and count its keys."""
        if request.kind == "bars":
            hit = self._bars(request, request.symbols[0], now)
            self.tally.count("bars", hit=hit)
            return
        query = query_of(request)
        hits = [
            self._fresh(text, query, key, self._value(request, key, now), now)
            for text, key in keys_of(query).items()
        ]
        if not all(hits):
            self.ledger.called(query.dataset, hits.count(False))
        # The members of a sector are one answer, of whatever tables they are made
        for hit in (all(hits),) if request.kind == "sector" else hits:
            self.tally.count(request.kind, hit=hit)

    def finished(self) -> Tally:
        """What was counted."""
        self.tally.book(self.ledger)
        return self.tally

    def _fresh(self, text: str, query: Query, key: str, value: object, now: datetime) -> bool:
        """True if the copy of a key is fresh; it is fetched otherwise."""
        if self._until.get(text, now) > now:
            return True
        self._until[text] = self._freshness.span(query, key, value, now).fresh_until
        return False

    def _value(self, request: Request, key: str, now: datetime) -> object:
        """What the source says now, as far as its life depends on it."""
        if request.kind in LATEST:
            return quote_at(self._market, Symbol(key), self._market.tick(now))
        if request.kind == "calendar":
            return TradingDays(dates=(), known_through=calendar.horizon())
        return None

    def _bars(self, request: Request, symbol: Symbol, now: datetime) -> bool:
        question = HistoryQuery(
            symbols=(symbol,),
            period=request.period,
            start=request.start,
            end=request.end,
            adjust=request.adjust,
        )
        start, end = base_range(question)
        base = Period.M1 if request.period.intraday else Period.D1
        first = calendar.previous_session(start) if base.intraday else start
        hit = self._series(symbol, base, first, end, now)
        if base.intraday or request.adjust is not Adjust.NONE:
            hit &= self._factors(symbol, now)
        return hit

    def _series(self, symbol: Symbol, base: Period, start: date, end: date, now: datetime) -> bool:
        """True if the raw bars of a range are at hand; what is missing is fetched."""
        market = self._market
        low, high = market.between(start, end)
        past = min(high, market.today)
        known = self._sealed.setdefault((symbol, base), np.zeros(market.today, dtype=bool))
        lacking = np.flatnonzero(~known[low:past]) + low
        recent = [int(day) for day in lacking[-_RECENT:] if self._unsettled(symbol, int(day))]
        settled = lacking if not recent else lacking[~np.isin(lacking, recent)]
        rows = self.ledger.gave(symbol, base, settled)
        known[settled] = True
        missing = len(settled)
        tail = None
        for day in (*recent, *((market.today,) if high > market.today else ())):
            query = _bars_query(symbol, base, market.days[day])
            tail = self._tail(symbol, base, now) if tail is None else tail
            if not self._fresh(next(iter(keys_of(query))), query, symbol, tail, now):
                missing += 1
                today = day == market.today
                rows += today and market.today_rows(symbol, now, minutely=base.intraday)
        if missing:
            self.ledger.called("bars", rows)
        return not missing

    def _factors(self, symbol: Symbol, now: datetime) -> bool:
        """True if the factors are at hand: a table of a few rows that is fetched as a whole."""
        query = FactorsQuery(symbols=(symbol,), start=self._market.day, end=self._market.day)
        hit = self._fresh(next(iter(keys_of(query))), query, symbol, None, now)
        if not hit:
            self.ledger.called("factors", 1)
        return hit

    def _unsettled(self, symbol: Symbol, day: int) -> bool:
        """True of a recent day without rows, which may only be late."""
        quiet = not self._market.stocks[symbol].active[day]
        return quiet and self._market.day - self._market.days[day] < self._silent_days

    def _tail(self, symbol: Symbol, base: Period, now: datetime) -> pl.DataFrame:
        """The label of the running day's last bar, on which the life of that day depends."""
        market = self._market
        running = market.running(symbol, market.tick(now))
        label = datetime.combine(market.day, time(), SHANGHAI)
        if base is Period.M1 and running.lots:
            label += timedelta(minutes=int(ENDS[running.minutes.shape[1] - 1]))
        labels = [label] if running.lots else []
        return pl.DataFrame({"time": pl.Series(labels, dtype=pl.Datetime("ms", "Asia/Shanghai"))})


def query_of(request: Request) -> Query:
    """The raw question that a request other than for bars comes down to."""
    if request.kind == "quotes":
        return QuotesQuery(symbols=request.symbols)
    if request.kind == "depth":
        return DepthQuery(symbols=request.symbols, levels=LEVELS)
    if request.kind == "instruments":
        return InstrumentsQuery(symbols=request.symbols)
    if request.kind == "calendar":
        return CalendarQuery(exchanges=request.exchanges, start=request.start, end=request.end)
    return ListingsQuery(exchanges=sectors.SECTORS[request.sector].exchanges)


def _bars_query(symbol: Symbol, base: Period, day: date) -> BarsQuery:
    midnight = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
    until = midnight + timedelta(days=1, seconds=-1)
    return BarsQuery(
        symbols=(symbol,), period=base, start=day, end=day, since=midnight, until=until
    )
