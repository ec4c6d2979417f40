"""CCH: cache tiers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

from argus_core.extend.cache import Cache
from argus_core.testing.check import Check, check, demand, skip
from argus_core.testing.checks.shared_caches import refused
from argus_core.testing.subject import Subject

MEBIBYTE = 1 << 20
_LONG = 600.0
_SHORT = 0.3
_LATER = 0.45
_AT_ONCE = 100
_STRANGE = (
    "with:colons:and/slashes",
    "with a space and\ttab",
    "中文-ключ-🗝",
    "glob*[a-z]?\\{x}",
    "percent%20_underscore",
    "quote'\"`;--",
    *("Case", "case", "x" * 511 + "y", "x" * 512),
)


class Tier:
    """An open cache, and a prefix under which nobody else writes."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.prefix = f"conformance:{uuid4().hex}:"

    def key(self, name: str) -> str:
        """A key that only this check uses."""
        return self.prefix + name

    async def put(self, name: str, value: bytes, ttl: float = _LONG) -> None:
        """Store one value."""
        await self.cache.set_many({self.key(name): value}, ttl)

    async def get(self, name: str) -> bytes | None:
        """The value, ``None`` if it is absent."""
        return (await self.cache.get_many([self.key(name)])).get(self.key(name))


@asynccontextmanager
async def tier(subject: Subject) -> AsyncGenerator[Tier]:
    """An open tier; what it was given is removed again, as far as it can."""
    opened = Tier(subject.make())
    try:
        await opened.cache.open()
        yield opened
        await opened.cache.delete_prefix(opened.prefix)
    finally:
        await opened.cache.close()


