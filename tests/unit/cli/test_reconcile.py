"""`argus reconcile`: what it prints, and with which exit code."""

import json
import re
import sys

import pytest
from typer.testing import CliRunner

from argus_cli import app

CONFIG = """
[sources.one]
plugin = "demo"
[sources.two]
plugin = "demo"
[sources.other]
plugin = "demo"
seed = 2
"""
WEEK = ("--start", "2024-01-08", "--end", "20240112")


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """A directory with a configuration of three sources, two of which say the same."""
    monkeypatch.chdir(tmp_path)
    for name in ("ARGUS_HOST", "ARGUS_PORT", "QMT_DATA_AGENT_PORT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "plugins.toml").write_text(CONFIG, encoding="utf-8")


def reconcile(*arguments, symbols="600519.SH,sz000001"):
    runner = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})
    return runner.invoke(app, ["reconcile", "--symbols", symbols, *WEEK, *arguments])


def test_identical_is_0():
    result = reconcile("--sources", "one,two")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert re.split(" {2,}", lines[0].strip())[:5] == [
        "symbol",
        "sources",
        "bars",
        "field",
        "differing",
    ]
    assert lines[1].startswith("600519.SH  one ~ two  5")
    assert lines[2].startswith("000001.SZ  one ~ two  5")
    assert lines[-1] == "identical: 2 symbols, 1d bars, 2024-01-08 to 2024-01-12"


def test_different_is_1_and_names_fields_and_both_values():
    result = reconcile("--sources", "one,other", symbols="000001.SZ")
    assert result.exit_code == 1
    closes = [line.split() for line in result.stdout.splitlines() if " close " in line]
    (close,) = closes
    assert close[:4] == ["000001.SZ", "one", "~", "other"]
    assert close[4] == "5"
    assert float(close[-2]) != float(close[-1])
    assert "different: 1 symbol, 1d bars" in result.stdout


def test_a_tolerance_makes_values_of_its_field_equal():
    options = ("--tolerance", "close=1", "--tolerance", "open=1,high=1")
    result = reconcile("--sources", "one,other", *options, symbols="000001.SZ")
    assert not {"open", "high", "close"} & set(result.stdout.split())
    assert "low" in result.stdout.split()


def test_what_a_source_prints_stands_apart_from_the_report(monkeypatch):
    from argus_demo import Demo

    def bars(self, query, answer=Demo.bars):
        sys.stdout.write("welcome\n")
        return answer(self, query)

    monkeypatch.setattr(Demo, "bars", bars)
    result = reconcile("--sources", "one,two", "--json")
    assert json.loads(result.stdout)["verdict"] == "identical"
    assert "welcome" in result.stderr


def test_json_is_the_whole_report():
    result = reconcile("--sources", "one,other", "--json", "--period", "1h", "--adjust", "pre")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["verdict"], report["period"], report["adjust"]) == ("different", "1h", "pre")
    (comparison,) = report["symbols"]["600519.SH"]["comparisons"]
    worst = comparison["fields"]["close"]["worst"]
    assert worst["bar"].endswith(":00+08:00")
    assert worst["a"] != worst["b"]


def test_what_was_not_compared_is_2():
    result = reconcile("--sources", "one,two", symbols="688333.SH,600519.SH")
    assert result.exit_code == 2
    assert "688333.SH: one did not answer: NO_DATA" in result.stdout
    assert "688333.SH: fewer than two sources answered" in result.stdout
    assert "not compared: 2 symbols" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--sources", "one"), "needs two sources"),
        (("--sources", "one,nobody"), "configured sources: one, two, other"),
        (("--period", "2d"), "--period must be one of 1m"),
        (("--adjust", "both"), "--adjust must be one of none"),
        (("--start", "yesterday"), "--start must be YYYY-MM-DD"),
        (("--start", "2024-01-13"), "lies after end_date"),
        (("--tolerance", "close"), "--tolerance must be FIELD=SHARE"),
        (("--start", "1991-01-02", "--period", "1m"), "ask for fewer symbols"),
        (("--config", "absent.toml"), "there is no configuration file"),
    ],
)
def test_trouble_is_told_and_is_2(arguments, says):
    result = reconcile(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert says in result.stderr
