"""A server as it is run, in the test's own loop, a source that pushes, and clients of it."""

import asyncio
import contextlib
import itertools
import json
import sys
from datetime import timedelta

import msgpack
import uvicorn
from support.asyncapi import Described
from support.clock import TestClock
from support.distribution import install
from support.waiting import until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from argus_api import create_app
from argus_api.stream import SERVER
from argus_api.stream.asyncapi import document
from argus_cli.gentle import GentleServer
from argus_core import Depth, Gap, Level, Quote, Symbol, Trade
from argus_core.config import Config
from argus_core.gateway import Gateway

A, B, C = Symbol("600519.SH"), Symbol("000001.SZ"), Symbol("000002.SZ")
V2, PACKED = "argus.v2", "argus.v2.msgpack"
CHANNELS = {None: "plain", V2: "modern", PACKED: "packed"}
"""The document's name of each dialect."""
PATIENCE = 10.0
"""Seconds for what takes milliseconds."""
QUIET = 0.15
"""Seconds in which something would have come if it came: fifteen pauses."""

PLUGIN = """
    from dataclasses import replace
    from argus_core import (
        Depth, Instrument, Kind, Settings, Source, SourceUnavailable, Symbol, hookimpl,
    )

    MADE = {}

    class Pushing(Source):
        class Settings(Settings):
            lacks: tuple[str, ...] = ()
            silent: tuple[str, ...] = ()

        def __init__(self, name, settings, clock):
            super().__init__(name, settings, clock)
            MADE[name] = self
            self.broken = False
            self.state = {}
            self.takers = {}
            self.unknown = lambda symbol: None

        def _ask(self):
            if self.broken:
                raise SourceUnavailable("the vendor is away")

        def _book(self, symbol):
            return self.state.get(symbol) or self.unknown(symbol)

        def _known(self, query):
            return [s for s in query.symbols if s not in self.settings.lacks]

        async def quotes(self, query):
            self._ask()
            known = (s for s in self._known(query) if s not in self.settings.silent)
            return [self._book(s).quote for s in known]

        async def depth(self, query):
            self._ask()
            return [replace(self._book(s), trades=None) for s in self._known(query)]

        async def instruments(self, query):
            return [Instrument(symbol=s, kind=Kind.STOCK) for s in self._known(query)]

        async def subscribe(self, symbols, push):
            self._ask()
            self.takers |= dict.fromkeys(symbols, push)

        async def unsubscribe(self, symbols):
            for symbol in symbols:
                self.takers.pop(symbol, None)

    @hookimpl
    def register_source():
        return Pushing
"""


def trades(house, *prices):
    """Trades one after another."""
    at = house.clock.now() - timedelta(seconds=30)
    return tuple(
        Trade(price=price, volume=100.0, direction="buy", time=at + timedelta(milliseconds=n))
        for n, price in enumerate(prices)
    )


def items(*messages):
    """The items of messages in order."""
    return [item for message in messages for item in message["data"]]


class Market:
    """What the source pushes."""

    def __init__(self, source, clock, numbers):
        self.source = source
        self._clock = clock
        self._numbers = numbers
        source.unknown = self._book

    async def brings(self, *symbols):
        """Return when these are subscribed to."""
        await until(lambda: self.source.takers.keys() >= set(symbols))

    def push(self, symbol, *, trades=None, **values):
        """The next state of a share, pushed."""
        book = self._book(symbol, trades=trades, **values)
        self.source.state[symbol] = book
        self.source.takers[symbol](book)
        return book.quote

    def gap(self, *symbols, reason="the connection was lost"):
        """Say that something may be missing."""
        self.source.takers[symbols[0]](Gap(symbols=symbols, reason=reason))

    def _book(self, symbol, *, trades=None, **values):
        """A book; every one of them is a little later than the one before."""
        number = next(self._numbers)
        told = {
            "name": "a share",
            "as_of": self._clock.now() - timedelta(minutes=1) + timedelta(milliseconds=number),
            "price": 10.0 + number % 50 / 100,
            "open": 10.0,
            "high": 10.5,
            "low": 10.0,
            "prev_close": 10.0,
            "volume": 1000.0 * number,
            "turnover": 10_200.0 * number,
        }
        quote = Quote(symbol=symbol, **{**told, **values})
        bids, asks = (Level(9.99, 300.0),), (Level(10.51, 200.0),)
        return Depth(quote=quote, bids=bids, asks=asks, trades=trades)


