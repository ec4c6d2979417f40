"""The world's bars in RQData's form: suspended days filled, minutes labelled 09:31 to 15:00."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np
from vendors.rqdata_ids import int8, int14, labels, trading_hours
from vendors.world import Day, Listed, Minute, World

Row = dict[str, Any]

_NO_VALUES = {
    "stock": ("limit_up", "limit_down", "num_trades"),
    "fund": ("limit_up", "limit_down", "num_trades", "iopv"),
    "bond": ("limit_up", "limit_down", "num_trades"),
    "future": ("limit_up", "limit_down"),
    "option": ("limit_up", "limit_down"),
    "index": (),
}
_NO_MINUTE_VALUES = {"stock": ("num_trades",), "fund": ("num_trades", "iopv")}
_NO_MINUTE_VALUES |= {"bond": ("num_trades",)}
_SUMS = ("volume", "total_turnover", "num_trades")
_FIRSTS = ("open", "prev_close", "prev_settlement", "day_session_open")
_AUCTION, _FIRST_LABEL = 930, 931
_NIGHT_BEGINS, _NIGHT_ENDS = 20, 4
_FILLED = ("stock", "fund", "bond")


class Bars:
    """Rows of whole series, made once; the caller cuts them to dates."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._days: dict[str, list[Row]] = {}
        self._minutes: dict[str, list[Row]] = {}

    def days(self, one: Listed) -> list[Row]:
        if one.symbol not in self._days:
            self._days[one.symbol] = self._daily(one)
        return self._days[one.symbol]

    def minutes(self, one: Listed) -> list[Row]:
        if one.symbol not in self._minutes:
            bars = self._world.minutes.get(one.symbol, ())
            rows = [_minute(one, bar, self._trading_date(bar.end)) for bar in bars]
            # Only the stock exchanges show their auction in a row of its own, at 09:30.
            own = one.symbol.endswith((".SH", ".SZ", ".BJ"))
            self._minutes[one.symbol] = _with_auction(rows) if own else rows
        return self._minutes[one.symbol]

    def _trading_date(self, end: datetime) -> date:
        """That of a minute: a night belongs to the session that follows it."""
        if _NIGHT_ENDS <= end.hour < _NIGHT_BEGINS:
            return end.date()
        evening = (end - timedelta(hours=_NIGHT_ENDS)).date()
        sessions = self._world.sessions
        return sessions[bisect_right(sessions, evening)]

    def suspended(self, one: Listed) -> list[int]:
        """The sessions between the first and the last day on which there was no trading."""
        days = self._world.days.get(one.symbol, ())
        if not days or one.kind != "stock":
            return []
        traded = {day.date for day in days}
        inside = (s for s in self._world.sessions if days[0].date <= s <= days[-1].date)
        return [int8(session) for session in inside if session not in traded]

    def _daily(self, one: Listed) -> list[Row]:
        traded = self._world.days.get(one.symbol, ())
        rows, before = [], None
        for day in traded:
            rows.append(_day(one, day, before))
            before = day
        if rows and one.kind in _FILLED:
            rows = self._filled(rows)
        return rows

    def _filled(self, rows: list[Row]) -> list[Row]:
        known = {row["date"]: row for row in rows}
        full, last = [], rows[0]
        for session in map(int8, self._world.sessions):
            if not rows[0]["date"] <= session <= rows[-1]["date"]:
                continue
            last = known[session] if session in known else _halted(last, session)
            full.append(last)
        return full


def _day(one: Listed, day: Day, before: Day | None) -> Row:
    row: Row = {
        "date": int8(day.date),
        "open": day.open,
        "high": day.high,
        "low": day.low,
        "close": day.close,
        "prev_close": day.prev_close,
        "volume": day.volume,
        "total_turnover": day.turnover,
        **dict.fromkeys(_NO_VALUES[one.kind]),
    }
    if one.kind in ("future", "option"):
        row |= {
            "settlement": day.settle,
            "prev_settlement": before.settle if before else None,
            "open_interest": day.open_interest,
            "day_session_open": day.open,
        }
    if one.kind == "option":
        row |= {"strike_price": None, "contract_multiplier": one.multiplier}
    return row


def _halted(last: Row, session: int) -> Row:
    """A day without trading: the price stands still, nothing is sold."""
    price = dict.fromkeys(("open", "high", "low", "close", "prev_close"), last["close"])
    return last | price | {"date": session, "volume": 0.0, "total_turnover": 0.0}


def _minute(one: Listed, bar: Minute, trading_date: date) -> Row:
    row: Row = {
        "datetime": int14(bar.end),
        "trading_date": int8(trading_date),
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
        "total_turnover": bar.turnover,
        **dict.fromkeys(_NO_MINUTE_VALUES.get(one.kind, ())),
    }
    if one.kind in ("future", "option"):
        row["open_interest"] = bar.open_interest
    return row


def _with_auction(rows: list[Row]) -> list[Row]:
    """The rows with the auction's, labelled 09:30, inside that of 09:31."""
    merged: list[Row] = []
    for row in rows:
        if _hhmm(row) == _FIRST_LABEL and merged and _hhmm(merged[-1]) == _AUCTION:
            merged[-1] = joined([merged[-1], row])
        else:
            merged.append(row)
    return merged


def _hhmm(row: Row) -> int:
    return row["datetime"] // 100 % 10_000


def joined(rows: Sequence[Row]) -> Row:
    """One row for several that follow one another; the last one's label."""
    row = dict(rows[-1])
    for name in row.keys() & set(_FIRSTS):
        row[name] = rows[0][name]
    row["high"] = max(each["high"] for each in rows)
    row["low"] = min(each["low"] for each in rows)
    for name in row.keys() & set(_SUMS):
        parts = [each[name] for each in rows]
        row[name] = None if None in parts else round(sum(parts), 4)
    return row


def longer_days(rows: list[Row], n: int) -> list[Row]:
    """Each ``n`` rows joined, counted from the first; the last may hold fewer."""
    return [joined(rows[at : at + n]) for at in range(0, len(rows), n)] if n > 1 else rows


def longer_minutes(one: Listed, rows: list[Row], n: int) -> list[Row]:
    """Rows of ``n`` minutes; they count the day's labels, not the clock, and leave nights out."""
    if n == 1:
        return rows
    grid = labels(trading_hours(one))
    place = {label: at for at, label in enumerate(grid)}

    def group(row: Row) -> tuple[int, int]:
        return row["trading_date"], place[_hhmm(row)] // n

    found = []
    by_day = [row for row in rows if _hhmm(row) in place]
    for (_, number), members in groupby(by_day, group):
        row = joined(list(members))
        label = grid[min((number + 1) * n, len(grid)) - 1]
        row["datetime"] = row["datetime"] // 1_000_000 * 1_000_000 + label * 100
        found.append(row)
    return found


def columns(rows: Sequence[Row], fields: Iterable[str], key: str) -> dict[str, list]:
    """Arrays as ``[bytes, dtype]``: the key, and each asked field that the instrument has."""
    found = {key: _array([row[key] for row in rows], "<i8")}
    for field in fields:
        if field != key and any(field in row for row in rows):
            values = [row.get(field) for row in rows]
            found[field] = _array([math.nan if v is None else v for v in values], "<f8")
    return found


def _array(values: list, dtype: str) -> list:
    return [np.array(values, dtype=dtype).tobytes(), dtype]
