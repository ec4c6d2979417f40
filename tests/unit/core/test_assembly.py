"""Building the parts: what a plugin's class does wrong is told, without any secret."""

from random import Random

import pytest
from support.distribution import install

from argus_core import Balancer
from argus_core.assembly import assemble
from argus_core.clock import Clock
from argus_core.config import Config
from argus_core.errors import ConfigError, PluginError
from argus_core.extend.balancer import timed

SOURCE = """
    from pydantic import SecretStr
    from argus_core import Balancer, Settings, Source, hookimpl
    from argus_core.errors import ConfigError

    class Touchy(Source):
        class Settings(Settings):
            token: SecretStr | None = None
            fault: str = ""

        def __init__(self, name, settings, clock):
            super().__init__(name, settings, clock)
            token = settings.token.get_secret_value() if settings.token else "nothing"
            if settings.fault == "config":
                raise ConfigError(f"{token} has expired", where="there", fix=f"renew {token}")
            if settings.fault == "exit":
                raise SystemExit("the SDK gives up")
            if settings.fault:
                raise RuntimeError(f"{token} was refused")

    class Choosy(Balancer):
        def __init__(self, random):
            raise RuntimeError("no choice")

    @hookimpl
    def register_source():
        return Touchy

    @hookimpl
    def register_balancer():
        return Choosy
"""
TOKEN = {"env": "TOKEN"}


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, dist="t", module="touchy_module", source=SOURCE, entry="touchy")


def build(table, **more):
    config = Config.parse(table, {"TOKEN": "s3cret"}, **more)
    return assemble(config, clock=Clock(), random=Random(1))


def sources(**keys):
    return {"sources": {"a": {"plugin": "touchy", **keys}}}


def test_a_constructor_that_raises_is_a_plugin_error_without_the_secret():
    with pytest.raises(PluginError) as caught:
        build(sources(token=TOKEN, fault="yes"))
    assert caught.value.message == "Touchy cannot be made: RuntimeError: *** was refused"
    assert caught.value.where == "plugins.toml, [sources.a]"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_the_chain_stays_where_it_tells_no_secret():
    with pytest.raises(PluginError, match="nothing was refused") as caught:
        build(sources(fault="yes"))
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_constructor_that_ends_the_process_is_told_too():
    with pytest.raises(PluginError, match="SystemExit: the SDK gives up"):
        build(sources(fault="exit"))


def test_what_a_plugin_says_about_its_configuration_keeps_its_words():
    with pytest.raises(ConfigError) as caught:
        build(sources(token=TOKEN, fault="config"))
    error = caught.value
    assert (error.message, error.where, error.fix) == ("*** has expired", "there", "renew ***")


def test_an_optional_source_is_down_for_the_same_reason():
    (node,) = build(sources(token=TOKEN, fault="yes", required=False)).nodes.values()
    assert node.down == "Touchy cannot be made: RuntimeError: *** was refused"


def test_a_balancer_that_cannot_be_made_is_told():
    pool = {"pools": {"p": {"sources": ["a"], "balancer": "touchy"}}}
    with pytest.raises(PluginError, match="Choosy cannot be made: RuntimeError: no choice") as got:
        build({**sources(), **pool})
    assert got.value.where == "plugins.toml, [pools.p]"


class Plain(Balancer):
    """It knows nothing of clocks."""


class Chatty(Balancer):
    def __init__(self, random):
        self.dice, self.clock = random, "tick"


class Method(Balancer):
    def clock(self):
        return 12


class Property(Balancer):
    clock = property(lambda self: 12)


def test_a_balancer_gets_the_clock_of_the_gateway_unless_it_has_something_of_that_name():
    clock = Clock()
    assert timed(Plain(Random(1)), clock).clock is clock
    assert timed(Chatty(Random(1)), clock).clock == "tick"
    assert timed(Method(Random(1)), clock).clock() == 12
    assert timed(Property(Random(1)), clock).clock == 12
    assert isinstance(Plain(Random(1)).clock, Clock), "a balancer alone has one too"


def test_balancers_are_built_with_the_clock():
    clock = Clock()
    pools = {"p": {"sources": ["a"], "balancer": "random"}}
    table = {**sources(), "pools": pools, "routes": {"default": ["p"]}}
    parts = assemble(Config.parse(table, {}), clock=clock, random=Random(1))
    ((_, (pool,)),) = parts.routes.every()
    assert pool.balancer.clock is clock


def test_the_parts_know_every_secret(tmp_path):
    (tmp_path / "token").write_text("from-a-file")
    table = {
        "sources": {
            "a": {"plugin": "touchy", "token": {"file": "token"}},
            "b": {"plugin": "touchy", "fault": "", "token": TOKEN},
        }
    }
    assert build(table, directory=tmp_path).secrets == {"from-a-file", "s3cret"}


def test_a_source_and_a_cache_may_share_a_name():
    parts = build({**sources(), "caches": {"a": {"plugin": "memory"}}})
    assert list(parts.nodes) == [level.name for level in parts.levels] == ["a"]
