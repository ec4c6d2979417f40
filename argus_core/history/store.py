"""Files and ledger kept in step: chunks read, days sealed, and what is broken mended."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from argus_core.clock import Clock
from argus_core.errors import CacheError
from argus_core.history.chunks import Chunk, DamagedChunk, Seal
from argus_core.history.connections import LedgerDamaged, LedgerReplaced
from argus_core.history.files import Files, Written
from argus_core.history.ledger import Ledger
from argus_core.history.merging import Merged, Patch, merge, newer, tidy
from argus_core.history.parts import Cleared
from argus_core.history.place import Identity, Place
from argus_core.history.rebuild import rebuild
from argus_core.history.revisions import Revision, append, identity
from argus_core.history.rows import EVERY, Replacement, Shelved, Wanted
from argus_core.history.series import SeriesKey
from argus_core.history.spans import HasSession, Spans, any_day

T = TypeVar("T")

JOURNAL: Final = "revisions.jsonl"
_ATTEMPTS: Final = 20
"""How often work begins again because somebody else was first, or something was mended."""
_LOCKS: Final = 16
_TURN_WAIT: Final = 0.5
_MENDING_WAIT: Final = 0.2
"""Seconds that others wait for whoever is mending; then they do without the archive."""


class MistakenChunk(DamagedChunk):
    """The file is whole, but holds something else than the ledger says."""


class Store:
    """One archive's folder, shared with other threads and processes."""

    def __init__(self, root: Path, clock: Clock, has_session: HasSession) -> None:
        self.root = root
        self.clock = clock
        self.has_session = has_session
        self.files = Files(root)
        self.place = Place(root)
        self.ledger = Ledger(self.place)
        self._journal = root / JOURNAL
        self._sealing = [threading.RLock() for _ in range(_LOCKS)]
        self._mending = threading.Lock()

    def mended(self, work: Callable[[], T]) -> T:
        """What ``work`` gives; a ledger that turns out to be damaged or absent is made anew."""
        for _ in range(_ATTEMPTS):
            try:
                return work()
            except LedgerDamaged as error:
                self.mend(error.identity)
            except LedgerReplaced:
                continue
        raise CacheError("the archive's ledger is damaged again as soon as it is made anew")

    def mend(self, damaged: Identity | None, wait: float = _MENDING_WAIT) -> None:
        """Have a ledger again in place of the damaged one; None: of the absent one."""
        if not self._mending.acquire(timeout=wait):
            raise CacheError("the archive's ledger is being made anew")
        try:
            rebuild(
                self.ledger.connections,
                self.files,
                self._journal,
                damaged,
                has_session=self.has_session,
                wait=wait,
            )
        finally:
            self._mending.release()

    def chunks(self, wanted: Wanted, shelved: Sequence[Shelved]) -> list[Chunk] | None:
        """The chunks of a series as ``shelved``; None if they have to be looked up again.

        That is so if another process has replaced one, or one is damaged or missing: then it is
        neither among the files nor in the ledger any more.
        """
        key = wanted[0]
        loaded: list[Chunk] = []
        for one in shelved:
            try:
                loaded.append(self._checked(key, one))
            except (FileNotFoundError, DamagedChunk) as error:
                now = self.ledger.chunks([wanted]).get(key, [])
                if any(other.file == one.file for other in now):
                    self._heal(key, one.file, error)
                return None
        return loaded

    def seal(
        self, key: SeriesKey, patch: Patch, told: Collection[Revision] = ()
    ) -> tuple[bool, tuple[Revision, ...]]:
        """Whether anything changed, and the corrections; those in ``told`` are not entered."""
        known = {identity(one) for one in told}
        # Only so that threads seldom disturb one another; it is right without
        turn = self._sealing[hash(key) % _LOCKS]
        mine = turn.acquire(timeout=_TURN_WAIT)
        try:
            for attempt in range(_ATTEMPTS):
                done = self.mended(lambda: self._sealed(key, patch, known))
                if done is not None:
                    return done
                time.sleep(random.uniform(0, 0.002 * (attempt + 1)))
        finally:
            if mine:
                turn.release()
        raise CacheError(f"others keep writing to {key.symbol} in the archive")

    def absorb(self, chunk: Chunk, told: Collection[Revision] = ()) -> bool:
        """Whether ``chunk`` has days that are not sealed yet, or were fetched before it was.

        Those are sealed then. ``told`` are revisions that are entered by somebody else.
        """
        key = chunk.about.key
        pieces = self.mended(lambda: self._newer(chunk))
        if not pieces:
            return False
        days = Spans.of(((seal.first, seal.last) for seal in pieces), any_day)
        patch = Patch(tidy(key, chunk.frame, days), pieces, chunk.about.resolution)
        return self.seal(key, patch, told)[0]

    def take_in(self, file: str) -> None:
        """Save what only ``file`` has, which no ledger names, and delete it."""
        self._save(file)
        with self.place.shared():
            if not self.ledger.named(file):
                self.files.remove([file])

    def clear(self, names: Mapping[str, str]) -> Cleared:
        """What was removed of the series so named: columns of theirs and what they hold."""
        with self.place.shared():
            cleared, files = self.ledger.clear(names)
            self.ledger.deleted(self.files.remove(files))
        return cleared

    def add_revisions(self, revisions: Sequence[Revision]) -> int:
        """How many of them were not known."""
        return self.mended(
            lambda: self.ledger.new_revisions(revisions, lambda new: append(self._journal, new))
        )

    def _checked(self, key: SeriesKey, shelved: Shelved) -> Chunk:
        """The chunk, if it is what the ledger takes it for."""
        chunk = self.files.load(shelved.file)
        about = chunk.about
        if (about.key, about.bucket, about.spans) != (key, shelved.bucket, shelved.spans):
            raise MistakenChunk("the ledger takes it for another")
        return chunk

    def _sealed(
        self, key: SeriesKey, patch: Patch, known: Collection[tuple[object, ...]]
    ) -> tuple[bool, tuple[Revision, ...]] | None:
        """What :meth:`seal` gives; None if somebody else was first."""
        days = patch.days.pairs
        found = self._merged(
            (key, key.bucket(days[0][0]).name, key.bucket(days[-1][1]).name), patch
        )
        if found is not None and found[0].added:
            # Of what lies beside it, days may be doubtful now
            found = self._merged((key, *EVERY), patch)
        if found is None:
            return None
        merged, seals, files = found
        if not _moves(merged, seals):
            return False, ()
        revisions = tuple(one for one in merged.revisions if identity(one) not in known)
        with self.place.shared():
            written = self.files.write(
                change.chunk for change in merged.changes if change.chunk is not None
            )
            done = self._commit(key, files, merged, written, revisions)
        return (True, revisions) if done else None

    def _merged(
        self, wanted: Wanted, patch: Patch
    ) -> tuple[Merged, dict[str, tuple[Seal, ...]], dict[str, str]] | None:
        """The patch over the wanted chunks, their seals and files; None if somebody was first."""
        shelved = self.ledger.chunks([wanted]).get(wanted[0], [])
        seals = self.ledger.seals(*wanted)
        loaded = self.chunks(wanted, shelved)
        if loaded is None:
            return None
        merged = merge(
            wanted[0],
            {chunk.about.bucket: chunk for chunk in loaded},
            seals,
            patch,
            has_session=self.has_session,
            noticed_at=self.clock.now(),
        )
        return merged, seals, {one.bucket: one.file for one in shelved}

    def _commit(
        self,
        key: SeriesKey,
        files: Mapping[str, str],
        merged: Merged,
        written: Sequence[Written],
        revisions: tuple[Revision, ...],
    ) -> bool:
        by_bucket = {one.chunk.about.bucket: one for one in written}
        replacements = [
            _replacement(change.bucket, change.seals, by_bucket.get(change.bucket))
            for change in merged.changes
        ]
        expected = {change.bucket: files.get(change.bucket) for change in merged.changes}
        done = False
        try:
            done = self.ledger.commit(
                key, expected, replacements, lambda: append(self._journal, revisions), revisions
            )
        except LedgerReplaced:
            # Whoever makes the ledger anew finds them among the files
            done = True
            raise
        finally:
            if not done:
                self._discard([one.file for one in written])
        if done:
            self.files.remove(files[bucket] for bucket in by_bucket if bucket in files)
        return done

    def _newer(self, chunk: Chunk) -> tuple[Seal, ...]:
        """The seals of ``chunk``, or pieces of them, that the archive has not or has older."""
        about = chunk.about
        if not about.seals:
            return ()
        low = about.key.bucket(about.seals[0].first).name
        high = about.key.bucket(about.seals[-1].last).name
        by_bucket = self.ledger.seals(about.key, low, high)
        known = [seal for seals in by_bucket.values() for seal in seals]
        return newer(about.seals, known)

    def _discard(self, files: Sequence[str]) -> None:
        """Delete files that were written in vain; what cannot be now is swept later."""
        with suppress(CacheError):
            self.files.remove(file for file in files if not self.ledger.named(file))

    def _heal(self, key: SeriesKey, bad: str, why: Exception) -> None:
        """Forget a chunk that cannot be read, and keep what other files know of its days."""
        if not self.ledger.drop(key, bad):
            return
        if not isinstance(why, MistakenChunk):
            self.files.move_aside(bad, str(why))
        for file in self.files.of_series(key):
            if not self.ledger.named(file):
                self._save(file)

    def _save(self, file: str) -> None:
        """Save what only ``file`` has; another process may be about to enter it, so it stays."""
        try:
            self.absorb(self.files.load(file))
        except FileNotFoundError:
            return
        except DamagedChunk as error:
            self.files.move_aside(file, str(error))


def _moves(merged: Merged, seals: Mapping[str, tuple[Seal, ...]]) -> bool:
    """True if a row or a seal is different from what it was."""
    return any(
        change.chunk is not None or change.seals != seals.get(change.bucket, ())
        for change in merged.changes
    )


def _replacement(bucket: str, seals: tuple[Seal, ...], written: Written | None) -> Replacement:
    if written is None:
        return Replacement(bucket, seals)
    return Replacement(bucket, seals, written.chunk.about, written.file, written.size)
