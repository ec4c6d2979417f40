from __future__ import annotations

from datetime import date, datetime, time, timedelta

import polars as pl
import pytest

from argus_core import SHANGHAI, Adjust, Period, Session, Symbol
from argus_core.errors import BeyondHorizon
from argus_core.market.bars import CANONICAL
from argus_core.market.history import (
    FIRST_DATE,
    base_range,
    empty_history,
    factors_query,
    history_frame,
    rows_needed,
)
from argus_core.market.resample import weekdays
from argus_core.model.query import HistoryQuery

S = Symbol("600000.SH")
STOCK = (Session(time(9, 30), time(11, 30)), Session(time(13), time(15)))
LATER = datetime(2030, 1, 1, tzinfo=SHANGHAI)
JAN15, JAN16, JAN17 = (date(2024, 1, day) for day in (15, 16, 17))
NUMBERS = ["open", "high", "low", "close", "volume", "turnover", "change", "change_pct"]


def at(clock, day=15):
    return datetime.combine(date(2024, 1, day), time.fromisoformat(clock), SHANGHAI)


def series(*rows):
    plain = {"volume": 100.0, "turnover": 935.0, "final": True}
    full = []
    for row in rows:
        close = row["close"]
        prices = {"open": close, "high": close + 0.1, "low": close - 0.1}
        full.append({"date": row["time"].date(), **prices, **plain, **row})
    return pl.DataFrame(full, schema=dict(CANONICAL))


def day(number, close, prev_close=None, **more):
    return {"time": at("00:00", number), "close": close, "prev_close": prev_close, **more}


def minute(clock, close, number=15, **more):
    return {"time": at(clock, number), "close": close, **more}


def ask(period=Period.D1, start=JAN15, end=date(2024, 1, 31), adjust=Adjust.NONE, base=None):
    return HistoryQuery(
        symbols=(S,), period=period, start=start, end=end, adjust=adjust, adjust_base=base
    )


def made(frame, query, period=Period.D1, now=LATER, **more):
    answer, base = history_frame(
        frame,
        query=query,
        period=period,
        sessions=STOCK,
        now=now,
        session_dates=weekdays,
        **more,
    )
    return (answer, base) if query.adjust is not Adjust.NONE else answer


def factors(*pairs):
    return pl.DataFrame(
        {"date": [date(2024, 1, d) for d, _ in pairs], "factor": [f for _, f in pairs]}
    )


def changes(frame):
    return frame["change"].to_list()


def test_the_columns_are_the_contracts():
    days = made(series(day(15, 9.4, 9.3)), ask())
    assert days.columns == ["date", *NUMBERS, "final"]
    minutes = made(series(minute("09:31", 9.4)), ask(Period.M1), Period.M1)
    assert minutes.columns == ["time", "date", *NUMBERS, "final"]
    assert minutes.schema["time"] == pl.Datetime("ms", "Asia/Shanghai")
    assert minutes.schema["final"] == pl.Boolean
    assert made(series(), ask()).columns == days.columns


def test_change_is_against_the_exchanges_previous_close():
    frame = made(series(day(15, 10.0, 9.8), day(16, 5.5, 5.0)), ask())
    assert changes(frame) == [0.2, 0.5]
    assert frame["change_pct"].to_list() == [2.0408, 10.0]


def test_change_without_a_previous_close_is_against_the_bar_before():
    frame = series(day(12, 9.0), day(15, 10.0), day(16, 5.5))
    assert changes(made(frame, ask())) == [1.0, -4.5]
    assert changes(made(frame[1:], ask())) == [None, -4.5]
    split = factors((1, 1.0), (16, 2.0))
    assert changes(made(frame, ask(), factors=split)) == [1.0, None]
    assert changes(made(frame, ask(), adjustable=False)) == [1.0, -4.5]


def test_float_noise_is_rounded_away_and_nothing_else():
    frame = made(series(day(15, 11.370000000000001, 11.36, turnover=935.12349999)), ask())
    row = frame.row(0, named=True)
    assert (row["close"], row["change"], row["turnover"]) == (11.37, 0.01, 935.1235)
    fine = made(series(day(15, 1.234567, 1.234566)), ask()).row(0, named=True)
    assert (fine["close"], fine["change"]) == (1.234567, 1e-06)


