"""One symbol-year of minutes out of the archive as JSON, beside polars' own ``write_json``.

    python benchmarks/archive_json.py [--runs 9] [--profile]

A gateway with an archive and no cache tier is asked over HTTP (the ASGI app, in process, without
gzip) for ``GET /history`` of 58 080 one-minute bars: 242 sessions of 240. The first asking fetches
them from the source; every later one must find all of them in the archive, or nothing is measured.
In turns with that polars writes the same rows with the contract's very columns: ``time`` aware
and formatted as ISO text with its offset, date, open, high, low, close, volume, turnover, change,
change_pct. Then the parts are timed one by one, each with the others around it.

Exit code 1 if the answer takes more than twice as long as ``write_json``.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import functools
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import polars as pl

from argus_api import create_app
from argus_core import SHANGHAI
from argus_core.config import Config
from argus_core.gateway import Gateway
from argus_core.market import calendar

MOST = 2.0
SESSIONS = 242
YEAR = (date(2023, 1, 3), date(2023, 12, 29))
SYMBOL = "600519.SH"
COLUMNS = (
    "date", "open", "high", "low", "close", "volume", "turnover", "change", "change_pct",
)  # fmt: skip
PATH = (
    f"/api/v1/market_data/history?symbols={SYMBOL}&period=1m"
    f"&start_date={YEAR[0]}&end_date={YEAR[1]}"
)
MODULE = """
import archive_json
from argus_core import Source, hookimpl

class Year(Source):
    calls = 0

    async def bars(self, query):
        self.calls += 1
        return archive_json.minutes(query.symbols[0], query.start, query.end)

    async def factors(self, query):
        self.calls += 1
        return [{"symbol": s, "date": query.start, "factor": 1.0} for s in query.symbols]

    def report(self):
        return {"calls": self.calls}

@hookimpl
def register_source():
    return Year
"""
_PARTS = (
    ("bars and factors of the archive", "argus_core.past.past", "Past.fetch"),
    ("history_frame", "argus_core.series", "history_frame"),
    ("columns_of", "argus_api.frames", "columns_of"),
    ("rows (write_json)", "argus_api.frames", "rows"),
    ("etag_of", "argus_api.envelope", "etag_of"),
)


def minutes(symbol: str, start: date, end: date) -> pl.DataFrame:
    """One-minute bars of every session from ``start`` to ``end``, prices to the cent."""
    days = np.array(calendar.session_dates(start, end), dtype="datetime64[ms]")
    ends = np.array([*range(571, 691), *range(781, 901)], dtype="timedelta64[m]")
    times = (days[:, None] + ends).ravel()
    random = np.random.default_rng(len(times))
    closes = np.round(1700 + random.normal(0, 0.3, len(times)).cumsum(), 2)
    opens = np.concatenate([closes[:1], closes[:-1]])
    volumes = random.integers(1, 999, len(times)) * 100.0
    return pl.DataFrame(
        {
            "symbol": pl.Series([symbol]).new_from_index(0, len(times)),
            "time": times,
            "open": opens,
            "high": np.maximum(opens, closes),
            "low": np.minimum(opens, closes),
            "close": closes,
            "volume": volumes,
            "turnover": np.round(volumes * (opens + closes) / 2, 2),
        }
    )


def install(root: Path) -> None:
    """The benchmark's source as an installed distribution under ``root``."""
    (root / "bench_year.py").write_text(MODULE, encoding="utf-8")
    info = root / "bench_year-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-year\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[argus]\nbench_year = bench_year\n")


def written(body: bytes) -> Callable[[], str]:
    """A function that makes polars write the rows of ``body`` with the contract's columns."""
    frame = pl.DataFrame(orjson.loads(body)["data"][SYMBOL]).with_columns(
        pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_unit="ms"),
        pl.col("date").str.to_date(),
        pl.col("volume").cast(pl.Float64),
    )
    if frame.height != SESSIONS * 240:
        raise SystemExit(f"{frame.height} rows are not a year of minutes")
    frame = frame.with_columns(pl.col("time").dt.convert_time_zone(str(SHANGHAI)))
    return lambda: frame.select("time", *COLUMNS).write_json()


