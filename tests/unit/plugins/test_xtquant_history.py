"""History: what must be downloaded first, and what becomes of a download that fails."""

from __future__ import annotations

import time
from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.waiting import until
from support.xtquant import bars_of, opened, serving, symbols, ticks_of

from argus_core import (
    SHANGHAI,
    BadData,
    MainContractsQuery,
    NotOffered,
    Period,
    PermissionDenied,
    Preparing,
    QuotesQuery,
    SourceUnavailable,
    Symbol,
)
from argus_xtquant.days import current_date, settled_at, trading_dates
from argus_xtquant.downloads import Ledger

pytest.importorskip("pandas")
DAYS = (date(2019, 1, 2), date(2019, 1, 31))
RECORDED_DAY = date(2023, 2, 1)


@pytest.fixture(scope="module")
def running(market_data):
    with serving(market_data) as server:
        yield server


@pytest.fixture
def server(running):
    before = {name: getattr(running.settings, name) for name in running.settings.__slots__}
    running.control({"fault": None, "clear": True})
    yield running
    running.control({"fault": None, "refuse": False, "set": before})
    running.terminal.history.granted.clear()


@pytest.fixture
def bare(server):
    """A client that has downloaded nothing yet."""
    server.control({"set": {"downloaded": "none"}})
    return server


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/New_York"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def downloads(server):
    return [c["args"] for c in server.terminal.calls if c["method"].startswith("supply_history")]


async def days(source, *names, start=DAYS[0], end=DAYS[1]):
    rows = await source.bars(bars_of(*names, start=start, end=end))
    return [] if isinstance(rows, list) else rows.to_dicts()


async def test_what_the_client_lacks_is_downloaded_before_it_is_read(bare, zone):
    world = bare.terminal.world
    async with opened(bare) as source:
        rows = await days(source, "600519.SH")
        assert len(downloads(bare)) == 1
        again = await days(source, "600519.SH")
        assert again == rows
        assert len(downloads(bare)) == 1  # not twice
    expected = [d for d in world.days["600519.SH"] if DAYS[0] <= d.date <= DAYS[1]]
    assert [row["time"] for row in rows] == [day.date for day in expected]
    for row, day in zip(rows, expected, strict=True):
        assert (row["open"], row["high"], row["low"]) == (day.open, day.high, day.low)
        assert row["close"] == day.close
        assert row["prev_close"] == day.prev_close
        assert row["volume"] == pytest.approx(day.volume / 100, abs=0.51)


async def test_what_the_client_holds_is_not_downloaded(server):
    async with opened(server) as source:
        assert await days(source, "600519.SH")
    assert downloads(server) == []


async def test_nothing_is_downloaded_where_that_is_switched_off(bare):
    async with opened(bare, download=False) as source:
        assert await days(source, "600519.SH") == []
    assert downloads(bare) == []


async def test_only_what_is_missing_is_downloaded(server):
    """A long history whose last days alone are doubtful is not fetched again from its beginning."""
    async with opened(server, "2019-01-31 18:00:00") as source:
        await days(source, "600519.SH", start=date(2018, 6, 1))
        minutes = bars_of("600519.SH", start=date(2018, 6, 1), end=DAYS[1], period=Period.M1)
        server.control({"set": {"downloaded": [["600519.SH", "1d"]]}})
        await source.bars(minutes)
    (daily, minutely) = downloads(server)
    assert daily[2:4] == ["20190117", "20190131"]
    assert minutely[2] == "20180601000000"


async def test_suspended_days_are_no_rows_and_cost_one_download(server):
    start, end = date(2016, 2, 1), date(2016, 3, 31)
    traded = [d.date for d in server.terminal.world.days["600000.SH"] if start <= d.date <= end]
    assert 0 < len(traded) < len(trading_dates(start, end))
    async with opened(server) as source:
        for _ in range(2):
            rows = await days(source, "600000.SH", start=start, end=end)
            assert [row["time"] for row in rows if row["volume"]] == traded
    assert len(downloads(server)) == 1


async def test_minutes_keep_the_auctions_row_and_the_labels_of_the_vendor(bare, zone):
    day = date(2018, 1, 2)
    minutes = [m for m in bare.terminal.world.minutes["000001.SZ"] if m.end.date() == day]
    async with opened(bare) as source:
        query = bars_of("000001.SZ", start=day, end=day, period=Period.M1)
        rows = (await source.bars(query)).to_dicts()
    assert [row["time"] for row in rows if row["volume"]] == [m.end for m in minutes if m.volume]
    assert all(row["prev_close"] is None for row in rows)
    assert all(row["open_interest"] is None for row in rows)


