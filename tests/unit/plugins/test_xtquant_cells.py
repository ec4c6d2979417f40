"""Single values of the vendor's answers, symbols, refusals, settings: all without a client."""

from __future__ import annotations

import os
import time
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from argus_core import (
    SHANGHAI,
    BadData,
    Exchange,
    Kind,
    NotOffered,
    Period,
    PermissionDenied,
    SourceTimeout,
    SourceUnavailable,
    Symbol,
    Throttled,
    kind_of,
)
from argus_xtquant import cells
from argus_xtquant.facts import UNITS
from argus_xtquant.refusals import UnknownCode, refusal
from argus_xtquant.settings import XtquantSettings
from argus_xtquant.symbols import from_xtquant, lifetime, spelled, to_xtquant

FOREVER = (date(1990, 1, 1), date(2050, 1, 1))


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/New_York"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    os.environ.get("TZ")
    time.tzset()


@pytest.mark.parametrize("value", [1.7976931348623157e308, 2147483647, float("nan"), None, "", "x"])
def test_sentinels_are_no_numbers(value):
    assert cells.number(value) is None
    assert cells.price(value) is None
    assert cells.count(value) is None


@pytest.mark.parametrize("value", [6.95251579475095e-310, 0, 0.0, -1.0])
def test_uninitialised_memory_and_zero_are_no_prices(value):
    assert cells.price(value) is None


def test_uninitialised_quotas_and_counts_are_none():
    assert cells.count(-1582372688) is None
    assert cells.positive(0) is None


@given(st.integers(1, 10**8), st.sampled_from([0.01, 0.001, 0.0001, 0.005, 0.2]))
def test_price_noise_is_rounded_off_whatever_the_tick(steps, tick):
    assert cells.price(steps * tick) == pytest.approx(steps * tick, rel=1e-12)
    assert len(f"{cells.price(steps * tick)!r}".partition(".")[2].partition("e")[0]) <= 4


def test_price_noise_as_recorded():
    assert cells.price(11.370000000000001) == 11.37
    assert cells.price(0.05470000000000001) == 0.0547


def test_ints_where_floats_happen_to_be_whole_are_floats():
    assert isinstance(cells.number(12), float)
    assert isinstance(cells.price(12), float)


def test_times_are_milliseconds_of_utc_wherever_the_host_stands(zone):
    assert cells.instant(1697558400000) == datetime(2023, 10, 18, tzinfo=SHANGHAI)


def test_timetag_alone_is_beijing_time_wherever_the_host_stands(zone):
    assert cells.timetag("20231106 15:00:04") == datetime(2023, 11, 6, 15, 0, 4, tzinfo=SHANGHAI)
    half = datetime(2023, 10, 26, 10, 32, 56, 950_000, tzinfo=SHANGHAI)
    assert cells.timetag("20231026 10:32:56.950") == half


@pytest.mark.parametrize("value", [0, None, -1, 86400000, float("nan"), 1e300, 1e18])
def test_placeholder_rows_of_1970_and_nonsense_have_no_time(value):
    assert cells.instant(value) is None


@pytest.mark.parametrize("value", ["19700101 08:00:00", "", None, "2023-11-06", 20231106])
def test_timetags_that_are_none(value):
    assert cells.timetag(value) is None


@pytest.mark.parametrize(
    "value", [0, "0", "99999999", 99999999, 19700103, "19700106", None, "", "x", 2147483647]
)
def test_codes_in_the_place_of_dates_are_no_dates(value):
    assert cells.day(value) is None


def test_dates_are_text_in_new_clients_and_numbers_in_old_ones():
    assert cells.day("20230614") == cells.day(20230614) == date(2023, 6, 14)


@pytest.mark.parametrize(
    ("canonical", "code"),
    [
        ("600000.SH", "600000.SH"),
        ("830779.BJ", "830779.BJ"),
        ("10005334.SH", "10005334.SHO"),
        ("90002114.SZ", "90002114.SZO"),
        ("IF2311.CFFEX", "IF2311.IF"),
        ("IO2312-C-3550.CFFEX", "IO2312-C-3550.IF"),
        ("rb2311.SHFE", "rb2311.SF"),
        ("m2311.DCE", "m2311.DF"),
        ("a2407-C-5200.DCE", "a2407-C-5200.DF"),
        ("FG2305.CZCE", "FG305.ZF"),
        ("sc2311.INE", "sc2311.INE"),
        ("lc2405.GFEX", "lc2405.GF"),
        ("rb88.SHFE", "rb00.SF"),
        ("IF88.CFFEX", "IF00.IF"),
    ],
)
def test_spelling_both_ways_in_the_exchanges_own_case(canonical, code):
    assert to_xtquant(Symbol(canonical)) == code
    since, until = lifetime(Symbol(canonical))
    start, end = max(since, FOREVER[0]), min(until, FOREVER[1])
    assert from_xtquant(code, start, end) == canonical


@pytest.mark.parametrize("name", ["rb99.SHFE", "rb888.SHFE", "IF889.CFFEX", "430047x.BJ"])
def test_series_that_the_vendor_does_not_have(name):
    assert to_xtquant(Symbol(name)) is None


