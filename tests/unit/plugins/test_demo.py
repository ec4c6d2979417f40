"""The simulated exchange agrees with itself, whatever is asked and in whatever order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import (
    SHANGHAI,
    BarsQuery,
    CalendarQuery,
    Clock,
    Depth,
    DepthQuery,
    Exchange,
    FactorsQuery,
    InstrumentsQuery,
    Kind,
    ListingsQuery,
    Period,
    Quote,
    QuotesQuery,
    Symbol,
    kind_of,
    parse_symbol,
)
from argus_demo import Demo, DemoSettings, register_source
from argus_demo.instruments import find
from argus_demo.paths import Happening

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=SHANGHAI)
SYMBOLS = tuple(
    Symbol(text)
    for text in (
        "600519.SH",
        "000001.SZ",
        "601857.SH",
        "300750.SZ",
        "688981.SH",
        "920982.BJ",
        "510300.SH",
        "588000.SH",
        "113052.SH",
        "000300.SH",
        "rb2701.SHFE",
        "au2612.SHFE",
        "CF2701.CZCE",
        "IF2612.CFFEX",
        "T2612.CFFEX",
    )
)
STOCKS = tuple(symbol for symbol in SYMBOLS if kind_of(symbol) is Kind.STOCK)
moments = st.integers(0, 330 * 86_400).map(
    lambda seconds: datetime(2026, 1, 20, 9, 31, tzinfo=SHANGHAI) + timedelta(seconds=seconds)
)
symbols = st.sampled_from(SYMBOLS)
thorough = settings(max_examples=60, deadline=None)


class SetClock(Clock):
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def demo(at: datetime = NOON, *, seed: int = 1) -> Demo:
    return Demo("demo", DemoSettings(seed=seed), SetClock(at))


WORLD = demo()


def world(at: datetime) -> Demo:
    """One world for all examples, so that its memory of other moments is tested as well."""
    WORLD.clock.at = at
    return WORLD


async def quote_of(source: Demo, symbol: Symbol) -> Quote | None:
    return next(iter(await source.quotes(QuotesQuery(symbols=(symbol,)))), None)


async def depth_of(source: Demo, symbol: Symbol, levels: int = 5) -> Depth | None:
    query = DepthQuery(symbols=(symbol,), levels=levels)
    return next(iter(await source.depth(query)), None)


def bars(
    source: Demo, symbol: Symbol, start: date, end: date, period: Period = Period.D1
) -> list[dict[str, Any]]:
    midnight = datetime(start.year, start.month, start.day, tzinfo=SHANGHAI)
    query = BarsQuery(
        symbols=(symbol,),
        period=period,
        start=start,
        end=end,
        since=midnight - timedelta(days=20),
        until=midnight + timedelta(days=9000),
    )
    return [dict(row) for row in source.bars(query)]


def merged(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {
        "open": rows[0]["open"],
        "high": max(row["high"] for row in rows),
        "low": min(row["low"] for row in rows),
        "close": rows[-1]["close"],
        "volume": sum(row["volume"] for row in rows),
        "turnover": pytest.approx(sum(row["turnover"] for row in rows), rel=1e-12),
    }


def on_grid(price: float, tick: float) -> bool:
    return Decimal(str(price)) % Decimal(str(tick)) == 0


def test_it_is_registered_as_a_simulation() -> None:
    assert register_source() is Demo
    assert Demo.simulated
    assert Demo.offers() == {
        "quotes", "depth", "bars", "factors", "instruments", "listings", "calendar",
    }  # fmt: skip


@thorough
@given(symbol=symbols, back=st.integers(0, 300))
def test_a_day_is_exactly_its_minutes(symbol: Symbol, back: int) -> None:
    source, day = world(NOON), NOON.date() - timedelta(days=back)
    days = bars(source, symbol, day, day)
    minutes = bars(source, symbol, day, day, Period.M1)
    assert len(days) == (1 if minutes else 0)
    for row in days:
        assert row.items() >= merged(minutes).items()
        assert row["time"] == day
        times = [minute["time"] for minute in minutes]
        assert times == sorted(set(times))
        if not symbol.exchange.trades_futures and day < NOON.date():
            assert len(minutes) == 240
            assert (times[0].hour, times[0].minute) == (9, 31)


@thorough
@given(symbol=symbols, moment=moments)
async def test_a_quote_is_what_the_bars_up_to_now_say(symbol: Symbol, moment: datetime) -> None:
    source = world(moment)
    quote = await quote_of(source, symbol)
    if quote is None:
        assert find(symbol).list_date >= moment.date() - timedelta(days=12)
        return
    today = moment.date()
    day = bars(source, symbol, today - timedelta(days=20), today + timedelta(days=12))[-1]
    minutes = bars(source, symbol, day["time"], day["time"], Period.M1)
    told = {name: getattr(quote, name) for name in ("open", "high", "low", "volume", "turnover")}
    assert told | {"close": quote.price} == merged(minutes)
    assert day.items() >= merged(minutes).items()
    assert day["prev_close"] == quote.prev_close
    assert quote.as_of <= moment
    assert minutes[-1]["time"] - timedelta(minutes=1) < quote.as_of <= minutes[-1]["time"]


@thorough
@given(symbol=symbols, moment=moments, levels=st.integers(1, 20))
async def test_a_book_is_uncrossed_and_the_trades_lead_to_the_price(
    symbol: Symbol, moment: datetime, levels: int
) -> None:
    depth = await depth_of(world(moment), symbol, levels)
    if depth is None:
        return
    quote, listed = depth.quote, find(symbol)
    if listed.kind is Kind.INDEX:
        assert (depth.bids, depth.asks, depth.trades) == ((), (), None)
        return
    assert 0 < max(len(depth.bids), len(depth.asks)) <= min(levels, 10)
    low, high = limits(quote.prev_close, listed)
    bids, asks = [[level.price for level in side] for side in (depth.bids, depth.asks)]
    ladder = [*reversed(bids), *asks]
    assert ladder == sorted(set(ladder))
    assert quote.price in {bids[0] if bids else None, asks[0] if asks else None}
    assert all(low <= price <= high and on_grid(price, listed.tick) for price in ladder)
    assert len(bids) == min(levels, 10) or bids[-1] == low or not bids
    assert all(level.volume > 0 for level in depth.bids + depth.asks)
    assert all(level.volume % listed.lot == 0 for level in depth.bids + depth.asks)
    trades = depth.trades
    assert (trades[-1].price, trades[-1].time) == (quote.price, quote.as_of)
    assert [t.time for t in trades] == sorted({t.time for t in trades})
    assert all(quote.low <= t.price <= quote.high and on_grid(t.price, listed.tick) for t in trades)
    assert all(t.volume > 0 and t.volume % listed.lot == 0 for t in trades)
    assert sum(t.volume for t in trades) <= quote.volume
    for before, after in pairwise(trades):
        if before.price != after.price:
            assert after.direction == ("buy" if after.price > before.price else "sell")


async def test_the_last_minute_of_trades_is_the_last_minute_bar() -> None:
    moment = datetime(2026, 11, 20, 10, 15, tzinfo=SHANGHAI)
    for symbol in SYMBOLS:
        depth = await depth_of(world(moment), symbol)
        if depth.trades is None:
            continue
        bar = bars(WORLD, symbol, moment.date(), moment.date(), Period.M1)[-1]
        prices = [trade.price for trade in depth.trades]
        assert (bar["time"], len(prices)) == (moment, 20)
        assert (bar["open"], bar["close"]) == (prices[0], prices[-1])
        assert (bar["high"], bar["low"]) == (max(prices), min(prices))
        assert bar["volume"] == sum(trade.volume for trade in depth.trades)
        paid = sum(trade.price * trade.volume for trade in depth.trades) * find(symbol).value
        assert bar["turnover"] == pytest.approx(paid, rel=1e-12)


@thorough
@given(symbol=symbols, seed=st.integers(0, 5), start=st.dates(date(2003, 1, 1), date(2026, 10, 1)))
def test_every_bar_is_possible(symbol: Symbol, seed: int, start: date) -> None:
    source, listed = demo(seed=seed), find(symbol)
    source.__dict__["_timetable"] = WORLD._timetable
    days = bars(source, symbol, start, start + timedelta(days=45))
    minutes = bars(source, symbol, start, start + timedelta(days=3), Period.M1)
    for row in days + minutes:
        assert 0 < row["low"] <= min(row["open"], row["close"])
        assert row["high"] >= max(row["open"], row["close"])
        assert all(on_grid(row[name], listed.tick) for name in ("open", "high", "low", "close"))
        assert row["volume"] > 0
        assert row["volume"] % listed.lot == 0
        average = row["turnover"] / row["volume"] / listed.value
        assert row["low"] * (1 - 1e-12) <= average <= row["high"] * (1 + 1e-12)
    for row in days:
        low, high = limits(row["prev_close"], listed)
        assert low <= row["low"] <= row["high"] <= high
        if listed.kind is Kind.FUTURE:
            assert row["low"] <= row["settle"] <= row["high"]
            assert row["open_interest"] > 0


def limits(reference: float, listed: Any) -> tuple[float, float]:
    """The price limits, worked out in decimals, independently of the plugin."""
    if listed.band is None:
        return 0.0, float("inf")
    tick, part = Decimal(str(listed.tick)), Decimal(listed.band) / 100
    ticks = [Decimal(str(reference)) * (1 + sign * part) / tick for sign in (-1, 1)]
    low, high = (number.quantize(Decimal(1), "ROUND_HALF_UP") * tick for number in ticks)
    return float(low), float(high)


@thorough
@given(symbol=symbols, moment=moments, later=st.integers(0, 6 * 3600))
async def test_a_day_only_grows(symbol: Symbol, moment: datetime, later: int) -> None:
    before = await quote_of(world(moment), symbol)
    after = await quote_of(world(moment + timedelta(seconds=later)), symbol)
    if before is None or after is None:
        return
    assert after.as_of >= before.as_of
    if (after.open, after.prev_close) == (before.open, before.prev_close):
        assert after.volume >= before.volume
        assert after.turnover >= before.turnover
        assert after.high >= before.high
        assert after.low <= before.low


async def test_quotes_move_every_three_seconds() -> None:
    moment = datetime(2026, 11, 20, 10, 0, 1, tzinfo=SHANGHAI)
    seen = [
        await quote_of(world(moment + timedelta(seconds=step)), SYMBOLS[0]) for step in range(60)
    ]
    assert len({quote.as_of for quote in seen}) == 21
    assert len({quote.volume for quote in seen}) == 21
    assert len({quote.price for quote in seen}) > 3


@pytest.mark.parametrize(
    ("now", "as_of"),
    [
        ("2026-11-20 09:29:59", "2026-11-19 15:00:00"),
        ("2026-11-20 09:30:02", "2026-11-19 15:00:00"),
        ("2026-11-20 09:30:03", "2026-11-20 09:30:03"),
        ("2026-11-20 11:59:00", "2026-11-20 11:30:00"),
        ("2026-11-20 13:00:03", "2026-11-20 13:00:03"),
        ("2026-11-20 15:00:00", "2026-11-20 15:00:00"),
        ("2026-11-22 20:00:00", "2026-11-20 15:00:00"),
        ("2026-10-05 10:00:00", "2026-09-30 15:00:00"),
    ],
)
async def test_outside_the_sessions_the_last_state_stands(now: str, as_of: str) -> None:
    source = demo(datetime.fromisoformat(now).replace(tzinfo=SHANGHAI))
    quote = await quote_of(source, Symbol("600519.SH"))
    assert quote.as_of == datetime.fromisoformat(as_of).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("now", "as_of", "trading_date"),
    [
        ("2026-11-19 21:00:03", "2026-11-19 21:00:03", "2026-11-20"),
        ("2026-11-20 22:10:00", "2026-11-20 22:10:00", "2026-11-23"),
        ("2026-11-21 01:00:00", "2026-11-21 01:00:00", "2026-11-23"),
        ("2026-11-21 12:00:00", "2026-11-21 02:30:00", "2026-11-23"),
        ("2026-11-22 22:00:00", "2026-11-21 02:30:00", "2026-11-23"),
        ("2026-09-30 22:00:00", "2026-09-30 15:00:00", "2026-09-30"),
        ("2026-12-31 22:00:00", "2026-12-31 15:00:00", "2026-12-31"),
    ],
)
async def test_a_night_belongs_to_the_next_trading_date(
    now: str, as_of: str, trading_date: str
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=SHANGHAI)
    source, symbol = demo(moment), Symbol("au2702.SHFE")
    quote = await quote_of(source, symbol)
    assert quote.as_of == datetime.fromisoformat(as_of).replace(tzinfo=SHANGHAI)
    days = bars(source, symbol, date(2026, 9, 1), date(2026, 12, 31))
    assert days[-1]["time"] == date.fromisoformat(trading_date)


def test_only_a_finished_futures_day_is_settled() -> None:
    source = demo(datetime(2026, 11, 20, 14, 59, 59, tzinfo=SHANGHAI))
    *done, running = bars(source, Symbol("rb2701.SHFE"), date(2026, 11, 16), date(2026, 11, 20))
    assert all("settle" in row for row in done)
    assert "settle" not in running


def test_the_factors_are_those_of_the_previous_closes() -> None:
    changes = 0
    for symbol in STOCKS:
        days = bars(WORLD, symbol, date(2015, 1, 1), date(2026, 11, 19))
        query = FactorsQuery(symbols=(symbol,), start=days[0]["time"], end=days[-1]["time"])
        rows = list(WORLD.factors(query))
        assert rows[0]["date"] <= query.start
        assert [row["date"] for row in rows] == sorted({row["date"] for row in rows})
        factors = {row["date"]: row["factor"] for row in rows}
        factor = rows[0]["factor"]
        for before, day in pairwise(days):
            factor *= before["close"] / day["prev_close"]
            assert (day["time"] in factors) == (before["close"] != day["prev_close"])
            if day["time"] in factors:
                assert factors[day["time"]] == pytest.approx(factor, rel=1e-12)
                changes += 1
    assert changes > 3 * len(STOCKS)


def test_factors_start_with_the_one_in_force() -> None:
    symbol = Symbol("600519.SH")
    whole = list(
        WORLD.factors(
            FactorsQuery(symbols=(symbol,), start=date(1995, 1, 1), end=date(2026, 11, 1))
        )
    )
    assert whole[0] == {"symbol": symbol, "date": date(2001, 8, 27), "factor": 1.0}
    part = FactorsQuery(symbols=(symbol,), start=date(2020, 2, 3), end=date(2021, 12, 31))
    rows = list(WORLD.factors(part))
    assert rows == [row for row in whole if rows[0]["date"] <= row["date"] <= part.end]
    assert rows[0]["date"] <= part.start < rows[1]["date"]
    early = FactorsQuery(symbols=(symbol,), start=date(1995, 1, 1), end=date(1996, 1, 1))
    assert list(WORLD.factors(early)) == []


async def test_events_happen_and_look_like_events() -> None:
    seen: Counter[Happening] = Counter()
    for symbol in STOCKS:
        market, dates = WORLD._market(symbol), WORLD._timetable.dates
        listed = market.listed
        sessions = WORLD._timetable.sessions(max(listed.list_date, date(2021, 1, 1)), NOON.date())
        for session in sessions:
            event = market._path.happening(session)
            if event is None:
                continue
            seen[event.what] += 1
            rows = bars(WORLD, symbol, dates[session], dates[session])
            if event.what is Happening.SUSPENSION:
                assert rows == []
                continue
            low, high = limits(rows[0]["prev_close"], listed)
            at_limit = {Happening.LIMIT_UP: high, Happening.LIMIT_DOWN: low}.get(event.what)
            if at_limit is None:
                before = bars(WORLD, symbol, dates[session - 1], dates[session - 1])
                assert rows[0]["prev_close"] < before[0]["close"]
                continue
            assert rows[0]["close"] == at_limit
            close = datetime.combine(dates[session], NOON.timetz()) + timedelta(hours=3)
            depth = await depth_of(demo(close), symbol)
            gone, left = depth.asks, depth.bids
            if event.what is Happening.LIMIT_DOWN:
                gone, left = left, gone
            assert gone == ()
            assert left[0].price == at_limit
    assert set(seen) == set(Happening)


@pytest.mark.parametrize("seed", [1, 2, 77])
def test_no_close_ever_passes_the_limits(seed: int) -> None:
    source = demo(seed=seed)
    for symbol in (*STOCKS, Symbol("127089.SZ"), Symbol("lc2701.GFEX"), Symbol("T2612.CFFEX")):
        market = source._market(symbol)
        path, band = market._path, market.listed.band
        for session in market._sessions:
            # rounding to the tick may add a little, so no slack is needed beyond one tick
            reference = path.reference(session)
            assert abs(path.close(session) - reference) <= reference * band / 100 + 0.5


def test_the_same_world_in_every_process_and_order() -> None:
    script = """
