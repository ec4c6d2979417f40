"""The source through the shipped xtdata.py, over the native stand-in."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import date, datetime

import pytest
from support.waiting import block_until, until
from support.xtquant import AFTER_HOURS, bars_of, opened, serving, symbols, ticks_of

from argus_core import (
    SHANGHAI,
    BadData,
    CalendarQuery,
    ChartPanelsQuery,
    DepthQuery,
    Exchange,
    FactorsQuery,
    InstrumentsQuery,
    Kind,
    ListingsQuery,
    MainContractsQuery,
    NotOffered,
    Period,
    PermissionDenied,
    QuotesQuery,
    SectorsQuery,
    SourceUnavailable,
    Symbol,
    Throttled,
)

pytest.importorskip("pandas")
RECORDED_DAY = date(2023, 2, 1)
IN_SESSION = "2023-02-01 10:00:00"


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


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/New_York"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def quotes(source, *names):
    return {quote.symbol: quote for quote in source.quotes(QuotesQuery(symbols=symbols(*names)))}


# --- quotes and books


async def test_quotes_in_the_vendors_units_and_canonical_symbols(server, zone):
    async with opened(server, IN_SESSION) as source:
        found = quotes(source, "600519.SH", "rb88.SHFE", "999999.SH")
    tick = server.terminal.world.snapshot(
        "600519.SH", datetime.fromisoformat(IN_SESSION).replace(tzinfo=SHANGHAI)
    )
    quote = found[Symbol("600519.SH")]
    assert quote.as_of == tick.time
    assert quote.price == tick.last
    assert quote.volume == pytest.approx(tick.volume / 100, abs=0.5)
    assert Symbol("999999.SH") not in found  # absence is no data, not a fault


async def test_an_old_client_without_times_gives_the_same_quotes(server, zone):
    async with opened(server, IN_SESSION) as source:
        new = quotes(source, "600519.SH", "688293.SH")
        server.control({"set": {"old_client": True}})
        assert quotes(source, "600519.SH", "688293.SH") == new


async def test_before_the_first_trade_there_is_a_previous_close_and_no_price(server):
    async with opened(server, "2023-02-01 09:22:00") as source:
        quote = quotes(source, "600519.SH")[Symbol("600519.SH")]
        (book,) = source.depth(DepthQuery(symbols=symbols("600519.SH")))
    assert quote.price is quote.open is None
    assert quote.prev_close == 1845.76
    assert book.bids
    assert book.bids[0].price == book.asks[0].price


async def test_all_zero_snapshots_answer_nothing_but_zeros_left_out(server):
    async with opened(server) as source:
        server.control({"set": {"zeros": True}})
        for quote in source.quotes(QuotesQuery(symbols=symbols("600519.SH", "688981.SH"))):
            assert quote.price != 0
            assert quote.prev_close != 0


async def test_books_have_as_many_levels_as_the_account_may_see(server):
    async with opened(server, IN_SESSION) as source:
        (book,) = source.depth(DepthQuery(symbols=symbols("600519.SH")))
        assert len(book.bids) == len(book.asks) == 5
        assert all(level.price > 0 for level in (*book.bids, *book.asks))
        assert book.bids[0].price < book.asks[0].price


async def test_level_2_falls_back_with_a_logged_reason(server, caplog):
    async with opened(server, IN_SESSION, level2=True) as source:
        server.control({"fault": "no_permission", "methods": ["subscribe_quote"]})
        (book,) = source.depth(DepthQuery(symbols=symbols("600519.SH")))
        (book,) = source.depth(DepthQuery(symbols=symbols("600519.SH")))
        assert len(book.bids) == 5
        assert "may not read" in str(source.report()["level2"])
    assert sum("level 2 is not used" in text for text in caplog.messages) == 1


async def test_level_2_that_holds_nothing_yet_is_answered_by_the_ordinary_book(server):
    async with opened(server, IN_SESSION, level2=True) as source:
        (book,) = source.depth(DepthQuery(symbols=symbols("600519.SH")))
        assert len(book.bids) == 5
        subscribed = [c for c in server.terminal.calls if c["method"] == "subscribe_quote"]
        assert len(subscribed) == 1
        assert source.report()["level2"] is True


async def test_a_wrong_code_costs_the_others_no_quote(server):
    """Whether a client leaves such a code out, or fails over it, nobody has shown."""
    async with opened(server, IN_SESSION) as source:
        server.control({"fault": "bad_code", "methods": ["get_full_tick"], "times": 1})
        assert set(quotes(source, "600519.SH", "699999.SH")) == {"600519.SH"}
        server.control({"fault": "bad_code", "methods": ["get_full_tick"]})
        assert quotes(source, "699999.SH") == {}


async def test_a_client_that_knows_subscribed_codes_only_is_told_what_is_wanted(server):
    server.control({"set": {"full_tick_needs_subscription": True}})
    async with opened(server, IN_SESSION) as source:
        for _ in range(2):
            assert set(quotes(source, "600519.SH", "699999.SH")) == {"600519.SH"}
        asked = [c for c in server.terminal.calls if c["method"] == "subscribe_whole_quote"]
        assert [call["args"][0] for call in asked] == [["600519.SH"]]


async def test_no_more_is_woken_than_may_be_subscribed(server):
    server.control({"set": {"full_tick_needs_subscription": True}})
    async with opened(server, IN_SESSION, max_subscriptions=1) as source:
        assert set(quotes(source, "600519.SH")) == {"600519.SH"}
        assert quotes(source, "600000.SH") == {}


async def test_a_refused_subscription_leaves_quotes_as_they_are(server):
    server.control({"set": {"full_tick_needs_subscription": True}})
    server.control({"fault": "no_permission", "methods": ["subscribe_whole_quote"]})
    async with opened(server, IN_SESSION) as source:
        assert quotes(source, "600519.SH") == {}


async def test_codes_keep_their_case(server):
    async with opened(server) as source:
        quotes(source, "rb88.SHFE", "CF88.CZCE")
    (asked,) = [c["args"][0] for c in server.terminal.calls if c["method"] == "get_full_tick"]
    assert set(asked) == {"rb00.SF", "CF00.ZF"}


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        ("no_permission", PermissionDenied),
        ("throttled", Throttled),
        ("unsupported", NotOffered),
        ("broken_json", BadData),
    ],
)
async def test_failures_of_the_client_are_told_apart(server, fault, meaning):
    async with opened(server) as source:
        server.control({"fault": fault, "methods": ["get_full_tick"]})
        with pytest.raises(meaning):
            quotes(source, "600519.SH")


# --- the connection


async def test_the_explicit_port_is_the_one_that_is_asked(server):
    async with opened(server) as source:
        assert source.report()["connected"] is True
        assert source.report()["sdk_version"]
        assert source.report()["client_version"] == "sp3 1.0"
        assert source.report()["data_dir"] == "C:/miniqmt/userdata_mini/datadir"
        assert server.told()["links"] == 1


async def test_no_client_says_what_to_start(server):
    server.control({"refuse": True})
    with pytest.raises(SourceUnavailable, match="miniQMT"):
        async with opened(server):
            pass


async def test_connecting_prints_no_banner(server, capsys):
    async with opened(server) as source:
        await source.ping()
    assert capsys.readouterr().out == ""


async def test_after_a_drop_eight_threads_make_one_connection(server):
    async with opened(server) as source:
        server.control({"drop": True})
        await until(lambda: not source.report()["connected"])
        await asyncio.gather(*(asyncio.to_thread(quotes, source, "600519.SH") for _ in range(8)))
        assert source.report()["connections"] == 2
        assert server.told()["links"] == 1


async def test_a_link_that_breaks_during_a_call_is_unavailable_and_comes_back(server):
    async with opened(server) as source:

        def ask(xtdata):
            client = xtdata.get_client()
            server.control({"drop": True})
            block_until(lambda: not client.is_connected())
            return client.get_full_tick(["600519.SH"])

        with pytest.raises(SourceUnavailable, match="broke during the call"):
            source._session.call("quotes", ask)
        assert quotes(source, "600519.SH")


async def test_ping_sees_a_client_that_is_gone(server):
    async with opened(server) as source:
        await source.ping()
        server.control({"refuse": True})
        with pytest.raises(SourceUnavailable):
            await source.ping()
        server.control({"refuse": False})
        await source.ping()


async def test_ping_of_a_client_that_is_not_logged_in(server):
    async with opened(server) as source:
        server.control({"fault": "empty", "methods": ["get_trading_dates_by_market"]})
        with pytest.raises(SourceUnavailable, match="logged in"):
            await source.ping()


async def test_calls_are_made_one_at_a_time(server):
    """Whether the native client is thread-safe, nobody knows."""
    together = []
    running = threading.Semaphore(0)
    async with opened(server) as source:
        session = source._session

        def ask(_):
            running.release()
            together.append(1)
            time.sleep(0.002)
            assert len(together) == 1
            together.pop()

        await asyncio.gather(*(asyncio.to_thread(session.call, "x", ask) for _ in range(20)))


# --- factors, instruments, listings, sectors


async def test_factors_are_the_products_of_the_ratios_and_begin_in_force(server, zone):
    world = server.terminal.world
    start, end = date(2015, 1, 1), date(2019, 12, 31)
    async with opened(server) as source:
        rows = source.factors(
            FactorsQuery(
                symbols=symbols("600519.SH", "000300.SH", "999999.SH"), start=start, end=end
            )
        )
    assert {row["symbol"] for row in rows} == {"600519.SH"}
    events = [event for event in world.events["600519.SH"] if start < event.ex_date <= end]
    assert [row["date"] for row in rows] == [start, *(event.ex_date for event in events)]
    for before, after, event in zip(rows, rows[1:], events, strict=False):
        assert after["factor"] / before["factor"] == pytest.approx(event.ratio)


async def test_a_share_without_events_has_the_factor_one(server):
    async with opened(server) as source:
        server.control({"fault": "empty", "methods": ["get_divid_factors"]})
        (row,) = source.factors(
            FactorsQuery(symbols=symbols("600519.SH"), start=RECORDED_DAY, end=RECORDED_DAY)
        )
    assert (row["date"], row["factor"]) == (RECORDED_DAY, 1.0)


async def test_instruments_without_sentinels(server):
    names = ("600519.SH", "rb2410.SHFE", "CF2501.CZCE", "CF1501.CZCE", "10006000.SH", "999999.SH")
    async with opened(server) as source:
        found = {i.symbol: i for i in source.instruments(InstrumentsQuery(symbols=symbols(*names)))}
        server.control({"set": {"old_client": True}})
        old = {i.symbol: i for i in source.instruments(InstrumentsQuery(symbols=symbols(*names)))}
    assert old == found  # FloatVolumn and TotalVolumn
    assert found.keys() == {"600519.SH", "rb2410.SHFE", "CF2501.CZCE", "10006000.SH"}
    share, future = found[Symbol("600519.SH")], found[Symbol("rb2410.SHFE")]
    assert (share.name, share.list_date, share.delist_date) == ("贵州茅台", date(2001, 8, 27), None)
    assert share.total_shares == server.terminal.world.listed["600519.SH"].total_shares
    assert (share.multiplier, future.multiplier) == (None, 10.0)
    assert future.delist_date == date(2024, 12, 31)
    assert found[Symbol("10006000.SH")].underlying == "510050.SH"


@pytest.mark.parametrize("long_markets", [False, True])
async def test_listings_hold_what_is_listed_today(server, long_markets):
    server.control({"set": {"long_markets": long_markets, "keep_expired": True}})
    exchanges = (Exchange.SHFE, Exchange.CZCE, Exchange.CFFEX)
    async with opened(server, "2024-06-28 16:00:00", prepare_wait=30) as source:
        tables = await source.listings(ListingsQuery(exchanges=exchanges))
        calls = len(server.terminal.calls)
        await source.listings(ListingsQuery(exchanges=exchanges))
        assert len(server.terminal.calls) == calls
    assert "rb2410.SHFE" in {i.symbol for i in tables[Exchange.SHFE]}
    assert "CF2501.CZCE" in {i.symbol for i in tables[Exchange.CZCE]}
    assert {i.kind for i in tables[Exchange.CFFEX]} <= {Kind.FUTURE, Kind.OPTION}
    for table in tables.values():
        assert all(i.delist_date is None or i.delist_date >= date(2024, 6, 28) for i in table)


async def test_sectors_of_the_client_and_none_for_unknown_names(server):
    async with opened(server) as source:
        found = await source.sectors(SectorsQuery(sectors=("科创板", "no such sector")))
        assert found.keys() == {"科创板"}
        assert all(symbol.startswith("68") for symbol in found["科创板"])


async def test_a_sector_whose_name_the_vendor_would_change_is_not_asked(server):
    async with opened(server, download=False) as source:
        assert await source.sectors(SectorsQuery(sectors=("科创/板", "科创板?"))) == {}
        asked = {c["method"] for c in server.terminal.calls}
    assert "get_stock_list_in_sector" not in asked


# --- the calendar


async def test_dates_are_beijings_wherever_the_host_stands(server, zone):
    query = CalendarQuery(
        exchanges=(Exchange.SH, Exchange.SHFE), start=date(2023, 1, 16), end=date(2023, 2, 3)
    )
    async with opened(server, "2023-02-03 16:00:00") as source:
        days = source.calendar(query)
    expected = [d for d in server.terminal.world.sessions if query.start <= d <= query.end]
    for exchange in query.exchanges:
        assert list(days[exchange].dates) == expected
        assert days[exchange].known_through >= query.end


async def test_days_to_come_follow_from_the_holidays_wherever_the_host_stands(server, zone):
    """The vendor's own calendar of days to come is a day off on hosts in other zones."""
    query = CalendarQuery(exchanges=(Exchange.SH,), start=date(2023, 9, 25), end=date(2023, 10, 31))
    async with opened(server, "2023-09-27 10:00:00") as source:
        days = source.calendar(query)[Exchange.SH]
    expected = [d for d in server.terminal.world.sessions if query.start <= d <= query.end]
    assert list(days.dates) == expected
    assert days.known_through == date(2023, 12, 31)


