"""Ten minutes of listeners that come and go: memory, descriptors and tasks must stay flat.

    python benchmarks/soak.py [--minutes 10] [--connections 300] [--short]

The clients listen to 20 of 1 000 shares that all move once a second. Every second one in fifty is
replaced, half of them without a word, and others change what they listen to. Every few seconds the
server's memory, descriptors and tasks are read, with whatever garbage it has. A straight line is
laid through the readings after the first quarter, in which caches fill. A figure grows if the line
rises by more than three times its standard error and by more than is allowed for.

Bars: nothing grows; no client is lost against its will or left without its updates. Exit code 1 if
one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
import stream_house
from stream_house import House
from stream_load import HEARD, owed, subscribed
from stream_source import MARKET
from stream_wire import Tally, Wire, connected

SYMBOLS, EACH, PERIOD, SLICES = 1000, 20, 1.0, 10
REPLACED = 50
"""One client in so many is replaced every second."""
WARM = 0.25
"""The share of the readings that does not count."""
SURE = 3.0
"""Standard errors by which a slope must exceed zero."""
ALLOWED = {"memory": 0.02, "descriptors": 0.02, "tasks": 0.02}
"""By how much of its mean a figure may drift within the run before it is said to grow."""
LEAST = {"memory": 3 * 1024 * 1024, "descriptors": 3, "tasks": 3}
"""Drifts that are too small to mean anything."""


@dataclass(frozen=True)
class Slope:
    """A straight line through readings (ordinary least squares)."""

    a_second: float
    error: float
    """The standard error of ``a_second``."""
    drift: float
    """What it comes to within the readings' time."""
    mean: float

    def grows(self, what: str) -> bool:
        """True if it rises beyond its noise and beyond what is allowed for."""
        allowed = max(ALLOWED[what] * self.mean, LEAST[what])
        return self.a_second > SURE * self.error and self.drift > allowed


def slope(times: Sequence[float], values: Sequence[float]) -> Slope:
    """The line through ``values`` at ``times``; at least three readings."""
    count = len(times)
    mean_time, mean = sum(times) / count, sum(values) / count
    spread = sum((t - mean_time) ** 2 for t in times)
    rise = sum((t - mean_time) * (v - mean) for t, v in zip(times, values, strict=True)) / spread
    rest = sum((v - mean - rise * (t - mean_time)) ** 2 for t, v in zip(times, values, strict=True))
    error = math.sqrt(rest / (count - 2) / spread)
    return Slope(rise, error, rise * (times[-1] - times[0]), mean)


@dataclass
class Readings:
    """What was read of the server, and what became of the clients."""

    times: list[float] = field(default_factory=list[float])
    values: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    lost: Counter[str] = field(default_factory=Counter[str])
    replaced: int = 0
    updates: int = 0
    due: float = 0.0
    """Updates that the clients are owed."""
    complaints: list[str] = field(default_factory=list[str])

    def take(self, house: House) -> None:
        """Read the server now."""
        tasks = house.source.tell()["tasks"]
        self.times.append(time.monotonic())
        read = {"memory": house.rss(), "descriptors": house.descriptors(), "tasks": tasks}
        for what, value in read.items():
            self.values.setdefault(what, []).append(value)

    def slopes(self) -> dict[str, Slope]:
        """The line through each figure, without the beginning."""
        first = int(len(self.times) * WARM)
        return {
            what: slope(self.times[first:], values[first:]) for what, values in self.values.items()
        }

    def missed(self) -> list[str]:
        """The bars that do not hold."""
        found = [
            f"{what} grows by {line.drift:.0f}, {line.a_second:.3g} ± {line.error:.2g} a second"
            for what, line in self.slopes().items()
            if line.grows(what)
        ]
        if self.lost or self.complaints:
            found.append(f"lost {dict(self.lost)}, log {self.complaints[:2]}")
        if self.updates < HEARD * self.due:
            found.append(f"{self.updates} of {self.due:.0f} updates came")
        return found


