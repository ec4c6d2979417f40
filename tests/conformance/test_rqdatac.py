"""The RQData source under the kit: the vendor's own client, over its loopback server."""

import importlib.util
import threading
import unittest
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial

from support.recorded import recorded
from support.rqdata import PASSWORD, USER
from vendors.tushare_account import StillClock
from vendors.world import load

from argus_core import SHANGHAI
from argus_core.testing import SourceConformance, StreamConformance

FAULTS = {
    "timeout": {"kind": "stall"},
    "disconnect": {"kind": "drop"},
    "quota": {"kind": "error", "errno": 5, "text": "quota exceeded"},
    "no_permission": {"kind": "error", "errno": 4, "text": "permission denied"},
    "bad_token": {"kind": "error", "method": "handshake", "errno": 2, "text": "password is wrong"},
    "garbage": {"kind": "not_msgpack"},
}
"""No "empty": the vendor's client itself fails on snapshots without rows."""


class Rqdatac:
    """What both classes share."""

    plugin = "rqdatac"
    symbols = ("600519.SH", "000001.SZ", "600000.SH", "000001.SH", "600009.SH")
    now = datetime(2020, 3, 27, 16, 30, tzinfo=SHANGHAI)
    clock = StillClock(now)
    start, end = date(2020, 3, 23), date(2020, 3, 27)

    @classmethod
    @contextmanager
    def running(cls):
        if importlib.util.find_spec("rqdatac") is None:
            raise unittest.SkipTest("the rqdatac package is not installed")
        from vendors.rqdata_server import RQDataServer

        data = recorded()
        server = RQDataServer(load(data), data=data, user=USER, password=PASSWORD, now=cls.now)
        server.start()
        try:
            yield server
        finally:
            server.stop()

    def settings_for(self):
        vendor = self.vendor
        login = {"username": USER, "password": PASSWORD}
        place = {"host": "127.0.0.1", "port": vendor.port, "live_url": vendor.live_url}
        return {**login, **place, "timeout": 1.0}

    @contextmanager
    def misbehaving(self, order):
        self.vendor.control({"fault": order})
        try:
            yield
        finally:
            self.vendor.control({"fault": None})


class TestRqdatac(Rqdatac, SourceConformance):
    def faults(self):
        return {name: partial(self.misbehaving, order) for name, order in FAULTS.items()}


class TestRqdatacStream(Rqdatac, StreamConformance):
    now = datetime(2023, 2, 1, 10, 0, tzinfo=SHANGHAI)
    clock = StillClock(now)
    symbols = ("600519.SH",)
    start, end = date(2023, 1, 30), date(2023, 1, 31)

    def faults(self):
        return {"disconnect": self.cut_off}

    @contextmanager
    def cut_off(self):
        self.vendor.control({"live": {"drop": True}})
        yield

    @contextmanager
    def feed(self):
        over = threading.Event()

        def push() -> None:
            while not over.wait(0.02):
                self.vendor.control({"live": {"push": 1}})

        thread = threading.Thread(target=push)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.vendor.control({"now": self.now.isoformat()})
