"""The connection to one SQLite file, which may be damaged, moved or deleted at any time."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from argus_core import Clock
from argus_sqlite.layout import prepare
from argus_sqlite.lock import FileLock

log = logging.getLogger(__name__)

LOCKING = 1.0
"""Seconds to wait for another process that opens the file, or moves it aside."""

ASIDE = ".corrupt-"
KEPT = 2
"""Damaged files that are kept; older ones are deleted, since each may be as large as the bound."""

LOOK = 5000
"""Instructions of SQLite between two looks at whether anybody still waits for the result."""

_BESIDE = ("-wal", "-shm")
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

Mark = tuple[int, int]


class Damaged(sqlite3.DatabaseError):
    """A value is not what was stored, though SQLite sees nothing wrong."""


def damaged(error: Exception) -> bool:
    """True if the error means that the file's contents cannot be trusted."""
    # A table that is missing was there when the connection was made.
    lost = isinstance(error, sqlite3.OperationalError) and str(error).startswith("no such ")
    return isinstance(error, Damaged) or code_of(error) in _DAMAGE or lost


def code_of(error: Exception) -> int:
    """SQLite's primary code for the error, 0 if it is none of SQLite's."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


class File:
    """The file at ``path`` and the connection to it; used by one thread.

    Opening and moving aside happen under a lock between processes, because a database must never
    meet the log of another one that had its name. ``patience`` is how long a statement waits for
    other processes, ``dropped`` tells whether the present one can be given up.
    """

    def __init__(
        self, path: Path, clock: Clock, *, patience: float, dropped: Callable[[], bool]
    ) -> None:
        self.path = path
        self._clock = clock
        self._patience = patience
        self._dropped = dropped
        self._lock = FileLock(_with(path, ".lock"), LOCKING)
        self._db: sqlite3.Connection | None = None
        self._mark: Mark | None = None

    def connection(self) -> sqlite3.Connection:
        """The connection, made anew where there is none or another file has taken the name.

        Raises :class:`sqlite3.Error`, :class:`OSError` or ``layout.Foreign``.
        """
        if self._db is not None and self._mark == _mark(self.path):
            return self._db
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            try:
                self._db = self._connected()
            except sqlite3.Error as error:
                if not damaged(error):
                    raise
                self._move(error)
                self._db = self._connected()
            self._mark = _mark(self.path)
        return self._db

    def set_aside(self, error: Exception) -> None:
        """Give the damaged file another name, unless another process has done so already."""
        mark = self._mark
        self.close()
        with self._lock:
            if mark is not None and mark == _mark(self.path):
                self._move(error)

    def close(self) -> None:
        """Close the connection, if there is one."""
        db, self._db, self._mark = self._db, None, None
        if db is not None:
            db.close()

    def _connected(self) -> sqlite3.Connection:
        if _mark(self.path) is None:
            # What belonged to a file that was deleted; SQLite would take it for this one's.
            for end in _BESIDE:
                _with(self.path, end).unlink(missing_ok=True)
        db = sqlite3.connect(self.path, timeout=self._patience, isolation_level=None)
        try:
            prepare(db)
            db.set_progress_handler(self._dropped, LOOK)
        except BaseException:
            db.close()
            raise
        return db

    def _move(self, error: Exception) -> None:
        """Rename the file and what lies beside it, and say so."""
        aside = _free(_with(self.path, f"{ASIDE}{self._clock.now():%Y%m%dT%H%M%S}"))
        self.path.replace(aside)
        for end in _BESIDE:
            if _with(self.path, end).exists():
                _with(self.path, end).replace(_with(aside, end))
        log.warning("%s is damaged (%s): kept as %s, begun anew", self.path, error, aside.name)
        self._tidy()

    def _tidy(self) -> None:
        """Delete all but the newest damaged files."""
        begins = self.path.name + ASIDE
        beside = [p for p in self.path.parent.iterdir() if p.name.startswith(begins)]
        names = sorted({p.name.removesuffix("-wal").removesuffix("-shm") for p in beside})
        old = set(names[:-KEPT])
        for path in beside:
            if path.name.removesuffix("-wal").removesuffix("-shm") in old:
                path.unlink(missing_ok=True)


def _mark(path: Path) -> Mark | None:
    """What tells a file from others that have or had its name; ``None`` if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - before every statement: Path.stat takes twice as long
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _with(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _free(path: Path) -> Path:
    """The path itself, or with a number behind it the first that does not exist."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = _with(path, f".{number}")
    return free
