"""Bars, ticks, quotes and factors through the real client, against the recorded rows."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import pairwise

import pytest
from support.rqdata import (
    JANUARY,
    bars_of,
    opened,
    rpcs,
    symbols,
    ticks_of,
)
from vendors.world import suspended_days

from argus_core import (
    SHANGHAI,
    DepthQuery,
    FactorsQuery,
    NotOffered,
    Period,
    QuotesQuery,
    SourceUnavailable,
)

EVERY_KIND = (
    *("600519.SH", "000300.SH", "510300.SH", "113050.SH", "rb2410.SHFE", "CF2501.CZCE"),
    *("IF2412.CFFEX", "rb88.SHFE", "10006000.SH", "m2409-C-3300.DCE"),
)
TICK_DAY = date(2023, 2, 1)


async def test_days_are_the_recorded_days(server, world):
    span = {"start": date(2015, 7, 1), "end": date(2015, 8, 31)}
    async with opened(server) as source:
        frame = source.bars(bars_of("600519.SH", **span))
    days = [d for d in world.days["600519.SH"] if span["start"] <= d.date <= span["end"]]
    traded = frame.filter(frame["volume"] > 0).to_dicts()
    assert len(traded) == len(days) > 40
    for row, recorded in zip(traded, days, strict=True):
        assert row["symbol"] == "600519.SH"
        assert row["time"] == recorded.date
        for name in ("open", "high", "low", "close", "volume", "turnover", "prev_close"):
            assert row[name] == getattr(recorded, name), (recorded.date, name)


async def test_days_of_every_kind_in_one_question(server):
    async with opened(server) as source:
        rows = source.bars(bars_of(*EVERY_KIND[1:], **JANUARY)).to_dicts()
    assert {row["symbol"] for row in rows} == set(EVERY_KIND[1:])
    for row in rows:
        settled = row["symbol"].endswith(("SHFE", "CZCE", "CFFEX", "DCE")) or row[
            "symbol"
        ].startswith("10006")
        assert (row["settle"] is not None) is settled
        assert (row["open_interest"] is not None) is settled


async def test_suspended_days_come_without_volume_and_the_core_drops_them(server, market_data):
    halted = [d for d in suspended_days(market_data) if d.year == 2016]
    assert halted
    async with opened(server) as source:
        frame = source.bars(bars_of("600000.SH", start=halted[0], end=halted[0]))
    assert frame["volume"].to_list() == [0.0]


async def test_minutes_are_labelled_by_their_end_in_naive_beijing_time(server):
    day = date(2018, 1, 3)
    async with opened(server) as source:
        frame = source.bars(bars_of("000001.SZ", start=day, end=day, period=Period.M1))
    times = frame["time"].to_list()
    assert times[0].isoformat() == "2018-01-03T09:31:00"
    assert times[-1].isoformat() == "2018-01-03T15:00:00"
    assert frame["time"].dtype.time_zone is None


async def test_every_question_names_dates_fields_and_no_adjustment(server):
    async with opened(server) as source:
        source.bars(bars_of("600519.SH", start=date(2019, 6, 1), end=date(2019, 6, 28)))
    (call,) = rpcs(server, "get_daybar_v")
    ids, start, end, fields = call["args"][:4]
    assert (ids, start, end) == (["600519.XSHG"], 20190601, 20190628)
    wanted = ["open", "high", "low", "close", "volume", "total_turnover", "prev_close"]
    assert sorted(fields) == sorted(wanted)
    assert not {"_get_ex_factor", "_get_split"} & rpcs(server).keys()


async def test_prices_are_not_adjusted_over_an_ex_date(server, world):
    event = next(e for e in world.events["600519.SH"] if e.ex_date.year == 2015)
    span = {"start": event.ex_date - timedelta(days=10), "end": event.ex_date}
    async with opened(server) as source:
        frame = source.bars(bars_of("600519.SH", **span))
    *_, before, after = frame.filter(frame["volume"] > 0).to_dicts()
    assert before["close"] / after["prev_close"] == pytest.approx(event.ratio)


async def test_a_start_before_the_vendors_first_day_is_not_answered_in_part(server):
    early = {"start": date(1999, 11, 10), "end": date(2000, 2, 1)}
    async with opened(server) as source:
        with pytest.raises(NotOffered):
            source.bars(bars_of("600000.SH", **early))
        both = source.bars(bars_of("600000.SH", "600519.SH", **early | {"end": date(2001, 9, 30)}))
        assert set(both["symbol"] if len(both) else []) <= {"600519.SH"}
    assert all(call["args"][1] >= 20000104 for call in rpcs(server, "get_daybar_v"))


async def test_ticks_are_the_recorded_snapshots(server, world):
    async with opened(server) as source:
        frame = source.ticks(ticks_of("600519.SH", start=TICK_DAY, end=TICK_DAY))
    # Several snapshots carry one second, so they are told by their order.
    recorded = [t for t in world.ticks["600519.SH"] if t.time.time() >= time(9, 15)]
    rows = frame.to_dicts()
    assert len(rows) == len(recorded) > 4000
    for row, snapshot in zip(rows, recorded, strict=True):
        assert row["time"] == snapshot.time.replace(tzinfo=None)
        assert row["volume"] == snapshot.volume
        assert row["turnover"] == snapshot.turnover
        assert row["price"] == (snapshot.last or None)
        for side, levels in (("ask", snapshot.asks), ("bid", snapshot.bids)):
            for at, (price, volume) in enumerate(levels, start=1):
                assert (row[f"{side}_price{at}"], row[f"{side}_volume{at}"]) == (price, volume)
    assert "trading_date" not in frame.columns


async def test_before_the_first_trade_there_is_no_price(server):
    server.control({"now": "2023-02-01T09:20:00"})
    async with opened(server) as source:
        (quote,) = source.quotes(QuotesQuery(symbols=symbols("600519.SH")))
        early = source.ticks(ticks_of("600519.SH", start=TICK_DAY, end=TICK_DAY))
    assert quote.price is None
    assert quote.prev_close == 1845.76
    assert set(early["price"]) == {None}


async def test_quotes_and_books(server, world):
    server.control({"now": "2023-02-01T10:00:00"})
    async with opened(server) as source:
        (quote,) = source.quotes(QuotesQuery(symbols=symbols("600519.SH")))
        (depth,) = source.depth(DepthQuery(symbols=symbols("600519.SH"), levels=5))
    at = datetime(2023, 2, 1, 10, tzinfo=SHANGHAI)
    snapshot = world.snapshot("600519.SH", at)
    assert quote.name == "贵州茅台"
    assert (quote.price, quote.volume, quote.as_of) == (
        snapshot.last,
        snapshot.volume,
        snapshot.time,
    )
    assert tuple((level.price, level.volume) for level in depth.bids) == snapshot.bids
    assert tuple((level.price, level.volume) for level in depth.asks) == snapshot.asks
    assert depth.trades is None


async def test_one_survivor_of_several_comes_without_a_list(server):
    server.control({"now": "2023-02-01T10:00:00"})
    async with opened(server) as source:
        asked = symbols("600519.SH", "999998.SZ")
        assert [q.symbol for q in source.quotes(QuotesQuery(symbols=asked))] == ["600519.SH"]


async def test_a_snapshot_without_data_is_no_quote(server):
    server.control({"fault": {"method": "current_snapshots", "kind": "empty"}})
    server.control({"now": "2023-02-01T10:00:00"})
    async with opened(server) as source:
        with pytest.raises(SourceUnavailable):  # fewer than asked for
            source.quotes(QuotesQuery(symbols=symbols("600519.SH")))
        server.control({"clear": True, "replay": {"snapshots": {"600519.XSHG": None}}})
        assert source.quotes(QuotesQuery(symbols=symbols("600519.SH"))) == []


async def test_what_a_snapshot_lacks_is_missing_and_not_zero(server):
    """The vendor's client says 0 for every number that the server did not send."""
    told = {"datetime": 20230201100000000, "last": 1850.0, "open": 1848.0}
    server.control({"now": "2023-02-01T10:00:00"})
    server.control({"replay": {"snapshots": {"600519.XSHG": told}}})
    async with opened(server) as source:
        (quote,) = source.quotes(QuotesQuery(symbols=symbols("600519.SH")))
    assert (quote.price, quote.open) == (1850.0, 1848.0)
    assert quote.volume is None
    assert quote.turnover is None
    assert quote.prev_close is None


async def test_factors_begin_with_the_one_in_force(server, world):
    events = world.events["600519.SH"]
    start = events[2].ex_date + timedelta(days=5)
    async with opened(server) as source:
        rows = source.factors(
            FactorsQuery(symbols=symbols("600519.SH"), start=start, end=events[4].ex_date)
        )
    assert [row["date"] for row in rows] == [event.ex_date for event in events[2:5]]
    ratios = [b["factor"] / a["factor"] for a, b in pairwise(rows)]
    assert ratios == pytest.approx([event.ratio for event in events[3:5]])


async def test_before_the_first_event_the_factor_is_one(server, world):
    first = world.events["600519.SH"][0].ex_date
    start = first - timedelta(days=30)
    asked = symbols("600519.SH", "000300.SH", "999997.SZ")
    async with opened(server) as source:
        rows = source.factors(FactorsQuery(symbols=asked, start=start, end=first))
    # An index is never adjusted, an unknown share is not answered.
    assert {row["symbol"] for row in rows} == {"600519.SH"}
    assert rows[0] == {"symbol": "600519.SH", "date": start, "factor": 1.0}
    assert rows[1]["date"] == first
