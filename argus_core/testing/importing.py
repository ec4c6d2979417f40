"""What importing a plugin does, watched from outside, and what it imports."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import argus_core
from argus_core.testing.subject import Subject

_PATIENCE = 60.0

_WATCH = r"""
import json, sys
path, module, file = json.loads(sys.argv[1])
sys.path[:0] = [entry for entry in path if entry not in sys.path]
import importlib, importlib.util, io, logging, os, signal, threading, time, warnings
import argus_core, polars  # what Argus itself does when it is loaded counts for nothing
deeds = []
sockets = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"}
processes = {"subprocess.Popen", "os.system", "os.posix_spawn"}
def watch(event, args):
    if event in sockets:
        deeds.append("uses the network (%s)" % event)
        raise OSError("the network is cut off while plugins are imported")
    if event in processes:
        deeds.append("starts a process")
sys.addaudithook(watch)
def state():
    return {
        "changes the time zone": time.tzname,
        "changes the warning filters": list(warnings.filters),
        "sets up logging": (list(logging.root.handlers), logging.root.level),
        "installs a signal handler": signal.getsignal(signal.SIGINT),
        "starts a thread": set(threading.enumerate()),
    }
environ = dict(os.environ)
before, out, err = state(), sys.stdout, sys.stderr
sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
error = ""
try:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if file is None or missing.name not in (module, module.partition(".")[0]):
            raise
        spec = importlib.util.spec_from_file_location(module, file)
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[module] = loaded
        spec.loader.exec_module(loaded)
except BaseException as raised:
    error = "%s: %s" % (type(raised).__name__, raised)
printed = sys.stdout.getvalue() + sys.stderr.getvalue()
sys.stdout, sys.stderr = out, err
if printed:
    deeds.append("prints %r" % printed[:80])
set_now = [name for name in os.environ if os.environ[name] != environ.get(name)]
set_now += [name for name in environ if name not in os.environ]
if set_now:
    deeds.append("changes %s in the environment" % ", ".join(set_now))
deeds += [deed for deed, now in state().items() if now != before[deed]]
print(json.dumps({"error": error, "deeds": list(dict.fromkeys(deeds))}), flush=True)
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What importing a module did besides defining things; ``error`` if it could not be."""

    error: str
    deeds: tuple[str, ...]


def import_report(subject: Subject) -> ImportReport:
    """What importing the plugin does in a fresh process, the network cut off."""
    module = subject.module or subject.cls.__module__
    try:
        file = inspect.getsourcefile(subject.cls)
    except TypeError:
        file = None
    path = [entry or str(Path.cwd()) for entry in sys.path]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, our own code
            [sys.executable, "-c", _WATCH, json.dumps([path, module, file])],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
    except subprocess.TimeoutExpired:
        return ImportReport(f"it was not imported within {_PATIENCE:.0f} s", ())
    try:
        told = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return ImportReport(f"the process ended: {done.stderr.strip()[-300:]}", ())
    return ImportReport(told["error"], tuple(told["deeds"]))


def alien_imports(cls: type[Any]) -> list[str]:
    """The modules below ``argus_core`` that the files of the plugin's package import."""
    try:
        file = Path(inspect.getsourcefile(cls) or "")
    except TypeError:
        return []
    files = sorted(file.parent.glob("*.py")) if (file.parent / "__init__.py").exists() else [file]
    found = {name for path in files if path.is_file() for name in _below(path)}
    return sorted(found)


def _below(path: Path) -> list[str]:
    """What a file imports from below ``argus_core``."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes(), filename=path.name)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name != "argus_core"]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module == "argus_core":
                names += [f"argus_core.{alias.name}" for alias in node.names]
            else:
                names.append(node.module)
    public = {f"argus_core.{name}" for name in argus_core.__all__}
    below = [name for name in names if name.startswith("argus_core.") and name not in public]
    return [name for name in below if not name.startswith("argus_core.testing")]
