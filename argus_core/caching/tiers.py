"""The cache tiers in the order they are asked, and the one way in and out of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from argus_core.caching.behind import Behind
from argus_core.caching.bounds import Bounds
from argus_core.caching.clearing import Clearance, Cleared, Clearing
from argus_core.caching.decoder import Decoder
from argus_core.caching.entry import Entry
from argus_core.caching.flights import Flights
from argus_core.caching.freshness import Freshness
from argus_core.caching.level import LONG_BUDGET, Level
from argus_core.caching.memo import Hit
from argus_core.caching.rules import Rules
from argus_core.clock import Clock
from argus_core.model.answer import Found
from argus_core.model.codec import CODECS, as_of
from argus_core.model.query import Query

KEPT_ON_DISK = 7 * 86400.0
"""Seconds for which a tier on disk keeps what is no longer fresh, for the offline mode."""


class Listener(Protocol):
    """Notes what was asked and what of it was found."""

    def note(self, query: Query, texts: Mapping[str, str], hits: Mapping[str, object]) -> None:
        """Note a question: key by text, and what was fresh by key."""
        ...


@dataclass(slots=True)
class Counters:
    """Keys asked of the tiers since start-up, by what became of them.

    ``stale`` are those of the missed for which the tiers' answer was served all the same, flagged.
    """

    requests: int = 0
    fresh: int = 0
    negative: int = 0
    missed: int = 0
    stale: int = 0


@dataclass(frozen=True, slots=True)
class Looked:
    """What the tiers hold of a query: what is fresh, and what has outlived its freshness."""

    fresh: dict[str, Hit] = field(default_factory=dict[str, Hit])
    stale: dict[str, Hit] = field(default_factory=dict[str, Hit])


class Tiers:
    """Reads through the tiers, fastest first; a read fills the tiers above it.

    The first tier is written at once, the others behind the answer's back.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        clock: Clock,
        *,
        rules: Rules | None = None,
        freshness: Freshness | None = None,
        accesses: Listener | None = None,
    ) -> None:
        self.levels = tuple(levels)
        self.rules = rules or Rules()
        self.freshness = freshness or Freshness(self.rules, Random())
        self.accesses = accesses
        self.counters = Counters()
        self._clock = clock
        self._decoder = Decoder(self.rules, self.believes)
        self._behind = {level.label: Behind(level) for level in self.levels[1:]}
        deep = next((n for n, level in enumerate(self.levels) if not level.instant), None)
        self._quick = self.levels[:deep]
        self._deep = () if deep is None else self.levels[deep:]
        self._reading: Flights[str, Looked] = Flights()
        self._bounds = Bounds(next(iter(self.levels), None), self.rules)
        self._clearing = Clearing(self.levels, self._behind, self._bounds.forget)

    @property
    def names(self) -> tuple[str, ...]:
        """The tiers' names, fastest first."""
        return tuple(level.name for level in self.levels)

    def start(self) -> None:
        """Begin to hear what other processes clear."""
        self._clearing.start()

    async def aclose(self) -> None:
        """Write what is still to be written, and stop listening."""
        await self._clearing.aclose()
        await self._reading.aclose()
        for behind in self._behind.values():
            await behind.aclose()

    # -- reading ------------------------------------------------------------------------------

    async def get(self, query: Query, *, note: bool = True, counted: bool | None = None) -> Looked:
        """What the tiers hold of the query's keys; a consumer's question is noted and counted.

        ``counted`` alone has the levels count it, where it is noted elsewhere.
        """
        counted = note if counted is None else counted
        texts = keys_of(query)
        looked = await self._look(query, texts, self._quick, counted=counted)
        fresh = looked.fresh
        if self._deep and len(fresh) < len(texts):
            missing = {text: key for text, key in texts.items() if key not in fresh}
            await self._look_deeper(query, missing, looked, counted=counted)
        if note:
            negative = sum([hit.value is None for hit in fresh.values()])
            self.note(query, texts, fresh, negative)
        return looked

    def note(
        self,
        query: Query,
        texts: Mapping[str, str],
        fresh: Mapping[str, object],
        negative: int = 0,
    ) -> None:
        """Count a question and what was fresh of it; ``negative`` of these say there is none."""
        asked = len(texts)
        counters = self.counters
        counters.requests += asked
        counters.negative += negative
        counters.fresh += len(fresh) - negative
        counters.missed += asked - len(fresh)
        if self.accesses is not None:
            self.accesses.note(query, texts, fresh)

    async def _look_deeper(
        self, query: Query, texts: Mapping[str, str], looked: Looked, *, counted: bool
    ) -> None:
        """Add what the tiers hold that have to be waited for; many who ask the same ask once."""

        async def work(asked: tuple[str, ...]) -> Looked:
            part = query.only(tuple(texts[text] for text in asked))
            return await self._look(part, keys_of(part), self._deep, counted=counted)

        read = await self._reading.share(tuple(texts), work, LONG_BUDGET)
        for text, task in read.items():
            if task.cancelled():
                continue  # the gateway is closing
            key, found = texts[text], task.result()
            if key in found.fresh:
                looked.fresh[key] = found.fresh[key]
                looked.stale.pop(key, None)
            elif key in found.stale:
                looked.stale.setdefault(key, found.stale[key])

    async def look_below(self, query: Query, level: Level) -> dict[str, Hit]:
        """What is fresh in one tier, where another process may just have put it."""
        return (await self._look(query, keys_of(query), (level,), counted=False)).fresh

    @property
    def lender(self) -> Level | None:
        """The first level whose tier lends leases to processes that share it."""
        return next((level for level in self.levels if level.cache.lends()), None)

    def reaches(self, query: Query, level: Level | None) -> bool:
        """True if what is found of such a query is written as deep as ``level``."""
        return level is not None and level.label <= self.rules.of(query.dataset).level

    async def _look(
        self, query: Query, texts: Mapping[str, str], levels: Sequence[Level], *, counted: bool
    ) -> Looked:
        looked = Looked()
        fresh, stale = looked.fresh, looked.stale
        missing: Collection[str] = texts
        for level in levels:
            found = await level.read(missing)
            below, expired = self._judged(query, texts, found, level, looked)
            if counted:
                level.count(len(missing), len(below), expired)
            if level is not self.levels[0] and below:
                now = self._clock.now()
                lives = [self._retention(query, fresh[texts[t]].entry, now) for t in below]
                await self._fill(query, below, max(lives), level)
            if len(fresh) == len(texts):
                break
            missing = [text for text, key in texts.items() if key not in fresh]
        for key in fresh if stale else ():
            stale.pop(key, None)
        return looked

    def _judged(
        self,
        query: Query,
        texts: Mapping[str, str],
        found: Mapping[str, bytes],
        level: Level,
        looked: Looked,
    ) -> tuple[dict[str, bytes], int]:
        """What is fresh of what a level holds, and how many are too old; both go to ``looked``."""
        fresh, stale = looked.fresh, looked.stale
        now = self._clock.now()  # a life may have ended while the level was asked
        expired = 0
        find = self._decoder.find
        kept: dict[str, bytes] = {}
        for text, data in found.items():
            key = texts.get(text)
            if key is None:
                continue
            hit = find(text, data) or self._decoded(query, text, key, data, level)
            if hit is None or now < hit.since:
                continue  # not to be believed is a miss; the fetch will replace it
            if now < hit.fresh_until:
                fresh[key] = hit
                kept[text] = data
                continue
            expired += 1
            if key not in stale or stale[key].fresh_until < hit.fresh_until:
                stale[key] = hit
        return kept, expired

    def _decoded(self, query: Query, text: str, key: str, data: bytes, level: Level) -> Hit | None:
        hit = self._decoder.decoded(query, text, key, data, level.name)
        if hit is not None and level is self.levels[0]:
            self._decoder.keep(text, data, hit)
        return hit

    def forget_meanings(self) -> None:
        """Have every entry judged anew at its next use."""
        self._decoder.forget()

    def believes(self, query: Query, key: str, entry: Entry) -> bool:  # noqa: ARG002 - as said
        """Whether an entry may be used here; those who know the sources ask more of it."""
        return True

    def witnesses(self, query: Query, key: str, only: Collection[str] | None) -> Collection[str]:  # noqa: ARG002 - as said
        """The names of the sources that were heard if nobody has ``key``."""
        return ()

    async def _fill(
        self, query: Query, values: Mapping[str, bytes], seconds: float, level: Level
    ) -> None:
        """Put what a deeper tier held into those above it."""
        for above in self.levels[: self.levels.index(level)]:
            if above is self.levels[0]:
                await above.write(values, seconds)
                await self._bounds.keep(query.dataset, values)
            else:
                for text, data in values.items():
                    self._behind[above.label].add(text, data, seconds, "low")

    # -- writing ------------------------------------------------------------------------------

    async def put(
        self,
        query: Query,
        found: Mapping[str, Found],
        absent: Mapping[str, Found] | None = None,
        *,
        only: Collection[str] | None = None,
        cost: float = 0.0,
        at_once: Level | None = None,
    ) -> dict[str, Entry]:
        """The entries that now stand for these values, and for what working sources lack.

        ``only`` these sources were asked, all of the route if None; ``cost`` is how many seconds
        that took; ``at_once`` a level that must hold the entries when this returns.
        """
        now = self._clock.now()
        entries = {key: self._entry(query, key, item, cost) for key, item in found.items()}
        life = self.freshness.negative(query, now) if absent else 0.0
        lacking = (absent or {}).items() if life > 0 else ()
        for key, item in lacking:
            if not item.kept:
                continue
            entries[key] = Entry(
                payload="\n".join(self.witnesses(query, key, only)).encode(),
                source=item.source,
                simulated=item.simulated,
                fetched_at=item.fetched_at,
                fresh_until=item.fetched_at + timedelta(seconds=life),
                absent=True,
            )
        await self._write(query, entries, now, at_once)
        return entries

    def _entry(self, query: Query, key: str, item: Found, cost: float) -> Entry:
        span = self.freshness.span(query, key, item.value, item.fetched_at)
        return Entry(
            payload=CODECS[query.dataset].encode(item.value),
            source=item.source,
            path=item.path,
            simulated=item.simulated,
            fetched_at=item.fetched_at,
            fresh_until=span.fresh_until if item.kept else item.fetched_at,
            as_of=as_of(item.value),
            resolution=item.resolution,
            early=span.early,
            cost=cost,
        )

    async def _write(
        self, query: Query, entries: Mapping[str, Entry], now: datetime, at_once: Level | None
    ) -> None:
        rule = self.rules.of(query.dataset)
        living = {key: entry for key, entry in entries.items() if entry.fresh_until > now}
        if not living:
            return
        # One life for all: what outlives its freshness a little longer is not served as fresh.
        seconds = max(self._retention(query, entry, now) for entry in living.values())
        values = {
            text: living[key].pack(text) for text, key in keys_of(query).items() if key in living
        }
        for level in self.levels:
            kept = max(seconds, KEPT_ON_DISK) if level.cache.persistent else seconds
            if level is self.levels[0]:
                await level.write(values, kept)
                await self._bounds.keep(query.dataset, values)
            elif level is at_once:
                await level.write(values, kept)
            else:
                for text, data in values.items():
                    self._behind[level.label].add(text, data, kept, rule.priority)
            if level.label == rule.level:
                break

    def _retention(self, query: Query, entry: Entry, now: datetime) -> float:
        """Seconds for which a tier keeps an entry: its life, and as long as it may serve stale."""
        rule = self.rules.of(query.dataset)
        life = (entry.fresh_until - now).total_seconds()
        if entry.absent:
            return max(life, 0.001)
        return max(life + max(rule.stale_while_revalidate, rule.stale_if_error), 0.001)

    # -- clearing -----------------------------------------------------------------------------

    async def clear(self, rule: str | None, label: str | None) -> Clearance:
        """What went, level by level: of one rule or all, of one level or all.

        Other processes that share a tier are told, and forget the same.
        """
        return await self._clearing.clear(rule, label)

    async def purge(self) -> list[Cleared]:
        """What had expired and went, level by level."""
        return await self._clearing.purge()

    async def forget(self, prefixes: Sequence[str]) -> None:
        """Remove what stands under these prefixes, because another process says so."""
        await self._clearing.forget(prefixes)

    def on_news(self, listener: Callable[[Sequence[str]], None]) -> None:
        """Call ``listener`` with the prefixes of what other processes say that they cleared."""
        self._clearing.listeners.append(listener)


def keys_of(query: Query) -> dict[str, str]:
    """The query's keys by the texts under which the tiers know them."""
    variant = query.variant
    dataset = query.dataset
    if not variant:
        return {f"{dataset}:{key}": key for key in query.keys}
    return {f"{dataset}:{key}:{variant}": key for key in query.keys}
