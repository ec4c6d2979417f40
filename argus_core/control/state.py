"""The state database: what operators changed at run time, so that it outlives the process.

Several processes may share the file. Each change is one transaction over the generation that it
was made from, so that two who change at once never overwrite each other unseen.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import ValidationError

from argus_core.clock import Clock
from argus_core.control.records import KINDS, Stored
from argus_core.errors import ArgusError
from argus_core.tables import Table

log = logging.getLogger(__name__)

FILE = "state.sqlite3"
"""The database's name in the data directory."""
_PATIENCE = 5.0
"""Seconds for which another process may hold the database."""
_AGAIN = 0.01
"""Seconds from one try to the next."""
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS entries (
        kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, name)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS generation (only_one INTEGER PRIMARY KEY, number INTEGER NOT NULL);
    INSERT OR IGNORE INTO generation VALUES (1, 0);
"""
_COMPANIONS = ("", "-wal", "-shm")

_Result = TypeVar("_Result")


class StateError(ArgusError):
    """The state database cannot be read or written; nothing was changed."""

    code: ClassVar[str] = "DATABASE_ERROR"


class Stale(Exception):
    """Another process changed the state meanwhile."""


class State:
    """The state database at ``path``, which is made when something is first written."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock

    async def read(self) -> Stored:
        """What is stored; a damaged file is set aside with a warning, and nothing is stored."""
        return await asyncio.to_thread(self._read)

    async def generation(self) -> int:
        """The number of the last change, 0 before the first."""
        return await asyncio.to_thread(self._guarded, self._generation, 0)

    async def write(self, before: Stored, after: Stored) -> Stored:
        """``after`` as it is now stored; what differs from ``before`` is written, all or nothing.

        Raises :class:`Stale` if ``before`` is not what is stored, :class:`StateError` if the
        database fails.
        """
        return await asyncio.to_thread(self._write, before, after)

    # -- in a thread --------------------------------------------------------------------------

    def _read(self) -> Stored:
        def read(connection: sqlite3.Connection) -> Stored:
            with connection:
                connection.execute("BEGIN")
                rows = connection.execute("SELECT kind, name, value FROM entries").fetchall()
                return _stored(rows, self._generation(connection))

        return self._guarded(read, Stored())

    def _generation(self, connection: sqlite3.Connection) -> int:
        row = connection.execute("SELECT number FROM generation").fetchone()
        return int(row[0]) if row else 0

    def _write(self, before: Stored, after: Stored) -> Stored:
        def write(connection: sqlite3.Connection) -> Stored:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                if self._generation(connection) != before.generation:
                    raise Stale
                for kind in KINDS:
                    _put(connection, kind, getattr(before, kind), getattr(after, kind))
                number = before.generation + 1
                connection.execute("UPDATE generation SET number = ?", (number,))
            return Stored(
                pools=after.pools,
                routes=after.routes,
                switches=after.switches,
                generation=number,
            )

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with connected(self.path) as connection:
                connection.executescript(_SCHEMA)
                return write(connection)
        except (sqlite3.Error, OSError) as error:
            raise StateError(
                f"the state database {self.path} cannot be written: {type(error).__name__}: {error}"
            ) from error

    def _guarded(self, work: Callable[[sqlite3.Connection], _Result], empty: _Result) -> _Result:
        """What ``work`` gives; ``empty`` where there is no database, or a damaged one."""
        if not self.path.exists():
            return empty
        try:
            with connected(self.path) as connection:
                return work(connection) if _complete(connection) else empty
        except sqlite3.OperationalError as error:
            raise StateError(f"the state database {self.path} cannot be read: {error}") from error
        except sqlite3.DatabaseError as error:
            try:
                self._set_aside(error)
            except OSError as held:  # on Windows, while another process has it open
                raise StateError(
                    f"the state database {self.path} is damaged ({error}) and cannot be set "
                    f"aside: {held}"
                ) from error
            return empty

    def _set_aside(self, error: sqlite3.Error) -> None:
        stamp = self._clock.now().strftime("%Y%m%dT%H%M%S")
        aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
        log.warning(
            "the state database %s is damaged (%s): it is set aside as %s; pools, routes and "
            "switches that were made at run time are gone",
            *(self.path, error, aside.name),
        )
        for companion in _COMPANIONS:
            old = self.path.with_name(self.path.name + companion)
            if old.exists():
                old.replace(aside.with_name(aside.name + companion))


@contextmanager
def connected(path: Path) -> Generator[sqlite3.Connection]:
    """A connection to the database, which is made if there is none; one for each thread."""
    with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as connection:
        _log_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")
        yield connection


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Have it written with a log ahead; here SQLite itself does not wait for who does the same."""
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= ends:
                raise
            time.sleep(_AGAIN)
        else:
            return


def _complete(connection: sqlite3.Connection) -> bool:
    """False where the making of the database broke off, as on a full disk: it holds nothing."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE name IN ('entries', 'generation')"
    )
    return len(tables.fetchall()) == 2  # noqa: PLR2004 - both of them


def _put(
    connection: sqlite3.Connection,
    kind: str,
    before: Mapping[str, Table],
    after: Mapping[str, Table],
) -> None:
    for name in before.keys() - after.keys():
        connection.execute("DELETE FROM entries WHERE kind = ? AND name = ?", (kind, name))
    for name, record in after.items():
        if before.get(name) != record:
            row = (kind, name, record.model_dump_json())
            connection.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", row)


def _stored(rows: list[tuple[str, str, str]], generation: int) -> Stored:
    """The rows as records; one that cannot be read is left out with a warning."""
    found: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    for kind, name, value in rows:
        try:
            found[kind][name] = KINDS[kind].model_validate_json(value)
        except (KeyError, ValidationError):
            log.warning("the state database has a row that nobody understands: %s %r", kind, name)
    return Stored(**found, generation=generation)
