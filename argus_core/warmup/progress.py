"""What became of the batches, and how far a run is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from argus_core.errors import NotReady, UnknownSymbol
from argus_core.model.answer import Answer, Failure
from argus_core.outcomes import NO_DATA
from argus_core.warmup.plan import Batch, Kind

GIVE_UP = 5
"""So many failures of one kind in a row, and the rest of that kind is given up."""

_INNOCENT = frozenset({UnknownSymbol.code, NO_DATA, NotReady.code})
"""Failures that say nothing against the next batch of the same kind."""
_NO_DATA = Failure(code=NO_DATA, message="no source has it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Keys that were not warmed, and why: an error code of the contract, and a sentence."""

    kind: Kind
    keys: tuple[str, ...]
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far warm-up is; the counts are of keys: a symbol of one dataset, period and span.

    ``done`` of ``total`` is fetched now, was ``fresh`` in a cache already, or ``failed``;
    ``missed`` are the failures since the last event.
    """

    done: int
    total: int
    fetched: int = 0
    fresh: int = 0
    failed: int = 0
    kind: Kind | None = None
    missed: tuple[Missed, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What became of one batch."""

    fetched: int = 0
    fresh: int = 0
    missed: list[Missed] = field(default_factory=list[Missed])

    @property
    def failed(self) -> int:
        """The keys that were not warmed."""
        return sum(len(missed.keys) for missed in self.missed)

    @property
    def against_the_kind(self) -> bool:
        """True if nothing came and the fault is not that of the keys."""
        blamed = any(missed.code not in _INNOCENT for missed in self.missed)
        return blamed and not self.fetched and not self.fresh


def outcome_of(batch: Batch, answer: Answer[Any], began: datetime) -> Outcome:
    """What an answer brought, key by key, to the question that began then.

    Part of an answer may come out of a cache that the same question filled: that was fetched too.
    """
    origins = answer.provenance.values()
    fresh = sum(origin.cache is not None and origin.fetched_at < began for origin in origins)
    reasons: dict[Failure, list[str]] = {}
    for key, failure in answer.errors.items():
        reasons.setdefault(failure, []).append(key)
    silent = [key for key in answer.absent if key not in answer.data and key not in answer.errors]
    if silent:
        reasons[_NO_DATA] = silent
    return Outcome(
        fetched=len(answer.data) - fresh,
        fresh=fresh,
        missed=[
            Missed(kind=batch.kind, keys=tuple(keys), code=why.code, message=why.message)
            for why, keys in reasons.items()
        ],
    )


def failed(batch: Batch, code: str, message: str) -> Outcome:
    """The outcome of a batch that brought nothing at all."""
    missed = Missed(kind=batch.kind, keys=batch.keys, code=code, message=message)
    return Outcome(missed=[missed])


def given_up(batch: Batch, reason: Missed) -> Outcome:
    """The outcome of a batch that was not asked, because those before it failed."""
    message = f"given up after {GIVE_UP} failures in a row: {reason.message}"
    return failed(batch, reason.code, message)


def further(before: Progress, batch: Batch, outcome: Outcome) -> Progress:
    """The progress with one more batch in it."""
    return replace(
        before,
        done=before.done + len(batch.keys),
        fetched=before.fetched + outcome.fetched,
        fresh=before.fresh + outcome.fresh,
        failed=before.failed + outcome.failed,
        kind=batch.kind,
        missed=tuple(outcome.missed),
    )
