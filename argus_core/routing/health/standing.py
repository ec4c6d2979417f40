"""How one node stands: its breaker, its way back, the last active check."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random

from argus_core.clock import Clock
from argus_core.errors import SourceError
from argus_core.routing.health.breaker import Breaker, Permit, State
from argus_core.routing.health.slow_start import RAMP, ramp

Tell = Callable[[str, str, str], None]
"""Told of a node's name, what became of it, and why."""

SLOW = 0.8
"""A call is slow that took this part of the time it had …"""
LEAST_SLOW = 1.0
"""… and at least so many seconds: one in a hurry makes no node slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of one active check; ``error`` is a code, never the vendor's words."""

    at: datetime
    ok: bool
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthStatus:
    """A node's health now.

    ``breaker`` is closed, open or half_open; ``calls``, ``failures`` and ``slow`` count the last
    minute; ``ejected_for`` are the seconds for which it is passed over, 0 if it is not; ``share``
    is the part of its usual share of requests that a node gets which has just come back.
    """

    breaker: State
    calls: int
    failures: int
    slow: int
    ejected_for: int
    share: float
    checked_at: datetime | None
    check_ok: bool | None
    check_error: str | None


class Health:
    """Books how calls and checks of one node end, and says whether it may be asked."""

    def __init__(self, name: str, clock: Clock, random: Random, tell: Tell) -> None:
        self._name = name
        self._clock = clock
        self._tell = tell
        self.breaker = Breaker(clock, random, self._told)
        self.checked: Checked | None = None
        """The last active check."""
        self.vouched = False
        """True once an active check was good: only such checks may keep a node out."""
        self.suspect = False
        """True if calls in a hurry got no answer: a check should tell what is the matter."""
        self.answered_at: float | None = None
        """When a request was last answered, in monotonic seconds."""
        self._back_at: float | None = None

    @property
    def available(self) -> bool:
        """True if a request may go to it as to any other."""
        state = self.breaker.state
        return state == "closed" or (state == "half_open" and not self.breaker.probing)

    @property
    def obstacle(self) -> str | None:
        """Why requests pass it over, for ``explain``; None if they do not."""
        state = self.breaker.state
        if state == "open":
            return f"ejected for another {math.ceil(self.breaker.seconds_left)} s"
        if state == "half_open" and self.breaker.probing:
            return "on trial: another request is finding out whether it is well again"
        return None

    @property
    def ramp(self) -> float:
        """The part of its share of requests that it gets, less than 1 when it is just back."""
        if self._back_at is None:
            return 1.0
        since = self._clock.monotonic() - self._back_at
        if since >= RAMP:
            self._back_at = None
        return ramp(since)

    def permit(self, *, heedless: bool = False) -> Permit | None:
        """As :meth:`Breaker.permit`."""
        return self.breaker.permit(heedless=heedless)

    def judge(
        self, permit: Permit, error: SourceError | None, *, answered: bool, ran: float, had: float
    ) -> None:
        """Book how a call ended that ``ran`` so many seconds of the ``had`` that it was given.

        ``error`` is what the node is to blame for, if it is; without one, and without an answer,
        the call proves nothing.
        """
        if error is not None and error.unwell:
            permit.failed()
        elif answered:
            permit.succeeded(slow=ran >= max(LEAST_SLOW, SLOW * had))

    def answered(self) -> None:
        """Note that a request was answered."""
        self.suspect = False
        self.answered_at = self._clock.monotonic()

    def note_check(self, checked: Checked) -> None:
        """Book an active check; where it says something new, operators are told."""
        before, self.checked = self.checked, checked
        self.vouched = self.vouched or checked.ok
        if before is None or before.ok is checked.ok:
            return
        self._tell(self._name, "checked", "answers again" if checked.ok else f"{checked.error}")

    def returned(self) -> None:
        """Begin the slow start: the node was out and is asked again."""
        self._back_at = self._clock.monotonic()

    @property
    def status(self) -> HealthStatus:
        """What operators see."""
        total, checked = self.breaker.total, self.checked
        return HealthStatus(
            breaker=self.breaker.state,
            calls=total.calls,
            failures=total.failures,
            slow=total.slow,
            ejected_for=math.ceil(self.breaker.seconds_left),
            share=round(self.ramp, 2),
            checked_at=checked.at if checked else None,
            check_ok=checked.ok if checked else None,
            check_error=checked.error if checked else None,
        )

    def _told(self, event: str, message: str) -> None:
        if event == "recovered":
            self.returned()
        self._tell(self._name, event, message)