async def test_without_holidays_nothing_is_claimed_beyond_the_last_known_date(server):
    query = CalendarQuery(exchanges=(Exchange.SH,), start=date(2023, 9, 25), end=date(2023, 10, 31))
    async with opened(server, "2023-09-27 10:00:00") as source:
        server.control({"fault": "unsupported", "methods": ["get_holidays", "commonControl"]})
        days = source.calendar(query)[Exchange.SH]
    assert days.known_through == date(2023, 9, 27)
    assert max(days.dates) == date(2023, 9, 27)


async def test_the_weekend_after_the_last_known_date_is_known(server):
    query = CalendarQuery(exchanges=(Exchange.SH,), start=date(2023, 9, 18), end=date(2023, 9, 24))
    async with opened(server, "2023-09-22 16:00:00") as source:
        server.control({"fault": "unsupported", "methods": ["get_holidays", "commonControl"]})
        assert source.calendar(query)[Exchange.SH].known_through == date(2023, 9, 24)


# --- main contracts and panels


async def test_the_main_contract_of_today_and_none_for_unknown_series(server):
    names = symbols("rb88.SHFE", "zn88.SHFE")
    async with opened(server, "2024-06-28 16:00:00") as source:
        found = await source.main_contracts(
            MainContractsQuery(symbols=names, day=date(2024, 6, 28))
        )
        assert found == {Symbol("rb88.SHFE"): Symbol("rb2410.SHFE")}
        with pytest.raises(NotOffered):
            await source.main_contracts(
                MainContractsQuery(symbols=symbols("rb2410.SHFE"), day=date(2024, 6, 28))
            )
        with pytest.raises(NotOffered):
            await source.main_contracts(MainContractsQuery(symbols=names, day=date(2025, 1, 1)))


