"""`argus serve --workers 2`: one session, two edges, and what happens when any of them dies."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import httpx
import psutil
import pytest
from support.distribution import install
from support.pressing import pressing
from support.process import PLAINLY, argus, environment
from support.waiting import block_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 and signals")

PLUGIN = """
    import datetime
    from pathlib import Path
    from argus_core import Instrument, Quote, Settings, Source, hookimpl

    class Counted(Source):
        class Settings(Settings):
            book: str

        def write(self, line):
            with (Path(self.settings.book) / "lines").open("a") as file:
                file.write(line + "\\n")

        async def open(self):
            self.write("login")

        async def quotes(self, query):
            self.write("call " + ",".join(query.symbols))
            now = self.clock.now()
            return [
                Quote(symbol=s, price=float(s[:6]) / 1000, as_of=now)
                for s in query.symbols if s != "600001.SH"
            ]

        def instruments(self, query):
            return [Instrument(symbol=s, name="n" + s[:6]) for s in query.symbols]

    @hookimpl
    def register_source():
        return Counted
"""
CONFIG = """
[server]
data_dir = "data"

[sources.vendor]
plugin = "counted"
book = "{book}"

[caches.l1]
plugin = "memory"

[caches.l3]
plugin = "sqlite"

[cache_rules.LATEST_DATA]
ttl = {ttl}
stale_if_error = 300
"""
PATH = "/api/v1/market_data/latest?symbols="


@dataclass
class House:
    """A running supervisor and what its vendor wrote down."""

    running: object
    book: object
    config: object

    @property
    def url(self):
        return self.running.url

    @property
    def lines(self):
        return (self.book / "lines").read_text().splitlines()

    @property
    def logins(self):
        return self.lines.count("login")

    def pids(self, name):
        """Every process that ever answered in that place, the newest last."""
        log = self.running.log.read_text()
        return [int(pid) for pid in re.findall(rf"{name} answers \(pid (\d+)\)", log)]

    def get(self, path):
        """An answer over a connection of its own, so from either edge."""
        return self.running.get(path)

    def kill(self, name):
        """kill -9, and return when another stands there; how long that took."""
        before = self.pids(name)
        os.kill(before[-1], signal.SIGKILL)
        began = time.monotonic()
        block_until(lambda: len(self.pids(name)) > len(before))
        return time.monotonic() - began


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("site")
        install(root, patch, dist="counted", module="counted", source=PLUGIN, entry="counted")
        yield environment(PYTHONPATH=os.pathsep.join([str(root), *sys.path]))


def written(tmp_path, *, ttl=60):
    book = tmp_path / "book"
    book.mkdir(exist_ok=True)
    (book / "lines").touch()
    config = tmp_path / "plugins.toml"
    config.write_text(CONFIG.format(book=book, ttl=ttl))
    return book, config


@pytest.fixture(scope="module")
def house(site, tmp_path_factory):
    root = tmp_path_factory.mktemp("house")
    book, config = written(root)
    arguments = ("serve", "--config", str(config), "--workers", "2")
    with argus(root, *arguments, env=site) as running:
        block_until(lambda: "Argus answers on" in running.log.read_text())
        yield House(running, book, config)


def test_edges_answer_as_one_process_does_and_the_vendor_sees_one_login(house, site, tmp_path):
    _, config = written(tmp_path)
    paths = [
        PATH + "600519.SH,600001.SH",
        PATH + "600001.SH",
        PATH + "no symbol",
        "/latest_market?symbols=600519.SH",
        "/api/v1/market_data/instrument_detail?symbol=600519.SH",
        "/api/v1/market_data/history?symbols=600519.SH&start_date=2026-01-05&end_date=2026-01-16",
        "/api/v1/nothing",
        "/health/ready",
    ]

    def plain(reply):
        """What two runs of the same question have in common."""
        text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+08:00)?", "TIME", reply.text)
        text = re.sub(r'"response_time_ms":[\d.]+|"trace_id":"\w+"|"age":[\d.]+', "", text)
        return reply.status_code, reply.headers.get("x-argus-source"), text

    with argus(tmp_path, "serve", "--config", str(config), env=site) as single:
        for path in paths:
            assert plain(house.get(path)) == plain(single.get(path)), path
    assert house.logins == 1
    meta = house.get(PATH + "600519.SH").json()["meta"]
    assert meta["source"] == "vendor"
    assert "via" not in meta
    log = house.running.log.read_text()
    assert re.findall(r"^(agent|edge-1|edge-2) answers", log, re.MULTILINE)[0] == "agent"
    assert len(house.pids("edge-1")) == len(house.pids("edge-2")) == 1


def test_what_operators_do_at_one_edge_holds_at_the_other(house):
    path = PATH + "600036.SH"
    for _ in range(10):
        assert house.get(path).status_code == 200
    asked = house.lines.count("call 600036.SH")
    assert asked == 1, "the agent has kept it for both"
    cleared = httpx.delete(house.url + "/api/v1/cache/clear", **PLAINLY).json()
    assert cleared["complete"] is True
    assert set(cleared["edges"]) == {"edge-1", "edge-2"}
    parts = [edge["cleared_keys"] for edge in cleared["edges"].values()]
    assert all(part > 0 for part in parts), "both edges had it"
    assert cleared["cleared_keys"] > sum(parts)
    for _ in range(10):
        house.get(path)
    assert house.lines.count("call 600036.SH") == 2
    deeper = httpx.delete(house.url + "/api/v1/cache/clear?level=L2", **PLAINLY).json()
    assert deeper["complete"] is True, "edges have no second level"
    assert deeper["cleared_keys"] == deeper["levels"]["L2"]["cleared_keys"] > 0
    assert {edge["cleared_keys"] for edge in deeper["edges"].values()} == {0}
    stats = house.get("/api/v1/cache/stats").json()
    assert stats["process"] == "agent"
    assert [level["plugin"] for level in stats["data"]["cache_levels"].values()] == [
        "memory",
        "sqlite",
    ]
    assert {len(edge["cache_levels"]) for edge in stats["edges"].values()} == {1}
    assert [s["name"] for s in house.get("/api/v1/sources").json()["data"]] == ["vendor"]


def test_an_edge_that_is_killed_costs_no_session_and_comes_back(house):
    with pressing(house.url, PATH + "600519.SH", clients=2, pause=0.05) as seen:
        house.kill("edge-1")
    assert list(seen.statuses) == [200]
    assert len(seen.broken) <= 2, "only what was on its connections"
    assert seen.refused == 0
    assert house.logins == 1
    assert house.get("/api/v1/cache/stats").json()["edges"]["edge-1"] is not None


def test_without_the_agent_edges_serve_what_they_keep_and_it_is_back_in_seconds(house):
    kept, other = PATH + "600519.SH", PATH + "600600.SH"
    for _ in range(10):
        assert house.get(kept).status_code == 200
    before = house.pids("agent")
    os.kill(before[-1], signal.SIGKILL)
    for _ in range(4):
        assert house.get(kept).status_code == 200
    block_until(lambda: house.get("/health").json()["status"] == "degraded", 0.4)
    lost = house.get("/api/v1/sources")
    assert lost.status_code == 503
    assert int(lost.headers["retry-after"]) >= 1
    missing = house.get(other)
    assert missing.status_code in (200, 503)
    block_until(lambda: len(house.pids("agent")) > len(before))
    block_until(lambda: house.get(other).status_code == 200)
    assert house.logins == 2


@pytest.mark.long
def test_a_reload_reaches_the_agent_and_edges_whose_rules_changed_begin_anew(house):
    edges = house.pids("edge-2")
    with pressing(house.url, PATH + "600519.SH", clients=2, pause=0.05) as seen:
        house.config.write_text(house.config.read_text().replace("ttl = 60", "ttl = 61"))
        house.running.process.send_signal(signal.SIGHUP)
        block_until(lambda: len(house.pids("edge-2")) > len(edges))
        block_until(lambda: not psutil.pid_exists(edges[-1]))
    assert seen.broken == []
    assert list(seen.statuses) == [200]
    rules = house.get("/api/v1/cache/config").json()
    told = [rules["data"], *rules["edges"].values()]
    assert {each["cache_rules"]["LATEST_DATA"]["ttl"] for each in told} == {61}


def test_the_end_drains_edges_and_agent_and_leaves_nothing(house):
    pids = [house.pids(name)[-1] for name in ("agent", "edge-1", "edge-2")]
    with pressing(house.url, PATH + "600519.SH", clients=2) as seen:
        time.sleep(0.3)
        house.running.process.send_signal(signal.SIGTERM)
        assert house.running.process.wait(60) == 0
    assert seen.broken == []
    assert list(seen.statuses) == [200]
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert "Traceback" not in house.running.log.read_text()


@pytest.mark.long
def test_a_supervisor_that_is_killed_leaves_no_orphan(site, tmp_path):
    book, config = written(tmp_path)
    arguments = ("serve", "--config", str(config), "--workers", "1")
    with argus(tmp_path, *arguments, env=site) as running:
        made = House(running, book, config)
        block_until(lambda: "Argus answers on" in running.log.read_text())
        pids = [made.pids(name)[-1] for name in ("agent", "edge-1")]
        running.process.kill()
        block_until(lambda: not [pid for pid in pids if psutil.pid_exists(pid)])


def test_an_agent_that_cannot_start_is_one_clear_error(tmp_path):
    config = tmp_path / "plugins.toml"
    config.write_text('[server]\nport = 0\n[sources.a]\nplugin = "nobody wrote it"\n')
    command = [sys.executable, "-m", "argus_cli", "serve", "--workers", "2"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert "nobody wrote it" in first
    assert "[sources.a]" in rest[0]
    assert "Traceback" not in done.stderr
