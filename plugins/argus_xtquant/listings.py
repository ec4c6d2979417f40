"""Whole exchanges and sectors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from argus_core import (
    Clock,
    Exchange,
    Instrument,
    Job,
    Jobs,
    Kind,
    SourceError,
    Symbol,
    kind_of,
)
from argus_xtquant.instruments import detail_of, expiry, instrument, market_of, symbol_of
from argus_xtquant.session import Session
from argus_xtquant.settings import XtquantSettings
from argus_xtquant.symbols import OPTION_MARKETS, from_xtquant

logger = logging.getLogger(__name__)

_ILLEGAL = frozenset('\\/:*?"<>|')
"""The vendor takes these out of a sector's name and answers about whatever is left."""
_CONVERTIBLES = {
    Exchange.SH: ("110", "111", "113", "118"),
    Exchange.SZ: ("123", "127", "128"),
}
_DETAILED = frozenset({Kind.STOCK, Kind.INDEX, Kind.FUND, Kind.FUTURE})


class Listings:
    """The instrument tables and sectors of one source, read once a day."""

    def __init__(
        self, session: Session, settings: XtquantSettings, clock: Clock, jobs: Jobs
    ) -> None:
        self._session = session
        self._settings = settings
        self._clock = clock
        self._jobs = jobs
        self._tables: dict[Exchange, tuple[date, list[Instrument]]] = {}
        self._sectors_from: date | None = None

    async def read(self, exchanges: Iterable[Exchange]) -> dict[Exchange, list[Instrument]]:
        """What each exchange lists today.

        A call an instrument, thousands of them, so the table is read in the lane of downloads.
        """
        today = self._clock.now().date()
        found: dict[Exchange, list[Instrument]] = {}
        for exchange in exchanges:
            known = self._tables.get(exchange)
            if known is None or known[0] != today:
                await self._jobs.ready(
                    f"listings {exchange} {today}",
                    partial(self._fill, exchange=exchange, today=today),
                    wait=self._settings.prepare_wait,
                )
            found[exchange] = self._tables[exchange][1]
        return found

    async def members(self, sectors: Sequence[str]) -> dict[str, list[Symbol]]:
        """The members of each sector that the client knows, after a download where it has none."""
        names = [name for name in sectors if not _ILLEGAL.intersection(name)]
        found = await asyncio.to_thread(self._members, names)
        today = self._clock.now().date()
        if len(found) < len(names) and self._settings.download and self._sectors_from != today:
            await self._jobs.ready(
                f"sectors {today}",
                lambda job: self._download_sectors(job, today),
                wait=self._settings.prepare_wait,
            )
            found = await asyncio.to_thread(self._members, names)
        return found

    def _members(self, names: Iterable[str]) -> dict[str, list[Symbol]]:
        today = self._clock.now().date()
        found: dict[str, list[Symbol]] = {}
        for name in names:
            symbols = (from_xtquant(code, today, today) for code in self._codes(name))
            if members := [symbol for symbol in symbols if symbol is not None]:
                found[name] = members
        return found

    def _download_sectors(self, job: Job, today: date) -> None:
        job.alive()
        try:
            self._session.beside("the download of sectors", lambda x: x.download_sector_data())
        finally:
            # Also where it failed: a client that cannot is not asked again until tomorrow
            self._sectors_from = today
        job.alive(1, 1)

    def _codes(self, sector: str) -> list[str]:
        told: Any = self._session.call("sectors", lambda x: x.get_stock_list_in_sector(sector))
        return [str(code) for code in told or ()]

    def _fill(self, job: Job, exchange: Exchange, today: date) -> None:
        listed = (self._codes(name) for name in market_of(exchange))
        codes = next(filter(None, listed), list[str]())
        if options := OPTION_MARKETS.get(exchange):
            codes = [*codes, *self._codes(options)]
        table: dict[Symbol, Instrument] = {}
        for done, code in enumerate(codes):
            job.alive(done, len(codes))
            known = self._one(code, exchange, today)
            if known is not None:
                table[known.symbol] = known
        self._tables[exchange] = (today, list(table.values()))

    def _one(self, code: str, exchange: Exchange, today: date) -> Instrument | None:
        """What a code of a list is; ``None`` for what Argus has no name for, or what is over."""
        symbol = symbol_of(code, None, today)
        if symbol is None or symbol.exchange is not exchange:
            return None
        kind = kind_of(symbol)
        if kind is Kind.UNKNOWN:
            return None
        if kind not in _DETAILED and not _is_convertible(symbol):
            # Tens of thousands of bonds and options: named, but not asked about one by one
            return Instrument(symbol=symbol, kind=kind)
        detail = self._detail(code)
        if detail is None:
            return Instrument(symbol=symbol, kind=kind)
        own, last = symbol_of(code, detail, today), expiry(detail)
        return None if own is None or (last and last < today) else instrument(own, detail, kind)

    def _detail(self, code: str) -> Mapping[str, Any] | None:
        try:
            return detail_of(self._session, code)
        except SourceError as error:
            if not self._session.connected:
                raise
            logger.warning("%s: no details of %s: %s", self._session.name, code, error.message)
            return None


def _is_convertible(symbol: Symbol) -> bool:
    return symbol.startswith(_CONVERTIBLES.get(symbol.exchange, ("none",)))
