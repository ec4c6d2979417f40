"""Random windows, seals and failures: the archive equals a table of days, whatever happens."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.archive import DAYS, MINUTES, bars, closes
from support.clock import TestClock

from argus_core.errors import CacheError
from argus_core.history import connections, files, revisions
from argus_core.history.archive import Archive, SeriesKey
from argus_core.history.ledger import Ledger
from argus_core.history.place import Place

FIRST = date(2023, 12, 20)
LENGTH = 50
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where waiting for the disk costs nothing, if there is such a place."""
KEYS = [DAYS, MINUTES, SeriesKey("bars", "1d", "b", "600519.SH")]

keys = st.sampled_from(KEYS)
sides = st.integers(0, 1)
windows = st.tuples(st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1)).map(sorted)
values = st.dictionaries(st.integers(0, LENGTH - 1), st.sampled_from([1.0, 2.0, None]), max_size=25)


def on(number: int) -> date:
    return FIRST + timedelta(days=number)


def weekday(number: int) -> bool:
    return on(number).weekday() < 5


def has_session(first: date, last: date) -> bool:
    return any((first + timedelta(days=n)).weekday() < 5 for n in range((last - first).days + 1))


class Model:
    """What is sealed of a series, and its rows by day."""

    def __init__(self) -> None:
        self.sealed: set[int] = set()
        self.rows: dict[int, float | None] = {}

    def written(self, start: int, end: int, rows: dict[int, float | None]):
        """The model after a write, and the cells that were corrected by it."""
        after = Model()
        days = set(range(start, end + 1))
        again = days & self.sealed
        old = {n: v for n, v in self.rows.items() if n in again}
        new = {n: v for n, v in rows.items() if n in again}
        silent = bool(old) and not new
        spoken = days - self.sealed if silent else days
        after.sealed = self.sealed | days
        after.rows = {n: v for n, v in self.rows.items() if n not in spoken}
        after.rows |= {n: v for n, v in rows.items() if n in spoken}
        corrected = (
            set()
            if silent
            else {
                n
                for n in old.keys() | new.keys()
                if n not in old or n not in new or old[n] != new[n]
            }
        )
        return after, corrected


class Failing:
    """Raises at the n-th of the steps in which a disk or a lock may fail."""

    def __init__(self, step: int) -> None:
        self.left = step
        self.failed = False

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.failed = True
            raise OSError(28, "No space left on device")

    def around(self, real, *, after: bool):
        def failing(*arguments, **named):
            if not after:
                self()
            result = real(*arguments, **named)
            if after:
                self()
            return result

        return failing


@contextmanager
def failures(step: int):
    """One failure at that step of what is done inside."""
    failing = Failing(step)

    def commit(self, *arguments):
        try:
            failing()
            done = real_commit(self, *arguments)
            # The commit is on the disk, and its caller hears that it failed
            failing()
        except OSError as error:
            raise CacheError("database is locked") from error
        return done

    real_commit = Ledger.commit
    with (
        mock.patch.object(files.os, "fsync", failing.around(files.os.fsync, after=False)),
        mock.patch.object(files.Path, "replace", failing.around(Path.replace, after=True)),
        mock.patch.object(revisions, "told", failing.around(revisions.told, after=False)),
        mock.patch.object(Ledger, "commit", commit),
    ):
        yield failing


