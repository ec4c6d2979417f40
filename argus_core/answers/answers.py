"""From a query to an answer: caches, then one shared flight, then the route."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from argus_core.caching.entry import Entry
from argus_core.caching.flights import Flights
from argus_core.caching.tiers import Tiers, decode, keys_of
from argus_core.errors import AllSourcesFailed, ArgusError, DeadlineExceeded
from argus_core.model.answer import Answer, Failure, Provenance, Trace
from argus_core.model.ask import Ask, Deadline
from argus_core.model.query import Query
from argus_core.routing.router import Routed, Router

MARGIN = 0.05
"""Seconds by which a flight ends before its leader's deadline, to hand over what it has."""


@dataclass(frozen=True, slots=True)
class _Landing:
    """What one flight brought: the route's result and the cache entries made of it."""

    routed: Routed
    entries: dict[str, Entry]
    late: bool
    """Whether the flight ended because its time was up."""


@dataclass(slots=True)
class _Draft:
    """An answer in the making."""

    query: Query
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    errors: dict[str, Failure] = field(default_factory=dict[str, Failure])
    provenance: dict[str, Provenance] = field(default_factory=dict[str, Provenance])
    traces: list[Trace] = field(default_factory=list[Trace])
    absent: dict[str, Provenance] = field(default_factory=dict[str, Provenance])
    unsure: set[str] = field(default_factory=set[str])
    raised: list[BaseException] = field(default_factory=list[BaseException])

    def finished(self) -> Answer[Any]:
        """The answer in the asker's order; raises what ended it if nothing at all was found."""
        if self.raised and not self.data and not self.absent:
            raise self.raised[0]
        keys = self.query.keys
        return Answer(
            data={key: self.data[key] for key in keys if key in self.data},
            errors={key: self.errors[key] for key in keys if key in self.errors},
            provenance={key: self.provenance[key] for key in keys if key in self.provenance},
            absent={key: self.absent[key] for key in keys if key in self.absent},
            unsure=frozenset(self.unsure),
            traces=tuple(self.traces),
        )


class Answers:
    """Answers any query over one dataset. Keys that no source has are left out of the answer."""

    def __init__(self, router: Router, tiers: Tiers) -> None:
        self._router = router
        self._tiers = tiers
        self._flights: Flights[str, _Landing] = Flights()

    async def fetch(self, query: Query, ask: Ask) -> Answer[Any]:
        """The answer, from the caches where they are fresh.

        Raises what the router raises if not a single key could be answered.
        """
        draft = _Draft(query)
        if ask.use_cache:
            await self._from_caches(draft)
        missing = [key for key in query.keys if key not in draft.data]
        while missing:
            missing = await self._from_flights(draft, missing, ask.deadline)
        return draft.finished()

    async def aclose(self) -> None:
        """Cancel the flights that are under way."""
        await self._flights.aclose()

    async def _from_caches(self, draft: _Draft) -> None:
        hits = await self._tiers.get(draft.query)
        for key, hit in hits.items():
            try:
                draft.data[key] = decode(draft.query, hit.entry)
            except ValueError:
                continue  # damaged bytes are a miss; the fetch will replace them
            draft.provenance[key] = hit.entry.provenance(hit.tier)
        if draft.data:
            tiers = dict.fromkeys(hit.tier for hit in hits.values())
            step = f"{len(draft.data)} of {len(draft.query.keys)} from cache {', '.join(tiers)}"
            draft.traces.append(Trace(dataset=draft.query.dataset, steps=[step]))

    async def _from_flights(
        self, draft: _Draft, missing: list[str], deadline: Deadline
    ) -> list[str]:
        """Join or start the flights of the missing keys; the keys to try once more."""
        query = draft.query
        by_text = keys_of(query.only(tuple(missing)))

        async def work(texts: tuple[str, ...]) -> _Landing:
            part = query.only(tuple(by_text[text] for text in texts))
            # A little sooner than its waiters, so that what a slow route has found still counts.
            own = deadline.sooner(MARGIN)
            routed = await self._router.fetch(part, own)
            late = own.remaining <= MARGIN / 10
            return _Landing(routed, await self._tiers.put(part, routed.found), late)

        landed, _ = await self._flights.share(tuple(by_text), work, deadline.remaining)
        again: list[str] = []
        for task in dict.fromkeys(landed.values()):
            keys = [by_text[text] for text, other in landed.items() if other is task]
            error = _error_of(task)
            # A flight that ran out of time was led by a hastier asker if there is time left here.
            hasty = deadline.remaining > 2 * MARGIN
            if error is None:
                late = [key for key in keys if hasty and _late(task.result(), key)]
                _book(draft, task.result(), [key for key in keys if key not in late])
                again.extend(late)
            elif isinstance(error, DeadlineExceeded) and hasty:
                again.extend(keys)
            else:
                _blame(draft, error, keys)
        lost = [key for text, key in by_text.items() if text not in landed]
        if lost:
            _blame(draft, DeadlineExceeded("the deadline passed before a source answered"), lost)
        return again


def _error_of(task: asyncio.Task[Any]) -> BaseException | None:
    return AllSourcesFailed("the gateway is closing") if task.cancelled() else task.exception()


def _late(landing: _Landing, key: str) -> bool:
    """True if the flight ended for lack of time before every source was heard about the key."""
    routed = landing.routed
    return landing.late and (key in routed.failures or key in routed.unsure)


def _book(draft: _Draft, landing: _Landing, keys: Iterable[str]) -> None:
    """Write a flight's outcome for these keys into the draft."""
    routed = landing.routed
    if not any(trace is routed.trace for trace in draft.traces):
        draft.traces.append(routed.trace)
    for key in keys:
        if key in routed.found:
            draft.data[key] = routed.found[key].value
            draft.provenance[key] = landing.entries[key].provenance(None)
        elif key in routed.failures:
            draft.errors[key] = routed.failures[key]
        else:
            silent = routed.absent[key]
            if key in routed.unsure:
                draft.unsure.add(key)
            draft.absent[key] = Provenance(
                source=silent.source,
                fetched_at=silent.fetched_at,
                fresh_until=silent.fetched_at,
                simulated=silent.simulated,
            )


def _blame(draft: _Draft, error: BaseException, keys: Iterable[str]) -> None:
    """Write a flight's failure into the draft."""
    if not isinstance(error, ArgusError):
        raise error
    draft.raised.append(error)
    for key in keys:
        draft.errors[key] = Failure(code=error.code, message=error.message)
