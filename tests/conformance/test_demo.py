"""The simulated exchange under the kit."""

from datetime import datetime

from support.clock import TestClock

from argus_core.testing import SourceConformance, StreamConformance


class Afternoon(TestClock):
    """A Friday in the middle of the afternoon's trading, which runs by the real seconds."""

    def monotonic(self) -> float:
        return datetime.now().timestamp()  # noqa: DTZ005 - only differences matter


class TestDemo(SourceConformance):
    plugin = "demo"
    clock = Afternoon("2024-03-15 14:00:00")


class TestDemoAtNight(SourceConformance):
    plugin = "demo"
    clock = Afternoon("2024-03-16 23:00:00")
    symbols = ("rb2410.SHFE", "IF2406.CFFEX", "510300.SH")


class TestDemoPushes(StreamConformance):
    plugin = "demo"
    clock = Afternoon("2024-03-15 14:00:00")


class TestDemoPushesAtNight(StreamConformance):
    plugin = "demo"
    clock = Afternoon("2024-03-16 23:00:00")
    symbols = ("rb2410.SHFE", "510300.SH")
