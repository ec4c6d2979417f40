"""Four `argus serve` processes that share a Redis: one of them asks, all of them answer.

Also what a lost, stopped, emptied or slow Redis does to those who ask: nothing but misses.
"""

import asyncio
import contextlib
import os
import sys
import time
from contextlib import ExitStack

import httpx
import pytest
from support.distribution import install
from support.faultproxy import FaultProxy
from support.process import PLAINLY, argus, environment
from support.redis import redis_server

PLUGIN = """
    import asyncio
    from pathlib import Path
    from argus_core import Instrument, Quote, Settings, Source, SourceError, hookimpl

    class Hiccup(SourceError):
        cool_down = 0.0

    class Counted(Source):
        class Settings(Settings):
            book: str

        async def quotes(self, query):
            book = Path(self.settings.book)
            with (book / "calls").open("a") as file:
                file.write(",".join(query.symbols) + "\\n")
            await asyncio.sleep(float((book / "seconds").read_text()))
            if (book / "fail").exists():
                raise Hiccup("the vendor hiccups")
            now = self.clock.now()
            return [Quote(symbol=s, price=float(s[:6]) / 1000, as_of=now) for s in query.symbols]

        def instruments(self, query):
            return [Instrument(symbol=s) for s in query.symbols]

    @hookimpl
    def register_source():
        return Counted
"""
CONFIG = """
[sources.counted]
plugin = "counted"
book = "{book}"

[caches.l1]
plugin = "memory"

[caches.l2]
plugin = "redis"
url = "redis://127.0.0.1:{port}/0"

[cache_rules.LATEST_DATA]
ttl = {ttl}
"""


