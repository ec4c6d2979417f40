"""What is said of a value that came in: what is new in it, and whether it can be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from argus_core.model.records import Depth, Quote
from argus_core.model.symbol import Symbol
from argus_core.streaming.feed import outdated
from argus_core.streaming.hub import Hub
from argus_core.streaming.topics import DEPTH, QUOTES, TRADES, Carrier, Update

AHEAD = timedelta(seconds=5)
"""By how much a value may lie ahead of our clock. One that speaks of a later instant is taken,
but is no reason to refuse another that comes after it."""


def quote_of(value: Depth | Quote) -> Quote:
    """The quote, or the one that comes with a book."""
    return value.quote if isinstance(value, Depth) else value


def last_of(hub: Hub, symbol: Symbol) -> Update | None:
    """The last quote that was said of a symbol."""
    topic = hub.topics.get((QUOTES, symbol))
    return None if topic is None else topic.last


def older(quote: Quote, last: Update | None) -> bool:
    """True if a quote speaks of an earlier instant than the last one that could be believed."""
    known = None if last is None else last.value.as_of
    if last is None or known is None or quote.as_of is None or quote.as_of >= known:
        return False
    return bool(known <= last.at + AHEAD)


def say_quote(
    hub: Hub, symbol: Symbol, quote: Quote, carrier: Carrier, at: datetime, *, stale: bool
) -> bool:
    """Say a quote; false if it is what was said last."""
    last = last_of(hub, symbol)
    if last is not None and last.stale is stale:
        # The instant first: it nearly always differs, and to compare all of it takes its time.
        known = last.value
        if known.as_of == quote.as_of and known == quote:
            return False
    hub.say((QUOTES, symbol), quote, carrier, at, stale=stale)
    return True


def say_book(
    hub: Hub, symbol: Symbol, book: Depth, carrier: Carrier, at: datetime, *, stale: bool
) -> None:
    """Say a book, and the trades that came with it, to those who listen to them."""
    topic = hub.topics.get((DEPTH, symbol))
    if topic is not None:
        last = topic.last
        if last is None or last.value != book or last.stale is not stale:
            hub.say((DEPTH, symbol), book, carrier, at, stale=stale)
    if book.trades and (TRADES, symbol) in hub.topics:
        for trade in book.trades:
            hub.say((TRADES, symbol), trade, carrier, at)


def say_outdated(hub: Hub, symbols: Iterable[Symbol], at: datetime) -> None:
    """Say what is known once more, flagged: whoever looks at values only must see it too."""
    for symbol in symbols:
        for channel in (QUOTES, DEPTH):
            topic = hub.topics.get((channel, symbol))
            last = None if topic is None else topic.last
            if last is not None and not last.stale:
                hub.say((channel, symbol), last.value, last.carrier, at, stale=True)
        outdated(hub, symbol, at)
