from __future__ import annotations

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core import Kind, Symbol, kind_of, parse_symbol

KNOWN = {
    Kind.STOCK: "600519.SH 601398.SH 603986.SH 605499.SH 688981.SH 689009.SH 900901.SH 000001.SZ "
    "001979.SZ 002594.SZ 003816.SZ 300750.SZ 301269.SZ 200011.SZ 201872.SZ 430047.BJ 835185.BJ "
    "871981.BJ 920000.BJ",
    Kind.INDEX: "000001.SH 000300.SH 950050.SH 399001.SZ 399300.SZ 398001.SZ 899050.BJ",
    Kind.FUND: "510300.SH 511880.SH 513100.SH 588000.SH 560010.SH 501018.SH 508000.SH 519888.SH "
    "159915.SZ 161725.SZ 180101.SZ 150019.SZ",
    Kind.BOND: "110059.SH 111001.SH 113050.SH 118000.SH 019547.SH 010107.SH 122000.SH 136000.SH "
    "204001.SH 240001.SH 123001.SZ 127045.SZ 128136.SZ 131810.SZ 112000.SZ 149000.SZ 101303.SZ",
    Kind.OPTION: "10005331.SH 90002114.SZ m2405-C-3000.DCE IO2312-P-3550.CFFEX cu2405C70000.SHFE "
    "SR2405P6000.CZCE lc2501-C-90000.GFEX sc2405P500.INE",
    Kind.FUTURE: "rb2410.SHFE rb88.SHFE CF2501.CZCE CF888.CZCE T2412.CFFEX IF99.CFFEX c2405.DCE "
    "p2405.DCE pp2405.DCE l2602F.DCE sc2412.INE lc2501.GFEX CJ2501.CZCE",
    Kind.UNKNOWN: "730519.SH 580989.SH 360001.SH 880001.SH 360001.SZ 031001.SZ 140001.SZ 500001.BJ "
    "00700.HK nonsense",
}


@pytest.mark.parametrize(("kind", "symbols"), KNOWN.items())
def test_the_number_tells_the_kind(kind, symbols):
    for symbol in symbols.split():
        assert kind_of(Symbol(symbol)) is kind, symbol


@given(st.text(max_size=20))
def test_no_text_makes_it_raise(text):
    assert isinstance(kind_of(Symbol(text)), Kind)


def test_every_listed_stock_is_a_stock(market_data):
    with (market_data / "tushare/stock_basic_2026-04.csv").open(encoding="utf-8-sig") as file:
        codes = [row["ts_code"] for row in csv.DictReader(file)]
    assert len(codes) == 5448
    assert {kind_of(Symbol(code)) for code in codes} == {Kind.STOCK}


def test_every_recorded_stock_and_index_of_another_vendor(market_data):
    text = (market_data / "reference/wt_stocks.json").read_text(encoding="gbk")
    kinds = {"STK": Kind.STOCK, "IDX": Kind.INDEX}
    seen = dict.fromkeys(kinds, 0)
    for exchange, table in json.loads(text).items():
        for code, row in table.items():
            digits = code.removeprefix("SZ")
            if len(digits) != 6 or not digits.isdigit():
                continue  # the vendor's own names for derived indices
            assert kind_of(parse_symbol(f"{digits}.{exchange}")) is kinds[row["product"]], code
            seen[row["product"]] += 1
    assert seen["STK"] > 3500
    assert seen["IDX"] > 700


def test_every_recorded_contract_is_a_future(market_data):
    text = (market_data / "reference/wt_contracts.json").read_text(encoding="gbk")
    for exchange, contracts in json.loads(text).items():
        assert {kind_of(Symbol(f"{code}.{exchange}")) for code in contracts} == {Kind.FUTURE}
