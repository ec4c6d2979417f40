"""Real processes under test: started, waited for, always ended."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

PATIENCE = 60.0
PLAINLY: dict[str, bool] = {"trust_env": False, "verify": False}
"""Of httpx, over loopback: no proxy, and no certificates, which take longer to load than a call."""


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Argus:
    """A running `argus` server."""

    url: str
    process: subprocess.Popen
    log: Path

    def get(self, path: str, **kwargs) -> httpx.Response:
        """The answer to a GET, whatever its status."""
        return httpx.get(self.url + path, timeout=60, **PLAINLY, **kwargs)


def environment(**more: str) -> dict[str, str]:
    """This process' environment without what would steer Argus or proxy loopback."""
    steering = ("ARGUS_", "QMT_", "TUSHARE_", "TS_TOKEN", "http_proxy", "HTTP_PROXY")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(steering)}
    return {**kept, "NO_PROXY": "*", **more}


@contextlib.contextmanager
def argus(tmp_path: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Argus]:
    """`argus` with these arguments on a free port, ready when this returns."""
    port = free_port()
    log = tmp_path / f"argus-{port}.log"
    command = [sys.executable, "-m", "argus_cli", *arguments, "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=env or environment(), cwd=tmp_path
        )
    running = Argus(f"http://127.0.0.1:{port}", process, log)
    try:
        _wait(running)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(running: Argus) -> None:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        if running.process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            if running.get("/health").status_code in (200, 503):
                return
        time.sleep(0.1)
    raise AssertionError("argus did not start:\n" + running.log.read_text(errors="replace"))
