"""Past snapshots, in the vendor's units; they are never adjusted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

import polars as pl

from argus_core import BarsQuery, Symbol, TicksQuery
from argus_rqdatac.cells import attribute, day
from argus_rqdatac.frames import joined, schema_frame
from argus_rqdatac.session import Session
from argus_rqdatac.tables import by_family, look_up

DAY_BYTES = 300_000.0
"""What a day of one instrument's ticks is assumed to cost; the vendor names no figure."""

_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "price": "last",
        "open": "open",
        "high": "high",
        "low": "low",
        "prev_close": "prev_close",
        "volume": "volume",
        "turnover": "total_turnover",
        **{f"bid_price{n}": f"b{n}" for n in range(1, 6)},
        **{f"bid_volume{n}": f"b{n}_v" for n in range(1, 6)},
        **{f"ask_price{n}": f"a{n}" for n in range(1, 6)},
        **{f"ask_volume{n}": f"a{n}_v" for n in range(1, 6)},
    }
)
_CONTRACTS = frozenset({"future", "option"})
_WEEK, _SESSIONS_A_WEEK = 7, 5


def columns(family: str) -> dict[str, str]:
    """The vendor's columns of a family's ticks, by our names: the fields to ask for."""
    own = {"open_interest": "open_interest"} if family in _CONTRACTS else {}
    return {**_COLUMNS, **own}


def read_ticks(session: Session, query: TicksQuery) -> Any:
    """A frame of the published schema ``TICKS``; dates are trading dates on both sides.

    Raises :class:`Throttled` where so many ticks would use up the day's quota.
    """
    listed = look_up(session, query.symbols)
    session.quota.make_room(DAY_BYTES * len(listed) * _sessions(query))
    frames: list[pl.DataFrame] = []
    for family, codes in by_family(listed).items():
        # One by one: a day of one instrument is a megabyte in memory already.
        for code, symbol in codes.items():
            frame = _ticks_of(session, query, family, code, symbol)
            delisted = day(attribute(listed[symbol], "de_listed_date"))
            today = _today(session)
            if _lacks(frame, today, query, delisted):
                live = _today_of(session, family, code, symbol, today)
                frames += [] if live is None else [_without_early_prices(live)]
            frames += [] if frame is None else [_without_early_prices(frame)]
    return joined([frame.drop("trading_date", strict=False) for frame in frames])


def _sessions(query: TicksQuery | BarsQuery) -> int:
    days = (query.end - query.start).days + 1
    return max(1, days * _SESSIONS_A_WEEK // _WEEK)


def _ticks_of(
    session: Session, query: TicksQuery, family: str, code: str, symbol: Symbol
) -> pl.DataFrame | None:
    asked = columns(family)

    def work(sdk: Any) -> Any:
        return sdk.get_price(
            [code],
            start_date=query.start,
            end_date=query.end,
            frequency="tick",
            fields=[*asked.values(), "trading_date"],
            adjust_type="none",
            skip_suspended=False,
            expect_df=True,
        )

    answer = session.call(f"ticks of {family}s", work)
    frame = schema_frame(answer, {code: symbol}, asked)
    if frame is None:
        return None
    dates = pl.Series("trading_date", [day(value) for value in answer["trading_date"]], pl.Date)
    return frame.with_columns(dates)


def _today(session: Session) -> date | None:
    """The server's current trading date, which at night is the next session's."""

    def work(sdk: Any) -> Any:
        return sdk.services.calendar.current_trading_date()

    return day(session.call("the trading date", work))


def _lacks(
    frame: pl.DataFrame | None, today: date | None, query: TicksQuery, delisted: date | None
) -> bool:
    """True if the current day was asked for and nothing of it came.

    The vendor's client says nothing at all where it is refused today's ticks, so they are asked
    for once more, on their own.
    """
    if today is None or not query.start <= today <= query.end:
        return False
    if delisted is not None and delisted < today:
        return False
    return frame is None or not (frame["trading_date"] == today).any()


def _today_of(
    session: Session, family: str, code: str, symbol: Symbol, today: date | None
) -> pl.DataFrame | None:
    def work(sdk: Any) -> Any:
        return sdk.get_ticks(code, start_date=today, end_date=today, expect_df=True)

    answer = session.call(f"today's ticks of {family}s", work)
    return schema_frame(answer, {code: symbol}, columns(family))


def _without_early_prices(frame: pl.DataFrame) -> pl.DataFrame:
    """Before the first trade of a day the vendor repeats the previous close as the last price."""
    untraded = (pl.col("volume") == 0) & ~(pl.col("open") > 0).fill_null(value=False)
    return frame.with_columns(price=pl.when(~untraded.fill_null(value=False)).then("price"))
