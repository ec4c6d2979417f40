"""What good listeners feel of bad ones.

    python benchmarks/abuse.py [--connections 500] [--seconds 20] [--rounds 3] [--each 5] [--short]

Good clients listen to 20 of 1 000 shares that all move once a second. By turns they are alone and
among offenders, one percent of their number for each offence: clients that never read, that read
a byte a second, that vanish, that never finish their handshake, that flood with pings, messages,
changes of mind, fragments, nonsense, that send a megabyte, no UTF-8, or no proper frames. The
offenders run in a process of their own.

Bars: the good clients' p99, the median of the rounds, moves by less than 20 % (or a millisecond);
none of them is lost and none misses anything unannounced; the server's memory stays bounded; every
offender ends as documented. Exit code 1 if one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import stream_house
from abusers import OFFENCES, SLOW
from stream_house import House
from stream_load import Population, drawn
from stream_source import MARKET

SYMBOLS, EACH, PERIOD, SLICES = 1000, 20, 1.0, 20
MOVED, ROOM = 1.2, 1.0
"""By how much the p99 may grow: a factor, or so many milliseconds."""
ALLOWED = 3 * 1024 * 1024
"""Bytes that one offender may cost: what waits for it, and the buffers around that."""
SLACK = 32 * 1024 * 1024
QUICK_LIMITS = "write_deadline = 3\nmax_messages = 600\n"
"""The write deadline is shorter than the default, so that the run is."""


@dataclass
class Outcome:
    """What was felt, and what became of the offenders."""

    connections: int
    offenders: int
    calm: list[float] = field(default_factory=list[float])
    """The p99 in milliseconds, round by round."""
    rough: list[float] = field(default_factory=list[float])
    waited: list[float] = field(default_factory=list[float])
    """The share of each round in which the server's core was somebody else's, alone and among."""
    endings: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    lost: dict[str, int] = field(default_factory=dict[str, int])
    holes: int = 0
    before: int = 0
    peak: int = 0
    after: int = 0
    left: dict[str, int] = field(default_factory=dict[str, int])
    """Descriptors and tasks of the server beyond those that it had before."""
    complaints: list[str] = field(default_factory=list[str])

    def missed(self, *, fast: bool) -> list[str]:
        """The bars that do not hold; that of speed only if it is to be judged."""
        found: list[str] = []
        calm, rough = statistics.median(self.calm), statistics.median(self.rough)
        if fast and rough > max(calm * MOVED, calm + ROOM):
            found.append(f"p99 moved from {calm:.1f} to {rough:.1f} ms")
        if self.lost or self.holes or self.complaints:
            found.append(f"lost {self.lost}, holes {self.holes}, log {self.complaints[:2]}")
        if self.peak - self.before > self.offenders * ALLOWED + SLACK:
            found.append(f"memory grew by {(self.peak - self.before) >> 20} MB")
        found += [f"left behind: {count} {what}" for what, count in self.left.items() if count > 0]
        for offence, documented in OFFENCES.items():
            strange = set(self.endings.get(offence.__name__, {})) - documented
            if strange:
                found.append(f"{offence.__name__} ended as {', '.join(sorted(strange))}")
        return found


class Lap:
    """A stretch of time of a server."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._began = time.monotonic()
        self._waited = house.waited()

    def waited(self) -> float:
        """The share of it in which the server could have run, but its core was somebody else's."""
        return (self._house.waited() - self._waited) / (time.monotonic() - self._began)


