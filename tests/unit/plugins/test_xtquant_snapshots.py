"""Snapshots as recorded from real clients, old and new, whole and partial."""

from __future__ import annotations

import csv
import json
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

from argus_core import SHANGHAI, BadData, Level, Period, Symbol
from argus_xtquant.bars import read_bars, read_ticks
from argus_xtquant.history import to_polars
from argus_xtquant.snapshots import read_book, read_quote
from argus_xtquant.symbols import spelled

STOCK, INDEX, FUTURE = Symbol("000001.SZ"), Symbol("000001.SH"), Symbol("rb2410.SHFE")
DOCUMENTED = {
    "time": 1733118954000,
    "lastPrice": 11.39,
    "open": 11.39,
    "high": 11.4,
    "low": 11.31,
    "lastClose": 11.38,
    "amount": 862127800.0,
    "volume": 758613,
    "pvolume": 75861284,
    "stockStatus": 3,
    "openInt": 13,
    "askPrice": [11.4, 11.41, 11.42, 11.43, 11.44],
    "bidPrice": [11.39, 11.38, 11.370000000000001, 11.36, 11.35],
    "askVol": [10929, 12401, 6671, 4555, 6708],
    "bidVol": [2429, 7127, 7146, 9111, 12189],
}
AUCTION = {
    "time": 1776389016000,
    "timetag": "20260417 09:23:36",
    "lastPrice": 35.8,
    "open": 0,
    "high": 0,
    "low": 0,
    "lastClose": 35.65,
    "volume": 0,
    "amount": 0,
    "stockStatus": 2,
    "openInt": 12,
    "askPrice": [35.8, 0, 0, 0, 0],
    "bidPrice": [35.8, 0, 0, 0, 0],
    "askVol": [120, 33, 0, 0, 0],
    "bidVol": [120, 0, 0, 0, 0],
}


def frame(**columns):
    return to_polars(pd.DataFrame(columns))


def rows(read, symbol, table, *more):
    spelt = spelled([symbol], date(1990, 1, 1), date(2050, 1, 1))
    return read({spelt[0].code: table}, spelt, *more).to_dicts()


def test_the_documented_snapshot():
    book = read_book(STOCK, DOCUMENTED)
    quote = book.quote
    assert quote.as_of == datetime(2024, 12, 2, 13, 55, 54, tzinfo=SHANGHAI)
    assert (quote.price, quote.volume, quote.turnover) == (11.39, 758613.0, 862127800.0)
    assert book.bids[2] == Level(11.37, 7146.0)
    assert [level.price for level in book.asks] == [11.4, 11.41, 11.42, 11.43, 11.44]


@pytest.mark.parametrize("pvolume", [0, 758613, 75861284, -1])
def test_pvolume_is_never_used(pvolume):
    assert read_book(STOCK, {**DOCUMENTED, "pvolume": pvolume}) == read_book(STOCK, DOCUMENTED)


def test_an_old_clients_snapshot_has_only_a_timetag():
    tick = {k: v for k, v in DOCUMENTED.items() if k != "time"} | {"timetag": "20241202 13:55:54"}
    assert read_book(STOCK, tick) == read_book(STOCK, DOCUMENTED)


def test_the_auctions_virtual_price_is_no_price():
    book = read_book(STOCK, AUCTION)
    assert (book.quote.price, book.quote.open, book.quote.high) == (None, None, None)
    assert (book.quote.prev_close, book.quote.volume) == (35.65, 0.0)
    assert book.bids == book.asks == (Level(35.8, 120.0),)


def test_a_level_without_price_is_none_and_one_of_half_a_lot_has_no_volume():
    tick = {**DOCUMENTED, "askPrice": [11.4, 0, 11.42, 0, 0], "askVol": [5, 7, 0, 0, 0]}
    assert read_book(STOCK, tick).asks == (Level(11.4, 5.0), Level(11.42, 0.0))


@pytest.mark.parametrize("missing", [*DOCUMENTED])
def test_any_field_may_be_missing(missing):
    tick = {key: value for key, value in DOCUMENTED.items() if key != missing}
    book = read_book(STOCK, tick)
    assert book.symbol == STOCK
    assert read_book(STOCK, {**DOCUMENTED, missing: None}) == book


def test_an_index_before_any_volume_has_its_price():
    tick = {"time": 1733118954000, "lastPrice": 3363.98, "open": 3330.1, "volume": 0}
    assert read_quote(INDEX, tick).price == 3363.98
    assert read_quote(STOCK, tick).price is None


