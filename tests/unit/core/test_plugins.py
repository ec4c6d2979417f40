"""Finding, loading and configuring plugins, and saying what is wrong with one."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AnyUrl, BaseModel, Field, RootModel, SecretBytes, SecretStr, field_validator
from support.distribution import install

from argus_core import Settings, Source
from argus_core.errors import ConfigError, PluginError
from argus_core.plugins import Plugins, installed, offering, read_settings
from argus_core.telemetry.redact import Redactor
from argus_core.telemetry.secrets import Secrets

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


def alone(name):
    (found,) = [plugin for plugin in installed() if plugin.name == name]
    return found


@pytest.mark.parametrize("source", [b"def broken(:", b"x = '\xff\xfe'", b"x = '\0'", b"(" * 500])
def test_a_plugin_that_cannot_be_parsed_is_listed_with_the_reason(make, source):
    root = make("", module="broken_module", entry="broken", dist="broken-dist")
    (root / "broken_module.py").write_bytes(source)
    found = alone("broken")
    assert (found.kinds, found.offers, found.version) == ((), (), "1.0")
    assert found.error
    assert {"demo", "memory"} <= {p.name for p in installed() if p.kinds and p.error is None}
    assert "demo" in offering("bars")
    Plugins().load("balancer", "round_robin", WHERE)
    with pytest.raises(PluginError, match="round_robin"):
        Plugins().load("balancer", "memory", WHERE)


def test_a_plugin_whose_files_cannot_be_read_is_listed_too(make, tmp_path):
    root = make("", module="gone_module", entry="gone", dist="gone-dist")
    (root / "gone_module.py").unlink()
    assert "gone_module" in alone("gone").error
    package = root / "gone_module"
    (package / "inner.py").mkdir(parents=True)  # unreadable even for root
    (package / "__init__.py").write_text("")
    assert "IsADirectoryError" in alone("gone").error


def test_a_source_file_may_declare_its_encoding(make):
    root = make("", module="old_module", entry="old", dist="old-dist")
    text = "# -*- coding: gbk -*-\n# 行情\ndef register_source(): ...\n"
    (root / "old_module.py").write_bytes(text.encode("gbk"))
    assert (alone("old").kinds, alone("old").error) == (("source",), None)


def test_a_module_inside_a_package_is_read(make):
    root = make("", module="deep_module", entry="deep", dist="deep-dist")
    (root / "deep_module.py").unlink()
    inner = root / "deep_module" / "inner"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").write_text("")
    (inner / "__init__.py").write_text("def register_cache(): ...\n")
    names = root / "deep_dist-1.0.dist-info" / "entry_points.txt"
    names.write_text("[argus]\ndeep = deep_module.inner\n")
    assert (alone("deep").kinds, alone("deep").error) == (("cache",), None)


def test_offering_is_scanned_once_per_import_path(make, monkeypatch):
    before = offering("quotes")
    assert "tiny" not in before
    make(GOOD)
    assert offering("quotes") == tuple(sorted({*before, "tiny"}))
    monkeypatch.setattr("argus_core.plugins.installed", lambda: pytest.fail("scanned again"))
    assert "tiny" not in offering("bars")


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
            def register_source():
                raise KeyError("sdk")
            """,
            "KeyError: 'sdk'",
        ),
        ("raise SystemExit('no licence')", "SystemExit: no licence"),
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


def read(table, environ=None, *, cls=Settled, directory=Path("/nowhere")):
    secrets = Secrets(environ or {}, directory)
    return read_settings(cls, table, where=WHERE, secrets=secrets), secrets.known


def test_secrets_come_from_the_environment_or_a_file(tmp_path):
    settings, _ = read({"token": {"env": "TOKEN"}}, {"TOKEN": "abcdef"})
    assert settings.token.get_secret_value() == "abcdef"
    assert "abcdef" not in repr(settings)
    path = tmp_path / "token"
    path.write_text("ghijkl\n")
    table = {"token": {"file": str(path)}, "spare": {"env": "T"}}
    settings, known = read(table, {"T": "mnopqr"})
    assert settings.token.get_secret_value() == "ghijkl"
    assert known == {"ghijkl", "mnopqr"}


def test_a_relative_secret_file_lies_beside_plugins_toml(tmp_path):
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbfghijkl\r\n")
    settings, _ = read({"token": {"file": "token"}}, directory=tmp_path)
    assert settings.token.get_secret_value() == "ghijkl"


