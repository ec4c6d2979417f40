"""How the size of a pool follows a load that changes in steps, and what that does to answers.

    python benchmarks/autoscale.py [--plot docs/operate/autoscaling.svg]

A router asks a pool of one node for quotes, in real time. The node answers in 400 ms as long as it
has at most 20 calls under way; beyond that it gives no more answers a second, only slower ones, as
vendors do. Requests come at the rate of the step whatever becomes of them, each with 4 seconds to
be answered. One step asks for more than the node can give.

Prints what each step brought; exit code 1 if a step within the node's means was not answered.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from autoscale_plot import Panel, svg

from argus_core import Clock, Quote, QuotesQuery, Source, Symbol
from argus_core.errors import DeadlineExceeded, Overloaded
from argus_core.model.ask import Deadline
from argus_core.model.query import Query
from argus_core.routing.load.gate import Gate
from argus_core.routing.node import Node
from argus_core.routing.pool import Member, Pool
from argus_core.routing.router import Router
from argus_core.tables import PoolLimits
from argus_core.telemetry.redact import Redactor

ANSWER = 0.4
"""Seconds that an answer takes …"""
MEANS = 20
"""… up to so many calls at once."""
STEPS = ((8, 5), (14, 35), (14, 75), (12, 15), (20, 1))
"""Seconds and requests a second."""
WITHIN = 4.0
LIMITS = PoolLimits(min_size=2, max_size=64, initial_size=4, max_idle_time=5.0)
_SAMPLE, _SPAN = 0.25, 1.5
_TICK = 0.01


class Vendor(Source):
    """Answers quotes, slower the more is asked at once beyond its means."""

    max_concurrency = 1000
    busy = 0

    async def quotes(self, query: QuotesQuery) -> Iterable[Quote]:
        """A quote of each symbol."""
        self.busy += 1
        try:
            await asyncio.sleep(ANSWER * max(1.0, self.busy / MEANS))
        finally:
            self.busy -= 1
        return [Quote(symbol=symbol, price=1.0) for symbol in query.symbols]


@dataclass(frozen=True, slots=True)
class Lone:
    """One route for every query."""

    pool: Pool

    def split(self, query: Query) -> Iterable[tuple[tuple[Pool, ...], Query]]:
        """The whole query, of the one pool."""
        yield (self.pool,), query


@dataclass(slots=True)
class Step:
    """What became of the requests of one step."""

    rate: int
    seconds: list[float] = field(default_factory=list[float])
    refused: int = 0
    late: int = 0
    size: int = 0

    @property
    def sent(self) -> int:
        """All its requests."""
        return len(self.seconds) + self.refused + self.late


@dataclass(slots=True)
class Sample:
    """The pool at an instant, and the answers of the ``span`` seconds before it."""

    at: float
    span: float
    rate: int
    size: int
    in_use: int
    waiting: int
    seconds: list[float]


class Run:
    """One run of the load against the pool."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.gate = Gate("pool", LIMITS, self.clock)
        node = Node(Vendor("vendor", None, self.clock), plugin="bench", clock=self.clock)
        pool = Pool("pool", (Member(node),), None, self.gate)
        self.router = Router(Lone(pool), clock=self.clock, redactor=Redactor())
        self.steps = [Step(rate) for _, rate in STEPS]
        self.samples: list[Sample] = []
        self._fresh: list[tuple[float, float]] = []
        self._asking: set[asyncio.Task[None]] = set()
        self._began = self.clock.monotonic()

    async def through(self) -> None:
        """Run all steps."""
        sampling = asyncio.ensure_future(self._sample())
        for step, (seconds, rate) in zip(self.steps, STEPS, strict=True):
            begin, sent = self.clock.monotonic(), 0
            while (passed := self.clock.monotonic() - begin) < seconds:
                for _ in range(int(passed * rate) - sent):
                    self._send(step)
                    sent += 1
                await asyncio.sleep(_TICK)
            step.size = self.gate.figures().size
        await asyncio.gather(*self._asking)
        sampling.cancel()

    def _send(self, step: Step) -> None:
        task = asyncio.ensure_future(self._ask(step))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, step: Step) -> None:
        query = QuotesQuery(symbols=(Symbol("600519.SH"),))
        began = self.clock.monotonic()
        try:
            await self.router.fetch(query, Deadline.within(WITHIN, self.clock))
        except Overloaded:
            step.refused += 1
        except DeadlineExceeded:
            step.late += 1
        else:
            step.seconds.append(self.clock.monotonic() - began)
            now = self.clock.monotonic()
            self._fresh.append((now - self._began, step.seconds[-1]))

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLE)
            at, told = self.clock.monotonic() - self._began, self.gate.figures()
            ends = [sum(seconds for seconds, _ in STEPS[: n + 1]) for n in range(len(STEPS))]
            rate = next((rate for (_, rate), end in zip(STEPS, ends, strict=True) if at < end), 0)
            self._fresh = [(end, took) for end, took in self._fresh if end > at - _SPAN]
            took = [took for _, took in self._fresh]
            span = min(at, _SPAN)
            sample = Sample(at, span, rate, told.size, told.in_use, told.waiting, took)
            self.samples.append(sample)


def panels(samples: list[Sample]) -> list[Panel]:
    """What the plot shows, from top to bottom."""
    at = [sample.at for sample in samples]
    median = [statistics.median(s.seconds) * 1000 if s.seconds else None for s in samples]
    return [
        Panel("calls at once", at, {
            "size": [s.size for s in samples],
            "in use": [s.in_use for s in samples],
        }),
        Panel("waiting", at, {"waiting": [s.waiting for s in samples]}),
        Panel("requests a second", at, {
            "asked": [s.rate for s in samples],
            "answered": [len(s.seconds) / s.span for s in samples],
        }),
        Panel("median of answers, ms", at, {"the wait included": median}),
    ]  # fmt: skip


def main() -> int:
    """Run, print, and draw if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path, help="where to write the picture")
    options = parser.parse_args()

    async def run() -> Run:
        made = Run()
        await made.through()
        return made

    done = asyncio.run(run())
    print(
        f"{'asked/s':>8}{'sent':>7}{'answered':>10}{'refused':>9}{'late':>6}{'median':>9}{'size':>6}"
    )
    missed = False
    for step in done.steps:
        median = statistics.median(step.seconds) * 1000 if step.seconds else float("nan")
        print(
            f"{step.rate:>8}{step.sent:>7}{len(step.seconds):>10}{step.refused:>9}{step.late:>6}"
            f"{median:>7.0f}ms{step.size:>6}"
        )
        missed |= step.rate <= MEANS / ANSWER and len(step.seconds) < 0.95 * step.sent
    if options.plot:
        options.plot.write_text(svg(panels(done.samples)), encoding="utf-8")
        print(f"drawn: {options.plot}")
    if missed:
        print("MISSED: a step within the node's means was not answered")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
