"""How long values live, hour by hour of the market's clock."""

from datetime import date, datetime, timedelta
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import SHANGHAI, Symbol
from argus_core.caching.freshness import AHEAD, Freshness
from argus_core.caching.rules import Rules
from argus_core.market import hours
from argus_core.market.preopen import next_pre_open
from argus_core.model.period import Period
from argus_core.model.query import (
    BarsQuery,
    CalendarQuery,
    ChartPanelsQuery,
    DepthQuery,
    FactorsQuery,
    InstrumentsQuery,
    ListingsQuery,
    MainContractsQuery,
    QuotesQuery,
    SectorsQuery,
    TicksQuery,
)
from argus_core.model.records import Depth, Instrument, Quote, TradingDays
from argus_core.model.symbol import Exchange

SHARE, STEEL, GOLD = Symbol("600519.SH"), Symbol("rb2410.SHFE"), Symbol("au2412.SHFE")
DAY = timedelta(days=1)
INSTANTS = st.builds(
    datetime.combine, st.dates(date(2024, 1, 1), date(2026, 12, 20)), st.times(), st.just(SHANGHAI)
)
SYMBOLS = st.sampled_from(
    [SHARE, STEEL, GOLD, Symbol("204001.SH"), Symbol("T2412.CFFEX"), Symbol("lc2501.GFEX")]
)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def fresh(**rules):
    made = Rules()
    for name, fields in rules.items():
        made.change(name, **fields)
    return Freshness(made, Random(7))


def quote(symbol, as_of):
    return Quote(symbol=symbol, as_of=as_of, price=1.0)


def bars(symbol, start, end, cls=BarsQuery, **more):
    if cls is BarsQuery:
        more = {"period": Period.M1, **more}
    start, end = date.fromisoformat(start), date.fromisoformat(end)
    edge = at("2024-01-01")
    return cls(symbols=(symbol,), start=start, end=end, since=edge, until=edge, **more)


def minutes(*times):
    return pl.DataFrame({"time": [at(text) for text in times]}, schema={"time": DATETIME})


DATETIME = pl.Datetime("ms", "Asia/Shanghai")
DAILY = pl.DataFrame({"date": [date(2024, 3, 15)]})


def seconds(text, n):
    return (at(text) + timedelta(seconds=n)).isoformat(sep=" ")


def life(freshness, query, value, instant):
    span = freshness.span(query, query.keys[0], value, instant)
    return span.fresh_until, span.early


@pytest.mark.parametrize(
    ("symbol", "instant", "as_of", "until", "early"),
    [
        # While the market moves: the ttl, auctions included.
        (SHARE, "2024-03-15 09:15", "2024-03-14 15:00", 3, True),
        (SHARE, "2024-03-15 10:00", "2024-03-15 10:00", 3, True),
        (SHARE, "2024-03-15 11:30:59", "2024-03-15 11:30", 3, True),
        (SHARE, "2024-03-15 14:58", "2024-03-15 14:57", 3, True),
        (SHARE, "2024-03-15 15:20", "2024-03-15 15:00", 3, True),
        (GOLD, "2024-03-16 02:00", "2024-03-16 02:00", 3, True),
        # Quiet: until it moves again, also over a lunch, a holiday, a break of ten minutes.
        (SHARE, "2024-03-15 12:00", "2024-03-15 11:30", "2024-03-15 13:00", False),
        (SHARE, "2024-03-15 16:00", "2024-03-15 15:00", "2024-03-18 09:15", False),
        (SHARE, "2024-02-08 16:00", "2024-02-08 15:00", "2024-02-19 09:15", False),
        (STEEL, "2024-03-15 10:20", "2024-03-15 10:15", "2024-03-15 10:30", False),
        (STEEL, "2024-02-10 12:00", "2024-02-08 15:00", "2024-02-19 08:55", False),
        (SHARE, "2024-03-15 09:05", "2024-03-15 09:00", "2024-03-15 09:15", False),
        (SHARE, "2024-03-15 16:00", "2024-03-15 14:50", "2024-03-18 09:15", False),
        # Nothing is known of its age.
        (SHARE, "2024-03-15 16:00", None, "2024-03-18 09:15", False),
        # A vendor that lags, a share that rests: a minute, but not beyond the next move.
        (SHARE, "2024-03-15 16:00", "2024-03-15 14:49:59", 60, False),
        (SHARE, "2024-03-15 12:00", "2024-03-15 11:00", 60, False),
        (SHARE, "2024-03-16 12:00", "2024-03-14 15:00", 60, False),
        (SHARE, "2024-03-18 09:14:30", "2024-03-14 15:00", 30, False),
        (GOLD, "2024-03-16 03:00", "2024-03-15 23:59", 60, False),
    ],
)
def test_quotes_and_depth(symbol, instant, as_of, until, early):
    instant, as_of = at(instant), at(as_of) if as_of else None
    ends = at(until) if isinstance(until, str) else instant + timedelta(seconds=until)
    value = quote(symbol, as_of)
    assert life(fresh(), QuotesQuery(symbols=(symbol,)), value, instant) == (ends, early)
    book = DepthQuery(symbols=(symbol,))
    assert life(fresh(), book, Depth(quote=value), instant) == (ends, early)


