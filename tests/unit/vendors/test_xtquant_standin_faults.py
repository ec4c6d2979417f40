"""The stand-in for miniQMT through the shipped xtdata.py: everything that goes wrong."""

from __future__ import annotations

import json
import math
import time

import pytest


@pytest.mark.parametrize(
    ("order", "text"),
    [
        ({"fault": "unsupported"}, "ErrorID=300000"),
        ({"fault": "no_permission"}, "没有Python接口权限"),
        ({"fault": "throttled"}, "请求超速"),
        ({"fault": "error", "text": "别的"}, "别的"),
        ({"fault": "drop"}, "连接断开"),
    ],
)
def test_refusals_are_runtime_errors(miniqmt, xtdata, order, text):
    miniqmt.control(order | {"methods": ["get_market_data3"], "times": 1})
    with pytest.raises(RuntimeError, match=text):
        xtdata.get_market_data_ex([], ["600519.SH"], "1d")
    assert len(xtdata.get_market_data_ex([], ["600519.SH"], "1d", count=1)["600519.SH"]) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([], ["600519.SH"], "7d"), "周期错误"),
        (([], ["600519.SH"], "1d", "2019-12-01"), "起始时间错误"),
        (([], ["600519.SH"], "1d", "", "x"), "结束时间错误"),
        (([], ["600519.SH"], "1d", "", "", -1, "front ratio"), "除权方式错误"),
        (([], ["600519"], "1d"), "代码错误"),
    ],
)
def test_wrong_arguments(xtdata, arguments, text):
    with pytest.raises(RuntimeError, match=text):
        xtdata.get_market_data_ex(*arguments)


def test_data_faults(miniqmt, xtdata):
    def day():
        return xtdata.get_market_data_ex([], ["600519.SH"], "1d", count=2)

    for name in ("empty", "nan", "wrong_code"):
        miniqmt.control({"fault": name})
        got = day()
        if name == "empty":
            assert len(got["600519.SH"]) == 0
            assert xtdata.get_full_tick(["600519.SH"]) == {}
            assert xtdata.get_instrument_detail("600519.SH") is None
        elif name == "nan":
            assert got["600519.SH"]["close"].isna().all()
            assert math.isnan(xtdata.get_full_tick(["600519.SH"])["600519.SH"]["lastPrice"])
        else:
            assert list(got) == ["999999.SZ"]
    miniqmt.control({"fault": "broken_json"})
    with pytest.raises(json.JSONDecodeError):
        xtdata.get_full_tick(["600519.SH"])
    miniqmt.control({"faults": []})
    miniqmt.settings.change({"unknown_code": "absent"})
    assert xtdata.get_market_data_ex([], ["x.SH"], "1d") == {}
    assert len(day()["600519.SH"]) == 2


def test_units_flip_from_a_day_on(miniqmt, xtdata):
    asked = ([], ["600519.SH"], "1d", "20191230", "20191231")
    raw = xtdata.get_market_data_ex(*asked)["600519.SH"]["volume"].tolist()
    miniqmt.settings.change({"scale_volume": {"by": 100, "from": "2019-12-31"}})
    assert xtdata.get_market_data_ex(*asked)["600519.SH"]["volume"].tolist() == [
        raw[0],
        raw[1] * 100,
    ]


def test_orders_that_do_not_exist(miniqmt):
    with pytest.raises(ValueError, match="no fault is called"):
        miniqmt.control({"fault": "nonsense"})
    with pytest.raises(ValueError, match="no such setting"):
        miniqmt.control({"set": {"nonsense": 1}})


def test_slow_calls_and_slow_links(miniqmt, xtdata):
    miniqmt.control({"fault": "slow", "seconds": 0.1, "methods": ["get_sector_list", "connect"]})
    start = time.monotonic()
    xtdata.get_sector_list()
    assert time.monotonic() - start > 0.1
    xtdata.reconnect("127.0.0.1", miniqmt.port)
    assert time.monotonic() - start > 0.2
    miniqmt.control({"fault": "error", "methods": ["connect"]})
    with pytest.raises(Exception, match="无法连接xtquant服务"):
        xtdata.reconnect("127.0.0.1", miniqmt.port)
