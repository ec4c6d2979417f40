"""What a cache file looks like inside, and how a connection to one is prepared."""

from __future__ import annotations

import sqlite3
from typing import Any

APPLICATION = 0x41726773
"""The number in the file's header that says whose it is: "Args"."""

VERSION = 1
"""The version of this layout."""

WAL_KEPT = 4 << 20
"""Bytes that the write-ahead log keeps on disk after it was emptied."""

# Keys are UTF-8 as bytes: any text has them, and prefixes are ranges of them. `used` is coarse, so
# that reading a value again and again changes nothing. `crc` is over key and value: SQLite itself
# notices only damage to its own structures.
_TABLES = (
    """
    CREATE TABLE entries (
        key BLOB NOT NULL UNIQUE,
        expires REAL NOT NULL,
        used INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        value BLOB NOT NULL
    )
    """,
    "CREATE INDEX by_expiry ON entries (expires)",
    "CREATE INDEX by_use ON entries (used)",
    "CREATE TABLE totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    "INSERT INTO totals VALUES (0, 0)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)
_EACH_CONNECTION = (
    # A commit need not wait for the disk: after a power cut the last ones may be missing, whole.
    "PRAGMA synchronous = NORMAL",
    f"PRAGMA journal_size_limit = {WAL_KEPT}",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
    # Some builds overwrite what is deleted, which only costs time here.
    "PRAGMA secure_delete = OFF",
)


class Foreign(Exception):
    """The file is a database, but not a cache of this version: it must not be touched."""


def prepare(db: sqlite3.Connection) -> None:
    """Return when the connection can be used; a new file gets its tables.

    Nothing else may open the file meanwhile. Raises :class:`Foreign`, or what SQLite raises.
    """
    application, version = one(db, "PRAGMA application_id"), one(db, "PRAGMA user_version")
    empty = application == 0 and one(db, "SELECT count(*) FROM sqlite_master") == 0
    if not empty and application != APPLICATION:
        raise Foreign("it is a database of something else")
    if not empty and version != VERSION:
        raise Foreign(f"its layout is version {version}; this is version {VERSION}")
    if empty:
        # Only possible before the first table: freed space can then be given back in pieces.
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    if one(db, "PRAGMA journal_mode = WAL") != "wal":
        raise Foreign("its file system allows no write-ahead log")
    for statement in _EACH_CONNECTION:
        db.execute(statement).close()
    if empty:
        db.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            db.execute(statement)
        db.execute("COMMIT")


def one(db: sqlite3.Connection, statement: str) -> Any:
    """The one value that a statement gives."""
    (value,) = db.execute(statement).fetchone()
    return value
