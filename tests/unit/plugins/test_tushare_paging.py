"""Whole answers, whatever the server cuts."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendors.tushare_account import bars_of, opened, serving, tables

from argus_core import SHANGHAI, BadData, Kind, Period
from argus_tushare.answer import Table
from argus_tushare.interfaces import DAILY, MINUTES, Interface
from argus_tushare.paging import fetch, fetch_minutes


class Vendor:
    """A server of ``total`` minutes that cuts at ``cap`` and answers in either order."""

    def __init__(self, total: int, cap: int, *, newest_first: bool, tells: bool) -> None:
        day = datetime(2024, 1, 2, tzinfo=SHANGHAI)
        stamps = [day.replace(hour=at // 60, minute=at % 60) for at in range(total)]
        self.rows = [[f"{at:%Y-%m-%d %H:%M:%S}"] for at in stamps]
        if newest_first:
            self.rows.reverse()
        self.cap, self.tells, self.calls = cap, tells, 0

    def table(self, api_name, fields="", *, start_date="", end_date="9", limit=None, offset=0):
        self.calls += 1
        found = [row for row in self.rows if start_date <= row[0] <= end_date]
        page = found[offset : offset + min(limit or self.cap, self.cap)]
        return Table(("trade_time",), page, self.tells and offset + len(page) < len(found))


FACTS = st.tuples(
    st.integers(0, 600), st.integers(4, 400), st.booleans(), st.booleans(), st.booleans()
)


@given(FACTS)
@settings(deadline=None, max_examples=60)
def test_no_row_is_lost_and_none_comes_twice(facts):
    total, cap, newest_first, tells, published = facts
    vendor = Vendor(total, cap, newest_first=newest_first, tells=tells or not published)
    interface = Interface(name="x", fields=("trade_time",), cap=cap if published else 0)
    expected = [row[0] for row in vendor.rows]
    by_offset = [row["trade_time"] for row in fetch(vendor, interface)]
    assert by_offset == expected
    start, end = (datetime(2024, 1, d, tzinfo=SHANGHAI) for d in (1, 3))
    by_time = [row["trade_time"] for row in fetch_minutes(vendor, interface, start, end)]
    assert by_time == expected


def test_a_cap_that_has_sunk_is_noticed():
    vendor = Vendor(1200, 500, newest_first=True, tells=False)
    interface = Interface(name="x", fields=("trade_time",), cap=8000)
    assert len(list(fetch(vendor, interface))) == 1200


@pytest.mark.parametrize("cap", [1, 7, 50, 969])
async def test_days_over_a_small_cap(cap, monkeypatch):
    small = {"daily": cap, "index_daily": 30}
    every = [row for row in tables()["daily"].rows if row["ts_code"] == "600519.SH"]
    with serving(caps=small) as server:
        if cap == 1:
            monkeypatch.setattr("argus_tushare.paging._PAGES", 5)
        interface = Interface(name="daily", fields=DAILY[Kind.STOCK].fields, cap=cap)
        async with opened(server) as source:
            rows = fetch(source.pro, interface, ts_code="600519.SH")
            if cap == 1:
                with pytest.raises(BadData, match="do not end"):
                    list(rows)
                return
            found = [row["trade_date"] for row in rows]
    assert found == [row["trade_date"] for row in reversed(every)]


async def test_a_server_that_ignores_the_offset():
    with serving(caps={"fund_daily": 50}) as server:
        server.control({"fault": "same_page"})
        interface = Interface(name="fund_daily", fields=("ts_code",), cap=50)
        async with opened(server) as source:
            with pytest.raises(BadData, match="same rows"):
                list(fetch(source.pro, interface))


async def test_minutes_over_the_published_cap():
    with serving() as server:
        async with opened(server) as source:
            bars = source.bars(
                bars_of(
                    *("600519.SH", "000001.SZ"),
                    start=date(2024, 1, 1),
                    end=date(2024, 3, 31),
                    period=Period.M1,
                )
            )
    assert MINUTES[Kind.STOCK].cap == 8000
    assert len({(bar["symbol"], bar["time"]) for bar in bars}) == len(bars) == 2 * 40 * 241
