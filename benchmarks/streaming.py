"""Five thousand listeners on one process, beside a bare uvicorn that sends the same frames.

    python benchmarks/streaming.py [--connections 5000] [--seconds 30] [--burst] [--short]

`argus serve` on one core, all clients on the others. A source in the server pushes a market of
5 400 shares, each once in three seconds, from a thread of its own; the volume of a quote is the
instant of its push, so that the client knows how long it was under way. Every client listens to 20
shares at random. `--burst` leaves out everything but the bursts.

* reference: the 5 400 shares in 30 slices of each three seconds, 1 800 a second
* burst: all of them at once, beside one frame to each client from a bare send loop
* floods: 2 000 clients of one share, and of the same 20, with news whenever all have the last:
  frames and updates a second of the server's processor time, beside the bare send loop at that pace

Bars: no connection lost, nothing missed unannounced, p99 below 100 ms and below 60 KB a connection
at the reference load; single updates at 0.85 of the bare send loop or more; 500 000 updates a
second in frames of 20. Exit code 1 if one is missed. `--short` takes some seconds and judges what
arrives, not how fast.

The clients are `websockets`' sans-I/O client for handshakes and everything that is sent; updates
are found in the bytes by hand, but for some clients that the library reads alone and that hold all
numbers against each other. Descriptors: the limit is raised as far as the system allows, and where
that is too little the run says so and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import stream_house
from stream_house import House
from stream_load import (
    HEARD,
    PERIOD,
    Burst,
    Choice,
    Flow,
    Population,
    Served,
    bare_bursts,
    bare_flooded,
    bursts,
    drawn,
    flooded,
    owed,
    replayed,
)
from stream_source import MARKET

LATE_BAR, MEMORY_BAR, SINGLE_BAR, UPDATES_BAR = 100.0, 60.0, 0.85, 500_000
EACH = 20
A_CONNECTION = 1000
"""Symbols of a client that only keeps the market subscribed."""


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    connections: int = 5000
    seconds: float = 30.0
    flooders: int = 2000
    flood: float = 4.0
    rounds: int = 3
    symbols: int = len(MARKET)
    witnesses: int = 50
    slices: int = 30


SHORT = Scale(connections=60, seconds=3.0, flooders=40, flood=0.5, rounds=1, symbols=540)


@dataclass(frozen=True)
class Outcome:
    """Everything that was measured."""

    scale: Scale
    memory: float
    """Kilobytes of the server for each connection."""
    bare_memory: float
    lost: dict[str, int]
    holes: int
    served: Served | None
    burst: Burst
    bare_burst: Burst
    single: list[tuple[Flow, Flow]]
    """Of Argus and of the bare loop, round by round."""
    many: list[tuple[Flow, Flow]]
    complaints: list[str]

    @property
    def single_share(self) -> float:
        """Frames of one update for the same processor time, Argus over the bare loop."""
        return statistics.median(ours.frames / bare.frames for ours, bare in self.single)

    @property
    def updates(self) -> float:
        """Updates a second of processor time in frames of 20."""
        return statistics.median(ours.updates for ours, _ in self.many)

    def missed(self, *, fast: bool) -> list[str]:
        """The bars that do not hold; those of speed only if it is to be judged."""
        found = []
        if self.lost or self.holes or self.complaints:
            found.append(f"lost {self.lost}, holes {self.holes}, log {self.complaints[:2]}")
        if (served := self.served) is not None:
            due = owed(self.scale.connections, EACH, PERIOD, served.seconds)
            if served.updates + served.conflated < HEARD * due:
                found.append(f"{served.updates} of {due:.0f} updates came")
        if not fast:
            return found
        if self.memory >= MEMORY_BAR:
            found.append(f"{self.memory:.0f} KB a connection")
        if self.served is not None and self.served.p99 >= LATE_BAR:
            found.append(f"p99 {self.served.p99:.1f} ms")
        if self.single and self.single_share < SINGLE_BAR:
            found.append(f"single updates at {self.single_share:.2f} of bare")
        if self.many and self.updates < UPDATES_BAR:
            found.append(f"{self.updates:.0f} updates a second")
        return found


async def measured(ours: House, bare: House, scale: Scale, *, only_bursts: bool) -> Outcome:
    """All phases, one after another; the two servers are never busy at once."""
    market = MARKET[: scale.symbols]
    warm = Population(ours.port)
    await warm.join(-(-len(market) // A_CONNECTION), _shares_of(market))
    before = _settled(ours)
    crowd, choice = Population(ours.port), drawn(1, market, EACH)
    await crowd.join(scale.connections, choice, witnesses=scale.witnesses)
    warm.leave()
    served = None
    if not only_bursts:
        served = await replayed(ours, crowd, seconds=scale.seconds, slices=scale.slices)
    burst = await bursts(ours, crowd, rounds=scale.rounds)
    memory = (_settled(ours) - before) / scale.connections / 1024
    lost, holes = dict(crowd.lost + warm.lost), crowd.witnessed.holes
    crowd.leave()
    single: list[tuple[Flow, Flow]] = []
    many: list[tuple[Flow, Flow]] = []
    for _ in range(1 if only_bursts else scale.rounds):
        many.append(await _beside(ours, bare, scale, EACH))
        if not only_bursts:
            single.append(await _beside(ours, bare, scale, 1))
    empty = bare.rss()
    flock = Population(bare.port)
    await flock.join(scale.connections, choice)
    bare_burst = await bare_bursts(bare, flock, many[0][0].sample, rounds=scale.rounds)
    bare_memory = (bare.rss() - empty) / scale.connections / 1024
    flock.leave()
    return Outcome(
        scale=scale,
        memory=memory,
        bare_memory=bare_memory,
        lost=lost,
        holes=holes,
        served=served,
        burst=burst,
        bare_burst=bare_burst,
        single=single,
        many=[] if only_bursts else many,
        complaints=ours.complaints(),
    )


def _shares_of(market: Sequence[str]) -> Choice:
    """The whole market, a thousand shares a client."""
    return lambda number: market[number * A_CONNECTION : (number + 1) * A_CONNECTION]


def _settled(house: House) -> int:
    """The server's memory after what is garbage was collected."""
    house.source.tell(collect=True)
    return house.rss()


