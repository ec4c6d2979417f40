"""RQData's spelling and the canonical one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core import Exchange, Symbol
from argus_rqdatac.symbols import from_rqdata, is_continuous, product_of, spelled, to_rqdata

PAIRS = {
    "600519.SH": "600519.XSHG",
    "000001.SZ": "000001.XSHE",
    "000001.SH": "000001.XSHG",  # the index, and not the bank
    "430047.BJ": "430047.BJSE",
    "510300.SH": "510300.XSHG",
    "113050.SH": "113050.XSHG",
    "204001.SH": "204001.XSHG",
    "rb2410.SHFE": "RB2410",
    "m2409.DCE": "M2409",
    "CF2501.CZCE": "CF2501",  # always four digits
    "IF2412.CFFEX": "IF2412",
    "sc2412.INE": "SC2412",
    "lc2411.GFEX": "LC2411",
    "rb88.SHFE": "RB88",
    "IF99.CFFEX": "IF99",
    "l2602F.DCE": "L2602F",
    "m2409-C-3300.DCE": "M2409C3300",
    "cu2412C70000.SHFE": "CU2412C70000",
    "CF2501P15000.CZCE": "CF2501P15000",
    "IO2412-C-3600.CFFEX": "IO2412C3600",
    "10006000.SH": "10006000",
    "90000001.SZ": "90000001",
}


@pytest.mark.parametrize(("symbol", "code"), PAIRS.items())
def test_both_ways(symbol, code):
    assert to_rqdata(Symbol(symbol)) == code
    assert from_rqdata(code) == symbol


@pytest.mark.parametrize(
    "stranger",
    [
        "平安银行",  # a Chinese name is an id for the client, and never for us
        "000300",  # bare digits would become the share of Shenzhen
        "930050.INDX",
        "AU99.99.SGEX",
        "00700.XHKG",
        "RB88A2",
        "RB888",
        "M2601MSC3000",
        "CF701",  # a decade is missing
        "QQ2410",
        "rb2410",
        "SP A2601&A2605",
        "",
    ],
)
def test_what_argus_has_no_name_for_is_none(stranger):
    assert from_rqdata(stranger) is None


@pytest.mark.parametrize("series", ["rb888.SHFE", "rb889.SHFE"])
def test_series_that_the_vendor_adjusts_are_not_asked_for(series):
    assert to_rqdata(Symbol(series)) is None


def test_spelled_leaves_out_what_has_no_spelling():
    asked = (Symbol("rb888.SHFE"), Symbol("600519.SH"))
    assert spelled(asked) == {"600519.XSHG": "600519.SH"}


def test_main_and_index_series():
    assert product_of(Symbol("rb88.SHFE")) == "RB"
    assert product_of(Symbol("rb99.SHFE")) is None
    assert product_of(Symbol("rb2410.SHFE")) is None
    assert product_of(Symbol("600088.SH")) is None
    assert is_continuous(Symbol("rb99.SHFE"))
    assert not is_continuous(Symbol("rb2410.SHFE"))


@given(
    code=st.from_regex(re.compile("[0-9]{6}"), fullmatch=True),
    exchange=st.sampled_from([Exchange.SH, Exchange.SZ, Exchange.BJ]),
)
def test_every_security_comes_back_as_itself(code, exchange):
    symbol = Symbol(f"{code}.{exchange}")
    spelling = to_rqdata(symbol)
    assert spelling is not None
    assert from_rqdata(spelling) == symbol


@given(
    product=st.sampled_from(["rb.SHFE", "m.DCE", "CF.CZCE", "IF.CFFEX", "sc.INE", "lc.GFEX"]),
    year=st.integers(10, 39),
    month=st.integers(1, 12),
)
def test_every_contract_comes_back_as_itself(product, year, month):
    letters, exchange = product.split(".")
    symbol = Symbol(f"{letters}{year}{month:02}.{exchange}")
    assert to_rqdata(symbol) == f"{letters.upper()}{year}{month:02}"
    assert from_rqdata(to_rqdata(symbol)) == symbol


@given(st.text(max_size=20))
def test_no_text_of_the_vendors_raises(text):
    found = from_rqdata(text)
    assert found is None or to_rqdata(found) == text
