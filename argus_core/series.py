"""History as consumers ask for it, made of raw bars and factors.

A source is only ever asked for raw bars of the finest period that serves, over whole trading
dates; longer periods, adjustment and changes are made here, so that they do not depend on who
answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any, Protocol

import polars as pl

from argus_core.clock import SHANGHAI, Clock
from argus_core.errors import ArgusError, BadData, NotOffered, TooLarge
from argus_core.finished import Finished, Made
from argus_core.market import calendar
from argus_core.market.history import (
    DAYS_BACK,
    base_range,
    empty_history,
    factors_query,
    history_frame,
    rows_needed,
)
from argus_core.market.kinds import kind_of
from argus_core.market.ranges import bars_query
from argus_core.market.resample import base_period
from argus_core.market.sessions import sessions_of
from argus_core.model.answer import Answer, Failure, Provenance, merged
from argus_core.model.ask import Ask
from argus_core.model.period import Adjust, Period
from argus_core.model.query import HistoryQuery, Query
from argus_core.model.symbol import Kind, Symbol
from argus_core.routing.node import Node

ADJUSTABLE = frozenset({Kind.STOCK, Kind.FUND})
"""Kinds whose prices change scale by dividends and splits."""

MOST_ROWS = 500_000
"""Raw bars that one request may need: eight symbol-years of minutes, or 2 000 of days."""

_MOST_DAYS = {Period.W1: 5, Period.MON1: 23}
_CLOSE = time(15)


class Fetches(Protocol):
    """Finds raw bars and factors: in the archive, in the caches, at the sources."""

    async def fetch(self, query: Query, ask: Ask) -> Answer[Any]:
        """The answer; keys that no source has are left out."""
        ...


class Series:
    """Answers history queries from raw bars and factors; ``nodes`` are read at every question."""

    def __init__(self, answers: Fetches, nodes: Iterable[Node], clock: Clock) -> None:
        self._answers = answers
        self._clock = clock
        self._nodes = nodes
        self._finished = Finished()

    async def history(self, query: HistoryQuery, ask: Ask) -> Answer[pl.DataFrame]:
        """One finished frame per symbol that has bars in some source, also an empty one.

        Raises what the router raises if no symbol could be answered.
        """
        groups = [
            replace(query, symbols=tuple(s for s in query.symbols if _nightly(s) is nightly))
            for nightly in (False, True)
        ]
        answers = await asyncio.gather(
            *(self._group(group, ask) for group in groups if group.symbols),
            return_exceptions=True,
        )
        good = [answer for answer in answers if isinstance(answer, Answer)]
        for group, answer in zip((g for g in groups if g.symbols), answers, strict=True):
            if isinstance(answer, ArgusError) and good:
                failure = Failure(code=answer.code, message=answer.message)
                good.append(_failed(dict.fromkeys(group.symbols, failure)))
            elif isinstance(answer, BaseException):
                raise answer
        whole = merged(good)
        return replace(whole, data={s: whole.data[s] for s in query.symbols if s in whole.data})

    def empty(self, query: HistoryQuery) -> pl.DataFrame:
        """The frame of a symbol without bars: the right columns and no row."""
        return empty_history(intraday=query.period.intraday)

    async def _group(self, query: HistoryQuery, ask: Ask) -> Answer[pl.DataFrame]:
        """The answer for symbols that all have, or all lack, a night session."""
        _refuse_too_much(query, self._clock.now().date())
        bars, factors = await asyncio.gather(
            self._bars(query, ask), self._factors(query, ask), return_exceptions=True
        )
        if isinstance(bars, BaseException):
            raise bars
        answer, periods = bars
        if factors is None and _lacks_previous_closes(answer):
            factors = await self._ask_factors(query, ask)
        if isinstance(factors, ArgusError) and query.adjust is Adjust.NONE:
            factors = None  # they would only have told whether two days can be compared
        if isinstance(factors, BaseException):
            raise factors
        if factors is not None:
            answer = replace(answer, traces=(*answer.traces, *factors.traces))
        return self._made(query, answer, periods, factors)

    async def _bars(
        self, query: HistoryQuery, ask: Ask
    ) -> tuple[Answer[pl.DataFrame], dict[str, Period]]:
        """Raw series of the best period that each symbol's sources offer, and that period."""
        # Those that are down too: what they gave before may lie in the archive.
        nodes = [n for n in self._nodes if "bars" in n.offers]
        offered = frozenset[Period]().union(*(n.source.periods for n in nodes))
        found: list[Answer[pl.DataFrame]] = []
        periods: dict[str, Period] = {}
        pending: tuple[Symbol, ...] = query.symbols
        refusal: ArgusError = NotOffered("no source of the route offers bars of this period")
        while pending and (base := base_period(query.period, offered)) is not None:
            offered -= {base}
            part = replace(query, symbols=pending)
            try:
                answer = await self._base(part, base, ask)
            except ArgusError as error:
                if not isinstance(error, NotOffered) or isinstance(refusal, NotOffered):
                    refusal = error
                continue
            found.append(answer)
            periods.update(dict.fromkeys(answer.data, base))
            pending = tuple(s for s in pending if s not in answer.data)
        if not found:
            raise refusal
        return merged(found), periods

    async def _base(self, query: HistoryQuery, base: Period, ask: Ask) -> Answer[pl.DataFrame]:
        """Raw series over all trading dates that the question needs."""
        start, end = base_range(query)
        if base.intraday:
            start = _session_before(start)
        answer = await self._answers.fetch(bars_query(query.symbols, base, start, end), ask)
        orphans = tuple(
            Symbol(symbol)
            for symbol, frame in answer.data.items()
            if not base.intraday and frame.height and frame["prev_close"][0] is None
        )
        if not orphans:
            return answer
        # The source does not say what the first bar's change is measured against.
        before = start - timedelta(days=DAYS_BACK)
        try:
            earlier = await self._answers.fetch(
                bars_query(orphans, base, before, start - timedelta(days=1)), ask
            )
        except ArgusError:
            return answer  # the first change stays unknown, which null says
        data = dict(answer.data)
        for symbol, frame in earlier.data.items():
            # One series, one source: a bar of another vendor is no measure for this one's.
            if earlier.provenance[symbol].source == answer.provenance[symbol].source:
                data[symbol] = pl.concat([frame, data[symbol]])
        return replace(answer, data=data, traces=(*answer.traces, *earlier.traces))

    async def _factors(
        self, query: HistoryQuery, ask: Ask
    ) -> Answer[pl.DataFrame] | ArgusError | None:
        """The factors that adjustment, or a change between days, needs; None if neither does."""
        if query.adjust is Adjust.NONE and not query.period.intraday:
            return None
        return await self._ask_factors(query, ask)

    async def _ask_factors(
        self, query: HistoryQuery, ask: Ask
    ) -> Answer[pl.DataFrame] | ArgusError | None:
        """The factors that the bars are adjusted or compared by, or why there are none."""
        symbols = tuple(s for s in query.symbols if kind_of(s) in ADJUSTABLE)
        if not symbols:
            return None
        try:
            return await self._answers.fetch(
                factors_query(replace(query, symbols=symbols), self._clock.now().date()), ask
            )
        except ArgusError as error:
            return error

    def _made(
        self,
        query: HistoryQuery,
        bars: Answer[pl.DataFrame],
        periods: Mapping[str, Period],
        factors: Answer[pl.DataFrame] | None,
    ) -> Answer[pl.DataFrame]:
        data: dict[str, pl.DataFrame] = {}
        errors: dict[str, Failure] = dict(bars.errors)
        bases: dict[str, date] = {}
        for key, frame in bars.data.items():
            symbol = Symbol(key)
            adjustable = kind_of(symbol) in ADJUSTABLE
            table = factors.data.get(symbol) if factors else None
            adjusting = query.adjust is not Adjust.NONE and adjustable
            if adjusting and table is None:
                errors[symbol] = Failure(
                    code=NotOffered.code,
                    message=f"adjust={query.adjust} needs factors, and no source has them",
                )
                continue
            asked = query if adjustable else replace(query, adjust=Adjust.NONE)
            try:
                now = self._present(bars.provenance[key], frame)
                data[symbol], base = self._finish(symbol, (frame, table), asked, periods[key], now)
            except BadData as error:
                errors[symbol] = Failure(code=error.code, message=error.message)
                continue
            if base is not None:
                bases[symbol] = base
        told: Mapping[str, Provenance] = factors.provenance if factors else {}
        provenance = {
            key: replace(
                _with_factors(origin, told.get(key) if key in bases else None),
                as_of=_as_of(data[key], origin.fetched_at),
                resolution=_summed(origin.resolution, periods[key], query.period),
            )
            for key, origin in bars.provenance.items()
            if key in data
        }
        return replace(bars, data=data, errors=errors, provenance=provenance, adjust_base=bases)

    def _finish(
        self,
        symbol: Symbol,
        frames: tuple[pl.DataFrame, pl.DataFrame | None],
        query: HistoryQuery,
        period: Period,
        now: datetime,
    ) -> Made:
        """The series of a symbol as it was asked for, out of its bars and its factors."""
        bars, factors = frames
        adjustable = kind_of(symbol) in ADJUSTABLE

        def make() -> Made:
            return history_frame(
                bars,
                query=query,
                period=period,
                sessions=sessions_of(symbol),
                now=now,
                factors=factors,
                adjustable=adjustable,
            )

        if query.period is not period:
            return make()  # which of its bars are over changes from one moment to the next
        asked = (query.start, query.end, query.adjust, query.adjust_base)
        today = now.astimezone(SHANGHAI).date()
        return self._finished.of(frames, (asked, period, adjustable, today), make)

    def _present(self, origin: Provenance, frame: pl.DataFrame) -> datetime:
        """The present that decides which longer bars are final, be it that of a recorded day."""
        if origin.replay is None:
            return self._clock.now()
        for node in self._nodes:
            if node.name == origin.source and node.source.replaying is not None:
                return node.source.now()
        # Played elsewhere: it has come as far as its last bar, which may still be running.
        last: datetime = frame["time"][-1] if frame.height else self._clock.now()
        return last