async def _beside(ours: House, bare: House, scale: Scale, symbols: int) -> tuple[Flow, Flow]:
    flow = await flooded(ours, connections=scale.flooders, symbols=symbols, seconds=scale.flood)
    other = await bare_flooded(bare, flow, connections=scale.flooders, seconds=scale.flood)
    return flow, other


def table(outcome: Outcome) -> str:
    """The figures, for people."""
    scale, burst, bare = outcome.scale, outcome.burst, outcome.bare_burst
    lines = [
        stream_house.machine(),
        (
            f"{scale.connections} connections x {EACH} of {scale.symbols} shares; lost "
            f"{outcome.lost or 'none'}, unannounced holes {outcome.holes}"
        ),
        f"memory {outcome.memory:.1f} KB a connection (bare {outcome.bare_memory:.1f})",
    ]
    if (seen := outcome.served) is not None:
        lines += [
            (
                f"reference, {scale.symbols / 3:.0f} updates/s in {scale.slices} slices of 3 s, "
                f"{seen.seconds:.0f} s: {seen.frames / seen.seconds:.0f} frames/s, "
                f"{seen.updates / seen.seconds:.0f} updates/s, {seen.conflated} conflated"
            ),
            (
                f"  source callback to client: p50 {seen.p50:.1f}, p99 {seen.p99:.1f}, worst "
                f"{seen.worst:.1f} ms (p99 read by the library {seen.witnessed:.1f} ms)"
            ),
            (
                f"  server {seen.cpu:.2f} cores, client {seen.client:.2f}; the server's core was "
                f"somebody else's for {seen.waited:.0%} of the time; source at most "
                f"{seen.late * 1000:.1f} ms late"
            ),
        ]
    lines += [
        f"{'burst':12}{'all done ms':>12}{'p50 ms':>9}{'p99 ms':>9}{'frames':>9}",
        *(
            f"{name:12}{one.whole * 1000:>12.0f}{one.p50:>9.1f}{one.p99:>9.1f}{one.frames:>9}"
            for name, one in (("argus", burst), ("bare", bare))
        ),
        (
            f"  argus over bare: all done {burst.whole / bare.whole:.2f}, "
            f"p99 {burst.p99 / max(bare.p99, 0.1):.2f}"
        ),
    ]
    for name, pairs in (("1 update", outcome.single), (f"{EACH} updates", outcome.many)):
        lines += [_flows(name, pairs)] if pairs else []
    return "\n".join(lines)


def _flows(name: str, pairs: list[tuple[Flow, Flow]]) -> str:
    def middle(what: str, place: int) -> float:
        return statistics.median(getattr(pair[place], what) for pair in pairs)

    share = statistics.median(ours.frames / bare.frames for ours, bare in pairs)
    return (
        f"frames of {name} ({len(pairs[0][0].sample)} bytes), per CPU second: argus "
        f"{middle('frames', 0):.0f} frames, {middle('updates', 0):.0f} updates; bare "
        f"{middle('frames', 1):.0f} frames; argus over bare {share:.3f}; by the clock argus "
        f"{middle('rate', 0):.0f} frames/s on {middle('cpu', 0):.2f} cores, bare "
        f"{middle('rate', 1):.0f} on {middle('cpu', 1):.2f}"
    )


def run(scale: Scale, *, only_bursts: bool = False) -> Outcome:
    """Start the servers, measure, end them."""
    stream_house.roomy(max(scale.connections, scale.flooders) + A_CONNECTION)
    with (
        tempfile.TemporaryDirectory() as place,
        stream_house.argus(Path(place), symbols=scale.symbols) as ours,
        stream_house.bare(Path(place)) as bare,
        stream_house.on_the_clients_core(),
        asyncio.Runner(loop_factory=stream_house.quick_loop()) as runner,
    ):
        return runner.run(measured(ours, bare, scale, only_bursts=only_bursts))


def main() -> int:
    """Measure, print, and say whether the bars hold: 0 if they do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=Scale.connections)
    parser.add_argument("--flooders", type=int, default=Scale.flooders)
    parser.add_argument("--seconds", type=float, default=Scale.seconds)
    parser.add_argument("--rounds", type=int, default=Scale.rounds)
    parser.add_argument("--slices", type=int, default=Scale.slices)
    parser.add_argument("--burst", action="store_true", help="measure the bursts alone")
    parser.add_argument("--short", action="store_true", help="some seconds; nothing is judged fast")
    given = parser.parse_args()
    scale = Scale(
        connections=given.connections,
        flooders=given.flooders,
        seconds=given.seconds,
        rounds=given.rounds,
        slices=given.slices,
    )
    outcome = run(SHORT if given.short else scale, only_bursts=given.burst)
    print(table(outcome))
    missed = outcome.missed(fast=not given.short)
    print("; ".join(["missed: " + one for one in missed]) or "the bars hold")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
