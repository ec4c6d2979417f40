"""Instruments and listings over the generated market, units and permissions."""

from __future__ import annotations

from datetime import date

import pytest
from vendors.tushare_account import opened, serving, tables

from argus_core import (
    Exchange,
    InstrumentsQuery,
    Kind,
    ListingsQuery,
    PermissionDenied,
    Symbol,
)


@pytest.fixture(scope="module")
def running():
    with serving() as server:
        yield server


@pytest.fixture
def server(running):
    running.control({"fault": None, "clear": True})
    yield running
    running.control({"fault": None})


def asked(*symbols):
    return InstrumentsQuery(symbols=tuple(Symbol(symbol) for symbol in symbols))


@pytest.mark.parametrize("others", [(), ("000001.SZ", "300750.SZ")])
async def test_a_share_in_shares_and_yuan(server, others):
    async with opened(server) as source:
        found = {one.symbol: one for one in source.instruments(asked("600519.SH", *others))}
    assert found.keys() == {"600519.SH", *others}
    share = found["600519.SH"]
    row = [row for row in tables()["daily_basic"].rows if row["ts_code"] == "600519.SH"][-1]
    assert share.kind is Kind.STOCK
    assert (share.name, share.industry, share.market) == ("贵州茅台", "白酒", "主板")
    assert share.list_date == date(2001, 8, 27)
    assert share.total_shares == row["total_share"] * 10_000
    assert share.float_shares == row["float_share"] * 10_000
    assert share.market_cap == row["total_mv"] * 10_000
    assert share.market_cap == pytest.approx(share.total_shares * row["close"])
    assert (share.pe_ratio, share.pb_ratio, share.dividend_yield) == (12.5, 1.5, 2.25)
    assert share.delist_date is share.full_name is share.lot_size is None


async def test_without_permission_for_valuations_they_are_missing(caplog):
    with serving(denied=frozenset({"daily_basic", "bse_mapping"})) as server:
        async with opened(server) as source:
            found = source.instruments(asked("600519.SH", "920047.BJ"))
    assert len(found) == 2
    assert {one.market_cap for one in found} == {None}
    assert {one.former_symbols for one in found} == {()}
    assert "valuations are left out" in caplog.text


async def test_former_codes_of_beijing(server):
    async with opened(server) as source:
        (share,) = source.instruments(asked("920047.BJ"))
        listed = source.listings(ListingsQuery(exchanges=(Exchange.BJ,)))[Exchange.BJ]
    assert share.former_symbols == ("430047.BJ",)
    assert [known.former_symbols for known in listed] == [("430047.BJ",)]


async def test_every_other_kind(server):
    symbols = (
        *("510300.SH", "000300.SH", "113050.SH", "rb2410.SHFE", "IF2412.CFFEX"),
        *("rb88.SHFE", "10006000.SH", "m2409-C-3300.DCE", "600240.SH", "000991.SZ"),
    )
    async with opened(server) as source:
        found = {one.symbol: one for one in source.instruments(asked(*symbols, "510999.SH"))}
    assert found.keys() == set(symbols)
    assert found["510300.SH"].kind is Kind.FUND
    assert found["000300.SH"].full_name == "沪深300指数"
    assert found["113050.SH"].underlying == "601009.SH"
    assert found["rb2410.SHFE"].multiplier == 10
    assert found["IF2412.CFFEX"].multiplier == 300
    assert found["rb88.SHFE"].multiplier is None
    assert found["10006000.SH"].underlying == "510050.SH"
    assert found["m2409-C-3300.DCE"].underlying == "m2409.DCE"
    assert found["600240.SH"].delist_date == date(2021, 3, 15)
    assert found["000991.SZ"].delist_date is None


async def test_listings(server):
    exchanges = (Exchange.SH, Exchange.SZ, Exchange.BJ, Exchange.SHFE, Exchange.GFEX)
    async with opened(server) as source:
        found = source.listings(ListingsQuery(exchanges=exchanges))
    names = {exchange: sorted(one.symbol for one in table) for exchange, table in found.items()}
    assert names == {
        Exchange.SH: [
            *("000001.SH", "000300.SH", "113050.SH", "510300.SH"),
            *("600000.SH", "600519.SH", "688981.SH"),
        ],
        Exchange.SZ: sorted(
            ["000001.SZ", "300750.SZ", "000991.SZ", "159919.SZ", "399001.SZ", "127056.SZ"]
        ),
        Exchange.BJ: ["920047.BJ"],
        Exchange.SHFE: ["rb2410.SHFE"],
        Exchange.GFEX: ["lc2411.GFEX"],
    }


async def test_listings_without_every_permission(caplog):
    with serving(denied=frozenset({"cb_basic"})) as server:
        async with opened(server) as source:
            table = source.listings(ListingsQuery(exchanges=(Exchange.SZ,)))[Exchange.SZ]
    assert {one.kind for one in table} == {Kind.STOCK, Kind.FUND, Kind.INDEX}
    assert "cb_basic" in caplog.text
    with serving(denied=frozenset({"stock_basic"})) as server:
        async with opened(server) as source:
            with pytest.raises(PermissionDenied):
                source.listings(ListingsQuery(exchanges=(Exchange.SZ,)))
