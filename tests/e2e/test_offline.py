"""What was asked for while online is served offline, flagged, by a process that asks nobody."""

import os
import sys

import pytest
from support.distribution import install
from support.process import argus, environment

PLUGIN = """
    from datetime import date, timedelta
    from pathlib import Path
    from argus_core import Instrument, Quote, Settings, Source, hookimpl, session_dates

    class Counted(Source):
        class Settings(Settings):
            book: Path

        def _note(self, what):
            with self.settings.book.open("a") as file:
                file.write(what + "\\n")

        async def open(self):
            self._note("open")

        def quotes(self, query):
            self._note("quotes")
            return [Quote(symbol=s, price=10.0, as_of=self.clock.now()) for s in query.symbols]

        def instruments(self, query):
            return [Instrument(symbol=s) for s in query.symbols]

        def factors(self, query):
            return [{"symbol": s, "date": query.start, "factor": 1.0} for s in query.symbols]

        def bars(self, query):
            self._note(f"bars {query.start} {query.end}")
            return [
                {"symbol": s, "time": day, "open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0,
                 "volume": 100.0, "turnover": 1000.0, "prev_close": 10.0}
                for s in query.symbols
                for day in session_dates(query.start, query.end)
            ]

    @hookimpl
    def register_source():
        return Counted
"""
CONFIG = """
[server]
data_dir = "state"

[sources.counted]
plugin = "counted"
book = "calls"

[caches.l1]
plugin = "memory"

[caches.l3]
plugin = "sqlite"

[history]
path = "history"
"""
LATEST = "/api/v1/market_data/latest?symbols="
DATES = "/api/v1/market_data/trading_dates?market=SH&start_date=2024-01-01&end_date=2024-01-31"
HISTORY = "/api/v1/market_data/history?symbols=600519.SH&start_date={}&end_date={}"


@pytest.fixture
def place(tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    install(site, monkeypatch, dist="counted", module="counted", source=PLUGIN, entry="counted")
    (tmp_path / "plugins.toml").write_text(CONFIG)
    (tmp_path / "calls").touch()
    env = environment(PYTHONPATH=os.pathsep.join([str(site), *sys.path]))

    def serve(*more):
        config = ("--config", str(tmp_path / "plugins.toml"))
        return argus(tmp_path, "serve", *config, *more, env=env)

    return tmp_path, serve


def test_offline_answers_are_those_from_before_and_say_so(place):
    tmp_path, serve = place
    with serve() as online:
        quote = online.get(LATEST + "600519.SH").json()["data"]
        bars = online.get(HISTORY.format("2024-01-02", "2024-03-29")).json()["data"]
        assert len(bars["600519.SH"]) == 58
        narrow = online.get(HISTORY.format("2024-02-01", "2024-03-01"))
        assert narrow.headers["Cache-Status"].startswith("argus-history; hit")
    calls = (tmp_path / "calls").read_text()
    assert calls.count("bars") == 1, "the narrower window was not asked for"

    with serve("--offline") as offline:
        told = offline.get(LATEST + "600519.SH").json()
        assert told["data"] == quote
        assert told["meta"]["reason"] == "offline"
        part = offline.get(HISTORY.format("2024-02-01", "2024-03-01"))
        assert part.json()["data"] == narrow.json()["data"]
        assert part.json()["meta"]["reason"] == "offline"
        health = offline.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        days = offline.get(DATES).json()
        assert (days["meta"]["source"], days["meta"]["reason"]) == ("exchange_calendars", "offline")
        past = offline.get(LATEST + "600519.SH&use_cache=false")
        assert past.status_code == 503
        assert "nothing but caches" in past.json()["error"]["message"]
        never = offline.get(LATEST + "000001.SZ")
        assert never.status_code == 503
        assert "offline" in never.json()["error"]["message"]
        before = offline.get(HISTORY.format("2023-02-01", "2023-03-01"))
        assert before.status_code == 503
        sources = offline.get("/api/v1/sources").json()["data"]
        assert "offline" in str(sources)
    assert (tmp_path / "calls").read_text() == calls, "nobody was asked, no source was opened"


@pytest.mark.long
def test_several_processes_say_of_each_answer_that_they_are_offline_too(place):
    _, serve = place
    with serve() as online:
        assert online.get(LATEST + "600519.SH").is_success
        assert online.get(HISTORY.format("2024-01-02", "2024-03-29")).is_success
    with serve("--offline", "--workers", "2") as offline:
        asked = [LATEST + "600519.SH", HISTORY.format("2024-02-01", "2024-03-01"), DATES]
        told = [offline.get(path).json() for path in asked * 3]  # of either edge, and once more
    assert [body["meta"].get("reason") for body in told] == ["offline"] * 9


def test_offline_with_nothing_on_disk_is_refused_with_what_to_add(place, capfd):
    tmp_path, serve = place
    config = (tmp_path / "plugins.toml").read_text()
    (tmp_path / "plugins.toml").write_text(config.split("[caches.l3]")[0])
    with pytest.raises(AssertionError, match="sqlite"), serve("--offline"):
        pass
