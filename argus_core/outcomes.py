"""What becomes of the symbols that no source gave a value for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from argus_core.answers import Answers
from argus_core.errors import AllSourcesFailed, ArgusError, NotOffered, UnknownSymbol
from argus_core.market.kinds import kind_of
from argus_core.model.answer import Answer, Failure
from argus_core.model.ask import Ask
from argus_core.model.query import InstrumentsQuery
from argus_core.model.symbol import Kind, Symbol

log = logging.getLogger("argus")

NO_DATA = "NO_DATA"
"""The code of a symbol that is not known to be wrong, but about which no source says anything."""


class Outcomes:
    """Tells an unknown symbol from one without data, and both from an outage."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def settle(
        self,
        symbols: tuple[Symbol, ...],
        answer: Answer[Any],
        ask: Ask,
        empty: pl.DataFrame | None = None,
    ) -> Answer[Any]:
        """Say of every symbol without a value whether it is unknown or merely without data.

        ``empty`` is what a symbol gets that an instrument table knows.
        """
        silent = tuple(s for s in symbols if s not in answer.data and _untold(answer, s))
        if not silent:
            return answer
        known, unknown = await self._looked_up(silent, ask)
        errors: dict[str, Failure] = {}
        data: dict[str, Any] = {}
        for symbol in silent:
            if symbol in known and empty is not None:
                data[symbol] = empty
            elif symbol in answer.unsure:
                errors[symbol] = _UNHEARD
            elif symbol in unknown:
                errors[symbol] = _UNKNOWN
            else:
                errors[symbol] = answer.errors.get(symbol, _NO_DATA)
        return _merged(symbols, answer, errors=errors, data=data)

    async def _looked_up(
        self, symbols: tuple[Symbol, ...], ask: Ask
    ) -> tuple[set[Symbol], set[Symbol]]:
        """The symbols that an instrument table knows, and those that it was asked for and lacks."""
        try:
            table = await self._answers.fetch(InstrumentsQuery(symbols=symbols), ask)
        except ArgusError as error:
            log.debug("no instrument table at hand: %s", error.code)
            return set(), set()
        known = {s for s in symbols if s in table.data}
        return known, {s for s in symbols if s in table.absent and s not in table.unsure}


def identified(symbols: tuple[Symbol, ...], answer: Answer[Any]) -> Answer[Any]:
    """An answer out of the instrument table itself: what is absent there is unknown."""
    lost = {s: _UNHEARD if s in answer.unsure else _UNKNOWN for s in answer.absent}
    return _merged(symbols, answer, errors=lost)


_UNKNOWN = Failure(code="NOT_FOUND", message="no such symbol in the instrument table")
_UNHEARD = Failure(
    code=AllSourcesFailed.code,
    message="the sources that answered do not have it, and others could not be heard",
)
_NO_DATA = Failure(code=NO_DATA, message="no source has data for this symbol")


def _untold(answer: Answer[Any], symbol: Symbol) -> bool:
    """True if nothing final is known of a symbol: no error, or one only because it is odd."""
    failure = answer.errors.get(symbol)
    odd = kind_of(symbol) is Kind.UNKNOWN
    return failure is None or (odd and failure.code == NotOffered.code)


def _merged(
    symbols: tuple[Symbol, ...],
    answer: Answer[Any],
    *,
    errors: Mapping[str, Failure],
    data: Mapping[str, Any] | None = None,
) -> Answer[Any]:
    """The answer with more outcomes, in the asker's order; raises if every symbol is unknown."""
    merged = {**answer.errors, **errors}
    values = {**answer.data, **(data or {})}
    codes = {failure.code for failure in merged.values()}
    if not values and codes == {UnknownSymbol.code}:
        raise UnknownSymbol(
            "no such symbol: " + ", ".join(merged), details={"symbols": list(merged)}
        )
    if not values and codes == {AllSourcesFailed.code}:
        attempts = [attempt for trace in answer.traces for attempt in trace.attempts]
        raise AllSourcesFailed(
            next(iter(merged.values())).message, attempts=attempts, retry_after=1
        )
    told = {**answer.absent, **answer.provenance}
    return replace(
        answer,
        data={s: values[s] for s in symbols if s in values},
        errors={s: merged[s] for s in symbols if s in merged},
        provenance={s: told[s] for s in symbols if s in values and s in told},
    )
