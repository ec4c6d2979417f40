"""Where the relative paths of a plugin's table start."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from argus_core import Alerter, Authenticator, Cache, Settings, Source
from argus_core.config import Config
from argus_core.extend.paths import placed
from argus_core.gateway import Gateway
from argus_core.plugins import Plugins, read_settings
from argus_core.routing.workers.protocol import Start
from argus_core.routing.workers.session import Session
from argus_core.telemetry.secrets import Secrets


class Shelved(Settings):
    path: Path = Path("data/x")
    spare: Path | None = None
    name: str = "data/x"


def read(base, table, directory):
    cls = type("Mine", (base,), {"Settings": Shelved})
    return read_settings(cls, table, where="here", secrets=Secrets({}, directory))


@pytest.mark.parametrize("base", [Alerter, Cache, Source])
def test_they_start_at_the_directory_of_the_file(base, tmp_path):
    settings = read(base, {"spare": "y"}, tmp_path)
    assert (settings.path, settings.spare) == (tmp_path / "data/x", tmp_path / "y")
    assert settings.name == "data/x"
    assert read(base, {"path": str(tmp_path / "z")}, Path("/etc")).path == tmp_path / "z"


def test_an_authenticators_start_at_the_data_dir_that_it_is_given(tmp_path):
    assert read(Authenticator, {}, tmp_path).path == Path("data/x")


def test_settings_without_a_relative_path_are_the_same_object(tmp_path):
    class Plain(Settings):
        name: str = "x"

    plain = Plain()
    assert placed(plain, tmp_path) is plain


async def test_a_cache_file_lies_beside_the_plugins_toml_that_names_it(tmp_path, monkeypatch):
    place, elsewhere = tmp_path / "etc", tmp_path / "somewhere"
    for directory in (place, elsewhere):
        directory.mkdir()
    tables = '[sources.demo]\nplugin = "demo"\n[caches.l3]\nplugin = "sqlite"\n'
    (place / "plugins.toml").write_text(tables)
    monkeypatch.chdir(elsewhere)
    async with Gateway(Config.load(place / "plugins.toml", {})):
        assert (place / "data" / "cache.sqlite3").exists()
    assert not [*elsewhere.iterdir()]


async def test_in_a_worker_they_start_there_too(tmp_path, monkeypatch):
    cls = type("Mine", (Source,), {"Settings": Shelved})
    monkeypatch.setattr(Plugins, "load", lambda *_: cls)
    start = Start(
        name="s",
        plugin="p",
        where="",
        table={"path": "mine"},
        beat=1,
        heartbeat_lost=10,
        directory=str(tmp_path),
    )
    session = Session(start, SimpleNamespace(), asyncio.get_running_loop())
    await session._make()
    assert session.source.settings.path == tmp_path / "mine"


def test_a_worker_is_told_where_the_file_lies(tmp_path, monkeypatch):
    cls = type("Mine", (Source,), {"Settings": Shelved, "isolation": "process"})
    load = Plugins.load
    either = lambda self, kind, *rest: cls if kind == "source" else load(self, kind, *rest)  # noqa: E731
    monkeypatch.setattr(Plugins, "load", either)
    told = []

    def stand_in(start, settings, clock, **_):
        told.append(start)
        return cls(start.name, settings, clock)

    monkeypatch.setattr("argus_core.assembly.isolated", lambda _: stand_in)
    (tmp_path / "plugins.toml").write_text('[sources.s]\nplugin = "mine"\n')
    Gateway(Config.load(tmp_path / "plugins.toml", {}))
    assert [start.directory for start in told] == [str(tmp_path)]
