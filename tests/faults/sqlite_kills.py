# ruff: noqa: T201 - a command that prints its figures
"""Kill after kill in the middle of writes, and a look at what is left.

``python tests/faults/sqlite_kills.py 100`` starts a writer so many times over one cache file and
sends it SIGKILL at a random moment. After each kill every value that is read has to be whole: its
number and its length determine all of its bytes. ``write FILE`` instead of a number is the writer.
"""

import asyncio
import contextlib
import hashlib
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from argus_core import Clock  # noqa: E402
from argus_sqlite import Sqlite, SqliteSettings  # noqa: E402

KEYS = 400
BATCH = 40
LONGEST = 20_000
LIFE = 3600.0
MEBIBYTES = 3
"""Less than all keys take, so that kills meet evictions too."""

LATEST_KILL = 0.15
"""Seconds after its first write within which a writer is killed."""

READY = b"writing\n"


def value_of(key: str, number: int) -> bytes:
    """A value that tells by itself whether it is whole and belongs to the key."""
    seed = hashlib.sha256(f"{key}:{number}".encode()).digest()
    length = number * 7919 % LONGEST
    return number.to_bytes(8, "big") + (seed * (length // len(seed) + 1))[:length]


def whole(key: str, value: bytes) -> bool:
    """True if the value is one that was stored under the key."""
    return value == value_of(key, int.from_bytes(value[:8], "big"))


def opened(path: Path) -> Sqlite:
    """The cache, not opened."""
    return Sqlite("l3", SqliteSettings(path=path, max_mb=MEBIBYTES), Clock())


async def write(path: Path) -> None:
    """Write, delete and purge until killed."""
    cache = opened(path)
    await cache.open()
    number = time.time_ns()
    while True:
        keys = random.sample(range(KEYS), BATCH)
        number += 1
        values = {f"key {n}": value_of(f"key {n}", number) for n in keys}
        await cache.set_many(values, LIFE)
        if number % 5 == 0:
            await cache.delete_many([f"key {n}" for n in keys[:5]])
            await cache.set_many({"gone at once": b"x"}, 0.001)
            await cache.purge()
        print(READY.decode(), end="", flush=True)


def kill_one(path: Path, dice: random.Random) -> None:
    """Start a writer and kill it while it writes."""
    command = [sys.executable, __file__, "write", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        try:
            assert writer.stdout.readline() == READY, "the writer did not begin"
            time.sleep(dice.uniform(0, LATEST_KILL))
        finally:
            writer.kill()


async def read(path: Path) -> tuple[int, int]:
    """How many values are there, and how many of them are torn."""
    cache = opened(path)
    await cache.open()
    try:
        found = await cache.get_many([f"key {n}" for n in range(KEYS)])
        # It also has to be written to again.
        await cache.set_many({"after": b"1"}, LIFE)
        assert await cache.get_many(["after"]) == {"after": b"1"}
    finally:
        await cache.close()
    return len(found), sum(not whole(key, value) for key, value in found.items())


def healthy(path: Path) -> bool:
    """True if SQLite finds nothing wrong, and the counters are right."""
    counted = "SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM entries"
    with closing(sqlite3.connect(path)) as db:
        sound = db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        right = (
            db.execute(counted).fetchone()
            == db.execute("SELECT entries, bytes FROM totals").fetchone()
        )
    return sound and right and not list(path.parent.glob("*.corrupt-*"))


def kills(number: int, path: Path) -> tuple[int, int, int]:
    """Over so many kills: values read, torn ones among them, and times the file was not healthy."""
    dice = random.Random(1)
    values = torn = ill = 0
    for _ in range(number):
        kill_one(path, dice)
        here, bad = asyncio.run(read(path))
        values, torn, ill = values + here, torn + bad, ill + (not healthy(path))
    return values, torn, ill


def main(what: str, *rest: str) -> int:
    """0 if nothing was torn and the file always healthy."""
    if what == "write":
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(write(Path(*rest)))
        return 0
    with tempfile.TemporaryDirectory() as directory:
        began = time.monotonic()
        values, torn, ill = kills(int(what), Path(directory) / "cache.sqlite3")
    print(f"{what} kills in {time.monotonic() - began:.0f} s: {values} values read, {torn} torn")
    print(f"{ill} times the file was damaged or its counters were wrong")
    return 1 if torn or ill or not values else 0


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["100"])))