async def test_panels_that_this_client_does_not_draw_are_not_offered(server):
    query = ChartPanelsQuery(panels=("p",), symbols=symbols("600519.SH"), period=Period.D1)
    async with opened(server) as source:
        with pytest.raises(NotOffered):
            source.chart_panels(query)
        names = [c["args"] for c in server.terminal.calls if c["method"] == "commonControl"]
    assert [args[0] for args in names if "panel" in args[0]] == ["applyuipanelcontrol"]
    (panel,) = next(args[1]["data"] for args in names if "panel" in args[0])
    assert (panel["code"], panel["period"]) == ("600519.SH", "1d")


async def test_panels_need_the_clients_own_module(server):
    query = ChartPanelsQuery(panels=("p",), symbols=symbols("600519.SH"), period=Period.D1)
    async with opened(server) as source:
        source._panels._settings = source.settings.model_copy(update={"module": "a.bridge"})
        with pytest.raises(NotOffered):
            source.chart_panels(query)


# --- past snapshots


async def test_past_snapshots_as_recorded(server, zone):
    query = ticks_of("600519.SH", "000001.SZ", day=RECORDED_DAY)
    async with opened(server) as source:
        rows = (await source.ticks(query)).to_dicts()
    recorded = server.terminal.world.ticks["600519.SH"]
    ticks = [tick for tick in recorded if query.since <= tick.time <= query.until]
    assert not ticks[0].volume  # the auction is in it
    assert len(rows) == len(ticks)
    for row, tick in zip(rows, ticks, strict=True):
        assert row["time"] == tick.time
        assert row["price"] == (tick.last if tick.volume else None)
        assert row["volume"] == pytest.approx(tick.volume / 100, abs=0.5)
        assert row["open_interest"] is None
        asks = [row[f"ask_price{n}"] for n in range(1, 6)]
        assert [a for a in asks if a] == [price for price, _ in tick.asks]


async def test_a_code_without_snapshots_does_not_take_the_others_with_it(server):
    names = ("000001.SZ", "600519.SH", "rb88.SHFE")
    async with opened(server, AFTER_HOURS) as source:
        rows = await source.ticks(ticks_of(*names, day=RECORDED_DAY))
    assert set(rows["symbol"]) == {"600519.SH"}


async def test_bars_of_a_range_are_inclusive_text_never_a_mixture(server):
    async with opened(server) as source:
        await source.bars(bars_of("600519.SH", start=date(2019, 1, 2), end=date(2019, 1, 31)))
    (asked,) = [c["args"] for c in server.terminal.calls if c["method"] == "get_market_data3"]
    assert asked[3:5] == ["20190102", "20190131"]
    assert asked[6:8] == ["none", False]  # raw, and nothing filled in
