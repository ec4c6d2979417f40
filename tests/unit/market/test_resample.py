from __future__ import annotations

from datetime import date, datetime, time, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import SHANGHAI, Period, Session
from argus_core.errors import BeyondHorizon
from argus_core.market.bars import CANONICAL
from argus_core.market.resample import (
    base_period,
    bucket_bounds,
    bucket_over,
    resample_days,
    resample_intraday,
    weekdays,
)

STOCK = (Session(time(9, 30), time(11, 30)), Session(time(13), time(15)))
SILVER = (
    Session(time(21), time(2, 30), 0),
    Session(time(9), time(10, 15)),
    Session(time(10, 30), time(11, 30)),
    Session(time(13, 30), time(15)),
)
LATER = datetime(2030, 1, 1, tzinfo=SHANGHAI)
CLOSE = time(15)
INTRADAY = [p for p in Period if p.intraday]


def series(rows):
    """A canonical series of dicts with ``time`` and whatever differs from a plain bar."""
    plain = {
        "open": 9.3,
        "high": 9.5,
        "low": 9.2,
        "close": 9.4,
        "volume": 100.0,
        "turnover": 935.0,
        "prev_close": None,
        "open_interest": None,
        "settle": None,
        "final": True,
    }
    full = [{"date": row["time"].date(), **plain, **row} for row in rows]
    return pl.DataFrame(full, schema=dict(CANONICAL))


def session_minutes(day, sessions=STOCK):
    for session in sessions:
        at = datetime.combine(day, session.open, SHANGHAI)
        while at.time() != session.close:
            at += timedelta(minutes=1)
            yield at


def at(clock, day=15):
    return datetime.combine(date(2024, 1, day), time.fromisoformat(clock), SHANGHAI)


def days(*numbers, month=1, **more):
    midnights = [datetime(2024, month, number, tzinfo=SHANGHAI) for number in numbers]
    return series([{"time": midnight, **more} for midnight in midnights])


def weekly(frame, period=Period.W1, now=LATER, session_dates=weekdays):
    return resample_days(frame, period, now=now, close=CLOSE, session_dates=session_dates)


@pytest.mark.parametrize(
    ("requested", "offered", "expected"),
    [
        ("5m", {"1m", "5m"}, "1m"),
        ("1h", {"5m", "15m", "1d"}, "15m"),
        ("15m", {"5m", "30m"}, "5m"),
        ("1h", {"1h", "30m"}, "1h"),
        ("1m", {"5m", "1d"}, None),
        ("5m", {"1d"}, None),
        ("1d", {"1m", "1d"}, "1d"),
        ("1d", {"1m", "1w"}, None),
        ("1w", {"1d", "1w"}, "1d"),
        ("1w", {"1w"}, "1w"),
        ("1mon", {"1w"}, None),
    ],
)
def test_the_base_is_the_finest_period_or_the_longest_that_divides(requested, offered, expected):
    found = base_period(Period(requested), frozenset(map(Period, offered)))
    assert found == expected


def test_hours_of_a_stock_end_at_the_hours_everybody_prints():
    frame = series([{"time": moment} for moment in session_minutes(date(2024, 1, 15))])
    hours = resample_intraday(frame, Period.H1, STOCK, LATER)
    assert hours["time"].to_list() == [at(c) for c in ("10:30", "11:30", "14:00", "15:00")]
    assert hours["volume"].to_list() == [6000.0] * 4
    assert dict(hours.schema) == dict(CANONICAL)
    for period, count in ((Period.M5, 48), (Period.M15, 16), (Period.M30, 8)):
        assert resample_intraday(frame, period, STOCK, LATER).height == count


def test_one_bar_is_made_of_several_as_it_should_be():
    rows = [
        {"time": at("09:31"), "open": 9.21, "low": 9.2, "volume": 1.0, "settle": 9.0},
        {"time": at("09:33"), "high": 9.9, "turnover": None, "open_interest": 7.0},
        {"time": at("09:35"), "close": 9.33, "low": 9.1, "turnover": 10.5},
        {"time": at("09:36"), "turnover": None},
    ]
    first, second = resample_intraday(series(rows), Period.M5, STOCK, LATER).iter_rows(named=True)
    assert first == {
        "time": at("09:35"),
        "date": date(2024, 1, 15),
        "open": 9.21,
        "high": 9.9,
        "low": 9.1,
        "close": 9.33,
        "volume": 201.0,
        "turnover": 945.5,
        "prev_close": None,
        "open_interest": 7.0,
        "settle": 9.0,
        "final": True,
    }
    assert second["turnover"] is None