def test_minutes_change_against_the_minute_before():
    frame = series(minute("14:59", 9.0), minute("15:00", 9.1), minute("09:31", 9.3, 16))
    query = ask(Period.M1)
    # Nobody knows a factor: the bar before is all there is to compare with
    assert changes(made(frame, query, Period.M1)) == [None, 0.1, 0.2]
    assert changes(made(frame, query, Period.M1, adjustable=False)) == [None, 0.1, 0.2]
    same, other = factors((1, 2.0)), factors((1, 2.0), (16, 2.1))
    assert changes(made(frame, query, Period.M1, factors=same)) == [None, 0.1, 0.2]
    assert changes(made(frame, query, Period.M1, factors=other)) == [None, 0.1, None]
    # Factors that begin later prove nothing about the days before
    assert changes(made(frame, query, Period.M1, factors=factors((17, 2.0)))) == [None, 0.1, None]


@pytest.mark.parametrize(
    ("how", "closes", "moves", "base"),
    [
        (Adjust.PRE, [5.0, 5.0, 5.5], [0.1, 0.0, 0.5], JAN17),
        (Adjust.POST, [10.0, 10.0, 11.0], [0.2, 0.0, 1.0], JAN15),
    ],
)
def test_adjusted_change_is_against_the_adjusted_previous_close(how, closes, moves, base):
    frame = series(day(15, 10.0, 9.8), day(16, 10.0, 10.0), day(17, 5.5, 5.0))
    answer, found = made(frame, ask(adjust=how), factors=factors((15, 1.0), (17, 2.0)))
    assert found == base
    assert answer["close"].to_list() == closes
    assert changes(answer) == moves
    assert answer["volume"].to_list() == [100.0] * 3


def test_adjusted_minutes_compare_across_the_ex_day():
    frame = series(minute("15:00", 10.0), minute("09:31", 5.5, 16))
    query = ask(Period.M1, adjust=Adjust.PRE)
    answer, base = made(frame, query, Period.M1, factors=factors((1, 1.0), (16, 2.0)))
    assert (base, changes(answer)) == (JAN16, [None, 0.5])


def test_a_factor_of_the_future_is_not_known_yet():
    frame = series(day(15, 10.0, 9.8))
    table = factors((1, 1.0), (16, 2.0))
    answer, base = made(frame, ask(adjust=Adjust.PRE), now=at("16:00", 15), factors=table)
    assert (base, answer["close"].to_list()) == (date(2024, 1, 1), [10.0])


def test_the_base_can_be_pinned():
    frame = series(day(15, 10.0, 9.8), day(16, 5.5, 5.0))
    query = ask(adjust=Adjust.PRE, base=JAN15)
    answer, base = made(frame, query, factors=factors((1, 1.0), (16, 2.0)))
    assert (base, answer["close"].to_list()) == (JAN15, [10.0, 11.0])


def test_an_adjusted_week_is_a_week_of_adjusted_days():
    frame = series(day(15, 10.0, 9.8), day(16, 5.5, 5.0), day(17, 5.4, 5.5))
    query = ask(Period.W1, adjust=Adjust.PRE)
    answer, _ = made(frame, query, factors=factors((1, 1.0), (16, 2.0)))
    (week,) = answer.iter_rows(named=True)
    assert (week["date"], week["open"], week["high"], week["low"]) == (JAN17, 5.0, 5.6, 4.95)
    assert (week["close"], week["change"]) == (5.4, 0.5)
    assert week["change_pct"] == round((5.4 / 4.9 - 1) * 100, 4)
    (raw,) = made(frame, ask(Period.W1)).iter_rows(named=True)
    assert raw["change_pct"] == week["change_pct"]


def test_a_week_counts_by_its_label():
    frame = series(*(day(n, 9.0 + n / 10, 9.0) for n in (8, 12, 15, 19, 22)))
    labels = made(frame, ask(Period.W1, JAN15, date(2024, 1, 19)))["date"].to_list()
    assert labels == [date(2024, 1, 19)]
    assert made(frame, ask(Period.W1, JAN15, date(2024, 1, 18))).is_empty()


def test_longer_minutes_are_made_and_flagged():
    frame = series(minute("10:29", 9.0), minute("10:30", 9.1), minute("10:31", 9.3))
    hours = made(frame, ask(Period.H1), Period.M1, now=at("10:31"))
    assert hours["time"].to_list() == [at("10:30"), at("11:30")]
    assert changes(hours) == [None, 0.2]
    assert hours["final"].to_list() == [True, False]


def test_bounds_are_trading_dates_or_the_instants_of_bar_ends():
    night = minute("21:01", 9.0, 15, date=JAN16)
    frame = series(minute("14:59", 9.0), minute("15:00", 9.1), night, minute("09:31", 9.2, 16))
    labels = ["14:59", "15:00", "21:01", "09:31"]

    def kept(start, end):
        found = made(frame, ask(Period.M1, start, end), Period.M1)
        return found["time"].dt.strftime("%H:%M").to_list()

    assert kept(JAN15, JAN16) == labels
    assert kept(JAN16, JAN16) == labels[2:]
    assert kept(at("15:00"), at("21:01")) == labels[1:3]
    assert kept(at("15:00").astimezone(datetime.now(SHANGHAI).tzinfo), JAN15) == ["15:00"]
    days = series(day(15, 9.0, 8.9), day(16, 9.1, 9.0))
    assert made(days, ask(start=at("10:00", 16), end=at("00:00", 16)))["date"].to_list() == [JAN16]


