"""The archive of sealed bars and factors.

Rows lie in immutable Parquet files, one for each series and month or year, which polars or DuckDB
can scan as they are; a ledger in SQLite says which file holds what and which days are sealed.
Several processes may share one archive.
"""

from __future__ import annotations

import logging
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from argus_core.clock import SHANGHAI, Clock
from argus_core.errors import CacheError
from argus_core.history.chunks import Chunk, Seal
from argus_core.history.copies import back_up, restore
from argus_core.history.merging import Patch, tidy
from argus_core.history.parts import (
    ArchiveStats,
    BackupReport,
    Cleared,
    Mark,
    Part,
    Progress,
    RestoreReport,
    RevisionPage,
    silent,
)
from argus_core.history.revisions import Revision
from argus_core.history.rows import EVERY, Shelved, Wanted
from argus_core.history.series import SeriesKey
from argus_core.history.spans import HasSession, Spans, any_day, trades_between
from argus_core.history.store import Store
from argus_core.history.sweeping import sweep

__all__ = [
    "Archive",
    "ArchiveStats",
    "BackupReport",
    "Cleared",
    "Mark",
    "Part",
    "RestoreReport",
    "Revision",
    "RevisionPage",
    "SeriesKey",
    "Spans",
]

_log = logging.getLogger(__name__)

_OPENING: Final = 5.0
"""Seconds to wait at the start while another process makes the ledger."""
_ATTEMPTS: Final = 10
"""How often a range is looked up again because its chunks were replaced meanwhile."""


