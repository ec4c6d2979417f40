"""Finding, loading and configuring plugins, and saying what is wrong with one."""

import subprocess
import sys

import pytest
from pydantic import SecretStr
from support.distribution import install

from argus_core import Settings, Source
from argus_core.errors import ConfigError, PluginError
from argus_core.plugins import Plugins, installed, read_settings, secrets_of

WHERE = "plugins.toml, [sources.x]"
GOOD = """
    from argus_core import Quote, Source, hookimpl

    class Tiny(Source):
        def quotes(self, query):
            return [Quote(symbol=s, price=1.0) for s in query.symbols]

    @hookimpl
    def register_source():
        return Tiny
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    def made(source, entry="tiny", dist="tiny-dist", module="tiny_module", sub="site"):
        root = tmp_path / sub
        root.mkdir(exist_ok=True)
        return install(root, monkeypatch, dist=dist, module=module, source=source, entry=entry)

    return made


def test_a_strangers_plugin_is_loaded_by_its_entry_point_name(make):
    make(GOOD)
    plugins = Plugins()
    cls = plugins.load("source", "tiny", WHERE)
    assert issubclass(cls, Source)
    assert cls.offers() == {"quotes"}
    assert plugins.distribution("tiny") == "tiny-dist 1.0"
    assert plugins.load("source", "tiny", WHERE) is cls


def test_two_gateways_share_no_plugin_manager(make):
    make(GOOD)
    one, two = Plugins(), Plugins()
    one.load("source", "tiny", WHERE)
    assert two.distribution("tiny") == ""


def test_installed_lists_it_without_importing_it(make):
    make(GOOD)
    (found,) = [plugin for plugin in installed() if plugin.name == "tiny"]
    assert found.kinds == ("source",)
    assert found.offers == ("quotes",)
    assert (found.distribution, found.version) == ("tiny-dist", "1.0")
    assert "tiny_module" not in sys.modules


def test_a_plugin_that_nobody_names_is_never_imported(make):
    make("raise RuntimeError('must not be imported')", entry="bomb", module="bomb_module")
    Plugins().load("balancer", "round_robin", WHERE)
    assert any(plugin.name == "bomb" for plugin in installed())


def says(caught):
    return str(caught.value)


def test_a_misspelt_name_suggests_the_right_one():
    with pytest.raises(PluginError) as caught:
        Plugins().load("balancer", "round_robbin", WHERE)
    assert "did you mean 'round_robin'?" in says(caught)
    assert caught.value.where == WHERE
    assert "installed:" in caught.value.fix


def test_the_wrong_kind_names_plugins_of_the_right_one():
    with pytest.raises(PluginError) as caught:
        Plugins().load("balancer", "memory", WHERE)
    assert "registers no balancer" in says(caught)
    assert "round_robin" in caught.value.fix


def test_two_distributions_with_one_name_are_refused(make):
    make(GOOD)
    make(GOOD, dist="other-dist", module="other_module", sub="other")
    with pytest.raises(PluginError) as caught:
        Plugins().load("source", "tiny", WHERE)
    assert "other-dist" in says(caught)
    assert "tiny-dist" in says(caught)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import no_such_vendor", "ModuleNotFoundError: No module named 'no_such_vendor'"),
        ("x = 1", "has no @hookimpl function"),
        (
            """
            from argus_core import hookimpl
            @hookimpl
            def register_sauce():
                return None
            """,
            "register_sauce",
        ),
        (
            """
            from argus_core import hookimpl
            @hookimpl
            def register_source():
                return 5
            """,
            "returned 5",
        ),
        (
            """
            from argus_core import hookimpl
            @hookimpl
            def register_source(surplus):
                return 5
            """,
            "surplus",
        ),
    ],
)
def test_a_broken_plugin_is_explained(make, source, text):
    make(source)
    with pytest.raises(PluginError) as caught:
        Plugins().load("source", "tiny", WHERE)
    assert text in says(caught)
    assert caught.value.where == WHERE
    assert caught.value.fix


class Settled(Source):
    class Settings(Settings):
        token: SecretStr
        level: int = 1
        spare: SecretStr | None = None


def read(table, environ=None):
    return read_settings(Settled, table, where=WHERE, environ=environ or {})


def test_secrets_come_from_the_environment_or_a_file(tmp_path):
    settings = read({"token": {"env": "TOKEN"}}, {"TOKEN": "abcdef"})
    assert settings.token.get_secret_value() == "abcdef"
    assert "abcdef" not in repr(settings)
    path = tmp_path / "token"
    path.write_text("ghijkl\n")
    settings = read({"token": {"file": str(path)}, "spare": {"env": "T"}}, {"T": "mnopqr"})
    assert sorted(secrets_of(settings)) == ["ghijkl", "mnopqr"]


@pytest.mark.parametrize(
    ("table", "text", "fix"),
    [
        ({"token": "inline"}, "must not stand in the file", '{ env = "NAME" }'),
        ({"token": {"env": "TOKEN"}, "spare": "x"}, "spare is a secret", "env"),
        ({"token": {"env": "NOPE"}}, "NOPE is not set", "set NOPE"),
        ({"token": {"file": "/no/such/file"}}, "cannot be read", ""),
        ({"token": {"env": "TOKEN"}, "lvl": 2}, "did you mean 'level'?", "known keys: token"),
        ({"token": {"env": "TOKEN"}, "level": "high"}, "level:", "correct"),
        ({}, "token: Field required", ""),
    ],
)
def test_bad_settings_name_the_key(table, text, fix):
    with pytest.raises(ConfigError) as caught:
        read(table, {"TOKEN": "abcdef"})
    assert text in says(caught)
    assert fix in caught.value.fix
    assert "inline" not in says(caught)
    assert "abcdef" not in says(caught)


def test_the_core_names_no_plugin():
    code = (
        "import sys, argus_core.gateway as g; "
        "print([m for m in sys.modules if m.startswith('argus_') and "
        "not m.startswith('argus_core')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
