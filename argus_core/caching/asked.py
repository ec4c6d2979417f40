"""How often each symbol was asked for, by day, in a file that several processes share."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

from argus_core.caching.accesses import Accesses, Counts

log = logging.getLogger(__name__)

FILE = "asked.sqlite3"
"""The file's name in the server's data_dir."""
KEPT = 7
"""Days that stay in the file: the last ones on which anything was asked, holidays or not."""
MINUTE = 60.0
"""Seconds between two writings."""
_PATIENCE = 5.0
"""Seconds that another process' writing is waited for."""

_TABLE = """
CREATE TABLE IF NOT EXISTS asked (
    day TEXT NOT NULL, dataset TEXT NOT NULL, symbol TEXT NOT NULL, period TEXT NOT NULL,
    times INTEGER NOT NULL, PRIMARY KEY (day, dataset, symbol, period)
) WITHOUT ROWID
"""
_ADD = """
INSERT INTO asked VALUES (?, ?, ?, ?, ?)
ON CONFLICT (day, dataset, symbol, period) DO UPDATE SET times = times + excluded.times
"""
_FORGET = """
DELETE FROM asked WHERE day NOT IN (SELECT DISTINCT day FROM asked ORDER BY day DESC LIMIT ?)
"""
_MOST = """
SELECT dataset, symbol, period, times FROM asked WHERE day = ?
ORDER BY times DESC, dataset, symbol, period LIMIT ?
"""


class Asking(NamedTuple):
    """How many times a symbol was asked for; ``period`` is that of bars, else None."""

    dataset: str
    symbol: str
    period: str | None
    times: int


class Asked:
    """The counts of the last days. All methods block; none raises: the counts are a convenience."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, counts: Counts) -> bool:
        """True if the counts were added to those of their days."""
        rows = [
            (day.isoformat(), dataset, symbol, period, times)
            for (day, dataset, period), symbols in counts.items()
            for symbol, times in symbols.items()
        ]
        if not rows:
            return True
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._opened() as file:
                file.execute("BEGIN IMMEDIATE")
                file.execute(_TABLE)
                file.executemany(_ADD, rows)
                file.execute(_FORGET, (KEPT,))
                file.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self._failed("added", error)
            return False
        return True

    def most_asked(self, day: date, limit: int) -> list[Asking]:
        """The symbols that were asked for most on a Shanghai date, the most asked first.

        Empty where nothing is known of that day, or the file cannot be read.
        """
        found = self._read(_MOST, (day.isoformat(), max(0, limit)))
        return [Asking(dataset, symbol, period or None, n) for dataset, symbol, period, n in found]

    def last_day(self, before: date) -> date | None:
        """The last date before ``before`` on which anything was asked; None if none is known."""
        found = self._read("SELECT max(day) FROM asked WHERE day < ?", (before.isoformat(),))
        return date.fromisoformat(found[0][0]) if found and found[0][0] else None

    def _read(self, question: str, terms: tuple[object, ...]) -> list[tuple[str, str, str, int]]:
        if not self.path.exists():
            return []
        try:
            with self._opened() as file:
                file.execute(_TABLE)
                return file.execute(question, terms).fetchall()
        except (sqlite3.Error, OSError) as error:
            self._failed("read", error)
            return []

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        """A connection of its own: so many threads and processes may ask as like."""
        with closing(
            sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
        ) as connection:
            yield connection

    def _failed(self, what: str, error: Exception) -> None:
        log.warning("the counts of asked symbols cannot be %s: %s", what, error)
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(
            error, sqlite3.OperationalError
        )
        if damaged:
            # Nothing in it is worth mending; the next counts begin a new one.
            with contextlib.suppress(OSError):
                self.path.unlink()


class Tally:
    """Writes what was counted to the file, each minute and at the end."""

    def __init__(self, accesses: Accesses, asked: Asked) -> None:
        self._accesses = accesses
        self._asked = asked
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write each minute."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def flush(self) -> None:
        """Write what was counted since the last time; keep it for the next if that fails."""
        counts = self._accesses.take()
        if not await asyncio.to_thread(self._asked.add, counts):
            self._accesses.give_back(counts)

    async def aclose(self) -> None:
        """Write what is left and stop; safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            await self.flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(MINUTE)
            await self.flush()
