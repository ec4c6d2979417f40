"""Streaming as a whole: what the gateway offers to whoever serves listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from argus_core.clock import Clock
from argus_core.model.answer import Answer, Failure
from argus_core.model.records import Depth, Gap, Quote
from argus_core.model.symbol import Symbol
from argus_core.stream_table import StreamTable
from argus_core.streaming.asking import Asked, Asking, carrier_of
from argus_core.streaming.behind import Behind
from argus_core.streaming.feed import FeedLane, begin, feed
from argus_core.streaming.hub import Hub
from argus_core.streaming.legs import Finder
from argus_core.streaming.lines import Line
from argus_core.streaming.livebars import History, LiveBars
from argus_core.streaming.polls import Polls
from argus_core.streaming.saying import (
    AHEAD,
    last_of,
    older,
    quote_of,
    say_book,
    say_outdated,
    say_quote,
)
from argus_core.streaming.supply import Supplier
from argus_core.streaming.topics import (
    DEPTH,
    FEED,
    QUOTES,
    TRADES,
    Carrier,
    Mode,
    Notice,
)
from argus_core.streaming.watch import Watch

Look = Callable[[str, tuple[Symbol, ...]], Awaitable[Answer[Any]]]
"""Asks for the quotes or the depth of symbols as a consumer would, within a few seconds."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Which symbols can be listened to, under their present codes, and why others cannot."""

    symbols: tuple[Symbol, ...]
    rejected: Mapping[str, Failure]


