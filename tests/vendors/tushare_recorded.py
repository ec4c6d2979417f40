"""Recorded rows of Tushare Pro, brought back to the spelling of the wire."""

from __future__ import annotations

import csv
from datetime import date, datetime, time
from pathlib import Path


def daily(data: Path) -> dict[str, list[dict]]:
    """Real days, oldest first, by code; three codes have more days in 2010-2020 than the rest."""
    found = {}
    for path in sorted((data / "tushare").glob("daily_raw_*.csv")):
        code = path.stem.split("_")[2]
        found[code] = vendor_rows(data, code)
    found["600000.SH"] = long_daily(data, found["600000.SH"])
    return found


def vendor_rows(data: Path, code: str) -> list[dict]:
    """The recorded days of one code as the vendor gave them, oldest first."""
    (path,) = (data / "tushare").glob(f"daily_raw_{code}_*.csv")
    rows = [
        {
            name: value if name in ("ts_code", "trade_date") else _float(value)
            for name, value in row.items()
            if name
        }
        for row in _read(path)
    ]
    return sorted(rows, key=lambda row: row["trade_date"])


def long_daily(data: Path, vendor: list[dict], *, exact: bool = False) -> list[dict]:
    """Days of 600000.SH since its listing, suspensions left out, in the units of the wire.

    The ``vendor``'s own rows where there are any, the rest recorded elsewhere in shares and yuan.
    The wire knows turnover to a yuan only, unless ``exact``.
    """
    own = {row["trade_date"]: row for row in vendor}
    path = next((data / "baostock").glob("daily_raw_sh.600000_*.csv"))
    rows = []
    for row in _read(path):
        if row["tradestatus"] != "1":
            continue
        close, before = float(row["close"]), float(row["preclose"])
        rows.append(
            {"ts_code": "600000.SH", "trade_date": row["date"].replace("-", "")}
            | {name: float(row[name]) for name in ("open", "high", "low")}
            | {"close": close, "pre_close": before, "change": round(close - before, 4)}
            | {"pct_chg": round((close / before - 1) * 100, 4)}
            | {"vol": float(row["volume"]) / 100}
            | {"amount": round(float(row["amount"]) / 1000, 5 if exact else 3)}
        )
    return [own.get(row["trade_date"], row) for row in rows]


def sessions(data: Path) -> list[date]:
    """Every session since 1990, with the recorded calendar's own word for the years it covers."""
    path = data / "reference" / "xshg_sessions_exchange_calendars_4.13.2.csv"
    before = [date.fromisoformat(row["session"]) for row in _read(path)]
    recorded = _read(data / "tushare" / "trade_cal_SSE_2024-2026.csv")
    opens = [date.fromisoformat(row["cal_date"]) for row in recorded if row["is_open"] == "1"]
    return [when for when in before if when < date(2024, 1, 1)] + opens


def index(data: Path) -> list[dict]:
    """Real days of the index; the recording has no turnover and no previous close."""
    return [
        {"ts_code": row["symbol"], "trade_date": row["dt"][:10].replace("-", "")}
        | {name: _float(row[name]) for name in ("open", "close", "high", "low")}
        | {"pre_close": None, "change": None, "pct_chg": None}
        | {"vol": _float(row["vol"]), "amount": None}
        for row in _read(data / "tushare" / "index_daily_000001.SH_2006-2020.csv")
    ]


def listed_shares(data: Path) -> list[tuple]:
    """Code, name, area, industry and listing date of every share listed when it was recorded."""
    return [
        (
            row["ts_code"],
            row["name"],
            row["area"],
            row["industry"] or None,
            row["list_date"].replace("-", "") or None,
        )
        for row in _read(data / "tushare" / "stock_basic_2026-04.csv")
    ]


def minutes(data: Path) -> list[dict]:
    """One-minute bars of two shares, labelled by their end, in shares and yuan."""
    rows = []
    for row in _read(data / "minute" / "candle_201801_000001.SZ.csv"):
        at = datetime.fromisoformat(f"{row['date']}T{row['time']:0>9}"[:15])
        rows.append(_minute("000001.SZ", at, row, row["volume"], row["turnover"]))
    path = data / "minute" / "SSE.600009Q_m1.csv"
    with path.open(encoding="gbk", errors="replace", newline="") as file:
        for cells in list(csv.reader(file))[1:]:
            day = (int(part) for part in cells[0].split()[0].split("/"))
            at = datetime.combine(date(*day), time.fromisoformat(cells[1]))
            prices = dict(zip(("open", "high", "low", "close"), cells[2:6], strict=True))
            rows.append(_minute("600009.SH", at, prices, cells[6], ""))
    return rows


def _minute(code, at, prices, volume, turnover) -> dict:
    return {
        "ts_code": code,
        "trade_time": f"{at:%Y-%m-%d %H:%M:%S}",
        "close": float(prices["close"]),
        "open": float(prices["open"]),
        "high": float(prices["high"]),
        "low": float(prices["low"]),
        "vol": float(volume),
        "amount": _float(turnover),
    }


def _read(path: Path) -> list[dict]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _float(written: str) -> float | None:
    return float(written) if written else None
