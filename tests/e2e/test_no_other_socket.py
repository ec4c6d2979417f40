"""Nothing is connected to but the configured vendors: imports, and `argus check`, are watched.

An audit hook in every process, workers included, writes down each address that Python's sockets
reach for, resolve, send to or bind.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.vendors import SECRETS, surroundings

WATCHED = Path(__file__).resolve().parents[1] / "support" / "watched"
PLUGINS = ("tushare", "xtquant", "rqdatac")


def watched(tmp_path):
    """The environment of watched processes, and the file that they write."""
    log = tmp_path / "addresses.txt"
    env = surroundings(ARGUS_WATCHED=str(log), TZ="UTC")
    env["PYTHONPATH"] = os.pathsep.join([str(WATCHED), env["PYTHONPATH"]])
    return env, log


def reached(log):
    """Each event with its address; the file is absent where there was none."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [(event, ast.literal_eval(rest)) for event, _, rest in (x.partition(" ") for x in lines)]


def run(*command, env, cwd):
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_watch_sees_what_is_done(tmp_path):
    env, log = watched(tmp_path)
    code = "import socket; socket.create_server(('127.0.0.1', 0)).close()"
    assert run("-c", code, env=env, cwd=tmp_path).returncode == 0
    assert ("socket.bind", ("127.0.0.1", 0)) in reached(log)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_importing_a_plugin_opens_nothing(plugin, tmp_path):
    env, log = watched(tmp_path)
    code = f"import argus_{plugin}, sys; assert 'pkg_resources' not in sys.modules"
    done = run("-W", "error", "-c", code, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == done.stderr == ""
    assert reached(log) == []


@pytest.mark.long
def test_argus_check_reaches_the_configured_vendors_and_nobody_else(vendors, tmp_path):
    text = "".join(vendors[name].table() for name in PLUGINS)
    (tmp_path / "plugins.toml").write_text(text, encoding="utf-8")
    env, log = watched(tmp_path)
    done = run("-m", "argus_cli", "check", env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS.values())
    ports = {one.ports[0] for one in vendors.values()}
    # urllib3, which Tushare's package imports, binds ::1 once to see if there is IPv6.
    outward = [a for event, a in reached(log) if event != "socket.bind"]
    found = {(str(address[0]), int(address[1])) for address in outward}
    assert found == {("127.0.0.1", port) for port in ports}
