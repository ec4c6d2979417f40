"""The clock of the replayed day, and what is counted of each cache that lives through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from day_source import Ledger

from argus_core import SHANGHAI, Clock


class DayClock(Clock):
    """The replayed day's clock: it stands where the replay has put it."""

    def __init__(self, day: date) -> None:
        self._midnight = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
        self.second = 0.0

    def now(self) -> datetime:
        """The instant of the replay."""
        return self._midnight + timedelta(seconds=self.second)

    def monotonic(self) -> float:
        """Seconds since midnight."""
        return self.second


@dataclass(slots=True)
class Tally:
    """What became of the keys that were asked for, by kind of request."""

    hits: dict[str, int] = field(default_factory=dict[str, int])
    keys: dict[str, int] = field(default_factory=dict[str, int])
    stale: int = 0
    errors: int = 0
    old: int = 0
    false: int = 0
    calls: int = 0
    rows: int = 0
    sealed: int = 0
    new: int = 0
    cpu: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds of CPU by kind of request."""

    def count(self, kind: str, *, hit: bool, keys: int = 1) -> None:
        """Count keys of one request."""
        self.keys[kind] = self.keys.get(kind, 0) + keys
        self.hits[kind] = self.hits.get(kind, 0) + keys * hit

    def rate(self, *kinds: str) -> float:
        """The share of fresh hits among the keys of these kinds, of all where none is named."""
        chosen = kinds or tuple(self.keys)
        return sum(self.hits.get(k, 0) for k in chosen) / max(
            1, sum(self.keys.get(k, 0) for k in chosen)
        )

    def book(self, ledger: Ledger) -> None:
        """Take over what a source gave."""
        report = ledger.report()
        self.calls = sum(ledger.calls.values())
        self.rows = sum(ledger.rows.values())
        self.sealed, self.new = report["sealed"], report["new"]
