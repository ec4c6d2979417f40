"""A gateway streams, over reloads and from processes of their own."""

import pytest
from support.distribution import install
from support.feeding import Ear, Seen
from support.sources import symbols
from support.waiting import until

from argus_core.gateway import Gateway
from argus_core.streaming import supply as supply_module

A = symbols("600519.SH")[0]

PLUGIN = """
    import threading, time
    from argus_core import Depth, Level, Quote, Settings, Source, hookimpl

    LIVE = {}

    class Ticking(Source):
        class Settings(Settings):
            price: float = 10.0

        async def open(self):
            self.wanted, self.over = {}, threading.Event()
            LIVE[self.name] = self
            threading.Thread(target=self.work, daemon=True).start()

        async def close(self):
            LIVE.pop(self.name, None)
            self.over.set()

        def subscribe(self, symbols, push):
            self.wanted = {**self.wanted, **dict.fromkeys(symbols, push)}

        def unsubscribe(self, symbols):
            self.wanted = {s: p for s, p in self.wanted.items() if s not in symbols}

        def book(self, symbol):
            price = self.settings.price
            quote = Quote(symbol=symbol, price=price, open=price, as_of=self.clock.now())
            return Depth(quote=quote, bids=(Level(price - 0.01, 100.0),))

        def quotes(self, query):
            return [self.book(symbol).quote for symbol in query.symbols]

        def work(self):
            while not self.over.wait(0.01):
                for symbol, push in self.wanted.items():
                    push(self.book(symbol))

    @hookimpl
    def register_source():
        return Ticking
"""
ONE = '[sources.one]\nplugin = "ticking"\nprice = 1.0\n'
TWO = '[sources.two]\nplugin = "ticking"\nprice = 2.0\n'
ROUTES = "[routes]\ndefault = [{}]\n"


@pytest.fixture(autouse=True)
def ticking(tmp_path, monkeypatch):
    monkeypatch.setattr(supply_module, "GATHERING", 0.001)
    install(
        tmp_path,
        monkeypatch,
        dist="tick-dist",
        module="tick_module",
        source=PLUGIN,
        entry="ticking",
    )
    import tick_module

    return tick_module


@pytest.fixture
def written(tmp_path):
    def write(*parts):
        path = tmp_path / "plugins.toml"
        head = f'[server]\ndata_dir = "{(tmp_path / "data").as_posix()}"\n'
        path.write_text(head + "\n".join(parts), encoding="utf-8")
        return path

    return write


async def heard(ear, price, seconds=20.0):
    """Return once a price is the last that was heard."""
    await until(lambda: ear.prices and ear.prices[-1] == price, seconds)


async def test_a_reload_moves_the_stream_and_says_so(written, ticking):
    both = ROUTES.format('"one", "two"')
    path = written(ONE, TWO, both)
    async with Gateway.from_toml(path, {}) as argus:
        ear = Ear()
        argus.streaming.hub.listen(ear.lane, Seen(), (A,))
        await heard(ear, 1.0)
        assert ear.states == []

        written(TWO, ROUTES.format('"two"'))
        await argus.reload_from_file()
        await heard(ear, 2.0)
        assert ear.states == [("live", "two")]
        await argus.control.settled()
        assert set(ticking.LIVE) == {"two"}

        written(ONE, TWO, both)
        await argus.reload_from_file()
        await heard(ear, 1.0)
        assert ear.states == [("live", "two"), ("live", "one")]
        await until(lambda: not ticking.LIVE["two"].wanted)

        seqs = [update.seq for update in ear.updates]
        assert seqs == sorted(set(seqs))
    assert ticking.LIVE == {}


async def test_an_operator_who_switches_a_source_off_moves_the_stream(written, ticking):
    path = written(ONE, TWO, ROUTES.format('"one", "two"'))
    async with Gateway.from_toml(path, {}) as argus:
        ear = Ear()
        argus.streaming.hub.listen(ear.lane, Seen(), (A,))
        await heard(ear, 1.0)
        await argus.switches.set("one", enabled=False)
        await heard(ear, 2.0)
        await argus.switches.set("one", enabled=True)
        await heard(ear, 1.0)
        assert [name for _, name in ear.states] == ["two", "one"]


async def test_a_source_in_a_process_of_its_own_pushes_too(written):
    path = written(ONE.replace("price", 'isolation = "process"\nprice'))
    async with Gateway.from_toml(path, {}) as argus:
        ear = Ear()
        argus.streaming.hub.listen(ear.lane, Seen(), (A,))
        await heard(ear, 1.0)
        before = len(ear.updates)
        await until(lambda: len(ear.updates) >= before + 3)
        assert ear.updates[-1].carrier.source == "one"
        assert argus.streaming.mode(A) == "push"
