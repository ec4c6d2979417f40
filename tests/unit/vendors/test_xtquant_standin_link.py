"""The stand-in for miniQMT through the shipped xtdata.py: pushes, downloads and broken links."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from support.waiting import block_until

MAOTAI_DAY = "2023-02-01"


def test_history_must_be_downloaded(miniqmt, xtdata):
    miniqmt.settings.change({"downloaded": "none"})
    assert len(xtdata.get_market_data_ex([], ["600519.SH"], "1d")["600519.SH"]) == 0
    news = []
    got = xtdata.download_history_data2(["600519.SH"], "1d", "20191201", "20191231", news.append)
    assert [one["finished"] for one in news] == [1]
    assert set(got["600519.SH"]) >= {"start_time", "end_time"}
    frame = xtdata.get_market_data_ex([], ["600519.SH"], "1d")["600519.SH"]
    assert [frame.index[0], frame.index[-1]] == ["20191202", "20191231"]
    assert len(xtdata.get_market_data_ex([], ["600000.SH"], "1d")["600000.SH"]) == 0
    miniqmt.settings.change({"downloaded": [["600000.SH", "1d"]]})
    assert len(xtdata.get_market_data_ex([], ["600000.SH"], "1d")["600000.SH"]) > 5000


def test_failed_downloads_show_or_not(miniqmt, xtdata):
    miniqmt.settings.change({"downloaded": "none", "download_failure": "没有权限"})
    with pytest.raises(Exception, match="下载数据失败：没有权限"):
        xtdata.download_history_data("600519.SH", "1d")
    miniqmt.settings.change({"supply_returns": True})
    assert xtdata.download_history_data("600519.SH", "1d") == {}


def test_failures_without_words_and_sectors(miniqmt, xtdata):
    miniqmt.settings.change({"download_failure": ""})
    assert xtdata.download_history_data("600519.SH", "1d") == {}
    miniqmt.settings.change({"download_failure": None})
    xtdata.download_sector_data()


def test_a_stalled_download_ends_with_the_link(miniqmt, xtdata):
    miniqmt.settings.change({"download_stalls": True, "download_steps": 3})
    threading.Timer(0.3, miniqmt.drop).start()
    with pytest.raises(Exception, match="行情服务连接断开"):
        xtdata.download_history_data("600519.SH", "1d")


def test_old_servers_download_without_progress(miniqmt, xtdata):
    miniqmt.settings.change({"download_version": None, "downloaded": "none"})
    xtdata.reconnect("127.0.0.1", miniqmt.port)
    assert xtdata.download_history_data("600519.SH", "1d") is None
    assert miniqmt.told()["counts"]["supply_history_data"] == 1
    assert len(xtdata.get_market_data_ex([], ["600519.SH"], "1d")["600519.SH"]) > 2000


def test_pushes_of_ticks(miniqmt, xtdata, world):
    miniqmt.settings.change({"now": f"{MAOTAI_DAY}T10:00:00"})
    whole, single, minutes, threads = [], [], [], set()

    def keep(store):
        def callback(data):
            threads.add(threading.current_thread())
            store.append(data)

        return callback

    assert xtdata.subscribe_whole_quote(["SH"], keep(whole)) > 0
    block_until(lambda: whole)
    assert "600519.SH" in whole[0]
    seq = xtdata.subscribe_quote("600519.SH", "tick", callback=keep(single))
    xtdata.subscribe_quote("600519.SH", "1m", callback=keep(minutes))
    order = {"from": f"{MAOTAI_DAY}T10:00:01", "to": f"{MAOTAI_DAY}T10:02:00"}
    miniqmt.control({"push": order})
    ticks = [t for t in world.ticks["600519.SH"] if t.time.strftime("%H:%M") in ("10:00", "10:01")]
    block_until(lambda: len(single) >= len({t.time for t in ticks}) and len(minutes) >= 30)
    assert threading.main_thread() not in threads
    assert all(isinstance(one, threading._DummyThread) for one in threads)
    assert isinstance(single[0]["600519.SH"], list)
    assert isinstance(whole[-1]["600519.SH"], dict)
    assert "timetag" not in whole[-1]["600519.SH"]
    rows = [row for one in minutes for row in one["600519.SH"]]
    assert len({row["time"] for row in rows}) < len(rows), "a minute is pushed while it grows"
    assert all("settlementPrice" in row and 0 < row["preClose"] < 1e-300 for row in rows)
    xtdata.unsubscribe_quote(seq)
    before = len(single)
    miniqmt.control({"push": order})
    xtdata.get_sector_list()
    assert len(single) == before


def test_pushes_of_minutes_and_history_first(miniqmt, xtdata):
    got = []
    xtdata.subscribe_quote("510300.SH", "1m", "20240102", "20240102", -1, got.append)
    block_until(lambda: got)
    assert len(got[0]["510300.SH"]) == 241
    miniqmt.control({"push_minutes": {"from": "2024-01-03T09:31", "to": "2024-01-03T09:33"}})
    block_until(lambda: len(got) >= 7)
    rows = [one["510300.SH"][0] for one in got[1:]]
    assert [row["volume"] == 0 for row in rows] == [True, False] * 3


def test_lists_silence_and_limits(miniqmt, xtdata):
    assert xtdata.subscribe_quote(["600519.SH"], "tick") == -1
    miniqmt.control({"fault": "minus_one", "methods": ["subscribe_quote"], "times": 1})
    assert xtdata.subscribe_quote("600519.SH", "tick") == -1
    got = []
    miniqmt.control({"fault": "silent"})
    assert xtdata.subscribe_whole_quote(["SH"], got.append) > 0
    miniqmt.control({"fault": None})
    miniqmt.settings.change({"max_subscriptions": 1})
    assert xtdata.subscribe_quote("600519.SH", "1m") == -1
    assert xtdata.get_current_connect_sub_info()[0]["stockCode"] == "SH"
    assert got == []


def test_exceptions_in_callbacks_are_swallowed(miniqmt, xtdata, capsys):
    got = []

    def callback(data):
        got.append(data)
        raise ValueError("mine")

    xtdata.subscribe_whole_quote(["600519.SH"], callback)
    block_until(lambda: got)
    miniqmt.control({"push_raw": {"period": "whole", "data": {"600519.SH": {"lastPrice": 1.0}}}})
    block_until(lambda: len(got) == 2)
    assert got[1] == {"600519.SH": {"lastPrice": 1.0}}


def test_port_as_text_is_ignored(miniqmt, xtdata):
    xtdata.disconnect()
    with pytest.raises(Exception, match="无法连接xtquant服务"):
        xtdata.connect("127.0.0.1", "58610" if miniqmt.port != 58610 else "1")
    with pytest.raises(Exception, match="远程地址不支持仅输入IP"):
        xtdata.connect("192.0.2.1")


def test_a_dropped_link_is_seen_and_nothing_subscribes_again(miniqmt, xtdata):
    first = xtdata.get_client()
    got = []
    xtdata.subscribe_whole_quote(["600519.SH"], got.append)
    block_until(lambda: got)
    miniqmt.control({"drop": True})
    block_until(lambda: not first.is_connected())
    assert xtdata.get_full_tick(["600519.SH"])
    assert xtdata.get_client() is not first
    assert miniqmt.told()["subscriptions"] == []
    with pytest.raises(RuntimeError, match="连接断开"):
        first.get_full_tick(["600519.SH"])


def test_a_refusing_server(miniqmt, xtdata):
    client = xtdata.get_client()
    miniqmt.control({"refuse": True})
    block_until(lambda: not client.is_connected())
    with pytest.raises(Exception, match="无法连接xtquant服务"):
        xtdata.get_sector_list()
    miniqmt.control({"refuse": False})
    assert xtdata.get_sector_list()


def test_run_raises_when_the_link_ends(miniqmt, xtdata, monkeypatch):
    client = xtdata.get_client()
    turns = []

    def sleep(seconds):
        turns.append(seconds)
        if len(turns) == 2:
            miniqmt.drop()
            block_until(lambda: not client.is_connected())

    monkeypatch.setattr(xtdata, "_TIME_", SimpleNamespace(sleep=sleep))
    with pytest.raises(Exception, match="行情服务连接断开"):
        xtdata.run()
    assert turns == [3, 3]


def test_status_is_told(miniqmt, xtdata):
    news = []
    xtdata.watch_xtquant_status(news.append)
    try:
        client = xtdata.reconnect("127.0.0.1", miniqmt.port)
        block_until(lambda: news)
        miniqmt.control({"drop": True})
        block_until(lambda: len(news) == 2)
    finally:
        xtdata.watch_xtquant_status(None)
    assert not client.is_connected()
    assert [one["status"] for one in news] == ["connected", "disconnected"]
    assert news[0]["address"] == f"127.0.0.1:{miniqmt.port}"


def test_callbacks_of_two_subscriptions_overlap(miniqmt, xtdata):
    second = threading.Event()
    seen = []
    for code, wait in (("600519.SH", True), ("688293.SH", False)):

        def callback(data, wait=wait):
            seen.append((threading.get_ident(), second.wait(5) if wait else second.set()))

        xtdata.subscribe_whole_quote([code], callback)
    block_until(lambda: len(seen) == 2)
    assert len({ident for ident, _ in seen}) == 2
    assert (seen[0][1], seen[1][1]) == (None, True)
