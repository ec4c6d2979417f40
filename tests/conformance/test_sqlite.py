"""The SQLite cache under the kit."""

import contextlib
import tempfile
from pathlib import Path

from argus_core.testing import CacheConformance

MEBIBYTES = 4
BESIDE = ("", "-wal", "-shm")


@contextlib.contextmanager
def elsewhere(path):
    """The file has gone, and where it was no other can be made."""
    aside = path.with_name("aside")
    for end in BESIDE:
        path.with_name(path.name + end).replace(aside.with_name(aside.name + end))
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        for end in BESIDE:
            aside.with_name(aside.name + end).replace(path.with_name(path.name + end))


class TestSqlite(CacheConformance):
    plugin = "sqlite"
    bound = MEBIBYTES << 20
    shared = True

    @classmethod
    @contextlib.contextmanager
    def running(cls):
        with tempfile.TemporaryDirectory(prefix="argus-sqlite-") as directory:
            yield Path(directory) / "cache.sqlite3"

    def settings_for(self):
        return {"path": self.vendor, "max_mb": MEBIBYTES}

    def faults(self):
        return {"disconnect": lambda: elsewhere(self.vendor)}
