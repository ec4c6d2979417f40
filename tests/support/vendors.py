"""The three vendors' stand-ins as processes, and the tables of sources that reach them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from support.process import PLAINLY, environment

TESTS = Path(__file__).resolve().parents[1]
SECRETS = {"TUSHARE_SECRET": "token-of-tushare-0123456789", "RQDATA_SECRET": "password-98765"}
NATIVE = str(TESTS / "vendors" / "xtquant_site")
"""Put first on PYTHONPATH: serves xtquant's native module on any platform."""
LATE = "2026-04-29T15:30:00"
"""The last instant at which each stand-in has snapshots."""

TABLES = {
    "tushare": """
[sources.{name}]
plugin = "tushare"
endpoint = "http://127.0.0.1:{ports[0]}/dataapi"
token = {{ env = "TUSHARE_SECRET" }}
""",
    "xtquant": """
[sources.{name}]
plugin = "xtquant"
port = {ports[0]}
""",
    "rqdatac": """
[sources.{name}]
plugin = "rqdatac"
host = "127.0.0.1"
port = {ports[0]}
username = "user"
password = {{ env = "RQDATA_SECRET" }}
enable_bjse = true
""",
}
_COMMANDS = {
    "tushare": ("tushare_server.py", ["--token", SECRETS["TUSHARE_SECRET"]], 2),
    "xtquant": ("xtquant_server.py", [], 2),
    "rqdatac": ("rqdata_server.py", ["--user", "user", "--password", SECRETS["RQDATA_SECRET"]], 3),
}


class Vendor:
    """One running stand-in."""

    def __init__(self, plugin: str, process: subprocess.Popen, ports: list[int]) -> None:
        self.plugin = plugin
        self.process = process
        self.ports = ports

    def table(self, name: str | None = None) -> str:
        """The table of a source that asks this vendor."""
        return TABLES[self.plugin].format(name=name or self.plugin, ports=self.ports)

    @property
    def control(self) -> str:
        """Where orders are posted to."""
        return f"http://127.0.0.1:{self.ports[1]}/control"

    def does(self, **order) -> None:
        """Steer the stand-in."""
        httpx.post(self.control, json=order, timeout=30, **PLAINLY).raise_for_status()

    def move(self, now: str) -> tuple[str, dict]:
        """Where to post what, so that it shows the snapshots of another instant."""
        return self.control, {"set": {"now": now}} if self.plugin == "xtquant" else {"now": now}

    def moves(self, now: str) -> None:
        """Show the snapshots of another instant."""
        self.does(**self.move(now)[1])

    def dies(self) -> None:
        """End at once, as a machine does that loses its power."""
        self.process.kill()
        self.process.wait()


@contextmanager
def vendor(plugin: str, data: Path) -> Iterator[Vendor]:
    """A stand-in with the recorded world."""
    script, more, ports = _COMMANDS[plugin]
    command = [sys.executable, str(TESTS / "vendors" / script), "--port", "0", "--data", str(data)]
    process = subprocess.Popen(
        [*command, *more], stdout=subprocess.PIPE, text=True, env=environment()
    )
    try:
        yield Vendor(plugin, process, [int(process.stdout.readline()) for _ in range(ports)])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def surroundings(**more: str) -> dict[str, str]:
    """The environment of a process that asks the stand-ins."""
    path = os.pathsep.join([NATIVE, str(TESTS), os.environ.get("PYTHONPATH", "")])
    return environment(**SECRETS, PYTHONPATH=path, **more)


def answers(directory: Path, config: str, questions: list[dict], **more: str) -> dict:
    """The bodies by source and question, from a process with these variables."""
    (directory / "plugins.toml").write_text(config, encoding="utf-8")
    (directory / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "support.truth", "plugins.toml", "questions.json"],
        cwd=directory,
        env=surroundings(**more),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])
