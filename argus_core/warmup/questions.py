"""The gateway's ordinary questions, as warm-up asks them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import polars as pl

from argus_core.errors import NotOffered
from argus_core.model.answer import Answer, merged
from argus_core.model.ask import Ask
from argus_core.model.period import Adjust
from argus_core.model.query import HistoryQuery, ListingsQuery, Query
from argus_core.model.records import Depth, Instrument, Quote
from argus_core.model.symbol import Symbol
from argus_core.warmup.plan import Batch

_LEVELS = 5


class Asks(Protocol):
    """The gateway's questions, as far as warm-up asks them."""

    async def fetch(self, query: Query, ask: Ask) -> Answer[Any]:
        """Raw canonical values of one dataset."""
        ...

    async def quotes(self, symbols: tuple[Symbol, ...], ask: Ask) -> Answer[Quote]:
        """The latest quote of each symbol."""
        ...

    async def depth(self, symbols: tuple[Symbol, ...], levels: int, ask: Ask) -> Answer[Depth]:
        """Quote, order book and trades of each symbol."""
        ...

    async def history(self, query: HistoryQuery, ask: Ask) -> Answer[pl.DataFrame]:
        """One frame of bars a symbol."""
        ...

    async def instruments(self, symbols: tuple[Symbol, ...], ask: Ask) -> Answer[Instrument]:
        """What each symbol is."""
        ...


async def asked(argus: Asks, batch: Batch, ask: Ask) -> Answer[Any]:
    """The gateway's answer to the question that a batch is."""
    match batch.kind.dataset:
        case "quotes":
            return await argus.quotes(batch.symbols, ask)
        case "depth":
            return await argus.depth(batch.symbols, _LEVELS, ask)
        case "instruments":
            return await argus.instruments(batch.symbols, ask)
        case "listings":
            return await argus.fetch(ListingsQuery(exchanges=batch.exchanges), ask)
        case _:
            return await _bars(argus, batch, ask)


async def _bars(argus: Asks, batch: Batch, ask: Ask) -> Answer[pl.DataFrame]:
    """Bars, and with them the factors that consumers will need, where a source has any."""
    if batch.kind.period is None or batch.start is None or batch.end is None:
        raise ValueError("bars are planned with a period and a range")
    query = HistoryQuery(
        symbols=batch.symbols,
        period=batch.kind.period,
        start=batch.start,
        end=batch.end,
        adjust=Adjust.PRE,
    )
    raw = replace(query, adjust=Adjust.NONE)
    try:
        answer = await argus.history(query, ask)
    except NotOffered:
        return await argus.history(raw, ask)
    lacking = {key for key, why in answer.errors.items() if why.code == NotOffered.code}
    without = tuple(symbol for symbol in batch.symbols if symbol in lacking)
    if not without:
        return answer
    try:
        return merged([answer, await argus.history(replace(raw, symbols=without), ask)])
    except NotOffered:
        return answer
