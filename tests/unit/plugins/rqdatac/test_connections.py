"""Logins, lost connections, time-outs, and what stays in the process."""

from __future__ import annotations

import threading
import warnings
from datetime import datetime, timedelta

import pytest
from support.rqdata import (
    JANUARY,
    PASSWORD,
    USER,
    bars_of,
    opened,
    rpcs,
    symbols,
)

from argus_core import (
    SHANGHAI,
    Clock,
    Exchange,
    ListingsQuery,
    PermissionDenied,
    PluginError,
    QuotesQuery,
    SourceTimeout,
    SourceUnavailable,
)


async def test_one_login_serves_every_question(server):
    async with opened(server) as source:
        source.bars(bars_of("600519.SH", **JANUARY))
        source.quotes(QuotesQuery(symbols=symbols("600519.SH")))
        source.listings(ListingsQuery(exchanges=(Exchange.SH,)))
    told = server.statistics()
    assert (told["logins"], told["peak_sessions"]) == (1, 1)


async def test_opening_sends_nothing(server):
    async with opened(server) as source:
        assert source.report()["connections"] == 0
    assert server.statistics()["connections"] == 0


async def test_a_connection_over_which_something_was_refused_is_closed(server):
    server.control({"fault": {"method": "get_daybar_v", "kind": "error", "errno": 4}})
    async with opened(server) as source:
        for _ in range(4):
            with pytest.raises(PermissionDenied):
                source.bars(bars_of("600519.SH", **JANUARY))
        assert source.report()["connections"] == 0
        await source.ping()
        assert source.report()["connections"] == 1
    assert server.statistics()["peak_sessions"] <= 2  # the server learns a moment later


async def test_many_threads_make_one_call_at_a_time(server):
    server.control({"now": "2023-02-01T10:00:00"})
    answers, asked = [], QuotesQuery(symbols=symbols("600519.SH"))
    async with opened(server) as source:
        threads = [
            threading.Thread(target=lambda: answers.append(source.quotes(asked)[0].price))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(answers)) == 1
    assert len(answers) == 8
    assert server.statistics()["peak_sessions"] == 1


async def test_a_lost_connection_is_made_again(server, quick):
    async with opened(server) as source:
        await source.ping()
        server.control({"fault": {"method": "get_daybar_v", "kind": "drop", "times": 1}})
        assert len(source.bars(bars_of("000300.SH", **JANUARY))) > 0
        server.control({"fault": {"method": "get_daybar_v", "kind": "drop"}})
        with pytest.raises(SourceUnavailable, match="ProtocolError"):
            source.bars(bars_of("000300.SH", **JANUARY))


@pytest.mark.parametrize("kind", ["garbage", "not_msgpack", "half"])
async def test_broken_frames_are_the_sources_fault(server, quick, kind):
    server.control({"fault": {"method": "get_daybar_v", "kind": kind}})
    async with opened(server) as source:
        with pytest.raises(SourceUnavailable):
            source.bars(bars_of("000300.SH", **JANUARY))


async def test_a_column_nobody_asked_for_is_the_sources_fault(server):
    server.control({"fault": {"method": "get_daybar_v", "kind": "extra_column"}})
    async with opened(server) as source:
        with pytest.raises(SourceUnavailable, match="KeyError"):
            source.bars(bars_of("000300.SH", **JANUARY))


async def test_missing_numbers_are_null(server):
    server.control({"fault": {"method": "get_daybar_v", "kind": "nan"}})
    async with opened(server) as source:
        frame = source.bars(bars_of("000300.SH", **JANUARY))
    assert frame["close"].null_count() == len(frame) > 0


async def test_a_silent_server_costs_one_time_out_and_is_not_asked_again(server, quick):
    async with opened(server, timeout=1.0) as source:
        source.quotes(QuotesQuery(symbols=symbols("600519.SH")))
        server.control({"clear": True, "fault": {"method": "current_snapshots", "kind": "stall"}})
        began = datetime.now(SHANGHAI)
        with pytest.raises(SourceTimeout):
            source.quotes(QuotesQuery(symbols=symbols("600519.SH")))
        assert datetime.now(SHANGHAI) - began < timedelta(seconds=3)
        assert rpcs(server)["current_snapshots"] == 1
        assert source.report()["connections"] == 0


