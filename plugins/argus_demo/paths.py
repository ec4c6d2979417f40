"""Where a price stands on any day, told from the seed alone, without walking there.

Everything derives from SHAKE-256 of a text key: the same in every process and Python version.
"""

from __future__ import annotations

import math
import struct
from array import array
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import shake_256
from types import MappingProxyType

from argus_core import Kind
from argus_demo.listed import Listed

_STRIDE = 1024  # sessions between two fixed points of a walk, a power of two
_SPREAD = 0.35  # how far a fixed point may lie from the usual level, logarithmic
_SEASON = 64  # sessions in which at most one event happens
_FADE = 32  # sessions in which an event's displacement dies away
_YEAR = 4  # seasons from one dividend to the next


def draw(size: int, *key: object) -> bytes:
    """``size`` random bytes that belong to ``key`` for ever."""
    return shake_256("/".join(map(str, key)).encode()).digest(size)


class Walk:
    """A random walk over session numbers, readable anywhere in bounded time.

    Fixed points every 1 024 sessions keep it near 0; between them the midpoint of every stretch
    is displaced in turn. The displacements are bounded, and so is the step from one session to
    the next: it never exceeds 4.2 deviations plus the drift between two fixed points.
    """

    def __init__(self, volatility: float, *key: object) -> None:
        self._volatility = volatility
        self._key = key
        self._stretch = lru_cache(maxsize=4)(self._make_stretch)

    def __call__(self, session: int) -> float:
        """The logarithmic distance from the usual level."""
        number, offset = divmod(session, _STRIDE)
        return self._stretch(number)[offset]

    def _fixed_point(self, number: int) -> float:
        (value,) = struct.unpack("<h", draw(2, *self._key, "fixed", number))
        return _SPREAD * float(value) / 32768

    def _make_stretch(self, number: int) -> array[float]:
        noise = struct.unpack(f"<{_STRIDE}h", draw(2 * _STRIDE, *self._key, "walk", number))
        values = array("d", bytes(8 * (_STRIDE + 1)))
        values[0], values[_STRIDE] = self._fixed_point(number), self._fixed_point(number + 1)
        width = _STRIDE
        while width > 1:
            half = width // 2
            # sqrt(3) gives the uniform noise a deviation of 1
            reach = self._volatility * math.sqrt(width) / 2 * math.sqrt(3) / 32768
            for middle in range(half, _STRIDE, width):
                mean = (values[middle - half] + values[middle + half]) / 2
                values[middle] = mean + reach * noise[middle]
            width = half
        return values


class Happening(StrEnum):
    """What can interrupt the ordinary course of a stock."""

    DIVIDEND = "dividend"
    SUSPENSION = "suspension"
    LIMIT_UP = "limit up"
    LIMIT_DOWN = "limit down"


# Of 256 seasons without a dividend, how many see each of these: cumulative.
_SHARES = MappingProxyType(
    {Happening.LIMIT_UP: 80, Happening.LIMIT_DOWN: 130, Happening.SUSPENSION: 180}
)
_BONUS = (0, 0, 0, 0, 1, 2)  # bonus shares for each ten that are held, one entry a sixth


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens on session ``first`` and leaves the price at ``level`` ticks.

    ``anchor`` is the session that the level belongs to: the limit day itself, the last suspended
    day, or the eve of an ex-dividend day, whose close the level replaces.
    """

    what: Happening
    first: int
    anchor: int
    level: int


def band_of(reference: int, percent: int) -> tuple[int, int]:
    """The lowest and highest price allowed, in ticks, rounded half up."""
    low = (reference * (100 - percent) + 50) // 100
    return low, (reference * (100 + percent) + 50) // 100


class Path:
    """The closes of one instrument, in ticks; ``first`` is the session of its listing."""

    def __init__(self, seed: int, listed: Listed, first: int) -> None:
        self._listed = listed
        self._first = first
        self._walk = Walk(listed.volatility, seed, listed.motion)
        self._key = (seed, listed.symbol)
        self._phase = draw(1, *self._key, "phase")[0] % _YEAR
        self.event = lru_cache(maxsize=128)(self._make_event)

    def close(self, session: int) -> int:
        """The close; on a suspended day the one carried over."""
        event = self.event(session // _SEASON)
        if event is None or session < event.first:
            return self._ticks(self._walk(session))
        if session <= event.anchor:
            return event.level
        origin = math.log(event.level * self._listed.tick / self._listed.price)
        displaced = origin - self._walk(event.anchor)
        left = max(0.0, 1 - (session - event.anchor) / _FADE)
        return self._ticks(self._walk(session) + displaced * left)

    def reference(self, session: int) -> int:
        """The previous close that the exchange states: less the dividend on an ex-day."""
        event = self.happening(session)
        if event is not None and event.what is Happening.DIVIDEND:
            return event.level
        return self.close(session - 1)

    def happening(self, session: int) -> Event | None:
        """The event that falls on ``session``; a suspension may last for several."""
        event = self.event(session // _SEASON)
        if event is not None and event.first <= session <= max(event.first, event.anchor):
            return event
        return None

    def suspended(self, session: int) -> bool:
        """True if there is no trading on ``session``."""
        event = self.happening(session)
        return event is not None and event.what is Happening.SUSPENSION

    def dividends(self, through: int) -> list[tuple[int, float]]:
        """Each ex-dividend session up to ``through`` and the cumulative factor from it on."""
        events = (self.event(n) for n in range(self._first // _SEASON, through // _SEASON + 1))
        factor, found = 1.0, list[tuple[int, float]]()
        for event in events:
            if event is None or event.what is not Happening.DIVIDEND or event.first > through:
                continue
            factor *= self.close(event.first - 1) / event.level
            found.append((event.first, factor))
        return found

    def _ticks(self, level: float) -> int:
        return max(1, round(self._listed.price * math.exp(level) / self._listed.tick))

    def _make_event(self, season: int) -> Event | None:
        if self._listed.kind is not Kind.STOCK or self._listed.band is None:
            return None
        where, which, size, extra = draw(4, *self._key, "event", season)
        first = season * _SEASON + 8 + where % 16
        if first <= self._first:
            return None
        before = self._ticks(self._walk(first - 1))
        if season % _YEAR == self._phase:
            level = _without_dividend(before, size, extra)
            return Event(Happening.DIVIDEND, first, first - 1, level)
        low, high = band_of(before, self._listed.band)
        what = next((what for what, share in _SHARES.items() if which < share), None)
        if what is Happening.SUSPENSION:
            return Event(what, first, first + size % 3, before)
        limit = high if what is Happening.LIMIT_UP else low
        return None if what is None else Event(what, first, first, limit)


def _without_dividend(before: int, size: int, extra: int) -> int:
    """The ex-right reference: 1 to 4 percent in cash, now and then bonus shares as well."""
    cash = max(1, round(before * (0.01 + 0.03 * size / 255)))
    return round((before - cash) * 10 / (10 + _BONUS[extra % len(_BONUS)]))
