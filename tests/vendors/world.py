"""One trading history in plain units, from which every vendor stand-in takes its rows.

Shares (contracts, units of funds, 张), yuan, Shanghai time, canonical symbols. What is recorded is
real; what is invented (every kind of instrument without recorded rows) is marked in ``invented``.
A stand-in turns these into its vendor's units, labels and spellings, and adds nothing else.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
from vendors import tushare_recorded as recorded
from vendors import tushare_rows

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 4, 30)
"""The day before which the invented rows end."""

_SUFFIXES = {"SHF": "SHFE", "ZCE": "CZCE", "CFX": "CFFEX", "GFE": "GFEX"}
_DAY_INTERFACES = {
    "daily": ("stock", 100.0, 1_000.0),
    "index_daily": ("index", 100.0, 1_000.0),
    "fund_daily": ("fund", 100.0, 1_000.0),
    "cb_daily": ("bond", 10.0, 10_000.0),
    "fut_daily": ("future", 1.0, 10_000.0),
    "opt_daily": ("option", 1.0, 10_000.0),
}
_TABLES = {
    "stock_basic": "stock",
    "index_basic": "index",
    "fund_basic": "fund",
    "cb_basic": "bond",
    "fut_basic": "future",
    "opt_basic": "option",
}
_RECORDED_INDEX = "000001.SH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One instrument; ``status`` is L (listed), D (delisted) or P (suspended for good)."""

    symbol: str
    kind: str
    name: str
    list_date: date | None = None
    delist_date: date | None = None
    total_shares: float | None = None
    float_shares: float | None = None
    industry: str | None = None
    multiplier: float | None = None
    underlying: str | None = None
    status: str = "L"


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A raw daily bar. Suspended days are no rows here."""

    date: date
    open: float
    high: float
    low: float
    close: float
    prev_close: float | None
    volume: float
    turnover: float | None
    settle: float | None = None
    open_interest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """A one-minute bar; ``end`` is aware. Shares begin with the auction's row at 09:30, if any."""

    end: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float | None
    open_interest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A day on which the exchange set another previous close: close before ÷ previous close."""

    ex_date: date
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A snapshot; volume and turnover count from the day's beginning; 0 where there is no price."""

    time: datetime
    last: float
    open: float
    high: float
    low: float
    prev_close: float
    volume: float
    turnover: float
    trades: int | None = None
    asks: tuple[tuple[float, float], ...] = ()
    bids: tuple[tuple[float, float], ...] = ()
    phase: str = "TRADE"
    """START, OCALL (opening auction), TRADE, CCALL (closing auction), CLOSE or ENDTR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that the stand-ins know; all sequences are ascending."""

    sessions: tuple[date, ...]
    listed: dict[str, Listed]
    days: dict[str, list[Day]]
    minutes: dict[str, list[Minute]]
    ticks: dict[str, list[Tick]]
    events: dict[str, list[Event]]
    invented: frozenset[str] = field(default_factory=frozenset)

    def snapshot(self, symbol: str, at: datetime | None = None) -> Tick | None:
        """The newest snapshot, not after ``at``: a recorded tick, else the last day's close."""
        ticks = [t for t in self.ticks.get(symbol, ()) if at is None or t.time <= at]
        if ticks:
            return ticks[-1]
        # A day's bar is known when the day is over, not before.
        last = None if at is None else at.date() - timedelta(days=at.time() < time(15))
        days = [d for d in self.days.get(symbol, ()) if last is None or d.date <= last]
        if not days:
            return None
        day = days[-1]
        return Tick(
            time=datetime.combine(day.date, time(15), SHANGHAI),
            last=day.close,
            open=day.open,
            high=day.high,
            low=day.low,
            prev_close=day.prev_close or 0.0,
            volume=day.volume,
            turnover=day.turnover or 0.0,
            phase="CLOSE",
        )


@cache
def load(data: Path) -> World:
    """The world of the recorded market data in ``data``."""
    tables = tushare_rows.build(data, TODAY)
    days: dict[str, list[Day]] = {}
    invented: set[str] = set()
    for interface, (kind, lot, money) in _DAY_INTERFACES.items():
        for row in tables[interface].rows:
            symbol = canonical(row["ts_code"])
            days.setdefault(symbol, []).append(_day(row, lot, money))
            if kind != "stock" and symbol != _RECORDED_INDEX:
                invented.add(symbol)
    exact = recorded.long_daily(data, recorded.vendor_rows(data, "600000.SH"), exact=True)
    days["600000.SH"] = [_day(row, 100.0, 1_000.0) for row in exact]
    minutes: dict[str, list[Minute]] = {}
    for interface in ("stk_mins", "idx_mins", "ft_mins"):
        for row in tables[interface].rows:
            minutes.setdefault(canonical(row["ts_code"]), []).append(_minute(row))
    listed = _listed(tables)
    return World(
        sessions=tuple(recorded.sessions(data)),
        listed=listed,
        days=days,
        minutes=minutes,
        ticks={symbol: _ticks(path) for symbol, path in _tick_files(data)},
        events={
            symbol: _events(days[symbol])
            for symbol in days
            if listed.get(symbol) and listed[symbol].kind in ("stock", "fund")
        },
        invented=frozenset(invented),
    )


