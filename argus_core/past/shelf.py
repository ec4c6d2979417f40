"""Where what is fetched of a series goes: settled days to the archive, the rest to the tiers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from argus_core.answers import Answers
from argus_core.answers.draft import found_of
from argus_core.caching.flights import Flights
from argus_core.caching.tiers import Tiers, keys_of
from argus_core.clock import Clock
from argus_core.errors import CacheError
from argus_core.history.archive import Archive, Part, SeriesKey, Spans
from argus_core.market.ranges import bars_query
from argus_core.model.answer import Found, coarsest
from argus_core.model.query import BarsQuery, FactorsQuery, Query
from argus_core.model.symbol import Symbol
from argus_core.past.forms import Cut, Form, Kept, Range, Told, Unjoinable
from argus_core.past.plan import Gap
from argus_core.past.reader import Reader, Wanted, read_stretches

log = logging.getLogger(__name__)

SeriesQuery = BarsQuery | FactorsQuery


@dataclass(frozen=True, slots=True)
class Held:
    """What a tier holds, and its name."""

    item: Found
    cache: str


@dataclass(frozen=True, slots=True)
class Shelves:
    """What every shelf of one gateway shares."""

    archive: Archive
    reader: Reader
    answers: Answers
    tiers: Tiers
    clock: Clock
    silences: Flights[str, None] = field(default_factory=Flights[str, None])

    async def hush(
        self, shelf: ArchiveShelf, query: SeriesQuery, silent: Mapping[str, Found], seconds: float
    ) -> None:
        """Keep it that sources have nothing, once for all who heard so at once."""
        texts = {
            f"{text}@{silent[key].source}": key
            for text, key in keys_of(query).items()
            if key in silent
        }

        async def work(texts_: tuple[str, ...]) -> None:
            await shelf.keep(query, {texts[text]: silent[texts[text]] for text in texts_})

        await self.silences.share(tuple(texts), work, seconds)


@dataclass(frozen=True, slots=True)
class ArchiveShelf:
    """Keeps what a flight brings, and finds what another process has kept meanwhile.

    ``sources`` are those whose word may be used, best first. With ``blind`` nothing that is kept
    already is used: the source shall be heard again.
    """

    shelves: Shelves
    form: Form
    sources: tuple[str, ...]
    blind: bool = False

    async def look(self, query: Query) -> Mapping[str, Found]:
        """What is kept by now of the query's keys, by one source over the whole range."""
        asked = series_query(query)
        if self.blind:
            return {}
        found = {key: hit.item for key, hit in (await self.held(asked, again=True)).items()}
        for source in self.sources:
            missing = tuple(symbol for symbol in asked.symbols if symbol not in found)
            if missing:
                found.update(await self._archived(asked.only(missing), source))
        return found

    async def held(self, query: SeriesQuery, *, again: bool = False) -> dict[str, Held]:
        """What the tiers hold of this very question, if nothing of it was settled since.

        ``again`` says that a question that was counted already looks once more.
        """
        looked = await self.shelves.tiers.get(query, note=False, counted=not again)
        now = self.shelves.clock.now()
        found: dict[str, Held] = {}
        for key, hit in looked.fresh.items():
            entry, symbol = hit.entry, Symbol(key)
            then = self.form.sealed(symbol, entry.fetched_at)
            settled = then >= min(self.form.sealed(symbol, now), query.end)
            if entry.source in self.sources and settled:
                found[key] = Held(found_of(hit), hit.tier)
        return found

    async def keep(self, query: Query, found: Mapping[str, Found]) -> None:
        """Put settled days into the archive and the rest into the tiers.

        A value of None says that the source has nothing of the whole range.
        """
        asked = series_query(query)
        items = {
            key: item if item.value is not None else replace(item, value=self.form.empty)
            for key, item in found.items()
            if not item.simulated and item.replay is None
        }
        cuts = await asyncio.to_thread(self._written, asked, items)
        rests: dict[date, dict[str, Found]] = {}
        for key, cut in cuts.items():
            if cut.rest is not None:
                frame, start = cut.rest
                rests.setdefault(start, {})[key] = replace(items[key], value=frame)
        for start, values in rests.items():
            symbols = tuple(Symbol(key) for key in values)
            tail = ranged(asked.only(symbols), (start, asked.end))
            await self.shelves.answers.store(tail, values)
        for key, cut in cuts.items():
            if cut.writes:
                self.shelves.reader.grew(series_key(asked, items[key].source, key))

    def _written(self, query: SeriesQuery, items: Mapping[str, Found]) -> dict[str, Cut]:
        """How each answer was cut; what is sealed of it is in the archive."""
        archive = self.shelves.archive
        keys = {key: series_key(query, item.source, key) for key, item in items.items()}
        try:
            spans = archive.covered(keys.values())
        except CacheError as error:
            log.warning("the archive cannot be read: %s", error.message)
            return {key: Cut(rest=(item.value, query.start)) for key, item in items.items()}
        return {
            key: Cut(rest=(item.value, query.start))
            if item.doubtful
            else self._sealed(query, keys[key], item, spans[keys[key]])
            for key, item in items.items()
        }

    def _sealed(self, query: SeriesQuery, key: SeriesKey, item: Found, spans: Spans) -> Cut:
        archive = self.shelves.archive
        limit = self.form.sealed(Symbol(key.symbol), item.fetched_at)
        try:
            rows = None
            if self.form.whole and spans:
                one = (key, self.form.stretches(spans, (query.start, query.end)))
                rows = read_stretches(archive, [one])[one].frame
            asked = (query.start, query.end)
            cut = self.form.cut(Told(item.value, asked, item.fetched_at, limit), Kept(spans, rows))
            revised = [
                revision
                for frame, start, end in cut.writes
                for revision in archive.write(
                    key,
                    frame,
                    start,
                    end,
                    fetched_at=item.fetched_at,
                    resolution=item.resolution,
                )
            ]
        except (CacheError, KeyError) as error:
            log.warning("%s of %s was not archived: %s", key.symbol, key.source, error)
            return Cut(rest=(item.value, query.start))
        if revised:
            log.warning("%s corrected %d values of %s", key.source, len(revised), key.symbol)
        return cut

    async def _archived(self, query: SeriesQuery, source: str) -> dict[str, Found]:
        """What the archive holds of one source, with what is not settled out of the tiers."""
        try:
            parts = await asyncio.to_thread(self._read, query, source)
        except CacheError as error:
            log.warning("the archive cannot be read: %s", error.message)
            return {}
        asked = (query.start, query.end)
        found: dict[str, Found] = {}
        for key, (part, gaps) in parts.items():
            fills: dict[Gap, Found] = {}
            for gap in gaps:
                tail = ranged(query.only((Symbol(key),)), (gap.start, gap.end))
                held = await self.held(tail, again=True)
                if key in held:
                    fills[gap] = held[key].item
            if len(fills) == len(gaps):
                item = assembled(self.form, source, asked, part, fills)
                if item is not None:
                    found[key] = item
        return found

    def _read(self, query: SeriesQuery, source: str) -> dict[str, tuple[Part, tuple[Gap, ...]]]:
        """The archived part and the gap after it, of each key that has no other gap."""
        archive, now = self.shelves.archive, self.shelves.clock.now()
        asked = (query.start, query.end)
        keys = {symbol: series_key(query, source, symbol) for symbol in query.symbols}
        spans = archive.covered(keys.values())
        wanted: dict[str, Wanted] = {}
        gaps: dict[str, tuple[Gap, ...]] = {}
        for symbol, key in keys.items():
            stretches = self.form.stretches(spans[key], asked)
            gaps[symbol] = self.form.gaps(spans[key], asked, self.form.sealed(symbol, now))
            if stretches and all(gap.open for gap in gaps[symbol]):
                wanted[symbol] = (key, stretches)
        parts = read_stretches(archive, wanted.values())
        return {key: (parts[one], gaps[key]) for key, one in wanted.items() if one in parts}


