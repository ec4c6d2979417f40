"""A ledger made anew out of what the chunk files say of themselves and the journal of revisions."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from argus_core.errors import CacheError
from argus_core.history import rows
from argus_core.history.chunks import About, Chunk, DamagedChunk, describe
from argus_core.history.connections import Connections
from argus_core.history.files import DAMAGED, Files
from argus_core.history.merging import Patch, merge, newer
from argus_core.history.place import LEDGER, Identity
from argus_core.history.revisions import journal
from argus_core.history.series import SeriesKey
from argus_core.history.spans import HasSession

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A file that claims to be the chunk of its bucket."""

    file: str
    size: int
    about: About

    @property
    def rank(self) -> tuple[int, float]:
        """The higher, the later it was written."""
        return self.about.version, max((s.fetched_at for s in self.about.seals), default=0.0)


def rebuild(
    connections: Connections,
    files: Files,
    revisions: Path,
    damaged: Identity | None,
    *,
    has_session: HasSession,
    wait: float,
) -> None:
    """Have a ledger again in place of the ``damaged`` one (None: of the one that is absent).

    Does nothing if another process was first. :class:`CacheError` if others are busy with the
    files, or the disk refuses. Whoever is killed in here leaves everything as it was.
    """
    place = connections.place
    connections.forget()
    try:
        place.root.mkdir(parents=True, exist_ok=True)
        with place.alone(wait):
            if place.identity() != damaged:
                return
            old, name = place.ledger(), place.new_name()
            found = _candidates(files)
            chosen = [_chosen(each, files, has_session) for each in found]
            _make(place.root / name, [one for one in chosen if one is not None], revisions)
            place.appoint(name)
            if name != LEDGER:
                place.put_away(old, files.root / DAMAGED)
                text = "the archive's ledger was lost; %s is made anew out of %d chunk files"
                _log.error(text, name, len(chosen))
            named = {one.file for one in chosen if one is not None}
            files.remove(one.file for each in found for one in each if one.file not in named)
    except (OSError, sqlite3.Error) as error:
        raise CacheError(f"the archive's ledger cannot be made: {error}") from error


def _candidates(files: Files) -> list[list[_Candidate]]:
    """For each bucket of each series the files that there are, the latest first."""
    found: dict[tuple[SeriesKey, str], list[_Candidate]] = {}
    for entry in files.walk():
        if not entry.name.endswith(".parquet"):
            continue
        file = files.name(entry)
        try:
            one = _Candidate(file, entry.stat().st_size, describe(Path(entry.path)))
        except DamagedChunk as error:
            files.move_aside(file, str(error))
        except FileNotFoundError:
            continue
        else:
            found.setdefault((one.about.key, one.about.bucket), []).append(one)
    return [sorted(each, key=lambda one: one.rank, reverse=True) for each in found.values()]


def _chosen(
    candidates: list[_Candidate], files: Files, has_session: HasSession
) -> _Candidate | None:
    """The latest of the files, or a new one if others know of days that it does not.

    Others are there only where a writer was killed, or Windows would not let go of a file.
    """
    if len(candidates) == 1:
        return candidates[0]
    merged: Chunk | None = None
    first: _Candidate | None = None
    for one in candidates:
        if merged is not None and not newer(one.about.seals, merged.about.seals):
            continue
        try:
            chunk = files.load(one.file)
        except DamagedChunk as error:
            files.move_aside(one.file, str(error))
            continue
        if merged is None:
            merged, first = chunk, one
        else:
            merged, first = _with(merged, chunk, has_session), None
    if merged is None or first is not None:
        return first
    (written,) = files.write([merged])
    return _Candidate(written.file, written.size, merged.about)


def _with(chunk: Chunk, other: Chunk, has_session: HasSession) -> Chunk:
    """``chunk`` with the days that only ``other`` has, or has later."""
    about = chunk.about
    patch = Patch(other.frame, newer(other.about.seals, about.seals), other.about.resolution)
    merged = merge(
        about.key,
        {about.bucket: chunk},
        {about.bucket: about.seals},
        patch,
        has_session=has_session,
        # When it was noticed stands in the journal, not in what is thrown away here
        noticed_at=datetime.min,  # noqa: DTZ901
    )
    for change in merged.changes:
        if change.chunk is not None:
            return change.chunk
        return Chunk(replace(about, seals=change.seals), chunk.frame)
    return chunk


def _make(path: Path, chosen: Iterable[_Candidate], revisions: Path) -> None:
    """A ledger at ``path``, whole or not at all."""
    aside = path.with_name(f".{path.name}.tmp")
    try:
        aside.unlink(missing_ok=True)
        _fill(aside, chosen, revisions)
        aside.replace(path)
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            aside.with_name(aside.name + end).unlink(missing_ok=True)


def _fill(path: Path, chosen: Iterable[_Candidate], revisions: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # One that a power cut spoils is made anew like any other
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(f"BEGIN; {rows.SCHEMA}")
        for one in chosen:
            number = rows.series(connection, one.about.key)
            new = rows.Replacement(one.about.bucket, one.about.seals, one.about, one.file, one.size)
            rows.replace(connection, number, new)
        rows.add_revisions(connection, journal(revisions))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
