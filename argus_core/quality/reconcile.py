"""Sources asked the same question, each alone, and their answers compared."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final, Literal

import polars as pl

from argus_core.answers import Answers
from argus_core.caching.tiers import Tiers
from argus_core.clock import Clock
from argus_core.errors import (
    AllSourcesFailed,
    ArgusError,
    BadParameter,
    CallerError,
    GatewayError,
    NotOffered,
    SourceUnavailable,
    UnknownSymbol,
)
from argus_core.model.answer import Answer, Attempt, Failure
from argus_core.model.ask import Ask
from argus_core.model.period import Period
from argus_core.model.query import HistoryQuery, Query
from argus_core.model.symbol import Symbol
from argus_core.outcomes import NO_DATA
from argus_core.quality.compare import ROOM, Comparison, compare
from argus_core.routing.node import Node
from argus_core.routing.pool import Member, Pool
from argus_core.routing.router import Router
from argus_core.series import Series
from argus_core.telemetry.redact import Redactor

Verdict = Literal["identical", "different", "not compared"]

_NATURAL: Final[Mapping[str, float]] = MappingProxyType({"volume": 1.0, "turnover": 0.01})
"""Steps that round nothing away: a share, a cent."""
_SILENT: Final = Failure(code=NO_DATA, message="the source has no bars of it in this range")


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolReport:
    """One symbol: each source that answered against the first one, and why others did not."""

    verdict: Verdict
    answered: tuple[str, ...]
    errors: Mapping[str, Failure]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What sources say of the same bars. ``verdict`` is identical only if all was compared."""

    verdict: Verdict
    sources: tuple[str, ...]
    period: Period
    adjust: str
    start: date
    end: date
    symbols: Mapping[str, SymbolReport]

    @property
    def compared(self) -> bool:
        """True if at least one symbol could be compared."""
        return any(report.verdict != "not compared" for report in self.symbols.values())

    def refusal(self) -> ArgusError:
        """The error that says why nothing could be compared."""
        told = {
            symbol: {
                source: {"code": failure.code, "message": failure.message}
                for source, failure in report.errors.items()
            }
            for symbol, report in self.symbols.items()
        }
        codes = {f.code for report in self.symbols.values() for f in report.errors.values()}
        if codes == {NO_DATA}:
            return UnknownSymbol(
                f"no source has bars of {', '.join(self.symbols)} in this range",
                details={"symbols": told},
            )
        return AllSourcesFailed(
            "nothing could be compared: fewer than two sources answered",
            details={"symbols": told},
        )


@dataclass(frozen=True, slots=True)
class _Told:
    """What one source said, symbol by symbol."""

    node: Node
    frames: Mapping[str, pl.DataFrame]
    resolution: Mapping[str, Mapping[str, float]]
    errors: Mapping[str, Failure]


@dataclass(frozen=True, slots=True)
class _Alone:
    """A route of one source."""

    node: Node

    def split(self, query: Query) -> Iterable[tuple[tuple[Pool, ...], Query]]:
        """The whole query, with the one source to ask."""
        yield (Pool(self.node.name, (Member(self.node),)),), query


def chosen(nodes: Mapping[str, Node], names: Sequence[str] | None) -> tuple[Node, ...]:
    """The nodes of these names, or all that offer bars or are down.

    Raises :class:`BadParameter` for an unknown name, :class:`NotOffered` for fewer than two.
    """
    for name in names or ():
        if name not in nodes:
            raise BadParameter(
                f"sources has no {name[:60]!r}; configured sources: {', '.join(nodes)}",
                details={"parameter": "sources", "allowed": list(nodes)},
            )
    if names is None:
        names = [n.name for n in nodes.values() if n.down is not None or "bars" in n.offers]
    found = tuple(nodes[name] for name in dict.fromkeys(names))
    if len(found) < 2:  # noqa: PLR2004
        raise NotOffered(
            "reconciling needs two sources that offer bars; there is "
            + (found[0].name if found else "none"),
            details={"dataset": "bars"},
        )
    return found


