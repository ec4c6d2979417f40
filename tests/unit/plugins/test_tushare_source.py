"""The source over the generated market: bars, quotes, factors, calendars, and its limits."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import asdict
from datetime import date, datetime, time

import pytest
from vendors.tushare_account import TODAY, bars_of, opened, serving, settings

from argus_core import (
    BARS,
    SHANGHAI,
    BadData,
    BarsQuery,
    CalendarQuery,
    Exchange,
    FactorsQuery,
    Kind,
    NotOffered,
    Period,
    PermissionDenied,
    QuotesQuery,
    SourceUnavailable,
    Symbol,
    Throttled,
    kind_of,
)
from argus_tushare import register_source
from argus_tushare.source import TushareSource

JANUARY = (date(2024, 1, 2), date(2024, 1, 31))
EVERY_KIND = (
    *("600519.SH", "000001.SZ", "000300.SH", "510300.SH", "159919.SZ", "113050.SH"),
    *("rb2410.SHFE", "CF2501.CZCE", "IF2412.CFFEX", "rb88.SHFE", "lc2411.GFEX"),
    *("10006000.SH", "m2409-C-3300.DCE"),
)
MULTIPLIERS = {
    "rb2410.SHFE": 10,
    "rb88.SHFE": 10,
    "CF2501.CZCE": 5,
    "IF2412.CFFEX": 300,
    "lc2411.GFEX": 1,
    "10006000.SH": 10000,
    "m2409-C-3300.DCE": 10,
}


@pytest.fixture(scope="module")
def running():
    with serving() as server:
        yield server


@pytest.fixture
def server(running):
    running.control({"fault": None, "clear": True})
    yield running
    running.control({"fault": None})


def by_symbol(rows):
    series = defaultdict(list)
    for row in rows:
        series[row["symbol"]].append(row)
    return series


def rule(source, dataset, symbol, period):
    known = Symbol(symbol)
    return next(u for u in source.units if u.covers(dataset, known, kind_of(known), period))


def mean_price(source, dataset, symbol, period, row):
    """Turnover over volume in canonical units, per unit of what is traded."""
    volume, turnover = row["volume"], row["turnover"]
    units = rule(source, dataset, symbol, period)
    return turnover * units.turnover / (volume * units.volume * MULTIPLIERS.get(symbol, 1))


def test_the_hook_gives_the_source():
    assert register_source() is TushareSource
    assert TushareSource.offers() == {
        *("quotes", "bars", "factors", "instruments", "listings", "calendar")
    }


async def test_days_of_every_kind(server):
    async with opened(server) as source:
        rows = source.bars(bars_of(*EVERY_KIND, start=JANUARY[0], end=JANUARY[1]))
    series = by_symbol(rows)
    assert series.keys() == set(EVERY_KIND)
    known = {column.name for column in BARS}
    for symbol, bars in series.items():
        assert len({bar["time"] for bar in bars}) == len(bars) == 22
        for bar in bars:
            assert bar.keys() <= known
            assert JANUARY[0] <= bar["time"] <= JANUARY[1]
            mean = mean_price(source, "bars", symbol, Period.D1, bar)
            slack = 1e-3 * bar["high"]
            assert bar["low"] - slack <= mean <= bar["high"] + slack, symbol
            assert bar["prev_close"] is not None
            settles = kind_of(symbol) in (Kind.FUTURE, Kind.OPTION)
            assert (bar["settle"] is not None) is settles
            assert (bar["open_interest"] is not None) is settles


async def test_minutes_of_every_kind_that_has_them(server):
    symbols = ("600519.SH", "510300.SH", "000300.SH", "IF2412.CFFEX")
    day = date(2024, 1, 3)
    async with opened(server) as source:
        rows = source.bars(bars_of(*symbols, start=day, end=day, period=Period.M1))
    series = by_symbol(rows)
    assert {symbol: len(bars) for symbol, bars in series.items()} == {
        "600519.SH": 241,  # with the auction at 09:30, which the core merges
        "510300.SH": 241,
        "000300.SH": 241,
        "IF2412.CFFEX": 240,
    }
    for symbol, bars in series.items():
        times = sorted(bar["time"] for bar in bars)
        assert times[-1] == datetime.combine(day, time(15, 0), SHANGHAI)
        for bar in bars:
            mean = mean_price(source, "bars", symbol, Period.M1, bar)
            assert bar["low"] - 1e-6 <= mean <= bar["high"] + 1e-6


async def test_minute_bounds_carry_a_time_of_day(server):
    async with opened(server) as source:
        source.bars(bars_of("600519.SH", start=TODAY, end=TODAY, period=Period.M1))
    (call,) = server.requests
    assert call["api"] == "stk_mins"
    assert call["params"]["start_date"] == "2024-06-28 00:00:00"
    assert call["params"]["end_date"] == "2024-06-28 23:59:59"


async def test_shares_are_asked_in_one_call(server):
    async with opened(server) as source:
        source.bars(bars_of("600519.SH", "000001.SZ", start=JANUARY[0], end=JANUARY[1]))
    (call,) = server.requests
    assert set(call["params"]["ts_code"].split(",")) == {"600519.SH", "000001.SZ"}


@pytest.mark.parametrize(
    ("symbol", "period"),
    [
        ("113050.SH", Period.M1),
        ("10006000.SH", Period.M1),
        ("rb88.SHFE", Period.M1),
        ("rb888.SHFE", Period.D1),
        ("019547.SH", Period.D1),  # a government bond
        ("204001.SH", Period.D1),  # a repurchase agreement
        ("SR2409C6000.CZCE", Period.D1),
    ],
)
async def test_what_the_vendor_lacks_is_not_offered(server, symbol, period):
    async with opened(server) as source:
        with pytest.raises(NotOffered):
            source.bars(bars_of(symbol, start=TODAY, end=TODAY, period=period))
        mixed = bars_of(symbol, "600519.SH", start=JANUARY[0], end=JANUARY[1], period=period)
        assert {row["symbol"] for row in source.bars(mixed)} == {"600519.SH"}


async def test_a_known_symbol_without_rows_is_empty(server):
    async with opened(server) as source:
        assert source.bars(bars_of("603999.SH", start=TODAY, end=TODAY)) == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("missing_field", BadData), ("text_price", BadData), ("no_permission", PermissionDenied)],
)
async def test_unusable_answers(server, fault, expected):
    server.control({"fault": fault, "apis": ["daily", "index_daily"]})
    async with opened(server) as source:
        for symbols in (("600519.SH",), ("000300.SH", "600519.SH", "510300.SH")):
            with pytest.raises(expected):
                source.bars(bars_of(*symbols, start=JANUARY[0], end=JANUARY[1]))


async def test_missing_prices_are_none_and_never_zero(server):
    server.control({"fault": "nan"})
    async with opened(server) as source:
        rows = source.bars(bars_of("600519.SH", start=JANUARY[0], end=JANUARY[1]))
        assert {row["close"] for row in rows} == {None}
        (quote,) = source.quotes(QuotesQuery(symbols=(Symbol("600519.SH"),)))
        assert quote.price is None
        assert quote.volume


async def test_rows_about_another_symbol_answer_nothing(server):
    server.control({"fault": "wrong_code"})
    async with opened(server) as source:
        assert source.bars(bars_of("600519.SH", start=JANUARY[0], end=JANUARY[1])) == []
        assert source.quotes(QuotesQuery(symbols=(Symbol("600519.SH"),))) == []


async def test_snapshots(server):
    symbols = tuple(map(Symbol, ("600519.SH", "920047.BJ", "510300.SH", "159919.SZ", "000300.SH")))
    async with opened(server) as source:
        quotes = {quote.symbol: quote for quote in source.quotes(QuotesQuery(symbols=symbols))}
    assert quotes.keys() == set(symbols)
    for symbol, quote in quotes.items():
        assert quote.name
        assert quote.as_of == datetime(2024, 6, 27, 15, 0, tzinfo=SHANGHAI)
        assert quote.low <= quote.price <= quote.high
        assert quote.prev_close
        if kind_of(symbol) is Kind.INDEX:
            assert quote.volume is None  # its unit is not published
        else:
            mean = mean_price(source, "quotes", symbol, None, asdict(quote))
            assert quote.low - 0.01 <= mean <= quote.high + 0.01
    topics = {call["params"]["ts_code"]: call["params"].get("topic") for call in server.requests}
    assert topics["510300.SH"] == "HQ_FND_TICK"
    assert topics["159919.SZ"] is None


async def test_futures_snapshots_claim_only_price_and_time(server):
    async with opened(server) as source:
        (quote,) = source.quotes(QuotesQuery(symbols=(Symbol("IF2412.CFFEX"),)))
    assert quote.price
    assert quote.as_of == datetime(2024, 1, 8, 15, 0, tzinfo=SHANGHAI)
    assert quote.volume is quote.turnover is quote.open is quote.high is None


async def test_no_snapshots_of_convertibles(server):
    async with opened(server) as source:
        with pytest.raises(NotOffered):
            source.quotes(QuotesQuery(symbols=(Symbol("113050.SH"),)))


async def test_quotes_out_of_days(server):
    symbols = tuple(map(Symbol, EVERY_KIND))
    async with opened(server, quotes_from="daily") as source:
        quotes = {quote.symbol: quote for quote in source.quotes(QuotesQuery(symbols=symbols))}
    assert quotes.keys() == set(symbols)
    for symbol, quote in quotes.items():
        assert quote.as_of == datetime(2024, 6, 27, 15, 0, tzinfo=SHANGHAI)
        mean = mean_price(source, "quotes", symbol, None, asdict(quote))
        slack = 1e-3 * quote.high
        assert quote.low - slack <= mean <= quote.high + slack
    assert {call["api"] for call in server.requests}.isdisjoint({"rt_k", "rt_etf_k", "rt_idx_k"})


async def test_factors(server):
    query = FactorsQuery(
        symbols=tuple(map(Symbol, ("600519.SH", "510300.SH", "000300.SH", "rb2410.SHFE"))),
        start=date(2024, 1, 6),  # a Saturday
        end=date(2024, 3, 1),
    )
    async with opened(server) as source:
        series = by_symbol(source.factors(query))
        assert source.factors(query.only((Symbol("000300.SH"),))) == []
    assert series.keys() == {"600519.SH", "510300.SH"}
    for rows in series.values():
        dates = [row["date"] for row in rows]
        assert dates == sorted(set(dates))
        assert dates[0] <= query.start
        assert all(when > query.start for when in dates[1:])
        assert all(row["factor"] > 0 for row in rows)


async def test_calendars(server):
    query = CalendarQuery(
        exchanges=(Exchange.SH, Exchange.BJ, Exchange.CZCE, Exchange.GFEX),
        start=date(2024, 2, 5),
        end=date(2024, 2, 25),
    )
    async with opened(server) as source:
        days = source.calendar(query)
        assert days.keys() == {Exchange.SH, Exchange.BJ, Exchange.CZCE}
        # Spring Festival: nothing between Thursday the 8th and Monday the 19th.
        expected = [date(2024, 2, d) for d in (5, 6, 7, 8, 19, 20, 21, 22, 23)]
        for known in days.values():
            assert list(known.dates) == expected
            assert known.known_through == query.end
        with pytest.raises(NotOffered):
            source.calendar(query.only((Exchange.GFEX,)))
    assert sorted(call["params"]["exchange"] for call in server.requests) == ["CZCE", "SSE"]


async def test_a_calendar_claims_no_more_than_it_has(server):
    async with opened(server) as source:
        late = CalendarQuery(
            exchanges=(Exchange.SH,), start=date(2026, 12, 30), end=date(2027, 1, 31)
        )
        assert source.calendar(late)[Exchange.SH].known_through == date(2026, 12, 31)
        beyond = CalendarQuery(
            exchanges=(Exchange.SH,), start=date(2028, 1, 1), end=date(2028, 2, 1)
        )
        assert source.calendar(beyond) == {}
        server.control({"fault": "short_rows"})
        with pytest.raises(BadData, match="holes"):
            source.calendar(late)


async def test_ping(server):
    async with opened(server) as source:
        await source.ping()
        for fault, error in (("empty", BadData), ("rate_day", Throttled)):
            server.control({"fault": fault})
            with pytest.raises(error):
                await source.ping()


async def test_closing_twice_and_asking_afterwards(server):
    source = TushareSource("tushare", settings(server), None)
    await source.close()
    async with opened(server) as source:
        assert source.pro.daily(ts_code="600519.SH").shape[1] == 11
        await source.close()
        with pytest.raises(SourceUnavailable):
            source.bars(bars_of("600519.SH", start=TODAY, end=TODAY))


async def test_many_questions_at_once(server):
    async with opened(server) as source:
        query: BarsQuery = bars_of(*EVERY_KIND, start=JANUARY[0], end=JANUARY[1])
        answers = await asyncio.gather(*(asyncio.to_thread(source.bars, query) for _ in range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0]) == 22 * len(EVERY_KIND)
