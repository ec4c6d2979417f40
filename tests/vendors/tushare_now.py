"""Realtime rows of the loopback Tushare server at an instant of the world's history."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from vendors.tushare_rows import Table
from vendors.world import SHANGHAI, World

_INTERFACES = {"rt_k": "stock", "rt_etf_k": "fund", "rt_idx_k": "index"}


def at(tables: dict[str, Table], world: World, now: str) -> dict[str, Table]:
    """``tables`` whose snapshots are those of ``now``, in shares and yuan, times as text.

    The vendor has no order book there, no trades, and gives turnover to a yuan.
    """
    instant = datetime.fromisoformat(now)
    instant = instant if instant.tzinfo else instant.replace(tzinfo=SHANGHAI)
    moved = {
        name: replace(tables[name], rows=_rows(world, kind, instant))
        for name, kind in _INTERFACES.items()
    }
    return {**tables, **moved}


def _rows(world: World, kind: str, instant: datetime) -> list[dict]:
    rows = []
    for symbol in sorted({*world.days, *world.ticks}):
        listed = world.listed.get(symbol)
        tick = world.snapshot(symbol, instant)
        if listed is None or listed.kind != kind or tick is None:
            continue
        rows.append(
            {"ts_code": symbol, "name": listed.name, "pre_close": tick.prev_close}
            | {"open": tick.open, "high": tick.high, "low": tick.low, "close": tick.last}
            | {"vol": round(tick.volume), "amount": round(tick.turnover), "num": tick.trades}
            | {"trade_time": f"{tick.time:%Y-%m-%d %H:%M:%S}"}
        )
    return rows
