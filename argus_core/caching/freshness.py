"""How long a value stays fresh: what its rule says, seen by the market's clock.

A rule's ``ttl`` is the life of a value while the market may change it. Outside the sessions
nothing does, so a value lives until the market moves again, and what is renewed once a day lives
until the next pre-open, which after a weekend or a holiday is that of the next trading day. Where a
value does not yet tell what the market did last, because a vendor lags, it is asked for again every
minute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any, Final

from argus_core.caching.rules import Rules
from argus_core.clock import SHANGHAI
from argus_core.market.hours import (
    day_close,
    last_close,
    last_trading_date,
    moving,
    next_move,
    next_trading_date,
    sealed_through,
    trades_on,
    trading_date,
)
from argus_core.market.preopen import next_pre_open
from argus_core.market.sessions import sessions_of
from argus_core.model.codec import as_of
from argus_core.model.period import Period
from argus_core.model.query import (
    BarsQuery,
    CalendarQuery,
    FactorsQuery,
    InstrumentsQuery,
    ListingsQuery,
    Query,
    QuotesQuery,
    SectorsQuery,
    TicksQuery,
)
from argus_core.model.records import TradingDays
from argus_core.model.symbol import Exchange, Symbol
from argus_core.tables import HistoryTable

LAG: Final = timedelta(minutes=10)
"""How far behind a close a quote may be and still be the last one: few trades, coarse clocks."""
CATCHING_UP: Final = timedelta(seconds=60)
"""The life of a value that does not yet hold, or may yet change, what the last session brought."""
BEYOND: Final = timedelta(hours=1)
"""The longest life of a calendar whose horizon lies behind."""
JITTERED: Final = timedelta(seconds=60)
"""Plain lives longer than this end a little sooner, each by chance, so as not to end together."""
MOST_JITTER: Final = 0.1
"""The largest part by which a life is shortened."""

AHEAD: Final = timedelta(days=366)
"""The longest life of a calendar whose horizon lies ahead."""

_A_DAY: Final = timedelta(days=1)
_SHARE: Final = Symbol("600519.SH")


_RANGES: Final = (BarsQuery, TicksQuery, FactorsQuery)


@dataclass(frozen=True, slots=True)
class Span:
    """Until when a value is fresh.

    ``early`` says that this is a plain ttl, so that asking again a little sooner brings something
    as good; what ends with the market's next move would only come back unchanged.
    """

    fresh_until: datetime
    early: bool


_Judge = Callable[[Any, str, Any, datetime], Span]


class Freshness:
    """Judges how long values live, under the rules in force.

    ``settle_hours`` is how long after its last session a trading date is still corrected.
    """

    def __init__(
        self, rules: Rules, random: Random, settle_hours: float = HistoryTable().settle_hours
    ) -> None:
        self._rules = rules
        self._random = random
        self._settle_hours = settle_hours
        self._judges: Mapping[str, _Judge] = {
            "quotes": self._latest,
            "depth": self._latest,
            "bars": self._series,
            "ticks": self._series,
            "factors": self._factors,
            "instruments": self._daily,
            "listings": self._daily,
            "sectors": self._daily,
            "main_contracts": self._daily,
            "calendar": self._calendar,
            "chart_panels": _never,
        }

    def span(self, query: Query, key: str, value: Any, fetched_at: datetime) -> Span:
        """The life of the value of ``key`` that was fetched at the aware ``fetched_at``."""
        at = fetched_at.astimezone(SHANGHAI)
        span = self._judges[query.dataset](query, key, value, at)
        life = span.fresh_until - at
        if not span.early or life <= JITTERED:
            return span
        return Span(at + life * (1 - MOST_JITTER * self._random.random()), early=True)

    def negative(self, query: Query, now: datetime) -> float:
        """Seconds for which it is remembered that no source has a key of ``query``; 0: not at all.

        No longer than until the market moves again, or the day's tables are renewed; and while it
        moves no longer than a value would live: the first trade of the day may come any second.
        """
        if query.dataset == "chart_panels":
            return 0.0
        rule = self._rules.of(query.dataset)
        over = isinstance(query, _RANGES) and query.end < now.astimezone(SHANGHAI).date()
        ends = [now + timedelta(seconds=rule.negative_ttl)]
        for key in query.keys:
            of = _renewed_with(query, key)
            ends.append(next_pre_open(of, now))
            if not isinstance(of, Symbol):
                continue
            if not moving(of, now):
                ends.append(next_move(of, now))
            elif not over:
                ends.append(now + timedelta(seconds=rule.ttl))
        return (min(ends) - now).total_seconds()

    def effective_ttl(self, rule_name: str, now: datetime) -> float:
        """Seconds that a typical value of the rule, a share's of today, would live from ``now``.

        ``KeyError`` if there is no such rule.
        """
        at = now.astimezone(SHANGHAI)
        query = _typical(at)[rule_name]
        span = self._judges[query.dataset](query, _SHARE, None, at)
        return (span.fresh_until - at).total_seconds()

    def _latest(self, query: Query, key: str, value: Any, at: datetime) -> Span:
        symbol = Symbol(key)
        if moving(symbol, at):
            return self._plain(query, at)
        wait = next_move(symbol, at)
        seen, close = as_of(value), last_close(symbol, at)
        if seen is not None and close is not None and seen < close - LAG:
            wait = min(wait, at + CATCHING_UP)
        return Span(wait, early=False)

    def _series(self, query: BarsQuery | TicksQuery, key: str, value: Any, at: datetime) -> Span:
        symbol = Symbol(key)
        sealed = sealed_through(symbol, at, self._settle_hours)
        end = last_trading_date(query.end)
        if end is None or end <= sealed:
            # Corrections come late, if at all: one look a day finds them.
            return Span(next_pre_open(symbol, at), early=False)
        if moving(symbol, at):
            if end >= trading_date(at):
                return self._plain(query, at)
            return Span(at + CATCHING_UP, early=False)
        wait = next_move(symbol, at)
        if not _holds_all(symbol, sealed, value, at):
            wait = min(wait, at + CATCHING_UP)
        return Span(wait, early=False)

    def _factors(self, _query: Query, key: str, _value: Any, at: datetime) -> Span:
        symbol = Symbol(key)
        ends = next_pre_open(symbol, at)
        # A vendor may publish the factor of an ex-dividend day as late as 9:20, so what was fetched
        # in the pre-open may lack it, and is asked for again when it begins to matter.
        opens = datetime.combine(at.date(), _day_opens(symbol), SHANGHAI)
        if at < opens and trades_on(at.date()):
            ends = min(ends, opens)
        return Span(ends, early=False)

    def _daily(self, query: Query, key: str, _value: Any, at: datetime) -> Span:
        plain = self._plain(query, at)
        renewed = next_pre_open(_renewed_with(query, key), at)
        # Over days without trading no table changes, whatever the ttl.
        if plain.fresh_until < renewed and not _rests(at.date(), plain.fresh_until.date()):
            return plain
        return Span(renewed, early=False)

    def _calendar(self, query: CalendarQuery, _key: str, value: TradingDays, at: datetime) -> Span:
        known = min(value.known_through, (at + AHEAD).date())
        ends = datetime.combine(known + _A_DAY, time(), SHANGHAI)
        plain = self._plain(query, at)
        if ends <= at:
            return Span(min(plain.fresh_until, at + BEYOND), early=True)
        # What lies beyond the horizon was asked for too, and may be announced any day.
        wanting = query.end > value.known_through
        return plain if wanting and plain.fresh_until < ends else Span(ends, early=False)

    def _plain(self, query: Query, at: datetime) -> Span:
        return Span(at + timedelta(seconds=self._rules.of(query.dataset).ttl), early=True)


def _never(_query: Query, _key: str, _value: Any, at: datetime) -> Span:
    """The life of an act, which is no fact: each asking does it anew."""
    return Span(at, early=False)


def _holds_all(symbol: Symbol, sealed: date, value: Any, at: datetime) -> bool:
    """True if the value tells all that trading dates after ``sealed`` have brought by now.

    That is never certain of a day that is over but not settled. ``at`` lies outside the sessions.
    """
    close, before = last_close(symbol, at), last_trading_date(sealed)
    if close is None or (before is not None and close <= day_close(symbol, before)):
        return True  # none of them has begun
    if close >= day_close(symbol, next_trading_date(sealed)):
        return False
    seen = as_of(value)
    return seen is not None and seen >= close


def _rests(first: date, last: date) -> bool:
    """True if a day without trading lies from ``first`` to ``last``, both inclusive."""
    while first <= last:
        if not trades_on(first):
            return True
        first += _A_DAY
    return False


def _day_opens(symbol: Symbol) -> time:
    return next(session.open for session in sessions_of(symbol) if session.sitting)


def _renewed_with(query: Query, key: str) -> Symbol | Exchange | None:
    """Whose pre-open renews what is said of ``key``; None for any."""
    if isinstance(query, SectorsQuery):
        return None
    return Exchange(key) if isinstance(query, ListingsQuery | CalendarQuery) else Symbol(key)


def _typical(at: datetime) -> Mapping[str, Query]:
    """The question that stands for each rule."""
    share, day = (_SHARE,), at.date()
    bars = BarsQuery(symbols=share, period=Period.D1, start=day, end=day, since=at, until=at)
    return {
        "LATEST_DATA": QuotesQuery(symbols=share),
        "HISTORY_DATA": bars,
        "BASIC_INFO": InstrumentsQuery(symbols=share),
    }
