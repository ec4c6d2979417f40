"""From a row's requests to its figures, and what must be true of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

WINDOW, STEP = 2.0, 0.25
SOON = 10.0
"""Seconds within which latency is normal again."""
ERRORS = 0.001
"""The share of requests that may fail while a replica lives."""
CALM = 250.0
"""The p99 in milliseconds before the fault above which the machine is too busy to judge by."""
STOLEN = 0.03
"""The share of the machine's time that somebody else took from which a row says little."""
LEAST = 0.95
"""The share of the load that must have been there."""

Request = tuple[float, float, bool, str]
"""When it was due (monotonic seconds), how long it took, whether caches might answer, outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """When the row's parts began, in monotonic seconds."""

    lead: float
    fault: float
    heal: float
    """When the fault was to end; from here on nodes may come back."""
    healed: float
    """When it had ended: an agent that was started again answers."""
    end: float
    watched: float = math.inf
    """Until when latency is looked at: as long in each row, however long nodes stay away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds."""

    p50: float
    p99: float
    worst: float


@dataclass(slots=True, kw_only=True)
class Figures:
    """What became of the requests of a row."""

    requests: int
    per_second: float
    wrong: int
    errors: int
    stale: int
    lead: Latency
    fault: Latency
    after: Latency
    normal: float
    """The p99 in milliseconds up to which latency is normal."""
    since_fault: float | None
    """Seconds from the fault's beginning until latency was normal while it lasted."""
    since_heal: float | None
    """Seconds from its end until latency was normal for good."""
    examples: dict[str, int] = field(default_factory=dict)
    """How often which error or false answer."""


def figures(requests: Sequence[Request], phases: Phases) -> Figures:
    """The figures of a row, without its warm-up."""
    told = sorted(one for one in requests if phases.lead <= one[0] < phases.end)
    lead = latency(told, phases.lead, phases.fault)
    normal = max(3 * lead.p99, lead.p99 + 50)
    hurt = [one for one in told if one[0] >= phases.fault]
    outcomes = Counter(one[3].split(":", 1)[0] for one in hurt)
    wrong = [one[3] for one in told if one[3].startswith("wrong")]
    return Figures(
        requests=len(hurt),
        per_second=len(told) / (phases.end - phases.lead),
        wrong=len(wrong),
        errors=outcomes["error"],
        stale=outcomes["stale"],
        lead=lead,
        fault=latency(told, phases.fault, phases.heal),
        after=latency(told, phases.healed, phases.end),
        normal=normal,
        since_fault=settled(told, phases.fault, phases.heal, normal),
        since_heal=settled(told, phases.healed, min(phases.end, phases.watched), normal),
        examples=dict(Counter(one[3] for one in told if one[3] not in ("ok", "stale"))),
    )


def latency(requests: Sequence[Request], begin: float, end: float) -> Latency:
    """Median and 99th percentile of those due between two instants."""
    taken = sorted(one[1] * 1000 for one in requests if begin <= one[0] < end)
    worst = taken[-1] if taken else float("nan")
    return Latency(p50=percentile(taken, 0.5), p99=percentile(taken, 0.99), worst=worst)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that this share of the ordered values does not exceed."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def settled(requests: Sequence[Request], begin: float, end: float, normal: float) -> float | None:
    """Seconds from ``begin`` from which every two seconds have a normal p99; None: never."""
    last = max(end - WINDOW, begin)
    steps = int((last - begin) / STEP)
    good: float | None = None
    for step in range(steps, -1, -1):
        at = begin + step * STEP
        if not latency(requests, at, at + WINDOW).p99 <= normal:
            break
        good = at - begin
    return good


def disturbed(told: Figures, stolen: float) -> bool:
    """True if the machine was too busy with other things for a row to show what it should."""
    return stolen > STOLEN or not told.lead.p99 <= CALM


def missed(
    told: Figures,
    *,
    back: float | None,
    bound: float,
    rate: float,
    noticed: bool,
) -> tuple[str, ...]:
    """The bars that a row misses, in words; none if it is as it should be."""
    found = []
    if not noticed:
        found.append("nobody noticed the fault: was there one?")
    if told.wrong:
        found.append(f"{told.wrong} wrong answers")
    if told.errors > ERRORS * told.requests:
        found.append(f"{told.errors / told.requests:.2%} errors")
    soon = [at for at in (told.since_fault, told.since_heal) if at is not None and at <= SOON]
    if not soon:
        found.append(f"p99 not normal within {SOON:g} s")
    if (math.inf if back is None else back) > bound:
        found.append(f"nodes not back within {bound:g} s")
    if not told.lead.p99 <= CALM:
        found.append(f"too busy to judge: p99 {told.lead.p99:.0f} ms before the fault")
    if told.per_second < LEAST * rate:
        found.append(f"only {told.per_second:.0f} requests/s were made")
    return tuple(found)