def test_garbage_in_pushed_previous_closes_is_not_read():
    tick = {**DOCUMENTED, "preClose": 6.95251579475095e-310, "suspendFlag": 791273896}
    assert read_book(STOCK, tick) == read_book(STOCK, DOCUMENTED)


def test_every_recorded_snapshot_makes_money_out_of_lots(market_data):
    """Turnover ÷ (volume × 100) lies in the day's range, so the volume is lots."""
    path = market_data / "xtquant" / "recorded_full_ticks.json"
    seen = 0
    for record in json.loads(path.read_text(encoding="utf-8")):
        code, tick = record.get("code"), record["tick"]
        if not code or not code.endswith((".SH", ".SZ")) or not tick.get("volume"):
            continue
        quote = read_quote(Symbol(code), tick)
        assert quote.as_of is not None
        if quote.low and quote.high:
            assert quote.low * 0.99 <= quote.turnover / (quote.volume * 100) <= quote.high * 1.01
            seen += 1
    assert seen >= 2


def test_beijing_counts_lots_although_its_pvolume_says_otherwise(market_data):
    path = market_data / "xtquant" / "observed_volume_units_20260909.csv"
    observed = {r["code"]: r for r in csv.DictReader(path.read_text("utf-8").splitlines())}
    row = observed["920679.BJ"]
    assert row["pvolume"] == row["volume"]
    assert 1 < float(row["amount"]) / (float(row["volume"]) * 100) < 100


@pytest.mark.parametrize("spelling", ["settelementPrice", "settlementPrice"])
def test_both_spellings_of_settlement(spelling):
    table = frame(
        time=[1704211200000],
        open=[4000.0],
        high=[4010.0],
        low=[3990.0],
        close=[4001.0],
        volume=[5],
        amount=[2e5],
        openInterest=[1234],
        **{spelling: [4002.0]},
    )
    (row,) = rows(read_bars, FUTURE, table, Period.D1)
    assert (row["settle"], row["open_interest"]) == (4002.0, 1234.0)


def test_a_shares_open_interest_is_its_status_and_left_out():
    table = frame(
        time=[1704211200000],
        open=[9.0],
        high=[9.1],
        low=[8.9],
        close=[9.0],
        volume=[5],
        amount=[4500.0],
        openInterest=[15],
        settelementPrice=[0.0],
    )
    (row,) = rows(read_bars, STOCK, table, Period.D1)
    assert row["open_interest"] is row["settle"] is None


def test_garbage_in_minutes_previous_closes_is_ignored_and_days_are_read():
    table = frame(
        time=[1704211200000],
        open=[9.0],
        high=[9.1],
        low=[8.9],
        close=[9.0],
        volume=[5],
        amount=[4500.0],
        preClose=[8.88],
        suspendFlag=[791273896],
    )
    assert rows(read_bars, STOCK, table, Period.D1)[0]["prev_close"] == 8.88
    assert rows(read_bars, STOCK, table, Period.M1)[0]["prev_close"] is None
    dirty = table.with_columns(preClose=6.95251579475095e-310)
    assert rows(read_bars, STOCK, dirty, Period.D1)[0]["prev_close"] is None


def test_missing_columns_are_null():
    table = frame(time=[1704211200000], close=[9.0], volume=[5])
    (row,) = rows(read_bars, STOCK, table, Period.D1)
    assert row["close"] == 9.0
    assert row["open"] is row["turnover"] is row["prev_close"] is None


def test_sentinels_and_noise_in_frames():
    table = frame(
        time=[1704211200000],
        open=[1.7976931348623157e308],
        high=[11.370000000000001],
        low=[float("nan")],
        close=[11.36],
        volume=[2147483647],
        amount=[np.inf],
    )
    (row,) = rows(read_bars, STOCK, table, Period.D1)
    assert (row["open"], row["high"], row["low"]) == (None, 11.37, None)
    assert row["volume"] is row["turnover"] is None


def test_holes_filled_with_zeros_and_rows_of_1970_are_no_bars():
    table = frame(
        time=[0, 28800000, 1704211200000, 1704297600000],
        open=[9.0, 9.0, 0.0, 9.0],
        high=[9.0, 9.0, 0.0, 9.0],
        low=[9.0, 9.0, 0.0, 9.0],
        close=[9.0, 9.0, 0.0, 9.0],
        volume=[1, 1, 0, 1],
        amount=[900.0, 900.0, 0.0, 900.0],
    )
    days = [row["time"] for row in rows(read_bars, STOCK, table, Period.D1)]
    assert days == [date(2024, 1, 4)]