@check("CCH-01")
async def same_bytes(subject: Subject) -> None:
    """The bytes that come out are those that went in: none, all 256 values, a mebibyte of them.

    Values are opaque: no text, no compression that shows, no trailing newline.
    """
    every = bytes(range(256))
    async with tier(subject) as it:
        for name, value in (("empty", b""), ("every", every), ("large", every * (MEBIBYTE // 256))):
            await it.put(name, value)
            found = await it.get(name)
            demand(found is not None, f"a value of {len(value)} bytes was not kept")
            demand(found == value, f"a value of {len(value)} bytes came back changed")
            demand(type(found) is bytes, f"a value came back as {type(found).__name__}")


@check("CCH-02")
async def absent_misses(subject: Subject) -> None:
    """A miss is simply absent from the answer: no `None`, no error; no keys are a valid question.

    Of many keys exactly those that are there come back.
    """
    async with tier(subject) as it:
        demand(await it.cache.get_many([]) == {}, "no keys should be answered with nothing")
        await it.cache.set_many({}, _LONG)
        await it.put("here", b"1")
        found = await it.cache.get_many([it.key("here"), it.key("never")])
        demand(dict(found) == {it.key("here"): b"1"}, f"one of two keys is there, it says {found}")


@check("CCH-03")
async def expiry(subject: Subject) -> None:
    """A value lives its `ttl`, in fractions of a second too, and not longer.

    A tier that keeps it longer serves old prices; one that rounds 0.3 down to 0 keeps nothing.
    """
    async with tier(subject) as it:
        await it.put("short", b"1", _SHORT)
        await it.put("long", b"1")
        demand(await it.get("short"), f"a value with a ttl of {_SHORT} s was gone at once")
        await asyncio.sleep(_LATER)
        demand(await it.get("short") is None, f"a ttl of {_SHORT} s was not kept to")
        demand(await it.get("long"), f"a value with a ttl of {_LONG:.0f} s is gone after a moment")


@check("CCH-04")
async def replacing(subject: Subject) -> None:
    """Storing again replaces the value and its ttl."""
    async with tier(subject) as it:
        await it.put("a", b"old", _SHORT)
        await it.put("a", b"new", _LONG)
        await it.put("b", b"old", _LONG)
        await it.put("b", b"new", _SHORT)
        demand(await it.get("a") == b"new", "the old value was kept")
        await asyncio.sleep(_LATER)
        demand(await it.get("a") == b"new", "the old ttl was kept")
        demand(await it.get("b") is None, "the old ttl was kept")


@check("CCH-05")
async def strange_keys(subject: Subject) -> None:
    """Keys are text of any kind: colons, spaces, Chinese, globs, 512 characters; all distinct."""
    async with tier(subject) as it:
        values = {it.key(name): str(n).encode() for n, name in enumerate(_STRANGE)}
        await it.cache.set_many(values, _LONG)
        found = await it.cache.get_many(list(values))
        lost = [key for key in values if found.get(key) != values[key]]
        demand(not lost, f"the key {lost[0][-40:] if lost else ''!r} lost its value")


@check("CCH-06")
async def literal_prefixes(subject: Subject) -> None:
    """`delete_prefix` removes what starts with the prefix, read literally, and counts it.

    `*` and `%` are no wildcards in a key, and its neighbours stay.
    """
    async with tier(subject) as it:
        names = ("a*b", "a*c", "axb", "a", "b")
        for name in names:
            await it.put(name, b"12345")
        entries, freed = await it.cache.delete_prefix(it.key("a*"))
        left = [name for name in names if await it.get(name) is not None]
        demand(left == ["axb", "a", "b"], f"after deleting 'a*' there are {left}, not axb, a, b")
        demand(entries == 2, f"it says that {entries} entries went; it were 2")  # noqa: PLR2004
        demand(freed > 0, f"it says that {freed} bytes went")
        none = await it.cache.delete_prefix(it.key("nothing"))
        demand(tuple(none) == (0, 0), f"nothing was deleted, and it says {none}")


@check("CCH-07")
async def own_copies(subject: Subject) -> None:
    """What the giver or the reader changes later is not changed in the tier."""
    async with tier(subject) as it:
        given = bytearray(b"before")
        values = {it.key("a"): bytes(given), it.key("b"): given}
        await it.cache.set_many(values, _LONG)  # type: ignore[arg-type]  # what callers may do
        given[:] = b"after!"
        values.clear()
        demand(await it.get("b") == b"before", "the caller's own buffer is kept: copy it")
        found = await it.cache.get_many([it.key("a")])
        if isinstance(found, dict):
            found.clear()
        demand(await it.get("a") == b"before", "the tier's own mapping is handed out: copy it")


@check("CCH-08")
async def many_at_once(subject: Subject) -> None:
    """A hundred tasks that read and write at once each find what they wrote."""

    async def one(it: Tier, number: int) -> bool:
        value = str(number).encode() * 100
        await it.put(f"task {number}", value)
        await asyncio.sleep(0)
        return await it.get(f"task {number}") == value

    async with tier(subject) as it:
        right = await asyncio.gather(*(one(it, number) for number in range(_AT_ONCE)))
        demand(all(right), f"{right.count(False)} of {_AT_ONCE} tasks did not find their value")


@check("CCH-09")
async def kept_bound(subject: Subject) -> None:
    """A tier with a bound keeps to it, and makes room without an error.

    Skipped unless `bound`, in bytes, says what the settings allow.
    """
    if subject.bound is None:
        skip("no `bound` was given")
    async with tier(subject) as it:
        piece = b"x" * max(1, subject.bound // 16)
        for number in range(32):
            await it.put(f"piece {number}", piece)
        held = (await it.cache.stats()).bytes
        demand(held is None or held <= subject.bound, f"it holds {held} of {subject.bound} bytes")
        await it.put("huge", b"x" * (subject.bound * 2))
        await it.put("after", b"1")
        demand(await it.get("after") == b"1", "after a value that is too large nothing is kept")


@check("CCH-10")
async def true_stats(subject: Subject) -> None:
    """`stats` counts what is held, `None` where it cannot know."""
    async with tier(subject) as it:
        before = await it.cache.stats()
        for number in range(10):
            await it.put(f"entry {number}", b"x" * 1000)
        after = await it.cache.stats()
        if before.entries is not None and after.entries is not None:
            grown = after.entries - before.entries
            demand(grown >= 10, f"10 entries were added, `entries` grew by {grown}")  # noqa: PLR2004
        if before.bytes is not None and after.bytes is not None:
            grown = after.bytes - before.bytes
            demand(grown >= 1000, f"10 000 bytes were added, `bytes` grew by {grown}")  # noqa: PLR2004


@check("CCH-11")
async def lost_store(subject: Subject) -> None:
    """A store that is gone is a `CacheError` within seconds, and is used again when it is back.

    The gateway then treats it as a miss. Fault `disconnect`.
    """
    fault = subject.faults.get("disconnect")
    if fault is None:
        skip("no fault 'disconnect' was given: override `faults`")
    async with tier(subject) as it:
        await it.put("before", b"1")
        with fault():
            reading, writing = partial(it.get, "before"), partial(it.put, "during", b"1")
            for call in (reading, writing):
                await refused(call())
        await it.put("after", b"1")
        demand(await it.get("after") == b"1", "when the store is back it keeps nothing")


@check("CCH-12")
async def shared_store(subject: Subject) -> None:
    """A second instance with the same settings sees the values of the first.

    Skipped unless `shared` says that the store outlives the process.
    """
    if not subject.shared:
        skip("`shared` does not say that its store is shared")
    async with tier(subject) as it:
        await it.put("shared", b"1")
        other: Cache = subject.make()
        try:
            await other.open()
            found = await other.get_many([it.key("shared")])
        finally:
            await other.close()
        demand(found.get(it.key("shared")) == b"1", "another instance does not see the value")


@check("CCH-13")
async def exact_deletion(subject: Subject) -> None:
    """`delete_many` removes exactly these keys, and counts those that were there.

    A key is no prefix: what only begins like it stays. No keys are a valid question. Skipped where
    it is not overridden: then it does what `delete_prefix` does.
    """
    if subject.cls.delete_many is Cache.delete_many:
        skip("`delete_many` is not overridden")
    async with tier(subject) as it:
        names = ("a", "ab", "b", "A", "c")
        for name in names:
            await it.put(name, b"12345")
        asked = [it.key(name) for name in ("a", "c", "c", "never")]
        entries, freed = await it.cache.delete_many(iter(asked))
        left = [name for name in names if await it.get(name) is not None]
        demand(left == ["ab", "b", "A"], f"after deleting a and c there are {left}, not ab, b, A")
        demand(entries == 2, f"it says that {entries} entries went; it were 2")  # noqa: PLR2004
        demand(freed > 0, f"it says that {freed} bytes went")
        for keys in ([], asked):
            none = await it.cache.delete_many(keys)
            demand(tuple(none) == (0, 0), f"nothing was deleted, and it says {none}")


@check("CCH-14")
async def purged_expiry(subject: Subject) -> None:
    """`purge` removes what has expired and nothing else, and counts it.

    A tier that drops such entries by itself has nothing to do and says (0, 0).
    """
    async with tier(subject) as it:
        await it.put("long", b"12345")
        for name in ("short", "shorter"):
            await it.put(name, b"12345", _SHORT)
        await asyncio.sleep(_LATER)
        entries, freed = await it.cache.purge()
        demand(await it.get("long") == b"12345", "it removed an entry that had not expired")
        # In a store that others use too, more may have expired meanwhile.
        right = entries == 2 or (subject.shared and entries > 2) or entries == 0  # noqa: PLR2004
        demand(right, f"it says that {entries} entries went; 2 had expired")
        demand((entries > 0) == (freed > 0), f"it says: {entries} entries of {freed} bytes")
        if not subject.shared:
            again = await it.cache.purge()
            demand(tuple(again) == (0, 0), f"nothing was left to purge, and it says {again}")


@check("CCH-15")
async def kept_over_restart(subject: Subject) -> None:
    """What a `persistent` tier holds is there again after it was closed and another opened.

    Skipped unless the class says `persistent = True`.
    """
    if not subject.cls.persistent:
        skip("it does not say that it is persistent")
    async with tier(subject) as it:
        await it.put("kept", b"1")
        await it.put("short", b"1", _SHORT)
        await it.cache.close()
        it.cache = subject.make()
        await it.cache.open()
        demand(await it.get("kept") == b"1", "a value did not outlive its instance")
        await asyncio.sleep(_LATER)
        demand(await it.get("short") is None, f"a ttl of {_SHORT} s began anew with the instance")


CHECKS: tuple[Check, ...] = (
    same_bytes,
    absent_misses,
    expiry,
    replacing,
    strange_keys,
    literal_prefixes,
    own_copies,
    many_at_once,
    kept_bound,
    true_stats,
    lost_store,
    shared_store,
    exact_deletion,
    purged_expiry,
    kept_over_restart,
)
