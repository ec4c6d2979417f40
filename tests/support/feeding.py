"""Sources that push what a test says, and a listener who writes down what he hears."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

from support.sources import Fixed, node

from argus_core import Depth, Exchange, Level, Quote, Source, Trade
from argus_core.model.answer import Answer
from argus_core.routing.pool import Member, Pool
from argus_core.routing.router import Router
from argus_core.stream_table import StreamTable
from argus_core.streaming.desk import Streaming
from argus_core.streaming.lanes import Lane
from argus_core.streaming.topics import QUOTES
from argus_core.telemetry.redact import Redactor


class Feeding(Source):
    """Pushes what the test has it push; ``refuses`` is raised by ``subscribe``."""

    exchanges = frozenset({Exchange.SH, Exchange.SZ})

    def __init__(self, name, clock, *, refuses=None, accepts=None):
        super().__init__(name, None, clock)
        self.refuses = refuses
        self.accepts = accepts
        self.calls = []
        self.pushing = {}
        self.entered = asyncio.Event()
        self.gate = None
        """Where a test wants to hold a call up: an event that it waits for."""

    async def subscribe(self, symbols, push):
        self.calls.append(("subscribe", symbols))
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.refuses is not None:
            raise self.refuses
        taken = [s for s in symbols if self.accepts is None or s in self.accepts]
        self.pushing.update(dict.fromkeys(taken, push))
        return None if self.accepts is None else taken

    async def unsubscribe(self, symbols):
        self.calls.append(("unsubscribe", symbols))
        for symbol in symbols:
            self.pushing.pop(symbol, None)

    def push(self, symbol, price=10.0, **more):
        """Push a book, if the symbol is subscribed to; true if it is."""
        if symbol not in self.pushing:
            return False
        self.pushing[symbol](book(symbol, price, self.clock.now(), **more))
        return True


class Answering(Feeding):
    """Also answers quotes, with the price and the instant that the test says."""

    def __init__(self, name, clock, *, price=None, **more):
        super().__init__(name, clock, **more)
        self.price = price
        self.at = None
        self.fails = None
        self.asked = []

    async def quotes(self, query):
        self.asked.append(query.keys)
        if self.fails is not None:
            raise self.fails
        if self.price is None:
            return []
        at = self.at or self.clock.now()
        return [Quote(symbol=s, price=self.price, as_of=at, name=self.name) for s in query.symbols]


class Asked(Answering):
    """Answers, and pushes nothing."""

    subscribe = Source.subscribe
    unsubscribe = Source.unsubscribe


def book(symbol, price, at, *, ago=0.0, trades=None):
    """A book that can be true; ``ago`` seconds old."""
    quote = Quote(symbol=symbol, price=price, open=price, as_of=at - timedelta(seconds=ago))
    bids, asks = (Level(price - 0.01, 100.0),), (Level(price + 0.01, 100.0),)
    return Depth(quote=quote, bids=bids, asks=asks, trades=trades)


def trade(price, at):
    """A trade of a hundred shares."""
    return Trade(price=price, volume=100.0, time=at)


@dataclass(frozen=True)
class Seen:
    """A view that shows an update as it is; ``form`` tells one from another."""

    channel: str = QUOTES
    lasting: ClassVar[bool] = True
    form: str = "plain"

    def fragment(self, update):
        return update


class Ear:
    """Hears everything as a connection would: notices keep their place among the values."""

    def __init__(self, interval=0.0):
        self.lane = Lane(self, interval)
        self.log = []
        """Updates, notices, and what was skipped or lost, in order."""

    def ready(self, lane):
        pass

    def notice(self, notice):
        self.take()
        self.log.append(notice)

    def take(self):
        """Have everything sent that waits."""
        batch = self.lane.taken()
        if batch is not None:
            self.log.append(batch)

    @property
    def updates(self):
        """Every update that was heard."""
        self.take()
        batches = [entry for entry in self.log if hasattr(entry, "latest")]
        return [
            update
            for batch in batches
            for update in (*(one for _, one in batch.each), *batch.latest.values())
        ]

    @property
    def prices(self):
        """The prices of the quotes that were heard."""
        return [u.value.price for u in self.updates if u.channel == QUOTES]

    @property
    def told(self):
        """What notices said, each with its kind and its symbols."""
        notices = [entry for entry in self.log if hasattr(entry, "told")]
        return [{"kind": n.kind, "symbols": n.symbols, **n.told} for n in notices]

    @property
    def states(self):
        """The status notices: the state, and who brings it."""
        return [(n["state"], n.get("source")) for n in self.told if n["kind"] == "status"]


class Studio:
    """Streaming over real nodes, pools and a router, by a clock that stands still."""

    def __init__(self, clock, *pools, **table):
        self.clock = clock
        self.routes = Fixed(pools)
        self.router = Router(self.routes, clock=clock, redactor=Redactor([]))
        self.graces = []
        self.streaming = Streaming(
            self.routes, self.router, self._look, clock=clock, table=StreamTable(**table)
        )
        self.hub = self.streaming.hub
        self.supplier = self.streaming.supplier
        self.watch = self.streaming._watch
        self.polls = self.streaming._polls

    async def _look(self, _dataset, _symbols):
        return Answer(data={}, errors={}, provenance={})

    async def listen(self, *symbols, view=None, ear=None):
        """Somebody who listens, once everything is arranged."""
        ear = ear or Ear()
        self.hub.listen(ear.lane, view or Seen(), symbols)
        await self.settle()
        return ear

    async def settle(self):
        """Arrange what has changed, until nothing does."""
        for _ in range(6):
            self.supplier.arrange()
            await self.supplier.settled()
            await turned()

    async def pass_(self, seconds, step=1.0):
        """Let time pass, and have silence looked into every second."""
        for _ in range(int(seconds / step)):
            self.clock.advance(step)
            self.supplier.retry()
            await self.watch.looked()
            await self.settle()

    def leg(self, symbol):
        """The mode and the name of the leg that brings a symbol."""
        line = self.supplier.lines[symbol]
        return None if line.leg is None else line.leg.key


async def turned(times=3):
    """Let the event loop do what is due."""
    for _ in range(times):
        await asyncio.sleep(0)


def pool_of(name, *sources):
    """A pool of nodes over these sources."""
    return Pool(name, tuple(Member(node(source)) for source in sources))


def alone(*sources):
    """A pool of one for each source."""
    return tuple(pool_of(source.name, source) for source in sources)


def changed(value, **more):
    """A record with other fields."""
    return replace(value, **more)
