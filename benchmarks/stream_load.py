"""The phases of the streaming benchmark: who connects, what is pushed, what came of it."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from stream_house import House
from stream_source import MARKET
from stream_wire import Flooded, Rate, Tally, Wire, Witness, connected
from websockets.asyncio.client import connect

TICK = 0.01
"""Seconds by which systems count processor time."""
PERIOD = 3.0
"""Seconds in which each share has news once: the cadence of the exchanges' snapshots."""
AT_ONCE = 64
TRIAL = 0.5
"""Seconds between two pushes while it is found out how long one takes."""
BUSY = 0.5
"""The share of the time for which a flooded server is busy; beyond it neighbours would make it
conflate, and that is not what is measured."""
HEARD = 0.8
"""The share of the updates owed to listeners without which no figure means anything."""
_VOLUME = re.compile(rb'"volume":[\d.]+')
_SETTLE = 1.0

Choice = Callable[[int], Sequence[str]]
"""The symbols of a client, by its number."""


def owed(listeners: int, each: int, period: float, seconds: float) -> float:
    """Updates that so many listeners are owed, each of so many shares that move once a period."""
    return listeners * each / period * seconds


@dataclass
class Population:
    """Connected clients that have subscribed."""

    port: int
    tally: Tally = field(default_factory=Tally)
    witnessed: Tally = field(default_factory=Tally)
    lost: Counter[str] = field(default_factory=Counter[str])
    wires: list[Wire] = field(default_factory=list[Wire])

    async def join(self, count: int, choice: Choice, *, witnesses: int = 0) -> None:
        """Connect so many clients, a few at once; the first ones are read by the library."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> Wire:
            async with gate:
                kind, tally = (
                    (Witness, self.witnessed) if number < witnesses else (Wire, self.tally)
                )
                wire = await connected(kind, self.port, tally, self.lost)
                await subscribed(wire, choice(number))
                return wire

        self.wires += await asyncio.gather(*(one(number) for number in range(count)))

    @property
    def heard(self) -> int:
        """Updates that came, or of which was said that a newer one replaced them."""
        return sum(one.updates + one.conflated for one in (self.tally, self.witnessed))

    def clear(self) -> None:
        """Begin the figures anew."""
        self.tally.clear()
        self.witnessed.clear()

    def leave(self) -> None:
        """Close all connections."""
        for wire in self.wires:
            wire.close()
        self.wires.clear()


async def subscribed(wire: Wire, symbols: Sequence[str]) -> None:
    """Return when the server has accepted all of these."""
    wire.say(action="subscribe", channel="quotes", symbols=list(symbols))
    told = await wire.answer("subscribed")
    if told.get("rejected"):
        raise SystemExit(f"the server refuses symbols: {told['rejected'][:3]}")


def drawn(seed: int, market: Sequence[str], each: int) -> Choice:
    """Every client listens to so many symbols of the market, at random, always the same."""
    return lambda number: Random(seed * 1_000_003 + number).sample(market, each)


@dataclass(frozen=True)
class Served:
    """What a stretch of time under load was like."""

    seconds: float
    frames: int
    updates: int
    conflated: int
    p50: float
    p99: float
    worst: float
    witnessed: float
    """The 99th percentile of the clients that the library reads alone."""
    cpu: float
    """The server's, in cores."""
    client: float
    """This process' own, in cores."""
    waited: float
    """The share of the time for which the server had to wait for its core."""
    late: float
    """Seconds by which the source pushed a slice too late, at most."""


async def replayed(house: House, crowd: Population, *, seconds: float, slices: int) -> Served:
    """The whole market once every three seconds, after a period that does not count."""
    house.source.play(PERIOD, slices)
    await asyncio.sleep(PERIOD)
    crowd.clear()
    spent, own, waited = house.cpu(), time.process_time(), house.waited()
    began = time.monotonic()
    await asyncio.sleep(seconds)
    took, both = time.monotonic() - began, (crowd.tally, crowd.witnessed)
    served = Served(
        seconds=took,
        frames=sum(one.frames for one in both),
        updates=sum(one.updates for one in both),
        conflated=sum(one.conflated for one in both),
        p50=crowd.tally.percentile(0.5),
        p99=crowd.tally.percentile(0.99),
        worst=max(one.worst for one in both),
        witnessed=crowd.witnessed.percentile(0.99),
        cpu=(house.cpu() - spent) / took,
        client=(time.process_time() - own) / took,
        waited=(house.waited() - waited) / took,
        late=house.source.tell()["late"],
    )
    house.source.stop()
    return served


@dataclass(frozen=True)
class Burst:
    """The whole market at once: seconds until everybody has everything, medians of the rounds."""

    whole: float
    p50: float
    p99: float
    worst: float
    frames: int


