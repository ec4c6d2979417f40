"""The world's snapshots in RQData's form: 17-digit instants, five levels, volumes in shares."""

from __future__ import annotations

import math
from datetime import datetime, time, timedelta
from typing import Any

from vendors.rqdata_bars import Row, columns
from vendors.rqdata_ids import int8, int17
from vendors.world import SHANGHAI, Listed, Tick, World

PHASES = {"START": "S", "OCALL": "C", "TRADE": "T", "CCALL": "U", "CLOSE": "E", "ENDTR": "E"}
_OPENS, _CLOSES = time(9, 15), time(15)
_LEVELS = 5


def snapshot(world: World, one: Listed, at: datetime) -> Row | None:
    """The newest snapshot that ``at`` knows; ``None`` where there is none."""
    tick = world.snapshot(one.symbol, at)
    if tick and tick.time > at:  # the day's close, seen before the close
        yesterday = at.date() - timedelta(days=1)
        tick = world.snapshot(one.symbol, datetime.combine(yesterday, time.max, SHANGHAI))
    if tick is None or (one.delist_date and one.delist_date < at.date()):
        return None
    row = message(one, tick)
    if one.kind in ("future", "option"):
        row |= _settled(world, one, tick)
    return row


def _settled(world: World, one: Listed, tick: Tick) -> Row:
    days = [day for day in world.days.get(one.symbol, ()) if day.date <= tick.time.date()]
    if not days or days[-1].date != tick.time.date():
        return {}
    before = days[-2].settle if len(days) > 1 else None
    return {
        "open_interest": days[-1].open_interest,
        "settlement": _number(days[-1].settle),
        "prev_settlement": _number(before),
    }


def message(one: Listed, tick: Tick) -> Row:
    """A tick as snapshots, today's ticks and pushes carry it.

    Before the first trade the last price is the previous close, as the vendor prints it.
    """
    row: dict[str, Any] = {
        "datetime": int17(tick.time),
        "open": tick.open,
        "high": tick.high,
        "low": tick.low,
        "last": tick.last or tick.prev_close,
        "prev_close": tick.prev_close or math.nan,
        "volume": int(tick.volume),
        "total_turnover": tick.turnover,
        "limit_up": math.nan,
        "limit_down": math.nan,
        "trading_phase_code": PHASES[tick.phase],
    }
    if one.kind in ("stock", "fund", "bond") and tick.trades is not None:
        row["num_trades"] = tick.trades
    for side, levels in (("ask", tick.asks), ("bid", tick.bids)):
        empty = [0.0] * (_LEVELS - len(levels))
        row[side] = [price for price, _ in levels] + empty
        row[f"{side}_vol"] = [int(volume) for _, volume in levels] + [0 for _ in empty]
    return row


def day_ticks(world: World, one: Listed, day: int, until: datetime) -> list[Tick]:
    """The ticks of a day from 09:15 on, not after ``until``."""
    return [
        tick
        for tick in world.ticks.get(one.symbol, ())
        if int8(tick.time.date()) == day and tick.time.time() >= _OPENS and tick.time <= until
    ]


def tick_columns(one: Listed, ticks: list[Tick], fields: list[str]) -> dict[str, list]:
    """A day's ticks as arrays, with ``date`` and ``time`` instead of an instant."""
    rows = []
    for tick in ticks:
        row = flat(message(one, tick))
        row["date"], row["time"] = divmod(row.pop("datetime"), 1_000_000_000)
        rows.append(row | {"change_rate": row["last"] / row["prev_close"] - 1})
    found = columns(rows, (field for field in fields if field not in ("date", "time")), "date")
    return found | {"time": columns(rows, (), "time")["time"]}


def flat(row: Row) -> Row:
    """A message whose books are spread over ``a1`` … ``b5_v``."""
    spread = {name: value for name, value in row.items() if not isinstance(value, list)}
    spread.pop("trading_phase_code", None)
    for letter, side in (("a", "ask"), ("b", "bid")):
        for level in range(1, _LEVELS + 1):
            spread[f"{letter}{level}"] = row[side][level - 1]
            spread[f"{letter}{level}_v"] = row[f"{side}_vol"][level - 1]
    return spread


def tick_feed(one: Listed, found: str, tick: Tick) -> Row:
    """A pushed tick."""
    return message(one, tick) | {
        "order_book_id": found,
        "trading_date": int8(tick.time.date()),
        "channel": f"tick_{found}",
        "action": "feed",
    }


def bar_feed(found: str, row: Row) -> Row:
    """A pushed one-minute bar."""
    return row | {"order_book_id": found, "channel": f"bar_{found}", "action": "feed"}


def is_closed(day: int, now: datetime) -> bool:
    """True once history holds the trading date: from 15:00 on."""
    local = now.astimezone(SHANGHAI)
    return day < int8(local.date()) or (day == int8(local.date()) and local.time() >= _CLOSES)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