async def reconcile(
    query: HistoryQuery,
    nodes: Sequence[Node],
    ask: Ask,
    *,
    clock: Clock,
    redactor: Redactor,
    tolerance: Mapping[str, float] = MappingProxyType({}),
) -> Reconciliation:
    """What the sources of ``nodes``, each asked alone and past all caches, say of the same bars.

    Each answer goes through the whole pipeline: normalised, proved, resampled, adjusted. A source
    that cannot answer is part of the report. Raises only what is the caller's fault, such as
    :class:`TooLarge`.
    """
    told = await asyncio.gather(
        *(_asked(node, query, ask, clock=clock, redactor=redactor) for node in nodes)
    )
    symbols = await asyncio.to_thread(_reports, query, told, tolerance)
    verdicts = {report.verdict for report in symbols.values()}
    order: tuple[Verdict, ...] = ("different", "not compared", "identical")
    return Reconciliation(
        verdict=next(verdict for verdict in order if verdict in verdicts),
        sources=tuple(node.name for node in nodes),
        period=query.period,
        adjust=query.adjust.value,
        start=query.start,
        end=query.end,
        symbols=symbols,
    )


async def _asked(
    node: Node, query: HistoryQuery, ask: Ask, *, clock: Clock, redactor: Redactor
) -> _Told:
    """The answer of one source, with nobody to fail over to and no cache to answer for it."""
    router = Router(_Alone(node), clock=clock, redactor=redactor)
    answers = Answers(router, Tiers((), clock), clock)
    series = Series(answers, [node], clock)
    error: ArgusError
    try:
        if node.down is None:
            return _told(node, await series.history(query, ask), query, series)
        error = SourceUnavailable(f"down: {node.down}")
    except CallerError as raised:
        if not isinstance(raised, NotOffered):
            raise
        error = raised
    except ArgusError as raised:
        error = raised
    finally:
        await answers.aclose()
    failure = _own(error, redactor)
    return _Told(node, {}, {}, {str(symbol): failure for symbol in query.symbols})


def _own(error: ArgusError, redactor: Redactor) -> Failure:
    """Why a source that was asked alone gave nothing: its own error, not that all have failed."""
    attempts: tuple[Attempt, ...] = error.attempts if isinstance(error, GatewayError) else ()
    for attempt in reversed(attempts):
        if attempt.error:
            return Failure(code=attempt.error, message=attempt.reason or error.message)
    return Failure(code=error.code, message=redactor.foreign(error.message))


def _told(node: Node, answer: Answer[pl.DataFrame], query: HistoryQuery, series: Series) -> _Told:
    """An answer with an empty frame for each symbol of which the source has nothing."""
    silent = {str(s): series.empty(query) for s in query.symbols if s in answer.absent}
    frames = {**silent, **{str(symbol): frame for symbol, frame in answer.data.items()}}
    steps = {str(symbol): origin.resolution for symbol, origin in answer.provenance.items()}
    return _Told(node, frames, steps, {str(s): why for s, why in answer.errors.items()})


def _reports(
    query: HistoryQuery, told: Sequence[_Told], tolerance: Mapping[str, float]
) -> dict[str, SymbolReport]:
    return {str(s): _report(s, told, tolerance) for s in query.symbols}


def _report(symbol: Symbol, told: Sequence[_Told], tolerance: Mapping[str, float]) -> SymbolReport:
    """One symbol's report; where no source at all has a row, nothing was compared."""
    errors = {t.node.name: t.errors.get(symbol, _SILENT) for t in told if symbol not in t.frames}
    heard = [one for one in told if symbol in one.frames]
    full = [one for one in heard if one.frames[symbol].height]
    if not full:
        silent = {one.node.name: _SILENT for one in heard}
        return SymbolReport(
            verdict="not compared", answered=(), errors={**errors, **silent}, comparisons=()
        )
    first = full[0]
    comparisons = tuple(
        compare(
            (first.node.name, first.frames[symbol]),
            (other.node.name, other.frames[symbol]),
            room=_room(symbol, first, other),
            tolerance=tolerance,
        )
        for other in heard
        if other is not first
    )
    same: Verdict = "identical" if all(c.identical for c in comparisons) else "different"
    return SymbolReport(
        verdict=same if comparisons else "not compared",
        answered=tuple(one.node.name for one in heard),
        errors=errors,
        comparisons=comparisons,
    )


def _room(symbol: Symbol, a: _Told, b: _Told) -> dict[str, float]:
    """How far apart equal values may lie: less than the coarser step of the two sources."""
    room = dict(ROOM)
    for name, natural in _NATURAL.items():
        steps = (one.resolution.get(symbol, {}).get(name, natural) for one in (a, b))
        room[name] *= max(natural, *steps) / natural
    return room
