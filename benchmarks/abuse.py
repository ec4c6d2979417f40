"""What good listeners feel of bad ones.

    python benchmarks/abuse.py [--connections 500] [--seconds 20] [--rounds 3] [--each 5]
                               [--unknown] [--short]

Good clients listen to 20 of 1 000 shares that all move once a second. By turns they are alone, have
offenders beside them, and have offenders among them, one percent of their number for each offence:
clients that never read, that read a byte a second, that vanish, that never finish their handshake,
that flood with pings, messages, changes of mind, fragments, nonsense, that send a megabyte, no
UTF-8, or no proper frames, and come again a second later. The offenders run in a process of their
own on the good clients' core, whenever these do not need it. Beside them means that they do the
same to another server on that core: what that does to the figures is what the machine owes to the
offenders, and the rest what the server does.

Offenders have addresses of their own, as a proxy tells them, so that the server can keep them out;
with ``--unknown`` nothing tells them from the good clients.

Bars: the good clients' p99, the median of the rounds, moves by less than 20 % (or a millisecond)
from being alone; none of them is lost and none misses anything unannounced; the server's memory
stays bounded; every offender ends as documented. Exit code 1 if one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import psutil
import stream_house
from abusers import HARMLESS, KEPT_OUT, OFFENCES, SLOW
from stream_house import House
from stream_load import HEARD, Population, drawn, owed
from stream_source import MARKET

SYMBOLS, EACH, PERIOD, SLICES = 1000, 20, 1.0, 20
MOVED, ROOM = 1.2, 1.0
"""By how much the p99 may grow: a factor, or so many milliseconds."""
ALLOWED = 3 * 1024 * 1024
"""Bytes that one offender may cost: what waits for it, and the buffers around that."""
SLACK = 32 * 1024 * 1024
SIMILAR = 0.8
"""The least of the offences of a round beside or among, as a part of the most of them."""
LIMITS = "write_deadline = 3\nmax_messages = 600\n"
"""The write deadline is shorter than the default, so that the run is."""
QUICK_LIMITS = "write_deadline = 3\nmax_messages = 30\n"


@dataclass
class Outcome:
    """What was felt, and what became of the offenders."""

    connections: int
    offenders: int
    each: int
    """Offenders of a kind."""
    calm: list[float] = field(default_factory=list[float])
    """The p99 in milliseconds, round by round: alone."""
    beside: list[float] = field(default_factory=list[float])
    """While the offenders did the same to another server."""
    rough: list[float] = field(default_factory=list[float])
    """While they did it to this one."""
    waited: list[str] = field(default_factory=list[str])
    """For which share of each of these somebody else had the server's core and the clients'."""
    heard: list[float] = field(default_factory=list[float])
    """The share of what they are owed that the good clients got in each of these."""
    spent: list[float] = field(default_factory=list[float])
    """The server's processor time in each of these, in cores."""
    effort: list[float] = field(default_factory=list[float])
    """The offenders' processor time beside and among, in cores: it slows down the server's core
    where the two are one core's threads."""
    offences: list[int] = field(default_factory=list[int])
    """How many were committed, beside and among."""
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
        if min(self.heard) < HEARD:
            found.append(f"the good clients got {_list(self.heard, 2)} of their updates")
        if self.beside and min(self.offences) < SIMILAR * max(self.offences):
            found.append(f"offenders beside and among did not do the same: {self.offences}")
        if self.lost or self.holes or self.complaints:
            found.append(f"lost {self.lost}, holes {self.holes}, log {self.complaints[:2]}")
        if self.peak - self.before > self.offenders * ALLOWED + SLACK:
            found.append(f"memory grew by {(self.peak - self.before) >> 20} MB")
        found += [f"left behind: {count} {what}" for what, count in self.left.items() if count > 0]
        for offence, documented in OFFENCES.items():
            allowed = documented if offence in HARMLESS else documented | {KEPT_OUT}
            ended = self.endings.get(offence.__name__, Counter())
            if sum(ended.values()) < self.each * len(self.rough) and (fast or offence not in SLOW):
                found.append(
                    f"{offence.__name__} was hardly committed: {sum(ended.values())} times"
                )
            elif ended and not set(ended) & documented:
                found.append(f"{offence.__name__} never ended as documented")
            strange = set(ended) - allowed
            if strange:
                found.append(f"{offence.__name__} ended as {', '.join(sorted(strange))}")
        return found


