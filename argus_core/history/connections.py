"""Connections to the ledger's SQLite file, shared by threads and processes.

The file may be damaged, deleted or replaced by another process at any time: whoever takes a
connection gets one to the file that is there now, or hears that it has to be made anew.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from argus_core.errors import CacheError
from argus_core.history.place import Identity, Place

READ_WAIT: Final = 0.2
"""Seconds to wait for a lock before a read gives up; in WAL mode a writer does not block it."""
WRITE_WAIT: Final = 1.0
"""The same for a write; nothing a consumer waits for."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY: Final = 0xFF


class LedgerDamaged(CacheError):
    """The file is absent or no ledger; ``identity`` says which file, None if it is absent."""

    def __init__(self, message: str, identity: Identity | None) -> None:
        super().__init__(message)
        self.identity = identity


class LedgerReplaced(CacheError):
    """What was written went to a file that is the ledger no more: it must be written again."""


class Connections:
    """As many connections as threads use at once; idle ones wait for the next."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._idle: list[tuple[Identity, sqlite3.Connection]] = []
        self._lock = threading.Lock()
        self._closed = True

    def open(self) -> None:
        """Allow connections; the first is made when it is needed."""
        self._closed = False

    def close(self) -> None:
        """Close idle connections, and those in use as they come back; no more are made."""
        self._closed = True
        self.forget()

    def forget(self) -> None:
        """Close idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """A connection for reading."""
        with self._borrowed() as (_, connection):
            yield connection

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A connection in a transaction that nobody else can write in; committed at the end.

        :class:`LedgerReplaced` if another file has taken the ledger's place by then.
        """
        with self._borrowed() as (identity, connection):
            connection.execute(f"PRAGMA busy_timeout = {int(WRITE_WAIT * 1000)}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # What cannot be rolled back was never begun, or SQLite has done so itself
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            connection.execute(f"PRAGMA busy_timeout = {int(READ_WAIT * 1000)}")
            if self.place.identity() != identity:
                raise LedgerReplaced("the archive's ledger was replaced during a write")

    @contextmanager
    def _borrowed(self) -> Generator[tuple[Identity, sqlite3.Connection]]:
        identity = self.place.identity()
        if self._closed:
            raise CacheError("the archive is closed")
        if identity is None:
            raise LedgerDamaged("the archive's ledger is not there", None)
        connection: sqlite3.Connection | None = None
        whole = False
        try:
            connection = self._take(identity) or _connected(self.place.root / identity[0])
            yield identity, connection
            whole = True
        except sqlite3.Error as error:
            raise _told(error, identity) from error
        finally:
            if connection is not None:
                self._give_back(identity, connection, whole=whole)

    def _take(self, identity: Identity) -> sqlite3.Connection | None:
        """An idle connection to that very file; those to other files are closed."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                known, connection = self._idle.pop()
            if known == identity:
                return connection
            connection.close()

    def _give_back(
        self, identity: Identity, connection: sqlite3.Connection, *, whole: bool
    ) -> None:
        with self._lock:
            if whole and not self._closed:
                self._idle.append((identity, connection))
                return
        connection.close()


def _connected(path: Path) -> sqlite3.Connection:
    """A connection to a ledger that exists; one that is absent is not made."""
    name = quote(str(path.absolute()).replace("\\", "/"))
    connection = sqlite3.connect(
        f"file:{name if name.startswith('/') else '/' + name}?mode=rw",
        uri=True,
        timeout=READ_WAIT,
        isolation_level=None,
        check_same_thread=False,
    )
    # What a power cut takes from the end of the log is found again among the files
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _told(error: sqlite3.Error, identity: Identity) -> CacheError:
    """The same as an error of Argus: of a ledger to be made anew, or of one that is in trouble."""
    code = getattr(error, "sqlite_errorcode", None)
    text = str(error)
    if (code is not None and code & _PRIMARY in _DAMAGED) or "no such" in text:
        return LedgerDamaged(f"the archive's ledger is damaged: {text}", identity)
    return CacheError(f"the archive's ledger cannot be used: {text}")
