# ruff: noqa: T201 - a command that prints its table
"""The fault matrix: ``python tests/faults/matrix.py [--rows a,b] [--seconds 60] [--out DIR]``.

An edge, two agents and three vendors' stand-ins under 180 cached and 20 uncached questions a
second, every answer held against the recorded files; row by row something breaks. The table says
what consumers felt. Exit code 1 if a row misses a bar: a wrong answer, more than 0.1 % errors, a
p99 that is not normal again within ten seconds, a node that does not come back by itself.

It fills two cores, and says how much of them other machines on the same host took. A row that
missed a bar while that was more than a few percent, or while latency was bad before anything was
broken, is run again, twice at most; the last run counts, and each is printed.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "api"), str(ROOT / "plugins")]
os.environ["PYTHONPATH"] = os.pathsep.join((*sys.path[:4], os.environ.get("PYTHONPATH", "")))

from conftest import DEFAULT_DATA  # noqa: E402
from support.matrix.faults import ROWS, Row  # noqa: E402
from support.matrix.house import vendors  # noqa: E402
from support.matrix.table import as_json, detail, line, markdown  # noqa: E402
from support.matrix.trial import Pace, Verdict, trial  # noqa: E402


def chosen(names: str | None) -> tuple[Row, ...]:
    """The rows by name, all where none is named."""
    if names is None:
        return ROWS
    known = {row.name: row for row in ROWS}
    strangers = [name for name in names.split(",") if name not in known]
    if strangers:
        sys.exit(f"no row is called {', '.join(strangers)}; there are {', '.join(known)}")
    return tuple(known[name] for name in names.split(","))


def run(rows: Sequence[Row], data: Path, pace: Pace, out: Path | None, again: int) -> list[Verdict]:
    """The verdicts, each printed as soon as it is known; logs of bad rows go to ``out``."""
    found = []
    with vendors(data) as stand_ins:

        def verdict_on(row: Row) -> Verdict:
            with tempfile.TemporaryDirectory(prefix=f"argus-{row.name}-") as folder:
                verdict = trial(row, stand_ins, data, Path(folder), pace)
                if out and verdict.missed:
                    for log in Path(folder).glob("*.log"):
                        shutil.copy(log, out / f"{row.name}-{log.name}")
            print(line(verdict), flush=True)
            print(detail(verdict), file=sys.stderr, flush=True)
            return verdict

        for row in rows:
            verdict = verdict_on(row)
            for _ in range(again):
                if not verdict.doubtful:
                    break
                verdict = verdict_on(row)
            found.append(verdict)
    return found


def main() -> int:
    """0 if every row that could be run is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", help=f"of {', '.join(row.name for row in ROWS)}")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of load a row, without warm-up"
    )
    parser.add_argument("--cached", type=float, default=180.0, help="questions a second")
    parser.add_argument("--uncached", type=float, default=20.0, help="questions a second")
    parser.add_argument("--again", type=int, default=2, help="times that a doubtful row is run")
    parser.add_argument("--short", action="store_true", help="15 s a row, and no long waits")
    parser.add_argument("--out", type=Path, help="write matrix.md, matrix.json, bad rows' logs")
    given = parser.parse_args()
    if shutil.which("redis-server") is None:
        sys.exit("redis-server is not on PATH: apt-get install redis-server")
    data = Path(os.environ.get("ARGUS_TEST_DATA", DEFAULT_DATA))
    if not data.is_dir():
        sys.exit(f"recorded market data are absent: set ARGUS_TEST_DATA (looked in {data})")
    seconds = 15.0 if given.short else given.seconds
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
    patience = 30.0 if given.short else math.inf
    pace = replace(
        Pace.of(seconds), cached=given.cached, uncached=given.uncached, patience=patience
    )
    verdicts = run(chosen(given.rows), data, pace, given.out, given.again)
    text = markdown(verdicts, seconds)
    print(f"\n{text}")
    if given.out:
        (given.out / "matrix.md").write_text(text, encoding="utf-8")
        (given.out / "matrix.json").write_text(as_json(verdicts), encoding="utf-8")
    return int(any(verdict.missed for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
