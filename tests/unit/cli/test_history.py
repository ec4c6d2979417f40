"""`argus history` from the outside."""

import pytest
from support.archive import DAYS, at, bars, closes, day
from typer.testing import CliRunner

from argus_cli import app
from argus_core import Clock
from argus_core.history.archive import Archive, SeriesKey

SPAN = (day("2024-03-04"), day("2024-03-08"))
OTHER = SeriesKey("bars", "1d", "b", "000001.SZ")


@pytest.fixture(autouse=True)
def archive(tmp_path, monkeypatch):
    """An archive in use, configured in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins.toml").write_text(
        '[sources.d]\nplugin = "demo"\n[history]\npath = "h"\n', encoding="utf-8"
    )
    found = Archive(tmp_path / "h", Clock())
    found.open()
    for key in (DAYS, OTHER):
        frame = bars({SPAN[0]: 1.0, SPAN[1]: 2.0}, key)
        found.write(key, frame, *SPAN, fetched_at=at("2024-03-15 19:00"), resolution={})
    yield found
    found.close()


def argus(*arguments, answer=None):
    runner = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})
    result = runner.invoke(app, ["history", *arguments], input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_a_backup_comes_back_while_the_archive_is_in_use(archive, tmp_path):
    made = argus("backup", "b.tar")
    assert (made.exit_code, made.stderr) == (0, "")
    assert made.stdout.startswith("b.tar: 2 series in 2 chunks, 0 revisions, ")
    assert archive.clear(source="a").series == 1
    back = argus("restore", "b.tar")
    assert back.exit_code == 0
    assert "2 chunks of 2 series, 1 of them brought something new" in back.stdout
    assert closes(archive.read({DAYS: SPAN})[DAYS].frame) == {SPAN[0]: 1.0, SPAN[1]: 2.0}


def test_a_damaged_backup_is_told_in_one_line(tmp_path):
    (tmp_path / "b.tar").write_bytes(b"no tar" * 500)
    done = argus("restore", "b.tar")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: b.tar is no backup of an archive")


def test_stats(tmp_path):
    done = argus("stats")
    assert done.exit_code == 0
    shown = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[1:4])
    assert (shown["folder"].strip(), shown["series"].strip(), shown["rows"].strip()) == (
        "h",
        "2",
        "4",
    )


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--source", "a"], [OTHER]),
        (["--symbol", "000001.SZ"], [DAYS]),
        (["--symbol", "sz000001"], [DAYS]),
        (["--symbol", "600519"], [OTHER]),
        (["--symbol", "000001.SZ", "--source", "b"], [DAYS]),
    ],
)
def test_clear_removes_what_is_named(archive, options, left):
    done = argus("clear", *options, "--yes")
    assert done.exit_code == 0
    assert done.stdout.startswith("Removed 1 series of ")
    assert archive.series() == left


def test_clear_asks_and_takes_no_for_an_answer(archive):
    assert argus("clear", "--source", "a", answer="n\n").exit_code == 1
    assert len(archive.series()) == 2
    assert argus("clear", "--source", "a", answer="y\n").exit_code == 0
    assert archive.series() == [OTHER]


def test_clear_without_a_name_is_refused(archive):
    assert argus("clear", "--yes").exit_code == 2
    assert len(archive.series()) == 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--source", "nobody"], "nobody"),
        (["--symbol", "600887"], "600887.SH"),
        (["--symbol", "000001.XSHE", "--source", "a"], "000001.SZ of a"),
    ],
)
def test_clear_of_a_stranger_says_so(archive, options, named):
    done = argus("clear", *options, "--yes")
    assert done.stdout == f"The archive holds nothing of {named}; it has series of a, b.\n"
    assert len(archive.series()) == 2


@pytest.mark.parametrize("text", ["nonsense", "000001", "CF501.CZCE", ""])
def test_clear_of_what_is_no_symbol_is_refused_before_anything_is_asked(archive, text):
    done = argus("clear", "--symbol", text)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: symbol '{text}' ")
    assert len(archive.series()) == 2


def test_clear_asks_about_the_symbol_that_it_understood():
    assert "all of 600519.SH from" in argus("clear", "--symbol", "sh600519", answer="n\n").stdout


@pytest.mark.parametrize("command", [["stats"], ["backup", "b.tar"], ["restore", "b.tar"]])
def test_without_a_table_it_says_what_to_add(tmp_path, command):
    (tmp_path / "plugins.toml").write_text('[sources.d]\nplugin = "demo"\n', encoding="utf-8")
    done = argus(*command)
    assert done.exit_code == 1
    assert "no archive is configured" in done.stderr
    assert "[history]" in done.stderr