def assembled(
    form: Form, source: str, asked: Range, part: Part | None, fills: Mapping[Gap, Found]
) -> Found | None:
    """One series of the archived part and what fills its gaps; None if they do not join.

    Its value is None if it has no row at all. It was fetched when the oldest of its parts was.
    """
    frames = {gap: form.empty if i.value is None else i.value for gap, i in fills.items()}
    try:
        frame = form.joined(part.frame if part else None, frames, asked)
    except Unjoinable:
        return None
    origins: list[Part | Found] = [*fills.values()]
    if part is not None:
        origins.append(part)
    return Found(
        value=frame if frame.height else None,
        source=source,
        fetched_at=min(origin.fetched_at for origin in origins),
        simulated=False,
        resolution=coarsest(origin.resolution for origin in origins),
    )


def series_key(query: SeriesQuery, source: str, symbol: str) -> SeriesKey:
    """The archived series that a question about ``symbol`` reads from ``source``."""
    if isinstance(query, BarsQuery):
        return SeriesKey("bars", str(query.period), source, symbol)
    return SeriesKey("factors", "", source, symbol)


def ranged(query: SeriesQuery, asked: Range) -> SeriesQuery:
    """The same question over other dates."""
    start, end = asked
    if isinstance(query, BarsQuery):
        return bars_query(query.symbols, query.period, start, end)
    return replace(query, start=start, end=end)


def series_query(query: Query) -> SeriesQuery:
    """The query, which must be one that the archive can answer."""
    if not isinstance(query, BarsQuery | FactorsQuery):
        raise TypeError(f"{query.dataset} are not archived")
    return query
