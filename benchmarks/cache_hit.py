"""The CPU that an answer out of the first cache tier adds to a request.

    python benchmarks/cache_hit.py [--rounds 15] [--profile]

``Gateway.quotes`` is asked for 1, 10, 100 and 1 000 symbols that lie fresh in the memory tier, and
in turns with that by a gateway whose tiers are replaced by nothing: its ``Answers.fetch`` hands
back a finished answer. The difference is what the tiers cost: keys, the tier itself, entries,
decoding, provenance. Measured by ``time.process_time``; the least of the rounds counts, because
neighbours on the machine only ever add to it (they share its caches and its clock).

Exit code 1 if one symbol adds more than 30 microseconds, or a further one more than 3.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import day_source
from day_market import market_of
from day_tally import DayClock

from argus_core import Quote, Symbol
from argus_core.config import Config
from argus_core.gateway import Gateway
from argus_core.model.answer import Answer
from argus_core.model.ask import Ask, Deadline

SIZES = (1, 10, 100, 1000)
BASE = 30.0
"""Microseconds that a hit of one symbol may add."""
FURTHER = 3.0
"""Microseconds that each further symbol may add."""
DAY = date(2024, 3, 15)
_SAMPLE = 0.03
_TEN = 10 * 3600.0

Asking = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU a request for so many symbols, with the tiers and without."""

    symbols: int
    hit: float
    without: float

    @property
    def added(self) -> float:
        """What the tiers cost."""
        return self.hit - self.without


class Ready:
    """Stands in for the answers of a gateway: what was asked is at hand already."""

    def __init__(self, answer: Answer[Any]) -> None:
        self._answer = answer

    async def fetch(self, _query: object, _ask: Ask) -> Answer[Any]:
        """The finished answer."""
        return self._answer


async def costs(*, rounds: int, profile: bool) -> list[Cost]:
    """The cost of each size."""
    clock = DayClock(DAY)
    clock.second = _TEN
    symbols = market_of(1, max(SIZES), DAY).symbols
    ask = Ask(deadline=Deadline.within(3600, clock))
    table = {
        "sources": {
            "bench": {"plugin": "bench_day", "seed": 1, "symbols": max(SIZES), "day": str(DAY)}
        },
        "caches": {"l1": {"plugin": "memory"}},
    }
    async with Gateway(Config.parse(table, {}), clock=clock) as gateway:
        await gateway.quotes(symbols, ask)
        if profile:
            for size in (min(SIZES), max(SIZES)):
                await _profiled(gateway, symbols[:size], ask)
        return [await _cost(gateway, symbols[:size], ask, rounds) for size in SIZES]


async def _cost(gateway: Gateway, symbols: tuple[Symbol, ...], ask: Ask, rounds: int) -> Cost:
    answer: Answer[Quote] = await gateway.quotes(symbols, ask)
    if not answer.cached or len(answer.data) != len(symbols):
        raise SystemExit("the quotes do not come out of the cache: nothing to measure")
    answers, ready = gateway._answers, Ready(answer)  # noqa: SLF001 - the part to be left out

    def asking() -> Awaitable[object]:
        return gateway.quotes(symbols, ask)

    hits: list[float] = []
    without: list[float] = []
    for _ in range(rounds):
        hits.append(await _timed(asking))
        gateway._answers = ready  # type: ignore[assignment]  # noqa: SLF001
        without.append(await _timed(asking))
        gateway._answers = answers  # noqa: SLF001
    return Cost(len(symbols), min(hits), min(without))


async def _timed(asking: Asking) -> float:
    """Microseconds of CPU a call, over as many calls as fill a sample."""
    calls, spent = 1, 0.0
    while True:
        began = time.process_time()
        for _ in range(calls):
            await asking()
        spent = time.process_time() - began
        if spent >= _SAMPLE:
            return spent / calls * 1e6
        calls *= 4


async def _profiled(gateway: Gateway, symbols: tuple[Symbol, ...], ask: Ask) -> None:
    calls = 20_000 // len(symbols)
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(calls):
        await gateway.quotes(symbols, ask)
    profiler.disable()
    print(f"{calls} hits of {len(symbols)} symbols")
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> int:
    """Measure, print, and say whether the bars are reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as site:
        day_source.install(Path(site))
        sys.path.insert(0, site)
        measured = asyncio.run(costs(rounds=options.rounds, profile=options.profile))
    base = measured[0].added
    missed = base > BASE
    print(f"{'symbols':>8}{'hit us':>10}{'without us':>12}{'added us':>10}{'a further':>11}")
    for cost in measured:
        further = (cost.added - base) / (cost.symbols - 1) if cost.symbols > 1 else 0.0
        missed |= further > FURTHER
        print(
            f"{cost.symbols:>8}{cost.hit:>10.1f}{cost.without:>12.1f}{cost.added:>10.1f}"
            + (f"{further:>11.2f}" if cost.symbols > 1 else "")
        )
    print(f"one symbol: {base:.1f} us (at most {BASE:g}); each further one at most {FURTHER:g}")
    if missed:
        print("MISSED: a hit adds more than that")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
