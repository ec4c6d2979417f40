"""The world's bars as the vendor's rows: units, labels, composed periods, adjustment, filling."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from itertools import groupby, pairwise

from vendors.world import SHANGHAI, Day, Event, Minute, World
from vendors.xtquant_codes import Named
from vendors.xtquant_rows import lots, milliseconds, money, snapshot
from vendors.xtquant_script import Settings

COLUMNS = [
    "time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "amount",
    "settelementPrice",
    "openInterest",
    "preClose",
    "suspendFlag",
]
WHOLE = frozenset(("time", "volume", "openInterest", "suspendFlag"))
PRICES = ("open", "high", "low", "close", "preClose")
BASES = {"1m": "1m", "1d": "1d"}
"""What must have been downloaded before a period can be read."""
BASES |= dict.fromkeys(("5m", "15m", "30m", "60m", "1h"), "5m")
BASES |= dict.fromkeys(("1w", "1mon", "1q", "1hy", "1y"), "1d")
DIVIDENDS = ("none", "front", "back", "front_ratio", "back_ratio")
_MINUTES = {"5m": 5, "15m": 15, "30m": 30, "60m": 60, "1h": 60}
_SPANS: dict[str, Callable[[date], object]] = {
    "1w": lambda day: day.isocalendar()[:2],
    "1mon": lambda day: (day.year, day.month),
    "1q": lambda day: (day.year, (day.month - 1) // 3),
    "1hy": lambda day: (day.year, day.month > 6),
    "1y": lambda day: day.year,
}


def bars(
    world: World, named: Named, period: str, settings: Settings, *, fill: bool, dividend: str
) -> list[dict]:
    """Every bar up to now, ascending, as dicts of all columns."""
    if BASES[period] == "1d":
        rows = _daily(world, named, settings)
        rows = _filled(world, rows) if fill else rows
        rows = adjusted(rows, world.events.get(named.symbol, ()), world, named, dividend)
        return _composed(rows, _spans(period)) if period in _SPANS else rows
    rows = _minutes(world, named, settings)
    rows = adjusted(rows, world.events.get(named.symbol, ()), world, named, dividend)
    return _composed(rows, _slots(_MINUTES[period])) if period in _MINUTES else rows


def label(row: dict, period: str) -> str:
    """The index of a frame: Beijing time, of any host."""
    at = datetime.fromtimestamp(row["time"] / 1000, SHANGHAI)
    return f"{at:%Y%m%d}" if BASES[period] == "1d" else f"{at:%Y%m%d%H%M%S}"


def _daily(world: World, named: Named, settings: Settings) -> list[dict]:
    today = settings.now.astimezone(SHANGHAI).date()
    days = [day for day in world.days.get(named.symbol, ()) if day.date <= today]
    if days and days[-1].date == today and settings.now.astimezone(SHANGHAI).hour < 15:
        days.pop()
    unfinished = _unfinished(world, named, settings)
    if unfinished and (not days or days[-1].date < today):
        days.append(unfinished)
    return [_day_row(day, named, settings) for day in days]


def _unfinished(world: World, named: Named, settings: Settings) -> Day | None:
    """Today's bar so far, where ticks of today were recorded."""
    tick = snapshot(world, named, settings.now)
    if not world.ticks.get(named.symbol) or tick is None or not tick.open:
        return None
    if tick.time.date() != settings.now.astimezone(SHANGHAI).date():
        return None
    return Day(
        date=tick.time.date(),
        **{name: getattr(tick, name) for name in ("open", "high", "low")},
        close=tick.last,
        prev_close=tick.prev_close,
        volume=tick.volume,
        turnover=tick.turnover,
    )


def _day_row(day: Day, named: Named, settings: Settings) -> dict:
    at = datetime.combine(day.date, time(0), SHANGHAI)
    interest = 15 if named.kind not in ("future", "option") else int(day.open_interest or 0)
    return _row(day, at, named, settings, interest=interest, before=day.prev_close or 0.0)


def _minutes(world: World, named: Named, settings: Settings) -> list[dict]:
    minutes = [one for one in world.minutes.get(named.symbol, ()) if one.end <= settings.now]
    days = world.days.get(named.symbol, ())
    dates = [day.date for day in days]
    rows, before = [], 0.0
    for day, ends in groupby(minutes, key=lambda one: one.end.date()):
        ahead = bisect_right(dates, day - timedelta(days=1))
        known = days[ahead - 1].close if ahead and days[ahead - 1].date < day else before
        for one in ends:
            interest = _minute_interest(one, named)
            rows.append(
                _row(one, one.end, named, settings, interest=interest, before=known, grain=1.0)
            )
            before = one.close
    return rows


