"""Reloading: what changed is exchanged between two requests, a bad file changes nothing."""

import asyncio

import pytest
from support.clock import TestClock
from support.distribution import install
from support.sources import symbols

from argus_core.config import Config
from argus_core.control import control as control_module
from argus_core.errors import ArgusError, ConfigError
from argus_core.gateway import Gateway
from argus_core.model.ask import Ask, Deadline

A, B = symbols("600519.SH", "000001.SZ")

PLUGIN = """
    import asyncio
    from argus_core import Quote, Settings, Source, hookimpl
    from pydantic import SecretStr

    LOG = []
    HOLD = {}
    ASKED = asyncio.Event()

    class Toy(Source):
        class Settings(Settings):
            price: float = 10.0
            no_open: bool = False
            token: SecretStr | None = None

        async def open(self):
            if self.settings.no_open:
                LOG.append(("tried", self.name))
                raise RuntimeError("cannot log in")
            LOG.append(("open", self.name))

        async def close(self):
            LOG.append(("close", self.name))

        async def quotes(self, query):
            if self.name in HOLD:
                ASKED.set()
                await HOLD[self.name].wait()
            assert LOG.count(("close", self.name)) < LOG.count(("open", self.name)), "closed"
            return [Quote(symbol=s, price=self.settings.price, as_of=self.clock.now())
                    for s in query.symbols]

    @hookimpl
    def register_source():
        return Toy
"""


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture(autouse=True)
def toy(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, dist="toy-dist", module="toy_module", source=PLUGIN, entry="toy")
    import toy_module

    return toy_module


@pytest.fixture
def written(tmp_path):
    """Writes plugins.toml and gives its path."""

    def write(text):
        path = tmp_path / "plugins.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def ask(clock, seconds=5.0):
    return Ask(deadline=Deadline.within(seconds, clock))


async def price(argus, clock):
    answer = await argus.quotes((A,), ask(clock))
    return answer.data[A].price, answer.provenance[A].source


ONE = """
[sources.one]
plugin = "toy"
price = 1.0
"""
TWO = (
    ONE
    + """
[sources.two]
plugin = "toy"
price = 2.0
"""
)
POOLED = (
    TWO
    + """
[pools.both]
sources = ["one", "two"]
balancer = "round_robin"
[routes]
default = ["both"]
"""
)


async def test_what_is_added_answers_and_what_is_removed_is_closed(written, clock, toy):
    path = written(ONE)
    async with Gateway.from_toml(path, {}) as argus:
        assert await price(argus, argus.clock) == (1.0, "one")
        written(TWO + '[routes]\ndefault = ["two", "one"]\n')
        report = await argus.reload_from_file()
        assert report.added == ("sources.two",)
        assert report.changed == ("routes.default",)
        assert "sources.one" in report.kept
        assert await price(argus, argus.clock) == (2.0, "two")
        written(TWO.replace("[sources.one]", "[sources.other]"))
        report = await argus.reload_from_file()
        assert report.removed == ("sources.one",)
        await argus.control.settled()
        assert ("close", "one") in toy.LOG
        assert [status.name for status in argus.sources()] == ["other", "two"]
    assert toy.LOG.count(("open", "two")) == toy.LOG.count(("close", "two")) == 1
    assert not argus.control.opened.parts


async def test_what_did_not_change_is_kept_as_it_is(written, clock, toy):
    path = written(POOLED)
    async with Gateway.from_toml(path, {}) as argus:
        nodes, pools = dict(argus._parts.nodes), dict(argus._parts.routes.pools)
        written(POOLED.replace("price = 2.0", "price = 3.0") + '[pools.lone]\nsources = ["one"]\n')
        report = await argus.reload_from_file()
        assert report.changed == ("sources.two",)
        after = argus._parts
        assert after.nodes["one"] is nodes["one"]
        assert after.nodes["two"] is not nodes["two"]
        assert after.routes.pools["one"] is pools["one"]
        assert after.routes.pools["both"].balancer is pools["both"].balancer
        again = await argus.reload_from_file()
        assert (again.added, again.removed, again.changed) == ((), (), ())
        await argus.control.settled()
    assert [event for event in toy.LOG if event[1] == "one"] == [("open", "one"), ("close", "one")]


async def test_a_secret_that_changed_makes_a_new_session(written, clock, toy, tmp_path):
    secret = tmp_path / "token"
    secret.write_text("first-secret")
    path = written(ONE + 'token = { file = "token" }\n')
    async with Gateway.from_toml(path, {}) as argus:
        secret.write_text("second-secret")
        assert (await argus.reload_from_file()).changed == ("sources.one",)
        assert argus.redactor.text("first-secret second-secret") == "*** ***"
        await argus.control.settled()
    assert toy.LOG.count(("open", "one")) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sources.one", "TOML"),
        (ONE + '[pools.p]\nsources = ["nobody"]\n', "nobody"),
        (ONE + '[sources.x]\nplugin = "no_such"\n', "no_such"),
        (ONE + '[sources.x]\nplugin = "toy"\nprise = 3\n', "prise"),
        (ONE + '[caches.l1]\nplugin = "memory"\nmax_mb = "much"\n', "max_mb"),
        (ONE + '[sources.x]\nplugin = "demo"\n', "mixes simulated"),
        (ONE + '[sources.x]\nplugin = "toy"\nno_open = true\n', "cannot log in"),
        (ONE + "enabled = false\n", "no source is configured"),
        (ONE + '[server_nodes]\nallow = ["http://x"]\n', "allow"),
    ],
)
async def test_a_bad_file_is_refused_and_the_old_one_serves_on(written, clock, toy, text, words):
    path = written(ONE)
    async with Gateway.from_toml(path, {}) as argus:
        before = argus._parts.nodes["one"], argus.config
        written(text)
        with pytest.raises(ConfigError, match=words):
            await argus.reload_from_file()
        assert (argus._parts.nodes["one"], argus.config) == before
        assert await price(argus, argus.clock) == (1.0, "one")
        assert [part.name for part in argus.control.opened.parts] == ["one"]
    assert ("close", "x") in toy.LOG if "no_open" in text else True


