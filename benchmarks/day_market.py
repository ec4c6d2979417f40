"""A made-up stock market whose every price at every instant is known: the truth of a benchmark.

One seed gives the same market everywhere. Minutes are known for the last trading days, days for
some years; the running day moves in ticks of three seconds. Some stocks are suspended for days
or weeks (a few of them today), some were listed late, and some went ex-dividend.

Prices are kept in cents and volumes in lots, so that no comparison meets binary fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import numpy as np
import polars as pl

from argus_core import SHANGHAI, Symbol
from argus_core.market import calendar

TICK = 3.0
"""Seconds between two states of the running day."""
MINUTES = 240
TICKS_A_MINUTE = 20
MINUTE_DAYS = 60
"""Trading days before today of which minutes are known."""
YEARS = 5
LOT = 100.0
_MORNING, _NOON, _AFTERNOON = 9.5 * 3600, 11.5 * 3600, 13 * 3600
ENDS = np.array([*range(571, 691), *range(781, 901)], dtype=np.int64)
"""The minutes of the day that label a stock's bars."""


@dataclass(slots=True)
class Stock:
    """One stock: a row a trading day, and cents and lots a minute for the last of them."""

    symbol: Symbol
    active: np.ndarray
    """Whether it traded, by day."""
    opens: np.ndarray
    highs: np.ndarray
    lows: np.ndarray
    closes: np.ndarray
    prev: np.ndarray
    """The exchange's own previous close, by day."""
    lots: np.ndarray
    twice: np.ndarray
    """Twice the turnover in yuan, by day, which is whole."""
    factors: np.ndarray
    """The cumulative factor in force, by day."""
    minute_closes: np.ndarray
    minute_lots: np.ndarray
    listed: int
    """The day of its listing."""


@dataclass(frozen=True, slots=True)
class Running:
    """The running day of a stock after some ticks, prices in cents; ``lots`` is 0 before them."""

    open: int
    high: int
    low: int
    close: int
    lots: int
    twice: int
    minutes: np.ndarray
    """Open, close and lots of each minute so far, the forming one included."""


