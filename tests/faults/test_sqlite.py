"""The cache file locked, full, damaged, deleted, written by the killed: misses, no more."""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from support.disk import filled, small_disk_of

from argus_core import CacheError, Clock, PluginError
from argus_sqlite import MEBIBYTE, Sqlite, SqliteSettings

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIFE = 600.0
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.sqlite3"


@asynccontextmanager
async def opened(path, **given):
    cache = Sqlite("l3", SqliteSettings(path=path, **given), Clock())
    await cache.open()
    try:
        yield cache
    finally:
        await cache.close()


@contextlib.contextmanager
def child(code, *arguments):
    """A Python process that has printed its first line; it is killed at the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def batch(name, count=100, size=1000):
    return {f"{name}:{n}": f"{name}:{n}".encode().ljust(size, b".") for n in range(count)}


async def refused(cache, values):
    """Seconds until the cache said that it cannot keep the values."""
    began = time.monotonic()
    with pytest.raises(CacheError):
        await cache.set_many(values, LIFE)
    return time.monotonic() - began


async def written(cache, batches):
    for values in batches:
        await cache.set_many(values, LIFE)


LOCKER = """
    import sqlite3, sys, time
    db = sqlite3.connect(sys.argv[1], isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    print("ready", flush=True)
    time.sleep(60)
"""


class TestLocked:
    async def test_a_write_fails_soon_reads_go_on_and_it_recovers(self, path):
        async with opened(path) as cache:
            await cache.set_many({"a": b"1"}, LIFE)
            with child(LOCKER, path):
                took = [await refused(cache, {"b": b"2"}) for _ in range(3)]
                assert 0.04 <= min(took) <= 0.5
                assert await cache.get_many(["a"]) == {"a": b"1"}
                assert (await cache.stats()).entries == 1
            await cache.set_many({"b": b"2"}, LIFE)
            assert await cache.get_many(["a", "b"]) == {"a": b"1", "b": b"2"}

    @POSIX
    async def test_a_stopped_process_that_holds_everything_costs_no_more_than_patience(
        self, path, monkeypatch
    ):
        # It looks like a process that was stopped in the middle of recovering the log.
        code = """
            import fcntl, os, sys, time
            file = os.open(sys.argv[1] + "-shm", os.O_RDWR)
            fcntl.lockf(file, fcntl.LOCK_EX, 8, 120)
            print("ready", flush=True)
            time.sleep(60)
        """
        monkeypatch.setattr("argus_sqlite.PATIENCE", 0.2)
        async with opened(path) as cache:
            await cache.set_many({"a": b"1"}, LIFE)
            with child(code, path) as process:
                os.kill(process.pid, signal.SIGSTOP)
                with pytest.raises(CacheError):
                    await cache.get_many(["a"])
                assert await refused(cache, {"b": b"2"}) < 1
            async with asyncio.timeout(15):
                while True:
                    with contextlib.suppress(CacheError):
                        assert await cache.get_many(["a"]) == {"a": b"1"}
                        break

    async def test_locked_when_it_is_opened_it_comes_later(self, path, caplog):
        async with opened(path) as cache:
            await cache.set_many({"a": b"1"}, LIFE)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("UPDATE totals SET bytes = bytes")
            async with opened(path) as cache:
                assert "cannot be used yet" in caplog.text
                with pytest.raises(CacheError, match="locked"):
                    await cache.get_many(["a"])
                db.close()
                assert await cache.get_many(["a"]) == {"a": b"1"}

    async def test_two_processes_write_at_once(self, path):
        code = """
            import asyncio, sys
            from pathlib import Path
            from argus_core import Clock
            from argus_sqlite import Sqlite, SqliteSettings

            async def main():
                settings = SqliteSettings(path=Path(sys.argv[1]), busy_timeout=1)
                cache = Sqlite("l3", settings, Clock())
                await cache.open()
                print("ready", flush=True)
                for n in range(100):
                    await cache.set_many({f"theirs:{n}:{i}": b"x" for i in range(20)}, 600)
                await cache.close()

            asyncio.run(main())
        """
        async with opened(path, busy_timeout=1) as cache:
            with child(code, path) as process:
                for n in range(100):
                    await cache.set_many({f"ours:{n}:{i}": b"x" for i in range(20)}, LIFE)
                assert await asyncio.to_thread(process.wait, 30) == 0
            assert (await cache.stats()).entries == 4000
            assert (await cache.delete_prefix("theirs:"))[0] == 2000


def spoil(path, *, begin=0, pages=1000):
    """Overwrite pages of the file where they are."""
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(b"\xa5" * min(pages * 4096, path.stat().st_size - begin))


class TestDamaged:
    @pytest.mark.parametrize("begin", [0, 4096])
    @pytest.mark.parametrize("first", ["read", "write", "delete", "purge", "stats"])
    async def test_in_use_it_is_moved_aside_without_an_error(self, path, caplog, begin, first):
        kept = batch("kept", 3000)
        async with opened(path) as cache:
            await cache.set_many(kept, LIFE)
        async with opened(path) as cache:
            assert len(await cache.get_many(["kept:1"])) == 1
            spoil(path, begin=begin)
            found = {}
            match first:
                case "read":
                    found = dict(await cache.get_many(kept))
                case "write":
                    await cache.set_many(kept, LIFE)
                case "delete":
                    await cache.delete_prefix("")
                case "purge":
                    await cache.purge()
                case _:
                    await cache.stats()
            assert found.items() <= kept.items()
            await cache.set_many({"new": b"1"}, LIFE)
            found = await cache.get_many([*kept, "new"])
            assert found.items() <= {**kept, "new": b"1"}.items()
            assert found["new"] == b"1"
        moved = [r for r in caplog.records if "begun anew" in r.getMessage()]
        assert len(moved) == len([*path.parent.glob("*.corrupt-*[0-9]")]) <= 1
        if begin == 0 and first in {"read", "write"}:
            assert moved

    async def test_what_others_have_open_is_left_by_them_too(self, path):
        async with opened(path) as one, opened(path) as other:
            await one.set_many(batch("kept", 3000), LIFE)
            with closing(sqlite3.connect(path)) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            spoil(path)
            for n in range(3):
                await one.get_many(batch("kept", 3000))
                await other.set_many({f"new{n}": b"1"}, LIFE)
                assert await one.get_many([f"new{n}"]) == {f"new{n}": b"1"}
        async with opened(path) as cache:
            assert len(await cache.get_many(["new0", "new1", "new2"])) == 3
        assert len([*path.parent.glob("*.corrupt-*[0-9]")]) == 1

    @POSIX
    @pytest.mark.parametrize("beside", [True, False])
    async def test_a_deleted_file_is_begun_anew(self, path, beside):
        async with opened(path) as one, opened(path) as other:
            await one.set_many({"a": b"1"}, LIFE)
            path.unlink()
            if beside:
                for end in ("-wal", "-shm"):
                    path.with_name(path.name + end).unlink()
            await one.set_many({"b": b"2"}, LIFE)
            assert await other.get_many(["a", "b"]) == {"b": b"2"}
            await other.set_many({"c": b"3"}, LIFE)
            assert await one.get_many(["a", "b", "c"]) == {"b": b"2", "c": b"3"}
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    @POSIX
    async def test_a_deleted_directory_too(self, tmp_path):
        path = tmp_path / "data" / "cache.sqlite3"
        async with opened(path) as cache:
            await cache.set_many({"a": b"1"}, LIFE)
            shutil.rmtree(path.parent)
            assert await cache.get_many(["a"]) == {}
            await cache.set_many({"b": b"2"}, LIFE)
            assert await cache.get_many(["b"]) == {"b": b"2"}

    @POSIX
    async def test_a_truncated_file_gives_nothing_wrong(self, path):
        kept = batch("kept", 3000)
        async with opened(path) as cache:
            await cache.set_many(kept, LIFE)
        async with opened(path) as cache:
            os.truncate(path, path.stat().st_size // 2)
            assert (await cache.get_many(kept)).items() <= kept.items()
            await cache.set_many({"new": b"1"}, LIFE)
            assert await cache.get_many(["new"]) == {"new": b"1"}


small_disk = small_disk_of(24)


class TestFull:
    async def test_writes_fail_reads_go_on_and_room_is_used_again(self, small_disk):
        kept = batch("kept")
        async with opened(small_disk / "cache.sqlite3", max_mb=64) as cache:
            await cache.set_many(kept, LIFE)
            ballast = filled(small_disk)
            more = [batch(f"more{n}") for n in range(200)]
            with pytest.raises(CacheError, match="full"):
                await written(cache, more)
            assert await cache.get_many(kept) == kept
            ballast.unlink()
            await cache.set_many({"after": b"1"}, LIFE)
            assert await cache.get_many(["after", "kept:7"]) == {
                "after": b"1",
                "kept:7": kept["kept:7"],
            }
            assert await cache.purge() == (0, 0)
        assert not [*small_disk.glob("*.corrupt-*")]

    async def test_a_cache_larger_than_its_disk_goes_on(self, small_disk):
        async with opened(small_disk / "cache.sqlite3", max_mb=512) as cache:
            for n in range(220):
                await cache.set_many(batch(f"more{n}"), LIFE)
            assert await cache.get_many(batch("more219")) == batch("more219")
            await cache.delete_prefix("")
            await cache.set_many(batch("new"), LIFE)
            assert await cache.get_many(batch("new")) == batch("new")

    async def test_no_room_to_begin_with_is_waited_for(self, small_disk, caplog):
        ballast = filled(small_disk)
        async with opened(small_disk / "cache.sqlite3") as cache:
            assert "cannot be used yet" in caplog.text
            await refused(cache, {"a": b"1"})
            ballast.unlink()
            await cache.set_many({"a": b"1"}, LIFE)
            assert await cache.get_many(["a"]) == {"a": b"1"}

    async def test_a_disk_that_cannot_be_written_stops_the_start(self, small_disk):
        remount = ["mount", "-o", "remount,ro", str(small_disk)]
        await asyncio.to_thread(subprocess.run, remount, check=True, capture_output=True)
        with pytest.raises(PluginError, match="cannot be used") as caught:
            async with opened(small_disk / "cache.sqlite3"):
                pass
        assert "let this user write" in caught.value.fix

    @POSIX
    async def test_no_file_may_grow_further(self, path):
        code = """
            import asyncio, resource, signal, sys
            from pathlib import Path
            from argus_core import CacheError, Clock
            from argus_sqlite import Sqlite, SqliteSettings

            async def main():
                cache = Sqlite("l3", SqliteSettings(path=Path(sys.argv[1])), Clock())
                await cache.open()
                await cache.set_many({"kept": b"1"}, 600)
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
                resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
                failed = 0
                for n in range(60):
                    try:
                        await cache.set_many({f"{n}:{i}": bytes(900) for i in range(50)}, 600)
                    except CacheError:
                        failed += 1
                    assert await cache.get_many(["kept"]) == {"kept": b"1"}
                assert failed > 5, failed
                resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
                await cache.set_many({"after": b"2"}, 600)
                assert await cache.get_many(["kept", "after"]) == {"kept": b"1", "after": b"2"}
                await cache.close()
                print("ready", flush=True)

            asyncio.run(main())
        """
        with child(code, path) as process:
            assert process.wait(10) == 0
        assert not [*path.parent.glob("*.corrupt-*")]


@POSIX
def test_killed_in_the_middle_of_writes_nothing_is_torn(path):
    spec = importlib.util.spec_from_file_location("sqlite_kills", HERE / "sqlite_kills.py")
    command = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(command)
    values, torn, ill = command.kills(5, path)
    assert values > 100
    assert (torn, ill) == (0, 0)
    assert path.stat().st_size <= command.MEBIBYTES * MEBIBYTE