import asyncio, json, sys
sys.path[:0] = json.loads(sys.argv[1])
from test_demo import NOON, SYMBOLS, answers, demo
print(json.dumps(answers(demo(NOON), SYMBOLS[::-1])))
"""
    paths = json.dumps([str(Path(__file__).parent), *sys.path])
    told = subprocess.run(
        [sys.executable, "-c", script, paths],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
    )
    assert json.loads(told.stdout) == json.loads(json.dumps(answers(demo(), SYMBOLS)))
    other = answers(demo(seed=2), SYMBOLS)
    assert all(other[symbol] != one for symbol, one in answers(demo(), SYMBOLS).items())


def answers(source: Demo, asked: tuple[Symbol, ...]) -> dict[str, Any]:
    """Everything about some days, in a form that survives a pipe."""
    start, end = date(2026, 11, 17), date(2026, 11, 20)
    return {
        symbol: [
            str(bars(source, symbol, start, end)),
            str(bars(source, symbol, end, end, Period.M1)[::40]),
            str(market.quote(market.state(NOON))),
        ]
        for symbol in sorted(asked, key=asked.index)
        if (market := source._market(symbol)) is not None
    }


def test_the_world_stays_what_it_was() -> None:
    """Numbers written down once: a change of the arithmetic is a change of everybody's demo."""
    row = bars(WORLD, Symbol("600519.SH"), date(2024, 1, 15), date(2024, 1, 15))[0]
    assert row == {
        "symbol": "600519.SH",
        "time": date(2024, 1, 15),
        "open": 0.0,
    }


