"""`argus cache warm`: what it prints, where, and with which exit code."""

import asyncio
import io
import os
import re
import signal
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from argus_cli import app
from argus_cli.cache import _shown
from argus_core.warmup.plan import Kind
from argus_core.warmup.progress import Progress

CONFIG = """
[sources.one]
plugin = "demo"
[caches.l1]
plugin = "memory"
"""
LASTING = (
    CONFIG
    + """
[caches.l3]
plugin = "sqlite"
path = "cache.sqlite3"
"""
)
ONE_EACH = ("--datasets", "quotes,instruments,bars", "--days", "5")


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """A directory of the test's own, steered by nothing from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("ARGUS_HOST", "ARGUS_PORT", "QMT_DATA_AGENT_PORT"):
        monkeypatch.delenv(name, raising=False)
    write(LASTING)
    return tmp_path


def write(text):
    Path("plugins.toml").write_text(text, encoding="utf-8")


def warm(*arguments, symbols="600519.SH,sz000001"):
    named = ("--symbols", symbols) if symbols else ()
    runner = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})
    return runner.invoke(app, ["cache", "warm", *named, *arguments])


def test_what_is_fetched_is_there_the_next_time():
    result = warm(*ONE_EACH)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[-1] == "6 fetched, 0 already fresh, 0 failed"
    assert lines[-2] == "6 of 6: instruments"
    again = warm("--datasets", "instruments")
    assert again.stdout.splitlines()[-1] == "0 fetched, 2 already fresh, 0 failed"


def test_the_table_of_the_file_is_the_default():
    write(LASTING + '[warmup]\nsymbols = ["600519.SH"]\ndatasets = ["instruments"]\n')
    assert warm(symbols=None).stdout.splitlines()[-1].startswith("1 fetched")
    assert warm("--datasets", "bars", symbols=None).stdout.splitlines()[-1].startswith("1 fetched")


def test_failures_are_1_and_each_reason_is_told_once():
    result = warm("--datasets", "quotes,instruments", symbols="688333.SH,600519.SH,688334.SH")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    wrong = "688333.SH, 688334.SH: NOT_FOUND, no such symbol in the instrument table"
    assert lines[-3:-1] == [f"quotes: {wrong}", f"instruments: {wrong}"]
    assert lines[-1] == "2 fetched, 0 already fresh, 4 failed"


def test_without_anything_that_lasts_it_says_what_to_add_and_is_2():
    write(CONFIG)
    result = warm()
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: no configured tier outlives this process\n")
    assert "[caches.l3]" in result.stderr
    assert "plugins.toml" in result.stderr


def test_nothing_to_warm_is_told():
    result = warm(symbols=None)
    assert result.exit_code == 0
    assert "nothing to warm" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--datasets", "quotes,ticks"), "datasets"),
        (("--periods", "2d"), "periods"),
        (("--days", "0"), "days"),
        (("--symbols", "nonsense"), "symbols"),
        (("--config", "absent.toml"), "there is no configuration file"),
    ],
)
def test_trouble_is_told_and_is_1(arguments, says):
    result = warm(*arguments, symbols=None)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert says in result.stderr


def test_what_a_source_prints_stands_apart(monkeypatch):
    from argus_demo import Demo

    def bars(self, query, answer=Demo.bars):
        sys.stdout.write("welcome\n")
        return answer(self, query)

    monkeypatch.setattr(Demo, "bars", bars)
    result = warm(*ONE_EACH)
    assert "welcome" not in result.stdout
    assert "welcome" in result.stderr


@pytest.fixture
def ctrl_c():
    """Ctrl-C does what it does in a terminal; whoever runs in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot press its own Ctrl-C there")
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_it_cleanly_and_says_how_to_go_on(monkeypatch):
    from argus_demo import Demo

    pressed = threading.Event()

    async def instruments(self, query, answer=Demo.instruments):
        if not pressed.is_set():
            pressed.set()
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.1)  # the loop has heard of it
        return await answer(self, query)

    monkeypatch.setattr(Demo, "instruments", instruments)
    result = warm(*ONE_EACH)
    assert result.exit_code == 130
    assert "Traceback" not in result.output
    lines = result.stdout.splitlines()
    assert lines[-2] == "4 fetched, 0 already fresh, 0 failed, 2 not asked yet"
    assert lines[-1].startswith("interrupted: run the same command again")
    again = warm(*ONE_EACH)
    assert again.exit_code == 0
    # What was under way may have been kept as well.
    assert re.search(r"\b[246] already fresh", again.stdout)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_a_terminal_gets_a_bar():
    out = Terminal()
    with _shown(out) as show:
        for done in (0, 2, 4):
            show(Progress(done=done, total=4, kind=Kind("quotes") if done else None))
    drawn = out.getvalue()
    assert "4/4" in drawn
    assert "quotes" in drawn


def test_a_pipe_gets_a_line_now_and_then():
    out = io.StringIO()
    with _shown(out) as show:
        for done in range(1001):
            show(Progress(done=done, total=1000, kind=Kind("quotes")))
    lines = out.getvalue().splitlines()
    assert len(lines) == 20
    assert lines[-1] == "1000 of 1000: quotes"
