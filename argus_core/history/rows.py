"""The ledger's tables, and what its rows mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import orjson

from argus_core.clock import SHANGHAI
from argus_core.history.chunks import About, Pair, Seal, read_pairs, told_pairs
from argus_core.history.revisions import Revision, read_label
from argus_core.history.series import SeriesKey

Wanted = tuple[SeriesKey, str, str]
"""A series, and the names of the first and the last bucket that are wanted."""
EVERY: Final = ("", "~")
"""Names before and after that of any bucket."""
SCHEMA: Final = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    dataset TEXT NOT NULL, period TEXT NOT NULL, source TEXT NOT NULL, symbol TEXT NOT NULL,
    UNIQUE (dataset, period, source, symbol)
);
CREATE TABLE chunks (
    series INTEGER NOT NULL, bucket TEXT NOT NULL,
    file TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, spans TEXT NOT NULL,
    PRIMARY KEY (series, bucket)
) WITHOUT ROWID;
CREATE UNIQUE INDEX named ON chunks (file);
CREATE TABLE seals (
    series INTEGER NOT NULL, bucket TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL,
    fetched_at REAL NOT NULL, sealed_at REAL NOT NULL, verified INTEGER NOT NULL,
    PRIMARY KEY (series, bucket, first)
) WITHOUT ROWID;
CREATE INDEX unverified ON seals (sealed_at) WHERE NOT verified;
CREATE TABLE revisions (
    id INTEGER PRIMARY KEY,
    dataset TEXT NOT NULL, period TEXT NOT NULL, source TEXT NOT NULL, symbol TEXT NOT NULL,
    label TEXT NOT NULL, field TEXT NOT NULL, old REAL, new REAL, kind TEXT NOT NULL,
    noticed_at REAL NOT NULL
);
CREATE INDEX noticed ON revisions (noticed_at);
CREATE INDEX corrected ON revisions (symbol, noticed_at);
CREATE TABLE doomed (file TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE swept (at REAL NOT NULL);
"""
"""``doomed``: files of cleared series that are still to be deleted; ``swept``: the last sweep."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """A chunk as the ledger knows it."""

    bucket: str
    file: str
    size: int
    spans: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Replacement:
    """What becomes of a bucket, and the file of its new chunk, if it has one."""

    bucket: str
    seals: tuple[Seal, ...]
    about: About | None = None
    """Of the new chunk; None if the old one stays."""
    file: str = ""
    size: int = 0


REVISION: Final = "dataset, period, source, symbol, label, field, old, new, kind, noticed_at"
"""The columns of a revision."""


def chunks_query(many: int) -> str:
    """The chunks of so many wanted series, each row with the number of its series in front."""
    one = "(?, ?, ?, ?, ?, ?, ?)"
    values = ", ".join([one] * many)
    return (
        "WITH wanted (number, dataset, period, source, symbol, low, high) AS "  # noqa: S608
        f"(VALUES {values}) SELECT number, bucket, file, bytes, spans "
        "FROM wanted CROSS JOIN series USING (dataset, period, source, symbol) "
        "CROSS JOIN chunks ON series = id AND bucket BETWEEN low AND high ORDER BY number, bucket"
    )


def parameters(wanted: Sequence[Wanted]) -> Iterator[Any]:
    """The parameters of :func:`chunks_query`."""
    for number, (key, low, high) in enumerate(wanted):
        yield number
        yield from names(key)
        yield low
        yield high


def names(key: SeriesKey) -> tuple[str, str, str, str]:
    """A series as columns."""
    return key.dataset, key.period, key.source, key.symbol


def key(columns: Sequence[str]) -> SeriesKey:
    """A series out of its columns; ValueError if there can be none such."""
    dataset, period, source, symbol = columns
    if dataset not in ("bars", "factors"):
        raise ValueError(f"dataset {dataset!r}")
    return SeriesKey(dataset, period, source, symbol)


def shelved(columns: Sequence[Any]) -> Shelved:
    """A chunk out of its columns; ValueError or TypeError if they make no sense."""
    bucket, file, size, spans = columns
    return Shelved(bucket, file, size, read_pairs(orjson.loads(spans)))


def series(connection: sqlite3.Connection, wanted: SeriesKey) -> int:
    """The number of a series, which is given one if it has none."""
    found = connection.execute(
        "SELECT id FROM series WHERE dataset = ? AND period = ? AND source = ? AND symbol = ?",
        names(wanted),
    ).fetchone()
    if found is not None:
        return int(found[0])
    made = connection.execute(
        "INSERT INTO series (dataset, period, source, symbol) VALUES (?, ?, ?, ?)", names(wanted)
    )
    return int(made.lastrowid or 0)


def seals(
    connection: sqlite3.Connection, wanted: SeriesKey, low: str, high: str
) -> dict[str, tuple[Seal, ...]]:
    """The seals of a series by bucket; ValueError or TypeError if they make no sense."""
    found: dict[str, tuple[Seal, ...]] = {}
    for bucket, first, last, fetched_at, sealed_at, verified in connection.execute(
        "SELECT bucket, first, last, fetched_at, sealed_at, verified "
        "FROM series JOIN seals ON series = id "
        "WHERE dataset = ? AND period = ? AND source = ? AND symbol = ? "
        "AND bucket BETWEEN ? AND ? ORDER BY bucket, first",
        [*names(wanted), low, high],
    ):
        seal = Seal(
            date.fromisoformat(first),
            date.fromisoformat(last),
            fetched_at,
            sealed_at,
            bool(verified),
        )
        found[bucket] = (*found.get(bucket, ()), seal)
    return found


def add_seals(
    connection: sqlite3.Connection, number: int, bucket: str, new: Iterable[Seal]
) -> None:
    """Enter seals of a series' bucket."""
    connection.executemany(
        "INSERT INTO seals VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                number,
                bucket,
                seal.first.isoformat(),
                seal.last.isoformat(),
                seal.fetched_at,
                seal.sealed_at,
                seal.verified,
            )
            for seal in new
        ],
    )