async def measured(
    house: House, *, connections: int, seconds: float, rounds: int, each: int, slow: bool
) -> Outcome:
    """Rounds by turns, alone and among offenders, the slow ones of these only if asked for."""
    outcome = Outcome(connections, each * len(OFFENCES))
    crowd = Population(house.port)
    await crowd.join(connections, drawn(3, MARKET[:SYMBOLS], EACH), witnesses=connections // 10)
    house.source.play(PERIOD, SLICES)
    await asyncio.sleep(2 * PERIOD)
    outcome.before = outcome.peak = house.rss()
    descriptors, tasks = house.descriptors(), house.source.tell()["tasks"]
    for _ in range(rounds):
        crowd.clear()
        lap = Lap(house)
        await asyncio.sleep(seconds)
        outcome.calm.append(crowd.tally.percentile(0.99))
        outcome.waited.append(lap.waited())
        offenders = await _offenders(house.port, seconds, each, slow=slow)
        crowd.clear()
        lap = Lap(house)
        while offenders.returncode is None:
            outcome.peak = max(outcome.peak, house.rss())
            try:
                async with asyncio.timeout(0.5):
                    await offenders.wait()
            except TimeoutError:
                continue
        outcome.rough.append(crowd.tally.percentile(0.99))
        outcome.waited.append(lap.waited())
        assert offenders.stdout is not None
        for name, endings in json.loads(await offenders.stdout.read()).items():
            outcome.endings.setdefault(name, Counter()).update(endings)
    await asyncio.sleep(seconds / 4 + 6)  # those that were told to end are cut off after seconds
    told = house.source.tell(collect=True)
    outcome.after = house.rss()
    outcome.left = {
        "descriptors": house.descriptors() - descriptors - 2,
        "tasks": told["tasks"] - tasks - 2,
    }
    outcome.lost, outcome.holes = dict(crowd.lost), crowd.witnessed.holes
    house.source.stop()
    crowd.leave()
    outcome.complaints = house.complaints()
    return outcome


async def _offenders(
    port: int, seconds: float, each: int, *, slow: bool
) -> asyncio.subprocess.Process:
    names = [one.__name__ for one in OFFENCES if slow or one not in SLOW]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("abusers.py")),
        str(port),
        str(seconds),
        str(each),
        *names,
        env={**os.environ, "PYTHONPATH": stream_house.search_path()},
        stdout=asyncio.subprocess.PIPE,
    )


def table(outcome: Outcome) -> str:
    """The figures, for people."""
    calm, rough = statistics.median(outcome.calm), statistics.median(outcome.rough)
    lines = [
        stream_house.machine(),
        f"{outcome.connections} good clients, {outcome.offenders} offenders",
        (
            f"p99 alone {_list(outcome.calm)}, among offenders {_list(outcome.rough)} ms: "
            f"{calm:.1f} to {rough:.1f}, {rough / max(calm, 0.1):.2f}; the server's core was "
            f"somebody else's for {_shares(outcome.waited)} of the time"
        ),
        (
            f"lost {outcome.lost or 'none'}, unannounced holes {outcome.holes}; memory "
            f"{outcome.before >> 20} MB, at most {outcome.peak >> 20}, afterwards "
            f"{outcome.after >> 20}"
        ),
        f"{'offence':24}{'documented':>14}  endings",
    ]
    for offence, documented in OFFENCES.items():
        endings = dict(outcome.endings.get(offence.__name__, {}))
        lines.append(f"{offence.__name__:24}{' '.join(sorted(documented)):>14}  {endings}")
    return "\n".join(lines)


def _shares(values: list[float]) -> str:
    return "/".join(f"{value:.0%}" for value in values)


def _list(values: list[float]) -> str:
    return "/".join(f"{value:.1f}" for value in values)


def run(*, connections: int, seconds: float, rounds: int, each: int, slow: bool = True) -> Outcome:
    """Start the server, measure, end it."""
    stream_house.roomy(connections + each * len(OFFENCES))
    with (
        tempfile.TemporaryDirectory() as place,
        stream_house.argus(Path(place), symbols=SYMBOLS, more=QUICK_LIMITS) as house,
        stream_house.on_the_clients_core(),
        asyncio.Runner(loop_factory=stream_house.quick_loop()) as runner,
    ):
        return runner.run(
            measured(
                house,
                connections=connections,
                seconds=seconds,
                rounds=rounds,
                each=each,
                slow=slow,
            )
        )


def main() -> int:
    """Measure, print, and say whether the bars hold: 0 if they do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--each", type=int, help="offenders of a kind; one percent if left out")
    parser.add_argument("--short", action="store_true", help="some seconds; nothing is judged fast")
    given = parser.parse_args()
    connections = 40 if given.short else given.connections
    outcome = run(
        connections=connections,
        seconds=2.0 if given.short else given.seconds,
        rounds=1 if given.short else given.rounds,
        each=given.each or max(1, connections // 100),
        slow=not given.short,
    )
    print(table(outcome))
    missed = outcome.missed(fast=not given.short)
    print("; ".join(["missed: " + one for one in missed]) or "the bars hold")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
