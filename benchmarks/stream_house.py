"""The servers of the streaming benchmarks: each a process of its own, on a core of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import stream_source
from stream_source import Remote

SPARE = 200
"""Descriptors that a process needs beside its connections."""
CONFIG = """
[server]
port = {port}

[sources.market]
plugin = "bench_stream"
port = {commands}
symbols = {symbols}

[stream]
grace = 0.2
{more}
"""


@dataclass
class House:
    """A running server."""

    port: int
    process: psutil.Process
    log: Path
    remote: Remote | None = None
    """The commands of its source."""

    @property
    def source(self) -> Remote:
        """The commands of its source; only Argus has one."""
        assert self.remote is not None
        return self.remote

    def cpu(self) -> float:
        """Processor seconds so far; exact where the system tells them thread by thread."""
        threads = Path(f"/proc/{self.process.pid}/task")
        if threads.exists():
            told = (path.read_text() for path in threads.glob("*/schedstat"))
            return sum(int(one.split()[0]) for one in told) / 1e9
        spent = self.process.cpu_times()
        return float(spent.user + spent.system)

    def waited(self) -> float:
        """Seconds so far for which it could have run, but its core was somebody else's."""
        told = Path(f"/proc/{self.process.pid}/schedstat")
        return int(told.read_text().split()[1]) / 1e9 if told.exists() else 0.0

    def rss(self) -> int:
        """Bytes of memory that it holds."""
        return int(self.process.memory_info().rss)

    def descriptors(self) -> int:
        """Open files and sockets; on Windows handles."""
        if sys.platform == "win32":
            return int(self.process.num_handles())
        return int(self.process.num_fds())

    def complaints(self) -> list[str]:
        """Lines of its log that tell of a failure."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "Traceback" in line or "ERROR" in line]


def cores() -> tuple[int, set[int]] | None:
    """The server's core and the client's; None where a process cannot be bound to one."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    here = sorted(os.sched_getaffinity(0))
    return (here[0], set(here[1:])) if len(here) > 1 else None


def roomy(connections: int) -> None:
    """Raise this process' limit of descriptors, which servers inherit, so that all have room.

    Exits and says what to do where the system does not allow as many.
    """
    if sys.platform == "win32":
        return
    import resource

    need = connections + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < need:
        raise SystemExit(
            f"{connections} connections need {need} descriptors and the system allows {hard}: "
            f"raise it (`ulimit -Hn {need}` as root, LimitNOFILE= in systemd), or ask for fewer "
            "with --connections"
        )
    if soft != resource.RLIM_INFINITY and soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))


@contextlib.contextmanager
def argus(root: Path, *, symbols: int, more: str = "") -> Iterator[House]:
    """`argus serve` with the pushing source; ``more`` goes on where ``[stream]`` ends."""
    port, commands = _free_port(), _free_port()
    table = CONFIG.format(port=port, commands=commands, symbols=symbols, more=more)
    (root / "plugins.toml").write_text(table)
    stream_source.install(root)
    with _process(root, "argus", port, "-m", "argus_cli", "serve") as house:
        house.remote = Remote(commands)
        try:
            yield house
        finally:
            house.remote.close()


@contextlib.contextmanager
def bare(root: Path) -> Iterator[House]:
    """A bare uvicorn with a send loop; see :mod:`stream_bare`."""
    port = _free_port()
    script = str(Path(__file__).with_name("stream_bare.py"))
    with _process(root, "bare", port, script, str(port)) as house:
        yield house


@contextlib.contextmanager
def _process(root: Path, name: str, port: int, *command: str) -> Iterator[House]:
    log = root / f"{name}.log"
    with log.open("w") as out, _on_the_servers_core():
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=root,
            env={**os.environ, "PYTHONPATH": search_path(root)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, log)
        yield House(port, psutil.Process(process.pid), log)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def search_path(*more: Path) -> str:
    """Where processes that are started from here find what this one finds, and these."""
    return os.pathsep.join(str(Path(entry).resolve()) for entry in (*more, *sys.path))


@contextlib.contextmanager
def _on_the_servers_core() -> Iterator[None]:
    """Processes that are started now, and all of their threads, stay on the server's core."""
    both = cores()
    if both is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {both[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def on_the_clients_core() -> Iterator[None]:
    """This process stays off the server's core."""
    both = cores()
    if both is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, both[1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def moved(process: psutil.Process, where: set[int]) -> None:
    """Let a running process, with all of its threads, go on on other cores."""
    for thread in process.threads():
        os.sched_setaffinity(thread.id, where)


def unhurried(process: psutil.Process) -> None:
    """Let a process run only while nobody else wants its core, as far as the system can do that.

    Being nice is not enough: who is woken up beside it waits for the end of its slice.
    """
    if hasattr(os, "SCHED_IDLE"):
        for thread in process.threads():
            os.sched_setscheduler(thread.id, os.SCHED_IDLE, os.sched_param(0))
    elif sys.platform != "win32":
        process.nice(10)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).read()
            return
        time.sleep(0.1)
    raise SystemExit("a server did not start:\n" + log.read_text(errors="replace"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quick_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop that costs the client least: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def machine() -> str:
    """What the figures were measured on."""
    both = cores()
    bound = "not bound to cores" if both is None else f"server on core {both[0]}"
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {bound}, "
        f"Python {platform.python_version()}, {psutil.virtual_memory().total >> 30} GB"
    )