class Market:
    """All stocks over ``days``, of which the last one is running."""

    def __init__(self, seed: int, count: int, day: date) -> None:
        self.day = day
        self.days = calendar.session_dates(day.replace(day=1, year=day.year - YEARS), day)
        if not self.days or self.days[-1] != day:
            raise ValueError(f"{day} is no trading date")
        self.today = len(self.days) - 1
        self.ordinals = np.array([d.toordinal() for d in self.days])
        self.minute_from = len(self.days) - 1 - MINUTE_DAYS
        self.symbols = tuple(_symbol(n) for n in range(count))
        self.stocks = {
            symbol: _stock(symbol, np.random.default_rng((seed, n)), len(self.days))
            for n, symbol in enumerate(self.symbols)
        }
        stamps = np.array(self.days, dtype="datetime64[ms]")
        self.dates = pl.Series("time", stamps).cast(pl.Date)
        self._stamps = stamps

    def between(self, start: date, end: date) -> tuple[int, int]:
        """The half-open range of days that lie from ``start`` to ``end``, inclusive."""
        low = np.searchsorted(self.ordinals, start.toordinal())
        return int(low), int(np.searchsorted(self.ordinals, end.toordinal(), side="right"))

    def tick(self, now: datetime) -> int:
        """The ticks of the running day that are over at ``now``: 0 before the open, 4 800 after."""
        if now.date() != self.day:
            return 0 if now.date() < self.day else MINUTES * TICKS_A_MINUTE
        second = now.hour * 3600 + now.minute * 60 + now.second + now.microsecond / 1e6
        elapsed = min(max(second - _MORNING, 0), _NOON - _MORNING)
        elapsed += min(max(second - _AFTERNOON, 0), 7200.0)
        return int(elapsed // TICK)

    def instant(self, tick: int) -> datetime:
        """When a tick of the running day was made; before the first, yesterday's close."""
        if tick == 0:
            yesterday = self.days[self.today - 1]
            return datetime(yesterday.year, yesterday.month, yesterday.day, 15, tzinfo=SHANGHAI)
        second = _MORNING + tick * TICK
        second += 0 if second <= _NOON else _AFTERNOON - _NOON
        midnight = datetime(self.day.year, self.day.month, self.day.day, tzinfo=SHANGHAI)
        return midnight + timedelta(seconds=second)

    def running(self, symbol: Symbol, tick: int) -> Running:
        """The running day of a stock after so many ticks."""
        stock = self.stocks[symbol]
        closes, lots = stock.minute_closes[-1], stock.minute_lots[-1]
        whole, part = divmod(tick if stock.active[-1] else 0, TICKS_A_MINUTE)
        count = whole + bool(part)
        if not count:
            return Running(0, 0, 0, int(stock.prev[-1]), 0, 0, np.empty((3, 0), dtype=np.int64))
        opens = np.concatenate([stock.opens[-1:], closes[: count - 1]])
        ends, traded = closes[:count].copy(), lots[:count].copy()
        if part:
            ends[-1] = opens[-1] + (ends[-1] - opens[-1]) * part // TICKS_A_MINUTE
            traded[-1] = traded[-1] * part // TICKS_A_MINUTE
        return Running(
            open=int(opens[0]),
            high=int(max(opens.max(), ends.max())),
            low=int(min(opens.min(), ends.min())),
            close=int(ends[-1]),
            lots=int(traded.sum()),
            twice=int((traded * (opens + ends)).sum()),
            minutes=np.stack([opens, ends, traded]),
        )

    def today_rows(self, symbol: Symbol, now: datetime, *, minutely: bool) -> int:
        """How many raw bars the running day of a stock has so far."""
        minutes = self.running(symbol, self.tick(now)).minutes.shape[1]
        return minutes if minutely else min(minutes, 1)

    def day_rows(self, symbol: Symbol, low: int, high: int, tick: int) -> pl.DataFrame:
        """Raw day bars of the half-open range of days, the running one as it is."""
        stock = self.stocks[symbol]
        at = np.flatnonzero(stock.active[low : min(high, self.today)]) + low
        columns = [stock.opens, stock.highs, stock.lows, stock.closes, stock.lots, stock.twice]
        values = [column[at] for column in columns]
        if high > self.today and (now := self.running(symbol, tick)).lots:
            last = (now.open, now.high, now.low, now.close, now.lots, now.twice)
            values = [np.append(v, x) for v, x in zip(values, last, strict=True)]
            at = np.append(at, self.today)
        return _frame(symbol, self.dates.gather(at), values, prev_close=stock.prev[at] / 100)

    def minute_rows(self, symbol: Symbol, low: int, high: int, tick: int) -> pl.DataFrame:
        """Raw minute bars of the half-open range of days, the forming one labelled by its end."""
        stock = self.stocks[symbol]
        low, past = max(low, self.minute_from), min(high, self.today)
        at = np.flatnonzero(stock.active[low:past]) + low if past > low else np.array([], int)
        closes = stock.minute_closes[at - self.minute_from]
        opens = np.empty_like(closes)
        opens[:, 0], opens[:, 1:] = stock.opens[at], closes[:, :-1]
        lots = stock.minute_lots[at - self.minute_from]
        parts = [opens.ravel(), closes.ravel(), lots.ravel()]
        times = (self._stamps[at].astype(np.int64)[:, None] + ENDS * 60_000).ravel()
        if high > self.today:
            now = self.running(symbol, tick).minutes
            parts = [np.concatenate(pair) for pair in zip(parts, now, strict=True)]
            labels = self._stamps[self.today].astype(np.int64) + ENDS[: now.shape[1]] * 60_000
            times = np.concatenate([times, labels])
        first, last, traded = parts
        values = [first, np.maximum(first, last), np.minimum(first, last), last, traded]
        values.append(traded * (first + last))
        stamps = pl.Series("time", times).cast(pl.Datetime("ms"))
        return _frame(symbol, stamps, values)

    def factor_rows(self, symbol: Symbol, low: int, high: int) -> pl.DataFrame:
        """The factors that came into force in the half-open range of days, and the one before."""
        stock = self.stocks[symbol]
        changed = np.flatnonzero(np.diff(stock.factors, prepend=0.0) != 0)
        before = changed[changed <= low][-1:]
        at = np.union1d(before, changed[(changed >= low) & (changed < high)])
        return pl.DataFrame(
            {
                "symbol": pl.Series([str(symbol)], dtype=pl.String).new_from_index(0, len(at)),
                "date": self.dates.gather(at),
                "factor": pl.Series(stock.factors[at]),
            }
        )


@lru_cache(maxsize=1)
def market_of(seed: int, count: int, day: date) -> Market:
    """The market of a seed; the last one is kept, for it never changes."""
    return Market(seed, count, day)


def _symbol(number: int) -> Symbol:
    starts = ("600{:03}.SH", "000{:03}.SZ", "300{:03}.SZ", "688{:03}.SH", "603{:03}.SH")
    return Symbol(starts[number % 5].format(number // 5 + 1))


def _frame(
    symbol: Symbol, times: pl.Series, values: list[np.ndarray], **more: np.ndarray
) -> pl.DataFrame:
    opens, highs, lows, closes, lots, twice = values
    return pl.DataFrame(
        {
            "symbol": pl.Series([str(symbol)]).new_from_index(0, len(times)),
            "time": times,
            "open": opens / 100,
            "high": highs / 100,
            "low": lows / 100,
            "close": closes / 100,
            "volume": lots * LOT,
            "turnover": twice / 2,
            **more,
        }
    )


def _stock(symbol: Symbol, rng: np.random.Generator, days: int) -> Stock:
    """A stock whose minutes walk at random, and whose earlier days do the same more coarsely."""
    minute_days = MINUTE_DAYS + 1
    start = rng.uniform(400, 20_000)
    older = start * np.exp(np.cumsum(rng.normal(0, 0.015, days - minute_days)))
    walk = older[-1] * np.exp(np.cumsum(rng.normal(0, 0.0007, minute_days * MINUTES)))
    cents = np.maximum(walk.astype(np.int64), 100).reshape(minute_days, MINUTES)
    minute_lots = rng.integers(1, 50, cents.shape) * TICKS_A_MINUTE
    closes = np.concatenate([np.maximum(older.astype(np.int64), 100), cents[:, -1]])
    active, listed = _calendar(rng, days)
    prev, factors = _previous(rng, closes, active)
    opens = prev.copy()
    spread = rng.integers(0, 20, days)
    highs, lows = np.maximum(opens, closes) + spread, np.minimum(opens, closes)
    lots = rng.integers(1000, 100_000, days)
    twice = lots * (highs + lows)
    recent = np.concatenate([opens[-minute_days:, None], cents], axis=1)
    highs[-minute_days:], lows[-minute_days:] = recent.max(axis=1), recent.min(axis=1)
    lots[-minute_days:] = minute_lots.sum(axis=1)
    twice[-minute_days:] = (minute_lots * (recent[:, :-1] + recent[:, 1:])).sum(axis=1)
    return Stock(
        symbol, active, opens, highs, lows, closes, prev, lots, twice, factors,
        cents, minute_lots, listed,
    )  # fmt: skip


def _calendar(rng: np.random.Generator, days: int) -> tuple[np.ndarray, int]:
    """On which days a stock traded, and the day of its listing."""
    active = np.ones(days, dtype=bool)
    listed = 0
    chance = rng.random()
    if chance < 0.06:  # listed late, a third of them within the last weeks
        listed = int(rng.integers(days - 40, days - 1) if chance < 0.02 else rng.integers(1, days))
        active[:listed] = False
    elif chance < 0.16:
        begins = int(rng.integers(1, days - 1))
        active[begins : begins + int(rng.integers(1, 30))] = False
    elif chance < 0.18:  # suspended, and still so today
        active[-int(rng.integers(1, 15)) :] = False
    return active, listed


def _previous(
    rng: np.random.Generator, closes: np.ndarray, active: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The exchange's previous close and the cumulative factor of each day."""
    at = np.flatnonzero(active)
    prev = closes.copy()
    steps = np.ones(len(closes))
    ratio = np.where(rng.random(len(at)) < 0.003, 0.97, 1.0)[1:]
    prev[at[1:]] = np.maximum((closes[at[:-1]] * ratio).astype(np.int64), 1)
    steps[at[1:]] = closes[at[:-1]] / prev[at[1:]]
    # Of a day without trading nobody asks for more than what the day before left
    before = np.maximum.accumulate(np.where(active, np.arange(len(closes)), 0))
    prev = np.where(active, prev, closes[before])
    return prev, np.cumprod(steps)