def test_labels_of_tables_are_not_read_only_their_times():
    """On a host elsewhere the labels of ticks are in its own zone."""
    table = pd.DataFrame(
        {"time": [1698370203000], "lastPrice": [9.0], "volume": [1]}, index=["20231027013003"]
    )
    (row,) = rows(read_ticks, STOCK, to_polars(table))
    assert row["time"] == datetime(2023, 10, 27, 9, 30, 3, tzinfo=SHANGHAI)


def test_history_of_old_clients_has_timetags():
    table = frame(timetag=["20231027 09:30:03", "bad"], lastPrice=[9.0, 9.0], volume=[1, 1])
    (row,) = rows(read_ticks, STOCK, table)
    assert row["time"] == datetime(2023, 10, 27, 9, 30, 3, tzinfo=SHANGHAI)
    assert row["bid_price1"] is row["ask_volume5"] is None


def test_holes_in_columns_and_ladders_are_null():
    """Rows that come as mappings make a column of objects where one of them lacks a number."""
    told = [
        {
            "time": 1701122154000,
            "lastPrice": 9.0,
            "volume": 1,
            "open": 9.0,
            "askPrice": [9.1, None],
        },
        {"time": None, "lastPrice": 9.0, "volume": 1, "open": 9.0, "askPrice": [9.1]},
        {"time": 1701122157000, "lastPrice": None, "volume": None, "open": 9.0, "askPrice": None},
    ]
    table = to_polars(pd.DataFrame(told, dtype=object))
    assert table["lastPrice"].to_list() == [9.0, None]
    assert table["askPrice"].to_list() == [[9.1, None], None]
    assert len(rows(read_ticks, STOCK, table)) == 2


@pytest.mark.parametrize("label", ["20240603", "20240603093100"])
def test_bars_without_times_are_dated_by_their_labels(label):
    """Those of bars are Beijing's wherever the host stands: the client writes them."""
    table = to_polars(pd.DataFrame({"close": [9.0]}, index=[label]))
    assert table["at"][0] == datetime(
        2024, 6, 3, *((9, 31) if label[8:] else (0, 0)), tzinfo=SHANGHAI
    )


def test_history_without_any_time_is_bad_data():
    with pytest.raises(BadData):
        to_polars(pd.DataFrame({"close": [1.0]}))


def test_ladders_of_past_snapshots():
    table = frame(
        time=[1698370203000, 1698370206000, 1698369600000],
        lastPrice=[9.0, 9.0, 8.8],
        open=[8.9, 8.9, 0.0],
        volume=[1, 2, 0],
        askPrice=[[9.01, 9.02, 0.0, 0.0, 0.0], None, [8.8]],
        askVol=[[3, 4, 0, 0, 0], None, [7]],
        bidPrice=[np.array([9.0, 8.9]), [], [8.8]],
        bidVol=[np.array([5, 6]), [], [7]],
        openInt=[13, 13, 12],
    )
    auction, first, second = rows(read_ticks, STOCK, table)
    assert (auction["price"], auction["ask_price1"], auction["ask_volume1"]) == (None, 8.8, 7.0)
    assert (first["ask_price2"], first["ask_volume2"]) == (9.02, 4.0)
    assert first["ask_price3"] is first["ask_volume3"] is first["bid_price3"] is None
    assert second["price"] == 9.0
    assert second["ask_price1"] is second["bid_price1"] is first["open_interest"] is None


def test_rows_outside_a_contracts_life_belong_to_the_other_decade():
    old, new = Symbol("CF1501.CZCE"), Symbol("CF2501.CZCE")
    table = frame(
        time=[1404230400000, 1719849600000],
        open=[15000.0, 14000.0],
        high=[15000.0, 14000.0],
        low=[15000.0, 14000.0],
        close=[15000.0, 14000.0],
        volume=[1, 2],
        amount=[75e3, 14e4],
    )
    spelt = spelled([old, new], date(2014, 1, 1), date(2024, 12, 31))
    found = read_bars({"CF501.ZF": table}, spelt, Period.D1).to_dicts()
    assert {row["symbol"]: row["close"] for row in found} == {old: 15000.0, new: 14000.0}
