"""That a quota is used up, as Argus counts it: nobody's fault, and over at a known instant."""

from __future__ import annotations

import math
from dataclasses import dataclass

from argus_core.errors import Throttled
from argus_core.routing.quota.tally import Tally


class Spent(Throttled):
    """A source is not asked, because its quota would not last: the next one is, at once."""

    blame = False
    strain = False


@dataclass(frozen=True, slots=True)
class Rest:
    """A source's quota leaves no room until then (monotonic seconds)."""

    until: float
    quota: str
    """The sentence's beginning: which quota it is."""

    @property
    def error(self) -> Spent:
        """The same as an error, for whoever wants its code."""
        return Spent(self.quota)

    def why(self, now: float) -> str:
        """The sentence for ``explain``; ``now`` in monotonic seconds."""
        return f"{self.quota}; {math.ceil(max(0.0, self.until - now))} s until it is free"


def of_calls(tally: Tally, *, warming: bool) -> str:
    """Which of the limits of an interface keeps calls from being made."""
    allowance = tally.allowance
    name = "" if allowance.interface == "*" else f" for {allowance.interface}"
    if tally.refused:
        return f"the vendor says that its quota{name} is used up"
    limits = (
        (allowance.calls_per_day, tally.today, "day"),
        (allowance.calls_per_minute, tally.minute, "minute"),
    )
    stated = [(limit, used, each) for limit, used, each in limits if limit is not None]
    limit, _used, each = max(stated, key=lambda entry: entry[1] / entry[0])
    whose = "the share of warm-up in its" if warming else "its"
    return f"{whose} quota of {limit} calls a {each}{name} is used up"