def _refuse_too_much(query: HistoryQuery, today: date) -> None:
    """Refuse what would take minutes and gigabytes before anybody is asked for it."""
    rows = rows_needed(query, today)
    if rows > MOST_ROWS:
        raise TooLarge(
            f"about {rows:,} raw bars would be needed, and one request may use {MOST_ROWS:,}: "
            "ask for fewer symbols or a shorter range"
        )


def _lacks_previous_closes(answer: Answer[pl.DataFrame]) -> bool:
    """True if days of something that splits come without the exchange's previous close."""
    return any(
        kind_of(Symbol(symbol)) in ADJUSTABLE and bool(frame["prev_close"].null_count())
        for symbol, frame in answer.data.items()
    )


def _with_factors(bars: Provenance, factors: Provenance | None) -> Provenance:
    """The bars' origin, stale too if they were adjusted by factors that are."""
    if factors is None or not factors.stale or bars.stale:
        return bars
    return replace(bars, stale=True, reason=factors.reason)


def _summed(steps: Mapping[str, float], base: Period, period: Period) -> dict[str, float]:
    """What rounding adds up to in a bar of ``period`` that is the sum of bars of ``base``."""
    if period is base:
        return dict(steps)
    most = period.minutes // base.minutes if period.intraday else _MOST_DAYS[period]
    return {name: step * most for name, step in steps.items()}


def _as_of(frame: pl.DataFrame, fetched_at: datetime) -> datetime | None:
    """The instant that the last bar speaks of: its end, for days the close of the market."""
    if frame.is_empty():
        return None
    if "time" in frame.columns:
        end: datetime = frame["time"][-1].astimezone(SHANGHAI)
    else:
        end = datetime.combine(frame["date"][-1], _CLOSE, SHANGHAI)
    return min(end, fetched_at)


def _nightly(symbol: Symbol) -> bool:
    return symbol.exchange.trades_futures


def _session_before(day: date) -> date:
    """The trading date before ``day``, by the weekday where no calendar reaches."""
    try:
        return calendar.previous_session(day)
    except ArgusError:
        return day - timedelta(days=3 if day.weekday() == 0 else 1)


def _failed(errors: Mapping[str, Failure]) -> Answer[Any]:
    return Answer(data={}, errors=errors, provenance={})
