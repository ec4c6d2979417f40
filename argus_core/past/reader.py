"""Looks into the archive off the event loop, one for all who ask the same at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from weakref import WeakSet

import polars as pl

from argus_core.caching.flights import Flights
from argus_core.errors import CacheError
from argus_core.history.archive import Archive, Part, SeriesKey, Spans
from argus_core.model.answer import coarsest
from argus_core.past.forms import Range

log = logging.getLogger(__name__)

NOTHING = Spans()

Wanted = tuple[SeriesKey, tuple[Range, ...]]
K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


@dataclass(slots=True, eq=False, weakref_slot=True)
class Look:
    """What was archived of some series at a moment, and which of them grew since."""

    spans: Mapping[SeriesKey, Spans] = field(default_factory=dict[SeriesKey, Spans])
    grown: set[SeriesKey] = field(default_factory=set[SeriesKey])


class Reader:
    """Reads the archive. One that fails or takes too long counts as holding nothing."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._looks: WeakSet[Look] = WeakSet()
        self._looking: Flights[SeriesKey, Look] = Flights()
        self._reading: Flights[Wanted, dict[Wanted, Part]] = Flights()

    async def look(self, keys: Iterable[SeriesKey], seconds: float) -> dict[SeriesKey, Look]:
        """What is archived of each series now."""

        async def work(keys: tuple[SeriesKey, ...]) -> Look:
            look = Look()
            # Before the look itself, so that nothing which lands meanwhile goes unnoticed.
            self._looks.add(look)
            look.spans = await asyncio.to_thread(self._archive.covered, keys)
            return look

        wanted = tuple(dict.fromkeys(keys))
        found = await _shared(self._looking, wanted, work, seconds)
        return {key: found.get(key) or Look() for key in wanted}

    async def read(self, wanted: Sequence[Wanted], seconds: float) -> dict[Wanted, Part]:
        """The rows of each series over all of its stretches; absent where one is not held."""

        async def work(wanted: tuple[Wanted, ...]) -> dict[Wanted, Part]:
            return await asyncio.to_thread(read_stretches, self._archive, wanted)

        found = await _shared(self._reading, tuple(dict.fromkeys(wanted)), work, seconds)
        return {one: parts[one] for one, parts in found.items() if one in parts}

    def grew(self, key: SeriesKey) -> None:
        """Tell those who looked before that more of the series is archived now."""
        for look in self._looks:
            look.grown.add(key)

    async def aclose(self) -> None:
        """Give up what is under way."""
        await self._looking.aclose()
        await self._reading.aclose()


def read_stretches(archive: Archive, wanted: Iterable[Wanted]) -> dict[Wanted, Part]:
    """The rows of each series over all of its stretches; absent where one is not held."""
    parts: dict[Wanted, list[Part]] = {one: [] for one in wanted}
    rounds = max((len(stretches) for _, stretches in parts), default=0)
    for number in range(rounds):
        asked = {key: s[number] for key, s in parts if number < len(s)}
        found = archive.read(asked)
        for (key, stretches), read in parts.items():
            if number < len(stretches) and key in found:
                read.append(found[key])
    return {one: _one(found) for one, found in parts.items() if len(found) == len(one[1])}


def _one(parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    oldest: datetime = min(part.fetched_at for part in parts)
    frame = pl.concat([part.frame for part in parts])
    return Part(frame, oldest, coarsest(part.resolution for part in parts))


async def _shared(
    flights: Flights[K, R],
    keys: tuple[K, ...],
    work: Callable[[tuple[K, ...]], Coroutine[Any, Any, R]],
    seconds: float,
) -> dict[K, R]:
    """What the flights of these keys brought in time and without failing."""
    if not keys:
        return {}
    found: dict[K, R] = {}
    told: set[asyncio.Task[R]] = set()
    for key, task in (await flights.share(keys, work, seconds)).items():
        error = None if task.cancelled() else task.exception()
        if error is None and not task.cancelled():
            found[key] = task.result()
        elif error is not None and task not in told:
            told.add(task)
            if not isinstance(error, CacheError):
                raise error
            log.warning("the archive cannot be read: %s", error.message)
    return found
