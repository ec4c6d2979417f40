"""What a disk does to those who ask a gateway that keeps its cache and its archive there: nothing.

Locked, full, spoilt, wiped, killed in between: every answer is the right one, and none is late.
"""

import contextlib
import math
import os
import random
import signal
import sqlite3
import sys
import time
from contextlib import ExitStack, closing
from datetime import date, timedelta

import httpx
import pytest
from support.disk import filled, small_disk_of
from support.distribution import install
from support.process import PLAINLY, argus, environment

PLUGIN = """
    from pathlib import Path
    from argus_core import Instrument, Quote, Settings, Source, hookimpl
    from argus_core.market.calendar import session_dates

    def price(symbol):
        return float(symbol[:6]) / 1000

    class Steady(Source):
        class Settings(Settings):
            book: Path

        def quotes(self, query):
            now = self.clock.now()
            return [Quote(symbol=s, price=price(s), as_of=now) for s in query.symbols]

        def instruments(self, query):
            return [Instrument(symbol=s) for s in query.symbols]

        def factors(self, query):
            return [{"symbol": s, "date": query.start, "factor": 1.0} for s in query.symbols]

        def bars(self, query):
            with self.settings.book.open("a") as file:
                file.write("bars\\n")
            return [
                {"symbol": s, "time": day, **dict.fromkeys(
                    ("open", "high", "low", "close", "prev_close"), price(s)),
                 "volume": 100.0, "turnover": 100.0 * price(s)}
                for s in query.symbols
                for day in session_dates(query.start, query.end)
            ]

    @hookimpl
    def register_source():
        return Steady
"""
CONFIG = """
[server]
data_dir = "{disk}/state"

[sources.steady]
plugin = "steady"
book = "{book}"

[caches.l3]
plugin = "sqlite"
path = "{disk}/cache.sqlite3"

[history]
path = "{disk}/history"

[cache_rules.LATEST_DATA]
ttl = 0.2
"""
LATEST = "/api/v1/market_data/latest?symbols="
HISTORY = "/api/v1/market_data/history?symbols={}&start_date={}&end_date={}"


small_disk = small_disk_of(16)


class Consumer:
    """Asks for quotes and histories over and over."""

    def __init__(self, client, server):
        self.server = server
        self.slowest = 0.0
        self._client = client
        self._random = random.Random(1)

    def load(self, seconds=math.inf, *, times=sys.maxsize):
        """Every answer is the right one; the slowest is noted."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and times:
            times -= 1
            symbol = f"{600000 + self._random.randrange(40)}.SH"
            start = date(2024, 1, 2) + timedelta(days=self._random.randrange(300))
            end = start + timedelta(days=self._random.randrange(15, 60))
            data = self._asked(LATEST + symbol)
            assert data[symbol]["price"] == price(symbol)
            bars = self._asked(HISTORY.format(symbol, start, end))[symbol]
            assert bars
            assert {row["close"] for row in bars} == {price(symbol)}
            assert all(str(start) <= row["date"] <= str(end) for row in bars)

    def _asked(self, path):
        began = time.monotonic()
        reply = self._client.get(self.server.url + path)
        self.slowest = max(self.slowest, time.monotonic() - began)
        assert reply.status_code == 200, reply.text
        assert not reply.json()["meta"].get("stale")
        return reply.json()["data"]

    def until_back(self):
        """Ask on until the tier on the disk is in use again, which it must be by itself."""
        ends = time.monotonic() + 25
        while True:
            self.load(0.2)
            stats = self._client.get(self.server.url + "/api/v1/cache/stats").json()["data"]
            if next(iter(stats["cache_levels"].values()))["state"] == "up":
                return
            assert time.monotonic() < ends, stats


def price(symbol):
    return float(symbol[:6]) / 1000


@contextlib.contextmanager
def locked(path):
    """Another program has the file for itself."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA busy_timeout = 5000")
        db.execute("BEGIN EXCLUSIVE")
        yield
        db.execute("ROLLBACK")


def spoilt(path):
    """Overwrite the file where it is."""
    with path.open("r+b") as file:
        file.write(b"\xa5" * path.stat().st_size)


@pytest.mark.long
def test_whatever_the_disk_does_everybody_is_answered_and_rightly(
    tmp_path, monkeypatch, small_disk
):
    disk, site, book = small_disk, tmp_path / "site", tmp_path / "book"
    site.mkdir()
    install(site, monkeypatch, dist="steady", module="steady", source=PLUGIN, entry="steady")
    config = tmp_path / "plugins.toml"
    config.write_text(CONFIG.format(book=book, disk=disk))
    env = environment(PYTHONPATH=os.pathsep.join([str(site), *sys.path]))
    command = ("serve", "--config", str(config))
    cache, ledger = disk / "cache.sqlite3", "ledger.sqlite3"
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(timeout=20, **PLAINLY))
        server = stack.enter_context(argus(tmp_path, *command, env=env))
        asking = Consumer(client, server)
        asking.load(1.0)
        with locked(cache):
            asking.load(1.5)
        asking.until_back()
        with locked(disk / "history" / ledger):
            asking.load(1.5)
        ballast = filled(disk)
        asking.load(1.5)
        ballast.unlink()
        asking.until_back()
        spoilt(cache)
        asking.load(1.0)
        asking.until_back()
        spoilt(disk / "history" / ledger)
        asking.load(1.0)
        for name in ("cache.sqlite3", "cache.sqlite3-wal", "cache.sqlite3-shm"):
            (disk / name).unlink(missing_ok=True)
        asking.load(0.7)
        asking.until_back()
        assert asking.slowest < 5.0

        Consumer(client, server).load(times=40)
        asked = len(book.read_text().splitlines())
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        again = stack.enter_context(argus(tmp_path, *command, env=env))
        Consumer(client, again).load(times=40)  # the same once more
        assert len(book.read_text().splitlines()) == asked, "what is sealed is not asked for again"
        log = server.log.read_text(errors="replace")
        assert "Traceback" not in log, log
