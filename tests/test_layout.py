"""The house: who may import whom, what the wheel holds, which names are public."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import argus_core

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

# Each floor may import from its own and those before it.
FLOORS = [
    {"errors", "clock", "model", "disk"},
    {"extend"},
    {"market", "hookspecs"},
    {"tables", "stream_table", "cache_tables"},
    {"config", "environment", "plugin_tables", "routes", "plugins", "telemetry"},
    {"routing", "caching", "history"},
    {"assembly", "answers"},
    {"past"},
    {"finished", "series", "renames", "outcomes", "lookups", "folders", "checks"},
    {"quality", "warmup", "control", "streaming"},
    {"keeping"},
    {"questions"},
    {"gateway"},
    {"testing"},
]
VALUES = {"BARS", "FACTORS", "TICKS", "SHANGHAI", "Rows", "Push", "Heard"}
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def modules(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path):
    """Every module that a file imports, by full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path):
    return path.relative_to(ROOT / "argus_core").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules("argus_core"), ids=lambda p: str(p.relative_to(ROOT)))
def test_each_floor_of_the_core_uses_only_floors_below(path):
    if path == ROOT / "argus_core" / "__init__.py":
        return
    room = room_of(path)
    assert room in FLOOR, f"{room} stands on no floor: give it one in tests/test_layout.py"
    for name in imports(path):
        parts = name.split(".")
        assert not parts[0].startswith("argus_") or parts[0] == "argus_core", name
        if parts[0] == "argus_core" and len(parts) > 1 and parts[1] in FLOOR:
            assert FLOOR[parts[1]] <= FLOOR[room], f"{room} must not import {name}"


@pytest.mark.parametrize("path", modules("plugins"), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_plugin_imports_the_top_of_the_core_only(path):
    package = path.relative_to(ROOT / "plugins").parts[0]
    for name in imports(path):
        first, *rest = name.split(".")
        if first == "argus_core":
            assert not rest or rest[0] in argus_core.__all__, f"{path.name} imports {name}"
        elif first.startswith("argus_"):
            assert first == package, f"{path.name} imports another package: {name}"


@pytest.mark.parametrize("path", modules("api"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_api_imports_no_plugin(path):
    allowed = {"argus_core", "argus_api", "argus_cli"}
    for name in imports(path):
        first = name.split(".")[0]
        assert not first.startswith("argus_") or first in allowed, name


def test_the_core_speaks_no_http_and_knows_no_vendor():
    banned = {"fastapi", "starlette", "uvicorn", "httpx", "requests", "pandas", "tushare"}
    for path in modules("argus_core"):
        used = {name.split(".")[0] for name in imports(path)} & banned
        assert not used, f"{path}: {used}"


def test_no_plugin_or_strategy_name_stands_in_the_core():
    words = {"open", "random", "memory", "replay"}  # which also mean other things
    names = {entry.name for entry in entry_points(group="argus")} - words
    for path in modules("argus_core"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in names, f"{path}: {node.value!r}"


def test_the_public_names_are_exactly_all():
    assert argus_core.__all__ == sorted(argus_core.__all__, key=_isort)
    assert len(set(argus_core.__all__)) == len(argus_core.__all__)
    for name in argus_core.__all__:
        assert getattr(argus_core, name).__doc__ or name in VALUES


def _isort(name):
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


def test_the_installed_entry_points_are_those_of_the_project():
    declared = PROJECT["project"]["entry-points"]["argus"]
    found = {e.name: e.value for e in entry_points(group="argus") if e.name in declared}
    assert found == declared, (
        "entry points are frozen at install time: run `pip install -e .` again"
    )


def test_every_package_is_built_and_typed():
    shelves = [*(ROOT / "plugins").glob("argus_*"), *(ROOT / "api").glob("argus_*")]
    built = {str(p.relative_to(ROOT)) for p in shelves if p.is_dir()} | {"argus_core"}
    assert set(PACKAGES) == built
    for package in PACKAGES:
        assert (ROOT / package / "py.typed").exists(), package


def test_the_wheel_holds_argus_packages_only(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names} - {wheel.name.split("-py3")[0] + ".dist-info"}
    assert tops == {Path(package).name for package in PACKAGES}
    assert not [name for name in names if "__pycache__" in name]


def test_importing_the_core_touches_no_network_thread_or_output():
    code = (
        "import socket, threading, sys\n"
        "def no(*a, **k): raise AssertionError('socket')\n"
        "socket.socket.connect = no\n"
        "import argus_core\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert not {'pandas', 'exchange_calendars', 'fastapi'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