def canonical(code: str) -> str:
    """A Tushare code as the world spells it."""
    name, _, suffix = code.rpartition(".")
    exchange = _SUFFIXES.get(suffix, suffix)
    product = name.rstrip("-0123456789CP") if "-" in name else name.rstrip("0123456789")
    rest = name[len(product) :]
    if exchange in ("SHFE", "DCE", "INE", "GFEX"):
        product = product.lower()
    if product and not rest:
        rest = "88"  # the main continuous series
    return f"{product}{rest}.{exchange}"


def _day(row: dict, lot: float, money: float) -> Day:
    return Day(
        date=date.fromisoformat(row["trade_date"]),
        **{name: row[name] for name in ("open", "high", "low", "close")},
        prev_close=row["pre_close"],
        volume=round(row["vol"] * lot, 2),
        turnover=None if row["amount"] is None else round(row["amount"] * money, 2),
        settle=row.get("settle"),
        open_interest=row.get("oi"),
    )


def _minute(row: dict) -> Minute:
    return Minute(
        end=datetime.fromisoformat(row["trade_time"]).replace(tzinfo=SHANGHAI),
        **{name: row[name] for name in ("open", "high", "low", "close")},
        volume=row["vol"],
        turnover=row["amount"],
        open_interest=row.get("oi"),
    )


def _listed(tables: dict) -> dict[str, Listed]:
    sizes = {
        row["ts_code"]: (row["total_share"] * 1e4, row["float_share"] * 1e4)
        for row in tables["daily_basic"].rows
    }
    found = {}
    for table, kind in _TABLES.items():
        for row in tables[table].rows:
            total, free = sizes.get(row["ts_code"], (None, None))
            symbol = canonical(row["ts_code"])
            found[symbol] = Listed(
                symbol=symbol,
                kind=kind,
                name=row.get("name") or row["bond_short_name"],
                list_date=_date(row.get("list_date")),
                delist_date=_date(row.get("delist_date") or row.get("exp_date")),
                total_shares=total,
                float_shares=free,
                industry=row.get("industry"),
                multiplier=row.get("multiplier") or row.get("per_unit"),
                underlying=_underlying(row),
                status=row.get("list_status", "L"),
            )
    return {symbol: one for symbol, one in found.items() if not symbol.endswith((".OF", ".CSI"))}


def _underlying(row: dict) -> str | None:
    code = row.get("stk_code") or (row.get("opt_code") or "").removeprefix("OP")
    return canonical(code) if code else None


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _events(days: Sequence[Day]) -> list[Event]:
    return [
        Event(ex_date=day.date, ratio=before.close / day.prev_close)
        for before, day in pairwise(days)
        if day.prev_close and day.prev_close != before.close
    ]


def _tick_files(data: Path) -> list[tuple[str, Path]]:
    return [(p.stem.split("_")[2], p) for p in sorted(data.glob("tidy_tick5_*.parquet"))]


def _ticks(path: Path) -> list[Tick]:
    rows = pl.read_parquet(path).filter(pl.col("time").dt.hour() >= 9).to_dicts()
    return [_tick(row) for row in rows]


def _tick(row: dict) -> Tick:
    def side(name: str) -> tuple[tuple[float, float], ...]:
        pairs = [(row[f"{name}_price{n}"], row[f"{name}_vol{n}_share"]) for n in range(1, 6)]
        return tuple((float(p), float(v)) for p, v in pairs if p and v)

    return Tick(
        time=row["time"].replace(tzinfo=SHANGHAI),
        last=row["last"],
        open=row["open"],
        high=row["high"],
        low=row["low"],
        prev_close=row["pre_close"],
        volume=float(row["volume_share"]),
        turnover=row["amount_yuan"],
        trades=row.get("trades"),
        asks=side("ask"),
        bids=side("bid"),
        phase=_phase(row["status"], row["time"].time()),
    )


def _phase(status: object, at: time) -> str:
    """The phase by name; the recording of one share has only numbers, so the clock tells."""
    if isinstance(status, str):
        return status
    edges = [("START", time(9, 15)), ("OCALL", time(9, 25, 1)), ("TRADE", time(14, 57))]
    edges += [("CCALL", time(15))]
    return next((name for name, end in edges if at < end), "CLOSE")


def suspended_days(data: Path) -> list[date]:
    """The sessions on which 600000.SH did not trade, as recorded."""
    path = next((data / "baostock").glob("daily_raw_sh.600000_*.csv"))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [date.fromisoformat(row["date"]) for row in rows if row["tradestatus"] == "0"]
