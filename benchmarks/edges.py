"""What an agent and its edges cost, or win, on cached reads, beside a single process.

    python benchmarks/edges.py [--seconds 4] [--rounds 3] [--connections 16] [--threads 2]

The houses stand side by side and are asked in turns within one run, so that a machine that becomes
slower does so for all; the figures to keep are the ratios of their medians.

* single:  `argus serve`
* 1 edge:  `argus serve --workers 1`, an agent and one edge
* 2 edges: `argus serve --workers 2`
* 2 + 2:   two of `--workers 1`, asked at once: two edges and two agents

Bars: an edge gives at least 0.9 of the single process; where there are four cores or more, two
edges with two agents give at least 1.8 of one edge. With fewer cores the last two are shown, not
judged: the generator and the edges then share the cores, and its own use of them is in the table.
The generator is wrk where it is installed, else one of Python's, which takes a core for itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from http_load import load
from latest import PATH, plugin_site

CONFIG = """
[sources.bench]
plugin = "bench"

[caches.l1]
plugin = "memory"

[cache_rules.LATEST_DATA]
ttl = 3600
"""
EDGE_BAR, DOUBLE_BAR, CORES = 0.9, 1.8, 4


@dataclass(frozen=True)
class Sample:
    """Requests a second, the slowest hundredth in milliseconds, cores that the generator used."""

    rate: float
    p99: float
    cpu: float


@contextlib.contextmanager
def serving(root: Path, name: str, *arguments: str) -> Iterator[int]:
    """`argus serve` with these arguments; the port on which it answers."""
    directory = root / name
    directory.mkdir()
    (directory / "plugins.toml").write_text(CONFIG)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = os.pathsep.join([str(root), *(str(Path(entry).resolve()) for entry in sys.path)])
    with (directory / "log").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "argus_cli", "serve", "--port", str(port), *arguments],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": path},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, directory / "log")
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        if "Argus answers on" in log.read_text():
            for _ in range(40):  # each edge keeps it after its first question
                urllib.request.urlopen(f"http://127.0.0.1:{port}{PATH}").read()
            return
        time.sleep(0.1)
    raise SystemExit("a server did not start:\n" + log.read_text())


def pressed(ports: list[int], options: argparse.Namespace) -> Sample:
    """What the generator sees on these ports at once, with its connections shared among them."""
    before, began = _used(), time.perf_counter()
    each = max(1, options.connections // len(ports))
    if shutil.which("wrk"):
        samples = _wrk(ports, each, options)
    else:
        samples = asyncio.run(_python(ports, each, options.seconds))
    cpu = (_used() - before) / (time.perf_counter() - began)
    return Sample(sum(rate for rate, _ in samples), max(late for _, late in samples), cpu)


def _used() -> float:
    """Processor seconds of this process and of the generators that have ended."""
    both = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def _wrk(ports: list[int], each: int, options: argparse.Namespace) -> list[tuple[float, float]]:
    threads = max(1, min(each, options.threads // len(ports)))
    command = [
        "wrk",
        "--latency",
        "--timeout",
        "10s",
        f"-t{threads}",
        f"-c{each}",
        f"-d{options.seconds:g}s",
    ]
    running = [
        subprocess.Popen(
            [*command, f"http://127.0.0.1:{port}{PATH}"], stdout=subprocess.PIPE, text=True
        )
        for port in ports
    ]
    return [_read(process.communicate()[0]) for process in running]


def _read(text: str) -> tuple[float, float]:
    """The rate and the 99th percentile of what wrk prints; an answer that failed ends the run."""
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    late = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if rate is None or late is None:
        raise SystemExit("wrk cannot be understood:\n" + text)
    return float(rate[1]), float(late[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[late[2]]


async def _python(ports: list[int], each: int, seconds: float) -> list[tuple[float, float]]:
    runs = (load(port, PATH, seconds=seconds, connections=each) for port in ports)
    return [(seen.rate, seen.percentile(0.99)) for seen in await asyncio.gather(*runs)]


def measured(options: argparse.Namespace) -> dict[str, list[Sample]]:
    """The samples of each house, its rounds interleaved with those of the others."""
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        root = Path(place)
        plugin_site(root)
        ports = {
            "single": [stack.enter_context(serving(root, "single"))],
            "1 edge": [stack.enter_context(serving(root, "one", "--workers", "1"))],
            "2 edges": [stack.enter_context(serving(root, "two", "--workers", "2"))],
        }
        other = stack.enter_context(serving(root, "other", "--workers", "1"))
        ports["2 + 2"] = [*ports["1 edge"], other]
        samples: dict[str, list[Sample]] = {name: [] for name in ports}
        for _ in range(options.rounds):
            for name, asked in ports.items():
                samples[name].append(pressed(asked, options))
    return samples


def main() -> int:
    """Measure, print, and say whether the bars hold: 0 if they do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    samples = measured(options)
    cores = os.cpu_count() or 1
    generator = "wrk" if shutil.which("wrk") else "Python"
    print(f"{cores} cores, {generator}, {options.connections} connections, medians of rounds")
    print(f"{'':8}{'req/s':>9}{'p99 ms':>9}{'generator':>11}{'of single':>11}{'of 1 edge':>11}")
    rates = {name: statistics.median(s.rate for s in taken) for name, taken in samples.items()}
    for name, taken in samples.items():
        late, cpu = (statistics.median(getattr(s, what) for s in taken) for what in ("p99", "cpu"))
        single, edge = rates[name] / rates["single"], rates[name] / rates["1 edge"]
        cells = f"{rates[name]:>9.0f}{late:>9.2f}{cpu:>11.2f}{single:>11.3f}{edge:>11.3f}"
        print(f"{name:8}{cells}")
    good = rates["1 edge"] >= EDGE_BAR * rates["single"]
    if cores >= CORES:
        good = good and rates["2 + 2"] >= DOUBLE_BAR * rates["1 edge"]
    print("the bars hold" if good else "a bar is missed")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
