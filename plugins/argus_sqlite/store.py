"""Reading and writing the entries of a cache file, each call one short transaction."""

# ruff: noqa: S608 - what is put into the texts of statements are question marks
from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from zlib import crc32

from argus_sqlite.file import Damaged
from argus_sqlite.layout import one

KEYS = 500
"""Keys of one statement, and rows of one slice of a longer work."""

SLICE_BYTES = 4 << 20
"""Bytes of values after which a slice ends."""

GRAIN = 600
"""Seconds within which uses of a value count as one."""

MOST_USED = 10_000
"""Keys whose use is remembered until the next write."""

_TRIES = 8
"""Slices that are evicted to make room for one write; where they do not do, it is not kept."""

_SLACK = 64
"""Room is made for this part of the bound more than is needed, so that not every write evicts."""

_GIVEN_BACK = 256
"""Pages that are returned to the disk in one slice."""

_LEFT_FREE = 16 << 20
"""Bytes of the disk that are not taken (an eighth of a small disk): the log needs them."""

_ROW = 100
"""About the bytes that a row takes beside its key and value: numbers, and its places in indexes."""


class Crowded(sqlite3.OperationalError):
    """Something else has filled the disk, and nothing here can be evicted for more."""


class Store:
    """The entries of one file, over a connection to it; at most ``bound`` bytes on disk.

    On a disk that is nearly full it grows no further: what is new then takes the room of what is
    old. ``place`` is a directory on that disk.

    ``now`` and ``expires`` are seconds since 1970. Every count of bytes is of keys and values; what
    the bound holds is the pages that are in use, which is more.
    """

    def __init__(self, db: sqlite3.Connection, bound: int, place: Path) -> None:
        self.db = db
        self._bound = bound
        self._place = place
        self._used: dict[bytes, None] = {}

    def read(self, keys: Sequence[bytes], now: float) -> dict[bytes, bytes]:
        """The values of those of at most ``KEYS`` keys that are there and have not expired."""
        grain = int(now // GRAIN)
        found: dict[bytes, bytes] = {}
        rows = self.db.execute(
            f"SELECT key, expires, used, crc, value FROM entries WHERE key IN ({_marks(keys)})",
            keys,
        )
        for key, expires, used, crc, value in rows:
            if crc32(value, crc32(key)) != crc:
                raise Damaged("a value is not what was stored")
            if expires > now:
                found[key] = value
                if used < grain and len(self._used) < MOST_USED:
                    self._used[key] = None
        return found

    def write(self, values: Mapping[bytes, bytes], now: float, expires: float) -> None:
        """Store the values; what was there under their keys is gone in any case."""
        grain = int(now // GRAIN)
        rows = [(k, expires, grain, crc32(v, crc32(k)), v) for k, v in values.items()]
        with self._transaction():
            self._forget(list(values), now)
            self._note_use(grain)
            page = self._page()
            limit = self._limit()
            needed = sum(_taken(key, value, page) for key, value in values.items())
            if self._room(needed, limit, now):
                self.db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", rows)
                self._count(len(rows), sum(len(k) + len(v) for k, v in values.items()))
                self._room(0, self._bound, now)
            elif limit < self._bound:
                raise Crowded("the disk is full")

    def remove(self, keys: Sequence[bytes], now: float) -> tuple[int, int]:
        """Remove at most ``KEYS`` keys; how many entries had not expired, and their bytes."""
        with self._transaction():
            return self._forget(keys, now)

    def remove_prefix(self, prefix: bytes, now: float) -> tuple[int, tuple[int, int]]:
        """Remove a slice of what starts so: how many rows went, and the unexpired and bytes."""
        where, limits = "key >= ?", [prefix]
        if prefix:
            # No byte of UTF-8 is the highest one.
            where, limits = where + " AND key < ?", [prefix, prefix[:-1] + bytes([prefix[-1] + 1])]
        with self._transaction():
            rows = self._slice(f"WHERE {where}", limits)
            return len(rows), self._drop(rows, now)

    def purge(self, now: float) -> tuple[int, int]:
        """Remove a slice of what has expired; how many entries and bytes, 0 when all is done."""
        with self._transaction():
            rows = self._slice("WHERE expires <= ?", [now])
            self._drop(rows, now)
            return len(rows), sum(size for _, size, _ in rows)

    def trim(self, now: float) -> bool:
        """Evict a slice if the bound was made smaller; True if there is more to do."""
        if self._pages() * self._page() <= self._bound:
            return False
        with self._transaction():
            return self._evict(self._pages() * self._page() - self._bound, now)

    def give_back(self) -> bool:
        """Return a slice of the free pages to the disk; True if there is more to do.

        A few are kept, because the next writes take them.
        """
        most = self._bound // self._page()
        kept = max(0, min(most // _SLACK, most - self._pages()))
        free: int = one(self.db, "PRAGMA freelist_count") - kept
        if free <= 0:
            return False
        pages = min(free, _GIVEN_BACK)
        # A script, because `execute` stops after the first page.
        self.db.executescript(f"PRAGMA incremental_vacuum({pages})").close()
        if free == pages:
            # The file itself shrinks when the log is brought into it.
            self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return free > pages

    def totals(self) -> tuple[int, int]:
        """Entries and bytes that are held, the expired ones too; kept counters, so it is cheap."""
        entries, size = self.db.execute("SELECT entries, bytes FROM totals").fetchone()
        return entries, size

    # -- inside a transaction -----------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        finally:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")

    def _forget(self, keys: Sequence[bytes], now: float) -> tuple[int, int]:
        rows = self.db.execute(
            "SELECT rowid, length(key) + length(value), expires FROM entries "
            f"WHERE key IN ({_marks(keys)})",
            keys,
        )
        return self._drop(rows.fetchall(), now)

    def _slice(self, which: str, values: Sequence[object]) -> list[tuple[int, int, float]]:
        """Rowid, bytes and expiry of the first rows that match; at least one of them."""
        rows = self.db.execute(
            f"SELECT rowid, length(key) + length(value), expires FROM entries {which} LIMIT {KEYS}",
            values,
        )
        return _up_to(SLICE_BYTES, rows.fetchall())

    def _drop(self, rows: Sequence[tuple[int, int, float]], now: float) -> tuple[int, int]:
        """Delete the rows; how many had not expired, and their bytes."""
        if not rows:
            return 0, 0
        rowids = [rowid for rowid, _, _ in rows]
        self.db.execute(f"DELETE FROM entries WHERE rowid IN ({_marks(rowids)})", rowids)
        self._count(-len(rows), -sum(size for _, size, _ in rows))
        live = [size for _, size, expires in rows if expires > now]
        return len(live), sum(live)

    def _count(self, entries: int, size: int) -> None:
        change = "UPDATE totals SET entries = entries + ?, bytes = bytes + ?"
        self.db.execute(change, (entries, size))

    def _note_use(self, grain: int) -> None:
        """Bring some of the uses since the last write into the file."""
        keys = list(islice(self._used, KEYS))
        change = f"UPDATE entries SET used = ? WHERE key IN ({_marks(keys)})"
        self.db.execute(change, (grain, *keys))
        for key in keys:
            del self._used[key]

    def _limit(self) -> int:
        """The bytes that may be used now: the bound, or what the disk still has room for."""
        disk = shutil.disk_usage(self._place)
        spare = min(_LEFT_FREE, disk.total // 8)
        file: int = one(self.db, "PRAGMA page_count") * self._page()
        return min(self._bound, file + max(0, disk.free - spare))

    def _room(self, needed: int, limit: int, now: float) -> bool:
        """True if so many bytes fit; the expired and then the least used are evicted for it."""
        for _ in range(_TRIES):
            over = self._pages() * self._page() + needed - limit
            if over <= 0:
                return True
            if needed > limit or not self._evict(over + limit // _SLACK, now):
                break
        return self._pages() * self._page() + needed <= limit

    def _evict(self, size: int, now: float) -> bool:
        """Drop a slice of about that size; False if there was nothing to drop."""
        rows = self._slice("WHERE expires <= ?", [now]) or self._slice("ORDER BY used", [])
        self._drop(_up_to(size, rows), now)
        return bool(rows)

    def _pages(self) -> int:
        count, free = one(self.db, "PRAGMA page_count"), one(self.db, "PRAGMA freelist_count")
        return int(str(count)) - int(str(free))

    def _page(self) -> int:
        size: int = one(self.db, "PRAGMA page_size")
        return size


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _taken(key: bytes, value: bytes, page: int) -> int:
    """About the bytes of disk that an entry takes: no page holds parts of small ones."""
    size = 2 * len(key) + len(value) + _ROW
    return page // (page // size) if size <= page else size + page


def _up_to(size: int, rows: Sequence[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """The first rows that together have so many bytes; all if they have less."""
    taken: list[tuple[int, int, float]] = []
    for row in rows:
        taken.append(row)
        size -= row[1]
        if size <= 0:
            break
    return taken
