"""The simulated exchange agrees with itself, whatever is asked and in whatever order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
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
    Clock,
    Depth,
    DepthQuery,
    Kind,
    Period,
    Quote,
    QuotesQuery,
    Symbol,
    kind_of,
)
from argus_demo import Demo, DemoSettings
from argus_demo.instruments import find

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
# half of the moments lie within the hours of stocks, the others anywhere in the day
seconds_of_day = st.one_of(st.integers(34_200, 41_400), st.integers(0, 86_399))
moments = st.builds(
    lambda day, second: datetime(2026, 1, 20, tzinfo=SHANGHAI) + timedelta(day, second),
    st.integers(0, 330),
    seconds_of_day,
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
    if bids and asks:
        # the last trade took the best of the other side
        bought = depth.trades[-1].direction == "buy"
        assert quote.price == (asks[0] if bought else bids[0])
    else:
        assert quote.price == (high if bids else low) == (bids or asks)[0]
    assert all(low <= price <= high and on_grid(price, listed.tick) for price in ladder)
    assert not bids or len(bids) == min(levels, 10) or bids[-1] == low
    assert all(level.volume > 0 for level in depth.bids + depth.asks)
    assert all(level.volume % listed.lot == 0 for level in depth.bids + depth.asks)
    trades = depth.trades
    assert (trades[-1].price, trades[-1].time) == (quote.price, quote.as_of - timedelta(seconds=1))
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


@pytest.mark.parametrize("seed", [1, 2, 77])
def test_no_close_ever_passes_the_limits(seed: int) -> None:
    source = demo(seed=seed)
    for symbol in (*STOCKS, Symbol("127089.SZ"), Symbol("lc2702.GFEX"), Symbol("T2612.CFFEX")):
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
        for symbol in asked
        if (market := source._market(symbol)) is not None
    }


def test_the_world_stays_what_it_was() -> None:
    """Numbers written down once: a change of the arithmetic is a change of everybody's demo."""
    row = bars(world(NOON), Symbol("600519.SH"), date(2024, 1, 15), date(2024, 1, 15))[0]
    assert row == {
        "symbol": "600519.SH",
        "time": date(2024, 1, 15),
        "open": 1169.68,
        "high": 1200.93,
        "low": 1153.4,
        "close": 1198.82,
        "volume": 4_799_200.0,
        "turnover": 5_643_329_109.0,
        "prev_close": 1165.34,
    }


def test_it_is_quick() -> None:
    source, symbol = world(NOON), Symbol("600519.SH")
    bars(source, symbol, date(2026, 11, 19), date(2026, 11, 19), Period.M1)
    started = time.perf_counter()
    for _ in range(10):
        bars(source, symbol, date(2026, 11, 19), date(2026, 11, 19), Period.M1)
    minutes = time.perf_counter() - started
    days = bars(source, symbol, date(2016, 1, 1), date(2025, 12, 31))
    assert len(days) > 2000
    assert minutes / 10 < 0.05
    assert time.perf_counter() - started - minutes < 5
