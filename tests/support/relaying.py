"""A vendor whose pushes are the test's, and somebody who listens to a gateway."""

import asyncio
import itertools
import sys
from datetime import timedelta

from support.distribution import install
from support.waiting import until

from argus_core import Depth, Gap, Level, Quote
from argus_core.model.codec import as_of
from argus_core.streaming.lanes import Lane
from argus_core.streaming.topics import QUOTES

PATIENCE = 15.0
"""Seconds for what takes milliseconds."""

PLUGIN = """
    from argus_core import NotOffered, Source, SourceUnavailable, hookimpl

    MADE = {}

    class Feeding(Source):
        def __init__(self, name, settings, clock):
            super().__init__(name, settings, clock)
            MADE[name] = self
            self.away = False
            self.mute = False
            self.books = {}
            self.takers = {}

        def _known(self, query):
            if self.away:
                raise SourceUnavailable("the vendor is away")
            return [self.books[s] for s in query.symbols if s in self.books]

        async def quotes(self, query):
            return [book.quote for book in self._known(query)]

        async def depth(self, query):
            return self._known(query)

        async def subscribe(self, symbols, push):
            if self.mute:
                raise NotOffered("it has no live feed")
            self.takers |= dict.fromkeys(symbols, push)

        async def unsubscribe(self, symbols):
            for symbol in symbols:
                self.takers.pop(symbol, None)

    @hookimpl
    def register_source():
        return Feeding
"""
"""A source that pushes what a market tells it to."""


def installed(root, monkeypatch):
    """Put the plugin `feeding` on the path."""
    root.mkdir()
    names = {"dist": "feeding-dist", "module": "feeding_module", "entry": "feeding"}
    install(root, monkeypatch, source=PLUGIN, **names)


class Market:
    """What the source of a name pushes; made after its gateway."""

    def __init__(self, clock, *symbols, name="vendor"):
        self.source = sys.modules["feeding_module"].MADE[name]
        self._clock = clock
        self._numbers = itertools.count(1)
        for symbol in symbols:
            self.moves(symbol)

    async def brings(self, *symbols):
        """Return when these are subscribed to."""
        await until(lambda: self.source.takers.keys() >= set(symbols))

    def moves(self, symbol, trades=None):
        """The next state of a share, for whoever asks."""
        number = next(self._numbers)
        quote = Quote(
            symbol=symbol,
            as_of=self._clock.now() - timedelta(minutes=1) + timedelta(milliseconds=number),
            price=10.0 + number % 50 / 100,
            prev_close=10.0,
            volume=1000.0 * number,
        )
        bids, asks = (Level(9.99, 300.0),), (Level(10.51, 200.0),)
        self.source.books[symbol] = Depth(quote=quote, bids=bids, asks=asks)
        return Depth(quote=quote, bids=bids, asks=asks, trades=trades)

    def push(self, symbol, trades=None):
        """The quote of the next state, pushed."""
        book = self.moves(symbol, trades)
        self.source.takers[symbol](book)
        return book.quote

    def gap(self, symbol, reason):
        """Say that something may be missing."""
        self.source.takers[symbol](Gap(symbols=(symbol,), reason=reason))


class Everything:
    """A view of a channel that shows the updates themselves."""

    lasting = True

    def __init__(self, channel):
        self.channel = channel

    def fragment(self, update):
        """The update."""
        return update


class Ear:
    """Somebody who listens to a gateway and keeps what he hears."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.updates = []
        self.notices = []
        self._lane = Lane(self)

    async def listen(self, *symbols, channel=QUOTES):
        """Hear these from now on, and what there was."""
        streaming = self.gateway.streaming
        with streaming.held(symbols):
            await streaming.ready(channel, symbols)
            self.hear(*symbols, channel=channel)
        return self

    def hear(self, *symbols, channel=QUOTES):
        """The same, whether anything is known of them or not."""
        hub = self.gateway.streaming.hub
        caught = hub.listen(self._lane, Everything(channel), symbols)
        self.updates += [update for one in caught for update in one.fragments]

    def leave(self):
        """Hear nothing any more."""
        self.gateway.streaming.hub.leave(self)

    def ready(self, lane):
        """As the hub tells it."""
        asyncio.get_running_loop().call_soon(self._take, lane)

    def notice(self, notice):
        """As the hub tells it."""
        self.notices.append(notice)

    def told(self, kind):
        """What was told of one kind."""
        return [dict(notice.told) for notice in self.notices if notice.kind == kind]

    def values(self, channel, symbol):
        """What was said on a channel."""
        return [u.value for u in self.updates if (u.channel, u.symbol) == (channel, symbol)]

    async def hears(self, quote, channel=QUOTES):
        """What was said of the instant of a quote that was pushed, once it has come."""

        def said():
            own = (u for u in self.updates if (u.channel, u.symbol) == (channel, quote.symbol))
            return [update for update in own if as_of(update.value) == quote.as_of]

        await until(said)
        return said()[-1]

    def _take(self, lane):
        batch = lane.taken()
        if batch is not None:
            self.updates += [*(update for _, update in batch.each), *batch.latest.values()]
