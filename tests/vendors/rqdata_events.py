"""Factors from the world's events; splits and dividends from the recorded corporate actions."""

from __future__ import annotations

import csv
from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import zip_longest
from pathlib import Path

from vendors.rqdata_ids import int8
from vendors.world import SHANGHAI, Listed, World

_TEN_SHARES = 10.0
_NOTICE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What ten shares receive on an ex date: shares and yuan before tax."""

    ex_date: date
    shares: float
    cash: float


def actions(data: Path | None) -> dict[str, list[Action]]:
    """The recorded actions by canonical symbol; none without the recording."""
    path = data / "corporate_actions_hikyuu.csv" if data else None
    if path is None or not path.exists():
        return {}
    found: dict[str, list[Action]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            shares = (int(row["countAsGift"]) + int(row["countOfIncreasement"])) / 10_000
            cash = int(row["bonus"]) / 1_000
            if shares or cash:
                when = datetime.strptime(row["date"], "%Y%m%d").date()  # noqa: DTZ007
                action = Action(ex_date=when, shares=shares, cash=cash)
                found.setdefault(f"{row['code']}.{row['market']}", []).append(action)
    return found


class Events:
    """Rows of what changes a share's price; the future is not known."""

    def __init__(self, world: World, data: Path | None) -> None:
        self._world = world
        self._actions = actions(data)

    def factors(self, found: str, one: Listed, until: date) -> list[dict]:
        """Every ex date with its factor and the product of all factors so far."""
        events = [e for e in self._world.events.get(one.symbol, ()) if e.ex_date <= until]
        rows, product = [], 1.0
        for event, after in zip_longest(events, events[1:]):
            product *= event.ratio
            end = after and _moment(after.ex_date - timedelta(days=1))
            rows.append(
                {"order_book_id": found, "ex_date": _moment(event.ex_date)}
                | {"ex_factor": event.ratio, "ex_cum_factor": product}
                | {"announcement_date": self._before(event.ex_date), "ex_end_date": end}
                | _created(event.ex_date)
            )
        return rows

    def splits(self, found: str, one: Listed, until: date) -> list[dict]:
        return [
            {"order_book_id": found, "ex_dividend_date": _moment(action.ex_date)}
            | {"book_closure_date": self._before(action.ex_date)}
            | {"payable_date": _moment(action.ex_date)}
            | {"split_coefficient_from": _TEN_SHARES}
            | {"split_coefficient_to": _TEN_SHARES + action.shares}
            | _created(action.ex_date)
            for action in self._actions.get(one.symbol, ())
            if action.shares and action.ex_date <= until
        ]

    def dividends(self, found: str, one: Listed, until: date) -> list[dict]:
        return [
            {"order_book_id": found}
            | {"declaration_announcement_date": self._before(action.ex_date, _NOTICE)}
            | {"dividend_cash_before_tax": action.cash, "round_lot": _TEN_SHARES}
            | {"book_closure_date": self._before(action.ex_date)}
            | {"ex_dividend_date": _moment(action.ex_date)}
            | {"payable_date": _moment(action.ex_date), "advance_date": None}
            | {"quarter": f"{action.ex_date.year - 1}q4"}
            | _created(action.ex_date)
            for action in self._actions.get(one.symbol, ())
            if action.cash and action.ex_date <= until
        ]

    def _before(self, day: date, n: int = 1) -> datetime:
        sessions = self._world.sessions
        return _moment(sessions[max(bisect_left(sessions, day) - n, 0)])


def within(rows: list[dict], basis: str, start: int | None, end: int | None) -> list[dict]:
    """The rows whose ``basis`` lies between the dates; an open side is ``None``."""
    low, high = start or 0, end or 99_999_999
    return [row for row in rows if low <= int8(row[basis].date()) <= high]


def _moment(day: date) -> datetime:
    """Midnight without a zone, as the wire carries dates."""
    return datetime.combine(day, time())


def _created(day: date) -> dict:
    return {"rice_create_tm": int(datetime.combine(day, time(), SHANGHAI).timestamp())}
