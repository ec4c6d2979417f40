"""The RQData stand-in's refusals and faults, seen through the real client."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("rqdatac")
from support.waiting import block_until
from vendors.rqdata_client import RealClient
from vendors.rqdata_faults import FOREIGN_ID
from vendors.rqdata_server import RQDataServer
from vendors.world import load

ACCOUNT = ("somebody", "a secret")
DAY = ("get_price", "000001.XSHE", "2019-06-03", "2019-06-06")
MINUTE = ("get_price", "510300.XSHG", "2024-01-02", "2024-01-03", "1m")
FIELDS = {"fields": ["open", "close", "volume"], "adjust_type": "none"}


@pytest.fixture(scope="module")
def running(market_data):
    user, password = ACCOUNT
    world = load(market_data)
    server = RQDataServer(world, data=market_data, user=user, password=password).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def real():
    client = RealClient("UTC")
    yield client
    client.stop()


@pytest.fixture
def server(running):
    running.control(
        {"refuse": False, "now": None, "sessions": None}
        | {"quota": {"bytes_limit": 0, "bytes_used": 0}}
    )
    return running


@pytest.fixture
def client(real, server):
    """A client that has its instruments and its calendar, so that a call is one call."""
    server.control({"clear": True})
    real.log_in(server.port, *ACCOUNT)
    assert real(*DAY, **FIELDS).rows
    assert real("get_trading_dates", "2024-01-01", "2024-01-31").value
    server.control({"clear": True})
    return real


def fail(server, **fault):
    server.control({"fault": fault})


@pytest.mark.parametrize(
    ("errno", "name"),
    [
        (1, "RQDataError"),
        (2, "AuthenticationFailed"),
        (3, "ErrorFromBackend"),
        (4, "PermissionDenied"),
        (5, "QuotaExceeded"),
        (6, "MarketNotSupportError"),
        (7, "NoSuchService"),
        (400, "BadRequest"),
        (-1, "InternalError"),
        (4711, "RQDataError"),
    ],
)
def test_errors_by_number(client, server, errno, name):
    fail(server, method="get_daybar_v", kind="error", errno=errno, text="no, sorry", times=1)
    refused = client(*DAY, **FIELDS)
    assert (refused.error, refused.text, refused.sleeps) == (name, "no, sorry", [])
    assert len(client(*DAY, **FIELDS).rows) == 4


def test_a_gateway_error_is_asked_nine_times(client, server):
    fail(server, method="get_daybar_v", kind="error", errno=-2, text="gateway")
    refused = client(*DAY, **FIELDS)
    assert refused.error == "GatewayError"
    assert server.statistics()["rpcs"]["get_daybar_v"] == 9
    assert refused.sleeps.count(3.0) == 2


@pytest.mark.parametrize("kind", ["drop", "half", "garbage", "not_msgpack"])
def test_broken_frames_are_asked_for_again(client, server, kind):
    fail(server, method="get_daybar_v", kind=kind, times=1)
    once = client(*DAY, **FIELDS)
    assert (once.error, once.sleeps, len(once.rows)) == (None, [1.0], 4)
    fail(server, method="get_daybar_v", kind=kind)
    always = client(*DAY, **FIELDS)
    assert (always.error, always.sleeps) == ("ProtocolError", [1.0, 1.0])
    assert server.statistics()["rpcs"]["get_daybar_v"] == 5


def test_an_error_inside_a_stream(client, server):
    fail(server, method="get_daybar_v", kind="stream_error", errno=5, text="used up", times=1)
    assert client(*DAY, **FIELDS).error == "QuotaExceeded"


def test_refused_connections_and_a_server_that_comes_back(client, server):
    server.control({"refuse": True})
    refused = client(*DAY, **FIELDS)
    assert (refused.error, refused.sleeps) == ("ConnectionRefusedError", [1.0, 1.0])
    server.control({"refuse": False})
    assert len(client(*DAY, **FIELDS).rows) == 4


def test_a_silent_server_costs_three_timeouts(client, server):
    client.log_in(server.port, *ACCOUNT, timeout=0.2)
    fail(server, method="get_daybar_v", kind="stall", seconds=5)
    assert client(*DAY, **FIELDS).error == "TimeoutError"
    assert server.statistics()["rpcs"]["get_daybar_v"] == 3
    server.control({"fault": None})
    assert len(client(*DAY, **FIELDS).rows) == 4


def test_a_wrong_password_is_refused_at_the_first_call_and_not_tried_again(client, server):
    client.log_in(server.port, ACCOUNT[0], "guessed")
    server.control({"clear": True})
    client("reset", flush_cache=True)
    assert client("initialized").value is True
    refused = client("get_trading_dates", "2024-01-01", "2024-01-31")
    assert (refused.error, refused.sleeps) == ("AuthenticationFailed", [])
    told = server.statistics()
    assert (told["connections"], told["refused"], told["logins"]) == (1, 1, 0)
    assert ACCOUNT[1] not in json.dumps(told)


def test_one_login_too_many(client, server):
    server.control({"sessions": 0})
    client.log_in(server.port, *ACCOUNT)
    refused = client(*DAY, **FIELDS)
    assert refused.error == "PermissionDenied"
    assert refused.text == "login session num reached MAX limit"
    # The server's threads notice one after another that earlier connections ended
    block_until(lambda: server.statistics()["sessions"] == 0)
    server.control({"sessions": 1})
    assert len(client(*DAY, **FIELDS).rows) == 4
    assert server.statistics()["sessions"] == 1


def test_an_error_costs_the_pool_its_connection(client, server):
    fail(server, method="get_daybar_v", kind="error", errno=4, times=5)
    assert [client(*DAY, **FIELDS).error for _ in range(5)] == ["PermissionDenied"] * 5
    assert server.statistics()["logins"] == 4


def test_quota(client, server):
    server.control({"quota": {"bytes_limit": 1, "bytes_used": 1}})
    told = client("user.get_quota")
    assert told.value["bytes_used"] >= told.value["bytes_limit"] == 1
    assert "exceeded quota" in told.warnings[0]
    assert client(*DAY, **FIELDS).error == "QuotaExceeded"
    assert client(*MINUTE, **FIELDS).error == "QuotaExceeded"
    server.control({"quota": {"bytes_limit": 10**9, "bytes_used": 0}})
    client(*DAY, **FIELDS)
    assert 0 < client("user.get_quota").value["bytes_used"] < 10_000


@pytest.mark.parametrize("errno", [4, 6, 7])
def test_refused_minutes_are_a_warning_only(client, server, errno):
    fail(server, method="get_minbar_v", kind="error", errno=errno, text="not yours")
    past = client(*MINUTE, **FIELDS)
    assert (past.error, past.value) == (None, None)
    assert past.warnings == ["get history minbar price failed: not yours"]


def test_refused_history_leaves_todays_minutes_alone(client, server):
    server.control({"now": "2024-01-03T10:30:00"})
    client("reset", flush_cache=True)
    fail(server, method="get_minbar_v", kind="error", errno=4, text="not yours")
    rows = client(*MINUTE, **FIELDS).rows
    assert len(rows) == 60
    assert rows[0]["datetime"] == "2024-01-03T09:31:00"
    server.control({"fault": None})
    fail(server, method="get_today_minbar", kind="error", errno=4, text="not yours")
    half = client(*MINUTE, **FIELDS)
    assert len(half.rows) == 240
    assert half.warnings == ["Not permit to get realtime minbar price"]
    client("reset", flush_cache=True)


def test_no_rows_are_none(client, server):
    nothing = client("get_price", "000001.XSHE", "2015-01-05", "2015-01-09", **FIELDS)
    assert (nothing.error, nothing.value, nothing.warnings) == (None, None, [])
    asked = server.statistics()["rpcs"]["get_daybar_v"]
    assert client("get_price", "000001.XSHE", "2026-06-01", "2026-06-05", **FIELDS).value is None
    assert server.statistics()["rpcs"]["get_daybar_v"] == asked, "after the trading date: no call"


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2024-01-05T00:10:00", 20240105),
        ("2024-01-05T19:29:59", 20240105),
        ("2024-01-05T19:30:00", 20240108),
        ("2024-01-06T12:00:00", 20240108),
        ("2024-01-05T12:00:00+00:00", 20240108),
    ],
)
def test_the_servers_trading_date(client, server, now, day):
    server.control({"now": now})
    assert client("execute", "current_trading_date", market="cn").value == day


def test_unknown_ids(client, server):
    none = client("get_price", ["999999.XSHE"], "2019-06-03", "2019-06-06", **FIELDS)
    assert none.error == "ValueError"
    assert "get_daybar_v" not in server.statistics()["rpcs"]
    some = client("get_price", ["999999.XSHE", DAY[1]], *DAY[2:], **FIELDS)
    assert {row["order_book_id"] for row in some.rows} == {DAY[1]}
    assert some.warnings == ["invalid order_book_id: 999999.XSHE"]
    assert client(*DAY, fields=["nonsense"]).error == "ValueError"


def test_spoilt_values(client, server):
    def spoilt(kind):
        fail(server, method="get_daybar_v", kind=kind, times=1)
        return client(*DAY, **FIELDS)

    assert {row["open"] for row in spoilt("nan").rows} == {None}
    assert spoilt("empty").value is None
    assert len(spoilt("truncated").rows) == 2
    assert {row["order_book_id"] for row in spoilt("foreign").rows} == {FOREIGN_ID}
    assert spoilt("extra_column").error == "KeyError"
    assert spoilt("nil").error == "TypeError"
    fail(server, method="current_snapshots", kind="empty", times=1)
    assert client("current_snapshot", "000001.XSHE").error == "IndexError"


def test_services_and_arguments_that_do_not_exist(client):
    assert client("execute", "no.such.service").error == "NoSuchService"
    assert client("execute", "get_daybar_v", 1, 2).error == "BadRequest"


def test_calls_are_told_with_their_arguments(client, server):
    client(*DAY, **FIELDS)
    call = next(c for c in server.statistics()["calls"] if c["method"] == "get_daybar_v")
    assert call["args"] == [["000001.XSHE"], 20190603, 20190606, FIELDS["fields"], 1, "cn"]


def test_unknown_orders_are_refused(server):
    for order in (
        {"fult": 1},
        {"fault": {"kind": "hank"}},
        {"live": {"x": 1}},
        {"replay": {"2d": []}},
    ):
        with pytest.raises(ValueError, match=r"fult|hank|x|2d"):
            server.control(order)
