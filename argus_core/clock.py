"""The one place where the core reads time, so that tests can own it."""

from __future__ import annotations

import time
from datetime import datetime
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
"""The time zone of every instant that Argus hands out."""


class Clock:
    """Gives the present: ``now`` in Shanghai for the market, ``monotonic`` for deadlines."""

    def now(self) -> datetime:
        """The current instant, aware, ``Asia/Shanghai``."""
        return datetime.now(SHANGHAI)

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""
        return time.monotonic()
