"""One way to answer some series: the archived days of a source, and what it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from argus_core.answers.answers import OFFLINE
from argus_core.errors import ArgusError
from argus_core.history.archive import Part, SeriesKey
from argus_core.market.preopen import next_pre_open
from argus_core.model.answer import Failure, Found, Provenance, Trace
from argus_core.model.ask import Ask
from argus_core.model.codec import as_of
from argus_core.model.symbol import Symbol
from argus_core.past.forms import Form
from argus_core.past.outcomes import Forgotten, Outcome, Outdated, Whole
from argus_core.past.plan import Choice, Gap
from argus_core.past.reader import Look, Wanted
from argus_core.past.shelf import (
    ArchiveShelf,
    SeriesQuery,
    Shelves,
    assembled,
    ranged,
    series_key,
)
from argus_core.past.wants import Want

ARCHIVE = "history"
"""What answers name as the cache that held archived days."""


@dataclass(frozen=True, slots=True)
class Fill:
    """What filled a gap, and what is known of its life."""

    item: Found
    cache: str | None
    fresh_until: datetime | None = None
    reason: str | None = None
    stale: bool = False
    unsure: bool = False


@dataclass(slots=True, kw_only=True)
class Attempt:
    """Series that are answered alike: the same source or sources, asked for the same dates."""

    shelves: Shelves
    form: Form
    query: SeriesQuery
    choice: Choice
    gaps: tuple[Gap, ...]
    wants: Mapping[Symbol, Want]
    looks: Mapping[SeriesKey, Look]
    ask: Ask
    only: frozenset[str] | None
    """Who may be asked; ``None`` for all of the route."""
    offline: bool = False
    traces: list[Trace] = field(default_factory=list[Trace])
    errors: list[ArgusError] = field(default_factory=list[ArgusError])
    outcomes: dict[Symbol, Outcome] = field(default_factory=dict[Symbol, Outcome])

    async def run(self) -> None:
        """Find out what becomes of each symbol."""
        wanted = self._wanted()
        reading = self.shelves.reader.read(list(wanted.values()), self.ask.deadline.remaining)
        filling = asyncio.gather(*(self._filled(gap) for gap in self.gaps))
        parts, filled = await asyncio.gather(reading, filling)
        self.outcomes = {
            key: self._outcome(
                key,
                wanted.get(key),
                parts,
                {gap: fills[key] for gap, fills in zip(self.gaps, filled, strict=True)},
            )
            for key in self.query.symbols
        }
        self._tell(wanted)

    def _wanted(self) -> dict[Symbol, Wanted]:
        """The archived stretches that are used, by key."""
        owner, asked = self.choice.owner, (self.query.start, self.query.end)
        if owner is None:
            return {}
        return {
            key: (series_key(self.query, owner, key), self.form.stretches(spans, asked))
            for key in self.query.symbols
            if (spans := self.wants[key].spans.get(owner))
        }

    async def _filled(self, gap: Gap) -> dict[str, Fill | Failure | Outdated]:
        """What fills one gap, by key."""
        asked = ranged(self.query, (gap.start, gap.end))
        if self.offline or not gap.sealable:
            return await self._asked(asked, None)
        names = self.wants[asked.symbols[0]].names
        sources = tuple(name for name in names if name in self.choice.sources)
        shelf = ArchiveShelf(self.shelves, self.form, sources)
        filled: dict[str, Fill | Failure | Outdated] = {
            key: Fill(hit.item, hit.cache) for key, hit in (await shelf.held(asked)).items()
        }
        rest = [symbol for symbol in asked.symbols if symbol not in filled]
        grown = [symbol for symbol in rest if self._grown(symbol, sources)]
        filled.update(dict.fromkeys(grown, Outdated()))
        missing = tuple(symbol for symbol in rest if symbol not in grown)
        if missing:
            filled.update(await self._asked(asked.only(missing), shelf))
        return filled

    def _grown(self, symbol: Symbol, sources: Sequence[str]) -> bool:
        return any(
            (key := series_key(self.query, source, symbol)) in self.looks[key].grown
            for source in sources
        )

    async def _asked(
        self, query: SeriesQuery, shelf: ArchiveShelf | None
    ) -> dict[str, Fill | Failure | Outdated]:
        """What the sources, or what is kept of them, say; silence about sealed days is sealed."""
        try:
            answer = await self.shelves.answers.fetch(query, self.ask, only=self.only, shelf=shelf)
        except ArgusError as error:
            self.errors.append(error)
            failure = Failure(code=error.code, message=error.message)
            return dict.fromkeys(query.symbols, failure)
        self.traces.extend(answer.traces)
        filled: dict[str, Fill | Failure | Outdated] = {**answer.errors}
        origins = {**answer.absent, **answer.provenance}
        for key, origin in origins.items():
            filled[key] = Fill(
                _found(answer.data.get(key), origin),
                cache=origin.cache,
                fresh_until=origin.fresh_until if shelf is None else None,
                reason=origin.reason,
                stale=origin.stale,
                unsure=key in answer.unsure,
            )
        silent = {key: _found(None, origin) for key, origin in answer.absent.items()}
        if shelf is not None and silent:
            await self.shelves.hush(shelf, query, silent, self.ask.deadline.remaining)
        return filled

    def _outcome(
        self,
        key: str,
        wanted: Wanted | None,
        parts: Mapping[Wanted, Part],
        fills: Mapping[Gap, Fill | Failure | Outdated],
    ) -> Outcome:
        for fill in fills.values():
            if not isinstance(fill, Fill):
                return fill
        good = {gap: fill for gap, fill in fills.items() if isinstance(fill, Fill)}
        part = None if wanted is None else parts.get(wanted)
        if wanted is not None and part is None:
            return Forgotten()
        source = self.choice.owner or next(iter(good.values())).item.source
        items = {gap: fill.item for gap, fill in good.items()}
        item = assembled(self.form, source, (self.query.start, self.query.end), part, items)
        if item is None:
            return Forgotten()
        unsure = any(fill.unsure for fill in good.values())
        return Whole(item, self._origin(key, item, part, good), unsure)

    def _origin(
        self, key: str, item: Found, part: Part | None, fills: Mapping[Gap, Fill]
    ) -> Provenance:
        reasons = [fill.reason for fill in fills.values() if fill.reason]
        caches = [fill.cache for fill in fills.values()]
        kept = ARCHIVE if part is not None else next(iter(caches), ARCHIVE)
        return Provenance(
            source=item.source,
            fetched_at=item.fetched_at,
            fresh_until=self._fresh_until(key, item, fills),
            as_of=as_of(item.value),
            cache=None if None in caches else kept,
            stale=any(fill.stale for fill in fills.values()),
            reason=next(iter(reasons), OFFLINE if self.offline else None),
            resolution=item.resolution,
        )

    def _fresh_until(self, key: str, item: Found, fills: Mapping[Gap, Fill]) -> datetime:
        """Until when the last days are fresh; what is sealed only changes by a correction."""
        freshness = self.shelves.tiers.freshness
        for gap, fill in fills.items():
            if gap.open and fill.fresh_until is not None:
                return fill.fresh_until
            if gap.open:
                return freshness.span(self.query, key, item.value, fill.item.fetched_at).fresh_until
        return next_pre_open(Symbol(key), self.shelves.clock.now())

    def _tell(self, wanted: Mapping[Symbol, Wanted]) -> None:
        """Note in the trace what came out of the archive, and what was asked for beside it."""
        used = [key for key in wanted if isinstance(self.outcomes[key], Whole)]
        if not used:
            return
        held = dict.fromkeys(span for key in used for span in wanted[key][1])
        step = (
            f"{len(used)} of {len(self.query.symbols)} from the archive of {self.choice.owner}: "
            + ", ".join(_told(first, last) for first, last in held)
        )
        if self.gaps:
            step += "; asked for " + ", ".join(_told(gap.start, gap.end) for gap in self.gaps)
        self.traces.insert(0, Trace(dataset=self.query.dataset, steps=[step]))


def _told(first: object, last: object) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _found(value: object, origin: Provenance) -> Found:
    return Found(
        value,
        origin.source,
        origin.fetched_at,
        origin.simulated,
        origin.resolution,
        origin.path,
        origin.reason if origin.stale else None,
        remark=None if origin.stale else origin.reason,
    )
