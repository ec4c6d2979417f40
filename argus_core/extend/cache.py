"""The base class of every cache tier: bytes in, the same bytes out, until they expire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel

from argus_core.clock import Clock
from argus_core.extend.source import Settings

Heard = Callable[[bytes | None], None]
"""Takes a message of another process; ``None`` says that some may have been missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """What a tier holds now; ``None`` where it cannot know."""

    entries: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Lease:
    """Who fetches a key, and once that is over what its holder left to say."""

    owner: str
    note: bytes | None = None
    """``None`` while the lease is held; afterwards the holder's last word."""


class Cache:
    """One tier. Keys are text, values are opaque bytes; a miss is simply absent.

    Raise :class:`CacheError` when the store fails: the gateway treats it as a miss, never as an
    error of the request, and rests the tier for a while.

    A tier that several processes share may also override :meth:`publish` and :meth:`listen`
    together, and :meth:`lease`, :meth:`settle` and :meth:`leases` together; what is not overridden
    is not offered, and the gateway does without.
    """

    Settings: ClassVar[type[BaseModel]] = Settings
    persistent: ClassVar[bool] = False
    """True if what it holds lies on this machine's disk and outlives the process."""

    instant: ClassVar[bool] = False
    """True if it holds everything in this process' memory, so that no call of it ever waits."""

    def __init__(self, name: str, settings: Any, clock: Clock) -> None:
        self.name = name
        self.settings = settings
        self.clock = clock

    async def open(self) -> None:
        """Return when the tier can be used. A store that is away now but may come is no error."""

    async def close(self) -> None:
        """Release everything; safe to call twice."""

    async def get_many(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """The values of those keys that are present and not expired."""
        raise NotImplementedError

    async def set_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        """Store all values for ``ttl`` seconds (more than 0), replacing what was there."""
        raise NotImplementedError

    async def delete_prefix(self, prefix: str) -> tuple[int, int]:
        """Remove every key that starts so; return how many entries and bytes went."""
        raise NotImplementedError

    async def delete_many(self, keys: Iterable[str]) -> tuple[int, int]:
        """Remove these keys; return how many entries and bytes went.

        Where it is not overridden, keys that begin with one of them go too.
        """
        gone = [await self.delete_prefix(key) for key in keys]
        return sum(entries for entries, _ in gone), sum(size for _, size in gone)

    async def purge(self) -> tuple[int, int]:
        """Remove what has expired; how many entries and bytes went, none if it does so itself."""
        return 0, 0

    async def stats(self) -> CacheStats:
        """What the tier holds now."""
        raise NotImplementedError

    async def publish(self, channel: str, messages: Sequence[bytes]) -> None:
        """Send messages, in order, to every process that listens to the channel in the same store.

        They go in one round trip. A message has a few hundred kilobytes at most.
        """
        raise NotImplementedError

    async def listen(self, channel: str, heard: Heard) -> None:
        """Hand over the messages of a channel until cancelled; connects again by itself.

        Channels are told apart by their names, which are of letters, digits, dots and colons.
        ``heard`` is called with each message, and with ``None`` each time that the connection
        stands anew, because messages may have been lost meanwhile. Messages of this instance
        itself need not be left out.
        """
        raise NotImplementedError

    async def lease(self, keys: Iterable[str], owner: str, seconds: float) -> Mapping[str, str]:
        """Take those keys that nobody holds, for ``seconds``; who holds each key now.

        A lease that ran out or was settled is free; one that ``owner`` holds already is prolonged,
        so that a holder who works longer keeps it and one who died loses it. Leases live apart
        from the values: a key may have both, and :meth:`delete_prefix` leaves leases alone.
        """
        raise NotImplementedError

    async def settle(self, keys: Iterable[str], owner: str, note: bytes, seconds: float) -> None:
        """End ``owner``'s leases of these keys and leave a ``note`` for ``seconds``.

        Leases of others stay as they are.
        """
        raise NotImplementedError

    async def leases(self, keys: Iterable[str]) -> Mapping[str, Lease]:
        """The leases of these keys that are held, and those settled whose note still stands."""
        raise NotImplementedError

    @classmethod
    def speaks(cls) -> bool:
        """True if this class overrides :meth:`publish` and :meth:`listen`."""
        return cls.publish is not Cache.publish and cls.listen is not Cache.listen

    @classmethod
    def lends(cls) -> bool:
        """True if this class overrides the three methods of leases."""
        methods = ("lease", "settle", "leases")
        return all(getattr(cls, name) is not getattr(Cache, name) for name in methods)
