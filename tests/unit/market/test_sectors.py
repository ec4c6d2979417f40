from __future__ import annotations

import csv
import json
from datetime import date

import pytest

from argus_core import BadParameter, Exchange, Instrument, Kind, Symbol
from argus_core.market.sectors import SECTORS, members

TODAY = date(2026, 4, 20)
TABLE = {
    Exchange.SH: "600519 688981 689009 900901 000001 510300 511880 519888 501018 508000 588000 "
    "113050 110059 118000 132001 019547 204001 10005331",
    Exchange.SZ: "000001 002594 300750 200011 399001 159915 161725 180101 127045 123001 128136 "
    "131810 112000",
    Exchange.BJ: "430047 920000 899050",
    Exchange.SHFE: "rb2410 rb88 cu2405C70000 cu2405",
    Exchange.DCE: "m2405 m2405-C-3000 l2602F",
    Exchange.CZCE: "CF2501 CF888 SR2405C6000",
    Exchange.CFFEX: "IF2412 IO2312-C-3550 T2412",
    Exchange.INE: "sc2412 sc99",
    Exchange.GFEX: "lc2501 lc2501-P-90000",
}
LISTINGS = {
    exchange: [Instrument(symbol=Symbol(f"{code}.{exchange}")) for code in codes.split()]
    for exchange, codes in TABLE.items()
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("沪深A股", "000001.SZ 002594.SZ 300750.SZ 600519.SH 688981.SH 689009.SH"),
        ("上证A股", "600519.SH 688981.SH 689009.SH"),
        ("深证A股", "000001.SZ 002594.SZ 300750.SZ"),
        ("京市A股", "430047.BJ 920000.BJ"),
        ("创业板", "300750.SZ"),
        ("科创板", "688981.SH 689009.SH"),
        ("沪深ETF", "159915.SZ 510300.SH 511880.SH 588000.SH"),
        ("沪深指数", "000001.SH 399001.SZ"),
        ("沪深转债", "110059.SH 113050.SH 118000.SH 123001.SZ 127045.SZ 128136.SZ"),
        ("上期所", "cu2405.SHFE rb2410.SHFE"),
        ("大商所", "l2602F.DCE m2405.DCE"),
        ("郑商所", "CF2501.CZCE"),
        ("中金所", "IF2412.CFFEX T2412.CFFEX"),
        ("能源中心", "sc2412.INE"),
        ("广期所", "lc2501.GFEX"),
    ],
)
def test_members(name, expected):
    assert members(name, LISTINGS, today=TODAY) == tuple(expected.split())


def test_a_futures_exchange_goes_by_two_names():
    names = {"SHFE": "上期所", "DCE": "大商所", "CZCE": "郑商所"} | {
        "CFFEX": "中金所", "INE": "能源中心", "GFEX": "广期所",
    }  # fmt: skip
    for code, name in names.items():
        assert members(code, LISTINGS, today=TODAY) == members(name, LISTINGS, today=TODAY)


@pytest.mark.parametrize(
    ("listed", "delisted", "member"),
    [
        (None, None, True),
        (date(2020, 1, 2), None, True),
        (TODAY, None, True),
        (date(2026, 4, 21), None, False),
        (None, date(2026, 4, 17), False),
        (None, TODAY, True),
        (date(2020, 1, 2), date(2026, 5, 1), True),
    ],
)
def test_only_what_is_listed_today_is_a_member(listed, delisted, member):
    symbol = Symbol("600519.SH")
    stock = Instrument(symbol=symbol, list_date=listed, delist_date=delisted)
    found = members("上证A股", {Exchange.SH: [stock]}, today=TODAY)
    assert found == ((symbol,) if member else ())


def test_a_sources_own_word_for_the_kind_does_not_count():
    wrong = Instrument(symbol=Symbol("000001.SH"), kind=Kind.STOCK)
    assert members("上证A股", {Exchange.SH: [wrong]}, today=TODAY) == ()


def test_an_instrument_told_twice_is_one_member():
    twice = [*LISTINGS[Exchange.BJ], *LISTINGS[Exchange.BJ]]
    assert len(members("京市A股", {Exchange.BJ: twice}, today=TODAY)) == 2


def test_a_part_of_a_sector_does_not_pass_for_the_whole():
    with pytest.raises(KeyError):
        members("沪深A股", {Exchange.SH: LISTINGS[Exchange.SH]}, today=TODAY)


def test_a_sector_that_is_not_canonical_is_refused_with_what_is():
    with pytest.raises(BadParameter, match=r"'白酒'.*沪深A股.*SHFE"):
        members("白酒", LISTINGS, today=TODAY)


def test_the_table_is_complete_and_immutable():
    assert {sector.name for sector in SECTORS.values()} == set(SECTORS)
    assert len(SECTORS) == 21
    with pytest.raises(TypeError):
        SECTORS["mine"] = SECTORS["沪深A股"]  # type: ignore[index]


def test_the_boards_of_a_recorded_stock_list(market_data):
    listings = {Exchange.SH: [], Exchange.SZ: [], Exchange.BJ: []}
    with (market_data / "tushare/stock_basic_2026-04.csv").open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            symbol = Symbol(row["ts_code"])
            listed = date.fromisoformat(row["list_date"])
            listings[symbol.exchange].append(Instrument(symbol=symbol, list_date=listed))
    sizes = {
        name: len(members(name, listings, today=date(2026, 5, 1))) for name in list(SECTORS)[:6]
    }
    assert sizes == {
        "沪深A股": 5166,
        "上证A股": 2292,
        "深证A股": 2874,
        "京市A股": 282,
        "创业板": 1389,
        "科创板": 592,
    }


def test_every_recorded_contract_is_a_member_of_its_exchange(market_data):
    text = (market_data / "reference/wt_contracts.json").read_text(encoding="gbk")
    for exchange, contracts in json.loads(text).items():
        decade = "2" if exchange == "CZCE" else ""
        spelt = (f"{code[:-3]}{decade}{code[-3:]}" for code in contracts)
        symbols = sorted(Symbol(f"{code}.{exchange}") for code in spelt)
        listings = {Exchange(exchange): [Instrument(symbol=symbol) for symbol in symbols]}
        assert members(exchange, listings, today=TODAY) == tuple(symbols)
