"""What the three gateways say of their sources, twice a second."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support.matrix.served import Served

PAUSE = 0.5
STANDBY = frozenset({"three"})
"""Sources that are asked only while the others are not: nothing need be asked of them."""


def healthy(told: dict[str, Any]) -> bool:
    """Whether a gateway asks this source as if nothing had been."""
    return told["state"] == "up" and not told["cooling"] and not told["quarantined"]


@dataclass(slots=True)
class Watch:
    """What each source looked like at what time (monotonic seconds)."""

    seen: dict[tuple[str, str], list[tuple[float, dict[str, Any]]]] = field(default_factory=dict)

    def look(self, served: Served) -> None:
        """Note what this gateway says now; one that says nothing has no healthy source."""
        at, told = time.monotonic(), served.sources()
        for name, one in told.items():
            self.seen.setdefault((served.name, name), []).append((at, one))
        if not told:
            for (gateway, _name), looks in self.seen.items():
                if gateway == served.name and looks:
                    looks.append((at, {**looks[-1][1], "state": "unknown"}))

    def back(self, since: float) -> dict[str, float | None]:
        """Seconds from ``since`` until each source worked, and went on to; None: not yet."""
        return {
            f"{gateway}: {name}": _back(looks, since, asked=name not in STANDBY)
            for (gateway, name), looks in self.seen.items()
        }

    def troubled(self, begin: float, end: float) -> tuple[str, ...]:
        """The sources that a gateway held back, and how it called it, between two instants."""
        found: dict[str, None] = {}
        for (gateway, name), looks in self.seen.items():
            for at, one in looks:
                if begin <= at <= end and not healthy(one):
                    found[f"{gateway}: {name} {_trouble(one)}"] = None
        return tuple(found)

    def failures(self, begin: float) -> int:
        """Failed calls, as the gateways count them, since then."""
        total = 0
        for looks in self.seen.values():
            counts = [one["failures"] for at, one in looks if at >= begin - 2 * PAUSE]
            # A gateway that was started again counts from nothing.
            total += sum(max(0, b - a) for a, b in itertools.pairwise(counts))
        return total


def _trouble(told: dict[str, Any]) -> str:
    """What a gateway holds against a source."""
    if told["quarantined"] and told["state"] == "up":
        return f"{len(told['quarantined'])} quarantined"
    return " ".join([told["state"], *sorted(told["cooling"])])


def _back(looks: list[tuple[float, dict[str, Any]]], since: float, *, asked: bool) -> float | None:
    after = [(at, one) for at, one in looks if at >= since]
    if not after:
        return None
    found: float | None = None
    calls = after[0][1]["calls"]
    for at, one in after:
        if one["calls"] < calls:
            calls = 0
        if not healthy(one):
            found, calls = None, one["calls"]
        elif found is None and (not asked or one["calls"] > calls):
            found = at - since
    return found


@contextmanager
def watching(*gateways: Served) -> Generator[Watch]:
    """A watch that goes on as long as the context lasts."""
    watch, over = Watch(), threading.Event()

    def look(served: Served) -> None:
        while not over.is_set():
            watch.look(served)
            over.wait(PAUSE)

    threads = [threading.Thread(target=look, args=(one,), daemon=True) for one in gateways]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        over.set()
        for thread in threads:
            thread.join()