def test_the_rule_says_how_long_a_quote_lives_in_session():
    query, instant = QuotesQuery(symbols=(SHARE,)), at("2024-03-15 10:00")
    value = quote(SHARE, instant)
    slow = fresh(LATEST_DATA={"ttl": 30})
    assert slow.span(query, SHARE, value, instant).fresh_until == instant + timedelta(seconds=30)
    quiet = at("2024-03-15 16:00")
    assert slow.span(query, SHARE, value, quiet) == fresh().span(query, SHARE, value, quiet)


@pytest.mark.parametrize(
    ("query", "value", "instant", "until", "early"),
    [
        # What is settled: until the next pre-open.
        (bars(SHARE, "2024-03-01", "2024-03-14"), None, "2024-03-15 10:00", "2024-03-18 09:00", 0),
        (bars(SHARE, "2024-03-01", "2024-03-15"), None, "2024-03-15 18:00", "2024-03-18 09:00", 0),
        (bars(SHARE, "2024-03-01", "2024-03-17"), None, "2024-03-16 10:00", "2024-03-18 09:00", 0),
        (bars(STEEL, "2024-03-01", "2024-03-14"), None, "2024-03-15 10:00", "2024-03-15 20:30", 0),
        (bars(STEEL, "2024-03-01", "2024-03-15"), None, "2024-03-15 22:00", "2024-03-18 08:30", 0),
        # The running day: the ttl.
        (bars(SHARE, "2024-03-01", "2024-03-15"), None, "2024-03-15 10:00", 5, 1),
        (bars(SHARE, "2024-03-01", "2024-03-29"), None, "2024-03-15 10:00", 5, 1),
        (bars(SHARE, "2024-03-01", "2024-03-15"), None, "2024-03-15 15:30", 5, 1),
        (bars(STEEL, "2024-03-18", "2024-03-18"), None, "2024-03-15 22:00", 5, 1),
        (bars(GOLD, "2024-03-18", "2024-03-18"), None, "2024-03-16 02:00", 5, 1),
        (bars(SHARE, "2024-03-15", "2024-03-15", TicksQuery), None, "2024-03-15 10:00", 5, 1),
        # Closed, not settled: a minute.
        (bars(SHARE, "2024-03-15", "2024-03-15"), None, "2024-03-15 15:31", 60, 0),
        (bars(SHARE, "2024-03-15", "2024-03-15"), None, "2024-03-15 17:59:59", 60, 0),
        (
            bars(SHARE, "2024-03-15", "2024-03-15"),
            minutes("2024-03-15 15:00"),
            "2024-03-15 16:00",
            60,
            0,
        ),
        # Before the open: until it moves.
        (bars(SHARE, "2024-03-15", "2024-03-15"), None, "2024-03-15 08:00", "2024-03-15 09:15", 0),
        (bars(SHARE, "2024-03-15", "2024-03-29"), None, "2024-03-16 12:00", "2024-03-18 09:15", 0),
        (bars(STEEL, "2024-03-15", "2024-03-18"), None, "2024-03-15 19:00", "2024-03-15 20:55", 0),
        # In a break: until it ends if the last bar is there, else a minute.
        (
            bars(SHARE, "2024-03-15", "2024-03-15"),
            minutes("2024-03-15 11:29", "2024-03-15 11:30"),
            "2024-03-15 11:31",
            "2024-03-15 13:00",
            0,
        ),
        (
            bars(SHARE, "2024-03-15", "2024-03-15"),
            minutes("2024-03-15 11:29"),
            "2024-03-15 11:31",
            60,
            0,
        ),
        (bars(SHARE, "2024-03-15", "2024-03-15"), DAILY, "2024-03-15 12:00", 60, 0),
        (bars(SHARE, "2024-03-15", "2024-03-15"), DAILY, "2024-03-15 12:59:30", 30, 0),
        (bars(SHARE, "2024-03-15", "2024-03-15"), minutes(), "2024-03-15 12:00", 60, 0),
        (
            bars(GOLD, "2024-03-15", "2024-03-18"),
            minutes("2024-03-16 02:30"),
            "2024-03-16 12:00",
            "2024-03-18 08:55",
            0,
        ),
        (
            bars(GOLD, "2024-03-15", "2024-03-18"),
            minutes("2024-03-16 02:29"),
            "2024-03-16 12:00",
            60,
            0,
        ),
    ],
)
def test_bars_and_ticks(query, value, instant, until, early):
    instant = at(instant)
    ends = at(until) if isinstance(until, str) else instant + timedelta(seconds=until)
    assert life(fresh(), query, value, instant) == (ends, bool(early))