async def test_every_listed_instrument_is_known_and_quoted() -> None:
    tables = await world(NOON).listings(ListingsQuery(exchanges=tuple(Exchange)))
    everything = [instrument for table in tables.values() for instrument in table]
    assert set(tables) == set(Exchange)
    assert all(tables.values())
    assert len({instrument.symbol for instrument in everything}) == len(everything) >= 60
    for exchange, table in tables.items():
        assert {instrument.symbol.exchange for instrument in table} == {exchange}
    for instrument in everything:
        assert parse_symbol(instrument.symbol) == instrument.symbol
        assert kind_of(instrument.symbol) is instrument.kind
        assert instrument.name
        assert instrument.list_date <= NOON.date()
        assert instrument.price_tick > 0
        assert instrument.lot_size >= 1
        assert (instrument.multiplier is not None) == (instrument.kind is Kind.FUTURE)
        assert (instrument.market is not None) == (instrument.kind is Kind.STOCK)
        assert (instrument.delist_date is not None) == (instrument.kind is Kind.FUTURE)
    asked = tuple(instrument.symbol for instrument in everything)
    assert [q.symbol for q in await WORLD.quotes(QuotesQuery(symbols=asked))] == list(asked)
    assert list(await WORLD.instruments(InstrumentsQuery(symbols=asked))) == everything


