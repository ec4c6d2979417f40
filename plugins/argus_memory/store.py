"""A byte-bounded store that forgets what was not asked for longest."""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from argus_core import Clock

OVERHEAD = 240
"""Bytes that an entry costs beside its key and value: its tuple, its numbers, its place.

Measured with tracemalloc, the growing of the tables spread over the entries; a test holds it
against the memory that a full store really takes.
"""


class Entry(NamedTuple):
    """A value, the monotonic second at which it expires, and the bytes it is counted as."""

    value: bytes
    expires: float
    size: int


def size_of(key: str, value: bytes) -> int:
    """The bytes that an entry is counted as."""
    return sys.getsizeof(key) + sys.getsizeof(value) + OVERHEAD


class ByteStore:
    """Values by key, at most ``bound`` bytes of them, each until it expires.

    Reading or writing an entry makes it the youngest; room is made by dropping the oldest. There
    is no timer per entry: an expired one is dropped when it is asked for, and one that nobody asks
    for grows old and is dropped for room.
    """

    def __init__(self, bound: int, clock: Clock) -> None:
        self.bound = bound
        self.bytes = 0
        self._clock = clock
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def read(self, key: str) -> bytes | None:
        """The value, ``None`` if there is none or it has expired."""
        entry = self._live(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry.value

    def read_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The values of those keys that :meth:`read` would find, at one reading of the clock."""
        now = self._clock.monotonic()
        find, touch = self._entries.get, self._entries.move_to_end
        found: dict[str, bytes] = {}
        for key in keys:
            entry = find(key)
            if entry is None:
                continue
            value, expires, _ = entry
            if now < expires:
                touch(key)
                found[key] = value
            else:
                self._drop(key)
        return found

    def holds(self, key: str) -> bool:
        """True if :meth:`read` would find a value; the entry grows no younger."""
        return self._live(key) is not None

    def write(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Store the value for ``ttl`` seconds, for ever if ``None``; False if it is too large.

        What was there under the key is gone in either case.
        """
        self._drop(key)
        size = size_of(key, value)
        if size > self.bound:
            return False
        expires = math.inf if ttl is None else self._clock.monotonic() + ttl
        # bytes() copies a bytearray or memoryview, which its owner could change later.
        self._entries[key] = Entry(bytes(value), expires, size)
        self.bytes += size
        while self.bytes > self.bound:
            _, oldest = self._entries.popitem(last=False)
            self.bytes -= oldest.size
        return True

    def renew(self, key: str, ttl: float | None) -> bool:
        """Let the entry live ``ttl`` seconds from now, for ever if ``None``; False if absent."""
        entry = self._live(key)
        if entry is None:
            return False
        expires = math.inf if ttl is None else self._clock.monotonic() + ttl
        self._entries[key] = entry._replace(expires=expires)
        return True

    def remove(self, key: str) -> bool:
        """Drop the entry; True if there was a live one."""
        live = self._live(key) is not None
        self._drop(key)
        return live

    def remove_many(self, keys: Iterable[str]) -> tuple[int, int]:
        """Drop these entries; how many were alive, and their bytes."""
        now = self._clock.monotonic()
        dropped = [entry for key in keys if (entry := self._drop(key)) is not None]
        live = [entry.size for entry in dropped if now < entry.expires]
        return len(live), sum(live)

    def remove_prefix(self, prefix: str) -> tuple[int, int]:
        """Drop every entry whose key starts so; how many were alive, and their bytes."""
        return self.remove_many([key for key in self._entries if key.startswith(prefix)])

    def slices(self, size: int) -> Iterator[Sequence[str]]:
        """The keys of now in parts of that size, least used first; some may be gone by then."""
        keys = list(self._entries)
        return (keys[start : start + size] for start in range(0, len(keys), size))

    def purge(self, keys: Iterable[str]) -> tuple[int, int]:
        """Drop those of the keys that have expired; how many were there, and their bytes."""
        now = self._clock.monotonic()
        entries = freed = 0
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None and now >= entry.expires:
                self._drop(key)
                entries += 1
                freed += entry.size
        return entries, freed

    def _live(self, key: str) -> Entry | None:
        entry = self._entries.get(key)
        if entry is not None and self._clock.monotonic() >= entry.expires:
            self._drop(key)
            return None
        return entry

    def _drop(self, key: str) -> Entry | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size
        return entry
