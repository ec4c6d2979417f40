"""What was called of one interface of a vendor, and when the next calls fit its allowance."""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime, timedelta

from argus_core.clock import SHANGHAI, Clock
from argus_core.extend.quota import Allowance
from argus_core.routing.quota.daybook import Days

MINUTE = 60.0
NEVER_MIND = 1e-9
"""Seconds too short to wait for; adding up floats may leave as much."""


class Tally:
    """The calls of one interface in the last minute and today.

    A call counts from before it begins until a minute after it has ended: wherever in between the
    vendor counts it, no minute of the vendor's holds more calls than this. The day begins at
    midnight in Beijing; a call under way counts for the day that it ends in. ``days`` are those
    of the account's interface, which outlive this.
    """

    def __init__(self, allowance: Allowance, clock: Clock, days: Days | None = None) -> None:
        self.allowance = allowance
        self._days = days or Days()
        self._clock = clock
        self._ended: deque[tuple[float, int]] = deque()
        self._counted = 0
        self._promised = 0
        """Calls for which permits are out."""
        self._open = 0
        """Those of them that have not been seen yet."""
        self._made: int | None = None
        self._full_until = -math.inf

    # -- what is used -------------------------------------------------------------------------

    @property
    def minute(self) -> int:
        """The calls of the last minute, and those that are promised."""
        self._forget()
        return self._counted + self._open

    @property
    def today(self) -> int:
        """The calls of this day, and those that are promised."""
        return self._days.used(day_of(self._clock)) + self._open

    @property
    def refused(self) -> float:
        """Seconds for which the vendor has said that nothing may be asked, 0 for none."""
        return max(0.0, self._full_until - self._clock.monotonic())

    @property
    def forgotten_in(self) -> float:
        """Seconds until the calls of the last minute are forgotten, if no more are made."""
        self._forget()
        if self._open:
            return MINUTE
        return max(0.0, self._ended[-1][0] - self._clock.monotonic()) if self._ended else 0.0

    # -- what is left -------------------------------------------------------------------------

    def wait(self, calls: int, share: float = 1.0, *, ahead: int = 0, alone: bool = False) -> float:
        """Seconds until so many calls fit, after those ``ahead``; an estimate where some run.

        ``share`` is the part of the allowance that may be used up by then. What is more than it
        ever holds never fits, and is given a time only so that one can be told; ``alone``, it
        fits when nothing else is left in it.
        """
        self._forget()
        minute, day = self.allowance.calls_per_minute, self.allowance.calls_per_day
        wait = self.refused
        if minute is not None:
            cap = held_back(minute, share)
            missing = self.minute + ahead + (min(calls, cap) if alone else calls) - cap
            wait = max(wait, self._minute_wait(missing, cap))
        if day is not None:
            cap = held_back(day, share)
            if self.today + ahead + (min(calls, cap) if alone else calls) > cap:
                wait = max(wait, until_midnight(self._clock))
        return wait

    def _minute_wait(self, missing: int, cap: int) -> float:
        """Seconds until so many calls are forgotten, where ``cap`` of them are in a minute."""
        if missing <= 0:
            return 0.0
        rounds, missing = divmod(missing - 1, cap)
        now, freed = self._clock.monotonic(), 0
        for expires, count in self._ended:
            freed += count
            if freed > missing:
                return rounds * MINUTE + max(0.0, expires - now)
        return (rounds + 1) * MINUTE

    # -- what happens -------------------------------------------------------------------------

    def promise(self, calls: int) -> None:
        """Book calls that are about to begin."""
        self._promised += calls
        self._open += calls

    def ended(self, calls: int) -> None:
        """Book that calls which were promised are over, or will not be made.

        Where a meter shows what was called, that has been :meth:`seen`; else all of them count.
        """
        self._promised -= calls
        if self._made is None:
            self._open -= calls
            self._book(calls)
        else:
            self._open = min(self._open, self._promised)

    def seen(self, made: int) -> None:
        """Book what a meter of all calls since the opening of the source shows."""
        before = self._made or 0
        fresh = made - before if made >= before else made  # less: the source was opened anew
        self._made = made
        if fresh > 0:
            self._open = max(0, self._open - fresh)
            self._book(fresh)

    def refuse(self, seconds: float) -> None:
        """Note that the vendor refuses everything for so long."""
        self._full_until = max(self._full_until, self._clock.monotonic() + seconds)

    def _book(self, calls: int) -> None:
        self._forget()
        self._ended.append((self._clock.monotonic() + MINUTE, calls))
        self._counted += calls
        self._days.lasting = self._days.lasting or self.allowance.calls_per_day is not None
        self._days.book(day_of(self._clock), calls)

    def _forget(self) -> None:
        now = self._clock.monotonic() + NEVER_MIND
        while self._ended and self._ended[0][0] <= now:
            self._counted -= self._ended.popleft()[1]


def held_back(limit: int, share: float) -> int:
    """The calls that a share of a limit is: whole ones, at least one."""
    return max(1, math.floor(limit * share + NEVER_MIND))


def until_midnight(clock: Clock) -> float:
    """Seconds until the day ends in Beijing."""
    now = clock.now().astimezone(SHANGHAI)
    ends = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), SHANGHAI)
    return (ends - now).total_seconds()


def day_of(clock: Clock) -> int:
    """The ordinal of today's date in Beijing."""
    return clock.now().astimezone(SHANGHAI).toordinal()