class Lap:
    """A stretch of time of a server and of its clients, which are this process."""

    def __init__(self, house: House, crowd: Population) -> None:
        crowd.clear()
        self._crowd = crowd
        self._houses = house, House(0, psutil.Process(), house.log)
        self._began = time.monotonic()
        self._cpu = house.cpu()
        self._waited = [one.waited() for one in self._houses]

    def ended(self, outcome: Outcome) -> float:
        """The clients' p99; what it took otherwise is noted."""
        took = time.monotonic() - self._began
        both = zip(self._houses, self._waited, strict=True)
        waited = [(house.waited() - before) / took for house, before in both]
        outcome.waited.append("+".join(f"{one:.0%}" for one in waited))
        due = owed(len(self._crowd.wires), EACH, PERIOD, took)
        outcome.heard.append(self._crowd.heard / due)
        outcome.spent.append((self._houses[0].cpu() - self._cpu) / took)
        return self._crowd.tally.percentile(0.99)


@dataclass(frozen=True)
class Terms:
    """How long, how many, who."""

    connections: int
    seconds: float
    rounds: int
    each: int
    slow: bool = True
    """With the offenders that take their time."""
    known: bool = True
    """The offenders have addresses of their own."""


async def measured(house: House, other: House | None, terms: Terms) -> Outcome:
    """Rounds by turns: alone, with offenders at the other server, if there is one, and here."""
    outcome = Outcome(terms.connections, terms.each * len(OFFENCES), terms.each)
    crowd = Population(house.port)
    choice = drawn(3, MARKET[:SYMBOLS], EACH)
    await crowd.join(terms.connections, choice, witnesses=terms.connections // 10)
    gc.collect()
    gc.freeze()  # what the clients are made of is not looked through in the middle of a slice
    house.source.play(PERIOD, SLICES)
    await asyncio.sleep(2 * PERIOD)
    outcome.before = outcome.peak = house.rss()
    descriptors, tasks = house.descriptors(), house.source.tell()["tasks"]
    for _ in range(terms.rounds):
        lap = Lap(house, crowd)
        await asyncio.sleep(terms.seconds)
        outcome.calm.append(lap.ended(outcome))
        if other is not None:
            other.source.play(PERIOD, SLICES)
            p99, _ = await _abused(other, house, crowd, terms, outcome)
            outcome.beside.append(p99)
            other.source.stop()
        p99, told = await _abused(house, house, crowd, terms, outcome)
        outcome.rough.append(p99)
        for name, endings in told.items():
            outcome.endings.setdefault(name, Counter()).update(endings)
    await asyncio.sleep(terms.seconds / 4 + 6)  # those that were told to end are cut off after that
    last = house.source.tell(collect=True)
    outcome.after = house.rss()
    outcome.left = {
        "descriptors": house.descriptors() - descriptors - 2,
        "tasks": last["tasks"] - tasks - 2,
    }
    outcome.lost, outcome.holes = dict(crowd.lost), crowd.witnessed.holes
    house.source.stop()
    crowd.leave()
    outcome.complaints = house.complaints()
    return outcome


async def _abused(
    victim: House, house: House, crowd: Population, terms: Terms, outcome: Outcome
) -> tuple[float, dict[str, dict[str, int]]]:
    """The good clients' p99 meanwhile, and how the offences ended."""
    names = [one.__name__ for one in OFFENCES if terms.slow or one not in SLOW]
    offenders = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("abusers.py")),
        *(str(victim.port), str(terms.seconds), str(terms.each)),
        "known" if terms.known else "unknown",
        *names,
        env={**os.environ, "PYTHONPATH": stream_house.search_path()},
        stdout=asyncio.subprocess.PIPE,
    )
    assert offenders.stdout is not None
    await offenders.stdout.readline()  # "ready": its imports are not what is measured
    lap, ends = Lap(house, crowd), time.monotonic() + terms.seconds
    began, effort = time.monotonic(), _children()
    while time.monotonic() < ends:
        outcome.peak = max(outcome.peak, house.rss())
        await asyncio.sleep(0.5)
    p99 = lap.ended(outcome)
    told: dict[str, dict[str, int]] = json.loads(await offenders.stdout.read())
    await offenders.wait()
    outcome.effort.append((_children() - effort) / (time.monotonic() - began))
    outcome.peak = max(outcome.peak, house.rss())
    outcome.offences.append(sum(sum(endings.values()) for endings in told.values()))
    return p99, told


