"""A vendor whose volume flips by 100 in the middle of a series, over the wire and through HTTP.

Two loopback Tushare servers with recorded rows; the first one flips. The clock is the test's, so
that ten minutes of quarantine pass at once.
"""

import contextlib
import csv

import httpx
import pytest
from support.clock import TestClock
from support.distribution import install
from vendors.tushare_rows import build
from vendors.tushare_server import TushareServer

from argus_api import create_app
from argus_core.config import Config
from argus_core.gateway import Gateway

ALERTER = """
    from argus_core import Alerter, hookimpl

    class Notebook(Alerter):
        def __init__(self, name, settings, clock):
            super().__init__(name, settings, clock)
            self.alerts = []

        async def send(self, alert):
            self.alerts.append(alert)

    @hookimpl
    def register_alerter():
        return Notebook
"""
SYMBOL, OTHER = "600000.SH", "600519.SH"
RANGE = {"start_date": "2019-01-02", "end_date": "2019-03-29"}
FLIP = {"fault": "volume_flip", "apis": ["daily"]}


class World:
    """A running Argus over two vendors."""

    def __init__(self, client, gateway, clock, vendors):
        self.client = client
        self.gateway = gateway
        self.clock = clock
        self.first, self.second = vendors

    async def get(self, path, **params):
        return await self.client.get(path, params=params)

    async def history(self, symbol=SYMBOL, **params):
        answer = await self.get(
            "/api/v1/market_data/history", symbols=symbol, **{**RANGE, **params}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def quality(self, name):
        rows = (await self.get("/api/v1/quality/sources")).json()["data"]
        return next(row for row in rows if row["name"] == name)

    async def alerts(self):
        await self.gateway._parts.alerts.aclose()
        (notebook,) = self.gateway._parts.alerts._alerters
        return notebook.alerts

    def asked(self, vendor):
        return [r["params"]["ts_code"] for r in vendor.requests if r["api"] == "daily"]


@pytest.fixture(scope="module")
def vendors(market_data):
    tables = build(market_data)
    with contextlib.ExitStack() as stack:
        servers = [TushareServer(tables, tokens=(f"token-number-{n}",)).start() for n in (1, 2)]
        for server in servers:
            stack.callback(server.stop)
        yield servers


@pytest.fixture
async def world(vendors, tmp_path, monkeypatch):
    install(
        tmp_path, monkeypatch, dist="notes", module="notes_module", source=ALERTER, entry="notes"
    )
    names = ("first", "second")
    table = {
        "server": {"data_dir": str(tmp_path)},
        "sources": {
            name: {"plugin": "tushare", "endpoint": vendor.url, "token": {"env": name.upper()}}
            for name, vendor in zip(names, vendors, strict=True)
        },
        "caches": {"l1": {"plugin": "memory"}},
        "alerters": {"notes": {"plugin": "notes"}},
    }
    clock = TestClock("2024-03-15 16:00:00")
    environ = {"FIRST": "token-number-1", "SECOND": "token-number-2"}
    gateway = Gateway(Config.parse(table, environ), clock=clock)
    app = create_app(gateway)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://argus") as client:
            yield World(client, gateway, clock, vendors)
    for vendor in vendors:
        vendor.control({"fault": None, "clear": True})


def recorded(market_data):
    (path,) = (market_data / "tushare").glob(f"daily_raw_{SYMBOL}_*.csv")
    with path.open(encoding="utf-8-sig") as file:
        rows = {row["trade_date"]: row for row in csv.DictReader(file)}
    first, last = (RANGE[name].replace("-", "") for name in ("start_date", "end_date"))
    return [rows[day] for day in sorted(rows) if first <= day <= last]


async def test_it_is_caught_quarantined_reported_and_the_next_answers(world, market_data):
    world.first.control(FLIP)
    body = await world.history(explain=1)
    rows = recorded(market_data)
    assert len(rows) > 40
    bars = body["data"][SYMBOL]
    assert [bar["volume"] for bar in bars] == [
        pytest.approx(float(row["vol"]) * 100, abs=0.51) for row in rows
    ]
    assert body["meta"]["source"] == "second"
    attempts = [a for trace in body["explain"]["traces"] for a in trace["attempts"]]
    (caught,) = [a for a in attempts if a["source"] == "first" and a["error"]]
    assert caught["error"] == "BAD_DATA"
    assert "disproves its units" in caught["reason"]

    (held,) = (await world.quality("first"))["quarantined"]
    assert (held["scope"], held["symbol"]) == ("bars:1d:stock", SYMBOL)
    assert held["reason"] == caught["reason"]
    assert "÷ volume" in held["reason"]
    assert held["until"] == "2024-03-15T16:10:00+08:00"
    assert (await world.quality("first"))["failed"] == {"disproved": 1}
    assert (await world.quality("second"))["quarantined"] == []
    listed = {s["name"]: s for s in (await world.get("/api/v1/sources")).json()["data"]}
    assert [entry["symbol"] for entry in listed["first"]["quarantined"]] == [SYMBOL]

    (alert,) = [alert for alert in await world.alerts() if alert.event == "quarantined"]
    assert alert.subject == "first"
    assert alert.message == (
        f"{SYMBOL} of bars:1d:stock: quarantined until 2024-03-15T16:10:00+08:00: {held['reason']}"
    )


async def test_meanwhile_only_this_symbol_is_not_asked_of_it(world):
    world.first.control(FLIP)
    await world.history()
    world.first.control({"fault": None, "clear": True})
    body = await world.history(explain=1, use_cache="false")
    assert body["meta"]["source"] == "second"
    skipped = [s for trace in body["explain"]["traces"] for s in trace["skipped"]]
    reasons = [s["reason"] for s in skipped if s["source"] == "first"]
    assert any(reason.startswith("quarantined until 2024-03-15T16:10:00") for reason in reasons)
    assert (await world.history(OTHER))["meta"]["source"] == "first"
    assert set(world.asked(world.first)) == {OTHER}


async def test_when_it_is_over_the_next_ask_probes(world):
    world.first.control(FLIP)
    await world.history()
    world.clock.advance(600)
    world.first.control({"fault": None, "clear": True})
    kept = await world.history()
    assert (kept["meta"]["source"], world.asked(world.first)) == ("second", [])
    assert (await world.history(use_cache="false"))["meta"]["source"] == "first"
    assert world.asked(world.first)
    events = [alert.event for alert in await world.alerts() if alert.subject == "first"]
    assert events[-2:] == ["quarantined", "recovered"]

    world.first.control(FLIP)
    assert (await world.history(use_cache="false"))["meta"]["source"] == "second"
    (held,) = (await world.quality("first"))["quarantined"]
    assert held["times"] == 2
    assert held["until"] == "2024-03-15T16:30:00+08:00", "longer than the first time"


async def test_an_operator_ends_it(world):
    world.first.control(FLIP)
    await world.history()
    world.first.control({"fault": None})
    answer = await world.client.delete("/api/v1/quality/quarantine/first")
    assert [held["symbol"] for held in answer.json()["data"]] == [SYMBOL]
    assert (await world.history(use_cache="false"))["meta"]["source"] == "first"


async def test_if_both_flip_nothing_is_answered_and_the_reasons_are(world):
    for vendor in (world.first, world.second):
        vendor.control(FLIP)
    params = {"symbols": SYMBOL, **RANGE}
    answer = await world.get("/api/v1/market_data/history", **params)
    assert answer.status_code == 503
    tried = [a["source"] for a in answer.json()["error"]["details"]["attempts"]]
    assert tried == ["first", "second"]
    for vendor in (world.first, world.second):
        vendor.control({"fault": None, "clear": True})
    again = await world.get("/api/v1/market_data/history", **params)
    assert again.status_code == 503
    message = again.json()["error"]["message"]
    assert message.count("disproves its units") == 2
    assert int(again.headers["Retry-After"]) == 600
    assert world.asked(world.first) == world.asked(world.second) == []


async def test_reconciling_finds_it_too(world):
    path, params = "/api/v1/quality/reconcile", {"symbols": f"{SYMBOL},{OTHER}", **RANGE}
    same = (await world.get(path, **params)).json()["data"]
    assert same["verdict"] == "identical"
    assert all(report["comparisons"][0]["rows"] > 40 for report in same["symbols"].values())
    world.first.control({**FLIP, "times": 1})
    answer = await world.get(path, symbols=SYMBOL, **RANGE)
    assert answer.status_code == 503
    told = answer.json()["error"]["details"]["symbols"][SYMBOL]
    assert set(told) == {"first"}
    assert told["first"]["code"] == "BAD_DATA"
    assert "disproves its units" in told["first"]["message"]
