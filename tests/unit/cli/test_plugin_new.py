"""`argus plugin new`: what it writes, what it refuses, and that it never writes a half."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.distribution import install
from typer.testing import CliRunner

import argus_core
from argus_cli import app, scaffold
from argus_cli.plugin import KINDS as OFFERED
from argus_cli.scaffold import LONGEST, Names, contents
from argus_core.config import Config
from argus_core.errors import PluginError
from argus_core.plugins import KINDS

SHORT_AND_LONG = ("y1", "eastwind", "x" * LONGEST, "-".join("x" * (LONGEST // 2)))


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """Every command runs in an empty directory."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def new(*arguments: str):
    runner = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})
    return runner.invoke(app, ["plugin", "new", *arguments])


def refusal(result) -> list[str]:
    """The aligned lines that tell why; nothing else was said."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    return result.stderr.splitlines()


def tree(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


class TestWhatIsWritten:
    def test_a_source_is_the_default(self, somewhere):
        result = new("eastwind")
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        assert [p.name for p in somewhere.iterdir()] == ["argus-eastwind"]
        assert tree(somewhere / "argus-eastwind") == {
            ".gitignore",
            "README.md",
            "pyproject.toml",
            "argus_eastwind/__init__.py",
            "argus_eastwind/py.typed",
            "argus_eastwind/sample.py",
            "tests/test_eastwind.py",
        }

    def test_it_says_what_to_do_next_without_colours(self):
        told = new("east-wind").stdout
        assert "\x1b" not in told
        assert [line.strip() for line in told.splitlines() if line.startswith("  ")] == [
            "cd argus-east-wind",
            'pip install -e ".[test]"',
            "pytest",
            "argus plugin test east-wind",
        ]

    @pytest.mark.parametrize("kind", KINDS)
    def test_each_kind_declares_its_entry_point_and_hook(self, kind, somewhere):
        assert new("two-words", "--kind", kind).exit_code == 0
        folder = somewhere / "argus-two-words"
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        assert project["project"]["name"] == "argus-two-words"
        assert project["project"]["entry-points"] == {"argus": {"two-words": "argus_two_words"}}
        assert project["project"]["dependencies"] == [f"argus-marketdata>={argus_core.__version__}"]
        module = ast.parse((folder / "argus_two_words" / "__init__.py").read_text("utf-8"))
        hooks = [node.name for node in module.body if isinstance(node, ast.FunctionDef)]
        assert f"register_{kind}" in hooks
        assert (folder / "tests" / "test_two_words.py").exists()

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_tables_of_its_readme_are_valid(self, kind):
        text = contents(Names.of("eastwind"), kind)[scaffold.PurePosixPath("README.md")]
        table = tomllib.loads(text.split("```toml\n")[1].split("```")[0])
        if kind == "balancer":  # the sources of its pool are somebody else's
            table["sources"] = {name: {"plugin": "demo"} for name in ("a", "b")}
        Config.parse(table, {}, where="README.md")

    def test_what_is_invented_says_so(self):
        files = {str(path): text for path, text in contents(Names.of("ew"), "source").items()}
        assert "simulated = True" in files["argus_ew/__init__.py"]
        assert "invented" in files["argus_ew/sample.py"].splitlines()[0]
        assert "invented" in files["README.md"]

    def test_the_place_can_be_named_and_is_made(self, somewhere):
        result = new("eastwind", "--directory", "far/away place")
        assert result.exit_code == 0, result.output
        folder = Path("far") / "away place" / "argus-eastwind"
        assert (somewhere / folder / "pyproject.toml").exists()
        assert f'cd "{folder}"' in result.stdout

    @pytest.mark.parametrize("kind", KINDS)
    def test_lines_end_alike_on_every_system(self, kind, somewhere):
        new("eastwind", "--kind", kind)
        for name in tree(somewhere):
            text = (somewhere / name).read_bytes()
            assert b"\r" not in text, name
            assert text == b"" or text.endswith(b"\n"), name
            assert b"$" not in text, f"{name} has a word that was not filled in"

    @pytest.mark.parametrize("kind", KINDS)
    def test_it_is_clean_for_ruff_whatever_it_is_called(self, kind, somewhere):
        for name in (*SHORT_AND_LONG, kind):
            assert new(name, "--kind", kind).exit_code == 0
        for command in (["check"], ["format", "--check"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--no-cache", str(somewhere)],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr


class TestNames:
    @pytest.mark.parametrize(
        ("name", "better"),
        [
            ("East Wind", "east-wind"),
            ("Sina", "sina"),
            ("argus-sina", "sina"),
            ("argus_sina", "sina"),
            ("9fin", "fin"),
            ("a.b", "a-b"),
            ("../up", "up"),
            ("a--b", "a-b"),
            ("-x-", "x"),
            ("x" * (LONGEST + 1), "x" * LONGEST),
            ("东风", None),
            ("", None),
        ],
    )
    def test_what_cannot_be_a_name_is_refused_with_a_better_one(self, name, better, somewhere):
        told = refusal(new("--", name))
        assert repr(name) in told[0]
        assert ("did you mean" in told[0]) == (better is not None)
        assert better is None or repr(better) in told[0]
        assert told[2].startswith("  fix: take lower-case words")
        assert list(somewhere.iterdir()) == []

    @pytest.mark.parametrize(
        ("name", "package", "distribution", "cls"),
        [
            ("sina", "argus_sina", "argus-sina", "Sina"),
            ("east-wind", "argus_east_wind", "argus-east-wind", "EastWind"),
            ("east_wind2", "argus_east_wind2", "argus-east-wind2", "EastWind2"),
            ("none", "argus_none", "argus-none", "NonePlugin"),
            ("source", "argus_source", "argus-source", "SourcePlugin"),
            ("mapping", "argus_mapping", "argus-mapping", "MappingPlugin"),
            ("key-error", "argus_key_error", "argus-key-error", "KeyErrorPlugin"),
        ],
    )
    def test_what_follows_from_a_name(self, name, package, distribution, cls):
        names = Names.of(name)
        assert (names.package, names.distribution) == (package, distribution)
        module = contents(names, "source")[scaffold.PurePosixPath(package, "__init__.py")]
        assert f"\nclass {cls}(Source):\n" in module

    @given(st.text(max_size=LONGEST + 5))
    def test_every_text_is_a_name_or_refused_with_one(self, text):
        try:
            names = Names.of(text)
        except PluginError as error:
            if "did you mean" in error.message:
                Names.of(error.message.rpartition("mean ")[2].strip("?'"))
        else:
            assert names.package.isidentifier()
            assert text.isascii()

    @given(
        st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,4}){0,3}", fullmatch=True),
        st.sampled_from(sorted(KINDS)),
    )
    def test_every_file_is_python_whatever_the_name(self, name, kind):
        for path, text in contents(Names.of(name), kind).items():
            if path.suffix == ".py":
                compile(text, str(path), "exec")
                assert max(map(len, text.splitlines()), default=0) <= 100


class TestRefusals:
    @pytest.mark.parametrize("name", ["demo", "round-robin"])
    def test_a_name_that_a_plugin_has(self, name, somewhere):
        told = refusal(new(name))
        assert "is installed already" in told[0]
        assert "argus-marketdata" in told[0]
        assert list(somewhere.iterdir()) == []

    def test_a_name_that_a_stranger_s_plugin_has(self, somewhere, tmp_path, monkeypatch):
        install(
            tmp_path, monkeypatch, dist="argus-v", module="stranger_v", source="", entry="my_vendor"
        )
        told = refusal(new("my-vendor"))
        assert told[0] == "error: a plugin named 'my_vendor' is installed already, by argus-v"
        assert list(somewhere.iterdir()) == []

    @pytest.mark.parametrize("name", ["marketdata", "core", "cli", "api"])
    def test_a_name_whose_distribution_or_package_is_ours(self, name, somewhere):
        assert "already" in refusal(new(name))[0]
        assert list(somewhere.iterdir()) == []

    def test_a_folder_that_is_there_is_left_as_it_is(self, somewhere):
        (somewhere / "argus-eastwind").mkdir()
        told = refusal(new("eastwind"))
        assert told[0] == "error: argus-eastwind exists already"
        assert "--directory" in told[2]
        assert list((somewhere / "argus-eastwind").iterdir()) == []

    def test_a_second_time_changes_nothing(self, somewhere):
        new("eastwind")
        (somewhere / "argus-eastwind" / "README.md").write_text("mine")
        refusal(new("eastwind", "--kind", "cache"))
        assert (somewhere / "argus-eastwind" / "README.md").read_text() == "mine"
        assert (somewhere / "argus-eastwind" / "argus_eastwind" / "sample.py").exists()

    def test_nothing_half_written_is_left(self, somewhere, monkeypatch):
        write_text = Path.write_text

        def full(path, text, **options):
            if path.name == "__init__.py":
                raise OSError(28, "No space left on device")
            return write_text(path, text, **options)

        monkeypatch.setattr(Path, "write_text", full)
        told = refusal(new("eastwind"))
        assert "No space left on device" in told[0]
        assert list(somewhere.iterdir()) == []

    def test_a_place_that_is_a_file(self, somewhere):
        (somewhere / "taken").write_text("")
        assert "cannot be written" in refusal(new("eastwind", "--directory", "taken"))[0]

    def test_a_kind_that_nobody_knows_is_refused_as_usage(self, somewhere):
        result = new("eastwind", "--kind", "sauce")
        assert result.exit_code == 2
        assert "balancer" in result.stderr
        assert list(somewhere.iterdir()) == []


class TestHelp:
    def test_it_names_the_kinds_and_the_options(self):
        told = new("--help").stdout
        for word in (*KINDS, "--kind", "--directory", "NAME"):
            assert word in told, word

    def test_its_kinds_are_the_core_s(self):
        assert set(OFFERED) == set(KINDS)

    def test_auth_is_short_for_authenticator(self, somewhere):
        assert "authenticator" in new("eastwind", "--kind", "auth").stdout
        module = somewhere / "argus-eastwind" / "argus_eastwind" / "__init__.py"
        assert "register_authenticator" in module.read_text(encoding="utf-8")
