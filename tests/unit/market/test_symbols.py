from __future__ import annotations

import csv
import json
import timeit
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from argus_core import BadParameter, Exchange, Symbol, parse_symbol
from argus_core.market import symbols

SPELLINGS = {
    "600519.SH": "600519.SH 600519.SS 600519.XSHG 600519.SSE 600519.SHSE sh600519 SH600519 "
    "sh.600519 SHSE.600519 SSE.600519 600519.sh 600519",
    "000001.SZ": "000001.SZ 000001.XSHE 000001.SZSE sz000001 sz.000001 SZSE.000001",
    "000001.SH": "000001.SH 000001.XSHG sh000001 SHSE.000001",
    "430047.BJ": "430047.BJ 430047.BJSE 430047.BSE bj430047 BSE.430047 430047",
    "920000.BJ": "920000.BJ 920000.BJSE 920000",
    "000300.SH": "000300.SH 000300.XSHG sh000300",
    "399001.SZ": "399001.SZ 399001.XSHE 399001",
    "510300.SH": "510300.SH 510300.XSHG 510300",
    "159919.SZ": "159919.SZ 159919.XSHE",
    "110059.SH": "110059.SH 110059",
    "10005331.SH": "10005331.SHO 10005331.SH 10005331 SSE.10005331 sh10005331",
    "90002114.SZ": "90002114.SZO 90002114.SZ 90002114 SZSE.90002114",
    "rb2410.SHFE": "rb2410.SHFE RB2410.SHF rb2410.SF RB2410.XSGE SHFE.rb2410 rb2410 RB2410",
    "cu1811.SHFE": "CU1811.SHF cu1811.SHFE CU1811",
    "m2401.DCE": "m2401.DF M2401.DCE m2401.XDCE DCE.m2401 M2401",
    "CF2501.CZCE": "CF2501.CZCE cf2501.ZCE CF2501.CZC CF2501.ZF CZCE.CF2501 cf2501",
    "IF2401.CFFEX": "IF2401.IF IF2401.CFX IF2401.CFE IF2401.CCFX if2401.cffex CFFEX.IF2401 IF2401",
    "T2412.CFFEX": "T2412.CFFEX t2412 T2412.CFX",
    "sc2401.INE": "sc2401.INE SC2401.INE INE.sc2401 SC2401",
    "lc2401.GFEX": "lc2401.GF LC2401.GFE lc2401.GFEX GFEX.lc2401 LC2401",
    "SH2405.CZCE": "SH2405.CZCE SH2405 SH2405.ZF",
    "ss2405.SHFE": "SS2405 ss2405.SF SS2405.SHF",
    "SF2405.CZCE": "SF2405 SF2405.ZF CZCE.SF2405",
    "l2602F.DCE": "l2602F.DCE L2602F.DCE l2602f",
    "rb88.SHFE": "rb88.SHFE RB88 rb00.SF RB.SHF",
    "rb888.SHFE": "rb888.SHFE RB888",
    "rb889.SHFE": "rb889.SHFE RB889",
    "rb99.SHFE": "rb99.SHFE RB99",
    "IF88.CFFEX": "IF00.IF IF88 IF.CFX",
    "CF88.CZCE": "CF00.ZF CF88 CF.ZCE",
    "m2405-C-3000.DCE": "m2405-C-3000.DF M2405C3000 DCE.m2405-C-3000 M2405-C-3000.DCE",
    "lc2501-P-90000.GFEX": "lc2501-P-90000.GF LC2501P90000",
    "IO2312-C-3550.CFFEX": "IO2312-C-3550.IF IO2312-C-3550.CFX io2312c3550",
    "MO2312-C-6000.CFFEX": "MO2312-C-6000.CFFEX",
    "cu2405C70000.SHFE": "cu2405C70000.SF CU2405C70000.SHF cu2405-C-70000.SHFE SHFE.cu2405C70000",
    "sc2405P500.INE": "sc2405P500.INE SC2405P500",
    "SR2405C6000.CZCE": "SR2405C6000.ZF SR2405C6000",
}
REFUSED = [
    *("", " ", ".", "..", "SH", ".SH", "600519.", "1.600519", "0.000001", "60051.SH"),
    *("6005190.SH", "600519.HK", "AAPL", "00700.HK", "000300.INDX", "260992.BKZS"),
    *("600519.SH.SH", "贵州茅台", "600519,000001", "rb2410.SH", "123456.SHFE", "rb2413.SHFE"),
    *("rb2400.SHFE", "rb410.SHFE", "rb410", "xy2410", "rb24100.SHFE", "RB0000"),
    *("rbJQ00.SF", "SPD", "KQ.m@SHFE.rb", "a2401&a2405", "600519.SHO", "100519.SHO"),
    *("12345678.SH", "10005331.SZ", "10005331.BJ", "20240101", "700001", "rb2410F"),
    *("XY.SHF", "RB.SHFE", "rb.SF", "SHFE.RB", "rb2410-C-.SHFE", "rb2410-C-0300.SHFE"),
    *("6005１9.SH", "六00519.SH", "ſh600519", "\x00", "\ud800", "600519\n.SH"),
    *("600519.SH" * 1000, "600519.SH" + 99 * " "),
]