def test_a_day_that_settles_late_is_looked_at_every_minute_while_the_next_one_trades():
    slow = Freshness(Rules(), Random(7), settle_hours=24)
    instant = at("2024-03-15 10:00")
    yesterday, before = (
        bars(SHARE, "2024-03-01", "2024-03-14"),
        bars(SHARE, "2024-03-01", "2024-03-13"),
    )
    assert life(slow, yesterday, None, instant) == (instant + timedelta(seconds=60), False)
    assert life(slow, before, None, instant) == (at("2024-03-18 09:00"), False)
    assert life(slow, bars(SHARE, "2024-03-01", "2024-03-15"), None, instant)[1]


@pytest.mark.parametrize(
    ("instant", "until"),
    [
        ("2024-03-15 08:00", "2024-03-15 09:00"),
        # In the pre-open the factor of an ex-dividend day may not be published yet.
        ("2024-03-15 09:00", "2024-03-15 09:30"),
        ("2024-03-15 09:29:59", "2024-03-15 09:30"),
        ("2024-03-15 09:30", "2024-03-18 09:00"),
        ("2024-03-16 09:10", "2024-03-18 09:00"),
    ],
)
def test_factors(instant, until):
    query = FactorsQuery(symbols=(SHARE,), start=date(2024, 1, 1), end=date(2024, 3, 15))
    assert life(fresh(), query, None, at(instant)) == (at(until), False)


@pytest.mark.parametrize(
    ("query", "until"),
    [
        (InstrumentsQuery(symbols=(SHARE,)), "2024-03-18 09:00"),
        (InstrumentsQuery(symbols=(STEEL,)), "2024-03-15 20:30"),
        (ListingsQuery(exchanges=(Exchange.SH,)), "2024-03-18 09:00"),
        (ListingsQuery(exchanges=(Exchange.DCE,)), "2024-03-15 20:30"),
        (ListingsQuery(exchanges=(Exchange.CFFEX,)), "2024-03-18 08:30"),
        (SectorsQuery(sectors=("沪深A股",)), "2024-03-15 20:30"),
        (
            MainContractsQuery(symbols=(Symbol("rb88.SHFE"),), day=date(2024, 3, 15)),
            "2024-03-15 20:30",
        ),
    ],
)
def test_what_is_renewed_before_the_open(query, until):
    instant = at("2024-03-15 10:00")
    patient = fresh(BASIC_INFO={"ttl": 30 * 86400})
    assert life(patient, query, None, instant) == (at(until), False)
    hasty = fresh(BASIC_INFO={"ttl": 50})
    assert life(hasty, query, None, instant) == (instant + timedelta(seconds=50), True)


