"""The calls of each account by day in the state database, so that a restart forgets none.

Processes that share the file add up: each writes what it made itself, under an id of its own, and
learns what the others made. So nothing that was counted can be overwritten, and a writing that is
done twice counts once.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
from collections import defaultdict
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any

from argus_core.clock import Clock
from argus_core.control.state import connected
from argus_core.routing.quota.daybook import Owner
from argus_core.routing.quota.tally import day_of

log = logging.getLogger(__name__)

Counts = dict[Owner, dict[str, dict[int, int]]]
"""Calls by account, interface and day."""

_KEPT = 3
"""Days that stay in the file when they are over: a clock may jump and be put right again."""
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS quota_salt (only_one INTEGER PRIMARY KEY, salt BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS quota_calls (
        source TEXT NOT NULL, account TEXT NOT NULL, interface TEXT NOT NULL, day TEXT NOT NULL,
        process TEXT NOT NULL, calls INTEGER NOT NULL,
        PRIMARY KEY (source, account, interface, day, process)
    ) WITHOUT ROWID;
"""
_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'quota_calls'"
_FORGET = """
    DELETE FROM quota_calls WHERE day < :today AND day NOT IN (
        SELECT DISTINCT day FROM quota_calls WHERE day < :today ORDER BY day DESC LIMIT :kept
    )
"""
_OTHERS = """
    SELECT source, account, interface, day, SUM(calls) FROM quota_calls WHERE process != ?
    GROUP BY source, account, interface, day
"""


class QuotaTable:
    """The table in the database at ``path``. Its methods block."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._fingerprints: dict[tuple[bytes, bytes], str] = {}

    def exchange(self, process: str, own: Counts, owners: Collection[Owner]) -> Counts:
        """What other processes noted of the owners' calls, after noting those of ``process``.

        ``own`` are its calls of whole days so far; days that have not changed may be left out.
        Raises ``sqlite3.Error`` or ``OSError``; then nothing is written.
        """
        if not own and not self.path.exists():
            return {}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with connected(self.path) as connection:
            # Who loses the power loses the last calls; that is not worth waiting for the disk.
            connection.execute("PRAGMA synchronous = NORMAL")
            if own:
                self._write(connection, process, own)
            elif not connection.execute(_THERE).fetchone():
                return {}
            return self._read(connection, process, owners)

    def _write(self, connection: sqlite3.Connection, process: str, own: Counts) -> None:
        connection.executescript(_SCHEMA)
        connection.execute("INSERT OR IGNORE INTO quota_salt VALUES (1, ?)", (os.urandom(16),))
        salt = _salt(connection)
        rows = [
            (owner.source, self._fingerprint(owner, salt), interface, _text(day), process, calls)
            for owner, interfaces in own.items()
            for interface, days in interfaces.items()
            for day, calls in days.items()
        ]
        terms = {"today": _text(day_of(self._clock)), "kept": _KEPT}
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT OR REPLACE INTO quota_calls VALUES (?, ?, ?, ?, ?, ?)", rows
            )
            connection.execute(_FORGET, terms)

    def _read(
        self, connection: sqlite3.Connection, process: str, owners: Collection[Owner]
    ) -> Counts:
        rows = connection.execute(_OTHERS, (process,)).fetchall()
        sources = {row[0] for row in rows}
        salt = _salt(connection) if rows else b""
        # The fingerprint takes its time: only of those of whom the file may tell something.
        prints = {
            (owner.source, self._fingerprint(owner, salt)): owner
            for owner in owners
            if owner.source in sources
        }
        found: Counts = defaultdict(lambda: defaultdict(dict))
        for source, account, interface, day, calls in rows:
            owner = prints.get((source, account))
            if owner is None:
                continue
            if (ordinal := _ordinal(day)) is None or not isinstance(calls, int) or calls < 0:
                log.warning("the counts of quotas have a row that nobody understands: %r", source)
                continue
            found[owner][interface][ordinal] = calls
        return found

    def _fingerprint(self, owner: Owner, salt: bytes) -> str:
        """What the file calls an account. Slow, salted and short, so that it betrays no secret.

        Of any two accounts it tells apart all but one pair in four billions; but of passwords
        to try, one in four billions fits as well as the right one.
        """
        key = (owner.identity, salt)
        if key not in self._fingerprints:
            digest = hashlib.scrypt(owner.identity, salt=salt, n=2**14, r=8, p=1, dklen=4)
            self._fingerprints[key] = digest.hex()
        return self._fingerprints[key]


def _salt(connection: sqlite3.Connection) -> bytes:
    row: Any = connection.execute("SELECT salt FROM quota_salt").fetchone()
    if row is None or not isinstance(row[0], bytes):
        raise sqlite3.DatabaseError("the table quota_salt holds no salt")
    return row[0]


def _text(day: int) -> str:
    return date.fromordinal(day).isoformat()


def _ordinal(day: object) -> int | None:
    try:
        return date.fromisoformat(str(day)).toordinal()
    except ValueError:
        return None
