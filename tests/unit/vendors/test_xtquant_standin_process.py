"""The stand-in for miniQMT as processes: killed servers, hung calls, the folder on PYTHONPATH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from vendors.xtquant_native import shipped

TESTS = Path(__file__).resolve().parents[2]
PLAIN = """
import sys, types, importlib.util
found = importlib.util.find_spec("xtquant")
package = types.ModuleType("xtquant")
package.__path__ = list(found.submodule_search_locations)
sys.modules["xtquant"] = package
"""
OPENED = """
sys.modules["requests"] = None  # no word to the package index
import xtquant
del sys.modules["requests"]
assert xtquant.__version__
"""
CONNECT = """
from xtquant import xtdata
xtdata.enable_hello = False
client = xtdata.connect("127.0.0.1", int(sys.argv[1]))
assert "pkg_resources" not in sys.modules and "requests" not in sys.modules
print("up", flush=True)
"""


@pytest.fixture(scope="module")
def started(market_data):
    if not shipped():
        pytest.skip("the xtquant package is not installed")
    command = [sys.executable, str(TESTS / "vendors/xtquant_server.py"), "--data", str(market_data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        yield server, int(server.stdout.readline()), int(server.stdout.readline())
        server.kill()


def client(source: str, port: int) -> subprocess.Popen:
    """A Python process that knows nothing of the stand-in but its folder."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS / "vendors/xtquant_site")}
    command = [sys.executable, "-W", "error", "-c", source, str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def order(port: int, **what) -> None:
    body = json.dumps(what).encode()
    urllib.request.urlopen(f"http://127.0.0.1:{port}/control", body).close()


@pytest.mark.parametrize("start", [PLAIN, "import sys\n" + OPENED], ids=["bare", "init"])
def test_the_folder_serves_the_native_module(started, start):
    _, port, _ = started
    source = start + CONNECT + "print(len(xtdata.get_full_tick(['600519.SH'])))"
    with client(source, port) as process:
        assert process.stdout.read().split() == ["up", "1"]
    assert process.returncode == 0


HUNG = """
import threading, time
beats = []
def call():
    xtdata.get_full_tick(["600519.SH"])
threading.Thread(target=call, daemon=True).start()
until = time.monotonic() + 60
while time.monotonic() < until:
    time.sleep(0.02)
    print("beat", flush=True)
"""


@pytest.mark.parametrize("fault", ["hang_gil_released", "hang_gil_held"])
def test_hung_calls(started, fault):
    _, port, control = started
    order(control, fault=fault, methods=["get_full_tick"])
    with client(PLAIN + CONNECT + HUNG, port) as process:
        assert process.stdout.readline() == "up\n"
        told: dict = {}
        end = time.monotonic() + 10
        while not told.get("counts", {}).get("get_full_tick"):
            assert time.monotonic() < end
            with urllib.request.urlopen(f"http://127.0.0.1:{control}/control") as answer:
                told = json.load(answer)
        time.sleep(0.15)
        os.set_blocking(process.stdout.fileno(), False)
        os.read(process.stdout.fileno(), 1 << 16) if fault == "hang_gil_released" else _drain(
            process
        )
        time.sleep(0.3)
        alive = _drain(process)
        assert process.poll() is None
        process.kill()
    order(control, fault=None, clear=True)
    assert bool(alive) == (fault == "hang_gil_released")


def _drain(process: subprocess.Popen) -> bytes:
    try:
        return os.read(process.stdout.fileno(), 1 << 16)
    except BlockingIOError:
        return b""


def test_a_killed_server_is_seen(market_data):
    if not shipped():
        pytest.skip("the xtquant package is not installed")
    command = [
        sys.executable,
        str(TESTS / "vendors/xtquant_server.py"),
        "--data",
        str(market_data),
        "--now",
        "2024-06-28T16:00",
        "--downloaded",
        "none",
        "--set",
        "levels=1",
    ]
    watch = """
import time
print(len(xtdata.get_market_data_ex([], ["rb2410.SF"], "1d")["rb2410.SF"]), flush=True)
while client.is_connected():
    time.sleep(0.01)
print("gone", flush=True)
"""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline())
        with client(PLAIN + CONNECT + watch, port) as process:
            assert [process.stdout.readline() for _ in range(2)] == ["up\n", "0\n"]
            server.kill()
            assert process.stdout.readline() == "gone\n"
            assert process.wait(10) == 0
