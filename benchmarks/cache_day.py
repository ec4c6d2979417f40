"""A replayed day: what Argus' caches and archive make of it, beside two other caches.

    python benchmarks/cache_day.py [--requests 200000] [--seed 1] [--symbols 500] [--day DATE]

A Gateway with a memory cache, a SQLite cache and an archive answers a day of seeded requests
(:mod:`day_requests`) over a made-up market (:mod:`day_market`) whose truth at every instant is
known. The market's time moves with the requests; nothing sleeps. The same requests go to

* a clairvoyant cache under the same rules of freshness (:mod:`day_clairvoyant`)
* plain aiocache with fixed lives, keyed by whole requests (:mod:`day_plain`)

What is counted, in keys (a symbol, an exchange, a sector):

* fresh hits: answered wholly out of caches and archive, no source asked, not flagged as stale
* sealed rows: bars of trading dates that are over. *New* are those of a (symbol, period, trading
  date) that the source had not given before; fetching each once is 1.0
* wrong by age: not flagged as stale, and not what the source would have said at any instant of
  the last ``ttl`` seconds of the rule (:mod:`day_truth`); *never true* are those that it would not
  have said at any earlier instant of the day either

Exit code 1 if the fresh hits are fewer than 0.98 of the clairvoyant's, the sealed rows fetched
more than 1.02 of the new ones, or any answer is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import day_source
from day_clairvoyant import Clairvoyant
from day_market import Market, market_of
from day_plain import Plain
from day_requests import LEVELS, Request, requests_of
from day_tally import DayClock, Tally
from day_truth import Truth

from argus_core import Symbol
from argus_core.config import Config
from argus_core.errors import ArgusError
from argus_core.gateway import Gateway
from argus_core.model.answer import Answer
from argus_core.model.ask import Ask, Deadline
from argus_core.model.query import HistoryQuery

log = logging.getLogger(__name__)

LEAST_HITS = 0.98
MOST_ROWS = 1.02
_DEADLINE = 15.0
_PATIENCE = 0.2
_NAMES = ("Argus", "clairvoyant", "aiocache")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the three caches made of one day."""

    argus: Tally
    clairvoyant: Tally
    plain: Tally

    @property
    def hits(self) -> float:
        """Argus' fresh-hit rate as a part of the clairvoyant's."""
        return self.argus.rate() / (self.clairvoyant.rate() or 1.0)

    @property
    def rows(self) -> float:
        """Sealed rows that Argus fetched for each new one."""
        return self.argus.sealed / max(1, self.argus.new)

    @property
    def missed(self) -> list[str]:
        """The bars that Argus does not reach."""
        argus = self.argus
        bars = {
            f"fresh hits are {self.hits:.4f} of the clairvoyant's": self.hits < LEAST_HITS,
            f"{self.rows:.4f} sealed rows are fetched for each new one": self.rows > MOST_ROWS,
            f"{argus.old + argus.false} answers are wrong": argus.old + argus.false > 0,
            f"{argus.errors} keys are not answered": argus.errors > 0,
        }
        return [text for text, missed in bars.items() if missed]


