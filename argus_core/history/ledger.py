"""The ledger: which chunk file holds what, what is sealed, and what was corrected. In SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from argus_core.history import rows
from argus_core.history.chunks import Seal
from argus_core.history.connections import Connections, LedgerDamaged
from argus_core.history.parts import ArchiveStats, Cleared, Mark, RevisionPage
from argus_core.history.place import Place
from argus_core.history.revisions import Revision
from argus_core.history.rows import EVERY, Replacement, Shelved, Wanted
from argus_core.history.series import SeriesKey

_BATCH = 400
"""Series in one query; SQLite allows 32 766 parameters."""


YOUNG = "-15 days"
"""Days up to this long before they were sealed may still be corrected by their vendor."""


class Ledger:
    """Queries and transactions. Every error is a :class:`CacheError`; see ``connections``."""

    def __init__(self, place: Place) -> None:
        self.connections = Connections(place)

    def chunks(self, wanted: Iterable[Wanted]) -> dict[SeriesKey, list[Shelved]]:
        """The chunks of each series in order of their buckets; of none nothing."""
        asked = list(wanted)
        found: dict[SeriesKey, list[Shelved]] = {}
        with self.connections.reading() as connection, self._understood():
            for at in range(0, len(asked), _BATCH):
                batch = asked[at : at + _BATCH]
                query = rows.chunks_query(len(batch))
                for number, *row in connection.execute(query, [*rows.parameters(batch)]):
                    found.setdefault(batch[int(number)][0], []).append(rows.shelved(row))
        return found

    def shelf(self) -> list[tuple[SeriesKey, Shelved]]:
        """Every chunk, all as of one instant."""
        with self.connections.reading() as connection, self._understood():
            return [
                (rows.key(row[:4]), rows.shelved(row[4:]))
                for row in connection.execute(
                    "SELECT dataset, period, source, symbol, bucket, file, bytes, spans "
                    "FROM series JOIN chunks ON series = id ORDER BY 1, 2, 3, 4, 5"
                )
            ]

    def seals(self, key: SeriesKey, low: str, high: str) -> dict[str, tuple[Seal, ...]]:
        """The seals of a series by bucket."""
        with self.connections.reading() as connection, self._understood():
            return rows.seals(connection, key, low, high)

    def commit(
        self,
        key: SeriesKey,
        expected: Mapping[str, str | None],
        replacements: Sequence[Replacement],
        record: Callable[[], None],
        revisions: Sequence[Revision],
    ) -> bool:
        """Whether the replacements were made: only if the buckets' files are as expected.

        ``record`` runs inside of the transaction, once it is sure that nobody else was first.
        """
        with self.connections.writing() as connection:
            series = rows.series(connection, key)
            now = dict(
                connection.execute("SELECT bucket, file FROM chunks WHERE series = ?", [series])
            )
            if any(now.get(bucket) != file for bucket, file in expected.items()):
                return False
            for replacement in replacements:
                rows.replace(connection, series, replacement)
            if revisions:
                rows.add_revisions(connection, revisions)
                record()
            return True

    def drop(self, key: SeriesKey, file: str) -> bool:
        """Whether the chunk with this file was dropped, with what was sealed by it."""
        with self.connections.writing() as connection:
            for series, bucket in connection.execute(
                "SELECT series, bucket FROM chunks JOIN series ON id = series "
                "WHERE dataset = ? AND period = ? AND source = ? AND symbol = ? AND file = ?",
                [*rows.names(key), file],
            ).fetchall():
                for table in ("chunks", "seals"):
                    connection.execute(
                        f"DELETE FROM {table} WHERE series = ? AND bucket = ?",  # noqa: S608
                        [series, bucket],
                    )
                return True
            return False

    def verified(self, key: SeriesKey, reseal: Callable[[Seal], Iterable[Seal]]) -> None:
        """Put what ``reseal`` makes of each unverified seal of a series in its place."""
        with self.connections.writing() as connection, self._understood():
            found = rows.seals(connection, key, *EVERY)
            series = rows.series(connection, key) if found else 0
            for bucket, seals in found.items():
                for seal in seals:
                    if seal.verified:
                        continue
                    connection.execute(
                        "DELETE FROM seals WHERE series = ? AND bucket = ? AND first = ?",
                        [series, bucket, seal.first.isoformat()],
                    )
                    rows.add_seals(connection, series, bucket, reseal(seal))

    def unverified(self, sealed_before: float, limit: int) -> list[tuple[SeriesKey, date, date]]:
        """Seals that were never verified, the oldest first; only days that were young when sealed.

        What was long over when it was first fetched has had its corrections.
        """
        young = "date(sealed_at, 'unixepoch', ?)"
        with self.connections.reading() as connection, self._understood():
            return [
                (rows.key(names), date.fromisoformat(first), date.fromisoformat(last))
                for *names, first, last in connection.execute(
                    "SELECT dataset, period, source, symbol, "  # noqa: S608 - fixed texts
                    f"max(first, {young}), last FROM seals JOIN series ON id = series "
                    f"WHERE NOT verified AND sealed_at < ? AND last >= {young} "
                    "ORDER BY sealed_at, series, first LIMIT ?",
                    [YOUNG, sealed_before, YOUNG, limit],
                )
            ]

    def revisions(
        self,
        *,
        symbol: str | None = None,
        source: str | None = None,
        since: float | None = None,
        limit: int,
        after: Mark | None = None,
    ) -> RevisionPage:
        """At most ``limit`` corrections, the newest first; with ``after``, what comes after it."""
        bounds = {"symbol = ?": symbol, "source = ?": source, "noticed_at >= ?": since}
        asked = {text: value for text, value in bounds.items() if value is not None}
        where, values = " AND ".join(asked) or "1", list(asked.values())
        place = "(noticed_at, id) < (?, ?)" if after else "1"
        with self.connections.reading() as connection, self._understood():
            (total,) = connection.execute(
                f"SELECT count(*) FROM revisions WHERE {where}",  # noqa: S608 - fixed texts
                values,
            ).fetchone()
            found = connection.execute(
                f"SELECT id, {rows.REVISION} FROM revisions "  # noqa: S608 - fixed texts
                f"WHERE {where} AND {place} ORDER BY noticed_at DESC, id DESC LIMIT ?",
                [*values, *(after or ()), limit + 1],
            ).fetchall()
            page = tuple(rows.revision(row) for _, *row in found[:limit])
            last = None
            if len(found) > limit:
                number, *_, noticed_at = found[limit - 1]
                last = (float(noticed_at), int(number))
            return RevisionPage(page, total, last)

    def series(self) -> list[SeriesKey]:
        """The series that have a chunk, in order."""
        with self.connections.reading() as connection, self._understood():
            return [
                rows.key(names)
                for names in connection.execute(
                    "SELECT dataset, period, source, symbol FROM series "
                    "WHERE EXISTS (SELECT 1 FROM chunks WHERE series = id) ORDER BY 1, 2, 3, 4"
                )
            ]

    def stats(self) -> ArchiveStats:
        """How much there is."""
        with self.connections.reading() as connection:
            row = connection.execute(
                "SELECT count(DISTINCT series), coalesce(sum(rows), 0), coalesce(sum(bytes), 0), "
                "count(*), coalesce(sum(json_array_length(spans)), 0), "
                "(SELECT count(*) FROM revisions) FROM chunks"
            ).fetchone()
            return ArchiveStats(*row)

    def clear(self, names: Mapping[str, str]) -> tuple[Cleared, list[str]]:
        """What was forgotten of the series so named, and the files that are to be deleted."""
        where = " AND ".join(f"{column} = ?" for column in names)
        with self.connections.writing() as connection:
            gone = connection.execute(
                f"SELECT id FROM series WHERE {where}",  # noqa: S608 - column names of our own
                list(names.values()),
            ).fetchall()
            count = size = many = 0
            files: list[str] = []
            for (series,) in gone:
                found = connection.execute(
                    "SELECT file, rows, bytes FROM chunks WHERE series = ?", [series]
                ).fetchall()
                files += [file for file, _, _ in found]
                count += sum(number for _, number, _ in found)
                size += sum(length for _, _, length in found)
                many += bool(found)
                for table, column in (("chunks", "series"), ("seals", "series"), ("series", "id")):
                    connection.execute(f"DELETE FROM {table} WHERE {column} = ?", [series])  # noqa: S608
            connection.executemany(
                "INSERT OR IGNORE INTO doomed VALUES (?)", [(file,) for file in files]
            )
        return Cleared(series=many, rows=count, bytes=size), files

    def doomed(self) -> list[str]:
        """Files of cleared series that are still to be deleted."""
        with self.connections.reading() as connection:
            return [file for (file,) in connection.execute("SELECT file FROM doomed")]

    def deleted(self, files: Iterable[str]) -> None:
        """Those files are gone."""
        with self.connections.writing() as connection:
            connection.executemany("DELETE FROM doomed WHERE file = ?", [(one,) for one in files])

    def sweep_due(self, now: float, every: float) -> bool:
        """Whether the last sweep is so long ago; if so, the caller is the one who does it."""
        with self.connections.writing() as connection:
            last = connection.execute("SELECT max(at) FROM swept").fetchone()[0]
            if last is not None and 0 <= now - last < every:
                return False
            connection.execute("DELETE FROM swept")
            connection.execute("INSERT INTO swept VALUES (?)", [now])
            return True

    def named(self, file: str) -> bool:
        """Whether a chunk has this file."""
        with self.connections.reading() as connection:
            found = connection.execute("SELECT 1 FROM chunks WHERE file = ?", [file])
            return found.fetchone() is not None

    def files(self) -> set[str]:
        """The files of all chunks."""
        with self.connections.reading() as connection:
            return {file for (file,) in connection.execute("SELECT file FROM chunks")}

    def new_revisions(
        self, revisions: Sequence[Revision], record: Callable[[list[Revision]], None]
    ) -> int:
        """How many of ``revisions`` were not known; they are now, and ``record`` saw them."""
        with self.connections.writing() as connection:
            new = [one for one in revisions if not rows.known(connection, one)]
            if new:
                rows.add_revisions(connection, new)
                record(new)
            return len(new)

    def _understood(self) -> _Understood:
        return _Understood(self.connections)


class _Understood:
    """A row that cannot be read is a sign of a damaged ledger."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, (ValueError, TypeError)):
            identity = self._connections.place.identity()
            raise LedgerDamaged(f"the archive's ledger is damaged: {error}", identity) from error
