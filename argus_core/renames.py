"""Codes that an exchange has replaced, resolved through the instrument table."""

from __future__ import annotations

import logging
from dataclasses import replace

from argus_core.answers import Answers
from argus_core.clock import Clock
from argus_core.errors import ArgusError
from argus_core.model.ask import Ask
from argus_core.model.query import ListingsQuery
from argus_core.model.records import Instrument
from argus_core.model.symbol import Exchange, Symbol

log = logging.getLogger(__name__)

LIFE = 3600.0
"""Seconds for which a table's word on renamed codes is good."""
RETRY = 30.0
"""Seconds after which a table that could not be had is asked for again."""

_REPLACED = {Exchange.BJ: ("43", "83", "87")}
"""Prefixes of codes that may have been replaced: Beijing moved its shares to 920 in 2024-2025."""


class Renames:
    """Finds the present code of a symbol; asks for a table only where a code may be an old one."""

    def __init__(self, answers: Answers, clock: Clock) -> None:
        self._answers = answers
        self._clock = clock
        self._present: dict[Symbol, Symbol] = {}
        self._until = float("-inf")

    async def current(self, symbols: tuple[Symbol, ...], ask: Ask) -> tuple[Symbol, ...]:
        """The symbols under their present codes, each once; unchanged where no table says so."""
        old = [symbol for symbol in symbols if _replaceable(symbol)]
        if not old:
            return symbols
        if self._until <= self._clock.monotonic():
            await self._read(tuple(dict.fromkeys(symbol.exchange for symbol in old)), ask)
        return tuple(dict.fromkeys(self._present.get(symbol, symbol) for symbol in symbols))

    async def _read(self, exchanges: tuple[Exchange, ...], ask: Ask) -> None:
        """Remember what the tables say, or for a while that there are none to be had."""
        # The question itself must not go hungry because its table is slow to come.
        terms = replace(ask, deadline=ask.deadline.share(1 / 3), use_cache=True, anew=False)
        try:
            tables = await self._answers.fetch(ListingsQuery(exchanges=exchanges), terms)
        except ArgusError as error:
            log.debug("no instrument table to resolve renamed codes: %s", error.code)
            self._until = self._clock.monotonic() + RETRY
            return
        rows: list[Instrument] = [row for table in tables.data.values() for row in table]
        self._present = {former: row.symbol for row in rows for former in row.former_symbols}
        self._until = self._clock.monotonic() + LIFE


def _replaceable(symbol: Symbol) -> bool:
    return symbol.code.startswith(_REPLACED.get(symbol.exchange, ("?",)))
