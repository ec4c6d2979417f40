"""What an answer of the replayed day should have been, and how old what it says is."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from day_market import LOT, MINUTES, TICKS_A_MINUTE, Market
from day_requests import Request
from day_source import depth_at, quote_at

from argus_core import Adjust, Depth, Period, Symbol

LATEST = ("quotes", "depth")
_HAIR = 2e-6
_FIVE = 5


class Truth:
    """Judges answers. ``ages`` says how many seconds old the truth of a kind may be.

    While the market moves, an answer that is not flagged as stale must be what the source would
    have said at some instant of its last ``ages`` seconds; while it stands still, that is what the
    source says now, however long ago it was fetched.
    """

    def __init__(self, market: Market, ages: dict[str, float]) -> None:
        self.market = market
        self._ages = ages

    def too_old(self, request: Request, symbol: Symbol, fetched: datetime, now: datetime) -> bool:
        """True if the truth of the instant ``fetched`` may not be told at ``now`` any more."""
        moving = request.kind in LATEST or (request.kind == "bars" and self._has_today(request))
        if not moving or not self.market.stocks[symbol].active[-1]:
            return False
        return self.market.tick(fetched) < self._oldest(request, now)

    def verdict(self, request: Request, symbol: Symbol, value: Any, now: datetime) -> str:
        """``right``, ``old`` (true once, but not within the allowed age) or ``false``."""
        tick = self._told(request, symbol, value, self.market.tick(now))
        if tick is None:
            return "false"
        newest = self.market.tick(now)
        return "right" if self._oldest(request, now) <= tick <= newest else "old"

    def _oldest(self, request: Request, now: datetime) -> int:
        return self.market.tick(now - timedelta(seconds=self._ages[request.kind]))

    def _has_today(self, request: Request) -> bool:
        return _whole(request)[1] >= self.market.day

    def _told(self, request: Request, symbol: Symbol, value: Any, newest: int) -> int | None:
        """The newest tick whose truth the value is, ``newest`` where nothing moves; or None."""
        if request.kind in LATEST:
            return self._quoted(symbol, value, newest)
        if request.kind != "bars":
            return newest
        closes, volumes = value["close"].to_numpy(), value["volume"].to_numpy()
        traded = self._has_today(request) and self.market.stocks[symbol].active[-1]
        for tick in (newest, *((newest - 1, newest - 2) if traded else ())):
            if self._agrees(request, symbol, max(tick, 0), closes, volumes):
                return max(tick, 0)
        tick = self._tick_of(request, symbol, float(volumes.sum()))
        return tick if self._agrees(request, symbol, tick, closes, volumes) else None

    def _quoted(self, symbol: Symbol, value: Any, newest: int) -> int | None:
        quote = value.quote if isinstance(value, Depth) else value
        if not self.market.stocks[symbol].active[-1]:
            tick = newest
        elif not quote.volume:
            tick = 0
        else:
            tick = self._tick(symbol, int(quote.volume / LOT))
        true = quote_at(self.market, symbol, tick)
        names = ("as_of", "price", "open", "high", "low", "prev_close", "volume", "turnover")
        if any(getattr(quote, name) != getattr(true, name) for name in names):
            return None
        if isinstance(value, Depth):
            book = depth_at(self.market, symbol, tick, len(value.bids))
            return tick if value.bids == book.bids and value.asks == book.asks else None
        return tick

    def _tick_of(self, request: Request, symbol: Symbol, volume: float) -> int:
        """The tick at which the bars had this volume in all."""
        past = self.bars(request, symbol, 0)[1].sum()
        return self._tick(symbol, round((volume - past) / LOT))

    def _tick(self, symbol: Symbol, lots: int) -> int:
        """The tick after which a stock had traded so many lots today, or the one before."""
        sums = np.cumsum(self.market.stocks[symbol].minute_lots[-1])
        minute = int(np.searchsorted(sums, lots, side="right"))
        if minute >= MINUTES:
            return MINUTES * TICKS_A_MINUTE
        over = lots - (int(sums[minute - 1]) if minute else 0)
        each = int(self.market.stocks[symbol].minute_lots[-1][minute]) // TICKS_A_MINUTE
        return max(minute * TICKS_A_MINUTE + over // each, 0)

    def _agrees(
        self, request: Request, symbol: Symbol, tick: int, closes: np.ndarray, volumes: np.ndarray
    ) -> bool:
        true_closes, true_volumes = self.bars(request, symbol, tick)
        return (
            len(closes) == len(true_closes)
            and bool((np.abs(closes - true_closes) < _HAIR).all())
            and bool((volumes == true_volumes).all())
        )

    def bars(self, request: Request, symbol: Symbol, tick: int) -> tuple[np.ndarray, np.ndarray]:
        """The close and the volume of every bar that the request asks for, after a tick."""
        if request.period.intraday:
            return self._minutes(request, symbol, tick)
        stock = self.market.stocks[symbol]
        start, end = _whole(request)
        low, high = self.market.between(start, end)
        at = np.flatnonzero(stock.active[low : min(high, self.market.today)]) + low
        closes, lots = stock.closes[at], stock.lots[at]
        if high > self.market.today and (now := self.market.running(symbol, tick)).lots:
            at = np.append(at, self.market.today)
            closes, lots = np.append(closes, now.close), np.append(lots, now.lots)
        prices = closes / 100
        if request.adjust is Adjust.PRE:
            prices = prices * (stock.factors[at] / stock.factors[-1])
        if request.period is Period.W1 and len(at):
            at, prices, lots = self._weeks(at, prices, lots, request)
        return prices, lots * LOT

    def _weeks(
        self, at: np.ndarray, prices: np.ndarray, lots: np.ndarray, request: Request
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Days as weeks: the last of each whose last trading day lies in the asked range."""
        ordinals = self.market.ordinals[at]
        weeks = (ordinals - 1) // 7
        firsts = np.flatnonzero(np.diff(weeks, prepend=-1))
        lasts = np.append(firsts[1:], len(at)) - 1
        labels = ordinals[lasts]
        inside = (labels >= request.start.toordinal()) & (labels <= request.end.toordinal())
        return at[lasts][inside], prices[lasts][inside], np.add.reduceat(lots, firsts)[inside]

    def _minutes(
        self, request: Request, symbol: Symbol, tick: int
    ) -> tuple[np.ndarray, np.ndarray]:
        market, stock = self.market, self.market.stocks[symbol]
        low, high = market.between(request.start, request.end)
        at = np.flatnonzero(stock.active[low : min(high, market.today)]) + low - market.minute_from
        closes, lots = stock.minute_closes[at].ravel(), stock.minute_lots[at].ravel()
        if high > market.today:
            _opens, now, traded = market.running(symbol, tick).minutes
            closes, lots = np.concatenate([closes, now]), np.concatenate([lots, traded])
        if request.period is Period.M5 and len(lots):
            firsts = np.arange(0, len(lots), _FIVE)
            lasts = np.append(firsts[1:], len(lots)) - 1
            closes, lots = closes[lasts], np.add.reduceat(lots, firsts)
        return closes / 100, lots * LOT


def _whole(request: Request) -> tuple[date, date]:
    """The first and the last day that matter: those of whole weeks for bars of weeks."""
    if request.period is not Period.W1:
        return request.start, request.end
    monday = request.start - timedelta(days=request.start.weekday())
    return monday, request.end + timedelta(days=6 - request.end.weekday())
