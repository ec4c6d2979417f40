"""How large a pool is just now: a number of calls that follows the load between its bounds.

It grows by a factor while it is used to its threshold, at most twice a second. A call that
timed out or was throttled costs a tenth, as does growth that made answers slower and not more; for
ten seconds after such a cut it does not grow, and then, until a minute after it, by one at a time.
What is used to less than half the threshold for long enough shrinks step by step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from argus_core.tables import PoolLimits

REVIEW = 0.5
"""Seconds over which utilisation is averaged, at least."""
COOL_OFF = 0.5
"""Seconds between two changes upwards."""
CUT = 0.9
"""What is left of the size after a cut."""
HOLD = 10.0
"""Seconds after a cut in which it does not grow."""
CAREFUL = 60.0
"""Seconds after a cut in which it grows by one at a time."""
ENOUGH = 10
"""Calls at one size before their times are compared with those at another."""
SLOWER = 1.3
"""Answers that take so many times what they took before count as slower."""
MORE = 1.1
"""Growth was of use if it brought so many times the answers a second."""


@dataclass(slots=True)
class _Spell:
    """What calls did that began and ended at one size."""

    size: int
    began: float
    done: int = 0
    seconds: float = 0.0

    @property
    def latency(self) -> float:
        return self.seconds / max(1, self.done)

    def rate(self, now: float) -> float:
        return self.done / max(COOL_OFF, now - self.began)


class Scaling:
    """The size of one pool. Instants are monotonic seconds."""

    def __init__(self, limits: PoolLimits, now: float) -> None:
        self._limits = limits
        self._spell = _Spell(limits.first_size, now)
        self._known: tuple[_Spell, float] | None = None
        """The last spell with enough calls to compare with, and its rate."""
        self._since = now
        self._area = 0.0
        self._calm_since = now
        self._grown_at = now - COOL_OFF
        self._cut_at = -math.inf

    @property
    def size(self) -> int:
        """The most calls at once."""
        return self._spell.size

    def used(self, in_use: int, seconds: float) -> None:
        """Note that so many calls were under way for so long."""
        self._area += in_use * seconds

    def resize(self, target: int, now: float) -> None:
        """Set the size to ``target``, or to the bound that it exceeds."""
        self._set(min(max(target, self._limits.min_size), self._limits.max_size), now)
        self._calm_since = now

    def note(self, *, ok: bool, strain: bool, seconds: float, now: float) -> str | None:
        """Learn from a call that ended; a sentence if that cost places."""
        began = now - seconds
        if ok and began >= self._spell.began:
            self._spell.done += 1
            self._spell.seconds += seconds
        # What began before a cut says nothing of the size after it: a burst of time-outs cuts once.
        if strain and self._limits.auto_scale and began >= self._cut_at:
            return self._cut(now, "calls timed out or were throttled")
        return None

    def review(self, waiting: int, now: float) -> str | None:
        """A sentence if the size changed, as the utilisation since the last review asks for."""
        span = now - self._since
        if span < REVIEW or not self._limits.auto_scale:
            return None
        used = self._area / (span * self.size)
        self._since, self._area = now, 0.0
        if used >= self._limits.scale_threshold / 2 or waiting:
            self._calm_since = now
        if used >= self._limits.scale_threshold or waiting:
            return self._useless(now) or self._grown(used, now)
        return self._shrunk(now)

    def _grown(self, used: float, now: float) -> str | None:
        since_cut = now - self._cut_at
        if self.size >= self._limits.max_size or now - self._grown_at < COOL_OFF:
            return None
        if since_cut < HOLD:
            return None
        wanted = self.size + 1
        if since_cut >= CAREFUL:
            wanted = math.ceil(self.size * self._limits.scale_factor)
        self._grown_at = now
        self._set(min(wanted, self._limits.max_size), now)
        return f"used to {used:.0%}"

    def _useless(self, now: float) -> str | None:
        """Take growth back that made answers slower and not more."""
        spell = self._spell
        if self._known is None or spell.done < ENOUGH or now - spell.began < COOL_OFF:
            return None
        before, rate = self._known
        slower = spell.latency > SLOWER * before.latency
        if spell.size <= before.size or not slower or spell.rate(now) >= MORE * rate:
            return None
        return self._cut(now, "growth made answers slower and not more", before.size)

    def _cut(self, now: float, why: str, floor: int = 1) -> str | None:
        self._cut_at = now
        before = self.size
        floor = max(floor, self._limits.min_size)
        self._set(max(floor, math.floor(before * CUT)), now, known=False)
        return why if self.size < before else None

    def _shrunk(self, now: float) -> str | None:
        idle, before = self._limits.max_idle_time, self.size
        while now - self._calm_since >= idle and self.size > self._limits.min_size:
            self._calm_since += idle
            smaller = min(self.size - 1, math.floor(self.size / self._limits.scale_factor))
            self._set(max(self._limits.min_size, smaller), now)
        return f"little used for {idle:g} s" if self.size < before else None

    def _set(self, size: int, now: float, *, known: bool = True) -> None:
        """Begin a new spell; the one before is what to compare with, unless it was a bad one."""
        if size == self.size:
            return
        if known and self._spell.done >= ENOUGH:
            self._known = (self._spell, self._spell.rate(now))
        self._spell = _Spell(size, now)