class Archive:
    """Raw series over sealed days, by source, below one folder.

    Every method is synchronous and may be called from any thread. Whatever is wrong with the
    disk or the ledger is a :class:`CacheError`; what can be mended is mended on the way: a ledger
    that is lost or damaged is made anew from the files, a damaged file is moved aside and its days
    count as never sealed.
    """

    def __init__(
        self, path: Path, clock: Clock, *, has_session: HasSession = trades_between
    ) -> None:
        self.path = path
        self._store = Store(path, clock, has_session)

    def open(self) -> None:
        """Ready for use; leftovers of killed processes are cleared away.

        :class:`CacheError` if the folder or the ledger cannot be made. The archive may be used
        all the same: each call tries again.
        """
        connections = self._store.ledger.connections
        connections.open()
        if connections.place.identity() is None:
            self._store.mend(None, wait=_OPENING)
        try:
            sweep(self._store)
        except CacheError as error:
            _log.info("the archive was not swept: %s", error)

    def close(self) -> None:
        """Nothing stays open; later calls are answered with :class:`CacheError`."""
        self._store.ledger.connections.close()

    def covered(self, keys: Iterable[SeriesKey]) -> dict[SeriesKey, Spans]:
        """What is sealed of each of ``keys``: empty spans where nothing is."""
        wanted = dict.fromkeys(keys)
        store = self._store
        found = store.mended(lambda: store.ledger.chunks((key, *EVERY) for key in wanted))
        return {key: self._spans(found.get(key, ())) for key in wanted}

    def read(self, wanted: Mapping[SeriesKey, tuple[date, date]]) -> dict[SeriesKey, Part]:
        """The rows from start to end, both inclusive, of the series that are sealed all over it.

        A series of which nothing near is sealed is not among them, even if the range holds no
        trading date.
        """
        store = self._store
        asked = {
            key: (key, key.bucket(start).name, key.bucket(end).name)
            for key, (start, end) in wanted.items()
            if start <= end
        }
        found = store.mended(lambda: store.ledger.chunks(asked.values()))
        parts = {
            key: self._part(bounds, found.get(key, []), *wanted[key])
            for key, bounds in asked.items()
        }
        return {key: part for key, part in parts.items() if part is not None}

    def write(
        self,
        key: SeriesKey,
        frame: pl.DataFrame,
        start: date,
        end: date,
        *,
        fetched_at: datetime,
        resolution: Mapping[str, float],
    ) -> tuple[Revision, ...]:
        """The corrections that ``frame`` brings to days that were sealed before; all are now.

        Seals the days from ``start`` to ``end``, both inclusive, with the rows of ``frame`` that
        lie in them. Over days that were sealed before the new rows win, unless there is none at
        all where there were rows: then the old ones stay. Where days have rows that were sealed
        without, silent days beside the answer are to be verified anew.
        """
        if start > end:
            return ()
        sealed_at = self._store.clock.now().timestamp()
        seal = Seal(start, end, fetched_at.timestamp(), sealed_at)
        days = Spans(((start, end),), any_day)
        patch = Patch(tidy(key, frame, days), (seal,), dict(resolution))
        _, revisions = self._store.seal(key, patch)
        return revisions

    def revisions(
        self,
        *,
        symbol: str | None = None,
        source: str | None = None,
        since: datetime | None = None,
        limit: int = 1000,
        after: Mark | None = None,
    ) -> RevisionPage:
        """A page of late corrections of sealed rows, the newest first.

        ``after`` is the ``last`` of the page before.
        """
        noticed = since.timestamp() if since is not None else None
        return self._store.mended(
            lambda: self._store.ledger.revisions(
                symbol=symbol, source=source, since=noticed, limit=limit, after=after
            )
        )

    def unverified(
        self, *, sealed_before: datetime, limit: int
    ) -> list[tuple[SeriesKey, date, date]]:
        """Days that were sealed, or last corrected, before that instant and not looked at since.

        The oldest come first.

        ``limit`` bounds the seals that are looked at; neighbours come as one stretch.
        """
        before = sealed_before.timestamp()
        found = self._store.mended(lambda: self._store.ledger.unverified(before, limit))
        by_key: dict[SeriesKey, list[tuple[date, date]]] = {}
        for key, first, last in found:
            by_key.setdefault(key, []).append((first, last))
        return [
            (key, *pair)
            for key, pairs in by_key.items()
            for pair in Spans.of(pairs, self._store.has_session)
        ]

    def verified(
        self, key: SeriesKey, start: date, end: date, *, sealed_before: datetime | None = None
    ) -> None:
        """The days from ``start`` to ``end``, both inclusive, need no second look any more.

        Those that were sealed, or corrected, at ``sealed_before`` or later still do.
        """
        before = math.inf if sealed_before is None else sealed_before.timestamp()
        self._store.mended(
            lambda: self._store.ledger.verified(
                key, lambda s: s.checked(start, end) if s.sealed_at < before else (s,)
            )
        )

    def series(self) -> list[SeriesKey]:
        """Every series of which anything is sealed, in order."""
        return self._store.mended(self._store.ledger.series)

    def clear(
        self, *, source: str | None = None, symbol: str | None = None, dataset: str | None = None
    ) -> Cleared:
        """What was removed: every series of that source, symbol and dataset.

        At least one has to be named (else :class:`CacheError`): an archive is not lost by
        forgetting an argument. Revisions stay.
        """
        given = {"source": source, "symbol": symbol, "dataset": dataset}
        names = {name: text for name, text in given.items() if text is not None}
        if not names:
            raise CacheError("name the source, symbol or dataset to clear from the archive")
        return self._store.mended(lambda: self._store.clear(names))

    def stats(self) -> ArchiveStats:
        """How much the archive holds."""
        return self._store.mended(self._store.ledger.stats)

    def backup(self, target: Path, progress: Progress = silent) -> BackupReport:
        """What went into the new file ``target``; serving goes on meanwhile.

        :class:`CacheError` if the file exists or cannot be written.
        """
        return self._store.mended(lambda: back_up(self._store, target, progress))

    def restore(self, archive_file: Path, progress: Progress = silent) -> RestoreReport:
        """What a backup brought in: days that were not sealed, or were fetched before it was made.

        :class:`CacheError`, and nothing is changed, if the file is damaged or no backup.
        """
        return restore(self._store, archive_file, progress)

    def _spans(self, shelved: Iterable[Shelved]) -> Spans:
        return Spans.of((pair for one in shelved for pair in one.spans), self._store.has_session)

    def _part(
        self, wanted: Wanted, shelved: Sequence[Shelved], start: date, end: date
    ) -> Part | None:
        """The rows of one series; None if it is not sealed all over the range."""
        store = self._store
        for _ in range(_ATTEMPTS):
            if not shelved or not self._spans(shelved).covers(start, end):
                return None
            at_hand = shelved
            chunks = store.mended(lambda: store.chunks(wanted, at_hand))  # noqa: B023 - called here
            if chunks is not None:
                return _joined(chunks, start, end)
            found = store.mended(lambda: store.ledger.chunks([wanted]))
            shelved = found.get(wanted[0], [])
        raise CacheError(f"the archive's {wanted[0].symbol} changes too fast to be read")


def _joined(chunks: Sequence[Chunk], start: date, end: date) -> Part:
    """The rows of the chunks from ``start`` to ``end``."""
    seals = [seal for chunk in chunks for seal in chunk.about.seals]
    # A weekend between two seals is in neither
    own = [seal for seal in seals if seal.first <= end and start <= seal.last] or seals
    frames = [_between(chunk.frame, start, end) for chunk in chunks]
    resolution: dict[str, float] = {}
    for chunk in chunks:
        for name, step in chunk.about.resolution.items():
            resolution[name] = max(step, resolution.get(name, step))
    return Part(
        frame=_together([frame for frame in frames if frame.height] or frames[:1]),
        fetched_at=datetime.fromtimestamp(min(seal.fetched_at for seal in own), SHANGHAI),
        resolution=resolution,
    )


def _between(frame: pl.DataFrame, start: date, end: date) -> pl.DataFrame:
    """The rows of these trading dates; they ascend, so that two searches are enough."""
    days: Sequence[date] = frame["date"]  # type: ignore[assignment]  # it is one in all but name
    low = bisect_left(days, start)
    return frame.slice(low, bisect_right(days, end) - low)


def _together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    if len(frames) == 1:
        return frames[0]
    try:
        return pl.concat(frames, how="vertical")
    except pl.exceptions.PolarsError:
        # Written by versions of Argus that knew other columns
        return pl.concat(frames, how="diagonal_relaxed")