class Shared(RuleBasedStateMachine):
    """Two archives of one folder."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.clock = TestClock("2024-03-15 20:00:00")
        self.models = {key: Model() for key in KEYS}
        self.archives = [self._opened(), self._opened()]

    def _opened(self) -> Archive:
        archive = Archive(self.folder / "h", self.clock, has_session=has_session)
        archive.open()
        return archive

    def teardown(self):
        for archive in self.archives:
            archive.close()
        shutil.rmtree(self.folder)

    def _write(self, side, key, window, rows):
        self.clock.advance(60)
        frame = bars({on(n): value for n, value in sorted(rows.items())}, key)
        return self.archives[side].write(
            key, frame, on(window[0]), on(window[1]), fetched_at=self.clock.now(), resolution={}
        )

    @rule(side=sides, key=keys, window=windows, rows=values)
    def write(self, side, key, window, rows):
        after, corrected = self.models[key].written(*window, rows)
        found = self._write(side, key, window, rows)
        told = {r.label.date() if isinstance(r.label, datetime) else r.label for r in found}
        # Whether a day without trading was sealed means nothing
        told = {when for when in told if when.weekday() < 5}
        assert told == {on(n) for n in corrected if weekday(n)}
        self.models[key] = after

    @rule(side=sides, key=keys, window=windows, rows=values, step=st.integers(1, 12))
    def write_while_something_fails(self, side, key, window, rows, step):
        after, _ = self.models[key].written(*window, rows)
        with failures(step) as failing:
            try:
                self._write(side, key, window, rows)
            except CacheError:
                assert failing.failed
                if not self._holds(self.archives[1 - side], key, after):
                    after = self.models[key]
        self.models[key] = after

    @rule(side=sides, key=keys, window=windows)
    def read(self, side, key, window):
        model = self.models[key]
        part = self.archives[side].read({key: (on(window[0]), on(window[1]))}).get(key)
        asked = set(range(window[0], window[1] + 1))
        if part is None:
            trading = {n for n in asked if weekday(n)}
            assert not trading or not trading <= model.sealed
        else:
            assert {n for n in asked if weekday(n)} <= model.sealed
            assert closes(part.frame) == {on(n): v for n, v in model.rows.items() if n in asked}

    @rule(side=sides)
    def another_process_writes(self, side):
        with closing(sqlite3.connect(Place(self.folder / "h").ledger())) as other:
            other.execute("BEGIN IMMEDIATE")
            with mock.patch.object(connections, "WRITE_WAIT", 0.0):
                try:
                    self._write(side, DAYS, [0, LENGTH - 1], {0: float(self.clock.monotonic())})
                except CacheError:
                    return
        raise AssertionError("it was written in spite of the lock")

    @rule(garbage=st.booleans())
    def lose_the_ledger(self, garbage):
        for archive in self.archives:
            archive._store.ledger.connections.forget()
        ledger = Place(self.folder / "h").ledger()
        if garbage:
            ledger.write_bytes(b"garbage" * 1000)
        else:
            ledger.unlink()

    @rule(side=sides)
    def restart(self, side):
        self.archives[side].close()
        self.archives[side] = self._opened()

    @rule(side=sides, source=st.sampled_from(["a", "b", "c"]))
    def clear(self, side, source):
        self.archives[side].clear(source=source)
        for key in KEYS:
            if key.source == source:
                self.models[key] = Model()

    @rule(side=sides)
    def copy_and_restore(self, side):
        target = self.folder / "backup.tar"
        target.unlink(missing_ok=True)
        self.archives[side].backup(target)
        assert self.archives[1 - side].restore(target).merged == 0
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            copy = Archive(Path(folder) / "copy", self.clock, has_session=has_session)
            copy.open()
            copy.restore(target)
            assert all(self._holds(copy, key, self.models[key]) for key in KEYS)
            copy.close()

    @invariant()
    def the_store_equals_the_model(self):
        for key in KEYS:
            assert self._holds(self.archives[0], key, self.models[key])

    def _holds(self, archive: Archive, key: SeriesKey, model: Model) -> bool:
        covered = archive.covered([key])[key]
        sealed = {n for n in range(LENGTH) if weekday(n) and covered.covers(on(n), on(n))}
        if sealed != {n for n in model.sealed if weekday(n)}:
            return False
        found: dict[date, float | None] = {}
        for pair in covered:
            found |= closes(archive.read({key: pair})[key].frame)
        return found == {on(n): value for n, value in model.rows.items()}


Shared.TestCase.settings = settings(
    max_examples=max(15, settings().max_examples // 4), stateful_step_count=15, deadline=None
)
TestShared = Shared.TestCase
