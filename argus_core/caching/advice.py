"""What to change about the cache rules, judged by replays of the recent questions."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from argus_core.cache_tables import CacheRule
from argus_core.caching.rules import Rules
from argus_core.caching.shadow import Replayed, Timeline, replay

ENOUGH = 1000
"""Keys that must have been asked for before anything is changed; a rule's ttl needs as many."""
GAIN = 0.01
"""The part of a rule's questions that a longer ttl must win."""
COST = 0.002
"""The part of them that fresher answers may cost."""
LIVES = 4
"""How many lives the questions must span before they say anything about a ttl."""
GROWTH = 1.5
ROOM = 2
"""How many times what is used a size may be."""
FAR = 4
"""How many times what is used a size must be before it shrinks."""
SMALLEST = 10_000
"""Entries below which no size is lowered: ten of the largest requests. A bound that nothing meets
frees nothing when it is lowered, and a quiet hour says little about the next one."""
_TRIED = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 1.75, 2.0)
"""The ttls that are tried, as parts of the configured one: half of it to double."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one rule, and why it changes; the points are replayed, hence estimated."""

    rule: str
    field: Literal["ttl", "max_size"]
    old: float
    new: float
    reason: str
    points: float | None
    """By how many percentage points the rule's hit rate changes where its ttl counts; None for a
    size, whose share in the whole effect is not told apart."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to change, and the hit rates of the replays before and after.

    ``reason`` says why nothing could be judged; the rates are None then.
    """

    changes: tuple[Change, ...]
    before: float | None = None
    after: float | None = None
    reason: str | None = None


def advise(
    line: Timeline, rules: Rules, *, used: int | None, deeper: Collection[str] = ()
) -> Advice:
    """What to change of ``rules``, judged by the questions of ``line``.

    ``used`` is how many entries the first tier holds now, None if it cannot know: then no size
    shrinks. ``deeper`` names the rules that reach below the first tier.
    """
    if line.asked < ENOUGH:
        reason = f"{line.asked} keys were asked for lately; judging takes {ENOUGH}"
        return Advice((), reason=reason)
    changes: list[Change] = []
    for name in rules:
        if name in line.steps:
            case = _Case(name, line, rules[name], rules.configured(name), used, deeper)
            changes.extend(case.changes())
    ttls = {name: rules[name].ttl for name in rules}
    sizes = {name: rules[name].max_size for name in rules}
    before = _rate(replay(line, ttls, sizes, deeper))
    for change in changes:
        if change.field == "ttl":
            ttls[change.rule] = change.new
        else:
            sizes[change.rule] = int(change.new)
    return Advice(tuple(changes), before, _rate(replay(line, ttls, sizes, deeper)))


@dataclass(frozen=True, slots=True)
class _Case:
    """One rule to be judged."""

    name: str
    line: Timeline
    rule: CacheRule
    configured: CacheRule
    used: int | None
    deeper: Collection[str]

    def changes(self) -> Iterator[Change]:
        ttl = self._ttl()
        if ttl is not None:
            yield ttl
        size = self._size(ttl.new if ttl else self.rule.ttl)
        if size is not None:
            yield size

    def _ttl(self) -> Change | None:
        """The change of the ttl; None where none is worth it or nothing can be said."""
        moved = self.line.moved(self.name)
        old, usual = self.rule.ttl, self.configured.ttl
        tried = [round(usual * part, 6) for part in _TRIED]
        if moved.asked < ENOUGH or moved.seconds(self.name) < LIVES * max(old, *tried):
            return None

        @functools.cache
        def rate(ttl: float) -> float:
            outcomes = replay(moved, {self.name: ttl}, {self.name: self.rule.max_size}, self.deeper)
            return _rate(outcomes) or 0.0

        best = old
        for ttl in tried:
            if ttl > old and rate(ttl) - rate(best) >= GAIN:
                best = ttl
        if best > old:
            why = "values are asked for again soon after their life"
            return Change(self.name, "ttl", old, best, why, _points(rate(best) - rate(old)))
        # What an earlier lowering cost counts too, so that lowerings do not add up.
        most = max(rate(old), rate(usual)) if old < usual else rate(old)
        for ttl in tried:
            if ttl < old and most - rate(ttl) < COST:
                why = "fresher answers at almost no cost"
                return Change(self.name, "ttl", old, ttl, why, _points(rate(ttl) - rate(old)))
        return None

    def _size(self, ttl: float) -> Change | None:
        """The change of the size; None where it fits."""
        alone = Timeline({self.name: self.line.steps[self.name]})
        old = self.rule.max_size
        outcome = replay(alone, {self.name: ttl}, {self.name: old}, self.deeper)[self.name]
        if outcome.squeezed:
            # What was shrunk too far returns to what the operator wrote at once.
            new = max(math.ceil(old * GROWTH), self.configured.max_size)
            why = f"{outcome.squeezed} keys were asked for after they were pushed out while fresh"
            return Change(self.name, "max_size", old, new, why, None)
        if self.used is None:
            return None
        held = max(self.used, outcome.held)
        new = max(SMALLEST, ROOM * held)
        if old <= FAR * held or new >= old:
            return None
        return Change(self.name, "max_size", old, new, f"at most {held} entries were held", None)


def _rate(outcomes: Mapping[str, Replayed]) -> float | None:
    return sum(outcomes.values(), Replayed()).hit_rate


def _points(share: float) -> float:
    return round(100 * share, 2)
