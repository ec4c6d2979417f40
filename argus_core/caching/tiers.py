"""The cache tiers in the order they are asked, and the one way in and out of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from argus_core.caching import freshness
from argus_core.caching.codec import CODECS, as_of
from argus_core.caching.entry import Entry
from argus_core.clock import Clock
from argus_core.extend.cache import Cache
from argus_core.model.answer import Found
from argus_core.model.query import Query

log = logging.getLogger(__name__)

BUDGET = 0.08
"""Seconds that a tier may take; a slower one counts as a miss."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A fresh entry and the tier that held it."""

    entry: Entry
    tier: str


class Tiers:
    """Reads through the tiers, fastest first; a read fills the tiers above it.

    A tier that fails costs hits, never an answer.
    """

    def __init__(self, caches: Sequence[Cache], clock: Clock) -> None:
        self._caches = tuple(caches)
        self._clock = clock

    @property
    def names(self) -> tuple[str, ...]:
        """The tiers' names, fastest first."""
        return tuple(cache.name for cache in self._caches)

    async def get(self, query: Query) -> dict[str, Hit]:
        """The fresh entries of the query's keys."""
        hits: dict[str, Hit] = {}
        wanted = keys_of(query)
        now = self._clock.now()
        for place, cache in enumerate(self._caches):
            missing = [text for text, key in wanted.items() if key not in hits]
            if not missing:
                break
            found = await self._read(cache, missing)
            fresh: dict[str, Entry] = {}
            for text, data in found.items():
                entry = Entry.unpack(data)
                if entry is not None and entry.fresh_until > now:
                    hits[wanted[text]] = Hit(entry, cache.name)
                    fresh[text] = entry
            for text, entry in fresh.items() if place else ():
                seconds = (entry.fresh_until - now).total_seconds()
                for above in self._caches[:place]:
                    await self._write(above, {text: found[text]}, seconds)
        return hits

    async def put(self, query: Query, found: Mapping[str, Found]) -> dict[str, Entry]:
        """The entries that now stand for these values, in every tier."""
        now = self._clock.now()
        seconds = freshness.life(query, now)
        codec = CODECS[query.dataset]
        entries = {
            key: Entry(
                payload=codec.encode(item.value),
                source=item.source,
                simulated=item.simulated,
                fetched_at=item.fetched_at,
                fresh_until=item.fetched_at + timedelta(seconds=seconds),
                as_of=as_of(item.value),
                resolution=item.resolution,
            )
            for key, item in found.items()
        }
        texts = {key: text for text, key in keys_of(query).items()}
        values = {texts[key]: entry.pack() for key, entry in entries.items()}
        for cache in self._caches if values and seconds > 0 else ():
            await self._write(cache, values, seconds)
        return entries

    async def _read(self, cache: Cache, keys: Sequence[str]) -> Mapping[str, bytes]:
        try:
            async with asyncio.timeout(BUDGET):
                return dict(await cache.get_many(keys))
        except Exception as error:  # noqa: BLE001 - whatever a tier does, it is a miss
            log.warning("cache %s failed to read: %s", cache.name, type(error).__name__)
            return {}

    async def _write(self, cache: Cache, values: Mapping[str, bytes], seconds: float) -> None:
        try:
            async with asyncio.timeout(BUDGET):
                await cache.set_many(values, seconds)
        except Exception as error:  # noqa: BLE001 - whatever a tier does, the answer stands
            log.warning("cache %s failed to write: %s", cache.name, type(error).__name__)


def keys_of(query: Query) -> dict[str, str]:
    """The query's keys by the texts under which the tiers know them."""
    variant = query.variant
    end = f":{variant}" if variant else ""
    return {f"{query.dataset}:{key}{end}": key for key in query.keys}


def decode(query: Query, entry: Entry) -> Any:
    """The value of an entry; ValueError if its bytes are damaged."""
    return CODECS[query.dataset].decode(entry.payload)
