"""The steady load, as a process of its own: ``python -m support.matrix.load PLAN``.

Questions are asked when their time has come, whatever became of the earlier ones, and their
latency counts from that time: a stall shows as what it is. Every answer is held against the
recorded files. It goes on until its standard input ends, then writes what happened.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from support.matrix.client import Connections, Failed
from support.matrix.truth import SHANGHAI, SYMBOLS, Truth

PATIENCE = 20.0
"""Seconds after which a consumer has gone."""
WINDOWS = 4
"""Hot ranges of history a symbol."""
BATCHES = 0.1
"""The share of questions about quotes that ask for all symbols at once."""
LATEST = "/api/v1/market_data/latest?symbols="
HISTORY = "/api/v1/market_data/history?symbols="


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Whom to ask how often."""

    url: str
    data: str
    book: str
    """The file into which the outcomes go."""
    market: float
    """The market's instant minus this machine's, in seconds."""
    age: float
    """Seconds that a quote which is not flagged may lie behind the market when it is asked for."""
    cached: float = 180.0
    uncached: float = 20.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Question:
    """One request, and what is needed to judge its answer."""

    path: str
    symbols: tuple[str, ...]
    cached: bool
    start: str = ""
    end: str = ""


class Load:
    """The generator."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.truth = Truth(Path(plan.data))
        self.random = random.Random(plan.seed)
        self.server = Connections(plan.url)
        self.rows: list[list[Any]] = []
        self.worst_lag = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._hot = [self._history(symbol) for symbol in SYMBOLS for _ in range(WINDOWS)]

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until told to stop, then wait for the last answers."""
        begin = time.monotonic() + 0.1
        due = [begin, begin]
        steps = (1 / self.plan.cached, 1 / self.plan.uncached)
        while not stop.is_set():
            which = 0 if due[0] <= due[1] else 1
            at = due[which]
            due[which] += steps[which]
            if (wait := at - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            self.worst_lag = max(self.worst_lag, time.monotonic() - at)
            task = asyncio.create_task(self._asked(self._question(cached=not which), at))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.server.close()

    def _question(self, *, cached: bool) -> Question:
        if self.random.random() < (0.3 if cached else 0.5):
            if cached:
                return self.random.choice(self._hot)
            return self._history(self.random.choice(SYMBOLS), cached=False)
        many = len(SYMBOLS) if self.random.random() < BATCHES else 1
        symbols = tuple(self.random.sample(SYMBOLS, many))
        more = "" if cached else "&use_cache=false"
        return Question(LATEST + ",".join(symbols) + more, symbols, cached)

    def _history(self, symbol: str, *, cached: bool = True) -> Question:
        bars = self.truth.bars[symbol]
        first = self.random.randrange(len(bars) - 70)
        last = first + self.random.randrange(5, 60)
        start, end = bars[first]["date"], bars[last]["date"]
        more = "" if cached else "&use_cache=false"
        path = f"{HISTORY}{symbol}&start_date={start}&end_date={end}{more}"
        return Question(path, (symbol,), cached, start, end)

    async def _asked(self, question: Question, due: float) -> None:
        oldest = datetime.fromtimestamp(time.time() + self.plan.market, SHANGHAI) - timedelta(
            seconds=self.plan.age
        )
        try:
            async with asyncio.timeout(PATIENCE):
                status, body = await self.server.get(question.path)
        except TimeoutError:
            outcome = "error: no answer"
        except Failed as failed:
            outcome = f"error: {failed}"
        else:
            seconds = time.monotonic() - due
            outcome = self._judged(question, status, body, oldest)
            self.rows.append([due, seconds, question.cached, outcome])
            return
        self.rows.append([due, time.monotonic() - due, question.cached, outcome])

    def _judged(self, question: Question, status: int, body: bytes, oldest: datetime) -> str:
        """`ok`, `stale`, or `error` or `wrong` with why."""
        told = orjson.loads(body)
        if status != 200:
            code = told["error"]["code"]
            # A known symbol was asked for properly: that nobody has it is not true.
            kind = "wrong" if status < 500 and status != 429 else "error"
            return f"{kind}: {status} {code} {_attempts(told['error'])}"
        for symbol in question.symbols:
            if symbol in told.get("errors", {}):
                return f"error: {told['errors'][symbol]}"
            if why := self._false(question, symbol, told, oldest):
                return f"wrong: {why} from {told['meta'].get('source')}"
        return "stale" if told["meta"]["stale"] else "ok"

    def _false(
        self, question: Question, symbol: str, told: dict[str, Any], oldest: datetime
    ) -> str:
        """Why the answer is false as far as this symbol goes, or nothing."""
        data = told["data"].get(symbol)
        if question.start:
            return self.truth.wrong_bars(symbol, data or [], question.start, question.end)
        return self.truth.wrong_quote(symbol, data, None if told["meta"]["stale"] else oldest)


def _attempts(error: dict[str, Any]) -> str:
    """Who was tried, and what came of it."""
    tried = (error.get("details") or {}).get("attempts") or []
    return "; ".join(f"{one['source']} {one['error']} ({one['reason']})" for one in tried)


async def _loaded(plan: Plan) -> dict[str, Any]:
    """What happened."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stop.set)))
    load = Load(plan)
    print("ready", flush=True)  # noqa: T201 - whoever started it waits for this
    began = time.monotonic(), time.process_time()
    await load.run(stop)
    ended = time.monotonic(), time.process_time()
    return {
        "requests": load.rows,
        "cpu": (ended[1] - began[1]) / (ended[0] - began[0]),
        "worst_lag": load.worst_lag,
        "connections": load.server.opened,
    }


def as_json(plan: Plan) -> str:
    """The plan for the command line."""
    return json.dumps(asdict(plan))


if __name__ == "__main__":
    given = Plan(**json.loads(sys.argv[1]))
    Path(given.book).write_bytes(orjson.dumps(asyncio.run(_loaded(given))))
