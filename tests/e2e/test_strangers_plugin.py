"""A plugin of one file in a distribution of its own: pip install, edit plugins.toml, done."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.process import argus, environment

MODULE = '''
"""Latest quotes from a vendor that nobody has heard of."""

from argus_core import SHANGHAI, Instrument, Quote, Settings, Source, hookimpl


class Sina(Source):
    class Settings(Settings):
        price: float = 12.34

    def quotes(self, query):
        return [
            Quote(symbol=s, price=self.settings.price, volume=100.0, as_of=self.clock.now())
            for s in query.symbols
        ]


@hookimpl
def register_source():
    return Sina
'''
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "argus-sina"
version = "0.3"

[project.entry-points.argus]
sina = "argus_sina"

[tool.hatch.build.targets.wheel]
only-include = ["argus_sina.py"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A directory into which pip has installed the stranger's distribution."""
    project = tmp_path_factory.mktemp("argus-sina")
    (project / "argus_sina.py").write_text(MODULE, encoding="utf-8")
    (project / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    pip += ["--no-build-isolation", "--no-index", "--target", str(site), str(project)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return site


def serve(tmp_path, site, text):
    (tmp_path / "plugins.toml").write_text(text, encoding="utf-8")
    return argus(tmp_path, "serve", env=environment(PYTHONPATH=str(site)))


def test_it_serves_after_an_edit_of_plugins_toml_only(tmp_path, site):
    with serve(tmp_path, site, '[sources.mine]\nplugin = "sina"\nprice = 43.21\n') as server:
        answer = server.get("/api/v1/market_data/latest?symbols=sh600519")
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["600519.SH"]["price"] == 43.21
        assert answer.json()["meta"]["source"] == "mine"
        (source,) = server.get("/api/v1/sources").json()["data"]
        assert source["plugin"] == "sina"
        assert source["distribution"] == "argus-sina 0.3"


def test_swapping_source_and_order_and_strategy_is_an_edit_only(tmp_path, site):
    table = '[sources.a]\nplugin = "sina"\nprice = 1.0\n[sources.b]\nplugin = "sina"\nprice = 2.0\n'
    path = "/api/v1/market_data/latest?symbols=600519.SH&use_cache=false"

    def prices(text, n=6):
        with serve(tmp_path, site, text) as server:
            answers = [server.get(path).json() for _ in range(n)]
        return [answer["data"]["600519.SH"]["price"] for answer in answers]

    assert prices(table + '[routes]\ndefault = ["b", "a"]\n', 2) == [2.0, 2.0]
    pool = table + '[pools.p]\nsources = ["a", "b"]\n'
    weighted = prices(pool + 'balancer = "weighted"\nweights = { b = 2 }\n')
    assert weighted.count(2.0) == 4


def test_a_misspelt_setting_stops_the_start_and_says_how_to_mend_it(tmp_path, site):
    (tmp_path / "plugins.toml").write_text('[sources.mine]\nplugin = "sina"\nprise = 1\n')
    done = subprocess.run(
        [sys.executable, "-m", "argus_cli", "serve", "--port", "0"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(site), COLUMNS="200"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert "prise" in done.stderr
    assert "price" in done.stderr
    assert "[sources.mine]" in done.stderr
