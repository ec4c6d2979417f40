"""A whole gateway watches over its nodes and tells operators how they are."""

import asyncio
from random import Random

import pytest
from support.clock import TestClock
from support.distribution import install
from support.sources import Scripted, node, symbols
from support.waiting import until

from argus_core import SourceTimeout
from argus_core.config import Config
from argus_core.gateway import Gateway
from argus_core.model.ask import Ask, Deadline
from argus_core.routing.health import checks as module
from argus_core.routing.health.breaker import IN_A_ROW
from argus_core.routing.health.standing import Checked
from argus_core.routing.node import EVERYTHING
from argus_core.routing.status import status_of
from argus_core.telemetry.redact import Redactor

(A,) = symbols("600519.SH")

PLUGIN = """
    from argus_core import Quote, Settings, Source, SourceUnavailable, hookimpl

    WORLD = {"opens": False, "pings": 0}

    class Shy(Source):
        async def open(self):
            if not WORLD["opens"] and self.name == "late":
                raise RuntimeError("not yet")

        async def ping(self):
            WORLD["pings"] += 1

        async def quotes(self, query):
            return [Quote(symbol=s, price=10.0, as_of=self.clock.now()) for s in query.symbols]

    @hookimpl
    def register_source():
        return Shy
"""
TABLE = {
    "sources": {
        "one": {"plugin": "shy"},
        "late": {"plugin": "shy", "required": False},
    },
    "pools": {
        "both": {
            "sources": ["one", "late"],
            "balancer": "round_robin",
            "health_check_interval": 7.0,
        }
    },
}


@pytest.fixture
def world(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, dist="shy", module="shy_module", source=PLUGIN, entry="shy")
    for name in ("SOON", "TICK", "FIRST_REOPENING"):
        monkeypatch.setattr(module, name, 0.001)

    def told():
        import shy_module

        return shy_module.WORLD

    return told


def gateway(**options):
    return Gateway(Config.parse(TABLE, {}), random=Random(0), **options)


async def test_a_source_that_did_not_open_comes_back_by_itself(world):
    async with gateway() as argus:
        assert argus.health() == {"one": "healthy", "late": "down"}
        world()["opens"] = True
        await until(lambda: argus.health()["late"] == "healthy")
        late = next(s for s in argus.sources() if s.name == "late")
        assert (late.state, late.reason) == ("up", None)
        assert late.health.share < 1, "it gets its share little by little"
        answer = await argus.quotes((A,), Ask(deadline=Deadline.within(5, argus.clock)))
        assert answer.data[A].price == 10.0


async def test_a_node_that_cools_down_comes_back_by_a_check(world):
    async with gateway() as argus:
        await until(lambda: argus.sources()[0].health.check_ok)
        one = argus._parts.nodes["one"]
        one.failed(EVERYTHING, SourceTimeout("no answer"))
        assert argus.health()["one"] == "degraded"
        await until(lambda: argus.health()["one"] == "healthy")
        assert world()["pings"] >= 3


async def test_an_offline_gateway_asks_nobody(world, tmp_path):
    table = {**TABLE, "history": {"path": str(tmp_path / "h")}}
    async with Gateway(Config.parse(table, {}), offline=True):
        await asyncio.sleep(0.02)
    assert world()["pings"] == 0


def test_the_interval_is_that_of_the_pools_that_hold_the_source(world):
    made = gateway()
    assert made._parts.routes.check_interval("one") == 7.0
    assert made._parts.routes.check_interval("unknown") == 30.0


def test_the_status_tells_the_breaker_the_minute_and_the_last_check():
    clock = TestClock()
    subject = node(Scripted("one", clock))

    def status():
        return status_of(subject, distribution="d", routes=(), clock=clock, redactor=Redactor())

    found = status()
    assert found.state == "up"
    assert (found.health.breaker, found.health.calls, found.health.checked_at) == (
        "closed",
        0,
        None,
    )
    for _ in range(IN_A_ROW):
        permit = subject.health.permit()
        permit.failed()
        permit.end()
    subject.health.note_check(Checked(at=clock.now(), ok=False, seconds=3.0, error="TIMEOUT"))
    found = status()
    assert found.state == "ejected"
    assert found.health.breaker == "open"
    assert (found.health.calls, found.health.failures) == (IN_A_ROW, IN_A_ROW)
    assert 27 <= found.health.ejected_for <= 33
    assert (found.health.check_ok, found.health.check_error) == (False, "TIMEOUT")
    subject.health.vouched = True
    subject.failed(EVERYTHING, SourceTimeout("x"))
    clock.advance(20)
    found = status()
    assert (found.state, found.cooling, found.reason) == ("cooling", {"*": 0}, "TIMEOUT")
    subject.check_passed()
    assert status().state == "ejected"
    assert status().health.breaker == "half_open", "on trial"