def _minute_interest(one: Minute, named: Named) -> int:
    if named.kind in ("future", "option"):
        return int(one.open_interest or 0)
    clock = (one.end.hour, one.end.minute)
    return {(9, 30): 14, (15, 0): 15}.get(clock, 13)


def _row(one: Day | Minute, at, named, settings, *, interest, before, grain=None) -> dict:
    volume = lots(one.volume, named, settings)
    if settings.scale_volume:
        since = date.fromisoformat(settings.scale_volume["from"])
        volume = round(volume * settings.scale_volume["by"]) if at.date() >= since else volume
    return {
        "time": milliseconds(at),
        "open": one.open,
        "high": one.high,
        "low": one.low,
        "close": one.close,
        "volume": volume,
        "amount": money(one.turnover, named, grain),
        "settelementPrice": getattr(one, "settle", None) or 0.0,
        "openInterest": interest,
        "preClose": before,
        "suspendFlag": 0,
    }


def _filled(world: World, rows: list[dict]) -> list[dict]:
    """The rows with an invented one for every session between two of them that has none."""
    filled = rows[:1]
    sessions = [milliseconds(datetime.combine(d, time(0), SHANGHAI)) for d in world.sessions]
    for before, after in pairwise(rows):
        ahead = bisect_right(sessions, before["time"])
        while ahead < len(sessions) and sessions[ahead] < after["time"]:
            filled.append(invented(before, sessions[ahead]))
            ahead += 1
        filled.append(after)
    return filled


def invented(before: dict, at: int) -> dict:
    """A bar of a day without trade: the close before, nothing bought."""
    flat = dict.fromkeys(PRICES, before["close"])
    return {**before, **flat, "time": at, "volume": 0, "amount": 0.0, "suspendFlag": 1}


def _slots(minutes: int) -> Callable[[dict], object]:
    def slot(row: dict) -> tuple[date, int]:
        at = datetime.fromtimestamp(row["time"] / 1000, SHANGHAI)
        opened = at.hour * 60 + at.minute - 570  # the 09:30 row belongs to the first bar
        traded = max(opened if opened <= 120 else opened - 90, 1)
        return at.date(), -(-traded // minutes)

    return slot


def _spans(period: str) -> Callable[[dict], object]:
    if period not in _SPANS:
        return lambda row: row["time"]
    return lambda row: _SPANS[period](datetime.fromtimestamp(row["time"] / 1000, SHANGHAI).date())


def _composed(rows: Iterable[dict], key: Callable[[dict], object]) -> list[dict]:
    """One bar of every run of rows with the same key, labelled by its last."""
    whole = []
    for _, run in groupby(rows, key):
        parts = list(run)
        whole.append(
            {
                **parts[-1],
                "open": parts[0]["open"],
                "high": max(part["high"] for part in parts),
                "low": min(part["low"] for part in parts),
                "volume": sum(part["volume"] for part in parts),
                "amount": sum(part["amount"] for part in parts),
                "preClose": parts[0]["preClose"],
            }
        )
    return whole


def terms(event: Event, world: World, named: Named) -> dict[str, float]:
    """The seven columns of one event; only ``dr`` is recorded."""
    days = world.days.get(named.symbol, ())
    before = max((d for d in days if d.date < event.ex_date), key=lambda d: d.date)
    gift = event.ratio - 1 if event.ratio >= 1.2 else 0.0
    cash = 0.0 if gift else round(before.close * (1 - 1 / event.ratio), 6)
    columns = dict.fromkeys(("interest", "stockBonus", "stockGift", "allotNum", "allotPrice"), 0.0)
    return {**columns, "interest": cash, "stockGift": gift, "gugai": 0.0, "dr": event.ratio}


def adjusted(
    rows: list[dict], events: Iterable[Event], world: World, named: Named, dividend: str
) -> list[dict]:
    """The rows with prices adjusted to the newest (front) or the oldest (back) price."""
    if dividend == "none":
        return rows
    stamped = [
        (milliseconds(datetime.combine(one.ex_date, time(0), SHANGHAI)), terms(one, world, named))
        for one in events
    ]
    changed = []
    for row in rows:
        midnight = row["time"] - (row["time"] + 8 * 3_600_000) % 86_400_000
        front = dividend.startswith("front")
        due = [one for at, one in stamped if (at > midnight) == front]
        turned = due if front else due[::-1]
        change = _ratio if dividend.endswith("ratio") else _cash
        changed.append(row | {name: change(row[name], turned, front) for name in PRICES})
    return changed


def _ratio(price: float, due: list[dict], front: bool) -> float:
    for one in due:
        price = price / one["dr"] if front else price * one["dr"]
    return price


def _cash(price: float, due: list[dict], front: bool) -> float:
    for one in due:
        share = 1 + one["stockGift"]
        price = (price - one["interest"]) / share if front else price * share + one["interest"]
    return round(price, 2)
