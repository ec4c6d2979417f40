"""Latest quotes and order books as a source returned them, made canonical."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from argus_core.clock import SHANGHAI
from argus_core.extend.units import Units
from argus_core.market.frames import HUGE, INT_MAX
from argus_core.market.kinds import kind_of
from argus_core.market.units import FLIP, SLACK, Disproof, provable
from argus_core.model.records import Depth, Level, Quote, Trade
from argus_core.model.symbol import Kind, Symbol

_PRICE_DIGITS: Final = 6
_PERCENT_DIGITS: Final = 4
_HALF_A_CENT: Final = 0.005
"""Room for a price that was rounded apart from its high and low."""
_CLOSING_AUCTION: Final = (time(14, 57), time(15, 0, 59))
"""When the stock exchanges show the auction's price as best bid and best ask alike."""


def normalise_quote(
    quote: Quote,
    rule: Units,
    *,
    timezone: str = "Asia/Shanghai",
    kind: Callable[[Symbol], Kind] = kind_of,
) -> Quote | str | None:
    """The quote in canonical units, a sentence why it cannot be true, or ``None`` if it is empty.

    NaN, infinities, the vendors' sentinels and prices that are not positive become ``None``;
    ``change`` and ``change_pct`` are computed where absent; ``as_of`` without a zone is in
    ``timezone``. The sentence says that a price is missing where there was trading, that it lies
    outside the day's range, or that turnover ÷ volume disproves the units. A quote with neither
    price nor previous close answers nothing.
    """
    canonical = _canonical(quote, rule, timezone)
    fault = _disproof(canonical, rule, kind)
    return fault or (None if _silent(canonical) else canonical)


def normalise_depth(
    depth: Depth,
    rule: Units,
    *,
    levels: int,
    now: datetime,
    timezone: str = "Asia/Shanghai",
    kind: Callable[[Symbol], Kind] = kind_of,
) -> Depth | str | None:
    """The book in canonical units, a sentence why it cannot be true, or ``None`` if it is empty.

    At most ``levels`` levels a side, best first; levels without a price or a volume are no levels
    and are left out, and so are such trades; a volume that the vendor's step rounds to 0 is one.
    Outside auctions a bid below the asks is demanded;
    ``now`` (aware) dates a quote without ``as_of``.
    """
    quote = _canonical(depth.quote, rule, timezone)
    bids, asks = _levels(depth.bids, rule), _levels(depth.asks, rule)
    bids.sort(key=_price_of, reverse=True)
    asks.sort(key=_price_of)
    fault = _disproof(quote, rule, kind)
    if fault is None and bids and asks and bids[0].price >= asks[0].price:
        fault = None if _in_auction(quote, now) else _crossed(bids[0], asks[0])
    if fault is not None or (_silent(quote) and not bids and not asks):
        return fault
    return Depth(
        quote=quote,
        bids=tuple(bids[:levels]),
        asks=tuple(asks[:levels]),
        trades=None if depth.trades is None else _trades(depth.trades, rule, timezone),
    )


def _canonical(quote: Quote, rule: Units, timezone: str) -> Quote:
    price, prev_close = _price(quote.price), _price(quote.prev_close)
    change, change_pct = _number(quote.change), _number(quote.change_pct)
    if price is not None and prev_close is not None:
        change = price - prev_close if change is None else change
        change_pct = change / prev_close * 100 if change_pct is None else change_pct
    return Quote(
        symbol=quote.symbol,
        as_of=_instant(quote.as_of, timezone),
        name=quote.name,
        price=price,
        open=_price(quote.open),
        high=_price(quote.high),
        low=_price(quote.low),
        prev_close=prev_close,
        volume=_volume(quote.volume, rule),
        turnover=_count(quote.turnover, rule.turnover),
        change=None if change is None else round(change, _PRICE_DIGITS),
        change_pct=None if change_pct is None else round(change_pct, _PERCENT_DIGITS),
    )


def _silent(quote: Quote) -> bool:
    return quote.price is None and quote.prev_close is None


def _number(value: float | None) -> float | None:
    """``value``, or ``None`` for everything that vendors write where they have no number."""
    # NaN fails every comparison
    return value if value is not None and -HUGE < value < HUGE else None


