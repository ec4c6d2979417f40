"""`argus plugin new`, from the command to a served quote: every kind, as an author would do it."""

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.process import argus
from support.venv import Venv

from argus_core.plugins import KINDS

NAMES = {kind: f"my-{kind}" for kind in KINDS}
BEARER = "argus_my_authenticator_of-alice"
PLUGINS = f"""
[auth]
plugins = ["my-authenticator"]
[auth.my-authenticator.people]
alice = "{hashlib.sha256(BEARER.encode()).hexdigest()}"
[sources.a]
plugin = "my-source"
[sources.b]
plugin = "my-source"
[pools.both]
sources = ["a", "b"]
balancer = "my-balancer"
[caches.l1]
plugin = "my-cache"
[alerters.ops]
plugin = "my-alerter"
[routes]
default = ["both"]
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> tuple[Venv, Path]:
    """An environment with a new plugin of each kind installed, and the folder they are in."""
    place = tmp_path_factory.mktemp("workshop")
    made = Venv.create(tmp_path_factory.mktemp("venv"))
    new = ("argus_cli", "plugin", "new")
    assert each(lambda kind: made.run(*new, NAMES[kind], "--kind", kind, cwd=place)) == []
    made.install(*place.iterdir())
    return made, place


def each(work) -> list[str]:
    """What came of ``work`` for each kind that did not go well; two at a time."""
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(work, KINDS))
    return [result.stdout + result.stderr for result in done if result.returncode]


@pytest.mark.long
def test_its_own_tests_pass_at_once(workshop):
    venv, place = workshop

    def test(kind):
        cwd = place / f"argus-{NAMES[kind]}"
        # An author has none of the other plugins of pytest that are installed here.
        only_pytest = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return venv.run("pytest", "-q", "-p", "no:cacheprovider", cwd=cwd, **only_pytest)

    assert each(test) == []


@pytest.mark.long
def test_argus_plugin_test_accepts_it(workshop, tmp_path):
    venv, _ = workshop
    failures = each(lambda kind: venv.run("argus_cli", "plugin", "test", NAMES[kind], cwd=tmp_path))
    assert failures == []


@pytest.mark.long
def test_they_are_typed(workshop):
    venv, place = workshop
    folders = [place / f"argus-{name}" for name in NAMES.values()]
    done = venv.run("mypy", *map(str, folders), cwd=folders[0])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_it_is_listed_and_serves(workshop, tmp_path, monkeypatch):
    venv, _ = workshop
    (tmp_path / "plugins.toml").write_text(PLUGINS, encoding="utf-8")
    listed = venv.run("argus_cli", "plugins", cwd=tmp_path)
    rows = {line.split()[0]: line.split() for line in listed.stdout.splitlines()[1:]}
    assert {rows[name][1] for name in NAMES.values()} == set(KINDS)
    assert rows["my-source"][2:6] == ["argus-my-source", "0.1.0", "quotes,", "bars"]
    checked = venv.run("argus_cli", "check", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr

    monkeypatch.setattr(sys, "executable", str(venv.python))
    with argus(tmp_path, "serve") as server:
        path = "/api/v1/market_data/latest?symbols=sh600519,000001.SZ"
        assert server.get(path).status_code == 401
        answer = server.get(path, headers={"Authorization": f"Bearer {BEARER}"})
        again = server.get(path, headers={"Authorization": f"Bearer {BEARER}"})
    assert answer.status_code == 200, answer.text
    quote = answer.json()["data"]["600519.SH"]
    assert (quote["price"], quote["volume"]) == (100.0, 900_000)
    assert quote["turnover"] == pytest.approx(900_000 * 100.25)
    assert answer.headers["X-Argus-Simulated"] == "true"
    assert again.json()["cache_hit"] is True
