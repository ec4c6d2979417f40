"""The requests of a replayed day: seeded, in order of time, half of them for latest quotes.

50 % ask for latest quotes (nine in ten of one symbol, one in ten of a watch list of up to ten),
40 % for bars of random windows, 10 % for the rest: instruments, depth, trading dates, a sector.
Symbols follow Zipf's law with exponent 1. Arrivals are four times as dense in the session as in
the hours around it. Of the bars 70 % are of days, 20 % of minutes over a few days, 5 % of five
minutes and 5 % of weeks; 30 % of the windows end today, the others lie at random in the years (for
minutes: the weeks) before, so that many overlap; 15 % of the windows of days are adjusted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from day_market import MINUTE_DAYS, Market

from argus_core import Adjust, Exchange, Period, Symbol

FIRST, LAST = 8.5 * 3600, 16.5 * 3600
_SITTINGS = ((9.5 * 3600, 11.5 * 3600), (13 * 3600, 15 * 3600))
_DENSER = 4
_ENDING_TODAY = 0.3
LEVELS = 5
"""Levels of the books that are asked for."""
_SECTORS = ("沪深A股", "上证A股", "创业板", "科创板")


@dataclass(frozen=True, slots=True)
class Request:
    """One question at a second of the day; ``kind`` is what it asks for."""

    second: float
    kind: str
    symbols: tuple[Symbol, ...] = ()
    period: Period = Period.D1
    start: date = date.min
    end: date = date.min
    adjust: Adjust = Adjust.NONE
    exchanges: tuple[Exchange, ...] = ()
    sector: str = ""

    @property
    def keys(self) -> int:
        """How many things are asked about."""
        return len(self.symbols) or len(self.exchanges) or 1


def requests_of(market: Market, count: int, seed: int) -> Iterator[Request]:
    """``count`` requests in order of time."""
    random = Random(f"requests {seed}")
    ranked = list(market.symbols)
    random.shuffle(ranked)
    sums: list[float] = []
    for rank in range(1, len(ranked) + 1):
        sums.append((sums[-1] if sums else 0.0) + 1 / rank)

    def some(number: int) -> tuple[Symbol, ...]:
        return tuple(dict.fromkeys(random.choices(ranked, cum_weights=sums, k=number)))

    for second in sorted(_arrival(random) for _ in range(count)):
        share = random.random()
        if share < 0.5:
            number = 1 if random.random() < 0.9 else random.randint(2, 10)
            yield Request(second, "quotes", symbols=some(number))
        elif share < 0.9:
            yield _bars(random, market, second, some(1))
        else:
            yield _rest(random, market, second, some(1))


def _arrival(random: Random) -> float:
    while True:
        second = random.uniform(FIRST, LAST)
        inside = any(opened <= second < closed for opened, closed in _SITTINGS)
        if inside or random.random() < 1 / _DENSER:
            return second


def _bars(random: Random, market: Market, second: float, symbols: tuple[Symbol, ...]) -> Request:
    share, adjust = random.random(), Adjust.NONE
    if share < 0.75:
        period = Period.D1 if share < 0.7 else Period.W1
        start, end = _past_days(random, market)
        adjust = Adjust.PRE if random.random() < 0.15 else Adjust.NONE
    else:
        period = Period.M1 if share < 0.95 else Period.M5
        start, end = _past_minutes(random, market, 5 if period is Period.M1 else 10)
    return Request(second, "bars", symbols, period, start, end, adjust)


def _past_days(random: Random, market: Market) -> tuple[date, date]:
    """A window of a week to three years, as calendar dates."""
    length = timedelta(days=int(math.exp(random.uniform(math.log(7), math.log(1100)))))
    if random.random() < _ENDING_TODAY:
        return market.day - length, market.day
    yesterday = market.day - timedelta(days=1)
    start = market.days[0] + timedelta(days=random.randint(0, (yesterday - market.days[0]).days))
    return start, min(start + length, yesterday)


def _past_minutes(random: Random, market: Market, most: int) -> tuple[date, date]:
    """A window of at most so many trading days among those of which minutes are known."""
    length = random.randint(1, most)
    if random.random() < _ENDING_TODAY:
        return market.days[market.today - length + 1], market.day
    start = random.randint(market.today - MINUTE_DAYS + 1, market.today - 1)
    return market.days[start], market.days[min(start + length, market.today) - 1]


def _rest(random: Random, market: Market, second: float, symbols: tuple[Symbol, ...]) -> Request:
    share = random.random()
    if share < 0.4:
        return Request(second, "instruments", symbols)
    if share < 0.7:
        return Request(second, "depth", symbols)
    if share < 0.9:
        year = market.day.year - random.randint(0, 3)
        first = date(year, random.choice((1, 1, 4, 7, 10)), 1)
        exchange = random.choice((Exchange.SH, Exchange.SZ))
        last = min(date(year, 12, 31), market.day)
        return Request(second, "calendar", start=min(first, last), end=last, exchanges=(exchange,))
    return Request(second, "sector", sector=random.choice(_SECTORS))
