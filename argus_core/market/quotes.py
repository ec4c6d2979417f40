"""Latest quotes and order books as a source returned them, made canonical."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from argus_core.clock import SHANGHAI
from argus_core.extend.units import Units
from argus_core.market.kinds import kind_of
from argus_core.market.units import FLIP, SLACK, provable
from argus_core.model.records import Depth, Level, Quote, Trade
from argus_core.model.symbol import Kind, Symbol

_HUGE: Final = 1.797e308
_INT_MAX: Final = 2147483647
_PRICE_DIGITS: Final = 6
_PERCENT_DIGITS: Final = 4


def normalise_quote(
    quote: Quote,
    rule: Units,
    *,
    timezone: str = "Asia/Shanghai",
    kind: Callable[[Symbol], Kind] = kind_of,
) -> Quote | str:
    """The quote in canonical units, or a sentence why it cannot be true.

    NaN, infinities, the vendors' sentinels and prices that are not positive become ``None``;
    ``change`` and ``change_pct`` are computed where absent; ``as_of`` without a zone is in
    ``timezone``. The sentence says that a price is missing where there was trading, or that
    turnover ÷ volume disproves the units.
    """
    price, prev_close = _price(quote.price), _price(quote.prev_close)
    change, change_pct = _number(quote.change), _number(quote.change_pct)
    if price is not None and prev_close is not None:
        change = price - prev_close if change is None else change
        change_pct = change / prev_close * 100 if change_pct is None else change_pct
    canonical = Quote(
        symbol=quote.symbol,
        as_of=_instant(quote.as_of, timezone),
        name=quote.name,
        price=price,
        open=_price(quote.open),
        high=_price(quote.high),
        low=_price(quote.low),
        prev_close=prev_close,
        volume=_count(quote.volume, rule.volume),
        turnover=_count(quote.turnover, rule.turnover),
        change=None if change is None else round(change, _PRICE_DIGITS),
        change_pct=None if change_pct is None else round(change_pct, _PERCENT_DIGITS),
    )
    fault = _disproof(canonical, rule) if provable(quote.symbol, kind(quote.symbol)) else None
    return fault or canonical


def normalise_depth(
    depth: Depth,
    rule: Units,
    *,
    timezone: str = "Asia/Shanghai",
    kind: Callable[[Symbol], Kind] = kind_of,
) -> Depth | str:
    """The book in canonical units, or a sentence why its quote cannot be true.

    Levels without a price or a volume are no levels and are left out; so are such trades.
    """
    quote = normalise_quote(depth.quote, rule, timezone=timezone, kind=kind)
    if isinstance(quote, str):
        return quote
    return Depth(
        quote=quote,
        bids=_levels(depth.bids, rule),
        asks=_levels(depth.asks, rule),
        trades=None if depth.trades is None else _trades(depth.trades, rule, timezone),
    )


def _number(value: float | None) -> float | None:
    """``value``, or ``None`` for everything that vendors write where they have no number."""
    # NaN fails every comparison
    return value if value is not None and -_HUGE < value < _HUGE else None


def _price(value: float | None) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _count(value: float | None, factor: float) -> float | None:
    number = _number(value)
    if number is None or number == _INT_MAX:
        return None
    return number if factor == 1.0 else round(number * factor, 4)


def _instant(at: datetime | None, timezone: str) -> datetime | None:
    if at is None:
        return None
    aware = at.replace(tzinfo=ZoneInfo(timezone)) if at.tzinfo is None else at
    return aware.astimezone(SHANGHAI)


def _levels(levels: Iterable[Level], rule: Units) -> tuple[Level, ...]:
    pairs = ((_price(level.price), _count(level.volume, rule.volume)) for level in levels)
    return tuple(Level(price, volume) for price, volume in pairs if price and volume)


def _trades(trades: Iterable[Trade], rule: Units, timezone: str) -> tuple[Trade, ...]:
    kept: list[Trade] = []
    for trade in trades:
        price, volume = _price(trade.price), _count(trade.volume, rule.volume)
        time = _instant(trade.time, timezone)
        if price and volume and time:
            kept.append(Trade(price=price, volume=volume, time=time, direction=trade.direction))
    return tuple(kept)


def _disproof(quote: Quote, rule: Units) -> str | None:
    """A sentence if the day's prices, volume and turnover cannot belong together."""
    volume, turnover, low, high = quote.volume, quote.turnover, quote.low, quote.high
    if volume is not None and volume < 0:
        return f"the volume {volume} is negative"
    if volume and quote.price is None:
        return f"the price is missing although {volume:g} were traded"
    if low is not None and high is not None and low > high:
        return f"the low {low} lies above the high {high}"
    if not volume or not turnover or low is None or high is None:
        return None
    least = low * max(volume - rule.volume_step, 0) * (1 - SLACK) / FLIP - rule.turnover_step
    most = high * (volume + rule.volume_step) * (1 + SLACK) * FLIP + rule.turnover_step
    if least <= turnover <= most:
        return None
    return (
        f"the quote disproves its units: turnover {turnover} ÷ volume {volume} = "
        f"{turnover / volume:.6g} lies outside [{low}, {high}]"
    )