async def test_contracts_come_and_go_with_the_date() -> None:
    query = ListingsQuery(exchanges=(Exchange.SHFE, Exchange.CFFEX))

    async def live(day: datetime) -> set[str]:
        tables = await world(day).listings(query)
        return {instrument.symbol for table in tables.values() for instrument in table}

    now = await live(NOON)
    assert {"rb2701.SHFE", "rb2705.SHFE", "rb2710.SHFE", "IF2612.CFFEX"} <= now
    then = await live(datetime(2024, 9, 20, 10, 0, tzinfo=SHANGHAI))
    assert {"rb2410.SHFE", "IF2409.CFFEX"} <= then
    assert "IF2409.CFFEX" not in await live(datetime(2024, 9, 21, 10, 0, tzinfo=SHANGHAI))
    assert not now & then
    old = bars(world(NOON), Symbol("rb2410.SHFE"), date(2023, 1, 1), date(2025, 1, 1))
    assert date(2023, 10, 16) == old[0]["time"]
    assert old[-1]["time"] == date(2024, 10, 15)


async def test_what_is_not_in_the_table_is_left_out() -> None:
    unknown = tuple(
        Symbol(text)
        for text in (
            "600520.SH",
            "000300.SZ",
            "rb2702.SHFE",
            "rb2701.DCE",
            "rb88.SHFE",
            "rb3005.SHFE",
            "m2701-C-3000.DCE",
        )
    )
    source = world(NOON)
    assert list(await source.quotes(QuotesQuery(symbols=unknown))) == []
    assert list(await source.depth(DepthQuery(symbols=unknown))) == []
    assert list(await source.instruments(InstrumentsQuery(symbols=unknown))) == []
    assert [bars(source, symbol, NOON.date(), NOON.date()) for symbol in unknown] == [[]] * 7
    query = FactorsQuery(symbols=unknown, start=NOON.date(), end=NOON.date())
    assert list(source.factors(query)) == []


