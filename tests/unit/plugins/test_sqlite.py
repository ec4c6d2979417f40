"""The SQLite tier: what it was given, to its bound, over restarts, and as a model has it."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections import Counter
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import ValidationError
from support.clock import TestClock

from argus_core import CacheError, PluginError
from argus_sqlite import MEBIBYTE, register_cache
from argus_sqlite.layout import one, prepare
from argus_sqlite.store import GRAIN, KEYS, Store

NOW = 1_700_000_000.0


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def opened(tmp_path, clock):
    """Opens a cache over the one file of the test, with other settings where they are given."""

    @asynccontextmanager
    async def open_(**given):
        plugin = register_cache()
        cache = plugin("l3", plugin.Settings(**{"path": tmp_path / "c.sqlite3", **given}), clock)
        await cache.open()
        try:
            yield cache
        finally:
            await cache.close()

    return open_


@pytest.fixture
def db(tmp_path):
    """A connection to a new file."""
    with closing(sqlite3.connect(tmp_path / "store", isolation_level=None)) as connection:
        prepare(connection)
        yield connection


def used_bytes(db) -> int:
    pages = one(db, "PRAGMA page_count") - one(db, "PRAGMA freelist_count")
    return pages * one(db, "PRAGMA page_size")


def counted(db) -> tuple[int, int]:
    query = "SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM entries"
    return db.execute(query).fetchone()


def kinds(db) -> dict[str, int]:
    """How many keys there are of each kind: what stands before their number."""
    return Counter(
        key.decode().rstrip("0123456789") for (key,) in db.execute("SELECT key FROM entries")
    )


class TestTier:
    async def test_what_was_set_is_got_and_a_miss_is_absent(self, opened):
        values = {"a": b"1", "b": b"", "沪深A股": b"\0\xff", "\ud800": b"half a pair"}
        async with opened() as cache:
            await cache.set_many(values, ttl=5)
            assert await cache.get_many([*values, "c"]) == values

    async def test_it_outlives_its_instance_and_expires_by_the_wall_clock(self, opened, clock):
        async with opened() as cache:
            await cache.set_many({"a": b"1"}, ttl=60)
            await cache.set_many({"b": b"2"}, ttl=10)
        clock.advance(10)
        async with opened() as cache:
            assert await cache.get_many(["a", "b"]) == {"a": b"1"}
            clock.advance(50)
            assert await cache.get_many(["a", "b"]) == {}

    async def test_more_keys_than_a_statement_takes(self, opened):
        values = {f"k{n}": str(n).encode() for n in range(2 * KEYS + 7)}
        async with opened() as cache:
            await cache.set_many(values, ttl=50)
            assert await cache.get_many(iter(values)) == values
            assert await cache.delete_many([*values, *values]) == (
                len(values),
                sum(len(key) + len(value) for key, value in values.items()),
            )
            assert await cache.get_many(values) == {}

    async def test_a_prefix_is_deleted_literally_and_the_living_are_counted(self, opened, clock):
        async with opened() as cache:
            await cache.set_many({"q:": b"123", "q:\U0010ffff": b"45", "q": b"", "r": b""}, ttl=50)
            await cache.set_many({"q:old": b"gone"}, ttl=1)
            clock.advance(1)
            assert await cache.delete_prefix("q:") == (2, 2 + 3 + 6 + 2)
            assert set(await cache.get_many(["q:", "q:\U0010ffff", "q", "r"])) == {"q", "r"}
            assert (await cache.stats()).entries == 2
            assert (await cache.delete_prefix(""))[0] == 2
            assert (await cache.stats()).bytes == 0

    async def test_purge_removes_what_expired_slice_by_slice(self, opened, clock):
        old = {f"old{n}": b"x" * 100 for n in range(3 * KEYS)}
        async with opened() as cache:
            await cache.set_many(old, ttl=5)
            await cache.set_many({"new": b"1"}, ttl=50)
            clock.advance(5)
            assert await cache.purge() == (len(old), sum(len(key) + 100 for key in old))
            assert await cache.purge() == (0, 0)
            assert await cache.get_many(["new", "old1"]) == {"new": b"1"}

    async def test_others_have_their_turn_between_the_slices_of_a_purge(self, opened, clock):
        async with opened() as cache:
            await cache.set_many({f"old{n}": b"x" for n in range(8 * KEYS)}, ttl=5)
            await cache.set_many({"new": b"1"}, ttl=50)
            clock.advance(5)
            purging = asyncio.create_task(cache.purge())
            await asyncio.sleep(0)
            assert await cache.get_many(["new"]) == {"new": b"1"}
            assert not purging.done()
            assert (await purging)[0] == 8 * KEYS

    async def test_freed_space_goes_back_to_the_disk(self, opened, tmp_path):
        path = tmp_path / "c.sqlite3"
        async with opened(max_mb=16) as cache:
            for n in range(40):
                await cache.set_many({f"k{n}:{i}": bytes(2000) for i in range(100)}, ttl=50)
            full = path.stat().st_size
            await cache.delete_prefix("")
            assert full > 4 * MEBIBYTE
            assert path.stat().st_size < MEBIBYTE

    async def test_the_file_keeps_to_its_bound_and_a_giant_is_not_kept(self, opened, tmp_path):
        async with opened(max_mb=2) as cache:
            for n in range(60):
                await cache.set_many({f"k{n}:{i}": bytes(50 * i) for i in range(50)}, ttl=50)
            await cache.set_many({"k59:49": bytes(3 * MEBIBYTE), "small": b"1"}, ttl=50)
            assert await cache.get_many(["k59:49", "small", "k0:1"]) == {"small": b"1"}
            assert await cache.get_many(["k59:48"])
            assert (await cache.stats()).bytes > MEBIBYTE
        assert (tmp_path / "c.sqlite3").stat().st_size <= 2 * MEBIBYTE

    async def test_a_smaller_bound_is_reached_by_a_purge(self, opened, tmp_path):
        async with opened(max_mb=8) as cache:
            for n in range(30):
                await cache.set_many({f"k{n}:{i}": bytes(2000) for i in range(100)}, ttl=50)
        async with opened(max_mb=1) as cache:
            assert await cache.purge() == (0, 0)
            assert (tmp_path / "c.sqlite3").stat().st_size <= MEBIBYTE
            assert 200 < (await cache.stats()).entries < 600

    async def test_before_open_and_after_close_it_says_so(self, opened):
        async with opened() as cache:
            pass
        with pytest.raises(CacheError, match="not open"):
            await cache.get_many(["a"])
        await cache.close()

    @pytest.mark.parametrize("given", [{"max_mb": 0.5}, {"busy_timeout": 2}, {"size": 1}])
    def test_bad_settings_are_refused(self, given):
        with pytest.raises(ValidationError):
            register_cache().Settings(**given)


class TestCancelling:
    async def test_a_call_that_was_given_up_neither_blocks_nor_breaks_the_next(self, opened):
        async with opened() as cache:
            await cache.set_many({f"k{n}": bytes(1000) for n in range(1000)}, ttl=50)
            keys = [f"k{n}" for n in range(1000)]
            for _ in range(30):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.0001):
                        await cache.get_many(keys * 20)
            loop = asyncio.get_running_loop()
            began = loop.time()
            assert len(await cache.get_many(keys)) == 1000
            assert loop.time() - began < 1

    async def test_a_long_statement_ends_when_nobody_waits_for_it(self, opened):
        endless = (
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
        )
        async with opened() as cache:
            await cache.set_many({"a": b"1"}, ttl=50)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await cache._do(lambda store: store.db.execute(endless), droppable=True)
            assert await cache.get_many(["a"]) == {"a": b"1"}

    async def test_a_write_given_up_before_its_turn_is_left_out(self, opened):
        async with opened() as cache:
            busy = asyncio.create_task(cache.set_many({f"k{n}": b"" for n in range(KEYS)}, ttl=50))
            await asyncio.sleep(0)
            late = asyncio.create_task(cache.set_many({"late": b"1"}, ttl=50))
            await asyncio.sleep(0)
            late.cancel()
            await busy
            assert await cache.get_many(["late"]) == {}

    async def test_too_long_a_queue_refuses_newcomers(self, opened, monkeypatch):
        monkeypatch.setattr("argus_sqlite.lane.MOST_WAITING", 5)
        async with opened() as cache:
            calls = (cache.get_many(["a"]) for _ in range(20))
            ended = await asyncio.gather(*calls, return_exceptions=True)
        assert ended.count({}) == 5
        assert all("behind" in str(error) for error in ended if error != {})


class TestOpening:
    @pytest.mark.parametrize("make", [Path.mkdir, lambda p: p.parent.rmdir() or p.parent.touch()])
    async def test_a_place_where_no_file_can_be_stops_the_start(self, opened, tmp_path, make):
        path = tmp_path / "data" / "c.sqlite3"
        path.parent.mkdir()
        make(path)
        with pytest.raises(PluginError) as caught:
            async with opened(path=path):
                pass
        assert "'l3' cannot be used" in str(caught.value)
        assert str(path) in caught.value.where
        assert "`path`" in caught.value.fix

    async def test_a_database_of_something_else_is_left_alone(self, opened, tmp_path):
        path = tmp_path / "c.sqlite3"
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE entries (mine)")
        before = path.read_bytes()
        with pytest.raises(PluginError, match="something else"):
            async with opened():
                pass
        assert path.read_bytes() == before

    async def test_another_version_of_the_layout_is_left_alone(self, opened, tmp_path):
        async with opened():
            pass
        with closing(sqlite3.connect(tmp_path / "c.sqlite3")) as db:
            db.execute("PRAGMA user_version = 7")
        with pytest.raises(PluginError, match="version 7") as caught:
            async with opened():
                pass
        assert "move this one away" in caught.value.fix

    async def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(
        self, opened, tmp_path, caplog
    ):
        (tmp_path / "c.sqlite3").write_bytes(b"no database at all" * 500)
        async with opened() as cache:
            assert await cache.get_many(["a"]) == {}
            await cache.set_many({"a": b"1"}, ttl=5)
            assert await cache.get_many(["a"]) == {"a": b"1"}
        (aside,) = tmp_path.glob("*.corrupt-*")
        assert aside.name == "c.sqlite3.corrupt-20240315T100000"
        assert aside.read_bytes().startswith(b"no database at all")
        (record,) = caplog.records
        assert aside.name in record.getMessage()

    async def test_of_many_damaged_files_the_newest_are_kept(self, opened, tmp_path, clock):
        for n in range(5):
            (tmp_path / "c.sqlite3").write_bytes(str(n).encode() * 4096)
            async with opened():
                pass
            clock.advance(n % 2)
        kept = sorted(tmp_path.glob("*.corrupt-*"))
        assert [path.read_bytes()[:1] for path in kept] == [b"3", b"4"]


class TestStore:
    def test_a_changed_bit_of_a_value_is_noticed(self, db, tmp_path):
        store = Store(db, 8 * MEBIBYTE, tmp_path)
        store.write({b"a": b"value"}, NOW, NOW + 5)
        db.execute("UPDATE entries SET value = ?", (b"valuf",))
        with pytest.raises(sqlite3.DatabaseError, match="not what was stored"):
            store.read([b"a"], NOW)

    def test_the_expired_and_then_the_least_used_make_room(self, db, tmp_path):
        store = Store(db, MEBIBYTE, tmp_path)
        store.write({b"old%d" % n: bytes(3000) for n in range(50)}, NOW, NOW + 1e6)
        store.write({b"read%d" % n: bytes(3000) for n in range(50)}, NOW, NOW + 1e6)
        later = NOW + 2 * GRAIN
        store.write({b"dead%d" % n: bytes(3000) for n in range(50)}, later, later + 1)
        assert len(store.read([b"read%d" % n for n in range(50)], later)) == 50
        later += 2
        store.write({b"new%d" % n: bytes(3000) for n in range(60)}, later, later + 1e6)
        assert kinds(db) == {"dead": kinds(db).get("dead", 0), "old": 50, "read": 50, "new": 60}
        store.write({b"newer%d" % n: bytes(3000) for n in range(110)}, later, later + 1e6)
        held = kinds(db)
        assert (held["read"], held["new"], held["newer"]) == (50, 60, 110)
        assert 0 < held["old"] < 50
        assert "dead" not in held
        assert used_bytes(db) <= MEBIBYTE

    def test_on_a_disk_nearly_full_the_new_takes_the_room_of_the_old(
        self, db, tmp_path, monkeypatch
    ):
        store = Store(db, 8 * MEBIBYTE, tmp_path)
        store.write({b"old%d" % n: bytes(3000) for n in range(100)}, NOW, NOW + 1e6)
        full = SimpleNamespace(total=1 << 40, free=10_000_000)
        monkeypatch.setattr("shutil.disk_usage", lambda _: full)
        size = one(db, "PRAGMA page_count")
        for batch in range(10):
            store.write({b"new%d" % n: bytes(3000) for n in range(20)}, NOW + batch, NOW + 1e6)
        store.write({b"newer%d" % n: bytes(3000) for n in range(50)}, NOW + 10, NOW + 1e6)
        assert one(db, "PRAGMA page_count") <= size + 3
        assert (kinds(db)["new"], kinds(db)["newer"]) == (20, 50)
        store.remove_prefix(b"", NOW)
        while store.give_back():
            pass
        with pytest.raises(sqlite3.OperationalError, match="disk is full"):
            store.write({b"a": bytes(2 * MEBIBYTE)}, NOW, NOW + 5)

    def test_a_failed_write_leaves_nothing_behind(self, db, tmp_path):
        store = Store(db, 8 * MEBIBYTE, tmp_path)
        store.write({b"a": b"old"}, NOW, NOW + 5)
        db.execute(
            "CREATE TRIGGER no BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(sqlite3.Error, match="no"):
            store.write({b"a": b"new", b"b": b"new"}, NOW, NOW + 5)
        assert not db.in_transaction
        assert store.read([b"a", b"b"], NOW) == {b"a": b"old"}
        assert store.totals() == counted(db) == (1, 4)


class Model(RuleBasedStateMachine):
    """The store beside a dictionary; what the bound evicts may be missing, never be wrong."""

    keys = st.sampled_from([b"a", b"ab", b"b", b"ba", b"\xe6\xb2\xaa", b"\xf4\x8f\xbf\xbf"])

    @initialize(bound=st.sampled_from([1 << 16, 1 << 30]))
    def start(self, bound):
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "store"
        self.bound, self.now = bound, NOW
        self.model: dict[bytes, tuple[bytes, float]] = {}
        self.connect()

    def connect(self):
        self.db = sqlite3.connect(self.path, isolation_level=None)
        prepare(self.db)
        self.store = Store(self.db, self.bound, self.path.parent)

    def teardown(self):
        if hasattr(self, "db"):
            self.db.close()
            self.directory.cleanup()

    @rule()
    def restart(self):
        self.db.close()
        self.connect()

    @rule(keys=st.sets(keys, min_size=1), size=st.integers(0, 30_000), ttl=st.integers(1, 2000))
    def write(self, keys, size, ttl):
        values = {key: key * (size // len(key)) for key in keys}
        self.store.write(values, self.now, self.now + ttl)
        self.model.update((key, (value, self.now + ttl)) for key, value in values.items())

    @rule(keys=st.sets(keys, min_size=1))
    def read(self, keys):
        expected = {
            k: v for k in keys if k in self.model for v, t in [self.model[k]] if t > self.now
        }
        found = self.store.read([*keys], self.now)
        assert found.items() <= expected.items()
        if self.bound > 1 << 20:
            assert found == expected

    @rule(keys=st.sets(keys, min_size=1))
    def remove(self, keys):
        self.gone(keys, self.store.remove([*keys], self.now))

    @rule(prefix=st.sampled_from([b"", b"a", b"b", b"\xe6\xb2\xaa", b"z"]))
    def remove_prefix(self, prefix):
        _, counts = self.store.remove_prefix(prefix, self.now)
        self.gone([key for key in self.model if key.startswith(prefix)], counts)

    def gone(self, keys, counts):
        sizes = [
            len(k) + len(v) for k in keys for v, t in [self.model.pop(k, (b"", 0))] if t > self.now
        ]
        assert counts <= (len(sizes), sum(sizes))
        if self.bound > 1 << 20:
            assert counts == (len(sizes), sum(sizes))

    @rule(seconds=st.integers(1, 1500))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def purge(self):
        old = [key for key, (_, expires) in self.model.items() if expires <= self.now]
        sizes = [len(key) + len(self.model.pop(key)[0]) for key in old]
        counts = self.store.purge(self.now)
        assert counts <= (len(sizes), sum(sizes))
        assert self.store.purge(self.now) == (0, 0)

    @rule()
    def upkeep(self):
        self.store.trim(self.now)
        while self.store.give_back():
            pass

    @invariant()
    def within_the_bound_and_exactly_counted(self):
        if hasattr(self, "db"):
            assert self.store.totals() == counted(self.db)
            assert used_bytes(self.db) <= self.bound
            assert one(self.db, "PRAGMA integrity_check") == "ok"


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=settings.default.max_examples // 3, stateful_step_count=20
)
