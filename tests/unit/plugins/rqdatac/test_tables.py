"""Instruments, listings, calendars and sectors, and the client's caches that hide change."""

from __future__ import annotations

from datetime import date, datetime
from types import SimpleNamespace

import pytest
from support.rqdata import (
    JANUARY,
    ServersClock,
    bars_of,
    opened,
    rpcs,
    symbols,
)

from argus_core import (
    SHANGHAI,
    BadData,
    CalendarQuery,
    Exchange,
    InstrumentsQuery,
    Kind,
    ListingsQuery,
    MainContractsQuery,
    NotOffered,
    QuotesQuery,
    SectorsQuery,
    SourceUnavailable,
)
from argus_rqdatac.calendars import read_calendar
from argus_rqdatac.session import FRESH_LISTING

EVERY_KIND = (
    *("600519.SH", "000300.SH", "510300.SH", "113050.SH", "rb2410.SHFE", "CF2501.CZCE"),
    *("IF2412.CFFEX", "rb88.SHFE", "10006000.SH", "m2409-C-3300.DCE"),
)


async def test_instruments_of_every_kind(server, world):
    async with opened(server) as source:
        found = source.instruments(InstrumentsQuery(symbols=symbols(*EVERY_KIND, "999996.SZ")))
    by_symbol = {one.symbol: one for one in found}
    assert by_symbol.keys() == set(EVERY_KIND)
    assert by_symbol["600519.SH"].kind is Kind.STOCK
    assert by_symbol["600519.SH"].list_date == world.listed["600519.SH"].list_date
    assert by_symbol["600519.SH"].industry is None  # another classification than the market's
    assert by_symbol["600519.SH"].delist_date is None
    assert by_symbol["600519.SH"].market == "主板"
    assert by_symbol["000300.SH"].market is None
    assert by_symbol["IF2412.CFFEX"].multiplier == 300
    assert by_symbol["10006000.SH"].underlying == "510050.SH"
    assert by_symbol["rb88.SHFE"].list_date is None  # written 0000-00-00
    # Never read: a stock's repr asks the server for its industry.
    assert "get_instrument_industry" not in rpcs(server)


async def test_listings_hold_what_is_listed_today(server, world):
    now = datetime(2024, 3, 15, 10, tzinfo=SHANGHAI)
    clock = ServersClock(server)
    clock.at = now
    exchanges = (Exchange.SH, Exchange.BJ, Exchange.SHFE)
    async with opened(server, clock) as source:
        tables = source.listings(ListingsQuery(exchanges=exchanges))
    assert set(tables) == set(exchanges)
    for exchange, table in tables.items():
        assert table
        for one in table:
            assert one.symbol.exchange is exchange
            assert one.list_date is None or one.list_date <= now.date()
            assert one.delist_date is None or one.delist_date >= now.date()
    names = {one.symbol for one in tables[Exchange.SHFE]}
    assert "rb2410.SHFE" in names
    assert "rb88.SHFE" not in names
    shares = {one.symbol for one in tables[Exchange.SH] if one.kind is Kind.STOCK}
    listed = {
        name
        for name, one in world.listed.items()
        if name.endswith(".SH")
        and one.kind == "stock"
        and (one.list_date is None or one.list_date <= now.date())
        and (one.delist_date is None or one.delist_date >= now.date())
    }
    assert shares == listed
    asked = [call["kwargs"]["instrument_type"] for call in rpcs(server, "all_instruments_by_type")]
    assert "Option" not in asked  # all that ever expired


async def test_beijing_needs_the_setting(server):
    exchanges = (Exchange.SH, Exchange.BJ)
    async with opened(server, enable_bjse=False) as source:
        assert not source.listings(ListingsQuery(exchanges=exchanges))[Exchange.BJ]
    async with opened(server, enable_bjse=True) as source:
        assert source.listings(ListingsQuery(exchanges=exchanges))[Exchange.BJ]


async def test_the_calendar_claims_what_it_holds(server, world):
    start, end = date(2024, 4, 29), date(2030, 1, 1)
    asked = CalendarQuery(exchanges=(Exchange.SH, Exchange.DCE), start=start, end=end)
    async with opened(server) as source:
        days = source.calendar(asked)
    assert set(days) == {Exchange.SH, Exchange.DCE}
    assert days[Exchange.SH].dates == tuple(day for day in world.sessions if start <= day)
    assert days[Exchange.SH].known_through == world.sessions[-1]


async def test_a_calendar_that_ends_early_says_so(server, world):
    server.control({"fault": {"method": "get_all_trading_dates", "kind": "truncated"}})
    asked = CalendarQuery(exchanges=(Exchange.SH,), start=world.sessions[0], end=date(2024, 1, 5))
    async with opened(server) as source:
        days = source.calendar(asked)[Exchange.SH]
    assert days.known_through == days.dates[-1] < date(2024, 1, 1)


