"""What the server refuses: swallowed, silent or told, it is an error here."""

from __future__ import annotations

import logging
from datetime import date, datetime

import pytest
from support.rqdata import (
    JANUARY,
    ServersClock,
    bars_of,
    opened,
    rpcs,
    symbols,
    ticks_of,
)

from argus_core import (
    LoginFailed,
    NotOffered,
    Period,
    PermissionDenied,
    QuotesQuery,
    SourceUnavailable,
    Throttled,
)

TICK_DAY = date(2023, 2, 1)


MINUTES = {"start": date(2018, 1, 3), "end": date(2018, 1, 3), "period": Period.M1}
REFUSAL = {"kind": "error", "errno": 4, "text": "permission denied"}


@pytest.mark.parametrize(
    ("errno", "expected"),
    [(4, PermissionDenied), (6, NotOffered), (7, NotOffered), (5, Throttled)],
)
async def test_refused_minutes_are_an_error_and_not_silence(server, errno, expected):
    texts = {6: "market not supported yet.", 7: "Can't found the request service"}
    fault = REFUSAL | {"errno": errno, "text": texts.get(errno, "no")}
    server.control({"fault": fault | {"method": "get_minbar_v"}})
    async with opened(server) as source:
        with pytest.raises(expected):
            source.bars(bars_of("000001.SZ", **MINUTES))


async def test_refused_history_with_todays_minutes_is_an_error_and_not_half_an_answer(server):
    server.control({"now": "2018-01-03T10:30:00"})
    span = {"start": date(2018, 1, 2), "end": date(2018, 1, 3), "period": Period.M1}
    async with opened(server) as source:
        assert len(source.bars(bars_of("000001.SZ", **span))) > 240
        server.control({"fault": REFUSAL | {"method": "get_minbar_v"}})
        with pytest.raises(PermissionDenied):
            source.bars(bars_of("000001.SZ", **span))


async def test_refused_minutes_of_today_are_an_error_and_not_history_alone(server):
    server.control({"now": "2018-01-03T10:30:00"})
    span = {"start": date(2018, 1, 2), "end": date(2018, 1, 3), "period": Period.M1}
    server.control({"fault": REFUSAL | {"method": "get_today_minbar"}})
    async with opened(server) as source:
        with pytest.raises(PermissionDenied, match="today"):
            source.bars(bars_of("000001.SZ", **span))


async def test_refused_ticks_are_an_error_and_not_silence(server):
    server.control({"fault": REFUSAL | {"method": "get_tickbar"}})
    async with opened(server) as source:
        with pytest.raises(PermissionDenied):
            source.ticks(ticks_of("600519.SH", start=TICK_DAY, end=TICK_DAY))


async def test_refused_ticks_of_today_are_an_error_though_the_client_does_not_even_warn(server):
    server.control({"now": "2023-02-01T10:00:00"})
    asked = ticks_of("600519.SH", start=date(2023, 1, 30), end=TICK_DAY)
    async with opened(server) as source:
        so_far = source.ticks(asked)
        assert so_far["time"].max() <= datetime.fromisoformat("2023-02-01T10:00")
        assert len(so_far) > 100
        server.control({"fault": REFUSAL | {"method": "get_ticks_v2"}})
        with pytest.raises(PermissionDenied):
            source.ticks(asked)


@pytest.mark.parametrize("method", ["get_daybar_v", "handshake"])
async def test_a_session_too_many_is_told_as_such(server, method):
    text = "login session num reached MAX limit"
    server.control({"fault": REFUSAL | {"method": method, "text": text}})
    async with opened(server) as source:
        with pytest.raises(LoginFailed, match="sessions"):
            source.bars(bars_of("600519.SH", **JANUARY))


async def test_a_session_too_many_is_told_of_minutes_too(server):
    text = "login session num reached MAX limit"
    server.control({"fault": REFUSAL | {"method": "get_minbar_v", "text": text}})
    async with opened(server) as source:
        with pytest.raises(LoginFailed, match="sessions"):
            source.bars(bars_of("000001.SZ", **MINUTES))


async def test_a_wrong_password_is_told_by_the_first_call_and_never_printed(server, caplog):
    wrong = "wr0ng-secret"
    with caplog.at_level(logging.DEBUG):
        async with opened(server, password=wrong) as source:
            with pytest.raises(LoginFailed) as error:
                await source.ping()
    assert wrong not in str(error.value) + repr(error.value) + caplog.text
    assert error.value.__cause__ is None
    assert error.value.__context__ is None


async def test_a_wrong_license_key_is_told_at_the_start_and_leaves_nothing_behind(server):
    import rqdatac

    with pytest.raises(LoginFailed):
        async with opened(server, username=None, password=None, license_key="wrong"):
            pass
    assert not rqdatac.initialized()
    async with opened(server) as source:  # another account may follow
        await source.ping()


async def test_a_license_login_does_not_need_the_server_at_once(server, quick, caplog):
    server.control({"refuse": True})
    try:
        facts = {"username": None, "password": None, "license_key": "key"}
        async with opened(server, **facts) as source:
            assert "did not answer the license login" in caplog.text
            with pytest.raises(SourceUnavailable):
                await source.ping()
    finally:
        server.control({"refuse": False})


async def test_a_used_up_quota_stops_every_call_until_midnight(server):
    server.control({"now": "2024-03-15T22:00:00"})
    async with opened(server) as source:
        await source.ping()
        server.control({"quota": {"bytes_limit": 1000, "bytes_used": 1000}})
        with pytest.raises(Throttled) as error:
            source.bars(bars_of("600519.SH", **JANUARY))
        assert error.value.retry_after == 7200
        server.control({"clear": True})
        with pytest.raises(Throttled):
            source.quotes(QuotesQuery(symbols=symbols("600519.SH")))
        assert not rpcs(server)
        assert source.report()["quota_paused_seconds"] == 7200


async def test_the_quota_is_asked_for_by_ping_when_due_and_by_no_request(server):
    server.control({"quota": {"bytes_limit": 10**9, "bytes_used": 5}})
    clock = ServersClock(server)
    async with opened(server, clock) as source:
        source.bars(bars_of("600519.SH", **JANUARY))
        assert "user.get_quota" not in rpcs(server)
        assert source.report()["quota_bytes_used"] is None
        await source.ping()
        await source.ping()
        assert rpcs(server)["user.get_quota"] == 1
        report = source.report()
        assert report["quota_bytes_limit"] == 10**9
        assert report["quota_bytes_used"] >= 5
        assert report["license_type"] == "FULL"
        assert report["sdk_version"]
        assert report["connections"] == 1
        clock.later = 301
        await source.ping()
    assert rpcs(server)["user.get_quota"] == 2


async def test_ticks_that_would_use_up_the_quota_are_not_pulled(server):
    server.control({"quota": {"bytes_limit": 10**7, "bytes_used": 8 * 10**6}})
    async with opened(server) as source:
        await source.ping()
        with pytest.raises(Throttled):
            source.ticks(ticks_of("600519.SH", start=date(2023, 1, 2), end=TICK_DAY))
        assert len(source.ticks(ticks_of("600519.SH", start=TICK_DAY, end=TICK_DAY))) > 4000
    assert len(rpcs(server, "get_tickbar")) == 1
