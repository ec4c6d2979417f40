"""The memory tier: bounded, in the order of use, and honest about what it holds."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import ValidationError
from support.clock import TestClock

from argus_core import Cache, Clock
from argus_memory import MEBIBYTE, register_cache
from argus_memory.store import ByteStore, size_of


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


def build(clock: Clock, **settings) -> Cache:
    plugin = register_cache()
    return plugin("l1", plugin.Settings(**settings), clock)


@pytest.fixture
def cache(clock: TestClock) -> Cache:
    return build(clock)


class TestTier:
    async def test_what_was_set_is_got_and_a_miss_is_absent(self, cache):
        await cache.set_many({"a": b"1", "b": b"", "沪深A股": b"\0\xff"}, ttl=5)
        got = await cache.get_many(["a", "b", "c", "沪深A股"])
        assert got == {"a": b"1", "b": b"", "沪深A股": b"\0\xff"}

    async def test_an_entry_lives_to_its_ttl_and_no_longer(self, cache, clock):
        await cache.set_many({"a": b"1"}, ttl=5)
        clock.advance(4.75)
        assert await cache.get_many(["a"]) == {"a": b"1"}
        clock.advance(0.25)
        assert await cache.get_many(["a"]) == {}

    async def test_setting_again_replaces_value_and_ttl(self, cache, clock):
        await cache.set_many({"a": b"old"}, ttl=100)
        await cache.set_many({"a": b"new"}, ttl=1)
        assert await cache.get_many(["a"]) == {"a": b"new"}
        assert (await cache.stats()).entries == 1
        clock.advance(1)
        assert await cache.get_many(["a"]) == {}

    async def test_a_value_changed_by_its_owner_does_not_change_here(self, cache):
        value = bytearray(b"before")
        await cache.set_many({"a": value}, ttl=5)
        value[:] = b"after!"
        got = await cache.get_many(["a"])
        assert got == {"a": b"before"}
        got["a"] = b"mine"
        assert await cache.get_many(["a"]) == {"a": b"before"}

    async def test_a_prefix_is_deleted_and_counted(self, cache, clock):
        await cache.set_many({"q:1": b"x" * 10, "q:2": b"y" * 20, "b:q:": b"z"}, ttl=50)
        await cache.set_many({"q:3": b"gone"}, ttl=1)
        clock.advance(1)
        counted = size_of("q:1", b"x" * 10) + size_of("q:2", b"y" * 20)
        assert await cache.delete_prefix("q:") == (2, counted)
        assert await cache.get_many(["q:1", "q:2", "b:q:"]) == {"b:q:": b"z"}
        assert (await cache.stats()).entries == 1
        assert await cache.delete_prefix("q:") == (0, 0)
        assert (await cache.delete_prefix(""))[0] == 1
        stats = await cache.stats()
        assert (stats.entries, stats.bytes) == (0, 0)

    async def test_exactly_the_keys_that_are_named_are_deleted(self, cache, clock):
        await cache.set_many({"q": b"1", "q:1": b"22", "r": b"3"}, ttl=50)
        await cache.set_many({"old": b"gone"}, ttl=1)
        clock.advance(1)
        counted = size_of("q", b"1") + size_of("r", b"3")
        assert await cache.delete_many(iter(["q", "r", "r", "old", "never"])) == (2, counted)
        assert await cache.get_many(["q", "q:1", "r"]) == {"q:1": b"22"}
        assert (await cache.stats()).bytes == size_of("q:1", b"22")

    async def test_purge_removes_what_expired_and_lets_others_run(self, cache, clock, monkeypatch):
        monkeypatch.setattr("argus_memory.PURGED_AT_ONCE", 10)
        old = {f"old{n}": b"x" * n for n in range(95)}
        await cache.set_many(old, ttl=5)
        await cache.set_many({"new": b"1"}, ttl=50)
        clock.advance(5)
        purging = asyncio.create_task(cache.purge())
        await asyncio.sleep(0)
        assert (await cache.stats()).entries == 86
        await cache.set_many({"old94": b"again", "later": b""}, ttl=5)
        del old["old94"]
        assert await purging == (94, sum(size_of(key, value) for key, value in old.items()))
        assert await cache.get_many(["new", "old94", "later"]) == {
            "new": b"1",
            "old94": b"again",
            "later": b"",
        }
        assert await cache.purge() == (0, 0)

    async def test_the_very_object_that_was_stored_comes_out_each_time(self, cache):
        value = b"a quote" * 50
        await cache.set_many({"a": value}, ttl=50)
        for _ in range(3):
            assert (await cache.get_many(["a"]))["a"] is value

    async def test_reading_many_reads_the_clock_once(self):
        class Counting(TestClock):
            reads = 0

            def monotonic(self):
                self.reads += 1
                return super().monotonic()

        clock = Counting()
        cache = build(clock)
        keys = [str(n) for n in range(100)]
        await cache.set_many(dict.fromkeys(keys, b"1"), ttl=50)
        clock.reads = 0
        assert len(await cache.get_many(keys)) == 100
        assert clock.reads == 1

    async def test_max_mb_bounds_the_bytes(self, clock):
        cache = build(clock, max_mb=0.5)
        await cache.set_many({str(index): b"x" * 10_000 for index in range(100)}, ttl=50)
        stats = await cache.stats()
        assert stats.bytes <= MEBIBYTE // 2
        assert stats.entries == MEBIBYTE // 2 // size_of("99", b"x" * 10_000)
        assert "99" in await cache.get_many(["0", "99"])
        assert "0" not in await cache.get_many(["0", "99"])

    async def test_an_entry_larger_than_everything_is_not_kept_and_evicts_nothing(self, clock):
        cache = build(clock, max_mb=0.01)
        await cache.set_many({"small": b"s", "big": b"was small"}, ttl=50)
        await cache.set_many({"big": b"x" * 20_000}, ttl=50)
        assert await cache.get_many(["small", "big"]) == {"small": b"s"}

    async def test_open_and_close_may_be_repeated(self, cache):
        await cache.open()
        await cache.close()
        await cache.close()

    @pytest.mark.parametrize("settings", [{"max_mb": 0}, {"max_mb": "inf"}, {"size": 1}])
    def test_bad_settings_are_refused(self, clock, settings):
        with pytest.raises(ValidationError):
            build(clock, **settings)

    def test_the_default_is_256(self):
        assert register_cache().Settings().max_mb == 256

    @pytest.mark.parametrize("length", [0, 300, 5000])
    def test_the_count_covers_the_memory_really_taken(self, clock, length):
        count = 2000
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            store = ByteStore(MEBIBYTE * 100, clock)
            for index in range(count):
                store.write(f"latest:{index:06d}.SH", bytes(length), 5)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (after - before) <= store.bytes <= 1.25 * (after - before) + count * 50


class TestAiocache:
    async def test_both_interfaces_see_the_same_entries(self, cache):
        backend = cache.aiocache()
        await cache.set_many({"a": b"1"}, ttl=5)
        assert await backend.get("a") == b"1"
        assert await backend.set("b", b"2", ttl=5) is True
        assert await cache.get_many(["b"]) == {"b": b"2"}

    async def test_the_commands_of_aiocache(self, cache, clock):
        async with cache.aiocache() as backend:
            await backend.multi_set([("a", b"1"), ("b", bytearray(b"2"))], ttl=10)
            assert await backend.multi_get(["a", "b", "c"]) == [b"1", b"2", None]
            assert await backend.get("c", default="nothing") == "nothing"
            assert await backend.exists("a")
            assert await backend.delete("a") == 1
            assert await backend.delete("a") == 0
            assert not await backend.exists("a")
            assert await backend.add("a", b"again")
            with pytest.raises(ValueError, match="already exists"):
                await backend.add("a", b"twice")
            assert await backend.expire("b", 0)
            clock.advance(1e6)
            assert await backend.multi_get(["a", "b"]) == [b"again", b"2"]
            assert await backend.expire("b", 3)
            assert not await backend.expire("c", 3)
            clock.advance(3)
            assert await backend.get("b") is None
            await backend.set("ns:a", b"1", ttl=0)
            await backend.clear(namespace="ns:")
            assert await backend.multi_get(["a", "ns:a"]) == [b"again", None]
            await backend.clear()
            assert not await backend.exists("a")

    async def test_optimistic_writes(self, cache):
        backend = cache.aiocache()
        await backend.set("a", b"1")
        assert not await backend.set("a", b"3", _cas_token=b"2")
        assert await backend.set("a", b"2", _cas_token=b"1")
        assert await backend.get("a") == b"2"

    async def test_only_bytes_are_stored(self, cache):
        with pytest.raises(TypeError, match="not str"):
            await cache.aiocache().set("a", "text")


class Model(RuleBasedStateMachine):
    """The store beside a plain ordered dict that follows the same rules the slow way."""

    keys = st.sampled_from(["a", "ab", "abc", "b", "bc", "c", "股"])

    @initialize(bound=st.integers(300, 2500))
    def start(self, bound):
        self.clock = TestClock()
        self.store = ByteStore(bound, self.clock)
        self.model: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def _alive(self, key):
        return key in self.model and self.clock.monotonic() < self.model[key][1]

    def _sizes(self):
        return sum(size_of(key, value) for key, (value, _) in self.model.items())

    @rule(key=keys, value=st.binary(max_size=900), ttl=st.integers(1, 20))
    def write(self, key, value, ttl):
        fits = size_of(key, value) <= self.store.bound
        assert self.store.write(key, value, ttl) is fits
        self.model.pop(key, None)
        if fits:
            self.model[key] = (value, self.clock.monotonic() + ttl)
            while self._sizes() > self.store.bound:
                self.model.popitem(last=False)

    @rule(key=keys)
    def read(self, key):
        if self._alive(key):
            assert self.store.read(key) == self.model[key][0]
            self.model.move_to_end(key)
        else:
            assert self.store.read(key) is None
            self.model.pop(key, None)

    @rule(wanted=st.lists(keys))
    def read_many(self, wanted):
        alive = {key: self.model[key][0] for key in wanted if self._alive(key)}
        assert self.store.read_many(wanted) == alive
        for key in wanted:
            if self._alive(key):
                self.model.move_to_end(key)
            else:
                self.model.pop(key, None)

    @rule(wanted=st.sets(keys))
    def remove_many(self, wanted):
        self._removed(wanted, self.store.remove_many(wanted))

    @rule()
    def purge(self):
        dead = [key for key in self.model if not self._alive(key)]
        sizes = [size_of(key, self.model.pop(key)[0]) for key in dead]
        assert self.store.purge(["a", "ab", "abc", "b", "bc", "c", "股"]) == (
            len(sizes),
            sum(sizes),
        )

    @rule(key=keys)
    def look(self, key):
        assert self.store.holds(key) is self._alive(key)
        if not self._alive(key):
            self.model.pop(key, None)

    @rule(key=keys)
    def remove(self, key):
        assert self.store.remove(key) is self._alive(key)
        self.model.pop(key, None)

    @rule(key=keys, ttl=st.integers(1, 20))
    def renew(self, key, ttl):
        assert self.store.renew(key, ttl) is self._alive(key)
        if self._alive(key):
            self.model[key] = (self.model[key][0], self.clock.monotonic() + ttl)
        else:
            self.model.pop(key, None)

    @rule(prefix=st.sampled_from(["", "a", "ab", "b", "z", "股"]))
    def remove_prefix(self, prefix):
        hit = [key for key in self.model if key.startswith(prefix)]
        self._removed(hit, self.store.remove_prefix(prefix))

    def _removed(self, keys, counted):
        alive = [key for key in keys if self._alive(key)]
        assert counted == (len(alive), sum(size_of(key, self.model[key][0]) for key in alive))
        for key in keys:
            self.model.pop(key, None)

    @rule(seconds=st.integers(1, 15))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def within_the_bound_and_exactly_counted(self):
        assert self.store.bytes == self._sizes() <= self.store.bound
        assert len(self.store) == len(self.model)
        # The order of eviction is the order of use.
        assert list(self.store._entries) == list(self.model)


TestModel = Model.TestCase


@given(
    writes=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 400)), max_size=60),
    bound=st.integers(1, 3000),
)
async def test_the_bound_holds_through_any_writes(writes, bound):
    store = ByteStore(bound, TestClock())
    for key, length in writes:
        store.write(key, bytes(length), 5)
        assert store.bytes <= bound
