# ruff: noqa: T201 - a command that prints what it found
"""Listeners under faults: ``python tests/faults/stream_checker.py [--seconds 600] [--seed 1]``.

Sources, their workers, the servers, what these share and the listeners' connections break at
random. Everything that is heard is held against what the sources wrote down: per share nothing is
reordered, nothing comes twice, every hole is announced, and all end with the market's last state.
Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "api"), str(ROOT / "plugins")]
os.environ["PYTHONPATH"] = os.pathsep.join((*sys.path[:4], os.environ.get("PYTHONPATH", "")))

from support.streams.house import house  # noqa: E402
from support.streams.trial import FAULTS, trial  # noqa: E402


def main() -> int:
    """Run one trial, print it, and say whether anything was wrong: 0 if not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", help="names with commas; all if left out")
    parser.add_argument("--behind", action="store_true", help="an edge in front of an agent")
    parser.add_argument("--sharing", action="store_true", help="the same, and a Redis between")
    given = parser.parse_args()
    names = list(FAULTS) if given.faults is None else given.faults.split(",")
    strangers = [name for name in names if name not in FAULTS]
    if strangers:
        sys.exit(f"no fault is called {', '.join(strangers)}; there are {', '.join(FAULTS)}")
    with (
        tempfile.TemporaryDirectory(prefix="argus-streams-") as folder,
        house(Path(folder)) as built,
    ):
        start = built.behind if given.behind else built.alone
        (built.sharing if given.sharing else start)()
        chosen = [FAULTS[name] for name in names]
        verdict = asyncio.run(trial(built, chosen, seconds=given.seconds, seed=given.seed))
    print(f"faults {dict(verdict.faults)}")
    print(f"pushed {verdict.pushed}, heard {dict(verdict.events)}, closes {dict(verdict.closes)}")
    for line in verdict.wrong[:50]:
        print(line)
    print(f"{len(verdict.wrong)} things wrong" if verdict.wrong else "nothing is wrong")
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
