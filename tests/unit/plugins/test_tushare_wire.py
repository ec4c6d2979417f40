"""The wire: the same rows as the stock client, and a class of its own for every failure."""

from __future__ import annotations

import logging
import socket
import threading
import traceback
from contextlib import closing, suppress
from datetime import date, datetime, timedelta
from random import Random

import pandas as pd
import pytest
import tushare
from vendors.tushare_account import TOKEN, StillClock, serving, settings
from vendors.tushare_faults import FAULTS

from argus_core import (
    SHANGHAI,
    ArgusError,
    BadData,
    LoginFailed,
    NotOffered,
    PermissionDenied,
    SourceTimeout,
    SourceUnavailable,
    Throttled,
)
from argus_tushare.client import connect

FAILURES = {
    "refuse": SourceUnavailable,
    "reset": SourceUnavailable,
    "cut_body": SourceUnavailable,
    "hang": SourceTimeout,
    "drip": SourceTimeout,
    "http_500": SourceUnavailable,
    "http_404": SourceUnavailable,
    "http_302": SourceUnavailable,
    "http_429": Throttled,
    "html": BadData,
    "rate_minute": Throttled,
    "rate_hour": Throttled,
    "rate_day": Throttled,
    "rate_other": Throttled,
    "no_permission": PermissionDenied,
    "bad_token": LoginFailed,
    "bad_parameter": BadData,
    "unknown_error": SourceUnavailable,
    "echo_token": SourceUnavailable,
    "truncated": BadData,
    "no_columns": BadData,
    "null_data": BadData,
    "no_data": BadData,
    "no_code": BadData,
    "list_body": BadData,
    "width": BadData,
    "huge": BadData,
    "bad_gzip": BadData,
}
PLAIN_ANSWERS = FAULTS - FAILURES.keys()
"""Faults that leave a well-formed answer; the source, or the core, has to judge it."""

CALLS = [
    ("daily", {"ts_code": "600519.SH,000001.SZ", "start_date": "20240101"}),
    ("daily", {"trade_date": "20240105"}),
    ("index_daily", {"ts_code": "000300.SH", "end_date": "20240301"}),
    ("fund_daily", {"ts_code": "510300.SH"}),
    ("cb_daily", {"ts_code": "113050.SH"}),
    ("fut_daily", {"ts_code": "RB2410.SHF"}),
    ("opt_daily", {"ts_code": "10006000.SH"}),
    ("stk_mins", {"ts_code": "000001.SZ", "freq": "1min", "end_date": "2024-01-04 15:00:00"}),
    ("idx_mins", {"ts_code": "000300.SH", "freq": "1min"}),
    ("ft_mins", {"ts_code": "IF2412.CFX", "freq": "1min"}),
    ("rt_k", {"ts_code": "6*.SH,000001.SZ"}),
    ("rt_etf_k", {"ts_code": "510300.SH", "topic": "HQ_FND_TICK"}),
    ("rt_idx_k", {"ts_code": "000300.SH"}),
    ("rt_fut_min", {"ts_code": "RB2410.SHF", "freq": "1MIN"}),
    ("adj_factor", {"ts_code": "600519.SH"}),
    ("fund_adj", {"ts_code": "510300.SH"}),
    ("trade_cal", {"exchange": "SZSE", "start_date": "20240101", "end_date": "20240201"}),
    ("trade_cal", {"exchange": "SSE", "is_open": "1", "start_date": "20240601"}),
    ("stock_basic", {}),
    ("stock_basic", {"list_status": "D", "fields": "ts_code,name,delist_date"}),
    ("daily_basic", {"trade_date": "20240627"}),
    ("bse_mapping", {}),
    ("fund_basic", {"market": "E"}),
    ("index_basic", {"market": "CSI"}),
    ("cb_basic", {}),
    ("fut_basic", {"exchange": "SHFE", "fut_type": "1"}),
    ("opt_basic", {"exchange": "SSE"}),
    ("daily", {"ts_code": "999999.SZ"}),
]