def _children() -> float:
    """Seconds of processor time of all processes that this one has started and that are over."""
    times = os.times()
    return times.children_user + times.children_system


def table(outcome: Outcome) -> str:
    """The figures, for people."""
    calm, rough = statistics.median(outcome.calm), statistics.median(outcome.rough)
    beside = statistics.median(outcome.beside) if outcome.beside else None
    lines = [
        stream_house.machine(),
        f"{outcome.connections} good clients, {outcome.offenders} offenders",
        (
            f"p99 alone {_list(outcome.calm)}, offenders beside {_list(outcome.beside)}, among "
            f"{_list(outcome.rough)} ms; from alone {rough / max(calm, 0.1):.2f}, of it by the "
            f"server {'?' if beside is None else f'{rough / max(beside, 0.1):.2f}'}"
        ),
        (
            f"the server's cores {_list(outcome.spent, 2)}, the offenders' "
            f"{_list(outcome.effort, 2)}; offences {outcome.offences}; somebody else's was the "
            f"server's core + the clients' for {' '.join(outcome.waited)} of the time"
        ),
        (
            f"the good clients got {min(outcome.heard):.2f} to {max(outcome.heard):.2f} of their "
            f"updates, lost {outcome.lost or 'none'}, unannounced holes {outcome.holes}; memory "
            f"{outcome.before >> 20} MB, at most {outcome.peak >> 20}, afterwards "
            f"{outcome.after >> 20}"
        ),
        f"{'offence':24}{'documented':>14}  endings",
    ]
    for offence, documented in OFFENCES.items():
        endings = dict(outcome.endings.get(offence.__name__, {}))
        lines.append(f"{offence.__name__:24}{' '.join(sorted(documented)):>14}  {endings}")
    return "\n".join(lines)


def _list(values: list[float], digits: int = 1) -> str:
    return "/".join(f"{value:.{digits}f}" for value in values)


def run(terms: Terms) -> Outcome:
    """Start the servers, measure, end them; a run without the slow ones has no server beside."""
    stream_house.roomy(terms.connections + terms.each * len(OFFENCES))
    with (
        _house(LIMITS if terms.slow else QUICK_LIMITS) as house,
        _beside() if terms.slow else nullcontext() as other,
        stream_house.on_the_clients_core(),
        asyncio.Runner(loop_factory=stream_house.quick_loop()) as runner,
    ):
        return runner.run(measured(house, other, terms))


@contextmanager
def _house(limits: str) -> Iterator[House]:
    with (
        tempfile.TemporaryDirectory() as place,
        stream_house.argus(Path(place), symbols=SYMBOLS, more=limits) as house,
    ):
        yield house


@contextmanager
def _beside() -> Iterator[House]:
    """Another server, on the clients' core and as unhurried as the offenders."""
    with _house(LIMITS) as house:
        both = stream_house.cores()
        if both is not None:
            stream_house.moved(house.process, both[1])
            stream_house.unhurried(house.process)
        yield house


def main() -> int:
    """Measure, print, and say whether the bars hold: 0 if they do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--each", type=int, help="offenders of a kind; one percent if left out")
    parser.add_argument("--short", action="store_true", help="some seconds; nothing is judged fast")
    parser.add_argument("--unknown", action="store_true", help="offenders without addresses")
    given = parser.parse_args()
    connections = 40 if given.short else given.connections
    terms = Terms(
        connections,
        seconds=2.0 if given.short else given.seconds,
        rounds=1 if given.short else given.rounds,
        each=given.each or max(1, connections // 100),
        slow=not given.short,
        known=not given.unknown,
    )
    outcome = run(terms)
    print(table(outcome))
    missed = outcome.missed(fast=terms.slow)
    print("; ".join(["missed: " + one for one in missed]) or "the bars hold")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