def test_an_hour_is_final_when_its_scheduled_end_has_come_and_all_its_bars_are():
    frame = series([{"time": at("10:29")}, {"time": at("10:31")}])
    for now, final in (
        ("10:29", [False, False]),
        ("10:30", [True, False]),
        ("11:30", [True, True]),
    ):
        hours = resample_intraday(frame, Period.H1, STOCK, at(now))
        assert hours["final"].to_list() == final
    open_bar = frame.with_columns(final=pl.Series([False, True]))
    hours = resample_intraday(open_bar, Period.H1, STOCK, LATER)
    assert hours["final"].to_list() == [False, True]


def test_night_and_day_never_share_a_bar():
    night = [at("23:59", 15), at("00:01", 16), at("02:15", 16), at("02:30", 16)]
    frame = series([{"time": m, "date": date(2024, 1, 16)} for m in [*night, at("09:01", 16)]])
    hours = resample_intraday(frame, Period.H1, SILVER, LATER)
    ends = [at("00:00", 16), at("01:00", 16), at("02:30", 16), at("10:00", 16)]
    assert hours["time"].to_list() == ends
    assert hours["volume"].to_list() == [100.0, 100.0, 200.0, 100.0]
    assert set(hours["date"]) == {date(2024, 1, 16)}


@settings(deadline=None, max_examples=60)
@given(
    picks=st.lists(st.integers(0, 239), min_size=1, max_size=60, unique=True),
    volumes=st.lists(st.integers(1, 10**6), min_size=60, max_size=60),
    period=st.sampled_from(INTRADAY),
)
def test_resampling_conserves_volume_turnover_and_extremes(picks, volumes, period):
    moments = list(session_minutes(date(2024, 1, 15)))
    rows = [
        {"time": moments[n], "volume": v, "turnover": v * 9.5, "high": 9.5 + v, "low": 9.2 - n / 99}
        for n, v in zip(sorted(picks), volumes, strict=False)
    ]
    frame = series(rows)
    longer = resample_intraday(frame, period, STOCK, LATER)
    assert longer["volume"].sum() == frame["volume"].sum()
    assert longer["turnover"].sum() == pytest.approx(frame["turnover"].sum())
    assert longer["high"].max() == frame["high"].max()
    assert longer["low"].min() == frame["low"].min()
    assert (longer["open"][0], longer["close"][-1]) == (frame["open"][0], frame["close"][-1])
    assert longer["time"].is_sorted()
    assert longer["time"].n_unique() == longer.height
    assert set(longer["time"]) <= set(moments)
    # Through any shorter period the result is the same
    for step in INTRADAY:
        if step.minutes < period.minutes:
            shorter = resample_intraday(frame, step, STOCK, LATER)
            again = resample_intraday(shorter, period, STOCK, LATER)
            assert again.drop("turnover").equals(longer.drop("turnover"))


def test_a_week_is_dated_by_its_last_trading_day_in_the_data():
    frame = days(8, 9, 11, 15, 16)
    weeks = weekly(frame)
    assert weeks["date"].to_list() == [date(2024, 1, 11), date(2024, 1, 16)]
    assert weeks["time"].to_list() == [at("00:00", 11), at("00:00", 16)]
    assert weeks["volume"].to_list() == [300.0, 200.0]
    assert dict(weeks.schema) == dict(CANONICAL)


def test_weeks_follow_iso_across_the_year_and_months_the_calendar():
    frame = pl.concat([days(29, 30, month=4), days(2, 3, 6, month=5)])
    assert weekly(frame)["date"].to_list() == [date(2024, 5, 3), date(2024, 5, 6)]
    months = weekly(frame, Period.MON1)
    assert months["date"].to_list() == [date(2024, 4, 30), date(2024, 5, 6)]


def test_the_change_of_a_week_is_right_across_an_ex_day():
    rows = [
        {"time": at("00:00", 15), "close": 10.0, "prev_close": 9.5},
        {"time": at("00:00", 16), "close": 5.5, "prev_close": 5.0},
        {"time": at("00:00", 17), "close": 5.5, "prev_close": 5.5},
    ]
    (week,) = weekly(series(rows)).iter_rows(named=True)
    growth = (10.0 / 9.5) * (5.5 / 5.0)
    assert week["close"] / week["prev_close"] == pytest.approx(growth)
    rows[1]["prev_close"] = None
    (week,) = weekly(series(rows)).iter_rows(named=True)
    assert week["prev_close"] == 9.5


@pytest.mark.parametrize(
    ("now", "final"),
    [
        (at("14:59", 19), False),
        (at("15:00", 19), True),
        (at("09:00", 18), False),
        (at("09:00", 20), True),
        (at("09:00", 29), True),
    ],
)
def test_a_week_is_final_when_no_session_of_it_is_left(now, final):
    frame = days(8, 9, 15, 16)
    assert weekly(frame, now=now)["final"].to_list() == [True, final]


