"""What the simulated exchange lists, when it trades, and what happens on it."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

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
from argus_demo.paths import Happening, Path

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=SHANGHAI)
STOCKS = tuple(
    Symbol(text)
    for text in ("600519.SH", "000001.SZ", "601857.SH", "300750.SZ", "688981.SH", "920982.BJ")
)


class SetClock(Clock):
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def demo(at: datetime = NOON, *, seed: int = 1) -> Demo:
    return Demo("demo", DemoSettings(seed=seed), SetClock(at))


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


def limits(reference: float, listed: Any) -> tuple[float, float]:
    """The price limits, worked out in decimals, independently of the plugin."""
    if listed.band is None:
        return 0.0, float("inf")
    tick, part = Decimal(str(listed.tick)), Decimal(listed.band) / 100
    ticks = [Decimal(str(reference)) * (1 + sign * part) / tick for sign in (-1, 1)]
    low, high = (number.quantize(Decimal(1), "ROUND_HALF_UP") * tick for number in ticks)
    return float(low), float(high)


WORLD = demo()


def world(at: datetime) -> Demo:
    """One world for all examples, so that its memory of other moments is tested as well."""
    WORLD.clock.at = at
    return WORLD


def test_it_is_registered_as_a_simulation() -> None:
    assert register_source() is Demo
    assert Demo.simulated
    assert Demo.offers() == {
        "quotes", "depth", "bars", "factors", "instruments", "listings", "calendar",
    }  # fmt: skip


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
    source = world(NOON)
    for symbol in STOCKS:
        days = bars(source, symbol, date(2021, 1, 1), date(2026, 11, 19))
        query = FactorsQuery(symbols=(symbol,), start=days[0]["time"], end=days[-1]["time"])
        rows = list(source.factors(query))
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
    source, symbol = world(NOON), Symbol("600519.SH")
    whole = list(
        source.factors(
            FactorsQuery(symbols=(symbol,), start=date(1995, 1, 1), end=date(2026, 11, 1))
        )
    )
    assert whole[0] == {"symbol": symbol, "date": date(2001, 8, 27), "factor": 1.0}
    part = FactorsQuery(symbols=(symbol,), start=date(2020, 2, 3), end=date(2021, 12, 31))
    rows = list(source.factors(part))
    assert rows == [row for row in whole if rows[0]["date"] <= row["date"] <= part.end]
    assert rows[0]["date"] <= part.start < rows[1]["date"]
    early = FactorsQuery(symbols=(symbol,), start=date(1995, 1, 1), end=date(1996, 1, 1))
    assert list(source.factors(early)) == []


async def test_events_happen_and_look_like_events() -> None:
    seen: Counter[Happening] = Counter()
    source = world(NOON)
    for symbol in STOCKS:
        market, dates = source._market(symbol), source._timetable.dates
        listed = market.listed
        sessions = source._timetable.sessions(max(listed.list_date, date(2021, 1, 1)), NOON.date())
        for session in sessions:
            event = market._path.happening(session)
            if event is None:
                continue
            seen[event.what] += 1
            rows = bars(source, symbol, dates[session], dates[session])
            if event.what is Happening.SUSPENSION:
                assert rows == []
                noon = datetime.combine(dates[session], NOON.timetz())
                stands = await quote_of(demo(noon), symbol)
                assert stands.as_of.date() < noon.date()
                assert stands.price == listed.price_of(event.level)
                continue
            low, high = limits(rows[0]["prev_close"], listed)
            at_limit = {Happening.LIMIT_UP: high, Happening.LIMIT_DOWN: low}.get(event.what)
            if at_limit is None:
                before = bars(source, symbol, dates[session - 1], dates[session - 1])
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


def test_trading_goes_on_calmly_after_an_event() -> None:
    moves: list[float] = []
    for symbol in STOCKS:
        market = world(NOON)._market(symbol)
        path = market._path
        events = [path.event(season) for season in range(market._sessions.stop // 64)]
        resumed = [event.anchor + 1 for event in events if event is not None]
        steps = [abs(path.close(at) / path.reference(at) - 1) for at in resumed]
        moves += [step / market.listed.volatility for step in steps]
    assert len(moves) > 100
    assert 0.5 < sum(moves) / len(moves) < 1.2


def test_nothing_happens_on_the_day_of_the_listing() -> None:
    for seed in range(100):
        for symbol in STOCKS:
            listed = find(symbol)
            first = world(NOON)._timetable.sessions(listed.list_date, None).start
            path = Path(seed, listed, first)
            assert path.happening(first) is None
            assert path.dividends(first) == []


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
