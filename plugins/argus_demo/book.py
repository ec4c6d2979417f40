"""The order book and the recent trades that fit a state."""

from __future__ import annotations

from datetime import timedelta

from argus_core import Depth, Kind, Level, Trade
from argus_demo.day import Day, Tick
from argus_demo.listed import Listed
from argus_demo.market import Market, State
from argus_demo.paths import draw

LEVELS = 10
"""The deepest book that the exchange shows."""
_TRADES = 20
_BEFORE = timedelta(seconds=1)  # a snapshot shows what took place before it
_QUEUE = 40  # how much longer the queue at a limit is than an ordinary one


def depth_of(market: Market, state: State, levels: int) -> Depth:
    """The quote with its book and its last twenty trades, a minute's; an index has neither."""
    quote = market.quote(state)
    if market.listed.kind is Kind.INDEX:
        return Depth(quote=quote)
    day = market.day(state.session)
    latest = day.latest(state.count, _TRADES)
    bids, asks = _book(day, latest[-1][1], state.count, min(levels, LEVELS))
    hours = market.hours(state.session)
    trades = (
        Trade(
            price=market.listed.price_of(tick.price),
            volume=market.listed.volume_of(tick.lots),
            time=hours.tick_time(number) - _BEFORE,
            direction="buy" if tick.buy else "sell",
        )
        for number, tick in latest
    )
    return Depth(
        quote=quote,
        bids=_levels(market.listed, bids),
        asks=_levels(market.listed, asks),
        trades=tuple(trades),
    )


def _levels(listed: Listed, side: list[tuple[int, int]]) -> tuple[Level, ...]:
    return tuple(Level(listed.price_of(price), listed.volume_of(lots)) for price, lots in side)


def _book(
    day: Day, last: Tick, count: int, levels: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Bids and asks, best first, as prices in ticks and volumes in lots.

    The last trade took the best ask or the best bid, one tick apart. At a limit one side is
    empty: nobody sells below what is allowed to be paid tomorrow.
    """
    plan, noise = day.plan, draw(2 * LEVELS, day.key, "book", count)
    usual = 4 * sum(day.parcels) // day.minutes
    ask = last.price if last.buy else last.price + 1
    bid = ask - 1
    if last.price >= plan.high_limit:
        bid, ask = plan.high_limit, plan.high_limit + 1
    if last.price <= plan.low_limit:
        bid, ask = plan.low_limit - 1, plan.low_limit
    queue = _QUEUE if last.price in (plan.low_limit, plan.high_limit) else 1

    def lots(place: int, part: int) -> int:
        size = 1 + usual * (32 + part) * (2 + min(place, 4)) // 512
        return size if place else size * queue

    bids = [(bid - i, lots(i, noise[i])) for i in range(levels)]
    asks = [(ask + i, lots(i, noise[LEVELS + i])) for i in range(levels)]
    return (
        [level for level in bids if level[0] >= plan.low_limit],
        [level for level in asks if level[0] <= plan.high_limit],
    )
