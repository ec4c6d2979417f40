"""A trial: listeners on a server, faults at random, and the judgement of everything heard."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import httpx
from support.streams.house import House, Server
from support.streams.judge import Item, judged
from support.streams.listener import Listener
from support.streams.market import SYMBOLS, number_at

SETTLING = 20.0
"""Seconds after the market's end within which everybody must know it."""
UNDISTURBED = 4.0
"""Seconds before the market's end in which nothing breaks any more."""
MOVING = 20.0
"""Seconds within which values go over what is shared again, after it was lost."""
LEAST = 3
"""Faults that happen however slow the machine is."""
Fault = Callable[["Stage"], Awaitable[None]]


@dataclass
class Stage:
    """What faults act upon."""

    house: House
    edge: Server
    """The server that the listeners listen to."""
    listeners: Sequence[Listener]
    random: Random
    agent: Server | None = None
    """The server that has the first source, where the edge has not."""
    sources: Sequence[str] = ("first", "second")

    async def for_a_while(self, longest: float = 4.0) -> None:
        """Let a fault last."""
        await asyncio.sleep(self.random.uniform(0.3, longest))


async def worker_killed(stage: Stage) -> None:
    """A source's process dies."""
    stage.house.kill_worker(stage.random.choice(stage.sources))


async def source_silent(stage: Stage) -> None:
    """A source pushes nothing for a while, and looks healthy."""
    with stage.house.ailing(stage.random.choice(stage.sources), "silent"):
        await stage.for_a_while()


async def source_broken(stage: Stage) -> None:
    """A source pushes nothing and refuses everything for a while."""
    with stage.house.ailing(stage.random.choice(stage.sources), "broken"):
        await stage.for_a_while()


async def listener_lost(stage: Stage) -> None:
    """A listener's connection breaks."""
    stage.random.choice(list(stage.listeners)).drop()


async def edge_killed(stage: Stage) -> None:
    """The server dies, and another one comes up in its place."""
    await asyncio.to_thread(stage.edge.kill)
    await asyncio.to_thread(stage.edge.start)


async def edge_restarted(stage: Stage) -> None:
    """The server is ended as operators do, and started again."""
    await asyncio.to_thread(stage.edge.stop)
    await asyncio.to_thread(stage.edge.start)


async def agent_killed(stage: Stage) -> None:
    """The server behind the edge dies, and another one comes up in its place."""
    if stage.agent is not None:
        await asyncio.to_thread(stage.agent.kill)
        await asyncio.to_thread(stage.agent.start)


async def agent_restarted(stage: Stage) -> None:
    """The server behind the edge is ended as operators do, and started again."""
    if stage.agent is not None:
        await asyncio.to_thread(stage.agent.stop)
        await asyncio.to_thread(stage.agent.start)


async def over_redis(stage: Stage) -> None:
    """Return when what the agent pushes goes over what they share, or has had time to."""
    url = f"http://127.0.0.1:{stage.edge.port}/api/v1/sources"
    ends = time.monotonic() + MOVING
    async with httpx.AsyncClient(trust_env=False) as client:
        while time.monotonic() < ends:
            told = (await client.get(url)).json()["data"]
            if any((one.get("report") or {}).get("pushed_over_cache") for one in told):
                return
            await asyncio.sleep(0.1)


async def redis_killed(stage: Stage) -> None:
    """What edge and agent share dies, and comes back empty."""
    if stage.house.redis is not None:
        await over_redis(stage)
        with stage.house.redis.down():
            await stage.for_a_while(6.0)


async def redis_silent(stage: Stage) -> None:
    """It stands still for a while; connections stay, and nothing is answered."""
    if stage.house.redis is not None:
        await over_redis(stage)
        with stage.house.redis.paused():
            await stage.for_a_while(6.0)


async def redis_cut(stage: Stage) -> None:
    """The connections of those who listen there break."""
    if stage.house.redis is not None:
        await over_redis(stage)
        await asyncio.to_thread(stage.house.redis.cut)


GENTLE: tuple[Fault, ...] = (worker_killed, source_silent, source_broken, listener_lost)
ROUGH: tuple[Fault, ...] = (*GENTLE, edge_killed, edge_restarted)
BEHIND: tuple[Fault, ...] = (*GENTLE, agent_killed, agent_restarted)
SHARED: tuple[Fault, ...] = (redis_killed, redis_silent, redis_cut)
SHARING: tuple[Fault, ...] = (*BEHIND, *SHARED)
FAULTS: dict[str, Fault] = {fault.__name__: fault for fault in (*ROUGH, *SHARING)}


@dataclass
class Verdict:
    """What came of a trial."""

    wrong: list[str] = field(default_factory=list[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    events: Counter[str] = field(default_factory=Counter[str])
    pushed: int = 0
    closes: Counter[str] = field(default_factory=Counter[str])


async def trial(
    house: House,
    faults: Sequence[Fault],
    *,
    seconds: float,
    seed: int,
    pause: float = 0.8,
) -> Verdict:
    """Listen while faults happen one after another, and then until the market has ended.

    The listeners listen to the house's server ``edge``.
    """
    edge = house.servers["edge"]
    listeners = crowd(edge.port)
    stage = Stage(house, edge, listeners, Random(seed), house.servers.get("agent"))
    verdict = Verdict()
    until = time.time() + seconds
    running = [asyncio.ensure_future(one.run()) for one in listeners]
    try:
        await asyncio.sleep(1.0)
        while time.time() < until or verdict.faults.total() < LEAST:
            fault = stage.random.choice(list(faults))
            verdict.faults[fault.__name__] += 1
            await fault(stage)
            await asyncio.sleep(stage.random.uniform(0, 2 * pause))
        house.end_in(UNDISTURBED)
        await asyncio.sleep(UNDISTURBED)
        settled, late = _settled(house), house.ends + SETTLING
        while time.time() < late and not all(map(settled, listeners)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    finally:
        for task in running:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError):
                await task
    return concluded(house, listeners, verdict)


def _settled(house: House) -> Callable[[Listener], bool]:
    """True for a listener that knows the market's last state."""
    final = {symbol: number_at(symbol, house.began, house.ends, house.ends) for symbol in SYMBOLS}

    def settled(listener: Listener) -> bool:
        return all(
            events and isinstance(events[-1], Item) and events[-1].number == final[symbol]
            for symbol, events in listener.heard.items()
        )

    return settled


def crowd(port: int) -> list[Listener]:
    """Listeners of every kind: in both forms, at once and at a pace."""
    half = len(SYMBOLS) // 2
    return [
        Listener(port, SYMBOLS),
        Listener(port, SYMBOLS[:half], interval_ms=250),
        Listener(port, SYMBOLS[half:], binary=True),
    ]


def concluded(house: House, listeners: Sequence[Listener], verdict: Verdict) -> Verdict:
    """The judgement."""
    pushed = house.pushed()
    verdict.pushed = sum(len(numbers) for own in pushed.values() for numbers in own.values())
    for place, listener in enumerate(listeners):
        verdict.closes.update(str(code) for code in listener.closes)
        verdict.wrong += [f"listener {place}: {odd}" for odd in listener.odd]
        for symbol, events in listener.heard.items():
            final = number_at(symbol, house.began, house.ends, house.ends)
            found = judged(events, pushed.get(symbol, {}), final)
            verdict.wrong += [f"listener {place}, {symbol}: {one}" for one in found]
            verdict.events.update(
                event.kind if isinstance(event, Item) else type(event).__name__ for event in events
            )
    for server in house.servers.values():
        verdict.wrong += [f"{server.name}: {line}" for line in server.complaints()]
    return verdict
