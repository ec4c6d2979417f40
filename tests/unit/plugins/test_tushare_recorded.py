"""The source over recorded rows: real prices, suspensions, calendars, share tables, minutes."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date, datetime
from random import Random

import pytest
from vendors.tushare_account import StillClock, bars_of, opened, serving

from argus_core import (
    SHANGHAI,
    CalendarQuery,
    Exchange,
    FactorsQuery,
    InstrumentsQuery,
    Kind,
    ListingsQuery,
    Period,
    Symbol,
)

APRIL_2026 = StillClock(datetime(2026, 4, 10, 16, 0, tzinfo=SHANGHAI))


@pytest.fixture(scope="module")
def server(market_data):
    with serving(market_data) as running:
        yield running


def recorded(market_data, name):
    with (market_data / "tushare" / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def compact(when):
    return f"{when:%Y%m%d}"


async def test_days_are_the_recorded_ones(server, market_data):
    dice = Random(7)
    files = sorted(path.name for path in (market_data / "tushare").glob("daily_raw_*.csv"))
    async with opened(server) as source:
        for name in files:
            rows = recorded(market_data, name)
            dates = sorted(row["trade_date"] for row in rows)
            first, last = sorted(dice.sample(dates, 2))
            expected = {r["trade_date"]: r for r in rows if first <= r["trade_date"] <= last}
            bars = source.bars(
                bars_of(
                    rows[0]["ts_code"],
                    start=date.fromisoformat(first),
                    end=date.fromisoformat(last),
                )
            )
            assert {compact(bar["time"]) for bar in bars} == expected.keys()
            for bar in bars:
                row = expected[compact(bar["time"])]
                for ours, theirs in (
                    *(("open", "open"), ("high", "high"), ("low", "low"), ("close", "close")),
                    *(("prev_close", "pre_close"), ("volume", "vol"), ("turnover", "amount")),
                ):
                    assert bar[ours] == float(row[theirs])


async def test_an_index_without_turnover_stays_without(server, market_data):
    async with opened(server) as source:
        bars = source.bars(bars_of("000001.SH", start=date(2019, 1, 1), end=date(2020, 12, 31)))
    rows = recorded(market_data, "index_daily_000001.SH_2006-2020.csv")
    expected = {row["dt"][:10]: float(row["close"]) for row in rows if row["dt"] >= "2019"}
    assert {str(bar["time"]): bar["close"] for bar in bars} == expected
    assert {bar["turnover"] for bar in bars} == {bar["prev_close"] for bar in bars} == {None}


async def test_factors_change_on_the_recorded_ex_days(server):
    query = FactorsQuery(
        symbols=(Symbol("600519.SH"),), start=date(2010, 1, 4), end=date(2020, 4, 10)
    )
    async with opened(server) as source:
        rows = source.factors(query)
        later = source.factors(
            FactorsQuery(symbols=query.symbols, start=date(2019, 1, 1), end=date(2019, 3, 1))
        )
    changes = [row["date"] for row in rows if row["date"] > query.start]
    # The one share event in ten years that is no cent's rounding, and nine more dividends.
    assert {
        *(date(2010, 7, 5), date(2011, 7, 1), date(2012, 7, 5), date(2013, 6, 7)),
        *(date(2014, 6, 25), date(2015, 7, 17), date(2016, 7, 1), date(2017, 7, 7)),
        *(date(2018, 6, 15), date(2019, 6, 28)),
    } <= set(changes)
    factors = [row["factor"] for row in sorted(rows, key=lambda row: row["date"])]
    assert factors == sorted(factors)
    (in_force,) = later
    assert in_force["date"] <= date(2019, 1, 1)


async def test_minutes_over_several_pages(server):
    server.control({"clear": True})
    async with opened(server) as source:
        bars = source.bars(
            bars_of("600009.SH", start=date(2020, 1, 1), end=date(2020, 4, 10), period=Period.M1)
        )
    assert [call["api"] for call in server.requests] == ["stk_mins"] * 2
    assert len(bars) == len({bar["time"] for bar in bars}) == 15353
    assert {bar["turnover"] for bar in bars} == {None}


async def test_minutes_of_one_day(server):
    day = date(2018, 1, 15)
    async with opened(server) as source:
        bars = source.bars(bars_of("000001.SZ", start=day, end=day, period=Period.M1))
    assert len(bars) == 240
    for bar in bars:
        if bar["volume"]:
            assert bar["low"] - 0.01 <= bar["turnover"] / bar["volume"] <= bar["high"] + 0.01


async def test_the_recorded_calendar(server, market_data):
    rows = recorded(market_data, "trade_cal_SSE_2024-2026.csv")
    query = CalendarQuery(
        exchanges=(Exchange.SH, Exchange.SZ), start=date(2024, 1, 1), end=date(2026, 12, 31)
    )
    async with opened(server) as source:
        days = source.calendar(query)
    expected = [date.fromisoformat(row["cal_date"]) for row in rows if row["is_open"] == "1"]
    assert list(days[Exchange.SH].dates) == list(days[Exchange.SZ].dates) == expected


async def test_listings_are_the_recorded_shares(server, market_data):
    rows = recorded(market_data, "stock_basic_2026-04.csv")
    exchanges = (Exchange.SH, Exchange.SZ, Exchange.BJ)
    async with opened(server, APRIL_2026) as source:
        tables = source.listings(ListingsQuery(exchanges=exchanges))
    shares = {
        known.symbol: known for t in tables.values() for known in t if known.kind is Kind.STOCK
    }
    assert shares.keys() == {row["ts_code"] for row in rows if row["ts_code"]}
    assert Counter(symbol.exchange for symbol in shares) == {"SH": 2292, "SZ": 2874, "BJ": 282}
    for row in rows:
        known = shares[Symbol(row["ts_code"])]
        assert known.name == row["name"]
        assert known.industry == (row["industry"] or None)
        assert str(known.list_date) == row["list_date"]
        assert known.market_cap is None
    kinds = {known.kind for known in tables[Exchange.SH]}
    assert kinds == {Kind.STOCK, Kind.FUND, Kind.BOND, Kind.INDEX}
    assert "930955.CSI" not in {known.symbol for known in tables[Exchange.SH]}


async def test_a_delisted_share_is_known_and_not_listed(server):
    gone = Symbol("002070.SZ")
    async with opened(server, APRIL_2026) as source:
        (known,) = source.instruments(InstrumentsQuery(symbols=(gone,)))
        table = source.listings(ListingsQuery(exchanges=(Exchange.SZ,)))[Exchange.SZ]
    assert known.delist_date == date(2019, 7, 8)
    assert gone not in {other.symbol for other in table}
