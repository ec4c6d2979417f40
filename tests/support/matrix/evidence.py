"""Signs that a fault was really there: a row in which nothing was broken proves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from support.matrix.house import House

SKEW = 60.0
"""Seconds by which a clock must be wrong to be called so."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How things stood when the fault began."""

    house: House
    calls: int
    """Calls that the two Tushare stand-ins had had."""
    failures: dict[str, int]
    """Failures of the edge's tiers."""

    @classmethod
    def of(cls, house: House) -> Evidence:
        """How they stand now."""
        failures = {name: level["failures"] for name, level in _levels(house).items()}
        return cls(house, _calls(house), failures)

    def signs(self) -> tuple[str, ...]:
        """What of the fault can be seen now."""
        found = [*self._tiers(), *_clocks(self.house)]
        if self.house.spoilt and (more := _calls(self.house) - self.calls):
            found.append(f"{more} calls of the broken vendors")
        return tuple(found)

    def _tiers(self) -> list[str]:
        return [
            f"tier {name}: {level['state']}, {more} failures"
            for name, level in _levels(self.house).items()
            if (more := level["failures"] - self.failures[name]) or level["state"] != "up"
        ]


def _levels(house: House) -> dict[str, dict[str, Any]]:
    return house.edge.get("/api/v1/cache/stats").json()["data"]["cache_levels"]


def _calls(house: House) -> int:
    total = 0
    for vendor in house.vendors[:2]:
        told = httpx.get(vendor.control, timeout=10, trust_env=False).json()
        total += len(told["requests"])
    return total


def _clocks(house: House) -> list[str]:
    ahead = {
        name: (one["report"] or {}).get("clock_ahead_seconds")
        for name, one in house.edge.sources().items()
    }
    return [
        f"the clock of {name} is {seconds:+.0f} s ahead"
        for name, seconds in ahead.items()
        if seconds is not None and abs(seconds) > SKEW
    ]
