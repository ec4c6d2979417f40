"""The stand-in for miniQMT through the shipped xtdata.py: the world in its form."""

from __future__ import annotations

import math
import time
from datetime import date, datetime

import pytest
from vendors import world as worlds
from vendors.world import SHANGHAI
from vendors.xtquant_codes import name_all

MAOTAI_DAY = "2023-02-01"


def test_a_day_is_in_lots_and_hundreds_of_yuan(xtdata, world):
    frame = xtdata.get_market_data_ex([], ["600519.SH"], "1d", "20191201", "20191231")["600519.SH"]
    days = [d for d in world.days["600519.SH"] if (d.date.year, d.date.month) == (2019, 12)]
    assert list(frame.index) == [f"{d.date:%Y%m%d}" for d in days]
    assert frame["volume"].tolist() == [int(d.volume / 100 + 0.5) for d in days]
    assert all(amount % 100 == 0 for amount in frame["amount"])
    assert abs(frame["amount"].iloc[0] - days[0].turnover) <= 50
    midnight = datetime(2019, 12, 2, tzinfo=SHANGHAI)
    assert frame["time"].iloc[0] == midnight.timestamp() * 1000
    assert "settelementPrice" in frame
    assert set(frame["openInterest"]) == {15}
    assert [str(frame[c].dtype) for c in ("time", "volume", "open")] == [
        "int64",
        "int64",
        "float64",
    ]


def test_minutes_end_their_labels_and_keep_the_auction(xtdata, world):
    asked = {"period": "1m", "start_time": "20240102", "end_time": "20240102"}
    frame = xtdata.get_market_data_ex([], ["510300.SH"], **asked)["510300.SH"]
    assert len(frame) == 241
    assert [frame.index[0], frame.index[-1]] == ["20240102093000", "20240102150000"]
    share = xtdata.get_market_data_ex([], ["000001.SZ"], "1m", "20180102", "20180102")["000001.SZ"]
    assert len(share) == 240
    assert share.index[0] == "20180102093100"
    assert all(float(amount).is_integer() for amount in share["amount"])


def test_longer_minutes_are_composed(xtdata):
    asked = {"start_time": "20240102", "end_time": "20240102"}
    one = xtdata.get_market_data_ex([], ["510300.SH"], "1m", **asked)["510300.SH"]
    five = xtdata.get_market_data_ex([], ["510300.SH"], "5m", **asked)["510300.SH"]
    quarter = xtdata.get_market_data_ex([], ["510300.SH"], "15m", **asked)["510300.SH"]
    assert len(five) == 48
    assert five.index[0] == "20240102093500"
    assert [label[8:12] for label in quarter.index][:1] == ["0945"]
    assert [label[8:12] for label in quarter.index][7:9] == ["1130", "1315"]
    assert five["volume"].sum() == one["volume"].sum() == quarter["volume"].sum()


def test_futures_and_options_have_the_vendors_codes_and_count_contracts(xtdata, world):
    codes = [
        "rb2410.SF",
        "CF501.ZF",
        "m2409.DF",
        "IF2412.IF",
        "sc2409.INE",
        "lc2411.GF",
        "10006000.SHO",
        "m2409-C-3300.DF",
    ]
    frames = xtdata.get_market_data_ex([], codes, "1d", "20240620", "20240628")
    assert all(len(frames[code]) for code in codes)
    day = world.days["CF2501.CZCE"][-1]
    last = frames["CF501.ZF"].iloc[-1]
    assert (last["volume"], last["openInterest"]) == (int(day.volume), int(day.open_interest))
    assert last["settelementPrice"] == day.settle
    assert len(xtdata.get_market_data_ex([], ["RB2410.SF"], "1d")["RB2410.SF"]) == 0


def test_suspended_days_are_absent_or_invented(xtdata, market_data):
    idle = next(d for d in worlds.suspended_days(market_data) if d > date(2010, 1, 1))
    label = f"{idle:%Y%m%d}"
    asked = (["600000.SH"], "1d", f"{idle.year}0101", f"{idle.year}1231")
    bare = xtdata.get_market_data_ex([], *asked, fill_data=False)["600000.SH"]
    assert label not in bare.index
    filled = xtdata.get_market_data_ex([], *asked, fill_data=True)["600000.SH"]
    row, before = filled.loc[label], filled.iloc[filled.index.get_loc(label) - 1]
    assert row["volume"] == 0
    assert row["open"] == row["close"] == before["close"]