class Replay:
    """Asks a gateway one request after another and judges each answer."""

    def __init__(self, gateway: Gateway, clock: DayClock, truth: Truth) -> None:
        self.tally = Tally()
        self._gateway = gateway
        self._clock = clock
        self._truth = truth

    async def run(self, requests: Sequence[Request]) -> Tally:
        """What was counted over all requests; ``cpu`` is without the judging."""
        lasting = asyncio.all_tasks()
        for request in requests:
            self._clock.second = request.second
            began = time.process_time()
            try:
                answer = await self._ask(request)
            except ArgusError as error:
                answer = None
                log.warning("%s: %s", request, error)
            await asyncio.sleep(0)  # whatever goes on behind the answer's back gets its turn
            if answer is not None and answer.stale:
                await _refreshed(lasting)
            spent = time.process_time() - began
            self.tally.cpu[request.kind] = self.tally.cpu.get(request.kind, 0.0) + spent
            self._judge(request, answer)
        return self.tally

    async def _ask(self, request: Request) -> Answer[Any]:
        gateway = self._gateway
        ask = Ask(deadline=Deadline.within(_DEADLINE, self._clock), trace_id="replay")
        symbols = request.symbols
        match request.kind:
            case "quotes":
                return await gateway.quotes(symbols, ask)
            case "depth":
                return await gateway.depth(symbols, LEVELS, ask)
            case "instruments":
                return await gateway.instruments(symbols, ask)
            case "calendar":
                return await gateway.trading_days(
                    request.exchanges, request.start, request.end, ask
                )
            case "sector":
                return await gateway.sector(request.sector, ask)
        query = HistoryQuery(
            symbols=symbols,
            period=request.period,
            start=request.start,
            end=request.end,
            adjust=request.adjust,
        )
        return await gateway.history(query, ask)

    def _judge(self, request: Request, answer: Answer[Any] | None) -> None:
        if answer is None:
            self.tally.errors += request.keys
            self.tally.count(request.kind, hit=False, keys=request.keys)
            return
        now, tally = self._clock.now(), self.tally
        # Bars and sectors are made of several fetches, so their provenance alone does not tell.
        asked = answer.attempts > 0 and request.keys == 1
        for key in request.symbols or request.exchanges or (request.sector,):
            if key not in answer.data:
                tally.errors += 1
                tally.count(request.kind, hit=False)
                continue
            origin = answer.provenance.get(key)
            stale = origin is not None and origin.stale
            cached = origin is not None and origin.cache is not None
            tally.count(request.kind, hit=cached and not stale and not asked)
            tally.stale += stale
            if stale or not request.symbols:
                continue
            verdict = self._truth.verdict(request, Symbol(key), answer.data[key], now)
            tally.old += verdict == "old"
            tally.false += verdict == "false"
            if verdict != "right":
                fetched = origin.fetched_at.time() if origin else "?"
                asked_at = f"at {now.time()}, fetched at {fetched} from {origin and origin.cache}"
                print(f"{verdict}: {request}, {key}, {asked_at}", file=sys.stderr)


async def _refreshed(lasting: set[asyncio.Task[Any]]) -> None:
    """Return when what began beside the ``lasting`` tasks is over.

    A refresh has a deadline in market time, which must not run away while it works.
    """
    if refreshing := asyncio.all_tasks() - lasting:
        await asyncio.wait(refreshing, timeout=_PATIENCE)


def config_of(root: Path, *, seed: int, symbols: int, day: date) -> Config:
    """A gateway of the benchmark's source with two cache tiers and an archive under ``root``."""
    caches: dict[str, Any] = {"l1": {"plugin": "memory", "max_mb": 512}}
    if "sqlite" in entry_points(group="argus").names:
        caches["l3"] = {"plugin": "sqlite", "path": str(root / "cache.db")}
    source = {"plugin": "bench_day", "seed": seed, "symbols": symbols, "day": day.isoformat()}
    return Config.parse(
        {
            "sources": {"bench": source},
            "caches": caches,
            "history": {"path": str(root / "history")},
            "server": {"data_dir": str(root / "data")},
        },
        {},
    )


async def replayed(
    config: Config, market: Market, requests: Sequence[Request], seed: int
) -> tuple[Tally, Truth]:
    """What Argus made of the requests, and the truth that judged it."""
    rules = config.cache_rules
    latest, bars = rules["LATEST_DATA"].ttl, rules["HISTORY_DATA"].ttl
    basic = rules["BASIC_INFO"].ttl
    truth = Truth(market, {"quotes": latest, "depth": latest, "bars": bars, "instruments": basic})
    clock = DayClock(market.day)
    clock.second = requests[0].second
    async with Gateway(config, clock=clock, random=Random(seed)) as gateway:
        tally = await Replay(gateway, clock, truth).run(requests)
        report = gateway.sources()[0].report
    counts = {name: int(value or 0) for name, value in report.items()}
    tally.calls = sum(n for name, n in counts.items() if name.endswith("_calls"))
    tally.rows = sum(n for name, n in counts.items() if name.endswith("_rows"))
    tally.sealed, tally.new = counts["sealed"], counts["new"]
    return tally, truth


