"""The xtquant source under the kit: the vendor's own xtdata, over the native stand-in."""

import importlib.util
import sys
import unittest
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from pathlib import Path

from support.recorded import recorded
from vendors.tushare_account import StillClock

from argus_core import SHANGHAI
from argus_core.testing import SourceConformance, StreamConformance

SITE = str(Path(__file__).resolve().parents[1] / "vendors" / "xtquant_site")
"""Where Python finds the native stand-in; a worker inherits the path."""
FAULTS = {
    "quota": {"fault": "throttled"},
    "no_permission": {"fault": "no_permission"},
    "garbage": {"fault": "broken_json"},
    "empty": {"fault": "empty"},
}


class Xtquant:
    """What both classes share."""

    plugin = "xtquant"
    now = datetime(2020, 3, 27, 16, 30, tzinfo=SHANGHAI)
    clock = StillClock(now)

    @classmethod
    @contextmanager
    def running(cls):
        if importlib.util.find_spec("xtquant") is None:
            raise unittest.SkipTest("the xtquant package is not installed")
        from support.xtquant import serving

        sys.path.insert(0, SITE)
        try:
            with serving(recorded(), now=cls.now) as server:
                yield server
        finally:
            sys.path.remove(SITE)

    def settings_for(self):
        return {"port": self.vendor.port}

    @contextmanager
    def misbehaving(self, order):
        self.vendor.control(order)
        try:
            yield
        finally:
            self.vendor.control({"fault": None})

    @contextmanager
    def unplugged(self):
        self.vendor.control({"refuse": True})
        try:
            yield
        finally:
            self.vendor.control({"refuse": False})


class TestXtquant(Xtquant, SourceConformance):
    symbols = ("600519.SH", "000001.SZ", "000001.SH", "600009.SH")
    start, end = date(2020, 3, 23), date(2020, 3, 27)

    def faults(self):
        named = {name: partial(self.misbehaving, order) for name, order in FAULTS.items()}
        return {**named, "disconnect": self.unplugged}


class TestXtquantStream(Xtquant, StreamConformance):
    now = datetime(2023, 2, 1, 10, 0, tzinfo=SHANGHAI)
    clock = StillClock(now)
    symbols = ("600519.SH",)
    start, end = date(2023, 1, 30), date(2023, 1, 31)

    def faults(self):
        return {"disconnect": self.unplugged}

    @contextmanager
    def feed(self):
        play = {"from": "2023-02-01T10:00:00", "to": "2023-02-01T11:00:00", "interval": 0.02}
        self.vendor.control({"push": play})
        try:
            yield
        finally:
            self.vendor.control({"push": None})
