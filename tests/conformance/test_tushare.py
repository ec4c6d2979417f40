"""The Tushare source under the kit, over its loopback server."""

from contextlib import contextmanager
from datetime import date
from functools import partial

from vendors.tushare_account import TOKEN, StillClock, serving

from argus_core.testing import SourceConformance

FAULTS = {
    "timeout": {"fault": "hang"},
    "slow": {"fault": "slow", "seconds": 0.45},
    "disconnect": {"fault": "reset"},
    "quota": {"fault": "rate_minute"},
    "no_permission": {"fault": "no_permission"},
    "bad_token": {"fault": "bad_token"},
    "garbage": {"fault": "html"},
    "empty": {"fault": "empty"},
}


class TestTushare(SourceConformance):
    plugin = "tushare"
    symbols = (
        *("600519.SH", "000001.SZ", "000300.SH", "510300.SH", "rb2410.SHFE", "CF2501.CZCE"),
        "113050.SH",
    )
    start, end = date(2024, 1, 2), date(2024, 1, 15)
    clock = StillClock()

    @classmethod
    @contextmanager
    def running(cls):
        with serving() as server:
            yield server

    def settings_for(self):
        return {"token": TOKEN, "endpoint": self.vendor.url, "timeout": 1.0}

    def faults(self):
        return {name: partial(self.misbehaving, order) for name, order in FAULTS.items()}

    @contextmanager
    def misbehaving(self, order):
        self.vendor.control(order)
        try:
            yield
        finally:
            self.vendor.control({"fault": None})
