"""How many bytes of the day's quota are used, and what that forbids."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from argus_core import Clock, Meter, Throttled
from argus_rqdatac.cells import number, text
from argus_rqdatac.refusals import exhausted, until_midnight

logger = logging.getLogger(__name__)

WARN_AT = 0.8
_HOUR = timedelta(hours=1)


class Quota:
    """What the vendor last said of the quota, and whether it has refused for the lack of it."""

    def __init__(self, name: str, clock: Clock, *, every: float, guard: float) -> None:
        self._name = name
        self._clock = clock
        self._every = every
        self._guard = guard
        self._asked: float | None = None
        self._warned: datetime | None = None
        self._refused_at: datetime | None = None
        self._paused_until: datetime | None = None
        self._told_on: date | None = None
        self.used: float | None = None
        self.limit: float | None = None
        self.remaining_days: float | None = None
        self.license_type: str | None = None

    @property
    def due(self) -> bool:
        """True if it was not asked for within the interval."""
        return self._asked is None or self._clock.monotonic() - self._asked >= self._every

    def asking(self) -> None:
        """Note that it is being asked for, so that a failing question is not repeated at once."""
        self._asked = self._clock.monotonic()

    def told(self, said: Mapping[str, Any]) -> None:
        """Take in what the vendor says; 0 means "no limit" there."""
        self._told_on = self._clock.now().date()
        self.used = number(said.get("bytes_used"))
        self.limit = number(said.get("bytes_limit")) or None
        self.remaining_days = number(said.get("remaining_days")) or None
        self.license_type = text(said.get("license_type"))
        share = self.share
        if share is None or share < 1:
            self._paused_until = None
        now = self._clock.now()
        if share is not None and share >= WARN_AT and not self._warned_on(now):
            self._warned = now
            logger.warning("%s: %.0f %% of the day's quota are used", self._name, share * 100)

    @property
    def share(self) -> float | None:
        """The part of the quota that is used; ``None`` where there is no limit, or none known."""
        return self.used / self.limit if self.used is not None and self.limit else None

    def check(self) -> None:
        """Return unless the quota is known to be used up; else raise :class:`Throttled`."""
        until, now = self._paused_until, self._clock.now()
        if until is not None and now < until:
            raise exhausted((until - now).total_seconds())

    def refused(self) -> Throttled:
        """The vendor has refused for the lack of quota: ask nothing until midnight.

        Where it still refuses after midnight, its day begins at another hour: ask every hour.
        """
        now = self._clock.now()
        before, self._refused_at = self._refused_at, now
        pause = timedelta(seconds=until_midnight(now))
        if before is not None and timedelta() < now.date() - before.date() <= timedelta(days=1):
            pause = min(pause, _HOUR)
            self._refused_at = before
        self._paused_until = now + pause
        return exhausted(pause.total_seconds())

    @property
    def paused(self) -> float:
        """Seconds until the vendor is asked again, 0 where nothing stops that."""
        if self._paused_until is None:
            return 0.0
        return max(0.0, (self._paused_until - self._clock.now()).total_seconds())

    def make_room(self, cost: float) -> None:
        """Return if so many bytes more stay below the guard, else raise :class:`Throttled`."""
        if self.used is None or self.limit is None:
            return
        if self.used + cost > self.limit * self._guard:
            raise Throttled(
                "so many ticks would use up the day's quota of the rqdatac account",
                retry_after=until_midnight(self._clock.now()),
            )

    def meters(self) -> list[Meter]:
        """The bytes of the day as the vendor last told them; none where that was another day.

        No document says at what hour its day begins; midnight is what the pauses go by, too.
        """
        now = self._clock.now()
        if self.used is None or self._told_on != now.date():
            return []
        left = until_midnight(now)
        return [Meter(unit="bytes", used=self.used, limit=self.limit, window="day", resets_in=left)]

    def report(self) -> dict[str, str | float | None]:
        """What operators see; ``None`` for "no limit" and for what was not told yet."""
        return {
            "quota_bytes_used": self.used,
            "quota_bytes_limit": self.limit,
            "remaining_days": self.remaining_days,
            "license_type": self.license_type,
            "quota_paused_seconds": self.paused or None,
        }

    def _warned_on(self, now: datetime) -> bool:
        return self._warned is not None and self._warned.date() == now.date()
