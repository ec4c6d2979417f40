"""A balancer with a choice for each key that keeps every demand, and its broken twins."""

from __future__ import annotations

import time

from broken.good import GoodBalancer
from broken.twin import Twin


class ByKey(GoodBalancer):
    """Keys go where their letters send them; calls under way are counted."""

    def __init__(self, random) -> None:
        super().__init__(random)
        self.calls: dict[str, int] = {}

    def pick(self, candidates):
        fewest = min(self.calls.get(c.name, 0) for c in candidates)
        chosen = self.random.choice([c for c in candidates if self.calls.get(c.name, 0) == fewest])
        self.calls[chosen.name] = fewest + 1
        return chosen

    def pick_each(self, candidates, keys):
        return {key: candidates[sum(map(ord, key)) % len(candidates)] for key in keys}

    def report(self, candidate, *, ok, seconds):
        self.over(candidate)

    def gave_up(self, candidate, *, seconds):
        self.over(candidate)

    def over(self, candidate):
        self.calls[candidate.name] = max(0, self.calls.get(candidate.name, 0) - 1)


class LeavesSomeOut(ByKey):
    def pick_each(self, candidates, keys):
        return {k: c for k, c in super().pick_each(candidates, keys).items() if k.isdigit()}


class Doubles(ByKey):
    def pick_each(self, candidates, keys):
        chosen = super().pick_each(candidates, keys)
        return {k: type(c)(c.name, c.weight, c.in_flight) for k, c in chosen.items()}


class OnlyText(ByKey):
    def pick_each(self, candidates, keys):
        return super().pick_each(candidates, [str(key.encode(), "utf-8") for key in keys])


class SortsKeys(ByKey):
    def pick_each(self, candidates, keys):
        if isinstance(keys, list):
            keys.sort()
        return super().pick_each(candidates, keys)


class SlowKeys(ByKey):
    def pick_each(self, candidates, keys):
        time.sleep(len(keys) * 0.00003)
        return super().pick_each(candidates, keys)


class NeverGivesUp(ByKey):
    def gave_up(self, candidate, *, seconds):
        """Forget that the call is over."""


class KnowsEverybody(ByKey):
    def gave_up(self, candidate, *, seconds):
        self.calls[candidate.name] -= 1


TWINS = (
    Twin("BAL-09", LeavesSomeOut),
    Twin("BAL-09", Doubles),
    Twin("BAL-09", OnlyText),
    Twin("BAL-09", SortsKeys),
    Twin("BAL-10", SlowKeys),
    Twin("BAL-11", NeverGivesUp),
    Twin("BAL-11", KnowsEverybody),
)