def test_ranges_counts_and_fields(xtdata):
    last = xtdata.get_market_data_ex(["close"], ["600519.SH"], "1d", "", "20191231", 3)["600519.SH"]
    assert list(last.columns) == ["close"]
    assert list(last.index) == ["20191227", "20191230", "20191231"]
    assert len(xtdata.get_market_data_ex([], ["600519.SH"], "1d", count=0)["600519.SH"]) == 0
    at = datetime(2019, 12, 30, tzinfo=SHANGHAI)
    both = xtdata.get_market_data_ex([], ["600519.SH"], "1d", at, at)["600519.SH"]
    assert list(both.index) == ["20191230"]
    with pytest.raises(TypeError):
        xtdata.get_market_data_ex([], ["600519.SH"], "1d", at, "")


def test_adjusted_prices_follow_the_ratios(xtdata, world):
    asked = (["600519.SH"], "1d", "20190601", "20190731")
    raw, front, back = (
        xtdata.get_market_data_ex([], *asked, dividend_type=kind)["600519.SH"]["close"]
        for kind in ("none", "front_ratio", "back_ratio")
    )
    event = next(e for e in world.events["600519.SH"] if e.ex_date.year == 2019)
    ex = f"{event.ex_date:%Y%m%d}"
    assert front.iloc[-1] == raw.iloc[-1]
    assert raw.iloc[0] / front.iloc[0] == pytest.approx(event.ratio)
    earlier = math.prod(e.ratio for e in world.events["600519.SH"] if e.ex_date < event.ex_date)
    assert back.iloc[0] / raw.iloc[0] == pytest.approx(earlier)
    factors = xtdata.get_divid_factors("600519.SH", "20190101", "20191231")
    assert list(factors.index) == [ex]
    assert list(factors.columns) == [
        "interest",
        "stockBonus",
        "stockGift",
        "allotNum",
        "allotPrice",
        "gugai",
        "dr",
    ]
    assert factors["dr"].iloc[0] == event.ratio
    assert xtdata.get_divid_factors("000018.SZ").shape == (0, 0)


def test_old_shape_of_frames_goes_through_the_hook(xtdata):
    got = xtdata.get_market_data(
        ["close", "volume"], ["600519.SH", "600000.SH"], "1d", "20191227", "20191231"
    )
    assert list(got["close"].index) == ["600519.SH", "600000.SH"]
    assert list(got["close"].columns) == ["20191227", "20191230", "20191231"]
    again = xtdata.get_market_data_ex([], ["600519.SH"], "1d", "20191227", "20191231")["600519.SH"]
    assert got["close"].loc["600519.SH"].tolist() == again["close"].tolist()


def test_ticks_of_a_day(xtdata, world):
    frame = xtdata.get_market_data_ex([], ["600519.SH"], "tick", "20230201", "20230201")[
        "600519.SH"
    ]
    ticks = world.ticks["600519.SH"]
    assert len(frame) == len(ticks)
    assert len(frame.columns) == 18
    assert frame["time"].tolist() == [round(t.time.timestamp() * 1000) for t in ticks]
    assert isinstance(frame["bidPrice"].iloc[-1], list)
    assert frame["volume"].iloc[-1] == 33974
    assert len(frame["bidPrice"].iloc[-1]) == 5
    none = xtdata.get_market_data_ex(["lastPrice"], ["600000.SH"], "tick")["600000.SH"]
    assert none.shape == (0, 1)
    structured = xtdata.get_market_data([], ["600519.SH"], "tick", "20230201", "20230201", 2)
    assert structured["600519.SH"]["lastPrice"].tolist() == [1844.97, 1844.97]


