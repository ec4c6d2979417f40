"""Codes that an exchange has replaced, resolved through the instrument table."""

from __future__ import annotations

import logging
from dataclasses import replace

from argus_core.answers import Answers
from argus_core.errors import ArgusError
from argus_core.model.ask import Ask
from argus_core.model.query import ListingsQuery
from argus_core.model.records import Instrument
from argus_core.model.symbol import Exchange, Symbol

log = logging.getLogger(__name__)

_REPLACED = {Exchange.BJ: ("43", "83", "87")}
"""Prefixes of codes that may have been replaced: Beijing moved its shares to 920 in 2024-2025."""


class Renames:
    """Finds the present code of a symbol; asks for a table only where a code may be an old one."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def current(self, symbols: tuple[Symbol, ...], ask: Ask) -> tuple[Symbol, ...]:
        """The symbols under their present codes, each once; unchanged where no table says so."""
        old = [symbol for symbol in symbols if _replaceable(symbol)]
        if not old:
            return symbols
        exchanges = tuple(dict.fromkeys(symbol.exchange for symbol in old))
        try:
            # A table lives for an hour in the cache, whatever this request says of its own data.
            tables = await self._answers.fetch(
                ListingsQuery(exchanges=exchanges), replace(ask, use_cache=True)
            )
        except ArgusError as error:
            log.info("no instrument table to resolve renamed codes: %s", error.code)
            return symbols
        rows: list[Instrument] = [row for table in tables.data.values() for row in table]
        present = {former: row.symbol for row in rows for former in row.former_symbols}
        return tuple(dict.fromkeys(present.get(symbol, symbol) for symbol in symbols))


def _replaceable(symbol: Symbol) -> bool:
    return symbol.code.startswith(_REPLACED.get(symbol.exchange, ("?",)))