@pytest.mark.parametrize(("canonical", "spelt"), SPELLINGS.items())
def test_every_spelling_of_one_symbol_reads_alike(canonical, spelt):
    for text in spelt.split():
        for variant in (text, text.lower(), text.upper(), f"  {text}\t"):
            symbol = parse_symbol(variant)
            assert symbol == canonical, variant
            assert type(symbol) is Symbol


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_refused_with_its_text_and_what_is_allowed(text):
    with pytest.raises(BadParameter, match="symbol ") as refusal:
        parse_symbol(text)
    assert repr(text[:32])[:-1] in refusal.value.message
    assert "allowed" in refusal.value.message or "candidates" in refusal.value.message
    assert len(refusal.value.message) < 500


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("000001", ["000001.SH (index)", "000001.SZ (stock)"]),
        ("000300", ["000300.SH (index)", "000300.SZ (stock)"]),
        ("123001", ["123001.SH (bond)", "123001.SZ (bond)"]),
        ("159919", ["159919.SH (bond)", "159919.SZ (fund)"]),
        ("CF501", ["CF1501.CZCE", "CF2501.CZCE", "CF3501.CZCE"]),
        ("SR405C6000.ZF", ["SR1405C6000.CZCE", "SR2405C6000.CZCE"]),
        ("rb00.SHFE", ["rb88.SHFE (main)"]),
    ],
)
def test_ambiguity_names_the_candidates(text, candidates):
    with pytest.raises(BadParameter) as refusal:
        parse_symbol(text)
    for candidate in candidates:
        assert candidate in refusal.value.message


def test_letters_that_two_exchanges_list_need_the_exchange(monkeypatch):
    both = (Exchange.SHFE, Exchange.CZCE)
    monkeypatch.setattr(symbols, "exchanges_of", lambda _: both)
    with pytest.raises(BadParameter, match=r"XY2410\.SHFE, XY2410\.CZCE"):
        parse_symbol("XY2410")


def test_tushare_nearest_month_series_is_not_taken_for_a_main_one():
    for text in ("CUL.SHF", "AL.DCE", "TL.CFX"):
        with pytest.raises(BadParameter, match="nearest-month"):
            parse_symbol(text)
    assert parse_symbol("AL.SHF") == "al88.SHFE"