async def test_ticks_are_downloaded_too(bare):
    async with opened(bare) as source:
        rows = await source.ticks(ticks_of("600519.SH", day=RECORDED_DAY))
    assert len(rows) > 100
    assert downloads(bare)[0][1] == "tick"


async def test_a_long_download_is_preparing_and_quotes_go_on(bare):
    bare.control({"set": {"download_seconds": 0.6, "download_steps": 6}})
    async with opened(bare, prepare_wait=0.05) as source:
        with pytest.raises(Preparing):
            await days(source, "600519.SH")
        began = time.monotonic()
        assert list(source.quotes(QuotesQuery(symbols=symbols("600519.SH"))))
        assert time.monotonic() - began < 0.4  # the lock is not held by the download
        assert source.report()["downloading"] == "1d"
        (job,) = source.jobs.status()
        with pytest.raises(Preparing):
            await days(source, "600519.SH")  # the same one is joined
        await until(lambda: not source.jobs.status())
        assert job.running
        assert await days(source, "600519.SH")
        assert len(downloads(bare)) == 1


@pytest.mark.parametrize("returned", [False, True])
async def test_a_failed_download_is_no_empty_answer_even_where_the_vendor_swallows_it(
    bare, returned
):
    """Where the native call returned a true value the vendor's module forgets the failure."""
    bare.control({"set": {"download_failure": "文件错误", "supply_returns": returned}})
    async with opened(bare) as source:
        with pytest.raises(BadData):
            await days(source, "600519.SH")
        bare.control({"set": {"download_failure": None}})
        assert await days(source, "600519.SH")  # a failure is not remembered as done


async def test_a_download_that_the_account_may_not_make(bare):
    bare.control({"set": {"download_failure": "没有权限"}})
    async with opened(bare) as source:
        with pytest.raises(PermissionDenied):
            await days(source, "600519.SH")


@pytest.mark.parametrize("returned", [False, True])
async def test_a_link_lost_during_a_download_ends_it(bare, returned):
    bare.control({"set": {"download_stalls": True, "supply_returns": returned}})
    async with opened(bare, prepare_wait=0.1) as source:
        with pytest.raises(Preparing):
            await days(source, "600519.SH")
        bare.control({"drop": True})
        await until(lambda: not source.jobs.status())
        bare.control({"set": {"download_stalls": False}})
    assert source.jobs.status() == ()


async def test_closing_ends_a_download_that_would_never_end(bare):
    bare.control({"set": {"download_stalls": True}})
    async with opened(bare, prepare_wait=0.05) as source:
        with pytest.raises(Preparing):
            await days(source, "600519.SH")
    await until(lambda: not source.jobs.status())


async def test_an_old_client_takes_one_series_a_download(bare):
    bare.control({"set": {"download_version": None}})
    async with opened(bare) as source:
        assert await days(source, "600519.SH", "000001.SZ")
        assert source.report()["client_download_version"] is None
    counted = Counter(c["method"] for c in bare.terminal.calls)
    assert counted["supply_history_data"] == 2
    assert counted["supply_history_data2"] == 0


async def test_one_wrong_code_does_not_fail_the_others(server):
    server.control({"set": {"unknown_code": "error"}})
    async with opened(server) as source:
        rows = await days(source, "600519.SH", "600009.SH", "699999.SH")
        assert {row["symbol"] for row in rows} >= {"600519.SH"}
        assert "699999.SH" not in {row["symbol"] for row in rows}


@pytest.mark.parametrize("version", [1, None])
async def test_a_wrong_code_does_not_fail_the_download_of_the_others(bare, version):
    server, method = bare, "supply_history_data2" if version else "supply_history_data"
    server.control({"set": {"download_version": version}})
    async with opened(server) as source:
        times = 2 if version else 1  # that of both together, and that of the first one alone
        server.control({"fault": "bad_code", "methods": [method], "times": times})
        rows = await days(source, "699999.SH", "600519.SH")
    assert {row["symbol"] for row in rows} == {"600519.SH"}


@pytest.mark.parametrize("unknown", ["empty", "absent"])
async def test_an_unknown_code_is_left_out_whether_empty_or_absent(server, unknown):
    server.control({"set": {"unknown_code": unknown}})
    async with opened(server) as source:
        rows = await days(source, "600519.SH", "699999.SH")
    assert {row["symbol"] for row in rows} == {"600519.SH"}


async def test_a_period_that_the_client_does_not_know_is_not_offered(server):
    async with opened(server) as source:
        server.control({"fault": "bad_period", "methods": ["get_market_data3"]})
        with pytest.raises(NotOffered):
            await days(source, "600519.SH")


