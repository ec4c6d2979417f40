"""How often a question may be asked more than once, so that trouble does not feed itself."""

from __future__ import annotations

import math
from typing import Self

RETRY_SHARE = 0.2
"""The share of the requests under way that may be at a second round."""
RETRIES_AT_LEAST = 3
"""So many may, however few are under way."""
HEDGE_SHARE = 0.05
"""Extra calls for each call."""
HEDGES_AT_ONCE = 10.0
"""The most extra calls that quiet times save up."""


class RetryBudget:
    """Counts the requests under way, and how many of them are at a second round."""

    def __init__(self) -> None:
        self.active = 0
        self.retrying = 0

    @property
    def allows(self) -> bool:
        """True if one more request may be retried now."""
        allowed = max(RETRIES_AT_LEAST, math.floor(self.active * RETRY_SHARE))
        return self.retrying < allowed


class Rounds:
    """One request's part in a :class:`RetryBudget`, for as long as the block lasts."""

    def __init__(self, budget: RetryBudget) -> None:
        self._budget = budget
        self._retries = False

    def __enter__(self) -> Self:
        self._budget.active += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.active -= 1
        self._budget.retrying -= self._retries
        self._retries = False

    def again(self) -> bool:
        """True if the request may be retried; it stays so to its end."""
        if not self._retries and self._budget.allows:
            self._retries = True
            self._budget.retrying += 1
        return self._retries


class HedgeBudget:
    """A bucket of tokens: each call adds a part of one, an extra call takes one."""

    def __init__(self) -> None:
        self._tokens = 1.0

    def earn(self) -> None:
        """Book a call that was made anyway."""
        self._tokens = min(HEDGES_AT_ONCE, self._tokens + HEDGE_SHARE)

    @property
    def affordable(self) -> bool:
        """True if an extra call may be made."""
        return self._tokens >= 1

    def spend(self) -> None:
        """Book an extra call."""
        self._tokens -= 1