@pytest.mark.parametrize("code", ["260992.BKZS", "00700.HK", "IFJQ00.IF", ".IF", "SP a&b.DF", ""])
def test_codes_that_argus_has_no_name_for(code):
    assert from_xtquant(code, *FOREVER) is None


def test_zhengzhous_year_is_told_by_the_asked_dates():
    old, new = Symbol("CF1501.CZCE"), Symbol("CF2501.CZCE")
    assert to_xtquant(old) == to_xtquant(new) == "CF501.ZF"
    (found,) = spelled([old, new], date(2014, 6, 1), date(2014, 6, 30))
    assert found.symbol == old
    (found,) = spelled([old, new], date(2024, 6, 1), date(2024, 6, 30))
    assert found.symbol == new
    both = spelled([old, new], date(2014, 1, 1), date(2024, 12, 31))
    assert [s.symbol for s in both if s.means(date(2014, 9, 1))] == [old]
    assert [s.symbol for s in both if s.means(date(2024, 9, 1))] == [new]


@given(
    st.sampled_from(["CF", "SR", "TA"]),
    st.integers(10, 39),
    st.integers(1, 12),
    st.sampled_from(["", "C14000", "P900"]),
)
def test_every_contract_of_zhengzhou_survives_its_three_digits(product, year, month, tail):
    symbol = Symbol(f"{product}{year:02}{month:02}{tail}.CZCE")
    _, last = lifetime(symbol)
    assert from_xtquant(to_xtquant(symbol), last, last) == symbol


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("请求失败, 没有Python接口权限, func:get, period:1m", PermissionDenied),
        ("请求超速", Throttled),
        ("低频订阅数量超限, 不能超过300个", Throttled),
        ("订阅超过上限", Throttled),
        ("当前客户端未支持此功能，请更新客户端或升级投研版", NotOffered),
        ('ErrorID=300000, ErrorMsg "function not realize"', NotOffered),
        ("暂不支持除SH,SZ以外市场的交易日历", NotOffered),
        ("周期错误, 可以用<get_period_list>函数获取支持的周期", NotOffered),
        ("代码错误，代码:600000", UnknownCode),
        ("无法连接xtquant服务，请检查QMT-投研版或QMT-极简版是否开启", SourceUnavailable),
        ("行情服务连接断开", SourceUnavailable),
        ("请求超时", SourceTimeout),
        ("下载数据失败：", BadData),
        ("下载数据失败：没有权限", PermissionDenied),
        ("除权方式错误", BadData),
        ("起始时间错误", BadData),
        ("something else", SourceUnavailable),
    ],
)
def test_failures_are_told_apart_by_their_text(text, meaning):
    told = refusal("bars", RuntimeError(text))
    assert type(told) is meaning
    assert text not in told.message


def test_a_stumble_of_the_vendors_python_is_bad_data():
    assert type(refusal("level 2", KeyError("600000.SH"))) is BadData


def test_an_unknown_code_is_not_the_clients_fault_only_bad_data_otherwise():
    assert issubclass(UnknownCode, BadData)


def test_the_port_is_never_text():
    """``connect(port="58610")`` ignores the port and connects to whatever it finds."""
    assert XtquantSettings(port="58611").port == 58611
    assert type(XtquantSettings(port="58611").port) is int
    for port in ("", "58610-58620", (58610, 58620), 0, 65536, None):
        with pytest.raises(ValidationError):
            XtquantSettings(port=port)


@pytest.mark.parametrize("host", ["", " ", "::1", "127.0.0.1:58610", "a b "])
def test_a_host_without_which_the_vendor_would_search_is_refused(host):
    with pytest.raises(ValidationError):
        XtquantSettings(host=host)


def test_unknown_settings_are_refused():
    with pytest.raises(ValidationError):
        XtquantSettings(tokn="x")
    with pytest.raises(ValidationError):
        XtquantSettings(module="xtquant xtdata")


def rule(dataset, name, period=None):
    symbol = Symbol(name)
    return next(u for u in UNITS if u.covers(dataset, symbol, kind_of(symbol), period))


@pytest.mark.parametrize("name", ["600000.SH", "000001.SZ", "510300.SH", "000001.SH"])
def test_volume_is_lots_of_shares_funds_and_indices(name):
    for dataset in ("quotes", "depth", "ticks"):
        assert rule(dataset, name).volume == 100
        assert rule(dataset, name).turnover_step == 100
    assert rule("bars", name, Period.D1).turnover_step == 100
    assert rule("bars", name, Period.M1).volume == 100
    assert rule("bars", name, Period.M1).turnover_step == 1


@pytest.mark.parametrize("name", ["688981.SH", "689009.SH", "920679.BJ", "113050.SH", "123219.SZ"])
def test_units_that_nobody_knows_are_left_to_be_inferred(name):
    for dataset, period in (("quotes", None), ("bars", Period.D1), ("bars", Period.M1)):
        assert rule(dataset, name, period).volume is None


@pytest.mark.parametrize("name", ["rb2410.SHFE", "IF2412.CFFEX", "10005331.SH", "rb88.SHFE"])
def test_futures_and_options_count_contracts(name):
    assert rule("quotes", name).volume == 1


def test_every_kind_has_a_rule():
    for kind in Kind:
        for exchange in Exchange:
            symbol = Symbol(f"000000.{exchange}")
            assert any(u.covers("bars", symbol, kind, Period.D1) for u in UNITS)