class Throng:
    """Clients that come and go."""

    def __init__(self, house: House, readings: Readings, connections: int) -> None:
        self._house = house
        self._readings = readings
        self._size = connections
        self._random = Random(5)
        self._tally = Tally()
        self._wires: list[Wire] = []

    async def gather(self) -> None:
        """Come, all of them."""
        while len(self._wires) < self._size:
            self._wires.append(await self._come())

    async def turn(self) -> None:
        """Replace some, and let as many others change what they listen to."""
        random, wires = self._random, self._wires
        for _ in range(max(1, self._size // REPLACED)):
            wire = wires.pop(random.randrange(len(wires)))
            if random.random() < 0.5:
                wire.say(action="unsubscribe")
            wire.close()
            wires.append(await self._come())
            self._readings.replaced += 1
            other = random.choice(wires)
            other.say(action="unsubscribe", symbols=random.sample(MARKET[:SYMBOLS], EACH))
            other.say(action="subscribe", symbols=random.sample(MARKET[:SYMBOLS], 2))
        self._readings.updates += self._tally.updates
        self._tally.clear()
        for wire in wires:
            while not wire.told.empty():
                wire.told.get_nowait()

    def leave(self) -> None:
        """Go, all of them."""
        for wire in self._wires:
            wire.close()
        self._wires.clear()

    async def _come(self) -> Wire:
        wire = await connected(Wire, self._house.port, self._tally, self._readings.lost)
        await subscribed(wire, self._random.sample(MARKET[:SYMBOLS], EACH))
        return wire


async def soaked(house: House, *, connections: int, seconds: float, pause: float) -> Readings:
    """The readings of so many seconds, one after each pause."""
    readings = Readings()
    throng = Throng(house, readings, connections)
    await throng.gather()
    house.source.play(PERIOD, SLICES)
    began = due = time.monotonic()
    ends = began + seconds
    while time.monotonic() < ends:
        await throng.turn()
        if time.monotonic() >= due:
            due += pause
            readings.take(house)
        await asyncio.sleep(min(1.0, pause))
    readings.due = owed(connections, EACH, PERIOD, time.monotonic() - began)
    house.source.stop()
    throng.leave()
    readings.complaints = house.complaints()
    return readings


def table(readings: Readings) -> str:
    """The figures, for people."""
    took = readings.times[-1] - readings.times[0]
    lines = [
        stream_house.machine(),
        (
            f"{took:.0f} s, {len(readings.times)} readings, {readings.replaced} clients replaced, "
            f"{readings.updates} updates received, lost {dict(readings.lost) or 'none'}"
        ),
        f"{'':12}{'first':>12}{'last':>12}{'drift':>12}{'a second':>12}{'± error':>12}",
    ]
    for what, line in readings.slopes().items():
        values = readings.values[what]
        lines.append(
            f"{what:12}{values[0]:>12.0f}{values[-1]:>12.0f}{line.drift:>12.0f}"
            f"{line.a_second:>12.3g}{line.error:>12.2g}"
        )
    return "\n".join(lines)


def run(*, connections: int, seconds: float, pause: float = 5.0) -> Readings:
    """Start the server, let clients come and go, end it."""
    stream_house.roomy(2 * connections)
    with (
        tempfile.TemporaryDirectory() as place,
        stream_house.argus(Path(place), symbols=SYMBOLS) as house,
        stream_house.on_the_clients_core(),
        asyncio.Runner(loop_factory=stream_house.quick_loop()) as runner,
    ):
        return runner.run(soaked(house, connections=connections, seconds=seconds, pause=pause))


def main() -> int:
    """Measure, print, and say whether the bars hold: 0 if they do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=300)
    parser.add_argument("--short", action="store_true", help="some seconds")
    given = parser.parse_args()
    readings = (
        run(connections=40, seconds=8.0, pause=0.5)
        if given.short
        else run(connections=given.connections, seconds=60 * given.minutes)
    )
    print(table(readings))
    missed = readings.missed()
    print("; ".join(["missed: " + one for one in missed]) or "the bars hold")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