class Book:
    """What the vendor of the test wrote down, and how it behaves."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        (path / "calls").touch()
        self.takes(0.0)

    def takes(self, seconds):
        (self.path / "seconds").write_text(str(seconds))

    @contextlib.contextmanager
    def failing(self):
        (self.path / "fail").touch()
        try:
            yield
        finally:
            (self.path / "fail").unlink()

    @property
    def calls(self):
        return (self.path / "calls").read_text().split()


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path / "book")


def serving(stack, tmp_path, monkeypatch, book, port, *, many, ttl=60.0):
    """So many `argus serve` processes over one configuration."""
    site = tmp_path / "site"
    site.mkdir()
    install(site, monkeypatch, dist="counted", module="counted", source=PLUGIN, entry="counted")
    config = tmp_path / "plugins.toml"
    config.write_text(CONFIG.format(book=book.path, port=port, ttl=ttl))
    env = environment(PYTHONPATH=os.pathsep.join([str(site), *sys.path]))
    return [
        stack.enter_context(argus(tmp_path, "serve", "--config", str(config), env=env))
        for _ in range(many)
    ]


PATH = "/api/v1/market_data/latest?symbols="


async def asked(servers, symbol, many):
    """The replies to so many requests at once, spread over all servers."""
    urls = [servers[n % len(servers)].url + PATH + symbol for n in range(many)]
    patient = {"X-Argus-Deadline": "30"}  # a thousand at once take their time on two cores
    limits = httpx.Limits(max_connections=None)
    async with contextlib.AsyncExitStack() as stack:
        asking = []
        # A client that has a thousand connections looks through all of them at each request.
        for begin in range(0, many, 40):
            client = httpx.AsyncClient(timeout=60, limits=limits, headers=patient, **PLAINLY)
            await stack.enter_async_context(client)
            asking += [client.get(url) for url in urls[begin : begin + 40]]
        return await asyncio.gather(*asking)


@pytest.mark.parametrize(
    ("many", "processes"), [(120, 2), pytest.param(1000, 4, marks=pytest.mark.long)]
)
async def test_the_misses_of_several_processes_are_one_question(
    tmp_path, monkeypatch, book, many, processes
):
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        servers = serving(stack, tmp_path, monkeypatch, book, redis.port, many=processes)
        book.takes(1.5)
        replies = await asked(servers, "600519.SH", many)
        assert {reply.status_code for reply in replies} == {200}
        assert {r.json()["data"]["600519.SH"]["price"] for r in replies} == {600.519}
        assert book.calls == ["600519.SH"]

        with book.failing():
            replies = await asked(servers, "600000.SH", 40)
        assert {reply.status_code for reply in replies} == {503}
        assert book.calls[1:] == ["600000.SH"], "one error for all"
        assert (await asked(servers, "600000.SH", processes))[-1].status_code == 200
        assert book.calls[2:] == ["600000.SH"], "and the next asker tries again"

        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(servers[0].url).port)
        writer.write(f"GET {PATH}000001.SZ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.3)
        writer.transport.abort()
        del reader
        replies = await asked(servers, "000001.SZ", 40)
        assert {reply.status_code for reply in replies} == {200}
        assert book.calls[3:] == ["000001.SZ"], "the leader's client left, its question did not"


@pytest.mark.long
async def test_whatever_redis_does_everybody_is_answered_and_rightly(tmp_path, monkeypatch, book):
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        proxy = stack.enter_context(FaultProxy(redis.port))
        servers = serving(stack, tmp_path, monkeypatch, book, proxy.port, many=2, ttl=0.2)
        client = stack.enter_context(httpx.Client(timeout=10, **PLAINLY))
        slowest = 0.0

        def load(seconds):
            """Ask for it all over and over; every answer is the right one and in time."""
            nonlocal slowest
            ends, number = time.monotonic() + seconds, 0
            while time.monotonic() < ends or number < 10:
                symbols = [f"{600000 + (number * 7 + k) % 40}.SH" for k in range(3)]
                began = time.monotonic()
                reply = client.get(servers[number % 2].url + PATH + ",".join(symbols))
                slowest = max(slowest, time.monotonic() - began)
                assert reply.status_code == 200, reply.text
                data = reply.json()["data"]
                assert {s: data[s]["price"] for s in symbols} == {
                    s: float(s[:6]) / 1000 for s in symbols
                }
                number += 1

        load(0.5)
        with redis.paused():
            load(1.0)
        redis.restart()
        load(0.5)
        with proxy.trouble(latency=0.15, jitter=0.1):
            load(1.0)
        with proxy.trouble(hang=True):
            load(0.7)
        with proxy.refusing():
            load(0.7)
        redis.kill()
        load(0.7)
        redis.start()
        assert slowest < 2.0
        ends = time.monotonic() + 20
        while True:
            load(0.2)
            reply = client.get(servers[0].url + "/api/v1/cache/stats").json()
            if reply["data"]["cache_levels"]["L2"]["state"] == "up":
                break
            assert time.monotonic() < ends, "the tier did not come back by itself"


@pytest.mark.parametrize("level", ["L1", pytest.param(None, marks=pytest.mark.long)])
def test_a_clear_while_redis_is_paused_is_heard_when_it_goes_on(tmp_path, monkeypatch, book, level):
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        here, there = serving(stack, tmp_path, monkeypatch, book, redis.port, many=2)
        client = stack.enter_context(httpx.Client(timeout=30, **PLAINLY))

        def clear():
            told = {} if level is None else {"level": level}
            return client.delete(here.url + "/api/v1/cache/clear", params=told).json()

        def kept(server):
            figures = client.get(server.url + "/api/v1/cache/stats").json()["data"]
            return figures["cache_levels"]["L1"]["keys"]

        def until(holds):
            ends = time.monotonic() + 20
            while not holds():
                assert time.monotonic() < ends
                time.sleep(0.1)

        for server in (here, there):
            client.get(server.url + PATH + "600519.SH").raise_for_status()
        with redis.paused():
            told = clear()
            assert told["complete"] is False
            assert "did not answer" in told["untold"]["L2"]
            assert "L2" in told["message"]
            assert (kept(here), kept(there)) == (0, 1)
        until(lambda: kept(there) == 0)
        until(lambda: clear()["complete"])