@pytest.mark.parametrize(
    ("query", "instant", "until", "early"),
    [
        # The day after brings no tables: until those of the next trading day.
        (InstrumentsQuery(symbols=(SHARE,)), "2024-03-15 09:00", "2024-03-18 09:00", False),
        (InstrumentsQuery(symbols=(SHARE,)), "2024-03-16 03:00", "2024-03-18 09:00", False),
        (InstrumentsQuery(symbols=(SHARE,)), "2024-02-08 16:00", "2024-02-19 09:00", False),
        (InstrumentsQuery(symbols=(SHARE,)), "2024-02-18 23:00", "2024-02-19 09:00", False),
        (InstrumentsQuery(symbols=(STEEL,)), "2024-03-15 20:30", "2024-03-18 08:30", False),
        (ListingsQuery(exchanges=(Exchange.SH,)), "2024-03-15 16:00", "2024-03-18 09:00", False),
        (SectorsQuery(sectors=("沪深A股",)), "2024-03-15 21:00", "2024-03-18 08:30", False),
        (
            MainContractsQuery(symbols=(Symbol("rb88.SHFE"),), day=date(2024, 3, 15)),
            "2024-03-15 21:00",
            "2024-03-18 08:30",
            False,
        ),
        # On a trading day they may be late, or be mended in the course of it: the ttl.
        (InstrumentsQuery(symbols=(SHARE,)), "2024-03-14 10:00", "2024-03-14 20:00", True),
        (InstrumentsQuery(symbols=(SHARE,)), "2024-03-15 13:59", "2024-03-15 23:59", True),
    ],
)
def test_tables_live_over_days_without_trading(query, instant, until, early):
    ttl = 10 * 3600 if early else 86_400
    freshness = Freshness(Rules(), _Never())
    freshness._rules.change("BASIC_INFO", ttl=ttl)
    assert life(freshness, query, None, at(instant)) == (at(until), early)


@given(SYMBOLS, INSTANTS, st.sampled_from([50, 600, 36_000, 86_400, 10 * 86_400]))
@settings(deadline=None)
def test_the_life_of_a_table_ends_on_a_trading_date_no_later_than_the_next_tables(
    symbol, instant, ttl
):
    freshness = fresh(BASIC_INFO={"ttl": ttl})
    for query in (
        InstrumentsQuery(symbols=(symbol,)),
        ListingsQuery(exchanges=(symbol.exchange,)),
        SectorsQuery(sectors=("x",)),
    ):
        key = query.keys[0]
        span = freshness.span(query, key, None, instant)
        of = {"instruments": symbol, "listings": symbol.exchange}.get(query.dataset)
        renewed = next_pre_open(of, instant)
        assert instant < span.fresh_until <= renewed
        assert hours.trades_on(span.fresh_until.date())
        if span.fresh_until < renewed:
            assert span.early
            assert span.fresh_until <= instant + timedelta(seconds=ttl)


@pytest.mark.parametrize(
    ("known_through", "end", "until", "early"),
    [
        ("2024-12-31", "2024-12-31", "2025-01-01 00:00", False),
        ("2024-03-15", "2024-03-15", "2024-03-16 00:00", False),
        # Some of what was asked lies beyond the horizon, which may be moved any day.
        ("2024-12-31", "2025-12-31", 600, True),
        ("2024-03-15", "2025-12-31", 600, True),
        # The horizon lies behind.
        ("2024-03-14", "2024-03-15", 600, True),
    ],
)
def test_the_calendar_lives_until_its_horizon(known_through, end, until, early):
    query = CalendarQuery(
        exchanges=(Exchange.SH,), start=date(2024, 1, 1), end=date.fromisoformat(end)
    )
    value = TradingDays(dates=(), known_through=date.fromisoformat(known_through))
    instant = at("2024-03-15 10:00")
    freshness = Freshness(Rules(), _Never())
    freshness._rules.change("BASIC_INFO", ttl=600)
    ends = at(until) if isinstance(until, str) else instant + timedelta(seconds=until)
    assert life(freshness, query, value, instant) == (ends, early)


