"""A recorded day under the kit: one that a recorder wrote, and a real one in a file of ticks."""

import os
import tempfile
import time as seconds
import unittest
from contextlib import contextmanager, nullcontext
from datetime import date, datetime, time
from pathlib import Path

from support.recordings import MOUTAI, PING_AN, whole_day
from vendors.tushare_account import StillClock

from argus_core import SHANGHAI
from argus_core.testing import SourceConformance, StreamConformance

DEFAULT_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


class RunningClock(StillClock):
    """The market's instant stands still, seconds pass."""

    def monotonic(self) -> float:
        return seconds.monotonic()


IN_THE_GATEWAY = {"SRC-45": "it plays in the gateway's own process: the core refuses isolation"}


class Recorded:
    """What the classes share: a day that a recorder wrote."""

    plugin = "replay"
    exempt = IN_THE_GATEWAY
    symbols = (str(MOUTAI), str(PING_AN))
    clock = RunningClock(datetime(2024, 3, 16, 12, 0, tzinfo=SHANGHAI))
    start = end = date(2024, 3, 15)

    @classmethod
    @contextmanager
    def running(cls):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path:
            yield whole_day(Path(path))


class TestReplay(Recorded, SourceConformance):
    def settings_for(self):
        return {"path": self.vendor, "start": time(15, 3)}


class TestReplayInTheMiddle(Recorded, SourceConformance):
    def settings_for(self):
        return {"path": self.vendor, "start": time(10, 15, 30), "speed": 10}


class TestReplayStream(Recorded, StreamConformance):
    def settings_for(self):
        return {"path": self.vendor, "start": time(10, 0), "speed": 100}

    def feed(self):
        return nullcontext()  # the day is played whatever the hour


class TestARealDay(SourceConformance):
    plugin = "replay"
    exempt = IN_THE_GATEWAY
    symbols = ("600519.SH",)
    clock = RunningClock(datetime(2023, 2, 2, 12, 0, tzinfo=SHANGHAI))
    start = end = date(2023, 2, 1)

    @classmethod
    @contextmanager
    def running(cls):
        data = Path(os.environ.get("ARGUS_TEST_DATA", DEFAULT_DATA))
        path = data / "tidy_tick5_600519.SH_20230201.parquet"
        if not path.is_file():
            raise unittest.SkipTest(f"the recorded day is absent: {path}")
        yield path

    def settings_for(self):
        return {"path": self.vendor, "start": time(15, 30)}