def stock_client(server):
    """The vendor's unchanged client, pointed at the server."""
    pro = tushare.pro_api(TOKEN)
    pro._DataApi__http_url = server.url
    return pro


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


@pytest.fixture
def quiet(server):
    """The server without a fault, before and after."""
    server.control({"fault": None, "clear": True})
    yield server
    server.control({"fault": None})


def client(server, clock=None, **options):
    cap = options.pop("body_cap", 1 << 26)
    return closing(connect(settings(server, **options), clock or StillClock(), body_cap=cap))


@pytest.mark.parametrize(("api_name", "params"), CALLS)
def test_the_same_rows_as_the_stock_client(quiet, api_name, params):
    with client(quiet) as ours:
        expected = getattr(stock_client(quiet), api_name)(**params)
        found = getattr(ours, api_name)(**params)
    pd.testing.assert_frame_equal(found, expected)


def test_the_same_recorded_rows_for_random_ranges(market_data):
    dice = Random(20240628)
    with serving(market_data) as server, client(server) as ours:
        theirs = stock_client(server)
        rows = 0
        for code in sorted({row["ts_code"] for row in server.tables["daily"].rows}):
            for _ in range(2):
                first = date(2019, 1, 1) + timedelta(days=dice.randrange(400))
                last = first + timedelta(days=dice.randrange(120))
                span = {"start_date": f"{first:%Y%m%d}", "end_date": f"{last:%Y%m%d}"}
                for api_name in ("daily", "adj_factor"):
                    expected = theirs.query(api_name, ts_code=code, **span)
                    found = ours.query(api_name, ts_code=code, **span)
                    pd.testing.assert_frame_equal(found, expected)
                    rows += len(found)
    assert rows > 1000


def test_the_address_does_not_travel_as_a_parameter(quiet):
    with client(quiet) as ours:
        ours.daily(ts_code="600519.SH")
    assert quiet.requests == [{"api": "daily", "params": {"ts_code": "600519.SH"}, "fields": ""}]


