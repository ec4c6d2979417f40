"""One `argus serve` that is told to end, or to read its configuration anew, under load."""

import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
from support.distribution import install
from support.pressing import pressing
from support.process import PLAINLY, argus, environment
from support.waiting import block_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")

PLUGIN = """
    import asyncio
    from argus_core import Quote, Settings, Source, hookimpl

    class Slow(Source):
        class Settings(Settings):
            seconds: float = 0.05
            price: float = 1.0

        async def quotes(self, query):
            await asyncio.sleep(self.settings.seconds)
            now = self.clock.now()
            return [Quote(symbol=s, price=self.settings.price, as_of=now) for s in query.symbols]

    @hookimpl
    def register_source():
        return Slow
"""
CONFIG = """
[server]
drain_wait = {wait}

[sources.{name}]
plugin = "slow"
seconds = {seconds}
price = {price}
"""
PATH = "/api/v1/market_data/latest?symbols=600519.SH&use_cache=false"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A server of the slow source; its configuration file can be written again."""
    site = tmp_path / "site"
    site.mkdir()
    install(site, monkeypatch, dist="slow", module="slow_source", source=PLUGIN, entry="slow")
    path = tmp_path / "plugins.toml"
    env = environment(PYTHONPATH=os.pathsep.join([str(site), *sys.path]))

    def started(**changes):
        write(**changes)
        return argus(tmp_path, "serve", "--config", str(path), env=env)

    def write(*, name="first", seconds=0.05, price=1.0, wait=0.0):
        path.write_text(CONFIG.format(name=name, seconds=seconds, price=price, wait=wait))

    started.write, started.path, started.env = write, path, env
    return started


def test_reloads_and_the_end_fail_no_request(start):
    with start(wait=1.5) as running, httpx.Client(base_url=running.url, **PLAINLY) as client:
        assert running.get("/health/live").json() == {"live": True}
        assert running.get("/health/ready").json() == {"ready": True}
        with pressing(running.url, PATH) as seen:
            start.write(name="second", price=2.0, wait=1.5)
            running.process.send_signal(signal.SIGHUP)
            block_until(lambda: running.get(PATH).json()["data"]["600519.SH"]["price"] == 2.0)
            assert [s["name"] for s in running.get("/api/v1/sources").json()["data"]] == ["second"]

            start.path.write_text("[sources.third]\nplugin = 'nobody wrote it'\n")
            running.process.send_signal(signal.SIGHUP)
            block_until(lambda: "the old one serves on" in running.log.read_text())
            assert running.get(PATH).json()["data"]["600519.SH"]["price"] == 2.0

            running.process.send_signal(signal.SIGTERM)
            block_until(lambda: client.get("/health/ready").status_code == 503)
            told = client.get("/health/ready")
            assert told.json() == {"ready": False, "reason": "draining"}
            assert client.get("/health").status_code == 200, "it is well, it only leaves"
            assert running.process.wait(20) == 0
        assert seen.broken == []
        assert list(seen.statuses) == [200], running.log.read_text()
        assert seen.statuses[200] > 10
        assert seen.refused > 0
        assert seen.farewells >= 4, "each connection was told to close"


def test_what_is_under_way_ends_and_a_second_signal_does_not_wait_for_it(start):
    with start(seconds=2.0) as running:
        replies = []
        asking = threading.Thread(target=lambda: replies.append(running.get(PATH)))
        asking.start()
        block_until(lambda: running.get("/api/v1/sources").json()["data"][0]["in_flight"] == 1)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(20) == 0
        asking.join()
        assert replies[0].status_code == 200

    with start(seconds=2.9) as running:
        ends = []

        def ask():
            try:
                ends.append(running.get(PATH).status_code)
            except httpx.HTTPError as error:
                ends.append(repr(error))

        asking = threading.Thread(target=ask)
        asking.start()
        block_until(lambda: running.get("/api/v1/sources").json()["data"][0]["in_flight"] == 1)
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(20)
        assert time.monotonic() - began < 2.5
        asking.join()
        assert ends[0] != 200


def test_the_command_reloads_too_and_tells_what_changed(start, tmp_path):
    with start() as running:
        start.write(name="second")

        def reload():
            command = [sys.executable, "-m", "argus_cli", "reload", "--url", running.url]
            return subprocess.run(
                command, env=start.env, cwd=tmp_path, capture_output=True, text=True, check=False
            )

        done = reload()
        assert done.returncode == 0, done.stderr
        told = {" ".join(line.split()) for line in done.stdout.splitlines()}
        assert {"added sources.second", "removed sources.first"} <= told

        start.path.write_text("[sources.second]\nplugin = 'slow'\nsecond = 3\n")
        done = reload()
        assert done.returncode == 1
        assert done.stderr.splitlines()[0].startswith("error: ")
        assert "second" in done.stderr
        assert "Traceback" not in done.stderr
        assert running.get(PATH).status_code == 200