class Streaming:
    """The hub, what supplies it, and what is known of each symbol before anybody listens."""

    def __init__(
        self,
        routes: Finder,
        router: Asked,
        look: Look,
        *,
        clock: Clock,
        table: StreamTable,
        gateway: str = "",
        history: History | None = None,
    ) -> None:
        self.table = table
        self.refused = 0
        """Values that were older than what was known, or said nothing new."""
        self.feeds: WeakSet[FeedLane] = WeakSet()
        """The lanes of the gateways that listen."""
        self.when_caught_up: Callable[[], object] = lambda: None
        """Called once everything that was pushed until now is said: nothing more comes soon."""
        self._clock = clock
        self._gateway = gateway
        self._look = look
        self.supplier = Supplier(routes, clock=clock, taker=self, via=self._via)
        asking = Asking(router, clock)
        self._polls = Polls(
            self.supplier, asking, clock=clock, taker=self, interval=table.poll_interval
        )
        self._watch = Watch(self.supplier, asking, clock=clock, taker=self, silence=table.silence)
        self.hub = Hub(
            epoch=uuid4().hex[:12],
            grace=table.grace,
            supply=self.supplier,
            later=lambda seconds, act: asyncio.get_running_loop().call_later(seconds, act),
        )
        self._behind = Behind(self.supplier.lines, self.hub.tell, clock)
        self.bars = LiveBars(self.hub, self.supplier.lines, clock=clock, history=history)

    async def run(self) -> None:
        """Keep everything supplied that somebody listens to, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.supplier.run())
                group.create_task(self._polls.run())
                group.create_task(self._watch.run())
                group.create_task(self.bars.run())
        finally:
            self.hub.close()
            await self.supplier.aclose()

    def rerouted(self) -> None:
        """Go by other routes, or other nodes, from now on."""
        self.supplier.rerouted()

    @contextmanager
    def held(self, symbols: Sequence[Symbol]) -> Generator[None]:
        """Have symbols brought while somebody who will listen is still being told about them."""
        self.hub.hold(symbols)
        try:
            yield
        finally:
            self.hub.release(symbols)

    async def ready(self, channel: str, symbols: tuple[Symbol, ...]) -> Ready:
        """Make sure that something is known of each symbol that can be listened to.

        A symbol whose state is not known yet is asked for as a request would ask.
        """
        base = DEPTH if channel == DEPTH else QUOTES
        unknown = tuple(symbol for symbol in symbols if not self._known(base, symbol))
        if not unknown:
            return self._readied(channel, symbols, {})
        answer = await self._look(base, unknown)
        self._behind.flush()
        for symbol in unknown:
            value = answer.data.get(symbol)
            if value is not None:
                self._first(base, symbol, value, answer)
            elif not self._known(base, symbol):
                self._left_behind(base, symbol)
        rejected = {key: why for key, why in answer.errors.items() if why.code in _HOPELESS}
        return self._readied(channel, tuple(s for s in symbols if s not in rejected), rejected)

    def _readied(
        self, channel: str, symbols: tuple[Symbol, ...], rejected: Mapping[str, Failure]
    ) -> Ready:
        if channel == FEED:
            begin(self.hub, symbols)
        self.bars.begin(channel, symbols)
        return Ready(symbols, rejected)

    def _known(self, base: str, symbol: Symbol) -> bool:
        """True if the last that was said of a symbol is its state, as far as anybody knows.

        Where nobody listens to books, only quotes may be asked for: then they have left it behind.
        """
        topic = self.hub.topics.get((base, symbol))
        if topic is None or topic.last is None:
            return False
        quote = last_of(self.hub, symbol)
        if base != DEPTH or topic.lanes or quote is None:
            return True
        return not older(topic.last.value.quote, quote)

    def _left_behind(self, base: str, symbol: Symbol) -> None:
        """Flag what was said last of a symbol, if anything was: it is not its state any more."""
        topic = self.hub.topics.get((base, symbol))
        last = None if topic is None else topic.last
        if last is not None and not last.stale:
            self.hub.say((base, symbol), last.value, last.carrier, last.at, stale=True)

    def _first(self, base: str, symbol: Symbol, value: Any, answer: Answer[Any]) -> None:
        """Let what an answer said be the state of a topic of which nothing is known yet."""
        if self._known(base, symbol):
            return  # something came meanwhile, and it is newer
        origin = answer.provenance[symbol]
        line = self.supplier.lines.get(symbol)
        stale = origin.stale or (line is not None and line.lost)  # nothing will come after it
        self.hub.say((base, symbol), value, carrier_of(origin), origin.fetched_at, stale=stale)

    def mode(self, symbol: Symbol) -> Mode | None:
        """How a symbol is brought just now; None if nobody brings it, or not yet."""
        line = self.supplier.lines.get(symbol)
        if line is not None and line.leg is None and line.again <= self._clock.monotonic():
            self.supplier.arrange()  # whoever has just asked for it is told now
        if line is None or line.leg is None:
            return None
        relayed = line.leg.node is not None and line.leg.node.source.relays
        return line.mode or (None if relayed else line.leg.mode)  # what it passes on will say

    def _via(self, symbols: Sequence[Symbol]) -> tuple[str, ...]:
        """The gateways that hear of these through this one, and this one."""
        own = (lane.behind.get(symbol, ()) for lane in self.feeds for symbol in symbols)
        others = frozenset[str]().union(*own) - {self._gateway}
        return (*sorted(others), *((self._gateway,) if self._gateway else ()))

    # -- what is brought: see supply.Taker --------------------------------------------------------

    def brought(
        self,
        line: Line,
        value: Depth | Quote,
        carrier: Carrier,
        at: datetime,
        *,
        stale: bool = False,
    ) -> bool:
        """Say what is new in a value that came in; what is old or known is not said again.

        False if it is older than what is known, or was old already where it comes from.
        """
        symbol, quote = line.symbol, quote_of(value)
        self._behind.settle(symbol)
        replayed = carrier.replay is not None  # a recorded day may begin again
        if not replayed and older(quote, last_of(self.hub, symbol)):
            self.refused += 1
            self._left_out(symbol, value)
            return False
        if quote.as_of is not None and quote.as_of <= at + AHEAD:
            line.as_of = quote.as_of
        line.mode = carrier.mode
        say = partial(self._say, line, value, carrier, at, stale=stale)
        self._behind.brought(line, carrier, say, stale=stale)
        return not stale

    def _say(
        self, line: Line, value: Depth | Quote, carrier: Carrier, at: datetime, *, stale: bool
    ) -> None:
        hub, symbol, quote = self.hub, line.symbol, quote_of(value)
        self.refused += not say_quote(hub, symbol, quote, carrier, at, stale=stale)
        if isinstance(value, Depth):
            say_book(hub, symbol, value, carrier, at, stale=stale)
        feed(hub, symbol, value, carrier, at, stale=stale)
        self.bars.brought(symbol, value, carrier, at, stale=stale)

    def older(self, line: Line, value: Depth | Quote) -> bool:
        """True if a value is older than what is known."""
        self._behind.settle(line.symbol)
        return older(quote_of(value), last_of(self.hub, line.symbol))

    def differs(self, line: Line, value: Depth | Quote) -> bool:
        """True if a value says another price than what is known."""
        self._behind.settle(line.symbol)
        last = last_of(self.hub, line.symbol)
        return last is None or quote_of(value).price != last.value.price

    def with_book(self, line: Line) -> bool:
        """True if somebody listens to the line's book, or may come back to what is kept of it."""
        topics, symbol = self.hub.topics, line.symbol
        return (DEPTH, symbol) in topics or (FEED, symbol) in topics

    def _left_out(self, symbol: Symbol, value: Depth | Quote) -> None:
        """Tell that trades which came with an old value are not said."""
        if isinstance(value, Depth) and value.trades and self._each_counts(symbol):
            reason = "trades came with a value that is older than what is known"
            self.gap((symbol,), Gap(symbols=(symbol,), reason=reason))

    def _each_counts(self, symbol: Symbol) -> bool:
        """True if somebody, be it behind another gateway, may listen to each trade."""
        return any((channel, symbol) in self.hub.topics for channel in (TRADES, FEED))

    def switched(self, lines: Sequence[Line], reason: str) -> None:
        """Tell whoever listens to lines who brings them now, or that nobody does any more.

        Within a pool that is asked, its nodes take turns: that is no news.
        """
        self._behind.flush()
        lost = tuple(line.symbol for line in lines if line.leg is None)
        new: dict[tuple[str, str | None, Mode], list[Symbol]] = {}
        for line in lines:
            told = line.told
            line.told = None if line.leg is None else line.leg.key
            was_lost, line.lost = line.lost, line.leg is None
            first = line.source is None and not was_lost and line.reason is None
            if line.leg is None:
                line.outdated = False
            if line.leg is None or first or told == line.told:
                continue
            line.reason, line.outdated = None, False
            before = line.source if told is None else told[1]
            new.setdefault((line.leg.name, before, line.leg.mode), []).append(line.symbol)
        self.bars.gap(symbol for symbols in new.values() for symbol in symbols)
        for (name, before, mode), symbols in new.items():
            self._changed(symbols, name, before, mode, reason)
        if lost:
            self.hub.tell(Notice("status", lost, {"state": "stale", "reason": reason}))
        say_outdated(self.hub, lost, self._clock.now())
        self.bars.outdated(lost, self._clock.now())

    def _changed(
        self, symbols: Sequence[Symbol], name: str, before: str | None, mode: Mode, reason: str
    ) -> None:
        told = {"state": "live", "source": name, "mode": mode}
        known = {"previous": before, "reason": reason or None}
        told |= {key: value for key, value in known.items() if value is not None}
        self.hub.tell(Notice("status", tuple(symbols), told))
        each = [symbol for symbol in symbols if self._each_counts(symbol)]
        if each:  # where each one counts, nobody knows what was traded in between
            why = f"{name} took over" if mode == "push" else f"{name} is asked, for quotes only"
            self.gap(each, Gap(symbols=tuple(each), reason=why))

    def gap(self, symbols: Sequence[Symbol], gap: Gap) -> None:
        """Tell whoever listens that something may be missing."""
        self._behind.flush()
        self.bars.gap(symbols)
        since = None if gap.since is None else gap.since.isoformat()
        self.hub.tell(Notice("gap", tuple(symbols), {"reason": gap.reason, "since": since}))

    def caught_up(self) -> None:
        """Let what was said be sent, and what waits for its status before that."""
        self._behind.flush()
        self.when_caught_up()


_HOPELESS = frozenset({"NOT_FOUND", "INVALID_PARAMETER", "NOT_SUPPORTED"})
"""Reasons that do not go away while somebody listens."""
