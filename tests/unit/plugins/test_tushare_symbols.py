"""Tushare's spelling of symbols, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core import Exchange, Symbol
from argus_tushare.symbols import from_tushare, is_continuous, to_tushare

PAIRS = [
    ("600519.SH", "600519.SH"),
    ("000001.SZ", "000001.SZ"),
    ("920047.BJ", "920047.BJ"),
    ("10006000.SH", "10006000.SH"),
    ("rb2410.SHFE", "RB2410.SHF"),
    ("m2409.DCE", "M2409.DCE"),
    ("CF2501.CZCE", "CF2501.ZCE"),
    ("IF2412.CFFEX", "IF2412.CFX"),
    ("sc2409.INE", "SC2409.INE"),
    ("lc2411.GFEX", "LC2411.GFE"),
    ("rb88.SHFE", "RB.SHF"),
    ("CF88.CZCE", "CF.ZCE"),
    ("m2409-C-3300.DCE", "M2409-C-3300.DCE"),
    ("cu2409C70000.SHFE", "CU2409C70000.SHF"),
    ("IO2409-P-3500.CFFEX", "IO2409-P-3500.CFX"),
]
LOWER = (Exchange.SHFE, Exchange.DCE, Exchange.INE, Exchange.GFEX)
PRODUCTS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=2)
MONTHS = st.builds("{:02}{:02}".format, st.integers(0, 99), st.integers(1, 12))


@pytest.mark.parametrize(("canonical", "spelled"), PAIRS)
def test_known_pairs(canonical, spelled):
    assert to_tushare(Symbol(canonical)) == spelled
    assert from_tushare(spelled) == canonical


@given(st.from_regex(r"\A[0-9]{6}\Z"), st.sampled_from([Exchange.SH, Exchange.SZ, Exchange.BJ]))
def test_securities_are_spelled_alike(code, exchange):
    symbol = Symbol(f"{code}.{exchange}")
    assert to_tushare(symbol) == symbol
    assert from_tushare(symbol) == symbol


@given(PRODUCTS, st.one_of(MONTHS, st.just("88")), st.sampled_from([*LOWER, "CZCE", "CFFEX"]))
def test_futures_come_back_as_they_went(product, rest, exchange):
    cased = product.lower() if exchange in LOWER else product
    symbol = Symbol(f"{cased}{rest}.{exchange}")
    spelled = to_tushare(symbol)
    assert spelled is not None
    assert spelled.isupper()
    assert from_tushare(spelled) == symbol
    assert is_continuous(symbol) is (rest == "88")


@given(st.lists(st.sampled_from([c for c, _ in PAIRS]), min_size=2, unique=True))
def test_no_two_symbols_share_a_spelling(symbols):
    assert len({to_tushare(Symbol(symbol)) for symbol in symbols}) == len(symbols)


@pytest.mark.parametrize(
    "symbol", ["rb888.SHFE", "rb99.SHFE", "SR2409C6000.CZCE", "CF501.CZCE", "60051.SH"]
)
def test_series_that_the_vendor_lacks(symbol):
    assert to_tushare(Symbol(symbol)) is None


@pytest.mark.parametrize(
    "spelled", ["930955.CSI", "000011.OF", "RBL01.SHF", "SR409C6000.ZCE", "CF501.ZCE", "", "X"]
)
def test_codes_without_a_canonical_name(spelled):
    assert from_tushare(spelled) is None
