"""The mutation score of the core on a seeded sample: `python tests/mutants.py` in the checkout.

mutmut makes every mutant of the modules that `[tool.mutmut]` names; testing them all takes more
than an hour on one core, so each module gives at most `--per-module` of its own, drawn by a seed.
A package's score weighs its modules by all their mutants; the interval is Wilson's, 95 percent.
Everything happens below `mutants/`; `mutmut show NAME` prints a survivor's change.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
META = ROOT / "mutants" / "argus_core"
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
KILLED = frozenset({"killed", "timeout"})
FIRST = "argus_core.caching.freshness.x__over__mutmut_1"
"""Any one mutant: asking for it makes all of them, and learns which tests reach which."""


def main() -> int:
    """Draw, run, print; 1 if a package falls short of ``--at-least`` percent."""
    options = _options()
    _mutmut(options.children, [FIRST])
    drawn: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for module, verdicts in _verdicts(options.only).items():
        names = sorted(verdicts)
        sizes[module] = len(names)
        count = len(names) if options.all else min(options.per_module, len(names))
        drawn[module] = sorted(random.Random(f"{options.seed}/{module}").sample(names, count))
    _mutmut(options.children, [name for names in drawn.values() for name in names])
    return _report(drawn, sizes, options.at_least)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-module", type=int, default=30, help="mutants drawn from each module")
    parser.add_argument("--all", action="store_true", help="test every mutant")
    parser.add_argument("--seed", type=int, default=20240315)
    parser.add_argument("--children", type=int, default=2, help="processes at a time")
    parser.add_argument("--at-least", type=float, default=80.0, help="percent, for every package")
    parser.add_argument("--only", nargs="*", default=[], help="module name endings")
    return parser.parse_args()


def _mutmut(children: int, names: list[str]) -> None:
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(children), *names]
    ran = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if ran.returncode:
        lines = re.split(r"[\r\n]+", ran.stdout + ran.stderr)
        raise SystemExit("\n".join([text for text in lines if text[:1] not in SPINNER][-80:]))


def _verdicts(only: list[str]) -> dict[str, dict[str, str]]:
    """What became of each mutant, by module."""
    from mutmut.stats import status_by_exit_code

    found: dict[str, dict[str, str]] = {}
    for path in sorted(META.rglob("*.py.meta")):
        module = str(path.relative_to(META)).removesuffix(".py.meta")
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        if codes and (not only or module.endswith(tuple(only))):
            found[module] = {name: status_by_exit_code[code] for name, code in codes.items()}
    return found


def _report(drawn: dict[str, list[str]], sizes: dict[str, int], at_least: float) -> int:
    counts = {
        module: Counter(verdicts[name] for name in drawn[module])
        for module, verdicts in _verdicts([]).items()
        if module in drawn
    }
    packages: dict[str, list[str]] = defaultdict(list)
    for module, count in counts.items():
        packages[module.split("/")[0]].append(module)
        print(f"{module:24} {_killed(count):4} of {count.total():4} drawn, {sizes[module]:4} made")
        for name in drawn[module]:
            if (verdict := _verdicts([module])[module][name]) != "killed":
                print(f"    {verdict:9} {name}")
    short = False
    for package, modules in packages.items():
        killed = sum(_killed(counts[m]) for m in modules)
        total = sum(counts[m].total() for m in modules)
        made = sum(sizes[m] for m in modules)
        weighted = sum(_killed(counts[m]) / counts[m].total() * sizes[m] for m in modules) / made
        low, high = _wilson(killed, total)
        print(
            f"{package}: {killed}/{total} killed = {killed / total:.1%} "
            f"[{low:.1%}, {high:.1%}], weighted by size {weighted:.1%}, of {made} mutants"
        )
        short |= 100 * weighted < at_least
    return int(short)


def _killed(count: Counter[str]) -> int:
    return sum(n for verdict, n in count.items() if verdict in KILLED)


def _wilson(hits: int, total: int) -> tuple[float, float]:
    z, share = 1.96, hits / total
    middle = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (middle - reach) / (1 + z * z / total), (middle + reach) / (1 + z * z / total)


if __name__ == "__main__":
    raise SystemExit(main())
