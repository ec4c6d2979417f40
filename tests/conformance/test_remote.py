"""Another Argus under the kit: a live server, and a way to it that can be cut."""

import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.agents import Afternoon, gateway, serving
from support.faultproxy import FaultProxy
from support.relaying import Market, installed

from argus_core import Symbol
from argus_core.model.told import Told, told_records
from argus_core.testing import SourceConformance, StreamConformance


def refusal(code):
    return b'{"success":false,"error":{"code":"%s","message":"no"}}' % code.encode()


class TestRemote(SourceConformance):
    plugin = "remote"
    clock = Afternoon()
    symbols = ("600519.SH", "000001.SZ", "510300.SH", "rb2410.SHFE")

    @classmethod
    @contextmanager
    def running(cls):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path:
            demo = gateway(Path(path), {"demo": {"plugin": "demo"}}, clock=cls.clock)
            with serving(demo) as agent:
                port = int(agent.url.rpartition(":")[2])
                with FaultProxy(port) as proxy:
                    proxy.agent = agent
                    yield proxy

    def settings_for(self):
        return {"url": self.vendor.url, "simulated": True, "key": "a-secret-key", "timeout": 2.0}

    def faults(self):
        answering = self.vendor.agent.app.answering
        nothing = told_records("quotes", Told(now=self.clock.now()))
        return {
            "timeout": lambda: self.vendor.trouble(hang=True),
            "slow": lambda: self.vendor.trouble(latency=0.1),
            "disconnect": self.vendor.refusing,
            "quota": lambda: answering(429, refusal("RATE_LIMIT_EXCEEDED"), Retry_After="7"),
            "no_permission": lambda: answering(403, refusal("FORBIDDEN")),
            "bad_token": lambda: answering(401, refusal("UNAUTHORIZED")),
            "garbage": lambda: answering(200, b"<html>welcome to the hotel</html>"),
            "empty": lambda: answering(200, nothing),
        }


class TestRemoteStream(StreamConformance):
    plugin = "remote"
    clock = Afternoon()
    symbols = ("600519.SH", "000001.SZ")

    @classmethod
    @contextmanager
    def running(cls):
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path,
            pytest.MonkeyPatch.context() as patch,
        ):
            installed(Path(path) / "site", patch)
            vendor = gateway(Path(path), {"vendor": {"plugin": "feeding"}}, clock=cls.clock)
            market = Market(cls.clock, *map(Symbol, cls.symbols))
            with serving(vendor) as agent, FaultProxy(int(agent.url.rpartition(":")[2])) as proxy:
                proxy.market = market
                yield proxy

    def settings_for(self):
        return {"url": self.vendor.url}

    def faults(self):
        return {"disconnect": self.vendor.refusing}

    @contextmanager
    def feed(self):
        over = threading.Event()
        market = self.vendor.market

        def push():
            while not over.wait(0.02):
                for symbol in list(market.source.takers):
                    market.push(symbol)

        pushing = threading.Thread(target=push)
        pushing.start()
        try:
            yield
        finally:
            over.set()
            pushing.join()