async def bursts(house: House, crowd: Population, *, rounds: int) -> Burst:
    """Every share's news at one instant, several times; the first does not count."""

    async def burst() -> None:
        house.source.play(PERIOD, 1, rounds=1)

    return await _bursts(crowd, rounds, burst)


async def bare_bursts(house: House, crowd: Population, frame: bytes, *, rounds: int) -> Burst:
    """The same from a bare send loop: one frame to each."""
    command = json.dumps({"do": "burst", "frame": unstamped(frame)})
    async with _control(house.port) as say:
        return await _bursts(crowd, rounds, lambda: say(command))


async def _bursts(crowd: Population, rounds: int, burst: Callable[[], Awaitable[None]]) -> Burst:
    seen: list[tuple[float, float, float, float, int]] = []
    for _ in range(rounds + 1):
        crowd.clear()
        began = time.monotonic()
        await burst()
        await _quiet(crowd)
        last = max(crowd.tally.last, crowd.witnessed.last)
        tally = crowd.tally
        frames = tally.frames + crowd.witnessed.frames
        half, most = tally.percentile(0.5), tally.percentile(0.99)
        seen.append((last - began, half, most, tally.worst, frames))
    whole, p50, p99, worst, frames = (
        statistics.median(column) for column in zip(*seen[1:], strict=True)
    )
    return Burst(whole, p50, p99, worst, int(frames))


async def _quiet(crowd: Population) -> None:
    """Return when nothing has come for a second."""
    await asyncio.sleep(_SETTLE)
    before = -1
    while before != crowd.tally.frames:
        before = crowd.tally.frames
        await asyncio.sleep(_SETTLE)


@dataclass(frozen=True)
class Flow:
    """What came out of a server that had always something to send."""

    frames: float
    """Frames a second of the server's processor time, which neither client nor neighbours touch."""
    updates: float
    """Updates a second of the server's processor time."""
    rate: float
    """Frames a second by the clock."""
    cpu: float
    """The server's, in cores."""
    sample: bytes
    """One of the frames."""


async def flooded(house: House, *, connections: int, symbols: int, seconds: float) -> Flow:
    """Argus with something new for everybody whenever it has sent what was new before."""
    async with _crowd(house.port, connections, MARKET[:symbols]) as (rate, lost):
        while house.source.tell()["subscribed"] != symbols:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)  # those of clients that have just left are still pushed
        house.source.play(TRIAL, 1)
        await asyncio.sleep(_SETTLE)
        trial = await _flow(house, rate, asyncio.sleep(2 * _SETTLE))
        # As fast as the server can, and no faster: what came in between would be conflated.
        house.source.play(max(TRIAL * trial.cpu / BUSY, 0.0102), 1)
        await asyncio.sleep(_SETTLE)
        flow = await _flow(house, rate, asyncio.sleep(seconds))
        house.source.stop()
        if lost:
            raise SystemExit(f"connections were lost under a flood: {dict(lost)}")
    return flow


async def bare_flooded(house: House, flow: Flow, *, connections: int, seconds: float) -> Flow:
    """A bare send loop of the same frames at the same pace.

    At another pace a frame would cost another time: without pauses, for one, the clients are awake
    already and the kernel has nobody to wake.
    """
    async with (
        _crowd(house.port, connections, MARKET[:1]) as (rate, _),
        _control(house.port) as say,
    ):
        period = connections / flow.rate
        frame = unstamped(flow.sample)
        command = {"do": "flood", "frame": frame, "seconds": seconds, "period": period}
        return await _flow(house, rate, say(json.dumps(command)))


async def _flow(house: House, rate: Rate, lasting: Awaitable[None]) -> Flow:
    rate.clear()
    spent, began = house.cpu(), time.monotonic()
    await lasting
    took, cpu = time.monotonic() - began, max(house.cpu() - spent, TICK)
    return Flow(rate.frames / cpu, rate.updates / cpu, rate.frames / took, cpu / took, rate.sample)


@asynccontextmanager
async def _crowd(
    port: int, connections: int, symbols: Sequence[str]
) -> AsyncIterator[tuple[Rate, Counter[str]]]:
    """Clients that all listen to the same, and only count."""
    rate, lost = Rate(), Counter[str]()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Wire:
        async with gate:
            # The first one reads frame by frame, so that there is a sample.
            wire = await connected(Flooded if number else Wire, port, rate, lost)
            await subscribed(wire, symbols)
            return wire

    wires = await asyncio.gather(*(one(number) for number in range(connections)))
    try:
        yield rate, lost
    finally:
        for wire in wires:
            wire.close()


@asynccontextmanager
async def _control(port: int) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    async with connect(f"ws://127.0.0.1:{port}/control", proxy=None, max_size=None) as line:

        async def say(command: str) -> None:
            await line.send(command)
            await line.recv()

        yield say


def unstamped(frame: bytes) -> str:
    """The text of a frame whose instants the bare server is to fill in."""
    return _VOLUME.sub(b'"volume":0', frame).decode()