def test_snapshots_follow_now(miniqmt, xtdata):
    miniqmt.settings.change({"now": f"{MAOTAI_DAY}T09:20:00"})
    auction = xtdata.get_full_tick(["600519.SH"])["600519.SH"]
    assert (auction["open"], auction["volume"], auction["openInt"]) == (0, 0, 12)
    assert auction["lastPrice"] == auction["bidPrice"][0] == auction["askPrice"][0] > 0
    miniqmt.settings.change({"now": f"{MAOTAI_DAY}T10:00:00"})
    trading = xtdata.get_full_tick(["600519.SH"])["600519.SH"]
    assert (trading["openInt"], trading["stockStatus"]) == (13, 3)
    assert trading["timetag"].startswith("20230201 09:59:")
    assert trading["amount"] % 100 == 0
    bar = xtdata.get_market_data_ex([], ["600519.SH"], "1d", "20230201")["600519.SH"]
    assert bar["volume"].tolist() == [trading["volume"]]
    assert bar["close"].tolist() == [pytest.approx(trading["lastPrice"])]
    miniqmt.settings.change({"now": f"{MAOTAI_DAY}T12:00:30"})
    assert xtdata.get_full_tick(["600519.SH"])["600519.SH"]["openInt"] == 14
    miniqmt.settings.change({"now": f"{MAOTAI_DAY}T14:58:00"})
    closing = xtdata.get_full_tick(["600519.SH"])["600519.SH"]
    assert closing["openInt"] == 18
    assert closing["bidPrice"][1:] == [0, 0, 0, 0]


def test_no_day_is_seen_before_its_close(miniqmt, xtdata):
    miniqmt.settings.change({"now": "2019-12-31T10:00:00"})
    frame = xtdata.get_market_data_ex([], ["600519.SH"], "1d")["600519.SH"]
    assert frame.index[-1] == "20191230"
    tick = xtdata.get_full_tick(["600519.SH"])["600519.SH"]
    assert tick["timetag"] == "20191230 15:00:00"


def test_whole_markets_and_unknown_codes(miniqmt, xtdata):
    both = xtdata.get_full_tick(["SH", "SZ"])
    assert {"600519.SH", "000001.SZ"} <= set(both)
    assert not any(code.endswith((".SF", ".SHO")) for code in both)
    assert xtdata.get_full_tick(["999999.SH"]) == {}
    few = len(both)
    miniqmt.settings.change({"zeros": True})
    many = xtdata.get_full_tick(["SH", "SZ"])
    assert len(many) > 5000 > few


def test_old_clients_have_no_time(miniqmt, xtdata):
    miniqmt.settings.change({"old_client": True})
    tick = xtdata.get_full_tick(["600519.SH"])["600519.SH"]
    assert "time" not in tick
    assert tick["timetag"] == "20230201 15:40:03"
    detail = xtdata.get_instrument_detail("600519.SH")
    assert detail["FloatVolume"] > 0


def test_details_have_31_keys_and_sentinels(xtdata):
    share = xtdata.get_instrument_detail("600519.SH")
    assert len(share) == 31
    assert share["IsTrading"] is False
    assert share["LongMarginRatio"] == 1.7976931348623157e308
    assert share["MainContract"] == 2147483647
    assert share["ProductTradeQuota"] == -1582372688
    assert (share["OpenDate"], share["ExpireDate"]) == ("20010827", "99999999")
    future = xtdata.get_instrument_detail("CF501.ZF")
    assert (future["ExchangeID"], future["ProductID"], future["VolumeMultiple"]) == ("ZF", "CF", 5)
    option = xtdata.get_instrument_detail("10006000.SHO", iscomplete=True)
    assert (option["OptUndlCode"], option["OptionType"]) == ("510050", 0)
    assert xtdata.get_instrument_detail("999999.SH") is None
    assert xtdata.get_instrument_detail_list(["600519.SH", "x.SH"])["x.SH"] is None


def test_every_instrument_can_be_described(xtdata, world):
    for code, named in name_all(world).items():
        if named.kind != "stock":
            assert xtdata.get_instrument_detail(code)["InstrumentName"] == named.listed.name


def test_types_and_sectors(miniqmt, xtdata):
    assert xtdata.get_instrument_type("600519.SH") == {"stock": True}
    assert xtdata.get_instrument_type("510300.SH") == {"fund": True, "etf": True}
    assert xtdata.get_instrument_type("x.SH") == {}
    assert xtdata.get_stock_list_in_sector("没有的板块") == []
    shares = xtdata.get_stock_list_in_sector("沪深A股")
    assert "600519.SH" in shares
    assert "000018.SZ" not in shares
    assert not [code for code in shares if code.endswith("BJ")]
    midsummer = int(datetime(2019, 7, 1, tzinfo=SHANGHAI).timestamp() * 1000)
    assert "000018.SZ" in xtdata.get_stock_list_in_sector("沪深A股", midsummer)
    assert set(xtdata.get_sector_list()) >= {"沪深ETF", "京市A股", "上期所", "过期上期所"}
    miniqmt.settings.change({"now": "2024-06-28T16:00:00"})
    assert set(xtdata.get_stock_list_in_sector("上期所")) >= {"rb2410.SF", "rb00.SF"}
    assert "rb2410.SF" in xtdata.get_stock_list_in_sector("SF")
    assert xtdata.get_main_contract("rb00.SF") == "rb2410.SF"
    assert xtdata.get_main_contract("zz00.SF") == ".SF"
    miniqmt.settings.change({"long_markets": True})
    assert "rb2410.SHFE" in xtdata.get_stock_list_in_sector("上期所")