class Client:
    """One client; everything that it hears is held against the document."""

    def __init__(self, socket, protocol, described):
        self.socket = socket
        self.protocol = protocol
        self.described = described
        self.heard = []

    async def say(self, action, **told):
        """Send a message."""
        body = json.loads(json.dumps({"action": action, **told}))
        self.described.check(CHANNELS[self.protocol], body, "action")
        await self.send(msgpack.packb(body) if self.protocol == PACKED else json.dumps(body))

    async def send(self, frame):
        """Send whatever it is."""
        await self.socket.send(frame)

    async def hear(self, *kinds, **known):
        """The next message, of one of these types and with these values; others are passed over."""
        async with asyncio.timeout(PATIENCE):
            while True:
                frame = await self.socket.recv()
                binary = self.protocol == PACKED
                assert isinstance(frame, bytes) is binary
                told = msgpack.unpackb(frame) if binary else json.loads(frame)
                self.described.check(CHANNELS[self.protocol], told)
                self.heard.append(told)
                fits = all(told.get(key) == value for key, value in known.items())
                if fits and (not kinds or told["type"] in kinds):
                    return told

    async def all_heard(self, mark="all"):
        """Every message up to the answer to a ping that is sent now."""
        start = len(self.heard)
        await self.say("ping", id=mark)
        await self.hear("pong", id=mark)
        return self.heard[start:-1]

    async def quiet(self):
        """Nothing more comes; what came meanwhile is returned."""
        await asyncio.sleep(QUIET)
        return await self.all_heard("quiet")

    async def subscribe(self, *symbols, **told):
        """Listen, and return the acknowledgement, where the dialect has one."""
        await self.say("subscribe", symbols=list(symbols), **told)
        if self.protocol is not None:
            return await self.hear("subscribed", "error")
        return await self.hear("market_data", "error")

    async def closed(self):
        """The code and the reason with which the server closes."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.hear()
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason


class Served:
    """A running server."""

    def __init__(self, gateway, app, clock, port):
        self.gateway = gateway
        self.app = app
        self.clock = clock
        self.audience = app.state.audience
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}"
        self.described = None
        self.markets = {}

    @property
    def market(self):
        """The only source."""
        (market,) = self.markets.values()
        return market

    @contextlib.asynccontextmanager
    async def client(self, protocol=V2, *, headers=None, origin=None, query=""):
        """A connected client."""
        async with connect(
            f"ws://{self.address}/ws/market_data{query}",
            subprotocols=[Subprotocol(protocol)] if protocol else None,
            additional_headers=headers,
            origin=None if origin is None else Origin(origin),
            compression=None,
            proxy=None,
            close_timeout=1,
        ) as socket:
            assert socket.subprotocol == protocol
            yield Client(socket, protocol, self.described)

    @contextlib.asynccontextmanager
    async def listener(self, *symbols, protocol=V2, **told):
        """A client that listens already, and has heard what there was."""
        async with self.client(protocol) as client:
            await client.subscribe(*symbols, **told)
            await self.market.brings(*symbols)
            await client.all_heard("begun")
            client.heard.clear()
            yield client


@contextlib.asynccontextmanager
async def served(tmp_path, monkeypatch, *, sources=("pushing",), clock=None, **tables):
    """A server over pushing sources of these names, each with a market."""
    root = tmp_path / "plugin"
    if not root.exists():
        root.mkdir()
        names = {"dist": "pushing-dist", "module": "pushing_module", "entry": "pushing"}
        install(root, monkeypatch, source=PLUGIN, **names)
    clock = clock or TestClock("2024-03-15 10:00:00")
    known = sources if isinstance(sources, dict) else {name: {} for name in sources}
    table = {name: {"plugin": "pushing", **settings} for name, settings in known.items()}
    server = {"data_dir": str(tmp_path / "data")}
    tables["stream"] = {"poll_interval": 0.2, **tables.get("stream", {})}
    config = Config.parse({"server": server, "sources": table, **tables}, {})
    gateway = Gateway(config, clock=clock)
    app = create_app(gateway)
    async with app.router.lifespan_context(app), running(app) as (server, port):
        serving = Served(gateway, app, clock, port)
        told = document(serving.audience, host=serving.address, secure=False)
        serving.described = Described(json.loads(json.dumps(told)))
        made = sys.modules["pushing_module"].MADE
        numbers = itertools.count(1)
        serving.markets = {name: Market(made[name], clock, numbers) for name in known}
        serving.server = server
        yield serving


@contextlib.asynccontextmanager
async def running(app):
    """The application behind the server's own protocols; the server and its port."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, lifespan="off", log_config=None, **SERVER
    )
    started = asyncio.Event()
    server = GentleServer(config, app.state.lifecycle, started.set, drain_seconds=2)
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(PATIENCE):
            await started.wait()
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task
