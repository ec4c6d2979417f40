"""An own Redis server under test: started empty, paused, killed, always ended."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from support.process import free_port

PATIENCE = 20.0


class RedisServer:
    """A `redis-server` on a loopback port that keeps nothing on disk."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        """Its database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Return when it answers; it is empty."""
        command = [
            *("redis-server", "--bind", "127.0.0.1", "--port", str(self.port)),
            *("--save", "", "--appendonly", "no", "--dir", str(self._directory)),
            *("--daemonize", "no", "--logfile", "redis.log", *self._options),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and self._process.poll() is None:
            with contextlib.suppress(OSError):
                if self._answers():
                    return
            time.sleep(0.01)
        log = self._directory / "redis.log"
        raise AssertionError("redis-server did not start:\n" + log.read_text(errors="replace"))

    def pause(self) -> None:
        """Stop it in its tracks: connections stay, nothing is answered."""
        self._signal("SIGSTOP")

    def resume(self) -> None:
        """Let it go on where it stopped."""
        self._signal("SIGCONT")

    @contextlib.contextmanager
    def paused(self) -> Generator[None]:
        """It is stopped as long as the context lasts."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def kill(self) -> None:
        """End it at once; a second time does nothing."""
        if self._process is not None:
            self._process.kill()  # a stopped process dies of it too
            self._process.wait(PATIENCE)
            self._process = None

    @contextlib.contextmanager
    def down(self) -> Generator[None]:
        """It is dead as long as the context lasts, and empty afterwards."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    def restart(self) -> None:
        """Another one on the same port, empty."""
        self.kill()
        self.start()

    def cut(self) -> None:
        """Break the connections of all who listen to channels."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"CLIENT KILL TYPE pubsub\r\n")
            connection.recv(64)

    def _answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64)[:1] in (b"+", b"-")  # where a password is asked for too

    def _signal(self, name: str) -> None:
        assert self._process is not None
        self._process.send_signal(getattr(signal, name))


@contextlib.contextmanager
def redis_server(*options: str) -> Generator[RedisServer]:
    """A running server; the test is skipped where there is no `redis-server` to run."""
    if sys.platform == "win32" or shutil.which("redis-server") is None:
        pytest.skip("redis-server is not on PATH: apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="argus-redis-") as directory:
        server = RedisServer(Path(directory), *options)
        try:
            server.start()
            yield server
        finally:
            server.kill()
