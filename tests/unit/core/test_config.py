"""plugins.toml: what it may say, and how it says that something is wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core.cache_tables import DEFAULT_RULES
from argus_core.config import Config
from argus_core.errors import ConfigError

FOUR = "".join(f"[caches.{name}]\nplugin='x'\n" for name in "abcd")

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
            "markets, item 1: Input should be 'SH'",
            "[[routes.bars_rules]] number 1",
        ),
        (
            "[sources.a]\nplugin='x'\n[[routes.bars_rules]]\nmarket=['SH']\npools=['a']",
            "did you mean 'markets'",
            "[[routes.bars_rules]] number 1",
        ),
        (
            "[[routes.bars_rules]]\npools=['a']\n[[routes.bars_rules]]\nperiods=['1m']\npools=[]",
            "pools",
            "[[routes.bars_rules]] number 2",
        ),
        ("[[routes.bar_rules]]\npools=['a']", "did you mean 'bars_rules'", "[routes]"),
        ("[routes]\nbars_rules = 5", "[[routes.bars_rules]]", "[routes]"),
        ("[routes]\nbars_rules = [5]", "must be a table", "[[routes.bars_rules]] number 1"),
        ("[routes]\ndefault = []", "default", "[routes]"),
        ("[routes]\nbars = []", "bars", "[routes]"),
        ("[routes]\ndefault = 'demo'", 'default = ["demo"]', "[routes]"),
        ("[routes]\ndefault = 'demo'", "default must be a list", "[routes]"),
        ("[routes]\ndefault = [5]", "default, item 1:", "[routes]"),
        ("server = 5", "must be a table", "[server]"),
        ("auth = 'open'", "must be a table", "[auth]"),
        ("[auth]\nopen = 5", "[auth.open]", "[auth]"),
        ("[routes]\nbars = { order = 'quality' }", "pools", "[routes.bars]"),
        ("[routes]\nbars = { pools = ['a'], order = 'best' }", "order", "[routes.bars]"),
        ("routes = 5", "must be a table", "[routes]"),
        ("sources = []", "must be a table", "[sources]"),
        ("[[sources]]\nplugin='x'", "must be a table", "[sources]"),
        ("[sources]\nx = 3", "must be a table", "[sources.x]"),
        ("[caches]\nx = 3", "must be a table", "[caches.x]"),
        ("[alerters]\nx = [1]", "must be a table", "[alerters.x]"),
        ("[pools]\nx = 3", "must be a table", "[pools.x]"),
        ("[pools.p]\nsources = 'a'", 'write sources = ["a"]', "[pools.p]"),
        ("[pools.p]\nsources = ['a']\nweights = 5", "weights must be a table", "[pools.p]"),
        ("[cache_rules.LATEST]\nttl = 3", "did you mean 'LATEST_DATA'", "[cache_rules.LATEST]"),
        ("cache_rules = 5", "must be a table", "[cache_rules]"),
        ("[cache_rules]\nBASIC_INFO = 5", "must be a table", "[cache_rules.BASIC_INFO]"),
        ("[cache_rules.BASIC_INFO]\ntll = 3", "did you mean 'ttl'", "[cache_rules.BASIC_INFO]"),
        ("[cache_rules.BASIC_INFO]\nttl = 0", "ttl: ", "[cache_rules.BASIC_INFO]"),
        ("[cache_rules.BASIC_INFO]\nttl = nan", "ttl: ", "[cache_rules.BASIC_INFO]"),
        ("[cache_rules.BASIC_INFO]\nttl = 1e300", "ttl: ", "[cache_rules.BASIC_INFO]"),
        ("[cache_rules.BASIC_INFO]\nttl = 'long'", "ttl: ", "[cache_rules.BASIC_INFO]"),
        ("[cache_rules.BASIC_INFO]\nmax_size = 0", "max_size: ", "[cache_rules.BASIC_INFO]"),
        (
            "[cache_rules.BASIC_INFO]\nlevel = 'L4'",
            "'L1', 'L2' or 'L3'",
            "[cache_rules.BASIC_INFO]",
        ),
        ("[cache_rules.BASIC_INFO]\npriority = 1", "priority: ", "[cache_rules.BASIC_INFO]"),
        ("[cache_rules.BASIC_INFO]\nstale_if_error = -1", "stale_if_error", "BASIC_INFO"),
        ("[cache_rules.BASIC_INFO]\nstale_while_revalidate = inf", "stale_while", "BASIC_INFO"),
        ("[cache_rules.BASIC_INFO]\nnegative_ttl = -1", "negative_ttl", "BASIC_INFO"),
        (FOUR, "3 tiers at most: nothing would ever be written to 'd'", "[caches.d]"),
        (FOUR + "[caches.e]\nplugin='x'\n", "written to 'd', 'e'", "[caches.d]"),
        ("[history]\npth = 'x'", "did you mean 'path'", "[history]"),
        ("[history]\nsettle_hours = 49", "settle_hours: ", "[history]"),
        ("[history]\nsilent_days = -1", "silent_days: ", "[history]"),
        ("history = 'here'", "must be a table", "[history]"),
        ("[warmup]\nsymbol = ['600519.SH']", "did you mean 'symbols'", "[warmup]"),
        ("[warmup]\nsymbols = '600519.SH'", 'symbols = ["600519.SH"]', "[warmup]"),
        ("[warmup]\nsymbols = ['sh600519', 'teapot!']", "'teapot!'", "[warmup]"),
        ("[warmup]\nsymbols = ['000001']", "000001.SH (index), 000001.SZ (stock)", "[warmup]"),
        ("[warmup]\ndatasets = ['quote']", "datasets, item 1", "[warmup]"),
        ("[warmup]\nperiods = ['1d', '2m']", "periods, item 2", "[warmup]"),
        ("[warmup]\nminutes_before_open = 0", "minutes_before_open: ", "[warmup]"),
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


@pytest.mark.parametrize("section", ["sources", "pools", "caches", "alerters"])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("x" * 65, "longer than 64"),
        ("a\nb", "control"),
        ("a\x7f", "control"),
        ("a\u202eb", "control"),
    ],
)
def test_names_must_be_fit_to_print(section, name, says):
    with pytest.raises(ConfigError, match=says) as caught:
        Config.parse({section: {name: {"plugin": "x"}}}, {})
    assert caught.value.where == f"plugins.toml, [{section}]"
    assert not any(c in str(caught.value.message) for c in "\x7f\u202e\n")


def test_names_may_be_in_any_script():
    names = ["x" * 64, "主源", "a.b c-d"]
    config = Config.parse({"sources": {name: {"plugin": "x"} for name in names}}, {})
    assert config.routes.default == tuple(names)


def test_a_configuration_knows_its_directory(tmp_path):
    assert load(tmp_path, GOOD).directory == tmp_path


def test_the_rules_of_the_caches_are_the_defaults_with_what_the_file_says(tmp_path):
    assert load(tmp_path, GOOD).cache_rules == DEFAULT_RULES
    text = (
        "[cache_rules.LATEST_DATA]\nttl = 7\nlevel = 'L1'\n[cache_rules.BASIC_INFO]\nmax_size = 9"
    )
    rules = load(tmp_path, text).cache_rules
    latest, basic = DEFAULT_RULES["LATEST_DATA"], DEFAULT_RULES["BASIC_INFO"]
    assert rules["LATEST_DATA"] == latest.model_copy(update={"ttl": 7.0, "level": "L1"})
    assert rules["BASIC_INFO"] == basic.model_copy(update={"max_size": 9})
    assert rules["HISTORY_DATA"] == DEFAULT_RULES["HISTORY_DATA"]


@pytest.mark.parametrize(
    ("text", "given", "ttl"),
    [
        ("", "7.5", 7.5),
        ("", "", 3),
        ("[cache_rules.LATEST_DATA]\nmax_size = 9", "7", 7),
        # A default is what holds where the file says nothing.
        ("[cache_rules.LATEST_DATA]\nttl = 9", "7", 9),
    ],
)
def test_the_environment_sets_the_default_life_of_the_latest_data(tmp_path, text, given, ttl):
    rules = load(tmp_path, text, {"CACHE_TTL_DEFAULT": given}).cache_rules
    assert rules["LATEST_DATA"].ttl == ttl
    assert rules["HISTORY_DATA"] == DEFAULT_RULES["HISTORY_DATA"]
    assert rules["BASIC_INFO"] == DEFAULT_RULES["BASIC_INFO"]
    assert DEFAULT_RULES["LATEST_DATA"].ttl == 3


@pytest.mark.parametrize("given", ["soon", "0", "-3", "nan", "inf", "1e300", " "])
@pytest.mark.parametrize("text", ["", "[cache_rules.LATEST_DATA]\nttl = 9"])
def test_a_life_in_the_environment_that_is_none_is_refused_by_name(tmp_path, text, given):
    with pytest.raises(ConfigError, match="CACHE_TTL_DEFAULT") as caught:
        load(tmp_path, text, {"CACHE_TTL_DEFAULT": given})
    assert caught.value.where == "the environment"
    assert "CACHE_TTL_DEFAULT=3" in caught.value.fix


def test_the_archive_lies_beside_the_file_or_where_it_says(tmp_path):
    assert load(tmp_path, GOOD).history is None
    kept = load(tmp_path, "[history]").history
    assert kept.path == tmp_path / "data" / "history"
    assert (kept.settle_hours, kept.silent_days, kept.verify) == (3, 4, True)
    assert load(tmp_path, "[history]\npath = 'a/b'").history.path == tmp_path / "a" / "b"
    away = tmp_path.parent / "elsewhere"
    assert load(tmp_path, f"[history]\npath = '{away.as_posix()}'").history.path == away


def test_symbols_to_warm_may_be_spelled_as_usual(tmp_path):
    assert load(tmp_path, GOOD).warmup is None
    text = "[warmup]\nsymbols = ['sh600519', 'RB2410.SHFE', '600519.XSHG', '000001.SZ']"
    assert load(tmp_path, text).warmup.symbols == ("600519.SH", "rb2410.SHFE", "000001.SZ")


KNOWN = [
    *("server", "auth", "sources", "pools", "routes", "caches", "alerters", "host", "port"),
    *("data_dir", "plugins", "plugin", "enabled", "required", "balancer", "weights", "default"),
    *("bars", "quotes", "bars_rules", "markets", "periods", "a", "b", "p", "open", "where"),
    *("environ", "directory", "cache_rules", "history", "warmup", "LATEST_DATA", "ttl", "level"),
    *("path", "settle_hours", "symbols", "datasets", "days"),
]
KEYS = st.sampled_from(KNOWN) | st.text(max_size=3)
SCALARS = (
    st.integers()
    | st.floats()
    | st.booleans()
    | st.datetimes()
    | st.dates()
    | st.text(max_size=4)
    | st.sampled_from(["a", "b", "p", "demo", "SH", "1m", "random"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.lists(st.sampled_from(["a", "b", "p"]), max_size=2) | VALUES
NAMED = st.dictionaries(
    st.sampled_from(["a", "b", "p"]), st.fixed_dictionaries({"plugin": VALUES}) | VALUES, max_size=3
)
RULE = st.fixed_dictionaries({"pools": NAMES}, optional={"markets": VALUES, "periods": VALUES})
TABLES = st.fixed_dictionaries(
    {},
    optional={
        "server": st.dictionaries(KEYS, VALUES, max_size=3) | VALUES,
        "auth": st.fixed_dictionaries({}, optional={"plugins": VALUES, "open": VALUES}) | VALUES,
        "sources": NAMED | VALUES,
        "pools": st.dictionaries(
            st.just("p"),
            st.fixed_dictionaries({"sources": NAMES}, optional={"weights": VALUES}),
        ),
        "routes": st.fixed_dictionaries(
            {}, optional={"default": NAMES, "bars_rules": st.lists(RULE, max_size=2) | VALUES}
        )
        | VALUES,
        "caches": NAMED | VALUES,
        "cache_rules": st.dictionaries(
            st.sampled_from(["LATEST_DATA", "BASIC_INFO", "a"]),
            st.dictionaries(KEYS, VALUES, max_size=3) | VALUES,
            max_size=2,
        ),
        "history": st.dictionaries(KEYS, VALUES, max_size=3) | VALUES,
        "warmup": st.fixed_dictionaries({}, optional={"symbols": VALUES, "days": VALUES}) | VALUES,
    },
)


@given(TABLES | st.dictionaries(KEYS, VALUES, max_size=4))
def test_whatever_stands_there_is_a_configuration_or_an_explained_mistake(table):
    try:
        made = Config.parse(table, {})
    except ConfigError as error:
        made = error
    assert isinstance(made, Config) or (made.where.startswith("plugins.toml") and made.fix)


# -- pools' limits, server nodes, reading again ---------------------------------------------------

LONE = {"sources": {"one": {"plugin": "demo"}}, "pools": {"p": {"sources": ["one"]}}}


def test_the_environment_gives_the_defaults_of_every_pool():
    environ = {"POOL_MIN_SIZE": "5", "POOL_MAX_SIZE": "50", "POOL_AUTO_SCALE": "false"}
    table = {**LONE, "pools": {**LONE["pools"], "q": {"sources": ["one"], "max_size": 7}}}
    config = Config.parse(table, environ)
    limits = config.pools["p"], config.pools["q"], config.pool_limits
    assert [one.min_size for one in limits] == [5, 5, 5]
    assert [one.max_size for one in limits] == [50, 7, 50]
    assert [one.auto_scale for one in limits] == [False] * 3


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"POOL_MIN_SIZE": "many"}, "POOL_MIN_SIZE='many': min_size"),
        ({"POOL_MAX_SIZE": "0"}, "POOL_MAX_SIZE='0': max_size"),
        ({"POOL_MIN_SIZE": "500"}, "min_size 500 is more than max_size 64"),
        ({"POOL_AUTO_SCALE": "perhaps"}, "auto_scale"),
    ],
)
def test_bad_defaults_of_pools_are_told(environ, words):
    with pytest.raises(ConfigError, match=words) as caught:
        Config.parse(LONE, environ)
    assert caught.value.where == "the environment"
    assert "POOL_MAX_SIZE" in caught.value.fix


def test_a_pool_that_the_environment_contradicts_says_so():
    table = {**LONE, "pools": {"p": {"sources": ["one"], "max_size": 3}}}
    with pytest.raises(ConfigError, match="min_size 5 is more") as caught:
        Config.parse(table, {"POOL_MIN_SIZE": "5"})
    assert "POOL_MIN_SIZE of the environment" in caught.value.where


def test_the_key_of_server_nodes_is_a_reference_and_no_text():
    nodes = {"allow": ["a:1"], "key": {"env": "KEY"}}
    config = Config.parse({**LONE, "server_nodes": nodes}, {})
    assert config.server_nodes_key == {"env": "KEY"}
    with pytest.raises(ConfigError, match="must not stand in the file"):
        Config.parse({**LONE, "server_nodes": {**nodes, "key": "plain"}}, {})


def test_three_caches_are_taken_and_a_fourth_stops_a_reload_too(tmp_path):
    three, fourth = FOUR.split("[caches.d]")
    path = tmp_path / "plugins.toml"
    path.write_text(three, encoding="utf-8")
    config = Config.load(path, {})
    assert list(config.caches) == ["a", "b", "c"]
    path.write_text(f"{three}[caches.d]{fourth}", encoding="utf-8")
    with pytest.raises(ConfigError, match="3 tiers at most") as caught:
        config.again()
    assert "they are L1, L2, L3" in caught.value.fix