async def test_endless_gateway_errors_end_with_the_time_of_the_call(server, monkeypatch):
    fault = {"method": "get_daybar_v", "kind": "error", "errno": -2, "text": "gateway"}
    server.control({"fault": fault})
    async with opened(server, timeout=1.0) as source:
        began = datetime.now(SHANGHAI)
        with pytest.raises((SourceTimeout, SourceUnavailable)):
            source.bars(bars_of("000300.SH", **JANUARY))
        assert datetime.now(SHANGHAI) - began < timedelta(seconds=5)


async def test_closing_ends_a_call_under_way_and_every_connection(server, quick):
    failed = []

    def ask(source):
        try:
            source.quotes(QuotesQuery(symbols=symbols("600519.SH")))
        except (SourceUnavailable, SourceTimeout) as error:
            failed.append(error)

    async with opened(server, timeout=60.0) as source:
        source.quotes(QuotesQuery(symbols=symbols("600519.SH")))
        server.control({"fault": {"method": "current_snapshots", "kind": "stall"}})
        thread = threading.Thread(target=ask, args=(source,))
        thread.start()
        while not rpcs(server).get("current_snapshots", 0) > 1:
            pass
        await source.close()
        thread.join(10)
        assert not thread.is_alive()
        assert len(failed) == 1
        await source.close()
        assert source.report()["connections"] == 0
        with pytest.raises(SourceUnavailable):
            source.quotes(QuotesQuery(symbols=symbols("600519.SH")))


async def test_nothing_of_the_account_stays_in_the_process(server):
    import rqdatac.client

    async with opened(server) as source:
        await source.ping()
        assert rqdatac.initialized()
    assert not rqdatac.initialized()
    assert PASSWORD not in repr(vars(rqdatac.client))


async def test_two_sources_of_one_process_are_refused(server):
    async with opened(server):
        with pytest.raises(PluginError, match="one account") as error:
            async with opened(server):
                pass
        assert "isolation" in error.value.fix


async def test_warning_filters_and_the_way_to_show_warnings_stay(server):
    before, shown = list(warnings.filters), warnings.showwarning
    async with opened(server) as source:
        assert warnings.filters == before
        source.bars(bars_of("600519.SH", "999994.SZ", **JANUARY))
        assert warnings.filters == before
        assert warnings.showwarning is shown


async def test_no_plugin_of_the_vendors_is_imported_and_no_info_printed(server, capsys):
    import rqdatac.client

    async with opened(server) as source:
        await source.ping()
    assert not rqdatac.client._PLUGINS_IMPORTED
    assert capsys.readouterr().out == ""


async def test_a_proxy_without_its_package_is_named(server, monkeypatch):
    pytest.importorskip("rqdatac")
    try:
        import python_socks  # noqa: F401

        pytest.skip("python_socks is installed")
    except ImportError:
        pass
    monkeypatch.setenv("RQDATAC_PROXY", "http://user:hidden@127.0.0.1:9")
    with pytest.raises(PluginError) as error:
        async with opened(server):
            pass
    assert "RQDATAC_PROXY" in error.value.fix
    assert "hidden" not in str(error.value)


async def test_the_environments_account_is_not_used(server, monkeypatch):
    monkeypatch.setenv("RQDATAC2_CONF", "tcp://other:account@127.0.0.1:9")
    monkeypatch.setenv("RQDATAC_ENABLE_BJSE", "off")
    async with opened(server) as source:
        assert source.listings(ListingsQuery(exchanges=(Exchange.BJ,)))[Exchange.BJ]


async def test_a_host_elsewhere_is_warned_of(caplog):
    from argus_rqdatac.session import Session
    from argus_rqdatac.settings import RqdatacSettings

    settings = RqdatacSettings.model_validate(
        {"username": USER, "password": PASSWORD, "host": "rqdata.example"}
    )
    session = Session("rq", settings, Clock())
    session.open()
    session.close()
    assert "unencrypted" in caplog.text
    assert PASSWORD not in caplog.text
