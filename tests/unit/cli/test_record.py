"""`argus record` from the outside: what it writes, what it says, how it ends."""

import os
import re
import signal
import subprocess
import sys

import pytest
from support.process import environment
from support.recordings import MOUTAI, PING_AN, rows_of
from typer.testing import CliRunner

from argus_cli import app

DEMO = '[sources.demo]\nplugin = "demo"\n'


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins.toml").write_text(DEMO, encoding="utf-8")
    return tmp_path


def record(*arguments):
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, ["record", *arguments])


def test_it_ends_by_itself_with_everything_on_the_disk(somewhere):
    result = record("--symbols", f"{MOUTAI},sz000001", "--minutes", "0.02")
    assert result.exit_code == 0, result.output
    assert "recording 2 symbols in" in result.stdout
    rows = rows_of(somewhere / "data" / "recordings")
    ended = re.search(r"ended: ([\d,]+) rows, [\d.]+ MB on disk$", result.stdout.strip())
    assert int(ended[1].replace(",", "")) == rows.height
    assert set(rows["symbol"]) == {MOUTAI, PING_AN}
    assert rows["simulated"].drop_nulls().all()
    assert set(rows["source"].drop_nulls()) == {"demo"}


def test_only_some_channels(somewhere):
    for option in ("--channels", "--fields"):
        out = somewhere / option
        result = record(
            *("--symbols", MOUTAI, "--minutes", "0.01", "--out", str(out), option, "quotes")
        )
        assert result.exit_code == 0, result.output
        assert set(rows_of(out)["kind"]) <= {"quotes", "status"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--symbols", "nonsense"), "nonsense"),
        (("--symbols", " , "), "--symbols names no symbol"),
        (("--symbols", MOUTAI, "--channels", "quotes,news"), "--channels has news"),
        (("--symbols", MOUTAI, "--config", "no.toml"), "no.toml"),
    ],
)
def test_bad_input_is_told(arguments, words):
    result = record(*arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_place_that_cannot_be_written_to_is_told(somewhere):
    (somewhere / "file").write_text("in the way")
    result = record("--symbols", MOUTAI, "--out", str(somewhere / "file"), "--minutes", "0.01")
    assert result.exit_code == 1
    assert "the recording cannot be written" in result.stderr
    assert "name another directory with --out" in result.stderr


def test_who_is_unknown_is_told_and_the_others_are_recorded(somewhere):
    result = record("--symbols", f"{MOUTAI},600999.SH", "--minutes", "0.01")
    assert "600999.SH is not recorded" in result.stderr
    assert result.exit_code == 0
    assert set(rows_of(somewhere / "data" / "recordings")["symbol"]) == {MOUTAI}


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(somewhere, number):
    with subprocess.Popen(
        [sys.executable, "-m", "argus_cli", "record", "--symbols", MOUTAI, "--flush-seconds", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=somewhere,
        env={**os.environ, **environment()},
    ) as process:
        assert process.stdout.readline().startswith("recording 1 symbols")
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("ended: ")
    assert rows_of(somewhere / "data" / "recordings").height > 0