def compared(*, requests: int, seed: int, symbols: int, day: date) -> Outcome:
    """The three caches over one day."""
    market = market_of(seed, symbols, day)
    asked = list(requests_of(market, requests, seed))
    with tempfile.TemporaryDirectory() as site:
        root = Path(site)
        day_source.install(root)
        sys.path.insert(0, site)
        try:
            config = config_of(root, seed=seed, symbols=symbols, day=day)
            argus, truth = asyncio.run(replayed(config, market, asked, seed))
        finally:
            sys.path.remove(site)
    clock = DayClock(day)
    clairvoyant = Clairvoyant(market, config)
    for request in asked:
        clock.second = request.second
        clairvoyant.ask(request, clock.now())
    return Outcome(argus, clairvoyant.finished(), Plain(market, truth, clock).replay(asked))


def table(outcome: Outcome) -> str:
    """The figures, a column a cache."""
    tallies = (outcome.argus, outcome.clairvoyant, outcome.plain)
    lines = [f"{'':28}" + "".join(f"{name:>14}" for name in _NAMES)]

    def line(name: str, texts: list[str]) -> None:
        lines.append(f"{name:28}" + "".join(f"{text:>14}" for text in texts))

    line("keys asked for", [f"{sum(t.keys.values()):,}" for t in tallies])
    line("fresh hits", [f"{t.rate():.2%}" for t in tallies])
    for kind in ("quotes", "bars", "depth", "instruments", "calendar", "sector"):
        line(f"  of {kind}", [f"{t.rate(kind):.2%}" for t in tallies])
    line("stale answers", [f"{t.stale:,}" for t in tallies])
    line("misses", [f"{sum(t.keys.values()) - sum(t.hits.values()):,}" for t in tallies])
    line("keys not answered", [f"{t.errors:,}" for t in tallies])
    line("upstream calls", [f"{t.calls:,}" for t in tallies])
    line("upstream rows", [f"{t.rows:,}" for t in tallies])
    line("sealed rows fetched", [f"{t.sealed:,}" for t in tallies])
    line("sealed rows that are new", [f"{t.new:,}" for t in tallies])
    line("sealed fetched / new", [f"{t.sealed / max(1, t.new):.4f}" for t in tallies])
    line("wrong by age", [f"{t.old:,}" for t in tallies])
    line("never true", [f"{t.false:,}" for t in tallies])
    lines.append("Argus, CPU: " + ", ".join(f"{k} {s:.0f} s" for k, s in outcome.argus.cpu.items()))
    return "\n".join(lines)


def main() -> int:
    """Replay, print, and say whether the bars are reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--day", type=date.fromisoformat, default=date(2024, 3, 15))
    options = parser.parse_args()
    began = time.perf_counter()
    outcome = compared(**vars(options))
    print(
        f"{options.requests:,} requests on {options.day}, seed {options.seed}, "
        f"{options.symbols} symbols; {time.perf_counter() - began:.0f} s, of which Argus took "
        f"{sum(outcome.argus.cpu.values()):.0f} s of CPU"
    )
    print(table(outcome))
    print(f"fresh hits against the clairvoyant's: {outcome.hits:.4f} (at least {LEAST_HITS})")
    print(f"sealed rows fetched for each new one: {outcome.rows:.4f} (at most {MOST_ROWS})")
    for text in outcome.missed:
        print(f"MISSED: {text}")
    return 1 if outcome.missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