def _price(value: float | None) -> float | None:
    return value if value is not None and 0 < value < HUGE else None


def _count(value: float | None, factor: float) -> float | None:
    if value is None or not -HUGE < value < HUGE or value == INT_MAX:
        return None
    return value if factor == 1.0 else round(value * factor, 4)


def _volume(value: float | None, rule: Units) -> float | None:
    """A volume in shares; unknown where nobody knows the unit, unless there is none to know."""
    if rule.volume is None:
        return value if value == 0 else None
    return _count(value, rule.volume)


def _instant(at: datetime | None, timezone: str) -> datetime | None:
    if at is None or at.tzinfo is SHANGHAI:
        return at
    aware = at.replace(tzinfo=ZoneInfo(timezone)) if at.tzinfo is None else at
    return aware.astimezone(SHANGHAI)


def _levels(levels: Iterable[Level], rule: Units) -> list[Level]:
    pairs = ((_price(level.price), _volume(level.volume, rule)) for level in levels)
    # Whoever counts in whole lots rounds a few shares to none; their price stands in the book.
    rounded = rule.volume_step > 1.0
    return [
        Level(price, volume)
        for price, volume in pairs
        if price and volume is not None and (volume > 0 or (rounded and volume == 0))
    ]


def _price_of(level: Level) -> float:
    return level.price


def _crossed(bid: Level, ask: Level) -> str:
    return f"the book is crossed: the best bid {bid.price} is not below the best ask {ask.price}"


def _in_auction(quote: Quote, now: datetime) -> bool:
    """True if the best bid may meet the best ask: before the open, and at a stock day's close."""
    if quote.open is None:
        return True
    at = (quote.as_of or now).astimezone(SHANGHAI).time()
    begins, ends = _CLOSING_AUCTION
    return begins <= at <= ends and not quote.symbol.exchange.trades_futures


def _trades(trades: Iterable[Trade], rule: Units, timezone: str) -> tuple[Trade, ...]:
    kept: list[Trade] = []
    for trade in trades:
        price, volume = _price(trade.price), _volume(trade.volume, rule)
        time = _instant(trade.time, timezone)
        if price and volume and time:
            kept.append(Trade(price=price, volume=volume, time=time, direction=trade.direction))
    return tuple(kept)


def _disproof(quote: Quote, rule: Units, kind: Callable[[Symbol], Kind]) -> str | None:
    """A sentence if the day's prices, volume and turnover cannot belong together."""
    volume, low, high = quote.volume, quote.low, quote.high
    if volume is not None and volume < 0:
        return f"the volume {volume} is negative"
    if low is not None and high is not None and low > high:
        return f"the low {low} lies above the high {high}"
    if quote.price is None:
        return _unpriced(quote)
    room = quote.price * 1e-9 + _HALF_A_CENT
    if (low is not None and quote.price < low - room) or (
        high is not None and quote.price > high + room
    ):
        return f"the price {quote.price} lies outside the day's range [{low}, {high}]"
    return _money(quote, rule) if provable(quote.symbol, kind(quote.symbol)) else None


def _unpriced(quote: Quote) -> str | None:
    """A sentence if a quote without a price reports trading: before the first trade none has."""
    if quote.volume:
        return f"the price is missing although {quote.volume:g} were traded"
    for name, price in (("open", quote.open), ("high", quote.high), ("low", quote.low)):
        if price is not None:
            return f"the price is missing although the day has the {name} {price}"
    return None


def _money(quote: Quote, rule: Units) -> str | None:
    """A sentence if the turnover cannot have bought the volume within the day's range."""
    volume, turnover, low, high = quote.volume, quote.turnover, quote.low, quote.high
    if not volume or not turnover or low is None or high is None:
        return None
    least = low * max(volume - rule.volume_step, 0) * (1 - SLACK) / FLIP - rule.turnover_step
    most = high * (volume + rule.volume_step) * (1 + SLACK) * FLIP + rule.turnover_step
    if least <= turnover <= most:
        return None
    return Disproof(
        f"the quote disproves its units: turnover {turnover} ÷ volume {volume} = "
        f"{turnover / volume:.6g} lies outside [{low}, {high}]"
    )
