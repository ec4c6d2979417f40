"""Every method of RQData's wire, answered from the world."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

from vendors.rqdata_bars import Row
from vendors.rqdata_events import Events, within
from vendors.rqdata_ids import product_of, trading_hours
from vendors.rqdata_market import Market
from vendors.rqdata_wire import Refusal
from vendors.world import SHANGHAI, World

INVENTED = (
    "History, daily and minute rows alike, holds a trading date from 15:00 of that day on.",
    "From 19:30 on, and on days without a session, the trading date is the next session.",
    "Until a day is in history its finished minutes come from get_today_minbar.",
    "An unfinished minute, and an unfinished bar of several minutes, is served by nothing.",
    (
        "Bars of n minutes count the labels of the day, not the clock; bars of n days count from "
        "the first row of the asked range."
    ),
    "A suspended day repeats the previous close in all five prices, with volume and turnover 0.",
    "A share is suspended on every session between its first and its last row that has none.",
    "The rows of every symbol in World.invented.",
    "The words of status, special_type and board_type; abbrev_symbol is nil.",
    "Limit prices, the number of trades in bars, iopv and issue prices are NaN.",
    (
        "Minutes of nights come as one-minute bars only, trading_hours leave them out, and "
        "day_session_open is the day's open."
    ),
    (
        "A main continuous series is listed as letters and 88, without dates; the dominant "
        "contract of a day is the first dated contract of the product with a row on that day."
    ),
    (
        "Factors begin at 1 before the first recorded event; events after the server's own date "
        "are not known."
    ),
    (
        "A dividend is announced four sessions before the ex date, for the last quarter of the "
        "year before; the record date is the session before the ex date, which is also the day of"
        " payment."
    ),
    "rice_create_tm is the midnight that begins the ex date.",
    "Trading phase codes other than T; a snapshot after the delisting date is nil.",
    "Opening price, previous close and change rate stand in the arrays of past ticks.",
    (
        "Industry codes are numbers in the order of the names, the same for every source, with "
        "one level; a sector is known for a few industries and else Unknown; Beijing's board is "
        "BJS."
    ),
    (
        "Once bytes_used reaches bytes_limit every method but those of the user is refused with "
        "errno 5, and the bytes of every answer count."
    ),
    "One login too many is refused at the handshake with errno 4.",
    (
        "Bars and past ticks come as streams of lists, instruments as a table, live ticks as "
        "table 2."
    ),
    "The sentences of refusals, except that of the session limit.",
    (
        "The live socket answers a login with auth_by_token_reply, closes with 4001 on a wrong "
        "token, sends each finished minute once, and understands one-minute channels only."
    ),
)
"""What the stand-in makes up because nothing recorded or documented says it."""

NO_SERVICE, BAD_REQUEST = 7, 400


class Vendor(Market):
    """The vendor's whole answer book."""

    def __init__(self, world: World, data: Path | None = None, now: datetime | None = None) -> None:
        super().__init__(world, now)
        self._events = Events(world, data)
        self._methods: dict[str, Callable] = {
            "get_all_trading_dates": lambda market="cn": self.all_dates,
            "current_trading_date": lambda market="cn": self.trading_date(),
            "all_obid_type_list": lambda market: self.instruments.ids() if market == "cn" else [],
            "all_instruments_by_type": self._instruments,
            "get_daybar_v": self.daybars,
            "get_minbar_v": self.minbars,
            "get_today_minbar": self.today_minbars,
            "get_tickbar": self.tickbars,
            "get_ticks_v2": self.today_ticks,
            "get_live_ticks": self.live_ticks,
            "current_snapshots": self.snapshots,
            "current_minute": self.current_minute,
            "_get_ex_factor": lambda ids, market="cn": self._factors(ids),
            "_get_split": lambda ids, market="cn": self._splits(ids),
            "get_ex_factor": self._factors,
            "get_split": self._splits,
            "get_dividend": self._dividends,
            "get_suspended_days": self._suspended,
            "get_industry": self._industry,
            "get_instrument_industry": self._industries,
            "futures.get_dominant_v2": self._dominant,
            "get_trading_hours": self._hours,
            "night_trading_at_first_date_ids": lambda market="cn": [],
        }

    def answer(self, method: str, args: list, kwargs: dict) -> object:
        """The value of a call; raises :class:`Refusal` for what the vendor refuses."""
        call = self._methods.get(method)
        if call is None:
            raise Refusal(NO_SERVICE, f"no service called {method}")
        try:
            inspect.signature(call).bind(*args, **kwargs)
        except TypeError as error:
            raise Refusal(BAD_REQUEST, f"{method}: {error}") from error
        return call(*args, **kwargs)

    def _instruments(self, instrument_type, market="cn") -> list[Row]:
        return self.instruments.of_type(instrument_type) if market == "cn" else []

    def _hours(self, product, date, market="cn") -> str | None:
        return next(
            (
                trading_hours(one)
                for one in self.instruments.listed.values()
                if one.kind in ("future", "option") and product_of(one.symbol) == product
            ),
            None,
        )

    def _industry(self, industry, source, date, market="cn") -> list[str]:
        return self.instruments.in_industry(industry)

    def _industries(self, ids, source, level, date, market="cn") -> list[Row]:
        return self.instruments.industry_of(ids) if level in (0, 1) else []

    def _today(self) -> date:
        return self.now.astimezone(SHANGHAI).date()

    def _factors(self, ids, start=None, end=None, market="cn") -> list[Row]:
        return self._dated(self._events.factors, "ex_date", ids, start, end)

    def _splits(self, ids, start=None, end=None, market="cn") -> list[Row]:
        return self._dated(self._events.splits, "book_closure_date", ids, start, end)

    def _dividends(self, ids, start=None, end=None, market="cn") -> list[Row]:
        return self._dated(self._events.dividends, "declaration_announcement_date", ids, start, end)

    def _dated(self, make: Callable, basis, ids, start, end) -> list[Row]:
        today = self._today()
        rows = [row for name, one in self.known(ids) for row in make(name, one, today)]
        return within(rows, basis, start, end)

    def _suspended(self, ids, start, end, market="cn") -> dict[str, list[str]]:
        return {
            name: [str(day) for day in self.bars.suspended(one) if start <= day <= end]
            for name, one in self.known(ids)
        }

    def _dominant(self, product, start, end, rule=0, rank=1, market="cn"):  # noqa: PLR0917
        found: dict[int, str] = {}
        for name, one in self.instruments.listed.items():
            if one.kind != "future" or name.endswith("88") or product_of(one.symbol) != product:
                continue
            for row in self.bars.days(one):
                if (start or 0) <= row["date"] <= (end or 99_999_999):
                    found.setdefault(row["date"], name)
        return [{"date": day, "dominant": name} for day, name in sorted(found.items())]