async def test_symbols_without_a_code_are_not_offered(server):
    async with opened(server) as source:
        with pytest.raises(NotOffered):
            await days(source, "rb99.SHFE")
        with pytest.raises(NotOffered):
            await source.ticks(ticks_of("CF1501.CZCE", day=RECORDED_DAY))


async def test_a_day_that_was_downloaded_unfinished_is_downloaded_again_after_its_close(server):
    """The client's files keep what was downloaded at eleven o'clock as if it were the day."""
    today = date(2019, 1, 16)
    query = {"start": date(2019, 1, 14), "end": today}
    async with opened(server, "2019-01-16 11:00:00") as source:
        await days(source, "600519.SH", **query)
        await days(source, "600519.SH", **query)
        assert len(downloads(server)) == 1
        source.clock.advance(61)
        await days(source, "600519.SH", **query)
        assert len(downloads(server)) == 2  # the day goes on
        source.clock.advance(5 * 3600)
        await days(source, "600519.SH", **query)
        assert len(downloads(server)) == 3  # it is over
        source.clock.advance(6 * 3600)
        await days(source, "600519.SH", **query)
        assert len(downloads(server)) == 3


async def test_past_main_contracts_come_from_the_list_of_changes(server, monkeypatch):
    pandas = pytest.importorskip("pandas")
    changes = pandas.DataFrame(
        {
            "time": [1704124800000, 1709222400000, 1735660800000],
            "合约在交易所的代码": ["rb2405", "rb2410", "rb2505"],
        }
    )
    async with opened(server, "2026-04-30 16:30:00", download=False) as source:
        xtdata = source._session._xtdata
        monkeypatch.setattr(xtdata, "get_market_data_ex", lambda *a, **k: {"rb00.SF": changes})
        asked = MainContractsQuery(symbols=symbols("rb88.SHFE"), day=date(2024, 6, 28))
        assert await source.main_contracts(asked) == {Symbol("rb88.SHFE"): Symbol("rb2410.SHFE")}
        asked = MainContractsQuery(symbols=symbols("rb88.SHFE"), day=date(2023, 12, 29))
        assert await source.main_contracts(asked) == {}


async def test_a_client_that_is_gone_is_unavailable(server):
    async with opened(server) as source:
        server.control({"refuse": True})
        with pytest.raises(SourceUnavailable):
            await days(source, "600519.SH")


# --- the ledger

NOW = datetime(2024, 3, 15, 10, 0, tzinfo=SHANGHAI)
SESSIONS = trading_dates(date(2024, 1, 2), date(2024, 3, 15))
stretches = st.tuples(st.integers(0, len(SESSIONS) - 1), st.integers(0, len(SESSIONS) - 1)).map(
    sorted
)


@given(st.lists(stretches, max_size=30), stretches)
def test_what_was_downloaded_after_its_close_is_never_lacking(done, asked):
    ledger = Ledger(60)
    for first, last in done:
        ledger.note(["c"], "1d", SESSIONS[first], SESSIONS[last], NOW)
    span = SESSIONS[asked[0] : asked[1] + 1]
    covered = {d for first, last in done[-20:] for d in SESSIONS[first : last + 1]}
    lacking = set(ledger.lacking("c", "1d", span, (), NOW))
    assert not lacking & covered
    assert lacking >= set(span) - {d for f, t in done for d in SESSIONS[f : t + 1]}
    assert ledger.lacking("c", "1m", span, (), NOW) == list(span)


@given(st.integers(0, 40), st.sets(st.sampled_from(SESSIONS)))
def test_old_days_with_rows_are_trusted_and_recent_ones_are_not(ago, held):
    span = SESSIONS[-1 - ago :]
    lacking = Ledger(60).lacking("c", "1d", span, held, NOW)
    recent = NOW.date() - timedelta(days=14)
    assert lacking == [day for day in span if day >= recent or day not in held]


def test_the_evening_belongs_to_the_next_trading_date():
    assert current_date(datetime(2024, 3, 15, 19, 59, tzinfo=SHANGHAI)) == date(2024, 3, 15)
    assert current_date(datetime(2024, 3, 15, 21, 0, tzinfo=SHANGHAI)) == date(2024, 3, 18)
    assert settled_at(date(2024, 3, 15)) == datetime(2024, 3, 15, 16, tzinfo=SHANGHAI)


def test_beyond_the_calendar_weekdays_are_trading_dates():
    assert trading_dates(date(2090, 1, 2), date(2090, 1, 9)) == tuple(
        date(2090, 1, d) for d in range(2, 10) if date(2090, 1, d).weekday() < 5
    )
    assert trading_dates(date(2024, 1, 5), date(2024, 1, 4)) == ()