@pytest.mark.parametrize(
    ("content", "text"), [(b"", "is empty"), (b" \n", "is empty"), (b"\xff", "cannot be read")]
)
def test_a_secret_file_without_a_secret_is_refused(tmp_path, content, text):
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigError, match=text) as caught:
        read({"token": {"file": "token"}}, directory=tmp_path)
    assert str(tmp_path / "token") in says(caught)
    assert caught.value.where == f"{WHERE} token"


class Legacy(Source):
    class Settings(Settings):
        port: int | None = Field(default=None, json_schema_extra={"environment": "OLD_PORT"})
        token: SecretStr = Field(
            default=SecretStr("none"), json_schema_extra={"environment": "OLD_TOKEN"}
        )
        shown: str = Field(default="", json_schema_extra={"examples": ["OLD_PORT"]})


def test_a_field_that_names_a_variable_is_set_by_it_over_the_table():
    given = {"OLD_PORT": "7000", "OLD_TOKEN": "abcdef"}
    settings, known = read({"port": 6000}, given, cls=Legacy)
    assert settings.port == 7000
    assert settings.token.get_secret_value() == "abcdef"
    assert known == {"abcdef"}, "a port is no secret: messages may name it"


@pytest.mark.parametrize("environ", [{}, {"OLD_PORT": ""}, {"OLD_PORT": "  "}])
def test_a_variable_that_is_not_set_leaves_the_table_alone(environ):
    settings, _ = read({"port": 6000}, environ, cls=Legacy)
    assert settings.port == 6000
    assert read({}, environ, cls=Legacy)[0].port is None


def test_a_variable_with_nonsense_is_named_in_the_error():
    with pytest.raises(ConfigError, match="port") as caught:
        read({}, {"OLD_PORT": "many"}, cls=Legacy)
    assert caught.value.where == f"{WHERE}, with OLD_PORT of the environment"


class Login(BaseModel):
    model_config = {"extra": "forbid"}
    user: str
    password: SecretStr
    file: str = ""


class Hosts(RootModel[list[Login]]):
    pass


class Nested(Source):
    class Settings(Settings):
        url: str = ""
        level: int = 0
        login: Login | None = None
        key: Annotated[SecretStr, Field(min_length=1)] | None = None
        keys: tuple[SecretStr, ...] | list[SecretStr] = ()
        listed: list[int] | None = None
        raw: SecretBytes | None = None
        pair: tuple[str, SecretStr] | None = None
        named: dict[str, SecretStr] | None = None
        hosts: Hosts | None = None
        proxy: AnyUrl | None = None
        anything: dict[str, object] | None = None


def test_secrets_are_looked_up_at_any_depth():
    ref = {"env": "S"}
    table = {
        "login": {"user": ref, "password": ref, "file": "log.txt"},
        "key": ref,
        "keys": [ref, ref],
        "raw": ref,
        "pair": ["plain", ref],
        "named": {"a": ref},
        "hosts": [{"user": "u", "password": ref}],
        "anything": {"deep": [{"deeper": ref}]},
    }
    settings, known = read(table, {"S": "s3cret"}, cls=Nested)
    assert settings.login.password.get_secret_value() == "s3cret"
    assert settings.login.user == "s3cret"
    assert settings.login.file == "log.txt"
    assert [key.get_secret_value() for key in settings.keys] == ["s3cret"] * 2
    assert settings.raw.get_secret_value() == b"s3cret"
    assert settings.pair[0] == "plain"
    assert settings.anything == {"deep": [{"deeper": "s3cret"}]}
    assert known == {"s3cret"}


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"key": "hunter2"}, "key"),
        ({"key": ["hunter2"]}, "key"),
        ({"key": {"env": "S", "x": 1}}, "key"),
        ({"key": 12345}, "key"),
        ({"raw": "hunter2"}, "raw"),
        ({"login": {"user": "u", "password": "hunter2"}}, "login.password"),
        ({"keys": [{"env": "S"}, "hunter2"]}, "keys, item 2"),
        ({"pair": ["u", "hunter2"]}, "pair, item 2"),
        ({"named": {"a": "hunter2"}}, "named.a"),
        ({"hosts": [{"user": "u", "password": "hunter2"}]}, "hosts, item 1.password"),
    ],
)
def test_a_secret_in_the_file_is_refused_at_any_depth(table, key):
    with pytest.raises(ConfigError) as caught:
        read(table, {"S": "s3cret"}, cls=Nested)
    assert caught.value.message == f"{key} is a secret and must not stand in the file"
    assert caught.value.where == WHERE
    assert "hunter2" not in says(caught)