def test_calendar(miniqmt, xtdata):
    miniqmt.settings.change({"now": "2023-10-27T16:00:00"})
    dates = xtdata.get_trading_dates("SH", "20231009", "", 3)
    assert dates == [1698163200000, 1698249600000, 1698336000000]
    assert xtdata.get_trading_dates("SSE") == []
    assert "20231002" in xtdata.get_holidays()
    assert xtdata.get_market_last_trade_date("SH") == 1698336000000
    calendar = xtdata.get_trading_calendar("SH", "20231025", "20231031")
    wanted = [f"202310{day}" for day in (25, 26, 27, 30, 31)]
    hours = time.localtime(1698163200).tm_gmtoff // 3600
    if hours == 8:
        assert calendar == wanted
    if hours == 0:
        assert calendar == wanted[:-1], "the known fault of hosts in another zone"


@pytest.mark.parametrize("period", ["1w", "1mon", "1q", "1hy", "1y"])
def test_longer_spans_are_composed_of_days(xtdata, period):
    days = xtdata.get_market_data_ex([], ["600519.SH"], "1d", "20180101", "20191231")["600519.SH"]
    spans = xtdata.get_market_data_ex([], ["600519.SH"], period)["600519.SH"]
    spans = spans[(spans.index > "20171231") & (spans.index <= "20191231")]
    assert set(spans.index) <= set(days.index)
    assert spans["high"].max() == days["high"].max()
    if period != "1w":  # the last week is not over on the last of December
        assert spans["volume"].sum() == days["volume"].sum()
        assert len(spans) == {"1mon": 24, "1q": 8, "1hy": 4, "1y": 2}[period]


def test_prices_adjusted_by_terms(xtdata, world):
    event = next(e for e in world.events["600519.SH"] if e.ex_date.year == 2019)
    asked = (["close"], ["600519.SH"], "1d", "20190628", "20190628")
    cash = xtdata.get_divid_factors("600519.SH", "20190628", "20190628")["interest"].iloc[0]
    assert f"{event.ex_date:%Y%m%d}" == "20190628"
    before = (["close"], ["600519.SH"], "1d", "20190627", "20190627")
    raw = xtdata.get_market_data_ex(*before)["600519.SH"]["close"].iloc[0]
    front = xtdata.get_market_data_ex(*before, dividend_type="front")["600519.SH"]["close"].iloc[0]
    assert front == pytest.approx(raw - cash, abs=0.006)
    same_day = [
        xtdata.get_market_data_ex(*asked, dividend_type=kind)["600519.SH"]["close"].iloc[0]
        for kind in ("none", "front")
    ]
    assert same_day[0] == same_day[1]


def test_settable_units(miniqmt, xtdata):
    miniqmt.settings.change({"star_lots": False, "pvolume": "zero", "levels": 1})
    star = xtdata.get_full_tick(["688293.SH"])["688293.SH"]
    assert (star["volume"], star["pvolume"]) == (189104, 0)
    assert star["bidPrice"][1:] == [0, 0, 0, 0]
    day = ([], ["113050.SH"], "1d", "20240102", "20240102")
    tens = xtdata.get_market_data_ex(*day)["113050.SH"]["volume"].iloc[0]
    miniqmt.settings.change({"bond_lot": 1})
    assert xtdata.get_market_data_ex(*day)["113050.SH"]["volume"].iloc[0] == tens * 10


def test_what_nobody_recorded_is_empty(xtdata):
    xtdata.download_index_weight()
    assert xtdata.get_index_weight("000300.SH") == {}
    assert xtdata.get_financial_data(["600519.SH"]) == {}
    assert xtdata.get_l2_quote([], "600519.SH") is None
    assert {"name": "1m", "desc": "1m"} in xtdata.get_period_list()
    with pytest.raises(RuntimeError, match="ErrorID=300000"):
        xtdata.get_full_kline([], ["600519.SH"])
