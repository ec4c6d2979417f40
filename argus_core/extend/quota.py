"""What a vendor allows an account, what a question takes of it, and what the vendor's meter shows.

Numbers are the vendor's or the operator's. What nobody states is None, and nothing is kept back
for its sake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EVERY_CALL = "*"
"""The interface of a vendor that counts all calls of an account together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What an account may ask of one interface: of what the vendor counts together."""

    interface: str = EVERY_CALL
    """The vendor's own name of it."""
    calls_per_minute: int | None = None
    calls_per_day: int | None = None
    """The calls of a day that begins at midnight in Beijing."""
    rows_per_call: int | None = None
    """The rows at which the vendor cuts an answer, so that a longer one takes several calls."""

    def calls_for(self, rows: int) -> int:
        """The most calls that an answer of so many rows takes, page by page.

        A page that is exactly full has to be asked on, for the next one may be empty or not.
        """
        return 1 if self.rows_per_call is None else max(0, rows) // self.rows_per_call + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one question takes of an allowance: so many ``calls``, at most, as far as is known."""

    allowance: Allowance
    calls: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What a counter shows, the vendor's own or the plugin's, of one interface.

    Without a ``window`` it counts from the opening of the source on and shows ``calls``: the core
    sees by it what was really called. With one it shows what is ``used`` of the ``limit`` now;
    where that is all, nothing of the interface is asked for the next ``resets_in`` seconds.
    """

    interface: str = EVERY_CALL
    unit: Literal["calls", "bytes", "logins"] = "calls"
    used: float
    limit: float | None = None
    """None where there is no limit, or none is known."""
    window: Literal["minute", "day"] | None = None
    resets_in: float | None = None
    """Seconds until it begins anew; None where nobody says when."""

    @property
    def exhausted(self) -> bool:
        """True if nothing is left until it begins anew."""
        if self.window is None or self.limit is None or not self.resets_in:
            return False
        return self.used >= self.limit
