"""Latest quotes and five-level books, in the vendor's units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast

from argus_core import BadData, Depth, Level, Quote, Symbol
from argus_rqdatac.cells import attribute, instant, number, stamp, text
from argus_rqdatac.session import Session
from argus_rqdatac.symbols import product_of
from argus_rqdatac.tables import look_up

R = TypeVar("R")


def read_quotes(session: Session, symbols: Iterable[Symbol]) -> list[Quote]:
    """The latest quote of each symbol that the vendor has one of."""
    return _snapshots(session, symbols, lambda _, quote: quote)


def read_depth(session: Session, symbols: Iterable[Symbol]) -> list[Depth]:
    """The same with up to five levels a side; the vendor gives no trades here."""
    return _snapshots(session, symbols, _book)


def read_push(message: Mapping[str, Any], symbol: Symbol) -> Depth:
    """The book of a pushed tick; a push may lack a side, or its book altogether."""
    get = message.get
    quote = _quote(symbol, None, stamp(get("datetime")), get)
    return Depth(
        quote=quote,
        bids=_levels(get("bid"), get("bid_vol")),
        asks=_levels(get("ask"), get("ask_vol")),
    )


def _snapshots(
    session: Session, symbols: Iterable[Symbol], read: Callable[[Any, Quote], R]
) -> list[R]:
    listed = look_up(session, symbols)
    if not listed:
        return []
    codes = {attribute(one, "order_book_id"): symbol for symbol, one in listed.items()}
    answer = session.call("snapshots", lambda sdk: sdk.current_snapshot(list(codes)))
    # One instrument, and one that is left over of several, comes without a list.
    ticks: list[Any] = [*answer] if isinstance(answer, list) else [answer]
    found: list[R] = []
    for tick in ticks:
        symbol = codes.get(attribute(tick, "order_book_id"))
        if symbol is None:
            raise BadData("rqdatac answers about other instruments than those asked for")
        _check_owner(tick, symbol)
        as_of = _instant(tick)
        if as_of is not None:
            name = text(attribute(listed[symbol], "symbol"))
            found.append(read(tick, _quote(symbol, name, as_of, _getter(tick))))
    return found


def _check_owner(tick: Any, symbol: Symbol) -> None:
    """The client names snapshots by their place in the answer, whatever the server says."""
    told = (_sent(tick) or {}).get("order_book_id")
    if told is not None and told != tick.order_book_id and product_of(symbol) is None:
        raise BadData("rqdatac answers with snapshots in another order than asked for")


def _instant(tick: Any) -> datetime | None:
    try:
        return instant(tick.datetime)
    except (KeyError, ValueError, TypeError):
        raise BadData("rqdatac gives a snapshot without a time") from None


def _getter(tick: Any) -> Callable[[str], Any]:
    """What the server sent under a name; where it sent nothing the client says 0."""
    sent = _sent(tick)

    def get(name: str) -> Any:
        return attribute(tick, name) if sent is None or name in sent else None

    return get


def _sent(tick: Any) -> Mapping[str, Any] | None:
    """The row that a snapshot was made of."""
    row = attribute(tick, "_data")
    return cast("Mapping[str, Any]", row) if isinstance(row, Mapping) else None


def _quote(
    symbol: Symbol, name: str | None, as_of: datetime | None, get: Callable[[str], Any]
) -> Quote:
    volume, opened = number(get("volume")), number(get("open"))
    # Before the first trade of a day the vendor repeats the previous close as the last price.
    untraded = volume == 0 and not opened
    return Quote(
        symbol=symbol,
        name=name,
        as_of=as_of,
        price=None if untraded else number(get("last")),
        open=opened,
        high=number(get("high")),
        low=number(get("low")),
        prev_close=number(get("prev_close")),
        volume=volume,
        turnover=number(get("total_turnover")),
    )


def _book(tick: Any, quote: Quote) -> Depth:
    return Depth(
        quote=quote,
        bids=_levels(tick.bids, tick.bid_vols),
        asks=_levels(tick.asks, tick.ask_vols),
    )


def _levels(prices: Any, volumes: Any) -> tuple[Level, ...]:
    """The levels that are there; the vendor fills a side up with zeros."""
    pairs = zip(prices or (), volumes or (), strict=False)
    numbers = ((number(price), number(volume)) for price, volume in pairs)
    return tuple(Level(price, volume) for price, volume in numbers if price and volume)
