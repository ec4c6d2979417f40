"""The feed of other gateways: every value as it was brought, numbered like any other channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from argus_core.model.records import Depth, Quote
from argus_core.model.symbol import Symbol
from argus_core.streaming.hub import Hub
from argus_core.streaming.lanes import Lane, Listener
from argus_core.streaming.topics import DEPTH, FEED, QUOTES, Carrier, Fragment, Key, Update

ROOM = 10_000
"""Values that wait for one gateway beside the newest of each symbol."""


class FeedLane(Lane):
    """What waits for another gateway: all of it in order, as long as there is room.

    Trades are told once, with the book that they came with, so a book that a newer one replaces
    may take trades along. Beyond the room it is replaced all the same, and counted.
    """

    __slots__ = ("__weakref__", "behind")

    def __init__(self, listener: Listener, interval: float = 0.0) -> None:
        super().__init__(listener, interval)
        self.behind: dict[Symbol, frozenset[str]] = {}
        """The ids of the gateways that hear of a symbol through this lane."""

    def conflated(self, key: Key, fragment: Fragment) -> None:
        """Let a value wait behind the one before, which is sent first."""
        if key in self.latest and len(self.each) < ROOM:
            self.each.append((key, self.latest.pop(key)))
        super().conflated(key, fragment)

    def forget(self, keys: Sequence[Key]) -> None:
        """Let nothing of these topics wait, and nobody be behind them."""
        for _, symbol in keys:
            self.behind.pop(symbol, None)
        super().forget(keys)


class SilentLane(FeedLane):
    """Hears of nothing: what it would hear goes another way.

    ``ended`` is told the symbols that it does not listen to any more.
    """

    __slots__ = ("_ended",)

    def __init__(self, listener: Listener, ended: Callable[[Iterable[Symbol]], None]) -> None:
        super().__init__(listener)
        self._ended = ended

    def conflated(self, key: Key, fragment: Fragment) -> None:
        """Leave it out."""

    def forget(self, keys: Sequence[Key]) -> None:
        """Note that these topics are not listened to any more."""
        super().forget(keys)
        self._ended(symbol for _, symbol in keys)


def begin(hub: Hub, symbols: Iterable[Symbol]) -> None:
    """Let the feed of each symbol begin with what is known of it already."""
    for symbol in symbols:
        topic = hub.topics.get((FEED, symbol))
        known = _known(hub, symbol) if topic is None or topic.last is None else None
        if known is not None:
            value = _old(known.value)
            hub.say((FEED, symbol), value, known.carrier, known.at, stale=known.stale)


def feed(
    hub: Hub, symbol: Symbol, value: Depth | Quote, carrier: Carrier, at: datetime, *, stale: bool
) -> None:
    """Say a value to the gateways that listen, if it says anything new."""
    topic = hub.topics.get((FEED, symbol))
    if topic is None:
        return
    last = topic.last
    if last is None or last.value != value or last.stale != stale:
        hub.say((FEED, symbol), value, carrier, at, stale=stale)


def outdated(hub: Hub, symbol: Symbol, at: datetime) -> None:
    """Say the last value of a feed once more, flagged: nobody brings the symbol any more."""
    topic = hub.topics.get((FEED, symbol))
    if topic is not None and topic.last is not None and not topic.last.stale:
        last = topic.last
        hub.say((FEED, symbol), _old(last.value), last.carrier, at, stale=True)


def _old(value: Depth | Quote) -> Depth | Quote:
    """A value that was said before: its trades are not new any more."""
    return replace(value, trades=None) if isinstance(value, Depth) else value


def _known(hub: Hub, symbol: Symbol) -> Update | None:
    """What was said last: the book, unless quotes without one came since."""
    book, quote = (
        None if (topic := hub.topics.get((channel, symbol))) is None else topic.last
        for channel in (DEPTH, QUOTES)
    )
    if book is None or quote is None:
        return book or quote
    return book if book.value.quote == quote.value else quote
