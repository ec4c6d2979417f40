"""Latest quotes: snapshots where the account has the realtime licence, else the newest days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

from argus_core import SHANGHAI, Kind, Period, Quote, Symbol, kind_of
from argus_tushare.bars import Job, daily_bars, jobs, spelled
from argus_tushare.cells import number, price, snapshot_time, text
from argus_tushare.client import Api
from argus_tushare.interfaces import FUTURES_REALTIME, REALTIME, Interface
from argus_tushare.paging import Row, fetch
from argus_tushare.symbols import is_continuous

_CLOSE = time(15, 0)
_RECENT = timedelta(days=30)


def realtime_jobs(symbols: Iterable[Symbol]) -> list[Job]:
    """Which realtime interface to ask about which symbols; Shanghai's funds go on their own."""
    grouped: dict[tuple[Interface, str], list[Symbol]] = {}
    for symbol in symbols:
        kind = kind_of(symbol)
        if kind is Kind.FUTURE and not is_continuous(symbol):
            grouped.setdefault((FUTURES_REALTIME, ""), []).append(symbol)
        elif kind in REALTIME:
            apart = symbol.exchange if kind is Kind.FUND else ""
            grouped.setdefault((REALTIME[kind], apart), []).append(symbol)
    return [(interface, tuple(members)) for (interface, _), members in grouped.items()]


def read_realtime(api: Api, job: Job) -> list[Quote]:
    """The quotes of one job, in shares and yuan."""
    interface, symbols = job
    codes = spelled(symbols)
    if not codes:
        return []
    params = {"ts_code": ",".join(codes)}
    if interface is FUTURES_REALTIME:
        return _minute_quotes(api, codes, params)
    if interface is REALTIME[Kind.FUND] and symbols[0].exchange == "SH":
        params["topic"] = "HQ_FND_TICK"
    rows = fetch(api, interface, **params)
    return [_snapshot(row, codes[row["ts_code"]]) for row in rows if row["ts_code"] in codes]


def _snapshot(row: Row, symbol: Symbol) -> Quote:
    return Quote(
        symbol=symbol,
        as_of=snapshot_time(row.get("trade_time")),
        name=text(row.get("name")),
        price=price(row["close"]),
        open=price(row["open"]),
        high=price(row["high"]),
        low=price(row["low"]),
        prev_close=price(row["pre_close"]),
        volume=number(row.get("vol")),
        turnover=number(row["amount"]),
    )


def _minute_quotes(api: Api, codes: dict[str, Symbol], params: dict[str, str]) -> list[Quote]:
    """Prices out of the newest minute, whose other columns speak of that minute, not the day."""
    newest: dict[Symbol, Quote] = {}
    for row in fetch(api, FUTURES_REALTIME, **params, freq="1MIN"):
        symbol, as_of = codes.get(row["code"]), snapshot_time(row["time"])
        if symbol is None:
            continue
        known = newest.get(symbol)
        if known is None or (known.as_of and as_of and known.as_of < as_of):
            newest[symbol] = Quote(symbol=symbol, as_of=as_of, price=price(row["close"]))
    return list(newest.values())


def daily_jobs(symbols: Iterable[Symbol]) -> list[Job]:
    """Which daily interface to ask about which symbols."""
    return jobs(symbols, Period.D1)


def read_daily(api: Api, job: Job, today: date) -> list[Quote]:
    """The newest day of the last month as a quote, in the units of daily bars."""
    interface, symbols = job
    newest: dict[Symbol, dict[str, Any]] = {}
    for bar in daily_bars(api, interface, spelled(symbols), today - _RECENT, today):
        known = newest.get(bar["symbol"])
        if known is None or known["time"] < bar["time"]:
            newest[bar["symbol"]] = bar
    return [
        Quote(
            symbol=symbol,
            as_of=datetime.combine(bar["time"], _CLOSE, SHANGHAI),
            price=bar["close"],
            **{name: bar[name] for name in ("open", "high", "low")},
            **{name: bar[name] for name in ("prev_close", "volume", "turnover")},
        )
        for symbol, bar in newest.items()
    ]
