"""The vendor's snapshots, pulled or pushed, as books and quotes in the vendor's units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, cast

from argus_core import BadData, Depth, Kind, Level, Quote, Symbol, kind_of
from argus_xtquant.cells import count, counts, instant, price, prices, timetag
from argus_xtquant.session import Session
from argus_xtquant.surface import Tick
from argus_xtquant.symbols import Spelt, spelled


def read_books(session: Session, symbols: Iterable[Symbol], today: date) -> list[Depth]:
    """The newest book of each symbol that the client knows one of.

    A code that is absent from the answer is no data, which says nothing of the code: some clients
    answer about subscribed codes only.
    """
    asked = spelled(symbols, today, today)
    if not asked:
        return []
    codes = sorted({spelt.code for spelt in asked})
    told: Any = session.call("quotes", lambda x: x.get_full_tick(codes))
    if not isinstance(told, Mapping):
        # The vendor's wrappers turn some errors into None, which is not "no data"
        raise BadData(f"the client answered the quotes with {type(told).__name__}")
    return list(_books(cast("Mapping[str, Any]", told), asked))


def _books(ticks: Mapping[str, Any], asked: Iterable[Spelt]) -> Iterable[Depth]:
    for spelt in asked:
        tick = ticks.get(spelt.code)
        if isinstance(tick, Mapping) and tick:
            yield read_book(spelt.symbol, cast("Tick", tick))


def read_book(symbol: Symbol, tick: Tick) -> Depth:
    """A snapshot, whole or partial, of an old client or a new one, as a book."""
    return Depth(
        quote=read_quote(symbol, tick),
        bids=_side(tick, "bid"),
        asks=_side(tick, "ask"),
    )


def read_quote(symbol: Symbol, tick: Tick) -> Quote:
    """A snapshot as a quote.

    ``openInt`` of a share is its trading status and ``stockStatus`` another scale of the same; a
    quote has room for neither.
    """
    traded = has_traded(symbol, tick)
    return Quote(
        symbol=symbol,
        as_of=as_of(tick),
        # In the opening auction the last price is what a match would cost, and nobody paid it:
        # until something is traded there is a previous close and nothing else
        price=price(tick.get("lastPrice")) if traded else None,
        open=price(tick.get("open")) if traded else None,
        high=price(tick.get("high")) if traded else None,
        low=price(tick.get("low")) if traded else None,
        prev_close=price(tick.get("lastClose")),
        volume=count(tick.get("volume")),
        turnover=count(tick.get("amount")),
    )


def has_traded(symbol: Symbol, tick: Tick) -> bool:
    """True once the day has a first trade; an index is reckoned, so it only needs an open."""
    volume = count(tick.get("volume"))
    if volume is None or kind_of(symbol) is Kind.INDEX:
        return bool(volume) or price(tick.get("open")) is not None
    return volume > 0


def as_of(tick: Tick) -> datetime | None:
    """When a snapshot was taken: ``time`` of newer clients, ``timetag`` of older ones."""
    return instant(tick.get("time")) or timetag(tick.get("timetag"))


def _side(tick: Tick, side: str) -> tuple[Level, ...]:
    """The levels of one side; the vendor fills those that the account may not see with zeros.

    A level with a price and no volume is one of less than half a lot.
    """
    pairs = zip(prices(tick.get(f"{side}Price")), counts(tick.get(f"{side}Vol")), strict=False)
    return tuple(Level(at, volume) for at, volume in pairs if at and volume is not None)
