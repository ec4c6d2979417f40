"""`argus plugin test`."""

import json

import pytest
from support.distribution import install
from typer.testing import CliRunner

from argus_cli import app

CHATTY = """
    from argus_core import Balancer, hookimpl


    class Chatty(Balancer):
        def pick(self, candidates):
            print("welcome")
            return candidates[0]


    @hookimpl
    def register_balancer():
        return Chatty
"""


@pytest.fixture
def argus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["plugin", "test", *arguments])


def test_a_table_of_verdicts(argus):
    done = argus("round_robin")
    assert done.exit_code == 0, done.output
    lines = [line for line in done.stdout.splitlines() if "BAL-01" in line]
    assert len(lines) == 1
    assert "`pick` returns one of the candidates" in lines[0]
    assert "round_robin: 14 pass, 0 fail, 5 skip, 0 exempt" in done.stdout


def test_a_report_for_programs_and_a_failure_that_counts(argus, monkeypatch):
    from argus_core.testing.checks import balancers

    monkeypatch.setattr(balancers, "_MOST", 0.0)
    done = argus("random", "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert [row["id"] for row in report["rows"] if row["verdict"] == "fail"] == ["BAL-04"]


def test_what_a_plugin_prints_stands_apart_from_the_report(argus, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, dist="chatty", module="chatty", source=CHATTY, entry="chatty")
    done = argus("chatty", "--json")
    assert json.loads(done.stdout)["plugin"] == "chatty"
    assert "welcome" in done.stderr


def test_settings_that_nobody_gave_are_asked_for(argus):
    done = argus("tushare")
    assert done.exit_code == 1
    assert "give token" in done.stderr
    assert "--config" in done.stderr


def test_a_plugin_that_is_not_installed(argus):
    done = argus("nobody")
    assert done.exit_code == 1
    assert "no plugin named 'nobody'" in done.stderr


def test_a_symbol_that_means_nothing(argus):
    done = argus("demo", "--symbols", "nonsense")
    assert done.exit_code == 1
    assert "nonsense" in done.stderr
