"""Questions to a source under test, asked as the core asks them and answered in canonical form."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from argus_core.clock import Clock
from argus_core.errors import ArgusError, NotOffered, Preparing
from argus_core.extend.relay import Relayed
from argus_core.extend.source import Source
from argus_core.market.normalise import Reading, normalise
from argus_core.market.ranges import bounds
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
from argus_core.testing import candidates
from argus_core.testing.check import Skipped, skip
from argus_core.testing.fields import fields_in
from argus_core.testing.subject import Subject

PREPARING = 90.0
"""Seconds for which a source may say that it is still fetching."""

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
        """The values that the source's own method answers to one call, as it gives them."""
        reply = await self.told(query)
        return _read(reply.reply) if isinstance(reply, Relayed) else reply

    async def told(self, query: Query) -> Any:
        """What the source's own method answers to one call, generators read to their end.

        One that is still preparing it is asked again, as its consumers are told to.
        """
        ends = time.monotonic() + PREPARING
        while True:
            try:
                return await self._called(query)
            except Preparing as error:
                if time.monotonic() > ends:
                    raise
                await asyncio.sleep(min(error.retry_after or 1.0, 5.0))

    async def _called(self, query: Query) -> Any:
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
            reading = normalise(part, await self.told(part), self.source, self.now)
            values |= reading.values
            faults |= reading.faults
            steps += reading.steps
        self._note(query.dataset, values)
        return Reading(values=values, faults=faults, steps=tuple(steps))

    async def values(self, query: Query) -> dict[str, Any]:
        """The canonical values by key. The check is skipped if one cannot be true.

        Another check is there to say so; this one would only repeat it.
        """
        reading = await self.ask(query)
        for key, fault in reading.faults.items():
            skip(f"{query.dataset} of {key} cannot be true: {fault}")
        return reading.values

    async def known(self, dataset: str, period: Period | None = None) -> tuple[Symbol, ...]:
        """Symbols for which the source has an answer, at least one; else the check is skipped."""
        offered(self.source, dataset)
        answered = await self.answered(dataset, period)
        if answered:
            return answered
        if trouble := self.trouble(dataset, period):
            raise Skipped(f"{dataset} cannot be had: {trouble}")
        what = f"{period} bars" if period else dataset
        raise Skipped(f"it answers no {what} of {self._tried()}: name `symbols` that it knows")

    async def answered(self, dataset: str, period: Period | None = None) -> tuple[Symbol, ...]:
        """Symbols for which the source has an answer, be it one that cannot be true."""
        memo, period = self.subject.memo, period or self._default(dataset)
        if (dataset, period) not in memo:
            try:
                memo[dataset, period] = await self._search(dataset, period)
            except ArgusError as error:
                memo[dataset, period] = ()
                memo["trouble", dataset, period] = error.message
        found: tuple[Symbol, ...] = memo[dataset, period]
        return found

    def trouble(self, dataset: str, period: Period | None = None) -> str | None:
        """Why the search of :meth:`answered` found nothing, if it was an error."""
        key = ("trouble", dataset, period or self._default(dataset))
        text: str | None = self.subject.memo.get(key)
        return text

    def _default(self, dataset: str) -> Period | None:
        return self.period if dataset == "bars" else None

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
        if dataset == "bars":
            return self.bars(symbols, period or self.period, start, end)
        if dataset == "quotes":
            return QuotesQuery(symbols=symbols)
        if dataset == "depth":
            return DepthQuery(symbols=symbols)
        if dataset == "instruments":
            return InstrumentsQuery(symbols=symbols)
        last = end or self.subject.days[-1]
        if dataset == "factors":
            return FactorsQuery(symbols=symbols, start=start or self.subject.days[0], end=last)
        first = start or last
        since, until = bounds(first, last, nightly=_nightly(symbols))
        return TicksQuery(symbols=symbols, start=first, end=last, since=since, until=until)

    def bars(
        self,
        symbols: tuple[Symbol, ...],
        period: Period,
        start: date | None = None,
        end: date | None = None,
    ) -> BarsQuery:
        """The question about bars: of the subject's range, of its last day where intraday."""
        last = end or self.subject.days[-1]
        first = start or (last if period.intraday else self.subject.days[0])
        since, until = bounds(first, last, nightly=period.intraday and _nightly(symbols))
        return BarsQuery(
            symbols=symbols, period=period, start=first, end=last, since=since, until=until
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
async def asking(subject: Subject, *, clock: Clock | None = None) -> AsyncGenerator[Asking]:
    """An open source; it is closed at the end."""
    source: Source = subject.make(clock=clock)
    try:
        await source.open()
        yield Asking(subject, source)
    finally:
        await source.close()


def offers_of(source: Source) -> frozenset[str]:
    """What the source offers: its class does, and it does not say that it has less."""
    offers = type(source).offers()
    return offers if source.datasets is None else offers & source.datasets


def offered(source: Source, *datasets: str) -> str:
    """The first of the datasets that the source offers; the check is skipped if it offers none."""
    offers = offers_of(source)
    for dataset in datasets:
        if dataset in offers:
            return dataset
    raise Skipped(f"it offers no {' and no '.join(datasets)}")


def datasets(source: Source) -> tuple[str, ...]:
    """The datasets by symbol that the source offers; the check is skipped if it offers none."""
    found = tuple(name for name in BY_SYMBOL if name in offers_of(source))
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


def _nightly(symbols: tuple[Symbol, ...]) -> bool:
    return any(symbol.exchange.trades_futures for symbol in symbols)


def _read(reply: Any) -> Any:
    if isinstance(reply, Iterator):
        read: list[Any] = [*reply]
        return read
    return reply
