"""What a request through Argus costs, beside a bare uvicorn that sends the same bytes.

    python benchmarks/latest.py [--seconds 4] [--rounds 3] [--connections 8]

Three servers, each a process of its own, are asked in turns within one run; the figures to keep
are the ratios, since machines differ and are noisy:

* bare: an ASGI function in uvicorn that answers with exactly the bytes and headers of Argus
* hit:  GET latest of one symbol, answered from the memory cache
* miss: the same with use_cache=false, answered by a source in the same process
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from http_load import load

SYMBOL = "600519.SH"
PATH = f"/api/v1/market_data/latest?symbols={SYMBOL}"
MODULE = """
from argus_core import Quote, Source, hookimpl

class Fixed(Source):
    async def quotes(self, query):
        now = self.clock.now()
        return [
            Quote(symbol=s, name="x", price=1700.0, open=1690.0, high=1710.0, low=1680.0,
                  prev_close=1695.0, volume=1200300.0, turnover=2040510000.0, as_of=now)
            for s in query.symbols
        ]

@hookimpl
def register_source():
    return Fixed
"""


def plugin_site(root: Path) -> None:
    """The benchmark's own source as an installed distribution under ``root``."""
    (root / "bench_source.py").write_text(MODULE, encoding="utf-8")
    info = root / "bench_source-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-source\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[argus]\nbench = bench_source\n")


def _serve(app: object, channel: object) -> None:
    import socket

    import uvicorn

    listener = socket.socket(proto=socket.IPPROTO_TCP)  # else asyncio leaves Nagle on
    listener.bind(("127.0.0.1", 0))
    channel.send(listener.getsockname()[1])  # type: ignore[attr-defined]
    config = uvicorn.Config(app, log_level="error", access_log=False, server_header=False)  # type: ignore[arg-type]
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


def serve_argus(site: str, channel: object) -> None:
    """Run Argus with the benchmark's source and a memory cache."""
    sys.path.insert(0, site)
    from argus_api import create_app
    from argus_core.config import Config
    from argus_core.gateway import Gateway

    table = {"sources": {"bench": {"plugin": "bench"}}, "caches": {"l1": {"plugin": "memory"}}}
    _serve(create_app(Gateway(Config.parse(table, {}))), channel)


def serve_bare(headers: list[tuple[bytes, bytes]], body: bytes, channel: object) -> None:
    """Run a bare ASGI function that sends these bytes."""

    async def app(scope: dict, _receive: object, send: object) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": body})  # type: ignore[operator]

    _serve(app, channel)


def start(target: object, *arguments: object) -> tuple[multiprocessing.Process, int]:
    """A server in a process of its own, and the port it listens on."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=target, args=(*arguments, theirs), daemon=True)  # type: ignore[arg-type]
    process.start()
    return process, ours.recv()  # type: ignore[return-value]


def sample(port: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """One cached answer of Argus, headers and body."""
    for _ in range(2):
        answer = urllib.request.urlopen(f"http://127.0.0.1:{port}{PATH}")
        body = answer.read()
    assert json.loads(body)["cache_hit"] is True
    skip = {"date", "server", "connection"}
    kept = [(k, v) for k, v in answer.headers.items() if k.lower() not in skip]
    return [(k.lower().encode(), v.encode()) for k, v in kept], body


def wait(port: int) -> None:
    """Return when the server answers."""
    import time

    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health").read()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("a server did not start")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as site:
        plugin_site(Path(site))
        argus, argus_port = start(serve_argus, site)
        wait(argus_port)
        headers, body = sample(argus_port)
        bare, bare_port = start(serve_bare, headers, body)
        wait(bare_port)
        runs = {
            "bare": (bare_port, PATH),
            "hit": (argus_port, PATH),
            "miss": (argus_port, PATH + "&use_cache=false"),
        }
        rates: dict[str, list[float]] = {name: [] for name in runs}
        p99: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(options.rounds):
            for name, (port, path) in runs.items():
                seen = asyncio.run(
                    load(port, path, seconds=options.seconds, connections=options.connections)
                )
                rates[name].append(seen.rate)
                p99[name].append(seen.percentile(0.99))
        for process in (argus, bare):
            process.terminate()
            process.join()
    base = statistics.median(rates["bare"])
    print(f"{len(body)} bytes a body, {options.connections} connections, median of rounds")
    print(f"{'':6}{'req/s':>10}{'p99 ms':>10}{'of bare':>10}")
    for name in runs:
        rate = statistics.median(rates[name])
        late = statistics.median(p99[name])
        print(f"{name:6}{rate:>10.0f}{late:>10.2f}{rate / base:>10.3f}")


if __name__ == "__main__":
    main()
