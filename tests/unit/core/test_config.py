"""plugins.toml: what it may say, and how it says that something is wrong."""

from pathlib import Path

import pytest

from argus_core.config import Config
from argus_core.errors import ConfigError

GOOD = """
[server]
port = 9000

[sources.a]
plugin = "demo"
seed = 3
[sources.b]
plugin = "demo"
[sources.c]
plugin = "demo"
enabled = false

[pools.ab]
sources = ["a", "b"]
balancer = "weighted"
weights = { a = 2 }

[routes]
default = ["ab", "c"]
bars = ["c"]
[[routes.bars_rules]]
markets = ["SHFE"]
periods = ["1m"]
pools = ["ab"]

[caches.l1]
plugin = "memory"
max_mb = 16
"""


def load(tmp_path, text, environ=None):
    path = tmp_path / "plugins.toml"
    path.write_text(text, encoding="utf-8")
    return Config.load(path, environ or {})


def test_a_good_file(tmp_path):
    config = load(tmp_path, GOOD)
    assert config.server.port == 9000
    assert config.server.host == "127.0.0.1"
    assert config.server.loopback
    assert config.server.data_dir == tmp_path / "data"
    assert config.sources["a"].settings == {"seed": 3}
    assert list(config.enabled) == ["a", "b"]
    assert config.pools["ab"].weights == {"a": 2}
    assert config.routes.default == ("ab", "c")
    assert config.routes.by_dataset == {"bars": ("c",)}
    assert config.routes.rules["bars"][0].pools == ("ab",)
    assert config.auth.plugins == ("open",)


def test_without_routes_the_written_order_is_the_route(tmp_path):
    text = GOOD[: GOOD.index("[routes]")]
    assert load(tmp_path, text).routes.default == ("ab",)
    lone = '[sources.x]\nplugin="demo"\n[sources.y]\nplugin="demo"\n'
    assert load(tmp_path, lone).routes.default == ("x", "y")


@pytest.mark.parametrize(
    ("environ", "host", "port"),
    [
        ({}, "127.0.0.1", 9000),
        ({"ARGUS_PORT": "9001"}, "127.0.0.1", 9001),
        ({"QMT_DATA_AGENT_PORT": "9002"}, "127.0.0.1", 9002),
        ({"QMT_DATA_AGENT_PORT": "9002", "ARGUS_PORT": "9001"}, "127.0.0.1", 9001),
        ({"ARGUS_HOST": "::1"}, "::1", 9000),
        ({"ARGUS_PORT": ""}, "127.0.0.1", 9000),
    ],
)
def test_the_environment_overrides_the_file(tmp_path, environ, host, port):
    server = load(tmp_path, GOOD, environ).server
    assert (server.host, server.port) == (host, port)


def test_the_command_line_overrides_the_environment(tmp_path):
    config = load(tmp_path, GOOD, {"ARGUS_PORT": "9001"}).with_server(port=9003, host=None)
    assert (config.server.port, config.server.host) == (9003, "127.0.0.1")
    with pytest.raises(ConfigError, match="port"):
        config.with_server(port=70000)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("db.x", False)],
)
def test_loopback(tmp_path, host, loopback):
    assert load(tmp_path, GOOD).with_server(host=host).server.loopback is loopback


@pytest.mark.parametrize(
    ("text", "says", "where"),
    [
        ("[sorces.a]\nplugin='x'", "did you mean 'sources'", "plugins.toml"),
        ("[server]\nprt = 1", "did you mean 'port'", "[server]"),
        ("[server]\nport = 'eighty'", "port", "[server]"),
        ("[server]\nport = 99999", "port", "[server]"),
        ("[sources.a]\nenabled = true", "plugin", "[sources.a]"),
        ("[sources.a]\nplugin='x'\nrequired='maybe'", "required", "[sources.a]"),
        (
            "[sources.a]\nplugin='x'\n[pools.a]\nsources=['a']",
            "both a source and a pool",
            "pools.a",
        ),
        ("[pools.p]\nsources=['nope']", "'nope' is neither", "[pools.p]"),
        ("[pools.p]\nsources=[]", "sources", "[pools.p]"),
        (
            "[sources.a]\nplugin='x'\n[sources.b]\nplugin='x'\n[pools.p]\nsources=['a','b']",
            "balancer",
            "[pools.p]",
        ),
        (
            "[sources.a]\nplugin='x'\n[pools.p]\nsources=['a','a']\nbalancer='random'",
            "twice",
            "[pools.p]",
        ),
        (
            "[sources.a]\nplugin='x'\n[pools.p]\nsources=['a']\nweights={b=1}",
            "'b'",
            "[pools.p]",
        ),
        (
            "[sources.a]\nplugin='x'\n[pools.p]\nsources=['a']\nweights={a=0}",
            "more than 0",
            "[pools.p]",
        ),
        ("[sources.abc]\nplugin='x'\n[routes]\ndefault=['abd']", "did you mean 'abc'", "default"),
        ("[routes]\nquote=['a']", "did you mean 'quotes'", "[routes]"),
        ("[auth]\nplugin=['open']", "did you mean 'plugins'", "[auth]"),
        ("[auth]\nplugins=[]", "plugins", "[auth]"),
        ("[auth.jwt]\nx=1", "unknown key 'jwt'", "[auth]"),
        ("x = [", "not valid TOML", "plugins.toml"),
        (
            "[sources.a]\nplugin='x'\n[[routes.bars_rules]]\nmarkets=['MARS']\npools=['a']",
            "SH",
            "rules",
        ),
        (
            "[sources.a]\nplugin='x'\n[[routes.bars_rules]]\nmarket=['SH']\npools=['a']",
            "did you mean 'markets'",
            "rules",
        ),
    ],
)
def test_mistakes_name_what_where_and_how(tmp_path, text, says, where):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert says in str(caught.value)
    assert where in caught.value.where
    assert "Traceback" not in str(caught.value)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="no configuration file") as caught:
        Config.load(tmp_path / "none.toml", {})
    assert "argus demo" in caught.value.fix


def test_a_file_that_cannot_be_read(tmp_path):
    path = tmp_path / "plugins.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.load(path, {})
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.load(Path(tmp_path), {})
