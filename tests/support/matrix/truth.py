"""What the right answers are, read from the recorded files and from nothing else."""

from __future__ import annotations

import bisect
import csv
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl

SHANGHAI = timezone(timedelta(hours=8))
MOVING = "600519.SH"
"""The share whose snapshots of a day are recorded: its quote moves, and its age can be told."""
STILL = ("000001.SZ", "000017.SZ", "300391.SZ", "300758.SZ", "600116.SH")
"""Shares whose quote is the last recorded day's close."""
SYMBOLS = (MOVING, *STILL)
DAY = "2023-02-01"
BEGIN = datetime(2023, 2, 1, 10, 0, tzinfo=SHANGHAI)
"""The market's instant at which every row begins: the morning of the recorded day."""
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a quote says."""

    price: float
    open: float
    high: float
    low: float
    prev_close: float
    volume: float
    turnover: float


class Truth:
    """The recorded quotes and daily bars, in shares and yuan."""

    def __init__(self, data: Path) -> None:
        self.bars = {symbol: _bars(data, symbol) for symbol in SYMBOLS}
        self.quotes = {symbol: _close(rows[-1]) for symbol, rows in self.bars.items()}
        self._ticks, self._instants = _ticks(data)

    def wrong_quote(self, symbol: str, told: dict[str, Any] | None, oldest: datetime | None) -> str:
        """Why this quote is false, or nothing; ``oldest`` is the market's instant it may show."""
        if told is None:
            return "no quote of a symbol that has one"
        at = datetime.fromisoformat(told["timestamp"])
        if symbol != MOVING:
            when, snapshot = self.quotes[symbol]
            known = [snapshot] if at == when else []
        else:
            known = self._ticks.get(at, [])
            if oldest is not None and at < self._newest(oldest):
                return f"old and not flagged: of {at:%H:%M:%S}, {oldest:%H:%M:%S} was due"
        if not any(_says(told, snapshot) for snapshot in known):
            return f"not what was recorded at {at}: {told}"
        return ""

    def wrong_bars(self, symbol: str, told: list[dict[str, Any]], start: str, end: str) -> str:
        """Why these daily bars are false, or nothing."""
        expected = [row for row in self.bars[symbol] if start <= row["date"] <= end]
        dates = [row["date"] for row in expected]
        if [row.get("date") for row in told] != dates:
            return f"{len(told)} bars of {symbol} from {start} to {end}, not {len(dates)}"
        for row, right in zip(told, expected, strict=True):
            if any(row[name] != right[name] for name in PRICES):
                return f"prices of {symbol} on {right['date']}"
            # The vendors round turnover to a yuan, and one of them volume to a lot's hundredth.
            if any(abs(row[name] - right[name]) > 0.51 for name in ("volume", "turnover")):
                return f"volume or turnover of {symbol} on {right['date']}: {row}"
        return ""

    def _newest(self, instant: datetime) -> datetime:
        """The time of the newest snapshot that there was then."""
        at = bisect.bisect_right(self._instants, instant) - 1
        return self._instants[max(at, 0)]


def _bars(data: Path, symbol: str) -> list[dict[str, Any]]:
    (path,) = (data / "tushare").glob(f"daily_raw_{symbol}_*.csv")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["trade_date"])
    return [
        {"date": f"{day[:4]}-{day[4:6]}-{day[6:]}"}
        | {name: float(row[name]) for name in (*PRICES, "pre_close")}
        | {"volume": float(row["vol"]) * 100, "turnover": float(row["amount"]) * 1000}
        for row in rows
        for day in [row["trade_date"]]
    ]


def _close(row: dict[str, Any]) -> tuple[datetime, Snapshot]:
    """The quote that a closed day leaves behind."""
    prices = (row["close"], row["open"], row["high"], row["low"], row["pre_close"])
    when = datetime.fromisoformat(f"{row['date']}T15:00:00+08:00")
    return when, Snapshot(*prices, row["volume"], row["turnover"])


def _ticks(data: Path) -> tuple[dict[datetime, list[Snapshot]], list[datetime]]:
    """The snapshots of the recorded day by second, and the seconds in order."""
    path = data / f"tidy_tick5_{MOVING}_{DAY.replace('-', '')}.parquet"
    names = ("last", "open", "high", "low", "pre_close", "volume_share", "amount_yuan")
    found: dict[datetime, list[Snapshot]] = {}
    for row in pl.read_parquet(path).iter_rows(named=True):
        second = row["time"].replace(microsecond=0, tzinfo=SHANGHAI)
        found.setdefault(second, []).append(Snapshot(*(float(row[name]) for name in names)))
    return found, sorted(found)


def _says(told: dict[str, Any], right: Snapshot) -> bool:
    exact = ("price", "open", "high", "low", "prev_close")
    close = ("volume", "turnover")
    return all(told[name] == getattr(right, name) for name in exact) and all(
        abs(told[name] - getattr(right, name)) <= 1.0 for name in close
    )
