"""A cache in one SQLite file: it outlives the process, and several processes may share it."""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, Field

from argus_core import Cache, CacheError, CacheStats, Clock, PluginError, Settings, hookimpl
from argus_sqlite.file import File, code_of, damaged
from argus_sqlite.lane import Lane
from argus_sqlite.layout import Foreign
from argus_sqlite.store import KEYS, SLICE_BYTES, Crowded, Store

log = logging.getLogger(__name__)
T = TypeVar("T")

MEBIBYTE = 1 << 20
PATIENCE = 2.0
"""Seconds after which a call fails though the disk may still be at it, beside ``busy_timeout``."""

_PASSING_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ETIMEDOUT}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_PROTOCOL}
_PASSING = {*_BUSY, sqlite3.SQLITE_IOERR}
_HOLDS = {*_BUSY, sqlite3.SQLITE_INTERRUPT}
"""Errors after which the connection is as good as before."""


class SqliteSettings(Settings):
    """``[caches.NAME]`` with ``plugin = "sqlite"``."""

    path: Path = Field(
        default=Path("data/cache.sqlite3"),
        description=(
            "The file, on a disk of this machine; a relative path starts at the directory of "
            "plugins.toml."
        ),
    )
    max_mb: float = Field(
        default=1024,
        ge=1,
        allow_inf_nan=False,
        description="The most disk that its entries take, in MiB; its log takes a few more.",
    )
    busy_timeout: float = Field(
        default=0.05,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Seconds that a call waits while another process writes to the file.",
    )


