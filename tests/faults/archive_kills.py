"""Kill writers of an archive in the middle of their writes, and see that nothing sealed is lost.

    python tests/faults/archive_kills.py [TIMES]

Each round starts two processes that seal day after day of several series, correct days of before
and now and then lose the ledger's file; both are killed after a random time. Each tells a day once
the archive said that it is sealed. Afterwards every day that was told of must be covered, every row
must be one that some writer wrote, and no chunk may be damaged.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "api"), str(ROOT / "tests")]

import polars as pl  # noqa: E402
from support.archive import bars  # noqa: E402

from argus_core import SHANGHAI, Clock  # noqa: E402
from argus_core.errors import CacheError  # noqa: E402
from argus_core.history.archive import Archive, SeriesKey  # noqa: E402
from argus_core.history.place import Place  # noqa: E402
from argus_core.history.spans import has_weekday  # noqa: E402

TIMES = 100
FIRST = date(2024, 1, 1)
KEYS = [
    SeriesKey("bars", period, source, symbol)
    for period in ("1d", "1m")
    for source in ("a", "b")
    for symbol in ("600519.SH", "000001.SZ")
]
LONGEST = 0.6
"""Seconds that a writer writes at most before it is killed."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def opened(folder: Path) -> Archive:
    # Weekdays: to load the calendar takes longer than a writer lives
    archive = Archive(folder, Clock(), has_session=has_weekday)
    archive.open()
    return archive


def days_of(number: int) -> date:
    return FIRST + timedelta(days=number)


def value_of(key: SeriesKey, number: int, correction: int) -> float:
    """Something that tells which row it belongs to."""
    return KEYS.index(key) * 100_000 + number * 10 + correction + 1.0


def write(folder: Path, seed: int, begin: int) -> None:
    """Seal days without end; a line on stdout for each that is sealed."""
    rng = random.Random(seed)
    archive = opened(folder)
    say("ready")
    number = begin
    while True:
        key = rng.choice(KEYS)
        start = rng.randrange(number + 1) if rng.random() < 0.3 else number
        end = min(start + rng.randrange(40), number + 40)
        correction = rng.randrange(3)
        rows = {days_of(n): value_of(key, n, correction) for n in range(start, end + 1)}
        try:
            archive.write(
                key,
                bars(rows, key),
                days_of(start),
                days_of(end),
                fetched_at=datetime.now(SHANGHAI),
                resolution={},
            )
        except CacheError as error:
            say(f"refused {error}")
        else:
            say(f"sealed {KEYS.index(key)} {start} {end}")
        if rng.random() < 0.02:
            Place(folder).ledger().unlink(missing_ok=True)
        number = max(number, end) if rng.random() < 0.5 else number


def kill_once(folder: Path, seed: int, begin: int) -> set[tuple[int, int]]:
    """What two writers said they had sealed before they were killed."""
    rng = random.Random(seed)
    command = [sys.executable, __file__, "--write", str(folder)]
    writers = [
        subprocess.Popen(
            [*command, str(seed * 2 + n), str(begin)], stdout=subprocess.PIPE, text=True
        )
        for n in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    time.sleep(rng.uniform(0.01, LONGEST))
    told: set[tuple[int, int]] = set()
    for writer in writers:
        writer.kill()
    for writer in writers:
        lines = writer.communicate()[0].splitlines(keepends=True)
        for line in lines:
            word, *numbers = line.split()
            if word == "sealed" and line.endswith("\n"):
                key, start, end = (int(n) for n in numbers)
                told |= {(key, n) for n in range(start, end + 1)}
    return told


def faults(folder: Path, told: set[tuple[int, int]]) -> list[str]:
    """What is wrong with the archive."""
    found: list[str] = []
    archive = opened(folder)
    for index, key in enumerate(KEYS):
        covered = archive.covered([key])[key]
        found += [
            f"{key}: {days_of(n)} is lost"
            for known, n in told
            if known == index and not covered.covers(days_of(n), days_of(n))
        ]
        for pair in covered:
            part = archive.read({key: pair}).get(key)
            if part is None:
                found.append(f"{key}: {pair} is covered and cannot be read")
                continue
            found += [f"{key}: {text}" for text in wrong_rows(key, part.frame, pair)]
    archive.close()
    damaged = folder / "damaged"
    found += [f"damaged: {p.name}" for p in damaged.glob("*.parquet")] if damaged.exists() else []
    return found


def wrong_rows(key: SeriesKey, frame: pl.DataFrame, pair: tuple[date, date]) -> list[str]:
    days = [row for row in frame["date"].to_list() if row.weekday() < 5]
    expected = [
        pair[0] + timedelta(days=n)
        for n in range((pair[1] - pair[0]).days + 1)
        if (pair[0] + timedelta(days=n)).weekday() < 5
    ]
    wrong = [] if days == expected else [f"{len(days)} weekdays of {len(expected)} in {pair}"]
    for when, close, turnover in frame.select("date", "close", "turnover").iter_rows():
        number = (when - FIRST).days
        if close not in {value_of(key, number, n) for n in range(3)} or turnover != close * 100:
            wrong.append(f"{when} has a row that nobody wrote: {close}")
    return wrong


def run(times: int, folder: Path, *, show: bool = True) -> list[str]:
    """Every fault that was found after ``times`` kills of two writers each."""
    told: set[tuple[int, int]] = set()
    found: list[str] = []
    for number in range(times):
        told |= kill_once(folder, number, begin=number * 3)
        found = faults(folder, told)
        if show:
            say(f"kill {number + 1}: {len(told)} days sealed, {len(found)} faults")
        if found:
            break
    return found


def main() -> int:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = run(times, Path(folder) / "history")
    for text in found[:20]:
        say(text)
    verdict = "FAILED" if found else "passed"
    say(f"{verdict}: {times} times two writers killed, {time.monotonic() - begun:.0f} s")
    return bool(found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    sys.exit(main())