async def test_nothing_is_told_of_the_time_before_the_listing() -> None:
    symbol = Symbol("688981.SH")
    early = world(datetime(2020, 7, 16, 9, 30, tzinfo=SHANGHAI))
    assert await quote_of(early, symbol) is None
    assert bars(early, symbol, date(2020, 1, 1), date(2020, 7, 16)) == []
    rows = bars(world(NOON), symbol, date(2020, 1, 1), date(2020, 7, 17))
    assert [row["time"] for row in rows] == [date(2020, 7, 16), date(2020, 7, 17)]


async def test_the_calendar_says_how_far_it_reaches() -> None:
    source = demo()
    await source.open()
    query = CalendarQuery(
        exchanges=(Exchange.SH, Exchange.DCE), start=date(2026, 9, 28), end=date(2150, 1, 1)
    )
    days = await source.calendar(query)
    assert set(days) == set(query.exchanges)
    assert days[Exchange.SH].dates[:4] == (
        date(2026, 9, 28), date(2026, 9, 29), date(2026, 9, 30), date(2026, 10, 8),
    )  # fmt: skip
    assert days[Exchange.SH].dates[-1] <= days[Exchange.SH].known_through < query.end
    assert days[Exchange.SH].known_through >= date(2026, 12, 31)


def test_it_is_quick() -> None:
    symbol = Symbol("600519.SH")
    bars(WORLD, symbol, date(2026, 11, 19), date(2026, 11, 19), Period.M1)
    started = time.perf_counter()
    for _ in range(10):
        bars(WORLD, symbol, date(2026, 11, 19), date(2026, 11, 19), Period.M1)
    minutes = time.perf_counter() - started
    days = bars(WORLD, symbol, date(2016, 1, 1), date(2025, 12, 31))
    assert len(days) > 2000
    assert minutes / 10 < 0.05
    assert time.perf_counter() - started - minutes < 5