def test_a_holiday_friday_ends_the_week_on_thursday():
    def dates(start, end):
        return tuple(day for day in weekdays(start, end) if day != date(2024, 1, 19))

    frame = days(15, 18)
    assert weekly(frame, now=at("15:00", 18), session_dates=dates)["final"].to_list() == [True]
    assert weekly(frame, now=at("15:00", 18))["final"].to_list() == [False]
    assert weekly(frame, now=at("14:00", 18), session_dates=dates)["final"].to_list() == [False]


def test_beyond_the_horizon_weekdays_decide():
    def unknown(start, end):
        raise BeyondHorizon(f"nothing is known of {start} to {end}")

    frame = days(30, 31)
    for now, final in ((at("15:00", 31), True), (at("14:00", 31), False), (at("15:00", 30), False)):
        month = weekly(frame, Period.MON1, now=now, session_dates=unknown)
        assert month["final"].to_list() == [final]


def test_an_unfinished_day_leaves_its_week_unfinished():
    frame = days(15, 16).with_columns(final=pl.Series([True, False]))
    assert weekly(frame)["final"].to_list() == [False]


def test_bounds_are_whole_weeks_and_months():
    assert bucket_bounds(date(2024, 1, 17), Period.W1) == (date(2024, 1, 15), date(2024, 1, 21))
    assert bucket_bounds(date(2024, 2, 10), Period.MON1) == (date(2024, 2, 1), date(2024, 2, 29))
    assert bucket_bounds(date(2024, 12, 31), Period.MON1)[1] == date(2024, 12, 31)
    assert bucket_bounds(date(2024, 2, 10), Period.D1) == (date(2024, 2, 10),) * 2
    assert bucket_over(date(2024, 1, 12), Period.W1, at("00:01", 15), CLOSE, weekdays)


def test_nothing_becomes_nothing():
    none = series([])
    assert resample_intraday(none, Period.H1, STOCK, LATER).equals(none)
    assert weekly(none).equals(none)


def minutes_recorded(market_data):
    raw = pl.read_csv(market_data / "minute" / "candle_201801_000001.SZ.csv")
    stamp = pl.format("{} {}", pl.col("date"), pl.col("time").cast(pl.String).str.zfill(9))
    moment = stamp.str.to_datetime("%Y%m%d %H%M%S%3f", time_unit="ms")
    moment = moment.dt.replace_time_zone("Asia/Shanghai")
    none = pl.lit(None, dtype=pl.Float64)
    return raw.with_columns(
        pl.col("volume").cast(pl.Float64),
        time=moment,
        date=moment.dt.date(),
        prev_close=none,
        open_interest=none,
        settle=none,
        final=pl.lit(value=True),
    ).select(*CANONICAL)


@pytest.mark.parametrize(("period", "count"), [(Period.M5, 48), (Period.M30, 8), (Period.H1, 4)])
def test_recorded_minutes_add_up_to_longer_bars(market_data, period, count):
    frame = minutes_recorded(market_data)
    longer = resample_intraday(frame, period, STOCK, LATER)
    assert longer.group_by("date").len()["len"].unique().to_list() == [count]
    sums = {name: pl.col(name).sum() for name in ("volume", "turnover")}
    sums |= {"high": pl.col("high").max(), "low": pl.col("low").min()}
    expected = frame.group_by("date", maintain_order=True).agg(**sums)
    found = longer.group_by("date", maintain_order=True).agg(**sums)
    assert found.drop("turnover").equals(expected.drop("turnover"))
    assert (found["turnover"] - expected["turnover"]).abs().max() < 0.01
    # The bars are consecutive runs of equally many minutes
    by_hand = frame.group_by(pl.int_range(pl.len()) // (240 // count), maintain_order=True).agg(
        pl.col("time").last(), pl.col("open").first(), pl.col("close").last()
    )
    assert longer.select("time", "open", "close").equals(by_hand.select("time", "open", "close"))


def test_minutes_without_the_closing_call_still_end_at_three(market_data):
    path = market_data / "tidy_minute_1m_000001.SZ_201801_600009.SH_202001.parquet"
    raw = pl.read_parquet(path).filter(pl.col("symbol").str.starts_with("600009"))
    full = raw.with_columns(
        time=pl.col("bar_end").dt.cast_time_unit("ms").dt.replace_time_zone("Asia/Shanghai")
    )
    rows = full.select("time", "open", "high", "low", "close", volume="volume_share")
    frame = series(rows.to_dicts())
    hours = resample_intraday(frame, Period.H1, STOCK, LATER)
    clocks = hours.filter(pl.col("date") == date(2020, 1, 2))["time"].dt.strftime("%H:%M")
    assert clocks.to_list() == ["10:30", "11:30", "14:00", "15:00"]
    assert hours["volume"].sum() == frame["volume"].sum()