def test_a_calendar_without_an_end_is_asked_for_again_within_a_year_or_an_hour():
    query = CalendarQuery(exchanges=(Exchange.SH,), start=date.min, end=date.max)
    instant = at("2024-03-15 10:00")
    freshness = Freshness(Rules(), _Never())
    freshness._rules.change("BASIC_INFO", ttl=300 * 86400)
    for_ever = TradingDays(dates=(), known_through=date.max)
    until, _ = life(freshness, query, for_ever, instant)
    assert instant + DAY < until <= instant + AHEAD + DAY
    long_ago = TradingDays(dates=(), known_through=date(2020, 1, 1))
    assert life(freshness, query, long_ago, instant) == (instant + timedelta(hours=1), True)


def test_an_act_is_never_kept():
    query = ChartPanelsQuery(panels=("a",), symbols=(SHARE,), period=Period.D1)
    instant = at("2024-03-15 10:00")
    assert life(fresh(), query, "x", instant) == (instant, False)
    assert fresh().negative(query, instant) == 0


class _Never(Random):
    """Chance that always says nought: lives are not shortened at all."""

    def random(self):
        return 0.0


class _Always(Random):
    """Chance that always says nearly one: lives are shortened the most."""

    def random(self):
        return 1 - 2**-53


def test_long_plain_lives_end_a_little_sooner():
    query, instant = InstrumentsQuery(symbols=(SHARE,)), at("2024-03-15 10:00")
    for ttl in (60, 61, 3600):
        rules = Rules()
        rules.change("BASIC_INFO", ttl=ttl)
        longest = Freshness(rules, _Never()).span(query, SHARE, None, instant)
        shortest = Freshness(rules, _Always()).span(query, SHARE, None, instant)
        assert longest.fresh_until == instant + timedelta(seconds=ttl)
        expected = ttl * 0.9 if ttl > 60 else ttl
        assert (shortest.fresh_until - instant).total_seconds() == pytest.approx(expected)
    one, two = Freshness(rules, Random(3)), Freshness(rules, Random(3))
    lives = {one.span(query, SHARE, None, instant).fresh_until for _ in range(50)}
    assert len(lives) > 40
    assert lives == {two.span(query, SHARE, None, instant).fresh_until for _ in range(50)}


@given(SYMBOLS, INSTANTS, st.integers(0, 10_000), st.none() | INSTANTS, st.sampled_from([3, 90]))
@settings(deadline=None)
def test_no_value_lives_over_the_start_of_a_move(symbol, instant, back, as_of, ttl):
    freshness = fresh(LATEST_DATA={"ttl": ttl}, HISTORY_DATA={"ttl": ttl})
    value = quote(symbol, as_of)
    day = instant.date() - timedelta(days=back % 30 - 10)
    queries = [
        (QuotesQuery(symbols=(symbol,)), value),
        (DepthQuery(symbols=(symbol,)), Depth(quote=value)),
        (bars(symbol, "2023-01-03", day.isoformat()), None),
    ]
    for query, found in queries:
        span = freshness.span(query, symbol, found, instant)
        assert span.fresh_until > instant
        if hours.moving(symbol, instant):
            open_ended = isinstance(query, BarsQuery) and not span.early
            assert open_ended or span.fresh_until <= instant + timedelta(seconds=ttl)
        elif not isinstance(query, BarsQuery) or day >= hours.trading_date(instant):
            assert span.fresh_until <= hours.next_move(symbol, instant)
        assert span.fresh_until <= max(
            instant + timedelta(seconds=ttl),
            hours.next_move(symbol, instant),
            next_pre_open(symbol, instant),
        )


