"""The `argus` command from the outside: what it prints, where, and with which exit code."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from support.distribution import install
from support.process import environment
from typer.testing import CliRunner

from argus_cli import app, console, server
from argus_cli.trouble import tell, told
from argus_core import SHANGHAI, BadParameter
from argus_core.gateway import Gateway

HEAVY = {"argus_core", "fastapi", "uvicorn", "polars", "pydantic", "pandas"}


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """Every command runs in an empty directory, steered by nothing from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("ARGUS_HOST", "ARGUS_PORT", "QMT_DATA_AGENT_PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def argus(*arguments: str, width: str = "200"):
    return CliRunner(env={"COLUMNS": width, "TERM": "dumb"}).invoke(app, arguments)


def write(tmp_path, text: str):
    (tmp_path / "plugins.toml").write_text(text, encoding="utf-8")


def lines(result) -> list[str]:
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stderr.splitlines()


class TestRoot:
    def test_help_names_every_subcommand(self):
        result = argus("--help")
        assert result.exit_code == 0
        assert all(name in result.stdout for name in ("serve", "demo", "check", "plugins", "keys"))

    def test_version(self):
        result = argus("--version")
        assert (result.exit_code, result.stdout) == (0, "0.1.0\n")

    def test_help_waits_for_nothing_heavy(self):
        code = (
            "import sys\nfrom argus_cli import main\nsys.argv = ['argus', '--help']\n"
            "try:\n    main()\nexcept SystemExit:\n    pass\n"
            f"print({HEAVY!r} & set(sys.modules), file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment(PYTHONIOENCODING="utf-8"),
        )
        assert "serve" in done.stdout
        assert done.stderr == "set()\n"


BROKEN = {
    "absent": (None, "there is no configuration file"),
    "syntax": ("[server", "not valid TOML"),
    "key": ("[server]\nprot = 1", "prot"),
    "plugin": ('[sources.a]\nplugin = "dmeo"', "dmeo"),
    "secret": (
        '[caches.l1]\nplugin = "memory"\nmax_mb = { env = "NO_SUCH_VARIABLE" }',
        "NO_SUCH_VARIABLE",
    ),
    "exposed": ('[server]\nhost = "0.0.0.0"', "without authentication"),
}


class TestTrouble:
    """A wrong configuration: what, where, how to mend it; exit code 1, never a traceback."""

    @pytest.mark.parametrize("command", ["serve", "check"])
    @pytest.mark.parametrize("case", BROKEN)
    def test_is_told_in_aligned_lines(self, tmp_path, command, case):
        text, says = BROKEN[case]
        if text is not None:
            write(tmp_path, text)
        result = argus(command)
        told = lines(result)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert told[0].startswith("error: ")
        assert says in told[0]
        assert told[1].startswith("where: ")
        assert "plugins.toml" in told[1]
        assert all(line.startswith("  fix: ") for line in told[2:])

    def test_another_file_can_be_named(self, tmp_path):
        result = argus("check", "--config", str(tmp_path / "other.toml"))
        assert "other.toml" in lines(result)[1]

    def test_long_messages_stay_aligned(self, capsys):
        tell("first\nsecond", where="here")
        assert capsys.readouterr().err == "error: first\n       second\nwhere: here\n"

    def test_other_errors_of_argus_take_one_line(self, capsys):
        import typer

        with pytest.raises(typer.Exit) as caught, told():
            raise BadParameter("no such thing")
        assert caught.value.exit_code == 1
        assert capsys.readouterr().err == "error: no such thing\n"

    def test_errors_of_ours_are_not_hidden(self):
        with pytest.raises(ZeroDivisionError), told():
            raise ZeroDivisionError


class TestServe:
    @pytest.fixture
    def served(self, monkeypatch) -> list:
        """What would have been served."""
        calls: list = []
        monkeypatch.setattr(
            server, "run", lambda gateway, **options: calls.append((gateway, options))
        )
        return calls

    def address(self, served) -> tuple[str, int]:
        ((gateway, _),) = served
        return gateway.config.server.host, gateway.config.server.port

    def test_the_file_says_where(self, tmp_path, served):
        write(tmp_path, '[server]\nhost = "127.0.0.2"\nport = 9001')
        assert argus("serve").exit_code == 0
        assert self.address(served) == ("127.0.0.2", 9001)
        assert served[0][1] == {"access_log": False}

    def test_the_environment_overrides_the_file(self, tmp_path, served, monkeypatch):
        write(tmp_path, "[server]\nport = 9001")
        monkeypatch.setenv("QMT_DATA_AGENT_PORT", "9002")
        argus("serve")
        assert self.address(served) == ("127.0.0.1", 9002)

    def test_the_command_line_overrides_both(self, tmp_path, served, monkeypatch):
        write(tmp_path, "[server]\nport = 9001")
        monkeypatch.setenv("ARGUS_PORT", "9002")
        monkeypatch.setenv("ARGUS_HOST", "127.0.0.3")
        argus("serve", "--port", "9003", "--host", "127.0.0.4", "--access-log")
        assert self.address(served) == ("127.0.0.4", 9003)
        assert served[0][1] == {"access_log": True}

    def test_the_command_line_cannot_expose_an_open_server(self, tmp_path, served):
        write(tmp_path, "")
        result = argus("serve", "--host", "0.0.0.0")
        assert result.exit_code == 1
        assert "refusing to listen on 0.0.0.0 without authentication" in lines(result)[0]
        assert not served

    def test_demo_needs_no_file(self, served):
        result = argus("demo", "--port", "9005")
        assert result.exit_code == 0, result.output
        assert self.address(served) == ("127.0.0.1", 9005)
        gateway, options = served[0]
        assert list(gateway.config.sources) == ["demo"]
        assert [source.name for source in gateway.sources()] == ["demo"]
        options["ready"]("http://127.0.0.1:9005")

    def test_demo_introduces_itself(self, capsys):
        from argus_cli.demo import EXAMPLES, _introduce

        _introduce("http://127.0.0.1:9005")
        out = capsys.readouterr().out
        assert "SIMULATED" in out
        for path in EXAMPLES:
            assert f'curl "http://127.0.0.1:9005{path}"' in out

    def test_demo_cannot_be_exposed(self, served):
        result = argus("demo", "--host", "0.0.0.0")
        assert result.exit_code == 1
        assert "argus demo" in lines(result)[1]

    @pytest.mark.parametrize("port", ["-1", "65536", "http"])
    def test_nonsense_ports_are_refused_as_usage(self, port):
        assert argus("demo", f"--port={port}").exit_code == 2


VENDOR = """
    from argus_core import Source, SourceUnavailable, hookimpl

    class Vendor(Source):
        async def ping(self):
            raise SourceUnavailable("the vendor [is] closed")

    @hookimpl
    def register_source():
        return Vendor
"""


class TestCheck:
    GOOD = '[sources.try]\nplugin = "demo"\n[caches.l1]\nplugin = "memory"\n'

    def test_everything_works(self, tmp_path):
        write(tmp_path, self.GOOD)
        result = argus("check")
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        marks = [line.split()[:3] for line in result.stdout.splitlines()[1:]]
        assert marks == [["✓", "source", "try"], ["✓", "cache", "l1"]]

    def test_trouble_is_marked_told_and_counts(self, tmp_path, monkeypatch):
        install(
            tmp_path, monkeypatch, dist="argus-v", module="cli_vendor", source=VENDOR, entry="v"
        )
        write(tmp_path, self.GOOD + '[sources.v]\nplugin = "v"\n[routes]\ndefault = ["v"]')
        result = argus("check")
        assert result.exit_code == 1
        marks = {line.split()[2]: line.split()[0] for line in result.stdout.splitlines()[1:]}
        assert marks == {"try": "✓", "v": "✗", "l1": "✓"}
        assert [line for line in lines(result) if line][:2] == [
            "error: SERVICE_UNAVAILABLE: the vendor [is] closed",
            "where: source v",
        ]

    @pytest.mark.parametrize(
        "command", [["check"], ["serve"], ["history", "stats"], ["cache", "warm"]]
    )
    def test_whoever_needs_the_archive_says_the_same_of_its_place(self, tmp_path, command):
        write(tmp_path, self.GOOD + '[server]\nport = 0\n[history]\npath = "file"')
        (tmp_path / "file").touch()
        result = argus(*command)
        assert result.exit_code == 1
        assert [line for line in lines(result) if line] == [
            "error: the archive cannot be kept in file: file is not a directory",
            "where: plugins.toml, [history] path",
            "  fix: move away what is in its way, or name another directory with `path`",
        ]
        assert {path.name for path in tmp_path.iterdir()} == {"file", "plugins.toml"}

    @pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
    def test_the_readme_s_configuration_needs_nothing_but_a_token(self, tmp_path, name):
        page = (Path(__file__).parents[3] / name).read_text(encoding="utf-8")
        (block,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        write(tmp_path, block)
        gateway = Gateway.from_toml(tmp_path / "plugins.toml", {"TUSHARE_TOKEN": "t" * 32})
        (source,) = gateway.sources()
        assert source.name == "tushare"
        assert source.routes

    @pytest.mark.parametrize(("encoding", "sign"), [("utf-8", "✗"), ("cp1252", "FAIL")])
    def test_signs_fit_the_encoding(self, encoding, sign):
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        assert console.verdict(Console(file=out), ok=False).plain == sign


@pytest.fixture
def terminal(monkeypatch):
    """Output is a terminal of 80 columns."""
    made = Console(highlight=False, width=80, force_terminal=True, color_system=None)
    monkeypatch.setattr(console, "output", lambda: made)


class TestPlugins:
    def rows(self, result) -> dict[str, str]:
        assert result.exit_code == 0, result.output
        return {line.split()[0]: line for line in result.stdout.splitlines()[1:]}

    def test_lists_what_is_installed_without_a_configuration(self):
        result = argus("plugins")
        rows = self.rows(result)
        assert "enabled" not in result.stdout
        assert "source" in rows["demo"]
        assert "bars" in rows["demo"]
        assert "built in" in rows["demo"]
        assert "balancer" in rows["round_robin"]
        assert "authenticator" in rows["api_key"]

    def test_says_what_a_configuration_enables(self, tmp_path):
        write(
            tmp_path,
            """
            [auth]
            plugins = ["api_key"]
            [sources.one]
            plugin = "demo"
            [sources.two]
            plugin = "demo"
            [sources.off]
            plugin = "tushare"
            enabled = false
            [pools.both]
            sources = ["one", "two"]
            balancer = "weighted"
            [caches.l1]
            plugin = "memory"
            """,
        )
        rows = self.rows(argus("plugins"))
        assert rows["demo"].rstrip().endswith("[sources.one], [sources.two]")
        assert rows["weighted"].rstrip().endswith("[pools.both]")
        assert rows["memory"].rstrip().endswith("[caches.l1]")
        assert rows["api_key"].rstrip().endswith("[auth]")
        assert all(rows[name].rstrip().endswith(" -") for name in ("tushare", "open", "random"))

    def test_imports_no_plugin(self, tmp_path, monkeypatch):
        source = VENDOR + "\n    raise AssertionError('imported')\n"
        install(
            tmp_path, monkeypatch, dist="argus-v", module="cli_bomb", source=source, entry="bomb"
        )
        assert "argus-v 1.0" in self.rows(argus("plugins"))["bomb"]

    @pytest.mark.usefixtures("terminal")
    def test_eighty_columns_break_no_name(self, tmp_path):
        text = (
            '[sources.qmt_shanghai]\nplugin = "demo"\n[sources.qmt_shenzhen]\nplugin = "demo"\n'
            '[pools.both]\nsources = ["qmt_shanghai", "qmt_shenzhen"]\n'
            'balancer = "least_connections"\n[routes]\ndefault = ["both"]\n'
        )
        write(tmp_path, text)
        for command in ("plugins", "check"):
            result = argus(command)
            assert result.exit_code == 0, result.output
            assert max(map(len, result.stdout.splitlines())) <= 80
            names = {"qmt_shanghai", "qmt_shenzhen"}
            if command == "plugins":
                names = {f"[sources.{name}]" for name in names} | {"least_connections"}
                assert {"authenticator", "listings,"} <= set(result.stdout.split())
            assert names <= set(result.stdout.split())

    def test_lists_a_plugin_that_cannot_be_read(self, tmp_path, monkeypatch):
        install(
            tmp_path, monkeypatch, dist="argus-v", module="cli_bad", source="def (", entry="bad"
        )
        rows = self.rows(argus("plugins"))
        assert "unreadable" in rows["bad"]
        assert "SyntaxError" in rows["bad"]
        assert "bars" in rows["demo"]

    def test_a_named_configuration_must_be_there(self):
        result = argus("plugins", "--config", "nowhere.toml")
        assert result.exit_code == 1
        assert "nowhere.toml" in lines(result)[1]


class TestKeys:
    @pytest.fixture(autouse=True)
    def config(self, tmp_path):
        # The source wants a token that is not there: nobody needs it to make a key.
        write(
            tmp_path,
            """
            [server]
            data_dir = "state"
            [auth]
            plugins = ["open", "api_key"]
            [sources.vendor]
            plugin = "tushare"
            token = { env = "NO_SUCH_VARIABLE" }
            [routes]
            default = ["vendor"]
            """,
        )

    def create(self, *arguments: str):
        result = argus("keys", "create", *arguments)
        assert result.exit_code == 0, result.output
        return result

    def listed(self) -> list[list[str]]:
        result = argus("keys", "list")
        assert result.exit_code == 0, result.output
        return [line.split() for line in result.stdout.splitlines()[1:]]

    def test_the_key_stands_alone_on_stdout(self, tmp_path):
        result = self.create("desk")
        (key,) = result.stdout.splitlines()
        assert key.startswith("argus_")
        key_id = key.split("_")[1]
        assert key_id in result.stderr
        assert key not in result.stderr
        assert "data, expires: never" in result.stderr
        assert key.split("_", 2)[2] not in (tmp_path / "state" / "keys.json").read_text()

    def test_list_shows_every_key_and_no_secret(self):
        key = self.create("desk", "--scope", "manage", "--scope", "data").stdout.strip()
        self.create("other")
        first, second = self.listed()
        assert first[:4] == [key.split("_")[1], "desk", "data,", "manage"]
        assert second[1:3] == ["other", "data"]
        assert first[-1] == second[-1] == "active"
        assert key.split("_", 2)[2] not in argus("keys", "list").output

    @pytest.mark.usefixtures("terminal")
    def test_eighty_columns_break_no_name_and_no_time(self):
        key = self.create("trading-desk", "--scope", "manage", "--scope", "data", "--expires=90d")
        argus("keys", "revoke", key.stdout.split("_")[1])
        self.create("a-second-one-with-a-name", "--expires=2099-12-31")
        result = argus("keys", "list")
        words = result.stdout.split()
        assert max(map(len, result.stdout.splitlines())) <= 80
        assert {"trading-desk", "a-second-one-with-a-name"} <= set(words)
        assert "2100-01-01 00:00" in result.stdout
        assert f"{datetime.now(SHANGHAI):%Y-%m-%d}" in words

    def test_revoke(self):
        key_id = self.create("desk").stdout.split("_")[1]
        result = argus("keys", "revoke", key_id)
        assert (result.exit_code, result.stdout) == (0, f"Key {key_id} (desk) is revoked.\n")
        assert self.listed()[0][-2] == "revoked"

    def test_an_unknown_id_cannot_be_revoked(self):
        result = argus("keys", "revoke", "nosuchid")
        assert result.exit_code == 1
        assert "nosuchid" in lines(result)[0]

    def test_expiry_in_days(self):
        before = datetime.now(SHANGHAI)
        self.create("desk", "--expires", "90d")
        text = " ".join(self.listed()[0][4:6])
        expires = datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
        assert timedelta(days=89, hours=23) < expires - before < timedelta(days=90, minutes=5)

    def test_a_named_day_is_the_last_good_one(self):
        self.create("desk", "--expires", "2099-12-31")
        assert self.listed()[0][4:6] == ["2100-01-01", "00:00"]

    @pytest.mark.parametrize("text", ["soon", "90", "2026-13-01", "d", "-5d"])
    def test_nonsense_expiries_are_refused_as_usage(self, text):
        result = argus("keys", "create", "desk", f"--expires={text}")
        assert result.exit_code == 2
        assert "--expires" in result.stderr

    @pytest.mark.parametrize(
        "arguments", [["desk", "--expires", "2020-01-01"], ["desk", "--scope", "root"], [" "]]
    )
    def test_what_the_store_refuses_is_told(self, arguments):
        result = argus("keys", "create", *arguments)
        assert result.exit_code == 1
        assert lines(result)[0].startswith("error: ")
        assert self.listed() == []

    def test_without_a_keeper_of_keys_the_remedy_is_told(self, tmp_path):
        write(tmp_path, "")
        result = argus("keys", "list")
        assert result.exit_code == 1
        assert lines(result)[2].startswith("  fix: ")
        assert '"api_key"' in lines(result)[2]
