"""Edges that share a Redis with their agent: it publishes once, and hides nothing."""

import contextlib
from types import SimpleNamespace

import pytest
from support.clock import TestClock
from support.listening import running
from support.redis import redis_server
from support.relaying import Ear, Market, installed
from support.waiting import until

from argus_api import create_app
from argus_core import Symbol, Trade
from argus_core.config import Config
from argus_core.gateway import Gateway
from argus_core.streaming.topics import DEPTH, TRADES
from argus_remote import following

A, B = Symbol("600519.SH"), Symbol("000001.SZ")


@pytest.fixture(autouse=True)
def feeding(tmp_path, monkeypatch):
    """The plugin of the agent's source."""
    installed(tmp_path / "plugin", monkeypatch)


@pytest.fixture
def clock():
    """A Friday's trading; its hours and seconds are the test's."""
    return TestClock("2024-03-15 10:00:00")


@pytest.fixture
def redis():
    """What they share."""
    with redis_server() as server:
        yield server


def made(tmp_path, clock, name, sources, url, **stream):
    caches = {"l2": {"plugin": "redis", "url": url}} if url else {}
    config = {"server": {"data_dir": str(tmp_path / name)}, "sources": sources, "caches": caches}
    return Gateway(Config.parse({**config, "stream": stream}, {}), clock=clock)


@contextlib.asynccontextmanager
async def agent(tmp_path, clock, redis, **stream):
    """An agent with one vendor that pushes."""
    gateway = made(tmp_path, clock, "agent", {"vendor": {"plugin": "feeding"}}, redis, **stream)
    app = create_app(gateway)
    async with app.router.lifespan_context(app), running(app) as (_, port):
        yield SimpleNamespace(
            gateway=gateway,
            url=f"http://127.0.0.1:{port}",
            market=Market(clock, A, B),
            audience=app.state.audience,
        )


@contextlib.asynccontextmanager
async def edge(tmp_path, clock, name, url, redis, **stream):
    """An edge of what listens there."""
    source = {"agent": {"plugin": "remote", "url": url}}
    async with made(tmp_path, clock, name, source, redis, **stream) as gateway:
        yield gateway


def shared(gateway):
    return gateway._parts.nodes["agent"].source._stream.shared


def sent(there):
    """Messages of the agent on its connections."""
    return sum(connection.sent for connection in there.audience.connections)


async def test_an_agent_publishes_once_for_all_edges(tmp_path, clock, redis):
    async with (
        agent(tmp_path, clock, redis.url) as there,
        edge(tmp_path, clock, "one", there.url, redis.url) as one,
        edge(tmp_path, clock, "two", there.url, redis.url) as two,
    ):
        ears = [await Ear(gateway).listen(A, B) for gateway in (one, two)]
        for ear in ears:
            await ear.listen(A, channel=DEPTH)
            await ear.listen(A, channel=TRADES)
        await until(lambda: shared(one) and shared(two))
        published, said = there.audience.fanout.published, sent(there)
        trade = Trade(price=10.0, volume=100.0, time=clock.now(), direction="buy")
        quotes = [there.market.push(A, trades=(trade,)) for _ in range(20)]
        for ear in ears:
            heard = await ear.hears(quotes[-1])
            assert heard.carrier.source == "vendor"
            assert heard.carrier.via == ("agent",)
            assert (await ear.hears(quotes[-1], DEPTH)).value.quote == heard.value
            await until(lambda ear=ear: len(ear.values(TRADES, A)) == len(quotes))
            assert not ear.told("gap")
        assert there.audience.fanout.followers == 2
        assert there.audience.fanout.published - published <= len(quotes) + 20, "not each twice"
        assert sent(there) == said, "nothing of it went over the connections"


async def test_a_redis_that_dies_hides_nothing_and_is_used_again(tmp_path, clock, redis):
    async with (
        agent(tmp_path, clock, redis.url) as there,
        edge(tmp_path, clock, "one", there.url, redis.url) as here,
    ):
        ear = await Ear(here).listen(A, B)
        await until(lambda: shared(here))
        await ear.hears(there.market.push(A))
        with redis.down():
            await until(lambda: not shared(here))
            for _ in range(3):
                await ear.hears(there.market.push(A))
                await ear.hears(there.market.push(B))
        clock.advance(following.AWAY)
        await until(lambda: shared(here))
        await ear.hears(there.market.push(A))
        numbers = [update.value.volume for update in ear.updates if update.symbol == A]
        assert numbers == sorted(set(numbers))


async def test_what_was_published_while_redis_stood_still_is_had_or_told(tmp_path, clock, redis):
    async with (
        agent(tmp_path, clock, redis.url) as there,
        edge(tmp_path, clock, "one", there.url, redis.url) as here,
    ):
        ear = await Ear(here).listen(A)
        await ear.listen(A, channel=TRADES)
        await until(lambda: shared(here))
        trade = Trade(price=10.0, volume=100.0, time=clock.now(), direction="buy")
        await ear.hears(there.market.push(A, trades=(trade,)))
        with redis.paused():
            quotes = [there.market.push(A, trades=(trade,)) for _ in range(5)]
            await until(lambda: not shared(here))
            await ear.hears(quotes[-1])
        assert len(ear.values(TRADES, A)) == 6 or ear.told("gap")


async def test_another_redis_proves_nothing_and_everything_comes_directly(tmp_path, clock, redis):
    with redis_server() as other:
        async with (
            agent(tmp_path, clock, redis.url) as there,
            edge(tmp_path, clock, "one", there.url, other.url) as here,
        ):
            ear = await Ear(here).listen(A)
            await until(lambda: there.audience.fanout.published >= 3)
            assert not shared(here)
            await there.market.brings(A)
            await ear.hears(there.market.push(A))


@pytest.mark.parametrize(("at_agent", "at_edge"), [(False, True), (True, False)])
async def test_who_does_not_want_it_goes_directly(tmp_path, clock, redis, at_agent, at_edge):
    async with (
        agent(tmp_path, clock, redis.url, fanout=at_agent) as there,
        edge(tmp_path, clock, "one", there.url, redis.url, fanout=at_edge) as here,
    ):
        ear = await Ear(here).listen(A)
        await there.market.brings(A)
        await ear.hears(there.market.push(A))
        assert not shared(here)
        fanout = there.audience.fanout
        assert fanout is None or fanout.followers == 0