async def test_one_that_opened_beside_one_that_did_not_is_closed_again(written, clock, toy):
    path = written(ONE)
    async with Gateway.from_toml(path, {}) as argus:
        written(TWO + '[sources.bad]\nplugin = "toy"\nno_open = true\n')
        with pytest.raises(ConfigError):
            await argus.reload_from_file()
        assert ("open", "two") in toy.LOG
        assert ("close", "two") in toy.LOG
        written(TWO + '[sources.bad]\nplugin = "toy"\nno_open = true\nrequired = false\n')
        await argus.reload_from_file()
        assert argus.health() == {"one": "healthy", "two": "healthy", "bad": "down"}
        # What is down is tried again by every reload.
        assert "sources.bad" in (await argus.reload_from_file()).changed
        assert toy.LOG.count(("tried", "bad")) == 3


async def test_tables_that_need_a_restart_are_named_and_not_applied(written, clock):
    path = written(ONE)
    async with Gateway.from_toml(path, {}) as argus:
        written(ONE + '[server]\nport = 9999\n[caches.l1]\nplugin = "memory"\n')
        report = await argus.reload_from_file()
        assert report.needs_restart == ("server", "caches")
        assert argus.config.server.port == 8001
        assert argus.config.caches == {}


async def test_cache_rules_and_authenticators_are_exchanged(written, clock):
    path = written(ONE)
    async with Gateway.from_toml(path, {}) as argus:
        written(ONE + '[cache_rules.LATEST_DATA]\nttl = 9\n[auth]\nplugins = ["api_key"]\n')
        report = await argus.reload_from_file()
        assert set(report.changed) == {"cache_rules.LATEST_DATA", "auth"}
        assert argus.cache.config().cache_rules["LATEST_DATA"].ttl == 9
        assert [one.name for one in argus.authenticators] == ["api_key"]


async def test_the_command_line_outlives_a_reload(written):
    config = Config.load(written(ONE), {}).with_server(port=9000)
    async with Gateway(config) as argus:
        report = await argus.reload_from_file()
        assert report.needs_restart == ()
        assert argus.config.server.port == 9000


async def test_a_gateway_without_a_file_says_so():
    config = Config.parse({"sources": {"one": {"plugin": "toy"}}}, {})
    async with Gateway(config) as argus:
        with pytest.raises(ConfigError, match="no configuration file"):
            await argus.reload_from_file()


async def test_calls_under_way_end_before_their_source_is_closed(written, toy):
    path = written(ONE)
    async with Gateway.from_toml(path, {}) as argus:
        toy.HOLD["one"] = asyncio.Event()
        asked = asyncio.create_task(price(argus, argus.clock))
        await toy.ASKED.wait()
        written(TWO.replace("[sources.one]", "[sources.other]"))
        await argus.reload_from_file()
        assert ("close", "one") not in toy.LOG
        toy.HOLD.pop("one").set()
        assert await asked == (1.0, "one")
        await argus.control.settled()
        assert ("close", "one") in toy.LOG


async def test_one_that_hangs_is_closed_all_the_same(written, toy, monkeypatch):
    monkeypatch.setattr(control_module, "DRAIN", 0.05)
    path = written(ONE)
    async with Gateway.from_toml(path, {}) as argus:
        toy.HOLD["one"] = asyncio.Event()
        asked = asyncio.create_task(price(argus, argus.clock))
        await toy.ASKED.wait()
        written(TWO.replace("[sources.one]", "[sources.other]"))
        await argus.reload_from_file()
        await argus.control.settled()
        assert ("close", "one") in toy.LOG
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked


async def test_no_request_fails_while_the_file_is_read_again_and_again(written, toy):
    texts = [
        POOLED,
        POOLED.replace("price = 2.0", "price = 3.0"),
        ONE.replace("one", "two"),
        TWO + '[routes]\ndefault = ["two", "one"]\n',
        "[sources.one]\nplugin = 'nothing'\n",
    ]
    path = written(POOLED)
    failures, answered = [], 0
    async with Gateway.from_toml(path, {}) as argus:
        done = asyncio.Event()

        async def load():
            nonlocal answered
            while not done.is_set():
                try:
                    await price(argus, argus.clock)
                    answered += 1
                except ArgusError as error:
                    failures.append(error)
                await asyncio.sleep(0)

        askers = [asyncio.create_task(load()) for _ in range(8)]
        for turn in range(15):
            written(texts[turn % len(texts)])
            if turn % len(texts) == 4:
                with pytest.raises(ConfigError):
                    await argus.reload_from_file()
            else:
                await argus.reload_from_file()
            await asyncio.sleep(0.01)
        done.set()
        await asyncio.gather(*askers)
        await argus.control.settled()
        assert len(argus.control.opened.parts) == len(argus._parts.nodes)
        assert all(node.load == 0 for node in argus._parts.nodes.values())
    assert answered > 200
    assert not failures
    opened = sum(event == "open" for event, _ in toy.LOG)
    assert opened == sum(event == "close" for event, _ in toy.LOG)
