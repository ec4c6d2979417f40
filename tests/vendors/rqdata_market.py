"""The world's prices as RQData's methods give them at an instant ``now``."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from datetime import datetime, time, timedelta

from vendors.rqdata_bars import Bars, Row, columns, longer_days, longer_minutes
from vendors.rqdata_ids import int8, int14
from vendors.rqdata_instruments import Instruments
from vendors.rqdata_quotes import day_ticks, flat, is_closed, message, snapshot, tick_columns
from vendors.rqdata_replay import Replayed
from vendors.world import SHANGHAI, Listed, Tick, World

_EVENING = time(19, 30)


class Market:
    """Bars, snapshots and ticks; a test may move ``now``, scale volumes and put rows in place."""

    def __init__(self, world: World, now: datetime | None = None) -> None:
        self.world = world
        self.end = now or _end(world)
        self.now = self.end
        self.scale: tuple[int, float] | None = None
        self.replayed: Replayed = {}
        self.instruments = Instruments(world)
        self.bars = Bars(world)
        self.all_dates = [int8(day) for day in world.sessions]

    def trading_date(self) -> int:
        local = self.now.astimezone(SHANGHAI)
        day = local.date() + timedelta(days=local.time() >= _EVENING)
        at = bisect_left(self.world.sessions, day)
        return self.all_dates[min(at, len(self.all_dates) - 1)]

    def known(self, ids: list[str]) -> list[tuple[str, Listed]]:
        listed = self.instruments.listed
        return [(found, listed[found]) for found in ids if found in listed]

    def scaled(self, row: Row, day: int) -> Row:
        """The row with its volume in the unit of the day."""
        if self.scale and day >= self.scale[0] and row.get("volume") is not None:
            return row | {"volume": row["volume"] * self.scale[1]}
        return row

    def daybars(self, ids, start, end, fields, duration=1, market="cn") -> list:  # noqa: PLR0917
        found = []
        for name, one in self.known(ids):
            rows = self.replayed.get("1d", {}).get(name) or self.bars.days(one)
            rows = [r for r in rows if start <= r["date"] <= end and is_closed(r["date"], self.now)]
            rows = [self.scaled(row, row["date"]) for row in rows]
            if rows:
                found.append([name, columns(longer_days(rows, duration), fields, "date")])
        return found

    def minbars(self, ids, start, end, fields, duration=1, market="cn") -> list:  # noqa: PLR0917
        found = []
        for name, one in self.known(ids):
            rows = [
                row
                for row in self.minutes(name, one)
                if start <= row["trading_date"] <= end and is_closed(row["trading_date"], self.now)
            ]
            if rows:
                rows = longer_minutes(one, self._scaled_minutes(rows), duration)
                found.append([name, columns(rows, self._minute_fields(one, fields), "datetime")])
        return found

    def today_minbars(self, ids, fields, duration=1, market="cn") -> list:
        found = []
        for name, one in self.known(ids):
            rows = self.minutes_so_far(name, one)
            rows = [
                r for r in longer_minutes(one, rows, duration) if r["datetime"] <= int14(self.now)
            ]
            if rows:
                asked = ["datetime", *self._minute_fields(one, fields)]
                found.append([name, {f: [r[f] for r in rows] for f in asked if f in rows[0]}])
        return found

    def minutes_so_far(self, name: str, one: Listed) -> list[Row]:
        """The finished minutes of the current trading date."""
        today, now = self.trading_date(), int14(self.now)
        rows = self.minutes(name, one)
        so_far = [r for r in rows if r["trading_date"] == today and r["datetime"] <= now]
        return self._scaled_minutes(so_far)

    def _scaled_minutes(self, rows: list[Row]) -> list[Row]:
        return [self.scaled(row, row["trading_date"]) for row in rows]

    @staticmethod
    def _minute_fields(one: Listed, fields: list[str]) -> list[str]:
        """The asked fields; only futures and options tell the trading date."""
        dated = one.kind in ("future", "option")
        return [field for field in fields if dated or field != "trading_date"]

    def minutes(self, name: str, one: Listed) -> list[Row]:
        """Every minute of the series, or those that a test put in their place."""
        return self.replayed.get("1m", {}).get(name) or self.bars.minutes(one)

    def current_minute(self, ids, fields, market="cn") -> list[Row]:
        found = []
        for name, one in self.known(ids):
            rows = self.minutes_so_far(name, one)
            if rows:
                asked = self._minute_fields(one, fields)
                row = {field: rows[-1][field] for field in asked if field in rows[-1]}
                found.append({"order_book_id": name} | row)
        return found

    def snapshots(self, ids, market="cn") -> list[Row | None]:
        listed, replayed = self.instruments.listed, self.replayed.get("snapshots", {})
        found = []
        for name in ids:
            if name in replayed:
                found.append(replayed[name])
                continue
            row = snapshot(self.world, listed[name], self.now) if name in listed else None
            if row:
                row = self.scaled({"order_book_id": name} | row, row["datetime"] // 10**9)
            found.append(row)
        return found

    def tickbars(self, ids, start, end, fields, market="cn") -> list:
        days = [d for d in self.all_dates if start <= d <= end and is_closed(d, self.now)]
        found = []
        for name, one in self.known(ids):
            for day in {int8(tick.time.date()) for tick in self.world.ticks.get(one.symbol, ())}:
                ticks = self._ticks(one, day) if day in days else []
                if ticks:
                    found.append([name, tick_columns(one, ticks, fields)])
        return found

    def _ticks(self, one: Listed, day: int) -> list[Tick]:
        ticks = day_ticks(self.world, one, day, self.now)
        if self.scale and day >= self.scale[0]:
            ticks = [replace(tick, volume=tick.volume * self.scale[1]) for tick in ticks]
        return ticks

    def today_ticks(self, name, days, market="cn") -> list[list[Row]]:
        known = self.known([name])
        return [
            [message(one, tick) for tick in self._ticks(one, int(day))]
            for day in days
            for _, one in known
        ]

    def live_ticks(self, ids, start, end, days, fields, market="cn") -> tuple:  # noqa: PLR0917
        found = []
        for name, one in self.known(ids):
            for day in days:
                rows = [flat(message(one, tick)) for tick in self._ticks(one, int(day))]
                rows = [
                    row | {"order_book_id": name} for row in rows if start <= row["datetime"] <= end
                ]
                found += [[row.get(field) for field in fields] for row in rows]
        return fields, found


def _end(world: World) -> datetime:
    """15:00 of the last day that has a row."""
    last = max(days[-1].date for days in world.days.values())
    return datetime.combine(last, time(15), SHANGHAI)
