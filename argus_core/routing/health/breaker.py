"""The breaker of one node: closed, open, half open.

It is the outlier detection as well. A breaker that opens on failures in a row or on their share of
a minute, for a time that grows with each opening and is forgiven later, ejects exactly what an
outlier sweep would; two mechanisms over the same counts would only disagree. What is left is a rule
about how many nodes of a pool may be out at once (:mod:`argus_core.routing.health.outliers`).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Literal

from argus_core.clock import Clock
from argus_core.routing.window import Tally, Window

State = Literal["closed", "open", "half_open"]

IN_A_ROW = 5
"""So many failures without a success between them open the breaker."""
FEWEST_CALLS = 10
"""Calls of the last minute below which no share of them opens it."""
FAILURE_SHARE = 0.5
SLOW_SHARE = 0.8
FIRST_OPEN = 30.0
"""Seconds that it stays open the first time; each further time twice as long …"""
LONGEST_OPEN = 300.0
"""… but never longer than this."""
JITTER = 0.1
"""The part of a time by which it is varied, so that nodes do not come back all at once."""
CLEAN = 10.0
"""So many seconds closed forgive one opening."""
SUCCESSES = 2
"""Successes that close a half open breaker."""


class Permit:
    """The right to make one call. Give it back with :meth:`end`, whatever became of the call."""

    __slots__ = ("_breaker", "era", "probe")

    def __init__(self, breaker: Breaker, era: int, *, probe: bool) -> None:
        self._breaker = breaker
        self.era = era
        self.probe = probe

    def succeeded(self, *, slow: bool = False) -> None:
        """Note that the node answered, be it slowly."""
        self._breaker.note(self, failed=False, slow=slow)

    def failed(self) -> None:
        """Note that the node did not answer, or answered with garbage."""
        self._breaker.note(self, failed=True, slow=False)

    def end(self) -> None:
        """Let the next probe in, if this was one; safe to call twice."""
        self._breaker.let_go(self)


class Breaker:
    """Counts how calls to one node end and says whether more may be made.

    ``told`` hears of "ejected" and "recovered", with the reason.
    """

    def __init__(self, clock: Clock, random: Random, told: Callable[[str, str], None]) -> None:
        self._clock = clock
        self._random = random
        self._told = told
        self._window = Window(clock)
        self._state: State = "closed"
        self._in_a_row = 0
        self._passed = 0
        self._openings = 0
        self._cut_short = False
        """True while it is half open on the word of a check."""
        self._refuted = False
        """True if requests failed after such a word."""
        self._until = 0.0
        self._closed_since = clock.monotonic()
        self._era = 0
        self._probe: Permit | None = None

    @property
    def state(self) -> State:
        """How it stands now; it is half open once its time is over."""
        if self._state == "open" and self._clock.monotonic() >= self._until:
            self._become("half_open")
        return self._state

    @property
    def total(self) -> Tally:
        """The calls of the last minute."""
        return self._window.total

    @property
    def seconds_left(self) -> float:
        """Seconds for which it stays open, 0 if it is not."""
        return max(0.0, self._until - self._clock.monotonic()) if self.state == "open" else 0.0

    @property
    def probing(self) -> bool:
        """True while the one call is under way that a half open breaker lets through."""
        return self._probe is not None

    def permit(self, *, heedless: bool = False) -> Permit | None:
        """The right to make a call now; None if it is half open and somebody is trying already.

        ``heedless`` is for the last node that could be asked: it gets its call in any case.
        """
        if self.state == "half_open" and self._probe is None:
            self._probe = Permit(self, self._era, probe=True)
            return self._probe
        if self.state == "closed" or heedless:
            return Permit(self, self._era, probe=False)
        return None

    @property
    def heeds_checks(self) -> bool:
        """True if it is open and a good active check would change that.

        That is the first time only: where requests failed after such a word, checks test something
        else than what requests need.
        """
        return self.state == "open" and self._openings == 1 and not self._refuted

    def check_passed(self) -> None:
        """Let requests try again before the time is over, since active checks are answered."""
        if self.heeds_checks:
            self._cut_short = True
            self._become("half_open")

    def note(self, permit: Permit, *, failed: bool, slow: bool) -> None:
        """Book how the call of ``permit`` ended."""
        self._window.add(failed=failed, slow=slow)
        if permit.era != self._era:
            return  # it began under another state, of which that has made its own conclusions
        self._in_a_row = self._in_a_row + 1 if failed else 0
        if self.state == "closed":
            why = self._verdict()
            if why is not None:
                self._open(why)
        elif failed or slow:
            if self.state == "half_open":
                self._open("it failed again" if failed else "it is still slow")
        else:
            self._pass()

    def let_go(self, permit: Permit) -> None:
        """Take the place of a probe back."""
        if self._probe is permit:
            self._probe = None

    def _verdict(self) -> str | None:
        """Why a closed breaker must open, if it must."""
        if self._in_a_row >= IN_A_ROW:
            return f"{self._in_a_row} failures in a row"
        total = self.total
        if total.calls < FEWEST_CALLS:
            return None
        if total.failures >= FAILURE_SHARE * total.calls:
            return f"{total.failures} of {total.calls} calls failed within a minute"
        if total.slow >= SLOW_SHARE * total.calls:
            return f"{total.slow} of {total.calls} calls were slow within a minute"
        return None

    def _open(self, why: str) -> None:
        now = self._clock.monotonic()
        if self._state == "closed":
            forgiven = int((now - self._closed_since) // CLEAN)
            self._openings = max(0, self._openings - forgiven)
        if self._cut_short:
            # Checks ended the first opening early: it begins anew, and is not twice as long.
            self._openings, self._cut_short, self._refuted = 0, False, True
        seconds = min(LONGEST_OPEN, FIRST_OPEN * 2.0 ** min(self._openings, 8))
        seconds *= self._random.uniform(1 - JITTER, 1 + JITTER)
        self._openings += 1
        self._until = now + seconds
        self._become("open")
        self._told("ejected", f"{why}; passed over for {seconds:.0f} s")

    def _pass(self) -> None:
        """A call went well while the breaker was not closed."""
        if self._state == "open":
            self._become("half_open")  # as the last node it was asked, and it answers
        self._passed += 1
        if self._passed >= SUCCESSES:
            self._closed_since = self._clock.monotonic()
            self._window.clear()
            self._cut_short = self._refuted = False
            self._become("closed")
            self._told("recovered", f"{SUCCESSES} calls in a row went well")

    def _become(self, state: State) -> None:
        self._state = state
        self._era += 1
        self._in_a_row = self._passed = 0
        self._probe = None
