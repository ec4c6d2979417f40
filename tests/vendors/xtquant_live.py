"""Bars that grow with the ticks, as subscriptions push them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta

from vendors.world import SHANGHAI, Minute, Tick, World
from vendors.xtquant_codes import Named
from vendors.xtquant_rows import lots, milliseconds, money, status
from vendors.xtquant_script import Settings

SPANS = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "60m": 60, "1h": 60, "1d": None}
"""Minutes of the periods that can be pushed; a day has no such number."""


def bar_end(at: datetime, minutes: int | None) -> datetime:
    """The label of the bar that a trade at this time belongs to."""
    day = datetime.combine(at.date(), time(0), SHANGHAI)
    if minutes is None:
        return day
    noon, reopened = day + timedelta(hours=11.5), day + timedelta(hours=13)
    if at < day + timedelta(hours=9.5):
        return day + timedelta(hours=9.5) + timedelta(minutes=minutes if minutes > 1 else 0)
    start = reopened if at >= reopened else day + timedelta(hours=9.5)
    step = timedelta(minutes=minutes)
    end = start + ((at - start) // step + 1) * step
    last = day + timedelta(hours=15) if at >= reopened else noon
    return min(end, last)


def growing(ticks: Iterable[Tick], minutes: int | None) -> Iterator[tuple[Tick, Minute]]:
    """After every tick of a day, the tick and the unfinished bar that it leaves."""
    bar: Minute | None = None
    base = total = (0.0, 0.0)
    for tick in ticks:
        if not tick.last or not tick.volume:
            continue
        end = bar_end(tick.time, minutes)
        if bar is None or bar.end != end:
            base = total
            bar = Minute(
                end=end,
                open=tick.last,
                high=tick.last,
                low=tick.last,
                close=tick.last,
                volume=0.0,
                turnover=0.0,
            )
        total = (tick.volume, tick.turnover)
        bar = Minute(
            end=end,
            open=bar.open,
            high=max(bar.high, tick.last),
            low=min(bar.low, tick.last),
            close=tick.last,
            volume=total[0] - base[0],
            turnover=total[1] - base[1],
        )
        yield tick, bar


def opened(bar: Minute) -> Minute:
    """The bar when it had only its open."""
    return Minute(
        end=bar.end,
        open=bar.open,
        high=bar.open,
        low=bar.open,
        close=bar.open,
        volume=0.0,
        turnover=0.0,
        open_interest=bar.open_interest,
    )


def bar_push(
    world: World, named: Named, bar: Minute, settings: Settings, tick: Tick | None = None
) -> dict:
    """A pushed bar; its last two numbers are memory that nobody wrote, unless switched off."""
    total = 1.0
    for event in world.events.get(named.symbol, ()):
        total *= event.ratio if event.ex_date <= bar.end.date() else 1.0
    interest = 13 if bar.open_interest is None else int(bar.open_interest)
    if tick is not None and named.kind not in ("future", "option"):
        interest = status(tick, named)[0]
    at = milliseconds(bar.end)
    chance = random.Random(at)
    dirt = (6.95e-310 + chance.random() * 1e-312, chance.randint(-(2**31), 2**31 - 1))
    clean = (tick.prev_close if tick else 0.0, 0)
    pre_close, suspended = dirt if settings.garbage else clean
    return {
        "time": at,
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": lots(bar.volume, named, settings),
        "amount": money(bar.turnover, named, 1.0),
        "settlementPrice": 0.0,
        "openInterest": interest,
        "dr": 1.0,
        "totaldr": total,
        "preClose": pre_close,
        "suspendFlag": suspended,
    }
