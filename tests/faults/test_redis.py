"""The Redis tier over a server that is killed, stopped, emptied, slow, cut off, silent.

Whatever happens, a call ends with the right value, a miss or a CacheError, soon; and once the
server is back the tier works again without being opened anew.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import time
from contextlib import asynccontextmanager

import psutil
import pytest
from support.faultproxy import FaultProxy
from support.redis import redis_server

from argus_core import CacheError, Clock
from argus_redis import link, listening, register_cache

LIMIT = 0.25
SLACK = 1.0
FRESH = itertools.count()


@pytest.fixture(scope="module")
def server():
    with redis_server() as running:
        yield running


@pytest.fixture
def proxy(server):
    with FaultProxy(server.port) as running:
        yield running


def build(port, **more):
    plugin = register_cache()
    url = f"redis://127.0.0.1:{port}/0"
    table = {"url": url, "timeout": LIMIT, "prefix": f"test{next(FRESH)}"} | more
    return plugin("l2", plugin.Settings(**table), Clock())


@asynccontextmanager
async def tier(port, **more):
    cache = build(port, **more)
    await cache.open()
    try:
        yield cache
    finally:
        await cache.close()


def calls(cache):
    """One of each kind of question."""
    return [
        lambda: cache.get_many(["a"]),
        lambda: cache.set_many({"a": b"new"}, 60),
        lambda: cache.delete_many(["never"]),
        lambda: cache.delete_prefix("never"),
        cache.stats,
        lambda: cache.publish("news", (b"message",)),
        lambda: cache.lease(["a"], "me", 60),
        lambda: cache.settle(["a"], "me", b"", 60),
        lambda: cache.leases(["a"]),
    ]


async def refused(call):
    """Return if the call raises CacheError within its limit."""
    began = time.monotonic()
    with pytest.raises(CacheError, match=r"127\.0\.0\.1:\d+"):
        await call()
    assert time.monotonic() - began < LIMIT + SLACK


async def eventually(call):
    """What the call returns as soon as it raises no CacheError."""
    ends = time.monotonic() + 5
    while True:
        try:
            return await call()
        except CacheError:
            assert time.monotonic() < ends, "it does not recover"
            await asyncio.sleep(0.01)


async def filled(cache, values):
    """Return when the cache holds the values; a loaded machine may need a second try."""
    await eventually(lambda: cache.set_many(values, 60))


async def test_a_server_that_is_away_at_first_is_no_error_and_is_found_later(server):
    with server.down():
        cache = build(server.port)
        await cache.open()
        await refused(calls(cache)[0])
    await filled(cache, {"a": b"1"})
    assert await eventually(lambda: cache.get_many(["a"])) == {"a": b"1"}
    await cache.close()


async def test_a_killed_server_fails_every_call_at_once_and_comes_back_empty(server):
    async with tier(server.port) as cache:
        await filled(cache, {"a": b"old"})
        with server.down():
            for call in calls(cache):
                await refused(call)
        assert await eventually(lambda: cache.get_many(["a"])) == {}
        await filled(cache, {"a": b"1"})
        assert await eventually(lambda: cache.get_many(["a"])) == {"a": b"1"}


async def test_a_restart_costs_no_more_than_the_calls_under_way(server):
    async with tier(server.port, timeout=5.0) as cache:
        await asyncio.gather(*(cache.get_many(["a"]) for _ in range(10)))
        server.restart()
        await asyncio.sleep(0.02)  # the news of the closed connections arrive
        for _ in range(10):
            assert await cache.get_many(["a"]) == {}


async def test_a_stopped_server_fails_within_the_limit_and_gives_right_answers_again(server):
    async with tier(server.port) as cache:
        await filled(cache, {f"{n}": f"{n}".encode() for n in range(50)})
        with server.paused():
            began = time.monotonic()
            await asyncio.gather(*(refused(call) for call in calls(cache)[:3] * 10))
            assert time.monotonic() - began < LIMIT + SLACK
        for number in range(50):
            found = await eventually(lambda number=number: cache.get_many([f"{number}"]))
            assert found == {f"{number}": f"{number}".encode()}


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
async def test_what_a_stopped_server_does_not_take_is_given_up(server, monkeypatch):
    """Else every large write would leave a connection, and its bytes, until the server is back."""
    monkeypatch.setattr(link, "_UNSENT", 300)

    def connections():
        found = psutil.Process().net_connections("tcp")
        return sum(bool(one.raddr) and one.raddr.port == server.port for one in found)

    async with tier(server.port) as cache:
        await cache.get_many(["a"])
        assert connections() == 1
        with server.paused():
            for _ in range(2):
                await refused(lambda: cache.set_many({"a": b"x" * (8 << 20)}, 60))
            ends = time.monotonic() + 5
            while connections():
                assert time.monotonic() < ends
                await asyncio.sleep(0.02)


async def test_of_cancelled_calls_no_later_call_gets_the_reply(server, proxy):
    dice = random.Random(20240315)
    names = [f"{n}" for n in range(40)]
    outcomes = {"right": 0, "late": 0, "cancelled": 0}

    async def ask(cache):
        name = dice.choice(names)
        size = dice.choice([10, 10, 70_000])
        key = f"{name}:{size}"
        budget = dice.uniform(0, 0.05)
        if dice.random() < 0.3:
            task = asyncio.create_task(cache.get_many([key, "never"]))
            await asyncio.sleep(budget)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()  # as when the client leaves while the time runs out
            (found,) = await asyncio.gather(task, return_exceptions=True)
        else:
            try:
                async with asyncio.timeout(budget):
                    found = await cache.get_many([key, "never"])
            except TimeoutError as error:
                found = error
        if isinstance(found, asyncio.CancelledError):
            outcomes["cancelled"] += 1
        elif isinstance(found, TimeoutError):
            outcomes["late"] += 1
        else:
            outcomes["right"] += 1
            assert found == {key: key.encode().ljust(size, b".")}

    async with tier(proxy.port, max_connections=4, timeout=5.0) as cache:
        keys = [f"{name}:{size}" for name in names for size in (10, 70_000)]
        values = {key: key.encode().ljust(int(key.split(":")[1]), b".") for key in keys}
        await cache.set_many(values, 60)
        with proxy.trouble(latency=0.004, jitter=0.004, piece=20_000):
            for _ in range(60):
                await asyncio.gather(*(ask(cache) for _ in range(20)))
                if min(outcomes.values()) > 20:
                    break
        found = await asyncio.gather(*(cache.get_many(keys[n : n + 10]) for n in range(0, 80, 10)))
        assert {key: value for some in found for key, value in some.items()} == values
    assert min(outcomes.values()) > 20, outcomes


async def test_a_cancelled_connection_never_writes_into_another_database(server, proxy):
    """A connection chooses its database in a round trip of its own."""
    from redis.asyncio import Redis

    url = f"redis://127.0.0.1:{proxy.port}/7"
    async with tier(proxy.port, url=url, timeout=5.0) as cache, Redis.from_url(server.url) as redis:
        with proxy.trouble(latency=0.003, jitter=0.003):
            for number in range(60):
                writes = [cache.set_many({f"{number}:{n}": b"1"}, 60) for n in range(3)]
                tasks = [asyncio.create_task(write) for write in writes]
                await asyncio.sleep(number * 0.0005)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                proxy.cut()
        assert await redis.keys(f"{cache.settings.prefix}:*") == []


async def test_a_slow_server_gives_right_answers_or_none(server, proxy):
    async with tier(proxy.port, timeout=0.05, max_connections=8) as cache:
        await filled(cache, {f"{n}": f"{n}".encode() for n in range(30)})
        right = failed = 0
        with proxy.trouble(latency=0.04, jitter=0.04):
            for _ in range(5):
                asked = (cache.get_many([f"{n}"]) for n in range(30))
                for number, found in enumerate(
                    await asyncio.gather(*asked, return_exceptions=True)
                ):
                    if isinstance(found, CacheError):
                        failed += 1
                    else:
                        right += 1
                        assert found == {f"{number}": f"{number}".encode()}
        assert failed, "it was not slow"
        assert await eventually(lambda: cache.get_many(["7"])) == {"7": b"7"}


@pytest.mark.parametrize("toxics", [{"piece": 1}, {"piece": 3, "latency": 0.0005}])
async def test_replies_in_small_pieces_are_put_together(server, proxy, toxics):
    async with tier(proxy.port, timeout=5.0) as cache:
        with proxy.trouble(**toxics):
            values = {"a": b"\r\n$-1\r\n", "b": b"", "c": bytes(range(256))}
            await cache.set_many(values, 60)
            assert await cache.get_many(["c", "never", "b", "a"]) == values


@pytest.mark.parametrize("after", [0, 1, 7, 100, 5000, 9000])
async def test_a_reply_that_is_cut_off_is_no_value(server, proxy, after):
    async with tier(proxy.port) as cache:
        await filled(cache, {"a": b"x" * 10_000})
        proxy.cut()
        with proxy.trouble(cut_after=after):
            for _ in range(3):
                with pytest.raises(CacheError):
                    await cache.get_many(["a"])
        assert await eventually(lambda: cache.get_many(["a"])) == {"a": b"x" * 10_000}


async def test_a_silent_server_fails_within_the_limit_on_old_connections_and_new(server, proxy):
    async with tier(proxy.port) as cache:
        await filled(cache, {"a": b"1"})
        with proxy.trouble(hang=True):
            for call in calls(cache)[:3]:
                await refused(call)
        assert await eventually(lambda: cache.get_many(["a"])) == {"a": b"1"}


class Ear:
    def __init__(self):
        self.heard = []

    def __call__(self, message):
        self.heard.append(message)

    async def hears(self, message, after=0):
        ends = time.monotonic() + 10
        while message not in self.heard[after:]:
            assert time.monotonic() < ends, f"{message!r} is not in {self.heard[after:]}"
            await asyncio.sleep(0.002)


@asynccontextmanager
async def listening_to(cache):
    ear = Ear()
    task = asyncio.create_task(cache.listen("news", ear))
    try:
        await ear.hears(None)
        yield ear
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_listener_survives_a_killed_server_and_says_that_it_missed_something(server):
    async with tier(server.port) as cache, listening_to(cache) as ear:
        for _ in range(2):
            with server.down():
                await refused(lambda: cache.publish("news", (b"lost",)))
                before = len(ear.heard)
            await ear.hears(None, before)
            await eventually(lambda: cache.publish("news", (b"heard",)))
            await ear.hears(b"heard", before)
        assert b"lost" not in ear.heard


async def test_a_listener_finds_out_about_a_silent_server(server, proxy, monkeypatch):
    monkeypatch.setattr(listening, "PULSE", 0.1)
    async with tier(server.port) as direct, tier(proxy.port) as cache:
        direct._channels = cache._channels
        async with listening_to(cache) as ear:
            await asyncio.sleep(0.35)
            assert ear.heard == [None], "a pulse that is answered is no loss"
            with proxy.trouble(hang=True):
                await asyncio.sleep(0.5)
                before = len(ear.heard)
            await ear.hears(None, before)
            await eventually(lambda: direct.publish("news", (b"again",)))
            await ear.hears(b"again", before)


async def test_a_message_that_takes_longer_than_a_pulse_comes_whole(server, proxy, monkeypatch):
    monkeypatch.setattr(listening, "PULSE", 0.4)
    async with tier(server.port) as direct, tier(proxy.port, timeout=5.0) as cache:
        direct._channels = cache._channels
        async with listening_to(cache) as ear:
            with proxy.trouble(piece=60, latency=0.3):  # two pieces
                await eventually(lambda: direct.publish("news", (b"0123456789" * 4,)))
                await ear.hears(b"0123456789" * 4)
            assert ear.heard == [None, b"0123456789" * 4], "the connection was kept"