@pytest.mark.parametrize(
    ("text", "start", "end", "expected"),
    [
        ("CF501.CZCE", date(2024, 6, 1), date(2024, 6, 1), "CF2501.CZCE"),
        ("CF501.ZF", date(2014, 6, 1), date(2015, 3, 1), "CF1501.CZCE"),
        ("CF501", date(2023, 7, 1), date(2023, 7, 31), "CF2501.CZCE"),
        ("CF501", date(2025, 1, 31), None, None),
        ("CF501", date(2026, 1, 1), None, "CF3501.CZCE"),
        ("CF501", None, date(2004, 12, 1), "CF0501.CZCE"),
        ("SR405C6000.ZF", date(2024, 1, 2), date(2024, 3, 1), "SR2405C6000.CZCE"),
        ("CF501", date(2020, 1, 1), date(2020, 2, 1), None),
        ("CF501", date(2014, 1, 1), date(2024, 2, 1), None),
    ],
)
def test_three_digits_become_the_contract_listed_in_the_range(text, start, end, expected):
    if expected:
        assert parse_symbol(text, start=start, end=end) == expected
        return
    with pytest.raises(BadParameter, match=r"CF1501\.CZCE, CF2501\.CZCE"):
        parse_symbol(text, start=start, end=end)


@given(
    year=st.integers(2005, 2038),
    month=st.integers(1, 12),
    back=st.integers(0, 18),
    day=st.integers(1, 28),
)
def test_a_day_of_a_contracts_life_always_finds_it(year, month, back, day):
    lived = year * 12 + month - 1 - back
    when = date(lived // 12, lived % 12 + 1, day)
    text = f"CF{year % 10}{month:02}.CZCE"
    assert parse_symbol(text, start=when, end=when) == f"CF{year % 100:02}{month:02}.CZCE"


def test_a_range_changes_nothing_else():
    day = date(1999, 1, 4)
    for canonical in SPELLINGS:
        assert parse_symbol(canonical, start=day, end=day) == canonical


WORDS = (
    "600519 000001 10005331 sh SZ bj .SH .XSHE .BJ .SF .ZF .CZCE .IF .INE rb CF T L 2410 501 88 00 "
    "99 888 -C- P 3000 F . SHFE. CZCE. １ ſ é"
)
PIECES = st.sampled_from(WORDS.split())


@given(st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=5).map("".join)))
@example("ıf2401.ıf")
@example("CF501")
def test_every_text_is_a_stable_symbol_or_a_bad_parameter(text):
    try:
        symbol = parse_symbol(text)
    except BadParameter:
        return
    assert parse_symbol(symbol) == symbol
    assert parse_symbol(symbol.lower()) == symbol
    assert symbol.code
    assert symbol.exchange in Exchange


def test_every_listed_stock_in_every_spelling(market_data):
    with (market_data / "tushare/stock_basic_2026-04.csv").open(encoding="utf-8-sig") as file:
        codes = [row["ts_code"] for row in csv.DictReader(file)]
    longer = {"SH": "XSHG", "SZ": "XSHE", "BJ": "BJSE"}
    for code in codes:
        digits, _, market = code.partition(".")
        spellings = (code, f"{digits}.{longer[market]}", f"{market.lower()}{digits}")
        assert {parse_symbol(text) for text in spellings} == {code}
    assert len(codes) == 5448


def test_every_recorded_futures_contract(market_data):
    text = (market_data / "reference/wt_contracts.json").read_text(encoding="gbk")
    when = date(2022, 3, 15)
    for exchange, contracts in json.loads(text).items():
        for code in contracts:
            letters, digits = code.rstrip("0123456789"), code.lstrip(code.rstrip("0123456789"))
            expected = (
                f"{letters}{digits.zfill(4) if len(digits) == 4 else '2' + digits}.{exchange}"
            )
            for spelt in (f"{code}.{exchange}", f"{exchange}.{code}", code, code.upper()):
                assert parse_symbol(spelt, start=when, end=when) == expected


def test_a_canonical_symbol_costs_less_than_two_microseconds():
    rounds = 20_000
    best = min(timeit.repeat(lambda: parse_symbol("rb2410.SHFE"), number=rounds, repeat=5))
    assert best / rounds < 2e-6