def test_a_calendar_that_begins_late_is_not_offered_before():
    known = [date(2000, 1, 4), date(2000, 1, 5), date(2000, 1, 6)]
    session = SimpleNamespace(call=lambda what, work: known)
    with pytest.raises(NotOffered):
        read_calendar(session, date(1999, 12, 1), date(2000, 2, 1))
    days = read_calendar(session, date(2000, 1, 4), date(2000, 2, 1))
    assert (days.dates, days.known_through) == (tuple(known), date(2000, 1, 6))


def test_an_empty_calendar_is_no_calendar():
    with pytest.raises(BadData):
        read_calendar(SimpleNamespace(call=lambda what, work: []), date(2024, 1, 1), date.max)


async def test_the_vendors_own_sectors(server, world):
    names = ("能源", "Energy", "citics_2019:银行", "J66", "沪深A股", "nobody:银行", "平安银行")
    async with opened(server) as source:
        found = source.sectors(SectorsQuery(sectors=names))
    assert set(found) <= {"能源", "Energy", "citics_2019:银行", "J66"}
    assert found["能源"] == found["Energy"]
    today = server.vendor.now.date()
    banks = {
        name
        for name, one in world.listed.items()
        if one.industry == "银行" and (one.delist_date is None or one.delist_date >= today)
    }
    assert set(found["citics_2019:银行"]) == banks


async def test_main_contracts_on_a_day_without_session(server):
    asked = MainContractsQuery(
        symbols=symbols("rb88.SHFE", "IF88.CFFEX", "rb2410.SHFE", "rb99.SHFE"),
        day=date(2024, 1, 6),  # a Saturday: that of the Friday
    )
    async with opened(server) as source:
        found = source.main_contracts(asked)
    assert found == {"rb88.SHFE": "rb2410.SHFE", "IF88.CFFEX": "IF2412.CFFEX"}
    starts = {tuple(call["args"][1:3]) for call in rpcs(server, "futures.get_dominant_v2")}
    assert starts == {(20240105, 20240105)}


async def test_all_unknown_is_an_empty_answer_and_no_error(server):
    async with opened(server) as source:
        assert len(source.bars(bars_of("999995.SZ", **JANUARY))) == 0
        assert source.quotes(QuotesQuery(symbols=symbols("999995.SZ"))) == []
    assert not rpcs(server, "get_daybar_v")
    assert not rpcs(server, "current_snapshots")


async def test_foreign_rows_are_no_answer(server):
    server.control({"fault": {"method": "get_daybar_v", "kind": "foreign"}})
    async with opened(server) as source:
        with pytest.raises(BadData):
            source.bars(bars_of("600519.SH", start=date(2019, 6, 3), end=date(2019, 6, 28)))


async def test_a_listing_newer_than_the_caches_is_found_once(server, world):
    listed, ids = server.vendor.instruments, server.vendor.instruments.ids
    hidden = "600519.XSHG"
    clock = ServersClock(server)
    try:
        listed.ids = lambda: [row for row in ids() if row["order_book_id"] != hidden]
        async with opened(server, clock) as source:
            asked = InstrumentsQuery(symbols=symbols("600519.SH", "600000.SH"))
            assert [one.symbol for one in source.instruments(asked)] == ["600000.SH"]
            before = rpcs(server)["all_obid_type_list"]
            listed.ids = ids
            # Emptied a moment ago: not again for every question about a stranger.
            assert len(source.instruments(asked)) == 1
            assert rpcs(server)["all_obid_type_list"] == before
            clock.later = FRESH_LISTING
            assert len(source.instruments(asked)) == 2
    finally:
        listed.ids = ids


async def test_a_listing_between_two_caches_is_found(server):
    """It stands in the table of ids, and not yet in the list of its type: a bare KeyError."""
    instruments = server.vendor.instruments
    of_type = instruments.of_type
    asked = InstrumentsQuery(symbols=symbols("600519.SH"))
    try:
        instruments.of_type = lambda kind: [
            row for row in of_type(kind) if row["order_book_id"] != "600519.XSHG"
        ]
        async with opened(server) as source:
            assert source.instruments(InstrumentsQuery(symbols=symbols("600000.SH")))
            instruments.of_type = of_type
            assert len(source.instruments(asked)) == 1
            instruments.of_type = lambda kind: []
            await source.close()
            await source.open()
            with pytest.raises(SourceUnavailable):
                source.instruments(asked)
    finally:
        instruments.of_type = of_type


@pytest.mark.parametrize(
    ("later", "renewed"),
    [
        ("2024-03-15T08:30:00", False),
        ("2024-03-15T08:50:00", True),
        ("2024-03-16T00:01:00", True),
    ],
)
async def test_caches_are_emptied_after_midnight_and_before_the_open(server, later, renewed):
    clock = ServersClock(server)
    clock.at = datetime(2024, 3, 15, 8, 0, tzinfo=SHANGHAI)
    asked = CalendarQuery(exchanges=(Exchange.SH,), start=date(2024, 1, 2), end=date(2024, 1, 5))
    async with opened(server, clock) as source:
        source.calendar(asked)
        source.calendar(asked)
        clock.at = datetime.fromisoformat(later).replace(tzinfo=SHANGHAI)
        source.calendar(asked)
    assert rpcs(server)["get_all_trading_dates"] == 1 + renewed