@given(SYMBOLS, INSTANTS, st.integers(-20, 20), st.integers(0, 20))
@settings(deadline=None)
def test_a_longer_range_never_lives_longer(symbol, instant, ahead, more):
    end = instant.date() + timedelta(days=ahead)
    shorter = bars(symbol, "2023-01-03", end.isoformat())
    longer = bars(symbol, "2023-01-03", (end + timedelta(days=more)).isoformat())
    one, two = (fresh().span(q, symbol, None, instant).fresh_until for q in (shorter, longer))
    pre_open = next_pre_open(symbol, instant)
    assert two <= one or one == pre_open < two <= hours.next_move(symbol, instant)


@pytest.mark.parametrize(
    ("query", "instant", "expected"),
    [
        (QuotesQuery(symbols=(SHARE,)), "2024-03-15 10:00", 3),
        (bars(SHARE, "2024-03-01", "2024-03-15"), "2024-03-15 10:00", 5),
        (bars(SHARE, "2024-03-01", "2024-03-15"), "2024-03-15 16:00", 60),
        (QuotesQuery(symbols=(SHARE,)), "2024-03-15 12:00", 30),
        (QuotesQuery(symbols=(SHARE,)), "2024-03-15 12:59:50", 10),
        (QuotesQuery(symbols=(SHARE, STEEL)), "2024-03-15 12:00", 30),
        (QuotesQuery(symbols=(SHARE,)), "2024-03-15 08:59:59", 1),
        (InstrumentsQuery(symbols=(SHARE,)), "2024-03-15 10:00", 300),
        (InstrumentsQuery(symbols=(SHARE, STEEL)), "2024-03-15 20:29", 60),
        (ListingsQuery(exchanges=(Exchange.SH,)), "2024-03-15 08:59", 60),
        (SectorsQuery(sectors=("x",)), "2024-03-15 08:29", 60),
        (bars(SHARE, "2024-03-01", "2024-03-14"), "2024-03-15 10:00", 60),
    ],
)
def test_what_nobody_has_is_remembered_for_a_while(query, instant, expected):
    assert fresh().negative(query, at(instant)) == expected


def test_a_rule_may_forbid_to_remember_what_nobody_has():
    mindless = fresh(LATEST_DATA={"negative_ttl": 0})
    assert mindless.negative(QuotesQuery(symbols=(SHARE,)), at("2024-03-15 10:00")) == 0


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2024-03-15 10:00", {"LATEST_DATA": 3, "HISTORY_DATA": 5, "BASIC_INFO": 255_600}),
        ("2024-03-15 12:00", {"LATEST_DATA": 3600, "HISTORY_DATA": 60, "BASIC_INFO": 248_400}),
        ("2024-03-15 16:00", {"LATEST_DATA": 234_900, "HISTORY_DATA": 60, "BASIC_INFO": 234_000}),
        ("2024-03-14 19:00", {"LATEST_DATA": 51_300, "HISTORY_DATA": 50_400, "BASIC_INFO": 50_400}),
        (
            "2024-03-16 12:00",
            {"LATEST_DATA": 162_900, "HISTORY_DATA": 162_000, "BASIC_INFO": 162_000},
        ),
    ],
)
def test_the_effective_life_of_each_rule(instant, expected):
    freshness = fresh()
    assert {name: freshness.effective_ttl(name, at(instant)) for name in expected} == expected
    state = freshness._random.getstate()
    freshness.effective_ttl("BASIC_INFO", at(instant))
    assert freshness._random.getstate() == state


def test_the_effective_life_of_no_rule():
    with pytest.raises(KeyError):
        fresh().effective_ttl("LATEST", at("2024-03-15 10:00"))


def test_keys_may_be_plain_text():
    instant = at("2024-03-15 12:00")
    value = Instrument(symbol=SHARE)
    query = InstrumentsQuery(symbols=(SHARE,))
    freshness = fresh(BASIC_INFO={"ttl": 50})
    assert freshness.span(query, "600519.SH", value, instant) == freshness.span(
        query, SHARE, value, instant
    )
