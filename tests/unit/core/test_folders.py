"""Directories that cannot be used: `argus check` and the start say the same of them."""

import os
import sys
from pathlib import Path

import pytest
from support.clock import TestClock

from argus_core import disk
from argus_core.config import Config
from argus_core.errors import CacheError, ConfigError
from argus_core.gateway import Gateway
from argus_core.history.archive import Archive

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links and names as POSIX has them")

SOURCE = '[sources.d]\nplugin = "demo"\n'


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """A directory with what may stand in the way."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("there").mkdir()
    if sys.platform != "win32":
        Path("nowhere").symlink_to("gone")
        Path("loop").symlink_to("loop")


def everything():
    return sorted(Path().rglob("*"))


def gateway(text):
    Path("plugins.toml").write_text(SOURCE + text, encoding="utf-8")
    return Gateway.from_toml("plugins.toml", {})


async def refused(text):
    """What the start says."""
    with pytest.raises(ConfigError) as caught:
        async with gateway(text):
            pass
    error = caught.value
    return error.message, error.where, error.fix


async def failures(text):
    """What the check says."""
    return [
        (found.message, found.where, found.fix)
        for found in await gateway(text).check()
        if not found.ok
    ]


WRONG = [
    ("file", "file is not a directory"),
    ("file/below/it", "file is not a directory"),
    pytest.param("nowhere/x", "nowhere is a link to what is not there", marks=POSIX),
    pytest.param("loop/x", "loop/x cannot be reached", marks=POSIX),
    pytest.param("a\0b", "cannot be reached: embedded null byte", marks=POSIX),
    pytest.param("n" * 300, "cannot be reached: File name too long", marks=POSIX),
]


@pytest.mark.parametrize("path", ["there", "there/a/b", "a/../b", ".", "a"])
def test_what_is_a_directory_or_may_become_one(path):
    before = everything()
    assert disk.no_directory(Path(path)) is None
    assert disk.unwritable(Path(path)) is None
    assert everything() == before


@pytest.mark.parametrize(("path", "why"), WRONG)
def test_what_can_never_be_one(path, why):
    assert why in disk.no_directory(Path(path))
    assert why in disk.unwritable(Path(path))


def locked(monkeypatch, *names):
    """Let nothing be written to these directories, whoever runs the test."""
    real = os.access
    places = [Path(name).absolute() for name in names]
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).absolute() not in places and real(path, mode)
    )


@pytest.mark.parametrize("path", ["there", "there/a/b"])
def test_what_belongs_to_somebody_else(path, monkeypatch):
    locked(monkeypatch, "there")
    assert disk.no_directory(Path(path)) is None
    assert disk.unwritable(Path(path)) == "there cannot be written by this user"


TABLES = {
    "history": ("[history]\npath = {!r}", "the archive", "path"),
    "server": ("[server]\ndata_dir = {!r}", "the server's state", "data_dir"),
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("path", ["file", "file/below"])
async def test_check_and_start_say_the_same(table, path):
    text, what, key = TABLES[table]
    text = text.format(path)
    before = [*everything(), Path("plugins.toml")]
    told = await refused(text)
    assert told == (
        f"{what} cannot be kept in {path}: file is not a directory",
        f"plugins.toml, [{table}] {key}",
        f"move away what is in its way, or name another directory with `{key}`",
    )
    assert await failures(text) == [told]
    assert everything() == sorted(before)


async def test_a_check_of_what_is_well_makes_nothing():
    made = gateway("[server]\ndata_dir = 'state'\n[history]\npath = 'a/b'")
    before = everything()
    found = {(one.kind, one.name): (one.ok, one.message) for one in await made.check()}
    assert found == {
        ("source", "d"): (True, "answers"),
        ("archive", "history"): (True, f"can be kept in {Path('a/b')}"),
    }
    assert everything() == before


@pytest.mark.parametrize("table", TABLES)
async def test_a_check_tells_of_what_may_not_be_written(table, monkeypatch):
    text, what, key = TABLES[table]
    locked(monkeypatch, "there")
    assert await failures(text.format("there")) == [
        (
            f"{what} cannot be kept in there: there cannot be written by this user",
            f"plugins.toml, [{table}] {key}",
            f"let this user write there, or name another directory with `{key}`",
        )
    ]


async def test_without_a_place_for_its_state_a_gateway_serves_all_the_same(monkeypatch):
    locked(monkeypatch, "there")
    async with gateway("[server]\ndata_dir = 'there'") as argus:
        assert argus.health() == {"d": "healthy"}


async def test_what_no_file_names_is_no_mistake_of_a_file():
    table = {"server": {"data_dir": "file"}, "sources": {"d": {"plugin": "demo"}}}
    config = Config.parse(table, {})
    async with Gateway(config, clock=TestClock()) as argus:
        assert argus.health() == {"d": "healthy"}


@pytest.mark.parametrize("closed", [True, False])
async def test_what_only_shows_when_the_archive_is_opened_is_told_in_full(monkeypatch, closed):
    def broken(_):
        raise CacheError("the archive cannot be written: disk I/O error")

    monkeypatch.setattr(Archive, "open", broken)
    if closed:
        locked(monkeypatch, "there")
    message, where, fix = await refused("[history]\npath = 'there'")
    why = "there cannot be written by this user" if closed else "disk I/O error"
    assert message.startswith("the archive cannot be kept in there: ")
    assert message.endswith(why)
    assert where == "plugins.toml, [history] path"
    assert "`path`" in fix


@pytest.mark.parametrize(
    ("path", "why"), [("file/c", "file is not a directory"), ("there", "it is a directory")]
)
async def test_a_cache_names_its_table_and_its_file(path, why):
    text = f'[caches.l1]\nplugin = "sqlite"\npath = {path!r}'
    told = await refused(text)
    message, where, fix = told
    assert message == f"the file of cache 'l1' cannot be used: {why}"
    assert where == f"plugins.toml, [caches.l1], {Path(path)}"
    assert "`path`" in fix
    assert await failures(text) == [told]
    assert [name.name for name in everything() if "lock" in name.name] == []
