"""One trading day of one instrument: prices in ticks, volumes in lots, all of it integers.

A day is a path of prices, two steps a minute, and a parcel of lots for every minute. Everything
else follows from these two exactly: a minute's 20 trades run along its two steps in mirrored
pairs, so that their turnover is known without making them, and a bar, a quote and a list of
trades can never disagree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import mul
from typing import NamedTuple

from argus_demo.paths import draw

TICKS = 20
"""Trades in a minute: one every three seconds."""
TICK_SECONDS = 3
_PAIRS = 5  # mirrored pairs of trades in a step, so two steps make twenty trades
_FRACTION = 12  # binary places of the path's fixed-point numbers; more would outgrow 30 bits


class Tick(NamedTuple):
    """One trade; ``buy`` says that the buyer took what was offered."""

    price: int
    lots: int
    buy: bool


class Bar(NamedTuple):
    """What happened within a stretch of time; ``value`` is the sum of price times lots."""

    open: int
    high: int
    low: int
    close: int
    lots: int
    value: int

    def then(self, later: Bar) -> Bar:
        """Both stretches as one."""
        return Bar(
            self.open,
            max(self.high, later.high),
            min(self.low, later.low),
            later.close,
            self.lots + later.lots,
            self.value + later.value,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What is settled before a day is drawn.

    ``target`` is where the path would end were there no limits; beyond a limit it ends sealed at
    it. ``swing`` is the usual width of the day's noise in ticks, ``lots`` the day's rough volume.
    """

    reference: int
    low_limit: int
    high_limit: int
    target: int
    swing: float
    lots: float


@dataclass(frozen=True, slots=True)
class Day:
    """A drawn day: ``2 * minutes + 1`` prices and ``minutes`` parcels, a quarter minute's lots."""

    plan: Plan
    prices: list[int]
    parcels: list[int]
    key: str

    @property
    def minutes(self) -> int:
        """Minutes of trading in this day."""
        return len(self.parcels)

    def bar(self, first: int = 0, last: int | None = None) -> Bar:
        """The whole minutes from ``first`` to before ``last``, at least one."""
        last = self.minutes if last is None else last
        prices = self.prices[2 * first : 2 * last + 1]
        parcels = self.parcels[first:last]
        weights = [
            a + b + b + c for a, b, c in zip(prices[:-1:2], prices[1::2], prices[2::2], strict=True)
        ]
        value = sum(map(mul, parcels, weights))
        return Bar(prices[0], max(prices), min(prices), prices[-1], 4 * sum(parcels), value)

    def begun(self, minute: int, count: int) -> Bar:
        """The first ``count`` trades of a minute, at least one."""
        ticks = self.ticks(minute)[:count]
        prices = [tick.price for tick in ticks]
        lots = sum(tick.lots for tick in ticks)
        value = sum(tick.price * tick.lots for tick in ticks)
        return Bar(prices[0], max(prices), min(prices), prices[-1], lots, value)

    def so_far(self, count: int) -> Bar:
        """The first ``count`` trades of the day, at least one."""
        minute, rest = divmod(count, TICKS)
        if minute == 0:
            return self.begun(0, rest)
        whole = self.bar(0, minute)
        return whole.then(self.begun(minute, rest)) if rest else whole

    def ticks(self, minute: int) -> list[Tick]:
        """The twenty trades of a minute, in order."""
        noise = draw(36, self.key, minute)
        start, middle, end = self.prices[2 * minute : 2 * minute + 3]
        lots = self.parcels[minute]
        trades = (*_step(start, middle, lots, noise[:8]), *_step(middle, end, lots, noise[8:16]))
        before = start if minute else self.plan.reference
        found: list[Tick] = []
        for (price, size), coin in zip(trades, noise[16:], strict=True):
            buy = price > before or (price == before and coin % 2 == 0)
            found.append(Tick(price, size, buy))
            before = price
        return found

    def latest(self, count: int, most: int) -> list[tuple[int, Tick]]:
        """The last ``most`` of the day's first ``count`` trades, each with its number from 1."""
        first = max(0, count - most)
        found: list[tuple[int, Tick]] = []
        for minute in range(first // TICKS, (count - 1) // TICKS + 1):
            found += enumerate(self.ticks(minute), minute * TICKS + 1)
        return [(number, tick) for number, tick in found if first < number <= count]


def _step(start: int, end: int, lots: int, noise: Sequence[int]) -> list[tuple[int, int]]:
    """Ten trades from ``start`` to ``end`` in mirrored pairs, twice ``lots`` in all.

    Trade k and trade 9 - k have equal lots and prices that add up to ``start + end``, so the
    turnover is exactly ``lots * (start + end)``.
    """
    width = end - start
    early = [start, *(start + width * part // 512 for part in noise[:4])]
    cuts = [0, *sorted(noise[4:]), 256]
    marks = [(lots - _PAIRS) * cut // 256 for cut in cuts]
    sizes = [1 + after - before for before, after in pairwise(marks)]
    first = list(zip(early, sizes, strict=True))
    return first + [(start + end - price, size) for price, size in reversed(first)]


def crowd(minutes: int) -> tuple[int, ...]:
    """How busy each minute of a day is, 256 on average: busy at both ends, quiet at noon."""
    raw = [0.6 + 1.2 * (2 * (minute + 0.5) / minutes - 1) ** 2 for minute in range(minutes)]
    return tuple(round(256 * weight * minutes / sum(raw)) for weight in raw)


def draw_day(plan: Plan, busy: Sequence[int], key: str) -> Day:
    """The day that ``plan`` and ``key`` determine; ``busy`` has a weight for every minute."""
    minutes = len(busy)
    noise = draw(3 * minutes + 3, key)
    gap, calm, mood = noise[-3:]
    return Day(
        plan,
        _prices(plan, noise[: 2 * minutes], gap, calm),
        _parcels(plan, busy, noise[2 * minutes : 3 * minutes], mood),
        key,
    )


def _prices(plan: Plan, noise: bytes, gap: int, calm: int) -> list[int]:
    """A bridge from the open to the target, cut off at the limits."""
    steps = len(noise)
    start = plan.reference + round(
        (plan.target - plan.reference) * gap / 512 + plan.swing * (calm - 128) / 1024
    )
    start = min(max(start, plan.low_limit), plan.high_limit)
    walk = list(accumulate(noise, initial=0))
    # 74 is the deviation of a uniform byte; the second factor makes some days calmer than others.
    scale = round((plan.swing * (96 + calm) / 256 / (74 * math.sqrt(steps))) * (1 << _FRACTION))
    drift = (((plan.target - start) << _FRACTION) - walk[-1] * scale) // steps
    base = (start << _FRACTION) + (1 << (_FRACTION - 1))
    prices = [(base + x * scale + i * drift) >> _FRACTION for i, x in enumerate(walk)]
    prices[-1] = plan.target
    if max(prices) > plan.high_limit or min(prices) < plan.low_limit:
        return [min(max(price, plan.low_limit), plan.high_limit) for price in prices]
    return prices


def _parcels(plan: Plan, busy: Sequence[int], noise: bytes, mood: int) -> list[int]:
    """Quarter-minute volumes in lots, enough for every trade to have one."""
    eager = (0.6 + mood / 320) * (1 + 8 * abs(plan.target - plan.reference) / plan.reference)
    # the weights average 256, noise and its floor 192
    share = round(plan.lots * eager / (4 * len(busy)) * 256 / 192)
    return [
        _PAIRS + (weight * (64 + part) * share >> 16)
        for weight, part in zip(busy, noise, strict=True)
    ]