def test_a_nested_mistake_names_the_whole_key():
    with pytest.raises(ConfigError, match=r"unknown key 'login\.pasword'; did you") as caught:
        read({"login": {"user": "u", "pasword": 1}}, cls=Nested)
    assert caught.value.fix == "known keys: user, password, file"
    assert caught.value.where == WHERE
    with pytest.raises(ConfigError, match="login must be a table") as caught:
        read({"login": "hunter2"}, cls=Nested)
    assert "hunter2" not in says(caught)
    with pytest.raises(ConfigError, match="listed must be a list") as caught:
        read({"listed": {"env": "S"}}, {"S": "hunter2"}, cls=Nested)
    assert "hunter2" not in says(caught)


def test_whatever_was_looked_up_is_a_secret():
    table = {"url": {"env": "U"}, "level": {"env": "N"}}
    settings, known = read(table, {"U": "redis://:p%40ss@h:1/0", "N": "4711"}, cls=Nested)
    assert (settings.url, settings.level) == ("redis://:p%40ss@h:1/0", 4711)
    redactor = Redactor(known)
    for text in ("at redis://:p%40ss@h:1/0", "p@ss is wrong", "p%40ss is wrong", "level 4711"):
        assert "***" in redactor.text(text)


@pytest.mark.parametrize(
    ("url", "texts"),
    [
        ("http://u:hunter2@h/x", {"hunter2", "u:hunter2"}),
        ("redis://:hunter2@h", {"hunter2", ":hunter2"}),
        ("http://h:80/a@b", set()),
        ("http://key-as-user@h", {"key-as-user@"}),
        ("redis://:hun@ter@h", {"hun@ter", ":hun@ter"}),
        (
            "mongodb://a:first@h1,b:second@h2",
            {"first", "a:first", "second", "b:second", "first@h1,b:second"}
            | {"a:first@h1,b:second"},
        ),
    ],
)
def test_the_password_of_a_url_in_the_file_is_a_secret_too(url, texts):
    assert read({"url": url}, cls=Nested)[1] == texts
    assert read({"anything": {"x": [url]}}, cls=Nested)[1] == texts


def test_also_where_the_settings_hold_a_url_object():
    secrets = Secrets({}, Path())
    secrets.remember(Nested.Settings(proxy="http://u:hunter2@h/x"))
    assert "hunter2" in secrets.known


class Chatty(Source):
    class Settings(Settings):
        token: SecretStr

        @field_validator("token")
        @classmethod
        def _check(cls, value):
            raise ValueError(f"{value.get_secret_value()} is too short")


def test_a_validator_that_tells_the_secret_is_masked():
    with pytest.raises(ConfigError) as caught:
        read({"token": {"env": "S"}}, {"S": "s3cret"}, cls=Chatty)
    assert caught.value.message == "token: *** is too short"


@pytest.mark.parametrize(
    ("table", "text", "fix"),
    [
        ({"token": "inline"}, "must not stand in the file", '{ env = "NAME" }'),
        ({"token": {"env": "TOKEN"}, "spare": "x"}, "spare is a secret", "env"),
        ({"token": {"env": "NOPE"}}, "NOPE is not set", "set NOPE"),
        ({"token": {"env": "EMPTY"}}, "EMPTY is empty", "set EMPTY"),
        ({"token": {"env": "BLANK"}}, "BLANK is empty", "set BLANK"),
        ({"token": {"file": "a\0b"}}, "cannot be read", ""),
        ({"token": {"file": "/no/such/file"}}, "cannot be read", ""),
        ({"token": {"env": "TOKEN"}, "lvl": 2}, "did you mean 'level'?", "known keys: token"),
        ({"token": {"env": "TOKEN"}, "level": "high"}, "level:", "correct"),
        ({}, "token: Field required", ""),
    ],
)
def test_bad_settings_name_the_key(table, text, fix):
    with pytest.raises(ConfigError) as caught:
        read(table, {"TOKEN": "abcdef", "EMPTY": "", "BLANK": " "})
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
