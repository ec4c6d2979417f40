"""What the tiers would have found under other rules: the recent questions, replayed.

A replay knows the questions of this process and the market's clock. It does not know what other
processes left in a shared tier, nor what was fetched early or past the caches, so all that it says
is an estimate; comparing two replays of the same questions leaves most of that out.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from argus_core.caching.accesses import Access
from argus_core.caching.lives import FOR_EVER, Life, Lives
from argus_core.caching.rules import RULE_OF
from argus_core.model.query import Query

Key = tuple[str, Life, bool]
"""A cache key text, the life that a value fetched then would have, and whether it was fresh."""
Step = tuple[float, list[Key]]
"""A question: its second and its keys, which are looked up together."""

_DIGITS = re.compile(r"[0-9]+")
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcome of one replay, in keys."""

    asked: int = 0
    fresh: int = 0
    squeezed: int = 0
    """Asked for while still fresh, but pushed out of the first tier for its size before."""
    held: int = 0
    """The most entries that the first tier held at once."""

    @property
    def hit_rate(self) -> float | None:
        """The share of the keys that would have been fresh; None if nothing was asked."""
        return self.fresh / self.asked if self.asked else None

    def __add__(self, other: Replayed) -> Replayed:
        return Replayed(
            self.asked + other.asked,
            self.fresh + other.fresh,
            self.squeezed + other.squeezed,
            self.held + other.held,
        )


@dataclass(frozen=True, slots=True)
class Timeline:
    """Recent questions, key by key and rule by rule, ready to be replayed many times."""

    steps: Mapping[str, list[Step]] = field(default_factory=dict[str, list[Step]])

    @property
    def asked(self) -> int:
        """How many keys were asked for."""
        return sum(len(keys) for steps in self.steps.values() for _, keys in steps)

    @property
    def fresh(self) -> int:
        """How many of them really were fresh."""
        return sum(key[2] for steps in self.steps.values() for _, keys in steps for key in keys)

    def moved(self, rule: str) -> Timeline:
        """The questions of a rule whose values' lives follow its ttl: the market was moving."""
        steps = [
            (at, [key for key in keys if key[1].least < key[1].most])
            for at, keys in self.steps.get(rule, ())
        ]
        return Timeline({rule: [step for step in steps if step[1]]})

    def seconds(self, rule: str) -> float:
        """The time between the first and the last question of a rule."""
        steps = self.steps.get(rule)
        return steps[-1][0] - steps[0][0] if steps else 0.0


def timeline(accesses: Iterable[Access], lives: Lives, *, now: datetime, second: float) -> Timeline:
    """The timeline of accesses; ``now`` and the monotonic ``second`` are the same instant."""
    accesses = list(accesses)
    # One query stands for all with its variant: the life of a value asks for nothing else.
    examples = {_variant(missed[0]): query for _, _, missed, query in accesses if query}
    known: dict[tuple[tuple[str, str], str, int], Life] = {}
    places: dict[str, tuple[tuple[str, str], str, str]] = {}
    steps: dict[str, list[Step]] = {}
    for at, texts, missed, _ in accesses:
        stale = frozenset(missed)
        minute = int(at // _MINUTE)
        keys: list[Key] = []
        for text in texts:
            if text not in places:
                places[text] = (_variant(text), _market(text), _key(text))
            variant, market, key = places[text]
            life = known.get((variant, market, minute))
            if life is None:
                asked = now - timedelta(seconds=second - at)
                life = known[variant, market, minute] = _life(examples, variant, key, asked, lives)
            keys.append((text, life, text not in stale))
        if keys:
            steps.setdefault(RULE_OF[places[texts[0]][0][0]], []).append((at, keys))
    return Timeline(steps)


def replay(
    line: Timeline,
    ttl_of: Mapping[str, float],
    max_size_of: Mapping[str, int],
    deeper: Iterable[str] = (),
) -> dict[str, Replayed]:
    """The outcome for each rule of the timeline under these ttls and sizes.

    The rules in ``deeper`` reach below the first tier, so that what it pushes out is still found.
    The first time that a key is asked for it is fresh if it really was.
    """
    below = frozenset(deeper)
    return {
        rule: _replayed(steps, ttl_of[rule], max_size_of[rule], deeper=rule in below)
        for rule, steps in line.steps.items()
    }


def _replayed(steps: list[Step], ttl: float, max_size: int, *, deeper: bool) -> Replayed:
    kept: OrderedDict[str, None] = OrderedDict()
    ends: dict[str, float] = {}
    asked = hits = squeezed = held = 0
    for at, keys in steps:
        written: list[str] = []
        fetched: list[Key] = []
        for key in keys:
            text, _, really = key
            end = ends.get(text)
            if end is None and really:
                ends[text] = at + key[1].under(ttl)
                written.append(text)
                hits += 1
            elif end is None or at >= end:
                fetched.append(key)
            elif text in kept:
                hits += 1
            else:
                squeezed += 1
                if deeper:
                    hits += 1
                    written.append(text)
                else:
                    fetched.append(key)
        asked += len(keys)
        for key in fetched:
            ends[key[0]] = at + key[1].under(ttl)
            written.append(key[0])
        for text in written:
            kept[text] = None
            kept.move_to_end(text)
        while len(kept) > max_size:
            kept.popitem(last=False)
        held = max(held, len(kept))
    return Replayed(asked, hits, squeezed, held)


def _variant(text: str) -> tuple[str, str]:
    """The dataset of a cache key text and everything that it says but the key."""
    dataset, _, rest = text.partition(":")
    return dataset, rest.partition(":")[2]


def _key(text: str) -> str:
    return text.partition(":")[2].partition(":")[0]


def _market(text: str) -> str:
    """What a key shares with those of the same hours: the exchange, and a contract's product."""
    return _DIGITS.sub("", _key(text))


def _life(
    examples: Mapping[tuple[str, str], Query],
    variant: tuple[str, str],
    key: str,
    at: datetime,
    lives: Lives,
) -> Life:
    """The life of a value; for ever where nothing of its kind was ever missed."""
    example = examples.get(variant)
    return FOR_EVER if example is None else lives.of(example, key, at)
