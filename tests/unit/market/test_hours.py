"""When the market may move, against a reference that is too simple to be wrong."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import SHANGHAI, Symbol, sessions_of
from argus_core.market import calendar, hours, preopen
from argus_core.market.products import NIGHT_CLOSES
from argus_core.model.symbol import Exchange

FUTURES = [f"{product}2505.{exchange}" for exchange, product in NIGHT_CLOSES]
SECURITIES = ["600519.SH", "000300.SH", "204001.SH", "000001.SZ", "131810.SZ", "920002.BJ"]
ODD = ["xy3001.SHFE", "XY3001.CFFEX", "cu2405C70000.SHFE", "IO2512-C-3550.CFFEX", "TL88.CFFEX"]
SYMBOLS = st.sampled_from([Symbol(text) for text in (*FUTURES, *SECURITIES, *ODD)])
DATES = st.dates(date(2024, 1, 1), date(2026, 12, 20))
INSTANTS = st.builds(datetime.combine, DATES, st.times(), st.just(SHANGHAI)) | st.builds(
    lambda day, minute: datetime.combine(day, time(), SHANGHAI) + timedelta(minutes=minute),
    DATES,
    st.sampled_from([0, 1, 61, 150, 151, 535, 540, 555, 565, 570, 615, 616, 630, 690, 691, 780])
    | st.sampled_from([810, 900, 930, 931, 946, 960, 961, 1255, 1260, 1380, 1381, 1439]),
)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def spans(symbol, day):
    """What the trading date ``day`` sets moving, and the night on its evening."""
    lead = timedelta(minutes=5 if symbol.exchange.trades_futures else 15)
    sittings = {0: [], 1: []}
    for session in sessions_of(symbol):
        start = datetime.combine(day, session.open, SHANGHAI)
        end = datetime.combine(day + (DAY * (session.close < session.open)), session.close)
        sittings[session.sitting].append([start, end.replace(tzinfo=SHANGHAI) + MINUTE])
    sittings[1][-1][1] += 30 * MINUTE
    for sitting in sittings.values():
        if sitting:
            sitting[0][0] -= lead
    return sittings[0] + sittings[1]


def reference(symbol, start, minutes):
    """For each minute from ``start`` on, whether the market may move."""
    days = {start.date() + n * DAY for n in range(-1, minutes // 1440 + 2)}
    open_spans = [s for day in days if calendar.is_session(day) for s in spans(symbol, day)]
    instants = [start + n * MINUTE for n in range(minutes)]
    return [any(a <= instant < b for a, b in open_spans) for instant in instants]


@given(SYMBOLS, INSTANTS)
@settings(deadline=None)
def test_every_minute_of_two_days_is_as_the_reference_says(symbol, start):
    start = start.replace(second=0, microsecond=0)
    expected = reference(symbol, start, 2 * 1440)
    following = None
    for number in reversed(range(len(expected))):
        instant = start + number * MINUTE
        following = instant if expected[number] else following
        assert hours.moving(symbol, instant) is expected[number], instant
        if following is not None:
            assert hours.next_move(symbol, instant) == following, instant
        else:
            assert hours.next_move(symbol, instant) > start + (len(expected) - 1) * MINUTE


@given(SYMBOLS, INSTANTS, INSTANTS)
def test_the_next_move_never_runs_backwards(symbol, one, other):
    first, second = sorted((one, other))
    assert hours.next_move(symbol, first) >= first
    assert hours.next_move(symbol, first) <= hours.next_move(symbol, second)
    for instant in (first, second):
        move = hours.next_move(symbol, instant)
        assert hours.moving(symbol, instant) is (move == instant)
        assert hours.moving(symbol, move)
        assert hours.next_move(symbol, move) == move


@given(SYMBOLS, INSTANTS, st.floats(0, 0.999))
def test_nothing_moves_before_the_next_move(symbol, instant, part):
    move = hours.next_move(symbol, instant)
    between = instant + (move - instant) * part
    assert hours.next_move(symbol, between) == move
    if move > instant:
        assert not hours.moving(symbol, between)
        assert not hours.moving(symbol, move - timedelta(microseconds=1))


@given(SYMBOLS, INSTANTS)
def test_without_trading_only_the_night_of_the_day_before_goes_on(symbol, instant):
    if calendar.is_session(instant.date()) or not hours.moving(symbol, instant):
        return
    night = sessions_of(symbol)[0]
    assert night.sitting == 0
    assert night.close < night.open
    assert instant.time() < (datetime.combine(instant, night.close) + MINUTE).time()
    assert calendar.is_session(instant.date() - DAY)


@given(SYMBOLS, INSTANTS)
def test_another_zone_is_the_same_instant(symbol, instant):
    abroad = instant.astimezone(UTC)
    assert hours.moving(symbol, abroad) is hours.moving(symbol, instant)
    assert hours.next_move(symbol, abroad) == hours.next_move(symbol, instant)
    assert hours.last_close(symbol, abroad) == hours.last_close(symbol, instant)
    assert hours.sealed_through(symbol, abroad, 3) == hours.sealed_through(symbol, instant, 3)
    assert hours.trading_date(abroad) == hours.trading_date(instant)


@pytest.mark.parametrize(
    ("symbol", "instant", "expected"),
    [
        ("600519.SH", "2024-03-15 09:14:59.999999", "2024-03-15 09:15"),
        ("600519.SH", "2024-03-15 11:30:59", "now"),
        ("600519.SH", "2024-03-15 11:31", "2024-03-15 13:00"),
        ("600519.SH", "2024-03-15 14:58", "now"),
        ("600519.SH", "2024-03-15 15:30:59", "now"),
        ("600519.SH", "2024-03-15 15:31", "2024-03-18 09:15"),
        ("204001.SH", "2024-03-15 16:00", "now"),
        ("204001.SH", "2024-03-15 16:01", "2024-03-18 09:15"),
        # The Spring Festival of 2024, with a make-up Sunday on which nothing trades.
        ("600519.SH", "2024-02-08 16:00", "2024-02-19 09:15"),
        ("600519.SH", "2024-02-18 10:00", "2024-02-19 09:15"),
        ("rb2410.SHFE", "2024-02-08 20:00", "2024-02-08 20:55"),
        ("rb2410.SHFE", "2024-02-08 23:01", "2024-02-19 08:55"),
        ("rb2410.SHFE", "2024-03-15 10:16", "2024-03-15 10:30"),
        ("rb2410.SHFE", "2024-03-15 11:31", "2024-03-15 13:30"),
        ("rb2410.SHFE", "2024-03-15 15:31", "2024-03-15 20:55"),
        ("au2412.SHFE", "2024-03-15 23:59:59.9", "now"),
        ("au2412.SHFE", "2024-03-16 02:30:59", "now"),
        ("au2412.SHFE", "2024-03-16 02:31", "2024-03-18 08:55"),
        ("au2412.SHFE", "2024-03-18 01:00", "2024-03-18 08:55"),
        ("cu2412.SHFE", "2024-03-19 01:00:30", "now"),
        ("lc2501.GFEX", "2024-03-15 21:30", "2024-03-18 08:55"),
        ("IF2412.CFFEX", "2024-03-15 09:20", "2024-03-15 09:25"),
        ("T2412.CFFEX", "2024-03-15 15:45", "now"),
        # Beyond the horizon every weekday counts, and before the first date nothing does.
        ("600519.SH", "2040-01-02 10:00", "now"),
        ("600519.SH", "2040-01-07 10:00", "2040-01-09 09:15"),
        ("au2412.SHFE", "2040-01-07 01:00", "now"),
        ("600519.SH", "1985-05-06 10:00", "1990-12-19 09:15"),
    ],
)
def test_known_hours(symbol, instant, expected):
    symbol, instant = Symbol(symbol), at(instant)
    move = hours.next_move(symbol, instant)
    assert move == (instant if expected == "now" else at(expected))
    assert hours.moving(symbol, instant) is (expected == "now")


@pytest.mark.parametrize(
    ("symbol", "instant", "expected"),
    [
        ("600519.SH", "2024-03-15 11:29:59", "2024-03-14 15:00"),
        ("600519.SH", "2024-03-15 11:30", "2024-03-15 11:30"),
        ("600519.SH", "2024-03-17 12:00", "2024-03-15 15:00"),
        ("rb2410.SHFE", "2024-03-15 10:20", "2024-03-15 10:15"),
        ("rb2410.SHFE", "2024-03-17 12:00", "2024-03-15 23:00"),
        ("au2412.SHFE", "2024-03-17 12:00", "2024-03-16 02:30"),
        ("au2412.SHFE", "2024-03-16 02:29", "2024-03-15 15:00"),
        # No night before a holiday, whether it begins on a weekday or lengthens a weekend.
        ("au2412.SHFE", "2024-02-10 12:00", "2024-02-08 15:00"),
        ("au2412.SHFE", "2024-04-06 12:00", "2024-04-03 15:00"),
        ("au2412.SHFE", "2024-09-14 03:00", "2024-09-13 15:00"),
        ("600519.SH", "2040-01-08 10:00", "2040-01-06 15:00"),
        ("600519.SH", "1990-12-19 09:00", None),
    ],
)
def test_the_last_close(symbol, instant, expected):
    close = hours.last_close(Symbol(symbol), at(instant))
    assert close == (None if expected is None else at(expected))


@given(SYMBOLS, INSTANTS, st.floats(0, 48))
def test_sealed_through_is_the_last_settled_date(symbol, instant, settle):
    day = hours.sealed_through(symbol, instant, settle)
    assert hours.settled(symbol, day, settle) <= instant
    assert hours.settled(symbol, day + DAY, settle) > instant
    if settle <= 8:
        assert day in (instant.date(), instant.date() - DAY)


def test_settled_counts_from_the_last_session_of_the_day():
    day = date(2024, 3, 15)
    assert hours.settled(Symbol("600519.SH"), day, 3) == at("2024-03-15 18:00")
    assert hours.settled(Symbol("204001.SH"), day, 1) == at("2024-03-15 16:30")
    assert hours.settled(Symbol("T2412.CFFEX"), day, 0) == at("2024-03-15 15:15")
    assert hours.settled(Symbol("au2412.SHFE"), day, 0.5) == at("2024-03-15 15:30")


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2024-03-14 10:00", "2024-03-14"),
        ("2024-03-14 16:00", "2024-03-14"),
        ("2024-03-14 21:00", "2024-03-15"),
        ("2024-03-15 02:00", "2024-03-15"),
        ("2024-03-15 21:00", "2024-03-18"),
        ("2024-03-16 02:00", "2024-03-18"),
        ("2024-03-16 12:00", "2024-03-18"),
        ("2024-02-08 21:00", "2024-02-19"),
        ("2040-01-06 21:00", "2040-01-09"),
    ],
)
def test_the_trading_date_of_an_instant(instant, expected):
    assert hours.trading_date(at(instant)) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("symbol", "day", "expected"),
    [
        ("600519.SH", "2024-03-15", "2024-03-15 09:15"),
        ("600519.SH", "2024-03-18", "2024-03-18 09:15"),
        ("600519.SH", "2024-02-19", "2024-02-19 09:15"),
        ("T2412.CFFEX", "2024-03-18", "2024-03-18 09:25"),
        ("rb2410.SHFE", "2024-03-15", "2024-03-14 20:55"),
        ("rb2410.SHFE", "2024-03-18", "2024-03-15 20:55"),
        ("600519.SH", "1990-12-19", "1990-12-19 09:15"),
    ],
)
def test_the_first_move_of_a_trading_date(symbol, day, expected):
    assert hours.first_move(Symbol(symbol), date.fromisoformat(day)) == at(expected)


@given(SYMBOLS, DATES)
@settings(deadline=None)
def test_the_first_move_belongs_to_its_trading_date(symbol, day):
    day = hours.next_trading_date(day)
    first = hours.first_move(symbol, day)
    assert hours.moving(symbol, first)
    assert hours.trading_date(first) == day


def test_trading_dates_before_and_after_a_day():
    assert hours.next_trading_date(date(2024, 2, 8)) == date(2024, 2, 19)
    assert hours.last_trading_date(date(2024, 2, 18)) == date(2024, 2, 8)
    assert hours.last_trading_date(date(2024, 2, 8)) == date(2024, 2, 8)
    assert hours.last_trading_date(date(1990, 12, 18)) is None
    assert hours.next_trading_date(date(1700, 1, 1)) == calendar.first()
    assert hours.last_trading_date(date(2040, 1, 8)) == date(2040, 1, 6)


@pytest.mark.parametrize(
    ("of", "instant", "expected"),
    [
        (Symbol("600519.SH"), "2024-03-15 08:59:59", "2024-03-15 09:00"),
        (Symbol("600519.SH"), "2024-03-15 09:00", "2024-03-18 09:00"),
        (Symbol("600519.SH"), "2024-02-09 08:00", "2024-02-19 09:00"),
        (Symbol("rb2410.SHFE"), "2024-03-15 09:00", "2024-03-15 20:30"),
        (Symbol("rb2410.SHFE"), "2024-03-15 21:00", "2024-03-18 08:30"),
        (Symbol("lc2501.GFEX"), "2024-03-15 09:00", "2024-03-18 08:30"),
        (Exchange.SHFE, "2024-03-15 09:00", "2024-03-15 20:30"),
        (Exchange.CFFEX, "2024-03-15 09:00", "2024-03-18 08:30"),
        (Exchange.GFEX, "2024-03-15 09:00", "2024-03-18 08:30"),
        (Exchange.SZ, "2024-03-15 08:00", "2024-03-15 09:00"),
        (None, "2024-03-15 08:00", "2024-03-15 08:30"),
        (None, "2024-03-15 08:30", "2024-03-15 09:00"),
        (None, "2024-03-15 09:00", "2024-03-15 20:30"),
        (None, "2024-03-16 09:00", "2024-03-18 08:30"),
    ],
)
def test_the_next_pre_open(of, instant, expected):
    assert preopen.next_pre_open(of, at(instant)) == at(expected)


@given(SYMBOLS, INSTANTS)
def test_a_pre_open_comes_after_its_instant_and_before_the_first_move_of_a_day(symbol, instant):
    ends = preopen.next_pre_open(symbol, instant)
    assert ends > instant
    assert calendar.is_session(ends.date())
    assert not hours.moving(symbol, ends)
    assert hours.next_move(symbol, ends) - ends <= timedelta(hours=1)
    assert preopen.next_pre_open(None, instant) <= ends
    assert preopen.next_pre_open(symbol.exchange, instant) <= ends


def test_a_warm_question_takes_microseconds():
    import timeit

    symbols = [Symbol(f"{600000 + n}.SH") for n in range(50)]
    instant = at("2024-03-15 12:00")

    def ask():
        for symbol in symbols:
            hours.moving(symbol, instant)
            hours.next_move(symbol, instant)

    ask()
    best = min(timeit.repeat(ask, number=10, repeat=20)) / 10 / len(symbols) / 2
    assert best < 10e-6  # 0.5 µs on an idle machine