class Sqlite(Cache):
    """Keeps entries in a SQLite file in WAL mode, up to ``max_mb``, the least used evicted first.

    A thread of its own does the work. Expiry goes by the wall clock, because it has to outlive the
    process. Long work goes in slices between which other calls have their turn. A file that turns
    out to be damaged is moved aside and a new one begun: that is no error, only misses.
    """

    Settings: ClassVar[type[BaseModel]] = SqliteSettings
    persistent: ClassVar[bool] = True

    def __init__(self, name: str, settings: Any, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self._bound = int(settings.max_mb * MEBIBYTE)
        self._chunk = min(SLICE_BYTES, self._bound // 4)
        self._lane: Lane | None = None
        self._file = File(
            settings.path, clock, patience=settings.busy_timeout, dropped=self._dropped
        )
        self._store: Store | None = None

    async def open(self) -> None:
        """Return when the file is open, or cannot be for a reason that passes by itself.

        :class:`PluginError` where somebody has to do something about it.
        """
        self._lane = self._lane or Lane(self.name, PATIENCE + self.settings.busy_timeout)
        try:
            await self._lane.run(self._opened)
        except PluginError:
            await self.close()
            raise
        except CacheError as error:
            log.warning("cache %s cannot be used yet: %s", self.name, error)

    async def close(self) -> None:
        """Close the file; the thread ends."""
        lane, self._lane = self._lane, None
        if lane is not None:
            await lane.close(self._closed)

    async def get_many(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """The values of those keys that are present and not expired."""
        names = {_key(key): key for key in keys}
        found: dict[str, bytes] = {}
        for some in _chunks([*names]):
            read = partial(Store.read, keys=some, now=self._now())
            got = await self._do(read, droppable=True)
            found.update((names[key], value) for key, value in got.items())
        return found

    async def set_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        """Store all values for ``ttl`` seconds; each transaction holds up to 500 of them.

        A value that is larger than everything is not kept.
        """
        now = self._now()
        given = {_key(key): bytes(value) for key, value in values.items()}
        for some in _batches(given, self._chunk):
            await self._do(partial(Store.write, values=some, now=now, expires=now + ttl))

    async def delete_prefix(self, prefix: str) -> tuple[int, int]:
        """Remove every key that starts so; how many live entries went, and their bytes."""
        slice_ = partial(Store.remove_prefix, prefix=_key(prefix), now=self._now())
        entries = freed = 0
        rows = 1
        while rows:
            rows, (n, size) = await self._do(slice_)
            entries, freed = entries + n, freed + size
        await self._slices(Store.give_back)
        return entries, freed

    async def delete_many(self, keys: Iterable[str]) -> tuple[int, int]:
        """Remove exactly these keys; how many live entries went, and their bytes."""
        now = self._now()
        entries = freed = 0
        for some in _chunks([*{_key(key): None for key in keys}]):
            n, size = await self._do(partial(Store.remove, keys=some, now=now))
            entries, freed = entries + n, freed + size
        return entries, freed

    async def purge(self) -> tuple[int, int]:
        """Remove what has expired and give free space back; how many entries and bytes went."""
        now = self._now()
        entries = freed = 0
        n = 1
        while n:
            n, size = await self._do(partial(Store.purge, now=now))
            entries, freed = entries + n, freed + size
        await self._slices(partial(Store.trim, now=now))
        await self._slices(Store.give_back)
        return entries, freed

    async def stats(self) -> CacheStats:
        """What is held now, by counters in the file: expired entries count until they are purged.

        ``bytes`` are those of keys and values; the file itself is larger.
        """
        entries, size = await self._do(Store.totals)
        return CacheStats(entries=entries, bytes=size)

    def _now(self) -> float:
        return self.clock.now().timestamp()

    async def _do(self, work: Callable[[Store], T], *, droppable: bool = False) -> T:
        """What ``work`` gives, done in the thread; :class:`CacheError` whatever goes wrong."""
        if self._lane is None:
            raise CacheError(f"cache {self.name} is not open")
        return await self._lane.run(lambda: self._done(work), droppable=droppable)

    async def _slices(self, work: Callable[[Store], bool]) -> None:
        """Do slice after slice until there is no more."""
        more = True
        while more:  # others have their turn between two: the lane goes in the order of asking
            more = await self._do(work)

    # -- in the thread ------------------------------------------------------------------------

    def _dropped(self) -> bool:
        return self._lane is not None and self._lane.dropped()

    def _done(self, work: Callable[[Store], T]) -> T:
        try:
            try:
                return work(self._current())
            except sqlite3.Error as error:
                if not damaged(error):
                    raise
                self._file.set_aside(error)
                return work(self._current())
        except sqlite3.Error as error:
            if code_of(error) not in _HOLDS and not isinstance(error, Crowded):
                self._file.close()
            raise CacheError(f"{self._file.path}: {error}") from error
        except (OSError, Foreign) as error:
            raise CacheError(f"{self._file.path} cannot be opened: {error}") from error

    def _current(self) -> Store:
        db = self._file.connection()
        if self._store is None or self._store.db is not db:
            self._store = Store(db, self._bound, self._file.path.parent)
        return self._store

    def _opened(self) -> None:
        try:
            if self._file.path.is_dir():  # else a lock would be made beside it first
                raise IsADirectoryError(errno.EISDIR, "it is a directory")
            self._current()
        except (sqlite3.Error, OSError, Foreign) as error:
            passing = (
                isinstance(error, TimeoutError)
                or code_of(error) in _PASSING
                or (isinstance(error, OSError) and error.errno in _PASSING_DISK)
            )
            if passing:
                raise CacheError(f"{self._file.path}: {error}") from error
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> PluginError:
        why = str(error)
        fix = "let this user write to its directory, or name another file with `path`"
        if isinstance(error, Foreign):
            fix = "name another file with `path`, or move this one away"
        elif isinstance(error, FileExistsError | NotADirectoryError):
            why = f"{error.filename} is not a directory"
            fix = "name another file with `path`, or move away what is in its way"
        elif isinstance(error, IsADirectoryError):
            why, fix = "it is a directory", "name a file with `path`"
        return PluginError(
            f"the file of cache {self.name!r} cannot be used: {why}",
            where=str(self._file.path),
            fix=fix,
        )

    def _closed(self) -> None:
        self._store = None
        self._file.close()


def _key(text: str) -> bytes:
    # Halves of surrogate pairs, which no file name or symbol has, are text to Python all the same.
    return text.encode("utf-8", "surrogatepass")


def _chunks(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (keys[start : start + KEYS] for start in range(0, len(keys), KEYS))


def _batches(values: Mapping[bytes, bytes], most: int) -> Iterator[dict[bytes, bytes]]:
    """The values in parts of at most ``KEYS`` entries and about ``most`` bytes."""
    part: dict[bytes, bytes] = {}
    size = 0
    for key, value in values.items():
        if part and (len(part) == KEYS or size + len(value) > most):
            yield part
            part, size = {}, 0
        part[key] = value
        size += len(key) + len(value)
    if part:
        yield part


@hookimpl
def register_cache() -> type[Cache]:
    """Return :class:`Sqlite`."""
    return Sqlite