def replace(connection: sqlite3.Connection, number: int, new: Replacement) -> None:
    """Enter what became of a series' bucket in place of what was."""
    connection.execute("DELETE FROM seals WHERE series = ? AND bucket = ?", [number, new.bucket])
    add_seals(connection, number, new.bucket, new.seals)
    if new.about is not None:
        spans = orjson.dumps(told_pairs(new.about.spans)).decode()
        connection.execute(
            "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?, ?)",
            [number, new.bucket, new.file, new.about.rows, new.size, spans],
        )


def add_revisions(connection: sqlite3.Connection, new: Iterable[Revision]) -> None:
    """Enter revisions, the oldest first."""
    connection.executemany(
        f"INSERT INTO revisions ({REVISION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        [_columns(one) for one in new],
    )


def known(connection: sqlite3.Connection, one: Revision) -> bool:
    """Whether the very revision is entered."""
    where = " AND ".join(f"{name.strip()} IS ?" for name in REVISION.split(","))
    found = connection.execute(
        f"SELECT 1 FROM revisions WHERE {where} LIMIT 1",  # noqa: S608 - column names
        _columns(one),
    )
    return found.fetchone() is not None


def revision(columns: Sequence[Any]) -> Revision:
    """A revision out of its columns; ValueError or TypeError if they make no sense."""
    dataset, period, source, symbol, label, field, old, new, kind, noticed_at = columns
    if kind not in ("changed", "added", "removed"):
        raise ValueError(f"kind {kind!r}")
    return Revision(
        dataset,
        period,
        source,
        symbol,
        read_label(label),
        field,
        old,
        new,
        datetime.fromtimestamp(noticed_at, SHANGHAI),
        kind,
    )


def _columns(one: Revision) -> tuple[Any, ...]:
    return (
        one.dataset,
        one.period,
        one.source,
        one.symbol,
        one.label.isoformat(),
        one.field,
        one.old,
        one.new,
        one.kind,
        one.noticed_at.timestamp(),
    )
