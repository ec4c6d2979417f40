"""How long an answer stays fresh.

The running day moves every few seconds, what is over hardly ever. The market's own clock will
refine these lives; until then they are short enough that nothing is silently stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType

from argus_core.model.query import BarsQuery, Query, TicksQuery

RUNNING = 3.0
"""Seconds for whatever the market may be changing right now."""
SETTLED = 300.0
"""Seconds for bars of days that are over."""
BASIC = 3600.0
"""Seconds for what changes once a day at most."""

_LIVES: Mapping[str, float] = MappingProxyType(
    {
        "quotes": RUNNING,
        "depth": RUNNING,
        "factors": SETTLED,
        "instruments": BASIC,
        "listings": BASIC,
        "calendar": BASIC,
        "sectors": BASIC,
        "main_contracts": BASIC,
        "chart_panels": 0.0,  # an act, not a fact: each asking draws
    }
)


def life(query: Query, now: datetime) -> float:
    """Seconds for which an answer to ``query``, fetched now, is fresh."""
    if isinstance(query, (BarsQuery, TicksQuery)):
        return SETTLED if _over(query.end, now) else RUNNING
    return _LIVES[query.dataset]


def _over(end: date, now: datetime) -> bool:
    return end < now.date()
