from __future__ import annotations

import json
from datetime import time

import pytest

from argus_core import Exchange, Session, Symbol, sessions_of
from argus_core.market.products import NIGHT_CLOSES, TREASURIES, exchanges_of, lists
from argus_core.market.sessions import minutes_of


def hours(symbol):
    return [f"{s.open:%H%M}-{s.close:%H%M}" for s in sessions_of(Symbol(symbol))]


DAY = ["0900-1015", "1030-1130", "1330-1500"]


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("600519.SH", ["0930-1130", "1300-1500"]),
        ("000300.SH", ["0930-1130", "1300-1500"]),
        ("159915.SZ", ["0930-1130", "1300-1500"]),
        ("430047.BJ", ["0930-1130", "1300-1500"]),
        ("113050.SH", ["0930-1130", "1300-1500"]),
        ("10005331.SH", ["0930-1130", "1300-1500"]),
        ("204001.SH", ["0930-1130", "1300-1530"]),
        ("131810.SZ", ["0930-1130", "1300-1530"]),
        ("IF2412.CFFEX", ["0930-1130", "1300-1500"]),
        ("IO2312-C-3550.CFFEX", ["0930-1130", "1300-1500"]),
        ("TL2412.CFFEX", ["0930-1130", "1300-1515"]),
        ("T88.CFFEX", ["0930-1130", "1300-1515"]),
        ("rb2410.SHFE", ["2100-2300", *DAY]),
        ("cu2405C70000.SHFE", ["2100-0100", *DAY]),
        ("au88.SHFE", ["2100-0230", *DAY]),
        ("wr2410.SHFE", DAY),
        ("l2602F.DCE", ["2100-2300", *DAY]),
        ("lg2507.DCE", DAY),
        ("CF2501.CZCE", ["2100-2300", *DAY]),
        ("AP2501.CZCE", DAY),
        ("sc2412.INE", ["2100-0230", *DAY]),
        ("ec2412.INE", DAY),
        ("lc2501.GFEX", DAY),
    ],
)
def test_hours(symbol, expected):
    assert hours(symbol) == expected


def test_a_product_that_no_table_knows_gets_the_longest_hours_of_its_exchange():
    assert hours("xy3001.SHFE") == ["2100-0230", *DAY]
    assert hours("xy3001.DCE") == ["2100-2300", *DAY]
    assert hours("xy3001.INE") == ["2100-0230", *DAY]
    assert hours("xy3001.GFEX") == DAY
    assert hours("XY3001.CFFEX") == ["0930-1130", "1300-1500"]


def test_only_the_night_is_a_sitting_of_its_own():
    assert [s.sitting for s in sessions_of(Symbol("ag2412.SHFE"))] == [0, 1, 1, 1]
    assert [s.sitting for s in sessions_of(Symbol("600519.SH"))] == [1, 1]


def test_minutes():
    assert Session(time(21), time(2, 30), 0).minutes == 330
    assert Session(time(21), time(0), 0).minutes == 180
    assert minutes_of(sessions_of(Symbol("600519.SH"))) == 240
    assert minutes_of(sessions_of(Symbol("ag2412.SHFE"))) == 555
    assert minutes_of(()) == 0


def test_a_suffix_that_names_no_exchange_is_an_error():
    with pytest.raises(ValueError, match="HK"):
        sessions_of(Symbol("00700.HK"))


def test_products_are_listed_on_one_exchange_each():
    for exchange, product in NIGHT_CLOSES:
        assert exchanges_of(product) == (exchange,)
        assert exchange.trades_futures
        assert product == product.upper()
    assert exchanges_of("XY") == ()
    assert not lists(Exchange.DCE, "RB")
    assert all(lists(Exchange.CFFEX, product) for product in TREASURIES)


def test_the_hours_recorded_by_one_vendor(market_data):
    """That table is wrong where two others differ: rubber at night, and the treasury futures."""
    folder = market_data / "reference"
    templates = json.loads((folder / "wt_sessions.json").read_text(encoding="gbk"))
    table = json.loads((folder / "wt_commodities.json").read_text(encoding="gbk"))
    differing = set()
    for exchange, products in table.items():
        for product, row in products.items():
            sections = templates[row["session"]]["sections"]
            expected = [f"{s['from']:04}-{s['to']:04}" for s in sections]
            if hours(f"{product}2412.{exchange}") != expected:
                differing.add(product)
    assert differing == {"nr", "T", "TF", "TS"}


def test_the_minutes_recorded_by_another_vendor(market_data):
    text = (market_data / "xtquant/config_tradeTime.txt").read_text(encoding="gbk")
    suffixes = {"SF": "SHFE", "DF": "DCE", "ZF": "CZCE", "INE": "INE"}
    seen = 0
    for line in text.splitlines():
        kind, *fields = line.split("|")
        if kind != "1" or fields[0] not in suffixes or len(fields[1]) > 2:
            continue  # three letters are the vendor's own series
        if fields[1] in {"AX", "AY"}:
            continue  # likewise
        sessions = sessions_of(Symbol(f"{fields[1]}2412.{suffixes[fields[0]]}"))
        minutes = [tuple(map(int, part.split("-"))) for part in fields[3:]]
        assert minutes_of(sessions) == int(fields[2]), line
        assert [(_minute(s.open) + 1, _minute(s.close)) for s in sessions if s.sitting] == [
            part for part in minutes if 540 < part[0] < 1200
        ], line
        seen += 1
    assert seen > 50


def _minute(at):
    return at.hour * 60 + at.minute


def test_the_exchanges_hours_recorded_by_that_vendor(market_data):
    text = (market_data / "xtquant/config_MarketTime.ini").read_text(encoding="gbk")
    sections = {}
    for block in text.split("[")[1:]:
        name, _, body = block.partition("]")
        sections[name] = dict(line.split("=", 1) for line in body.split() if "=" in line)
    examples = {
        "SH": "600519.SH", "SZ": "000001.SZ", "BJ": "430047.BJ", "SHO": "10005331.SH",
        "IF": "IF2412.CFFEX", "SF": "au2412.SHFE", "DF": "m2412.DCE", "ZF": "CF2412.CZCE",
        "INE": "sc2412.INE", "GF": "lc2412.GFEX",
    }  # fmt: skip
    for name, symbol in examples.items():
        recorded = sections[name]
        sessions = sessions_of(Symbol(symbol))
        day = [s for s in sessions if s.sitting]
        assert ",".join(f"{s.open:%H%M%S}" for s in day) == recorded["opentime"]
        assert ",".join(f"{s.close:%H%M%S}" for s in day) == recorded["closetime"]
        night = [f"{s.close:%H%M%S}" for s in sessions if not s.sitting]
        closes = [close for close in recorded["nightclosetime"].split(",") if close]
        assert night == closes[-1:]
    for name, symbol in {"SH": "204001.SH", "SZ": "131810.SZ"}.items():
        last = sessions_of(Symbol(symbol))[-1].close
        assert sections[name]["bondsRepuroclosetime"].endswith(f"{last:%H%M%S}")