@contextmanager
def timed_parts(spent: dict[str, float]) -> Iterator[None]:
    """Adds up the seconds inside each of the parts while it is open."""
    from importlib import import_module

    undo: list[Callable[[], None]] = []
    for label, module, path in _PARTS:
        owner: Any = import_module(module)
        *above, name = path.split(".")
        owner = functools.reduce(getattr, above, owner)
        original = getattr(owner, name)
        setattr(owner, name, _timing(original, label, spent))
        undo.append(functools.partial(setattr, owner, name, original))
    try:
        yield
    finally:
        for restore in undo:
            restore()


def _timing(original: Callable[..., Any], label: str, spent: dict[str, float]) -> Any:
    if asyncio.iscoroutinefunction(original):

        async def waited(*given: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return await original(*given, **named)
            finally:
                spent[label] = max(spent.get(label, 0.0), time.perf_counter() - began)

        return waited

    def called(*given: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return original(*given, **named)
        finally:
            spent[label] = spent.get(label, 0.0) + time.perf_counter() - began

    return called


async def measured(root: Path, *, runs: int, profile: bool) -> float:
    """How many times as long as ``write_json`` the answer takes; prints everything else."""
    table = {
        "sources": {"year": {"plugin": "bench_year"}},
        "history": {"path": str(root / "history")},
        "server": {"data_dir": str(root / "data")},
    }
    gateway = Gateway(Config.parse(table, {}))
    transport = httpx.ASGITransport(create_app(gateway))
    headers = {"accept-encoding": "identity", "x-argus-deadline": "60"}
    async with (
        gateway,
        httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=headers
        ) as client,
    ):
        body = (await client.get(PATH)).raise_for_status().content
        await client.get(PATH)
        write = written(body)
        asked = gateway.sources()[0].report["calls"]
        answers: list[float] = []
        writes: list[float] = []
        for _ in range(runs):
            began = time.perf_counter()
            answer = await client.get(PATH)
            answers.append(time.perf_counter() - began)
            began = time.perf_counter()
            write()
            writes.append(time.perf_counter() - began)
        if gateway.sources()[0].report["calls"] != asked:
            raise SystemExit("the source was asked: nothing came out of an archive")
        data = orjson.loads(body)["data"]
        if orjson.loads(answer.content)["data"] != data:
            raise SystemExit("the archive answers something else than the source did")
        await _parts(client, runs)
        if profile:
            await _profiled(client)
    took, wrote = statistics.median(answers), statistics.median(writes)
    print(f"{SESSIONS * 240} rows, {len(body):,} bytes, medians of {runs} runs")
    print(f"GET /history out of the archive {took * 1000:9.1f} ms")
    print(f"polars write_json               {wrote * 1000:9.1f} ms")
    return took / wrote


async def _parts(client: httpx.AsyncClient, runs: int) -> None:
    every: dict[str, list[float]] = {}
    for _ in range(runs):
        spent: dict[str, float] = {}
        with timed_parts(spent):
            began = time.perf_counter()
            await client.get(PATH)
            spent["the whole request"] = time.perf_counter() - began
        for label, seconds in spent.items():
            every.setdefault(label, []).append(seconds)
    for label, taken in every.items():
        print(f"  {label:34}{statistics.median(taken) * 1000:9.1f} ms")


async def _profiled(client: httpx.AsyncClient) -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    await client.get(PATH)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> int:
    """Measure, print, and say whether the bar is reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    here = str(Path(__file__).parent)
    if here not in sys.path:
        sys.path.insert(0, here)
    with tempfile.TemporaryDirectory() as site:
        install(Path(site))
        sys.path.insert(0, site)
        ratio = asyncio.run(measured(Path(site), runs=options.runs, profile=options.profile))
    print(f"ratio {ratio:.2f} (at most {MOST:g})")
    if ratio > MOST:
        print("MISSED: the answer takes longer than that")
    return 1 if ratio > MOST else 0


if __name__ == "__main__":
    raise SystemExit(main())
