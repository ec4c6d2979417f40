"""An `argus serve` that can be killed, stopped and started again on its port."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
from support.process import PATIENCE, free_port


class Unready(Exception):
    """A process did not come up."""


class Served:
    """One process with a configuration of its own."""

    def __init__(self, name: str, directory: Path, env: dict[str, str]) -> None:
        self.name = name
        self.port = free_port()
        self.directory = directory
        self.env = env
        self.log = directory / f"{name}.log"
        self.config = directory / f"{name}.toml"
        self._process: subprocess.Popen[bytes] | None = None
        self._cpu_before = 0.0
        self._client = httpx.Client(base_url=self.url, trust_env=False, verify=False)

    @property
    def url(self) -> str:
        """Its base URL, without anything between."""
        return f"http://127.0.0.1:{self.port}"

    def write(self, text: str) -> None:
        """Its configuration file."""
        self.config.write_text(text, encoding="utf-8")

    def start(self) -> None:
        """Begin to start; :meth:`ready` waits for the end of it."""
        command = [sys.executable, "-m", "argus_cli", "serve", "--config", str(self.config)]
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.directory,
            )

    def ready(self) -> None:
        """Return when it answers."""
        assert self._process is not None
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and self._process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if self.get("/health").status_code in (200, 503):
                    return
            time.sleep(0.05)
        raise Unready(f"{self.name} did not start: {self.log.read_text(errors='replace')[-500:]}")

    def get(self, path: str, timeout: float = 10.0) -> httpx.Response:
        """The answer to a GET, whatever its status."""
        return self._client.get(path, timeout=timeout)

    def sources(self) -> dict[str, dict[str, Any]]:
        """What it says of its sources, by name; nothing where it says nothing."""
        try:
            return {one["name"]: one for one in self.get("/api/v1/sources", 2.0).json()["data"]}
        except (httpx.HTTPError, ValueError, KeyError):  # it is down, or stopped, or says no
            return {}

    def signal(self, name: str) -> None:
        """Send it a signal, by name: Windows has not all of them."""
        assert self._process is not None
        self._process.send_signal(getattr(signal, name))

    def kill(self) -> None:
        """End it as a power cut does, its workers included; a second time does nothing."""
        if self._process is not None:
            family = self._family()
            self._cpu_before += _cpu(family)
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            self._process.wait(PATIENCE)
            self._process = None
            for one in family:
                left_behind(one.pid)

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._client.close()

    def end(self) -> None:
        """Ask it to end, wait until it did."""
        assert self._process is not None
        self._cpu_before += _cpu(self._family())
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._process = None

    @property
    def cpu(self) -> float:
        """CPU seconds since it was first started, workers included."""
        return self._cpu_before + _cpu(self._family())

    def _family(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        try:
            one = psutil.Process(self._process.pid)
            return [one, *one.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def left_behind(pid: int) -> None:
    """Remove what libfaketime shares under a process' id; one that was killed leaves it behind."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        Path("/dev/shm", name).unlink(missing_ok=True)


def _cpu(processes: list[psutil.Process]) -> float:
    total = 0.0
    for one in processes:
        with contextlib.suppress(psutil.Error):
            times = one.cpu_times()
            total += times.user + times.system
    return total