def session_after(number):
    number += timedelta(days=1)
    while number.weekday() > 4:
        number += timedelta(days=1)
    return number


def needed(period, start, end, **more):
    found = base_range(ask(period, start, end), next_session=session_after, **more)
    return tuple(bound.strftime("%m-%d") for bound in found)


def test_base_bars_are_whole_weeks_and_months():
    assert needed(Period.D1, JAN15, JAN17) == ("01-15", "01-17")
    assert needed(Period.M5, JAN15, JAN17) == ("01-15", "01-17")
    assert needed(Period.W1, JAN16, JAN17) == ("01-15", "01-21")
    assert needed(Period.MON1, JAN16, date(2024, 2, 3)) == ("01-01", "02-29")
    assert needed(Period.D1, JAN15, JAN17, lookback_days=10) == ("01-05", "01-17")
    assert needed(Period.W1, JAN15, JAN17, lookback_days=7) == ("01-08", "01-21")


def test_an_instant_of_the_night_needs_the_next_trading_date():
    assert needed(Period.M1, at("09:31"), at("15:00")) == ("01-15", "01-15")
    assert needed(Period.M1, at("09:31"), at("21:30")) == ("01-15", "01-16")
    assert needed(Period.M1, at("09:31"), at("22:00", 19)) == ("01-15", "01-22")
    assert needed(Period.M1, at("09:31"), at("01:00", 20)) == ("01-15", "01-22")
    assert needed(Period.M1, at("09:31"), at("01:00", 16)) == ("01-15", "01-16")


@pytest.mark.parametrize(
    ("adjust", "base", "end", "expected"),
    [
        pytest.param(Adjust.NONE, None, JAN17, ("2023-12-06", "2024-01-17"), id="compared"),
        pytest.param(Adjust.NONE, None, date(2024, 5, 1), ("2023-12-06", "2024-03-01"), id="ahead"),
        pytest.param(Adjust.PRE, None, JAN17, ("2023-12-06", "2024-03-01"), id="prices-of-today"),
        pytest.param(Adjust.PRE, JAN16, JAN17, ("2023-12-06", "2024-01-17"), id="pinned-inside"),
        pytest.param(
            Adjust.PRE, date(2020, 1, 2), JAN17, ("2020-01-02", "2024-01-17"), id="pinned-before"
        ),
        pytest.param(
            Adjust.PRE, date(2024, 2, 1), JAN17, ("2023-12-06", "2024-02-01"), id="pinned-after"
        ),
        pytest.param(
            Adjust.PRE, date(2024, 9, 9), JAN17, ("2023-12-06", "2024-09-09"), id="pinned-to-come"
        ),
        pytest.param(Adjust.POST, None, JAN17, (str(FIRST_DATE), "2024-01-17"), id="from-listing"),
    ],
)
def test_the_factors_that_a_question_needs(adjust, base, end, expected):
    asked = factors_query(ask(end=end, adjust=adjust, base=base), date(2024, 3, 1))
    assert asked.symbols == (S,)
    assert (str(asked.start), str(asked.end)) == expected


def test_about_how_many_rows_a_question_needs():
    assert rows_needed(ask(Period.D1, JAN15, date(2024, 1, 29)), LATER.date()) == 10
    assert rows_needed(ask(Period.H1, JAN15, date(2024, 1, 29)), LATER.date()) == 2400
    assert rows_needed(ask(Period.D1, JAN15, date(2024, 1, 29)), date(2024, 1, 22)) == 5
    assert rows_needed(ask(Period.D1, JAN15, date(2024, 1, 29)), JAN15) == 0


def test_an_empty_history_has_the_columns_of_any_other():
    assert empty_history(intraday=False).schema == made(series(), ask()).schema
    minutes = made(series(), ask(Period.M1), Period.M1)
    assert empty_history(intraday=True).schema == minutes.schema


def test_beyond_the_horizon_the_next_weekday_is_needed():
    def unknown(number):
        raise BeyondHorizon(f"nothing is known after {number}")

    query = ask(Period.M1, JAN15, at("21:30", 19))
    assert base_range(query, next_session=unknown) == (JAN15, date(2024, 1, 22))
