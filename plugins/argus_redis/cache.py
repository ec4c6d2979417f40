"""The cache itself: what its methods ask the server."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

from pydantic import BaseModel

from argus_core import Cache, CacheStats, Clock, Heard, Lease
from argus_redis import listening, scripts, sending
from argus_redis.link import Link
from argus_redis.settings import RedisSettings

PAGE = 1000
"""Keys that the server looks at in one step of a scan, and that are deleted at once."""
COUNTED = 100_000
"""More entries than these are not counted: it would keep the server busy for a figure."""
SCANNED = 1_000_000
"""A database of more keys, whoever's, is not scanned for a figure at all."""
REMEMBERED = 5.0
"""Seconds for which a count that took several steps is handed out again."""

_LONGEST = 10 * 365 * 86_400
_WILD = re.compile(rb"[*?\[\]\\]")
_UNKNOWN = CacheStats(entries=None, bytes=None)


class RedisCache(Cache):
    """Entries, leases and messages of all gateways that share a server and a prefix.

    The bytes of an entry are those of its value. A server that is away is a :class:`CacheError`
    at each call until it is back; nothing has to be opened again.
    """

    Settings: ClassVar[type[BaseModel]] = RedisSettings

    def __init__(self, name: str, settings: Any, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self._link = Link(settings)
        self._values = f"{settings.prefix}:value:".encode()
        self._leases = f"{settings.prefix}:lease:".encode()
        # Channels know no databases: without the number, two of them would hear each other.
        self._channels = f"{settings.prefix}:messages:{settings.database}:".encode()
        self._counted: tuple[float, CacheStats] | None = None

    async def open(self) -> None:
        """Return at once: a server that is away is connected to when it is there."""
        self._link.open()

    async def close(self) -> None:
        """Close every connection; safe to call twice."""
        await self._link.close()

    async def get_many(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """The values of those keys that are present and not expired, in one round trip."""
        wanted = list(keys)
        names = self._named(self._values, wanted)

        async def read(redis: Any) -> dict[str, bytes]:
            found = zip(wanted, await redis.mget(names), strict=True)
            return {key: value for key, value in found if value is not None}

        return await self._link.ask(read) if wanted else {}

    async def set_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        """Store all values for ``ttl`` seconds, to the millisecond, in one round trip."""
        lasting = _milliseconds(ttl)
        entries = list(zip(self._named(self._values, values), values.values(), strict=True))

        async def store(redis: Any) -> None:
            pipeline = redis.pipeline(transaction=False)
            for name, value in entries:
                pipeline.set(name, bytes(value), px=lasting)
            await pipeline.execute()

        if entries:
            await self._link.ask(store)

    async def delete_many(self, keys: Iterable[str]) -> tuple[int, int]:
        """Remove exactly these keys; how many entries and bytes of values went."""
        return await self._delete(self._named(self._values, keys))

    async def delete_prefix(self, prefix: str) -> tuple[int, int]:
        """Remove every key that starts so; how many entries and bytes of values went.

        Each step has the time limit of a call of its own: a large store may take long as a whole.
        """
        entries = freed = 0
        async with aclosing(self._pages(prefix)) as pages:
            async for names in pages:
                gone, size = await self._delete(names)
                entries, freed = entries + gone, freed + size
        return entries, freed

    async def stats(self) -> CacheStats:
        """The entries under this prefix and their bytes; ``None`` where there are very many."""
        now = self.clock.monotonic()
        if self._counted is not None and now < self._counted[0] + REMEMBERED:
            return self._counted[1]
        stats, steps = await self._count()
        self._counted = (now, stats) if steps > 1 else None
        return stats

    async def publish(self, channel: str, messages: Sequence[bytes]) -> None:
        """Send messages to every gateway that listens, this one too if it does. One round trip.

        A server older than 7, which has no sharded channels, takes two.
        """
        name = self._channels + _encoded(channel)
        if messages:
            await self._link.ask(lambda redis: sending.send(redis, name, messages))

    async def listen(self, channel: str, heard: Heard) -> None:
        """Hand over the messages of a channel until cancelled; connects again by itself."""
        await listening.listen(self._link, self._channels + _encoded(channel), heard)

    async def lease(self, keys: Iterable[str], owner: str, seconds: float) -> Mapping[str, str]:
        """Take those keys that nobody holds; who holds each key now. One round trip."""
        wanted = list(keys)
        holders = await self._on_leases(
            scripts.LEASE, wanted, _encoded(owner), _milliseconds(seconds)
        )
        return {key: _decoded(holder) for key, holder in zip(wanted, holders, strict=True)}

    async def settle(self, keys: Iterable[str], owner: str, note: bytes, seconds: float) -> None:
        """End ``owner``'s leases of these keys, leaving the note. One round trip."""
        lasting = _milliseconds(seconds)
        await self._on_leases(scripts.SETTLE, list(keys), _encoded(owner), bytes(note), lasting)

    async def leases(self, keys: Iterable[str]) -> Mapping[str, Lease]:
        """The leases of these keys that are held or settled of late. One round trip."""
        wanted = list(keys)
        found = await self._on_leases(scripts.LEASES, wanted)
        return {
            key: Lease(_decoded(owner), note)
            for key, (owner, note) in zip(wanted, found, strict=True)
            if owner is not None
        }

    def _named(self, kind: bytes, keys: Iterable[str]) -> list[bytes]:
        """The keys as the server knows them."""
        return [kind + _encoded(key) for key in keys]

    async def _on_leases(self, script: str, keys: list[str], *arguments: bytes | int) -> Any:
        """What a script says of the leases of these keys."""
        names = self._named(self._leases, keys)
        return await self._link.run(script, names, *arguments) if names else []

    async def _delete(self, names: list[bytes]) -> tuple[int, int]:
        self._counted = None
        entries = freed = 0
        for start in range(0, len(names), PAGE):
            some = names[start : start + PAGE]
            gone, size = await self._link.run(scripts.DELETE, some)
            entries, freed = entries + gone, freed + size
        return entries, freed

    async def _pages(self, prefix: str) -> AsyncGenerator[list[bytes]]:
        """The names of the entries whose keys start so, step by step, now and then one twice."""
        pattern = _WILD.sub(rb"\\\g<0>", self._values + _encoded(prefix)) + b"*"
        cursor, names = await self._step(0, pattern)
        yield names
        while cursor:
            cursor, names = await self._step(cursor, pattern)
            yield names

    async def _step(self, cursor: int, pattern: bytes) -> tuple[int, list[bytes]]:
        """Where to go on, 0 at the end, and the names found so far."""
        return await self._link.ask(lambda redis: redis.scan(cursor, match=pattern, count=PAGE))

    async def _count(self) -> tuple[CacheStats, int]:
        """The figures, and how many steps they took."""
        if await self._link.ask(lambda redis: redis.dbsize()) > SCANNED:
            return _UNKNOWN, 1
        seen: set[bytes] = set()
        size = steps = 0
        async with aclosing(self._pages("")) as pages:
            async for names in pages:
                steps += 1
                new = set(names) - seen
                seen |= new
                if len(seen) > COUNTED:
                    return _UNKNOWN, steps
                size += await self._sizes(new)
        return CacheStats(entries=len(seen), bytes=size), steps

    async def _sizes(self, names: Iterable[bytes]) -> int:
        """The bytes of these values together."""

        async def measure(redis: Any) -> int:
            pipeline = redis.pipeline(transaction=False)
            for name in names:
                pipeline.strlen(name)
            return sum(await pipeline.execute())

        return await self._link.ask(measure)


def _milliseconds(seconds: float) -> int:
    """At least one: the server refuses to keep something for none."""
    return max(1, int(min(seconds, _LONGEST) * 1000))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")
