"""The archive against kills, a full disk, a corrupted ledger and a locked one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from faults import archive_kills
from support.archive import DAYS, at, bars, closes, day, days_between
from support.disk import filled, small_disk_of

from argus_core import Clock
from argus_core.errors import CacheError
from argus_core.history.archive import Archive, SeriesKey
from argus_core.history.place import Place
from argus_core.history.spans import has_weekday

WEEK = (day("2024-03-04"), day("2024-03-08"))
ROWS = dict.fromkeys(days_between(*WEEK), 1.0)

_LOCKER = """
import sqlite3, sys
ledger = sqlite3.connect(sys.argv[1], isolation_level=None)
ledger.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def opened(path):
    archive = Archive(path, Clock(), has_session=has_weekday)
    archive.open()
    try:
        yield archive
    finally:
        archive.close()


def put(archive, key=DAYS, rows=None, span=WEEK):
    frame = bars(ROWS if rows is None else rows, key)
    return archive.write(key, frame, *span, fetched_at=at("2024-03-15 19:00"), resolution={})


def got(archive, key=DAYS, span=WEEK):
    part = archive.read({key: span}).get(key)
    return None if part is None else closes(part.frame)


def test_writers_that_are_killed_lose_nothing_that_was_sealed(tmp_path):
    assert archive_kills.run(5, tmp_path / "h", show=False) == []


small_disk = small_disk_of(2)


def test_a_full_disk_refuses_writes_keeps_what_is_sealed_and_recovers(small_disk):
    keys = [SeriesKey("bars", "1d", "a", f"{n:06}.SH") for n in range(31)]
    with opened(small_disk / "h") as archive:
        sealed = keys[:30]
        for key in sealed:
            put(archive, key=key)
        ballast = filled(small_disk)
        refused = keys[len(sealed)]
        with pytest.raises(CacheError):
            put(archive, key=refused)
        assert all(got(archive, key=key) == ROWS for key in sealed)
        assert got(archive, key=refused) is None
        assert not list(small_disk.rglob(".*.tmp"))
        with opened(small_disk / "h") as other:
            assert all(got(other, key=key) == ROWS for key in sealed)
        ballast.unlink()
        put(archive, key=refused)
        assert got(archive, key=refused) == ROWS


def test_a_ledger_corrupted_while_open_is_made_anew_without_a_restart(tmp_path):
    with opened(tmp_path / "h") as archive, opened(tmp_path / "h") as other:
        keys = [SeriesKey("bars", "1d", "a", f"{n:06}.SH") for n in range(30)]
        for key in keys:
            put(archive, key=key)
        for _ in range(2):
            ledger = Place(tmp_path / "h").ledger()
            for end in ("", "-wal"):
                path = ledger.with_name(ledger.name + end)
                if path.exists():
                    with path.open("r+b") as file:
                        file.write(os.urandom(path.stat().st_size))
            with opened(tmp_path / "h") as fresh:
                assert all(got(fresh, key=key) == ROWS for key in keys)
            for one in (archive, other):
                assert all(got(one, key=key) == ROWS for key in keys)
            extra = (WEEK[1] + timedelta(days=3),) * 2
            put(archive, rows={extra[0]: 2.0}, span=extra)
            assert got(other, span=extra) == {extra[0]: 2.0}


def test_locked_by_another_process_reads_go_on_and_writes_fail_within_two_seconds(tmp_path):
    with opened(tmp_path / "h") as archive:
        put(archive)
        command = [sys.executable, "-c", _LOCKER, str(Place(tmp_path / "h").ledger())]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as locker:
            assert locker.stdout.readline() == "locked\n"
            assert got(archive) == ROWS
            begun = time.monotonic()
            with pytest.raises(CacheError, match="locked"):
                put(archive, rows=dict.fromkeys(ROWS, 2.0))
            assert time.monotonic() - begun < 2
            assert got(archive) == ROWS
            assert len(list((tmp_path / "h").rglob("*.parquet"))) == 1
            locker.communicate("")
        put(archive, rows=dict.fromkeys(ROWS, 2.0))
        assert got(archive) == dict.fromkeys(ROWS, 2.0)
