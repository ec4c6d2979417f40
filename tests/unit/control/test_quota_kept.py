"""A day's quota of a real gateway: a restart shows and keeps to what was used before."""

import asyncio
import contextlib
import logging
import sqlite3

import pytest
from support.clock import TestClock
from support.distribution import install
from support.sources import symbols

from argus_core.config import Config
from argus_core.control.state import FILE
from argus_core.errors import AllSourcesFailed
from argus_core.gateway import Gateway
from argus_core.model.ask import Ask, Deadline

MAOTAI, PINGAN = symbols("600519.SH", "000001.SZ")

PLUGIN = """
    import asyncio

    from pydantic import SecretStr

    from argus_core import Allowance, Charge, Quote, Settings, Source, hookimpl

    ASKED = []

    class Few(Source):
        class Settings(Settings):
            token: SecretStr
            calls_per_day: int = 3
            hangs: bool = False

        def charges(self, query):
            limit = self.settings.calls_per_day
            return [Charge(allowance=Allowance(interface="rt_k", calls_per_day=limit))]

        async def quotes(self, query):
            ASKED.append(self.settings.token.get_secret_value())
            if self.settings.hangs:
                await asyncio.get_running_loop().create_future()
            return [Quote(symbol=s, price=1.0, as_of=self.clock.now()) for s in query.symbols]

    @hookimpl
    def register_source():
        return Few
"""


@pytest.fixture(autouse=True)
def few(tmp_path, monkeypatch):
    root = tmp_path / "site"
    root.mkdir()
    install(root, monkeypatch, dist="few-dist", module="few_module", source=PLUGIN, entry="few")
    import few_module

    return few_module


def config(directory, token="one", **more):
    tables = {
        "server": {"data_dir": str(directory / "data")},
        "sources": {"few": {"plugin": "few", "token": {"env": "TOKEN"}, **more}},
        "routes": {"default": ["few"]},
    }
    return Config.parse(tables, {"TOKEN": token})


@contextlib.asynccontextmanager
async def running(directory, clock=None, token="one", **more):
    clock = clock or TestClock("2024-03-15 10:00:00")
    async with Gateway(config(directory, token, **more), clock=clock) as argus:
        yield argus


async def ask(argus, symbol=MAOTAI):
    deadline = Deadline.within(5, argus.clock)
    return await argus.quotes((symbol,), Ask(deadline=deadline, use_cache=False))


def day(argus):
    """The limit and the calls of the day that the source shows; None if it shows none."""
    (source,) = argus.sources()
    shown = [(q.limit, q.used, q.resets_in) for q in source.quota if q.window == "day"]
    return shown[0] if shown else None


FOURTEEN_HOURS = 14 * 3600


async def test_a_restart_shows_what_was_used_and_asks_no_more_than_is_left(tmp_path, few):
    async with running(tmp_path) as argus:
        assert day(argus) is None
        await ask(argus)
        await ask(argus)
        assert day(argus) == (3, 2, FOURTEEN_HOURS)
    async with running(tmp_path) as argus:
        assert day(argus) == (None, 2, FOURTEEN_HOURS), "its limit is told with the first question"
        await ask(argus)
        assert day(argus) == (3, 3, FOURTEEN_HOURS)
        with pytest.raises(AllSourcesFailed):
            await ask(argus, PINGAN)
    async with running(tmp_path) as argus:
        with pytest.raises(AllSourcesFailed, match="its quota of 3 calls a day for rt_k"):
            await ask(argus, PINGAN)
    assert len(few.ASKED) == 3, "the vendor need not refuse anything"


async def test_the_next_day_and_another_account_begin_at_nothing(tmp_path, few):
    clock = TestClock("2024-03-15 10:00:00")
    async with running(tmp_path, clock) as argus:
        await ask(argus)
    async with running(tmp_path, clock, token="two") as argus:
        assert day(argus) is None
        await ask(argus)
        assert day(argus)[1] == 1
    async with running(tmp_path, clock, calls_per_day=5) as argus:
        await ask(argus)
        assert day(argus)[:2] == (5, 2), "another limit is no other account"
    clock.advance(FOURTEEN_HOURS)
    async with running(tmp_path, clock) as argus:
        assert day(argus) is None


async def test_a_reload_keeps_the_count_of_an_account_and_finds_that_of_another(tmp_path):
    async with running(tmp_path, token="two") as argus:
        await ask(argus)
    async with running(tmp_path) as argus:
        await ask(argus)
        await ask(argus)
        await argus.reload(config(tmp_path, calls_per_day=9))
        await ask(argus)
        assert day(argus)[:2] == (9, 3)
        await argus.reload(config(tmp_path, token="two"))
        assert day(argus)[:2] == (None, 1)
        await argus.reload(config(tmp_path))
        assert day(argus)[:2] == (None, 3)


async def test_a_count_that_cannot_be_read_refuses_no_start(tmp_path, caplog):
    async with running(tmp_path) as argus:
        await ask(argus)
    with sqlite3.connect(tmp_path / "data" / FILE) as connection:
        connection.execute("DROP TABLE quota_salt")
    with caplog.at_level(logging.WARNING):
        async with running(tmp_path) as argus:
            await ask(argus)
            assert day(argus)[:2] == (3, 1)
    assert "cannot be kept in" in caplog.text


async def test_a_call_that_the_end_cuts_short_counts(tmp_path, few):
    async with running(tmp_path, hangs=True) as argus:
        asking = asyncio.get_running_loop().create_task(ask(argus))
        await turns_until(lambda: few.ASKED)
    await asyncio.gather(asking, return_exceptions=True)
    async with running(tmp_path) as argus:
        assert day(argus)[1] == 1


async def turns_until(true):
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came so far")


async def test_two_gateways_beside_one_another_add_up(tmp_path):
    async with running(tmp_path) as first, running(tmp_path) as second:
        await ask(first)
        await ask(second)
        await first.control.books.write()
        await second.control.books.write()
        assert day(second)[1] == 2
    async with running(tmp_path) as argus:
        assert day(argus)[1] == 2
