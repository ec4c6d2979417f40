"""SRC-20 to SRC-24: quotes and order books."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from argus_core.clock import SHANGHAI
from argus_core.model.records import Depth, Level, Quote
from argus_core.testing.check import Check, Failed, check, demand, skip
from argus_core.testing.questions import Asking, asking, offered
from argus_core.testing.subject import Subject, sessions

_AHEAD = timedelta(minutes=2)
"""By how much a vendor's clock may run before ours."""
_DAY = (time(8, 45), time(17, 30))
"""When a security's quote can speak of its own day: from before the auction to the last fixing."""
_CENT = 0.006
_PERCENT = 0.02


@check("SRC-20")
async def possible_quotes(subject: Subject) -> None:
    """A quote is possible: the price within the day's range, no trading without a price.

    One quote a symbol. Its volume and turnover prove each other like a bar's, and a state without
    a first trade has neither price nor range.
    """
    async with asking(subject) as it:
        reading = await it.ask(it.query("quotes", await it.known("quotes")))
        for symbol, fault in reading.faults.items():
            raise Failed(f"quotes of {symbol}: {fault}")


@check("SRC-21")
async def consistent_change(subject: Subject) -> None:
    """`change` is price minus previous close, `change_pct` is that in percent.

    Leave them out: the core computes them. A vendor's own may be a fraction, or speak of another
    close.
    """
    async with asking(subject) as it:
        for quote in await _quotes(it):
            price, before = quote.price, quote.prev_close
            if price is None or before is None:
                continue
            change, percent = price - before, (price / before - 1) * 100
            demand(
                abs((quote.change or 0.0) - change) < _CENT,
                f"{quote.symbol}: change is {quote.change}, {price} - {before} is {change:.4g}",
            )
            demand(
                abs((quote.change_pct or 0.0) - percent) < _PERCENT,
                f"{quote.symbol}: change_pct is {quote.change_pct}, in percent it is {percent:.4g}",
            )


@check("SRC-22")
async def true_instants(subject: Subject) -> None:
    """`as_of` is when the quote was true: not in the future, and of a security in trading hours.

    Times without a zone that are read in the wrong one are hours off. On a holiday the quote is
    still the last trading day's, and says so.
    """
    async with asking(subject) as it:
        looked = False
        for quote in await _quotes(it):
            if quote.as_of is None:
                continue
            looked = True
            at = quote.as_of.astimezone(SHANGHAI)
            demand(
                at <= it.now + _AHEAD,
                f"{quote.symbol} is dated {at}, which is yet to come: is `timezone` true?",
            )
            if not quote.symbol.exchange.trades_futures:
                _demand_hours(quote, at)
        if not looked:
            skip("its quotes carry no as_of")


@check("SRC-23")
async def possible_books(subject: Subject) -> None:
    """A book is uncrossed outside auctions, and its quote is possible.

    The best bid lies below the best ask; bids and asks exchanged show here.
    """
    async with asking(subject) as it:
        reading = await it.ask(it.query("depth", await it.known("depth")))
        for symbol, fault in reading.faults.items():
            raise Failed(f"depth of {symbol}: {fault}")


@check("SRC-24")
async def sorted_books(subject: Subject) -> None:
    """Levels come best first, each price once, trades newest last.

    Not more levels than asked for: the core would cut the wrong ones off an unsorted book.
    """
    async with asking(subject) as it:
        query = it.query("depth", await it.known("depth"))
        for depth in await it.raw(query):
            _demand_order(depth)


CHECKS: tuple[Check, ...] = (
    possible_quotes,
    consistent_change,
    true_instants,
    possible_books,
    sorted_books,
)


async def _quotes(it: Asking) -> Iterable[Quote]:
    """Canonical quotes of known symbols, from the quotes themselves or else from the books."""
    dataset = offered(it.source, "quotes", "depth")
    values = await it.values(it.query(dataset, await it.known(dataset)))
    return [value.quote if isinstance(value, Depth) else value for value in values.values()]


def _demand_hours(quote: Quote, at: datetime) -> None:
    begins, ends = _DAY
    demand(
        begins <= at.time() <= ends,
        f"{quote.symbol} is dated {at:%H:%M}, when nothing trades: is `timezone` true?",
    )
    demand(
        sessions(at.date(), at.date()),
        f"{quote.symbol} is dated {at:%a %Y-%m-%d}, which is no trading day: "
        "as_of is when the price was made, not when it was asked for",
    )


def _demand_order(depth: Depth) -> None:
    for side, levels, falling in (("bids", depth.bids, True), ("asks", depth.asks, False)):
        prices = [level.price for level in _real(levels)]
        demand(
            prices == sorted(set(prices), reverse=falling),
            f"the {side} of {depth.symbol} are not sorted best first, each price once: {prices}",
        )
    times = [trade.time for trade in depth.trades or ()]
    demand(times == sorted(times), f"the trades of {depth.symbol} are not sorted newest last")


def _real(levels: Iterable[Level]) -> list[Level]:
    """The levels that are some: the core drops those without a price or a volume."""
    return [level for level in levels if level.price and level.volume]