def test_calls_share_connections(quiet):
    with client(quiet) as ours:
        threads = [
            threading.Thread(target=lambda: [ours.table("trade_cal") for _ in range(2)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        opened = len(quiet.connections)
        for _ in range(10):
            ours.table("rt_k", ts_code="600519.SH")
        assert len(quiet.connections) == opened <= 4


def test_every_fault_is_examined():
    assert FAILURES.keys() <= FAULTS
    judged_later = "empty nan text_price volume_flip row_cap short_rows wrong_code missing_field"
    assert {*judged_later.split(), "slow", "same_page"} == PLAIN_ANSWERS


@pytest.mark.parametrize(("fault", "expected"), FAILURES.items())
def test_every_failure_has_its_class_and_never_tells_the_token(quiet, caplog, fault, expected):
    caplog.set_level(logging.DEBUG)
    options = {"timeout": 0.25} if fault in ("hang", "drip") else {}
    with client(quiet, body_cap=1 << 20, **options) as ours:
        assert len(ours.table("daily", ts_code="600519.SH")) > 0
        quiet.control({"fault": fault, "seconds": 0.02})
        with pytest.raises(ArgusError) as caught:
            ours.daily(ts_code="600519.SH")
        assert type(caught.value) is expected
        quiet.control({"fault": None})
        assert len(ours.table("daily", ts_code="600519.SH")) > 0
        told = [
            *traceback.format_exception(caught.value),
            *(repr(value) for value in walk(caught.value)),
            caplog.text,
            repr(ours),
            str(vars(ours)),
        ]
    assert TOKEN not in "\n".join(told)
    assert "daily" in str(caught.value) or expected is LoginFailed


def walk(error):
    """The error, what it holds, and what it was raised from."""
    while error is not None:
        yield error
        yield from (error.args, vars(error))
        error = error.__cause__


@pytest.mark.parametrize("fault", sorted(PLAIN_ANSWERS - {"missing_field", "text_price"}))
def test_well_formed_answers_come_through(quiet, fault):
    quiet.control({"fault": fault, "seconds": 0.01})
    with client(quiet) as ours:
        table = ours.table("daily", "ts_code,close,vol", ts_code="600519.SH")
    assert table.fields == ("ts_code", "close", "vol")


def test_nan_is_missing(quiet):
    quiet.control({"fault": "nan"})
    with client(quiet) as ours:
        table = ours.table("daily", "close,vol", ts_code="600519.SH", start_date="20240601")
    assert {close for close, _ in table.items} == {None}
    assert all(volume > 0 for _, volume in table.items)


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [("rate_minute", 60), ("rate_hour", 3600), ("rate_other", 3600), ("rate_day", 8 * 3600)],
)
def test_the_pause_follows_the_limit(quiet, fault, seconds):
    quiet.control({"fault": fault})
    with client(quiet) as ours, pytest.raises(Throttled) as caught:
        ours.daily()
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("17", 17),
        ("99999999999999", 86400),
        ("Fri, 28 Jun 2024 08:00:30 GMT", 30),
        ("Fri, 28 Jun 2024 07:00:00 GMT", 0),
        ("Fri, 28 Jun 2024 08:00:30 -0000", 30),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after(quiet, header, seconds):
    quiet.control({"fault": "http_429", "header": header})
    with client(quiet) as ours, pytest.raises(Throttled) as caught:
        ours.daily()
    assert caught.value.retry_after == seconds


def test_a_real_limit_and_a_real_permission():
    with serving(per_minute=3, denied=frozenset({"daily_basic"})) as server:
        with client(server) as ours:
            with pytest.raises(PermissionDenied, match="daily_basic"):
                ours.table("daily_basic")
            answered: list[object] = []
            with suppress(Throttled):
                while len(answered) < 8:  # the minute may change in between
                    answered.append(ours.table("rt_k", ts_code="600519.SH"))
            assert 3 <= len(answered) < 8
        with client(server, token="another") as stranger, pytest.raises(LoginFailed):
            stranger.table("daily")


def test_an_interface_that_the_vendor_lacks(quiet):
    with client(quiet) as ours, pytest.raises(NotOffered, match="no_such_thing"):
        ours.no_such_thing()


def test_a_parameter_that_is_missing(quiet):
    with client(quiet) as ours, pytest.raises(BadData, match="parameters of index_daily"):
        ours.index_daily()


def test_the_client_is_no_trap_for_introspection(quiet):
    with client(quiet) as ours:
        assert not hasattr(ours, "__deepcopy__")
        assert not hasattr(ours, "_anything")
    assert quiet.requests == []


def test_nothing_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with serving() as server:
            server.port = port
            with client(server) as ours, pytest.raises(SourceUnavailable):
                ours.daily()


def test_a_proxy_never_sees_a_loopback_call(quiet, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with client(quiet) as ours:
        assert len(ours.table("rt_k", ts_code="600519.SH")) == 1


def test_midnight_is_shanghais(quiet):
    quiet.control({"fault": "rate_day"})
    late = StillClock(datetime(2024, 6, 28, 23, 59, 30, tzinfo=SHANGHAI))
    with client(quiet, late) as ours, pytest.raises(Throttled) as caught:
        ours.daily()
    assert caught.value.retry_after == 30


def test_a_connection_that_a_call_opens_while_the_client_is_closed_is_closed_too(
    quiet, monkeypatch
):
    connected, go = threading.Event(), threading.Event()
    opened: list[socket.socket] = []
    connect_now = socket.create_connection

    def late(*args, **options):
        connected.set()
        go.wait(10)
        opened.append(connect_now(*args, **options))
        return opened[-1]

    monkeypatch.setattr(socket, "create_connection", late)
    answered: list[object] = []

    def ask():
        answered.append(ours.table("rt_k", ts_code="600519.SH"))

    with client(quiet) as ours:
        asking = threading.Thread(target=ask)
        asking.start()
        assert connected.wait(5)
    go.set()
    asking.join(5)
    assert len(answered) == 1
    assert [connection.fileno() for connection in opened] == [-1]
    with pytest.raises(SourceUnavailable, match="closed"):
        ask()
