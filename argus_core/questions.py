"""The questions that a gateway answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl

from argus_core.clock import Clock
from argus_core.errors import NotOffered
from argus_core.keeping import Keeping
from argus_core.lookups import Lookups, Offers
from argus_core.market.ranges import bounds
from argus_core.model.answer import Answer
from argus_core.model.ask import Ask
from argus_core.model.period import Period
from argus_core.model.query import (
    ChartPanelsQuery,
    DepthQuery,
    HistoryQuery,
    InstrumentsQuery,
    ListingsQuery,
    MainContractsQuery,
    Query,
    QuotesQuery,
    TicksQuery,
)
from argus_core.model.records import Depth, Instrument, Quote, TradingDays
from argus_core.model.request import refuse_loop, requesting
from argus_core.model.symbol import Exchange, Symbol
from argus_core.outcomes import Outcomes, identified
from argus_core.renames import Renames
from argus_core.routing.node import Node
from argus_core.series import Series


class Questions:
    """The questions of one gateway; they raise the errors of :mod:`argus_core.errors`."""

    def __init__(
        self, kept: Keeping, nodes: Iterable[Node], *, gateway: str, clock: Clock, offline: bool
    ) -> None:
        self.id = gateway
        self.clock = clock
        self.offline = offline
        self._answers = kept.answers
        self._past = kept.past
        self._nodes = nodes  # read anew at each question: sources come and go at run time
        self._series = Series(self._past, nodes, clock)
        self._outcomes = Outcomes(self._answers)
        self._lookups = Lookups(self._answers, clock, offline=offline)
        self._offers = Offers()
        self._renames = Renames(self._answers, clock)

    async def fetch(self, query: Query, ask: Ask) -> Answer[Any]:
        """Raw canonical values of one dataset; keys that no source has are left out."""
        try:
            return await self._answers.fetch(query, ask)
        except NotOffered as error:
            raise await self._offers.refusal(query.dataset, error) from None

    async def raw(self, query: Query, ask: Ask, via: tuple[str, ...] = ()) -> Answer[Any]:
        """What :meth:`fetch` answers, bars and factors out of the archive where it holds them.

        ``via`` are the ids of the gateways through which the question has come, the first asker
        first. Raises :class:`Loop` if this one is among them.
        """
        refuse_loop(self.id, via)
        # Only who asks gateways himself must tell apart whose question he joins: see Errand.
        relays = any(node.source.relays for node in self._nodes)
        with requesting(via=via if relays else ()):
            try:
                return await self._past.fetch(query, ask)
            except NotOffered as error:
                raise await self._offers.refusal(query.dataset, error) from None

    async def quotes(self, symbols: tuple[Symbol, ...], ask: Ask) -> Answer[Quote]:
        """The latest quote of each symbol; a renamed one comes under its present code."""
        symbols = await self._renames.current(symbols, ask)
        answer = await self.fetch(QuotesQuery(symbols=symbols), ask)
        return await self._outcomes.settle(symbols, answer, ask)

    async def depth(self, symbols: tuple[Symbol, ...], levels: int, ask: Ask) -> Answer[Depth]:
        """Quote, order book and trades of each symbol; fewer levels where the source has fewer."""
        symbols = await self._renames.current(symbols, ask)
        answer = await self.fetch(DepthQuery(symbols=symbols, levels=levels), ask)
        return await self._outcomes.settle(symbols, answer, ask)

    async def history(self, query: HistoryQuery, ask: Ask) -> Answer[pl.DataFrame]:
        """One frame of bars a symbol, ascending; a known symbol without rows has none in it.

        Columns: ``date`` (and before it ``time``, the bar's end, for intraday periods), open,
        high, low, close, volume, turnover, change, change_pct, final.
        """
        query = replace(query, symbols=await self._renames.current(query.symbols, ask))
        try:
            answer = await self._series.history(query, ask)
        except NotOffered as error:
            raise await self._offers.refusal("bars", error) from None
        return await self._outcomes.settle(query.symbols, answer, ask, self._series.empty(query))

    async def instruments(self, symbols: tuple[Symbol, ...], ask: Ask) -> Answer[Instrument]:
        """What each symbol is."""
        symbols = await self._renames.current(symbols, ask)
        answer = await self.fetch(InstrumentsQuery(symbols=symbols), ask)
        return identified(symbols, answer)

    async def ticks(
        self, symbols: tuple[Symbol, ...], start: date, end: date, ask: Ask
    ) -> Answer[pl.DataFrame]:
        """One frame of past snapshots a symbol, ascending, over whole trading dates.

        Columns: time, date, price, open, high, low, prev_close, volume, turnover (both since the
        day began), open_interest, and ``bid_price1`` … ``ask_volume5``.
        """
        since, until = bounds(start, end, nightly=any(s.exchange.trades_futures for s in symbols))
        query = TicksQuery(symbols=symbols, start=start, end=end, since=since, until=until)
        return await self._outcomes.settle(symbols, await self.fetch(query, ask), ask)

    async def main_contracts(
        self, symbols: tuple[Symbol, ...], day: date, ask: Ask
    ) -> Answer[Symbol]:
        """The contract that each main continuous series (``rb88.SHFE``) follows on ``day``."""
        return await self.fetch(MainContractsQuery(symbols=symbols, day=day), ask)

    async def chart_panel(
        self, symbols: tuple[Symbol, ...], period: Period, ask: Ask
    ) -> Answer[str]:
        """The name of a panel with a chart of each symbol, drawn on a client's screen."""
        query = ChartPanelsQuery(panels=(f"argus-{ask.trace_id}",), symbols=symbols, period=period)
        answer: Answer[str] = await self.fetch(query, ask)
        if not answer.data:
            raise await self._offers.refusal(query.dataset, NotOffered("no source drew the panel"))
        return answer

    async def trading_days(
        self, exchanges: tuple[Exchange, ...], start: date, end: date, ask: Ask
    ) -> Answer[TradingDays]:
        """The trading dates of each exchange, from the sources first, else from the offline one.

        Raises :class:`BeyondHorizon` if neither knows the whole range.
        """
        return await self._lookups.trading_days(exchanges, start, end, ask)

    async def sector(self, name: str, ask: Ask) -> Answer[tuple[Symbol, ...]]:
        """The members of a sector: the vendor's own, else derived from the instrument table."""
        try:
            return await self._lookups.sector(name, ask)
        except NotOffered as error:
            raise await self._offers.refusal(ListingsQuery.dataset, error) from None
