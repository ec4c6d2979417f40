"""Servers that are killed and come back on the same port, with the checked market behind them."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from support.process import environment, free_port
from support.redis import RedisServer
from support.streams.market import OPEN, PLUGIN
from support.workers import publish

PATIENCE = 60.0
SOURCE = """
[sources.{name}]
plugin = "checked"
isolation = "{isolation}"
required = false
record = "{record}"
began = {began}
"""
SERVER = """
[server]
port = {port}
data_dir = "{name}-data"
drain_seconds = 2

[stream]
grace = 1
silence = 1.5
poll_interval = 0.3
"""
AGENT = """
[sources.agent]
plugin = "remote"
url = "http://127.0.0.1:{port}"
required = false
"""
SHARED = """
[caches.l2]
plugin = "redis"
url = "{url}"
timeout = 0.25
"""
ROUTE = """
[routes]
default = [{sources}]
"""


class Server:
    """One `argus serve` on a port of its own."""

    def __init__(self, root: Path, name: str, tables: str, shift: float) -> None:
        self.port = free_port()
        self.name = name
        self.log = root / f"{name}.log"
        self._root = root
        self._shift = shift
        self._process: subprocess.Popen[bytes] | None = None
        self.config = root / f"{name}.toml"
        self.config.write_text(SERVER.format(port=self.port, name=name) + tables)

    @property
    def path(self) -> str:
        """Where its modules are found."""
        here = Path(__file__).resolve().parents[2]
        return os.pathsep.join([str(self._root), str(here), *sys.path])

    @property
    def process(self) -> psutil.Process:
        """The running process."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def start(self) -> None:
        """Return when it answers."""
        before = self._announced()
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.streams.server", self.config, str(self._shift)],
                cwd=self._root,
                env=environment(PYTHONPATH=self.path),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and self._process.poll() is None:
            if self._announced() > before:
                return
            time.sleep(0.02)
        raise AssertionError(f"{self.name} did not start:\n" + self.log.read_text(errors="replace"))

    def kill(self) -> None:
        """End it at once, and its workers with it."""
        if self._process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(self._process.pid).children(recursive=True):
                    child.kill()
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.name} did not end") from None
            self._process = None

    def complaints(self) -> list[str]:
        """What its log says of failures that nobody caught."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "Traceback" in line or "Exception in" in line]

    def _announced(self) -> int:
        return self.log.read_text().count("Argus answers on") if self.log.exists() else 0


@dataclass
class House:
    """A market that opens now, its sources and servers."""

    root: Path
    began: float = field(default_factory=time.time)
    ends: float = math.inf
    """When the market stands still, in seconds since 1970."""
    servers: dict[str, Server] = field(default_factory=dict[str, Server])
    redis: RedisServer | None = None
    """What the edge and the agent share, where they share something."""

    def end_in(self, seconds: float) -> None:
        """Let the market stand still in so many seconds from now."""
        self.ends = time.time() + seconds
        written = self.root / "ends.new"
        written.write_text(repr(self.ends))
        written.rename(self.root / "ends")

    def server(self, name: str, tables: str, *, started: bool = True) -> Server:
        """A further server, usually started."""
        shift = OPEN.timestamp() - self.began
        server = self.servers[name] = Server(self.root, name, tables, shift)
        if started:
            server.start()
        return server

    def alone(self) -> None:
        """One server, ``edge``, with both sources."""
        self.server("edge", self.sources("first", "second"))

    def behind(self) -> None:
        """The ``edge`` asks an ``agent``, which has the first source; it has the second itself."""
        agent = self.server("agent", self.sources("first"))
        self.server("edge", self.sources("second", agent=agent))

    def sharing(self) -> None:
        """The same, and what the agent pushes goes over a Redis that both share."""
        self.redis = RedisServer(self.root)
        self.redis.start()
        table = SHARED.format(url=self.redis.url)
        agent = self.server("agent", self.sources("first") + table)
        self.server("edge", self.sources("second", agent=agent) + table)

    def sources(self, *names: str, isolation: str = "process", agent: Server | None = None) -> str:
        """The tables of sources of the market, and the route over them, the agent's first."""
        record = self.root.as_posix()
        tables = [
            SOURCE.format(name=name, isolation=isolation, record=record, began=self.began)
            for name in names
        ]
        if agent is not None:
            tables.append(AGENT.format(port=agent.port))
        order = names if agent is None else ("agent", *names)
        quoted = ", ".join(f'"{name}"' for name in order)
        return "".join(tables) + ROUTE.format(sources=quoted)

    # -- what may go wrong ------------------------------------------------------------------------

    @contextlib.contextmanager
    def ailing(self, source: str, how: str) -> Generator[None]:
        """A source is ``silent`` or ``broken`` as long as this lasts."""
        sign = self.root / f"{source}.{how}"
        sign.touch()
        try:
            yield
        finally:
            sign.unlink()

    def kill_worker(self, source: str) -> None:
        """End the process in which a source lives."""
        pid = int((self.root / f"{source}.pid").read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

    def pushed(self) -> dict[str, dict[str, list[int]]]:
        """By share and source: the states that were pushed, in their order."""
        found: dict[str, dict[str, list[int]]] = {}
        for path in self.root.glob("*.pushed"):
            for line in path.read_text().splitlines():
                symbol, number = line.split()
                found.setdefault(symbol, {}).setdefault(path.stem, []).append(int(number))
        # A source that was started anew pushes its present state once more.
        return {
            symbol: {source: sorted(set(numbers)) for source, numbers in own.items()}
            for symbol, own in found.items()
        }


@contextlib.contextmanager
def house(root: Path) -> Generator[House]:
    """A market and whatever servers are started for it; all end with it."""
    publish(root, "support.streams.market", PLUGIN)
    built = House(root)
    try:
        yield built
    finally:
        for server in built.servers.values():
            server.kill()
        if built.redis is not None:
            built.redis.kill()
