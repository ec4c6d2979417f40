"""Questions to a source under test, asked as the core asks them and answered in canonical form."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from argus_core.clock import Clock
from argus_core.errors import NotOffered
from argus_core.extend.source import Source
from argus_core.market.normalise import Reading, normalise
from argus_core.model.period import Period
from argus_core.model.query import (
    BarsQuery,
    DepthQuery,
    FactorsQuery,
    InstrumentsQuery,
    Query,
    QuotesQuery,
    TicksQuery,
)
from argus_core.model.symbol import Symbol
from argus_core.routing.threads import Threads
from argus_core.series import bounds
from argus_core.testing import candidates
from argus_core.testing.check import Failed, skip
from argus_core.testing.fields import fields_in
from argus_core.testing.subject import Subject

BY_SYMBOL = ("quotes", "depth", "bars", "factors", "instruments", "ticks")
"""The datasets whose keys are symbols."""


class Asking:
    """An open source and the questions that the checks put to it."""

    def __init__(self, subject: Subject, source: Source) -> None:
        self.subject = subject
        self.source = source
        self._threads = Threads(max(1, source.max_concurrency))
        self._calls = asyncio.Semaphore(max(1, source.max_concurrency))

    @property
    def now(self) -> datetime:
        """The present, by the clock that the source has."""
        return self.source.clock.now()

    async def raw(self, query: Query) -> Any:
        """What the source's own method answers to one call, generators read to their end."""
        method = getattr(self.source, query.dataset)
        if inspect.iscoroutinefunction(method):
            async with self._calls:
                reply = await method(query)
        else:
            reply = await self._threads.run(lambda query: _read(method(query)), query)
            if inspect.isawaitable(reply):
                reply = await reply
        return _read(reply)

    async def ask(self, query: Query) -> Reading:
        """The canonical reading of the answer, call by call as the source's limit demands."""
        values: dict[str, Any] = {}
        faults: dict[str, str] = {}
        steps: list[str] = []
        size = max(1, self.source.symbols_per_call)
        for begin in range(0, len(query.keys), size):
            part = query.only(query.keys[begin : begin + size])
            reading = normalise(part, await self.raw(part), self.source, self.now)
            values |= reading.values
            faults |= reading.faults
            steps += reading.steps
        self._note(query.dataset, values)
        return Reading(values=values, faults=faults, steps=tuple(steps))

    async def values(self, query: Query) -> dict[str, Any]:
        """The canonical values by key; a value that cannot be true ends the check."""
        reading = await self.ask(query)
        for key, fault in reading.faults.items():
            raise Failed(f"{query.dataset} of {key}: {fault}")
        return reading.values

    async def known(self, dataset: str, period: Period | None = None) -> tuple[Symbol, ...]:
        """Symbols for which the source has an answer, at least one; else the check is skipped."""
        offered(self.source, dataset)
        remembered = self.subject.memo.get((dataset, period))
        if remembered is None:
            remembered = await self._search(dataset, period)
            self.subject.memo[dataset, period] = remembered
        if not remembered:
            what = f"{period} bars" if period else dataset
            skip(f"it answers no {what} of {self._tried()}: name `symbols` that it knows")
        return remembered

    async def _search(self, dataset: str, period: Period | None) -> tuple[Symbol, ...]:
        found: list[Symbol] = []
        for group in candidates.groups(self.subject):
            try:
                reading = await self.ask(self.query(dataset, group, period=period))
            except NotOffered:
                continue
            answered = [s for s in group if s in reading.values or s in reading.faults]
            found += answered if self.subject.symbols else answered[:2]
        return tuple(found)

    def _tried(self) -> str:
        groups = candidates.groups(self.subject)
        tried = [symbol for group in groups for symbol in group]
        more = len(tried) - 4
        return ", ".join(tried[:4]) + (f" and {more} more" if more > 0 else "")

    def query(
        self,
        dataset: str,
        symbols: tuple[Symbol, ...],
        *,
        period: Period | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> Query:
        """The question about symbols, by default about the subject's range."""
        days = self.subject.days
        last = end or days[-1]
        if dataset == "quotes":
            return QuotesQuery(symbols=symbols)
        if dataset == "depth":
            return DepthQuery(symbols=symbols)
        if dataset == "instruments":
            return InstrumentsQuery(symbols=symbols)
        if dataset == "factors":
            return FactorsQuery(symbols=symbols, start=start or days[0], end=last)
        intraday = dataset == "ticks" or (period or self.period).intraday
        first = start or (last if intraday else days[0])
        nightly = intraday and any(s.exchange.trades_futures for s in symbols)
        since, until = bounds(first, last, nightly=nightly)
        if dataset == "ticks":
            return TicksQuery(symbols=symbols, start=first, end=last, since=since, until=until)
        return BarsQuery(
            symbols=symbols,
            period=period or self.period,
            start=first,
            end=last,
            since=since,
            until=until,
        )

    @property
    def period(self) -> Period:
        """The period that bars are asked for where any will do: the longest day or less."""
        periods = self.source.periods
        return next((p for p in (Period.D1, Period.M1) if p in periods), min(periods))

    def _note(self, dataset: str, values: Mapping[str, Any]) -> None:
        """Remember which fields the source has ever filled."""
        filled = self.subject.seen.setdefault(dataset, set())
        for value in values.values():
            filled |= fields_in(value)


@asynccontextmanager
async def asking(subject: Subject, *, clock: Clock | None = None) -> AsyncIterator[Asking]:
    """An open source; it is closed at the end."""
    source: Source = subject.make(clock=clock)
    try:
        await source.open()
        yield Asking(subject, source)
    finally:
        await source.close()


def offered(source: Source, *datasets: str) -> str:
    """The first of the datasets that the source offers; the check is skipped if it offers none."""
    offers = type(source).offers()
    for dataset in datasets:
        if dataset in offers:
            return dataset
    skip(f"it offers no {' and no '.join(datasets)}")


def datasets(source: Source) -> tuple[str, ...]:
    """The datasets by symbol that the source offers; the check is skipped if it offers none."""
    found = tuple(name for name in BY_SYMBOL if name in type(source).offers())
    return found or (offered(source, *BY_SYMBOL),)


def weekend(day: date) -> tuple[date, date]:
    """The last Saturday and Sunday before ``day``."""
    sunday = day - timedelta(days=day.isoweekday())
    return sunday - timedelta(days=1), sunday


def same(one: Any, other: Any) -> bool:
    """True if two canonical values are equal; frames are compared value by value."""
    if isinstance(one, pl.DataFrame) and isinstance(other, pl.DataFrame):
        return one.equals(other)
    return bool(one == other)


def _read(reply: Any) -> Any:
    if isinstance(reply, Iterator):
        read: list[Any] = [*reply]
        return read
    return reply
