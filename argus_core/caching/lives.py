"""How long a value would live if a rule's ttl were another, for questions of the past."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from math import inf
from random import Random
from typing import Any, NamedTuple

from argus_core.cache_tables import DEFAULT_RULES
from argus_core.caching.freshness import Freshness
from argus_core.caching.rules import Rules
from argus_core.clock import SHANGHAI
from argus_core.market.hours import trades_on
from argus_core.model.query import CalendarQuery, Query
from argus_core.model.records import Quote, TradingDays
from argus_core.model.symbol import Symbol

_SHORT, _LONG = 0.001, 1e9
"""Ttls, in seconds, shorter and longer than anything that the market's clock says."""


class Life(NamedTuple):
    """The seconds between which a value's life follows the ttl; equal where the clock alone rules.

    A ttl that reaches to ``leap``, where a day without trading begins, counts as the longest one.
    """

    least: float
    most: float
    leap: float = inf

    def under(self, ttl: float) -> float:
        """The seconds that a value lives under a ttl of so many."""
        return self.most if ttl >= self.leap else min(max(ttl, self.least), self.most)


FOR_EVER = Life(inf, inf)


class Lives:
    """The lives that the rules of freshness allow, without the chance that spreads their ends."""

    def __init__(self, settle_hours: float) -> None:
        self._settle_hours = settle_hours
        self._short, self._long = (
            Freshness(_with_ttl(ttl), _Unmoved(), settle_hours) for ttl in (_SHORT, _LONG)
        )

    def of(self, query: Query, key: str, at: datetime) -> Life:
        """The life of an up-to-date value of ``key`` that was fetched at the aware ``at``."""
        value = _up_to_date(query, key, at)
        least, most = (
            max(0.0, (judge.span(query, key, value, at).fresh_until - at).total_seconds())
            for judge in (self._short, self._long)
        )
        return Life(least, most, self._leap(query, key, value, at) if least < most else inf)

    def _leap(self, query: Query, key: str, value: Any, at: datetime) -> float:
        """The ttl from which on a value that is fetched at ``at`` lives over a day of rest."""
        tomorrow = at.astimezone(SHANGHAI).date() + timedelta(days=1)
        if trades_on(tomorrow):
            return inf
        midnight = datetime.combine(tomorrow, time(), SHANGHAI)
        ttl = (midnight - at).total_seconds()
        span = Freshness(_with_ttl(ttl), _Unmoved(), self._settle_hours).span(query, key, value, at)
        return ttl if span.fresh_until > midnight else inf


class _Unmoved(Random):
    """No chance at all, so that no life is shortened."""

    def random(self) -> float:
        return 0.0


def _with_ttl(ttl: float) -> Rules:
    return Rules(
        {name: rule.model_copy(update={"ttl": ttl}) for name, rule in DEFAULT_RULES.items()}
    )


def _up_to_date(query: Query, key: str, at: datetime) -> Any:
    """A value that tells all that can be told at ``at``; its prices do not matter here."""
    if isinstance(query, CalendarQuery):
        return TradingDays(dates=(), known_through=date.max)
    return Quote(symbol=Symbol(key), as_of=at)
