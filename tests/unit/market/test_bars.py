from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from argus_core import SHANGHAI, BadData, BarsQuery, Kind, Period, Session, Symbol, Units
from argus_core.errors import BeyondHorizon
from argus_core.market.bars import CANONICAL, normalise_bars

S = Symbol("600000.SH")
OTHER = Symbol("600519.SH")
INDEX = Symbol("000300.SH")
FUTURE = Symbol("ag2412.SHFE")
STOCK_DAY = (Session(time(9, 30), time(11, 30)), Session(time(13), time(15)))
FUTURE_DAY = (
    Session(time(21), time(2, 30), 0),
    Session(time(9), time(10, 15)),
    Session(time(10, 30), time(11, 30)),
    Session(time(13, 30), time(15)),
)
KINDS = {INDEX: Kind.INDEX, FUTURE: Kind.FUTURE}
LATER = datetime(2024, 3, 1, tzinfo=SHANGHAI)
PRICES = {"open": 9.3, "high": 9.5, "low": 9.2, "close": 9.4}


def bar(when, symbol=S, volume=1000.0, mean=9.35, **more):
    turnover = None if volume is None else round(volume * mean, 2)
    row = {"symbol": symbol, "time": when, **PRICES, "volume": volume, "turnover": turnover}
    return {**row, **more}


def weekday_after(day):
    """Trading dates are weekdays here, except Thursday 2024-01-18."""
    day += timedelta(days=1)
    while day.weekday() > 4 or day == date(2024, 1, 18):
        day += timedelta(days=1)
    return day


def read(
    rows,
    period=Period.M1,
    symbols=(S,),
    start=date(2024, 1, 1),
    end=date(2024, 2, 29),
    **facts,
):
    query = BarsQuery(
        symbols=symbols,
        period=period,
        start=start,
        end=end,
        since=datetime(2024, 1, 1, tzinfo=SHANGHAI),
        until=datetime(2024, 3, 1, tzinfo=SHANGHAI),
    )
    stated = {
        "units": (),
        "bar_label": "end",
        "timezone": "Asia/Shanghai",
        "now": LATER,
        "next_session": weekday_after,
        **facts,
    }
    return normalise_bars(
        rows,
        query=query,
        sessions=lambda symbol: FUTURE_DAY if symbol == FUTURE else STOCK_DAY,
        kind=lambda symbol: KINDS.get(symbol, Kind.STOCK),
        **stated,
    )


def shanghai(day, clock):
    return datetime.combine(date(2024, 1, day), time.fromisoformat(clock), SHANGHAI)


def minute(day, clock):
    return datetime.combine(date(2024, 1, day), time.fromisoformat(clock))


def test_a_series_is_canonical():
    found = read([bar(minute(15, "09:31"))])
    assert set(found.series) == {S}
    frame = found.series[S]
    assert dict(frame.schema) == dict(CANONICAL)
    assert frame.row(0, named=True) == {
        "time": shanghai(15, "09:31"),
        "date": date(2024, 1, 15),
        **PRICES,
        "volume": 1000.0,
        "turnover": 9350.0,
        "prev_close": None,
        "open_interest": None,
        "settle": None,
        "final": True,
    }
    assert found.faults == {}
    assert found.steps == ("proved 1 of 1 bars by turnover ÷ volume",)


def test_days_are_stamped_with_midnight_however_they_come():
    for when in ("20240115", date(2024, 1, 15), minute(15, "15:00"), shanghai(15, "00:00")):
        found = read([bar(when, prev_close=9.1)], Period.D1)
        row = found.series[S].row(0, named=True)
        assert (row["time"], row["date"]) == (shanghai(15, "00:00"), date(2024, 1, 15))
        assert row["prev_close"] == 9.1
    epoch = datetime(2024, 1, 14, 16, tzinfo=UTC)
    assert read([bar(epoch)], Period.D1).series[S]["date"].to_list() == [date(2024, 1, 15)]


def test_units_follow_the_first_rule_that_covers_and_are_told():
    rules = (
        Units(volume=100, turnover=1000, periods=frozenset({Period.D1})),
        Units(volume=10, datasets=frozenset({"bars"})),
    )
    day = read([bar("20240115", volume=10.0, turnover=9.35)], Period.D1, units=rules)
    assert day.series[S].select("volume", "turnover").row(0) == (1000.0, 9350.0)
    assert day.steps[:2] == ("volume × 100", "turnover × 1000")
    row = bar(minute(15, "09:31"), volume=100.0, turnover=9350.0)
    assert read([row], units=rules).series[S]["volume"].to_list() == [1000.0]


def test_symbols_of_several_kinds_are_read_by_their_own_rules():
    rules = (Units(volume=100, kinds=frozenset({Kind.INDEX})),)
    rows = [bar("20240115"), bar("20240115", INDEX, turnover=1.0), bar("20240115", FUTURE)]
    found = read(rows, Period.D1, (S, INDEX, FUTURE), units=rules)
    assert {s: f["volume"][0] for s, f in found.series.items()} == {
        S: 1000.0,
        INDEX: 100000.0,
        FUTURE: 1000.0,
    }


def test_what_was_not_asked_for_is_dropped_and_told():
    rows = [bar(minute(15, "09:31")), bar(minute(15, "09:31"), OTHER)]
    found = read(rows)
    assert set(found.series) == {S}
    assert "dropped 1 bars of symbols that were not asked for" in found.steps
    with pytest.raises(BadData, match="not asked for, and none of what was"):
        read([bar(minute(15, "09:31"), OTHER)])
    assert read([]).series == {}


def test_a_bar_sent_twice_is_one_and_two_different_bars_are_a_fault():
    rows = [bar(minute(15, "09:31")), bar(minute(15, "09:31"))]
    found = read(rows)
    assert found.series[S].height == 1
    assert "dropped 1 bars that were sent twice" in found.steps
    rows += [bar(minute(15, "09:31"), close=9.3), bar(minute(15, "09:31"), OTHER)]
    found = read(rows, symbols=(S, OTHER))
    assert set(found.series) == {OTHER}
    assert "2024-01-15 09:31:00" in found.faults[S]


def test_two_times_of_one_day_cannot_both_be_its_bar():
    rows = [bar(minute(15, "00:00")), bar(minute(15, "15:00"), close=9.3)]
    assert "2024-01-15" in read(rows, Period.D1).faults[S]
    rows = [bar(minute(15, "00:00")), bar(minute(15, "15:00"))]
    assert read(rows, Period.D1).series[S].height == 1


def test_start_labels_become_ends_that_the_sessions_allow():
    starts = ["09:30", "09:31", "11:29", "13:00", "14:59"]
    found = read([bar(minute(15, clock)) for clock in starts], bar_label="start")
    ends = ["09:31", "09:32", "11:30", "13:01", "15:00"]
    assert found.series[S]["time"].to_list() == [shanghai(15, clock) for clock in ends]
    assert "label start -> end" in found.steps
    hours = read(
        [bar(minute(15, clock), FUTURE) for clock in ("09:00", "10:00", "11:15", "14:15")],
        Period.H1,
        (FUTURE,),
        bar_label="start",
    )
    ends = ["10:00", "11:15", "14:15", "15:00"]
    assert hours.series[FUTURE]["time"].to_list() == [shanghai(15, clock) for clock in ends]


def test_naive_times_are_in_the_sources_zone():
    for zone, clock in (("UTC", "01:31"), ("Asia/Tokyo", "10:31")):
        found = read([bar(minute(15, clock))], timezone=zone)
        assert found.series[S]["time"].to_list() == [shanghai(15, "09:31")]
    aware = datetime(2024, 1, 15, 1, 31, tzinfo=UTC)
    assert read([bar(aware)]).series[S]["time"].to_list() == [shanghai(15, "09:31")]


def test_intraday_bars_need_times():
    with pytest.raises(BadData, match="'time'"):
        read([bar("20240115")])


def test_a_minute_without_a_trade_is_no_row_except_of_an_index():
    for symbol, left in ((S, 1), (FUTURE, 1), (INDEX, 2)):
        rows = [bar(minute(15, "09:31"), symbol), bar(minute(15, "09:32"), symbol, volume=0.0)]
        found = read(rows, symbols=(symbol,))
        assert found.series[symbol].height == left
        assert ("dropped 1 bars without a trade" in found.steps) is (left == 1)


@pytest.mark.parametrize("empty", [0.0, None])
def test_a_quiet_futures_day_is_a_row(empty):
    quiet = {"volume": empty, "open": 0.0, "high": 0.0, "low": 0.0, "settle": 9.3}
    rows = [bar("20240115", FUTURE), bar("20240116", FUTURE, **quiet)]
    row = read(rows, Period.D1, (FUTURE,)).series[FUTURE].row(1, named=True)
    assert (row["open"], row["high"], row["low"], row["close"]) == (None, None, None, 9.4)
    assert row["settle"] == 9.3


@pytest.mark.parametrize("price", [9.4, 0.0, None])
@pytest.mark.parametrize("turnover", [0.0, None])
def test_a_suspended_day_is_no_row(price, turnover):
    prices = dict.fromkeys(PRICES, price)
    rows = [bar("20240115"), bar("20240116", volume=0.0, turnover=turnover) | prices]
    found = read(rows, Period.D1)
    assert found.series[S]["date"].to_list() == [date(2024, 1, 15)]
    assert "dropped 1 bars without a trade" in found.steps


@pytest.mark.parametrize("volume", [None, float("nan"), 2147483647])
@pytest.mark.parametrize("prices", [{}, dict.fromkeys(PRICES), dict.fromkeys(PRICES, 0.0)])
def test_a_day_that_lost_its_volume_is_not_taken_for_a_suspension(volume, prices):
    rows = [bar("20240115"), bar("20240117"), bar("20240115", OTHER)]
    rows.append(bar("20240116", volume=1000.0) | prices | {"volume": volume, "turnover": volume})
    found = read(rows, Period.D1, (S, OTHER))
    assert set(found.series) == {OTHER}
    assert found.faults == {S: "the bar of 2024-01-16 00:00:00+08:00 has no volume"}
    within = read(rows, Period.D1, (S,), end=date(2024, 1, 15))
    assert within.series[S].height == 1
    assert within.faults == {}


def test_a_minute_that_lost_its_volume_is_a_fault_even_in_the_opening_auction():
    for clock, told in (("09:25", "09:31"), ("09:32", "09:32")):
        rows = [bar(minute(15, "09:31")), bar(minute(15, clock), volume=None)]
        found = read(rows)
        assert found.series == {}
        assert found.faults == {S: f"the bar of 2024-01-15 {told}:00+08:00 has no volume"}
    lost = read([bar(minute(15, "09:31"), FUTURE, volume=None)], symbols=(FUTURE,))
    assert set(lost.faults) == {FUTURE}


@pytest.mark.parametrize("symbol", [INDEX, FUTURE])
def test_a_day_without_volume_needs_a_close(symbol):
    prices = dict.fromkeys(PRICES)
    rows = [bar("20240115", symbol, volume=None), bar("20240116", symbol, volume=None) | prices]
    found = read(rows, Period.D1, (symbol,))
    assert found.faults == {symbol: "the bar of 2024-01-16 00:00:00+08:00 has no volume"}
    assert read(rows[:1], Period.D1, (symbol,)).series[symbol]["volume"].to_list() == [None]


def test_a_symbol_that_never_traded_is_absent():
    padded = bar("20240115", volume=0.0, open=0.0, high=0.0, low=0.0, close=0.0)
    found = read([padded], Period.D1)
    assert (found.series, found.faults) == ({}, {})
    assert found.steps == ("dropped 1 bars without a trade",)


def test_zeros_that_stand_for_none_become_null():
    row = bar("20240115", turnover=0.0, prev_close=0.0, settle=0.0)
    found = read([row], Period.D1).series[S].row(0, named=True)
    assert (found["turnover"], found["prev_close"], found["settle"]) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"close": float("nan")}, "impossible"),
        ({"open": 0.0}, "impossible"),
        ({"high": 9.0}, "impossible"),
        ({"turnover": 93.5}, "disproves its units"),
    ],
)
def test_what_cannot_be_true_is_a_fault_of_its_symbol_alone(change, words):
    rows = [bar("20240115", OTHER), bar("20240115"), bar("20240116", **change)]
    found = read(rows, Period.D1, (S, OTHER))
    assert set(found.series) == {OTHER}
    assert words in found.faults[S]
    assert "2024-01-16" in found.faults[S]
    assert "proved 1 of 1 bars by turnover ÷ volume" in found.steps


def test_bars_a_little_off_are_served_and_told():
    found = read([bar("20240115"), bar("20240116", mean=9.6)], Period.D1)
    assert found.series[S].height == 2
    assert found.steps == (
        "proved 1 of 2 bars by turnover ÷ volume",
        "1 bars lie outside [low, high] by less than a factor of two",
    )


@pytest.mark.parametrize("label", ["09:25", "09:30"])
def test_the_opening_auction_is_part_of_the_first_bar(label):
    auction = bar(minute(15, label), volume=500.0, open=9.21, high=9.21, low=9.21, close=9.21)
    auction["turnover"] = 500 * 9.21
    found = read([bar(minute(15, "09:31"), open=9.25), auction, bar(minute(15, "09:32"))])
    frame = found.series[S]
    assert frame["time"].to_list() == [shanghai(15, "09:31"), shanghai(15, "09:32")]
    first = frame.row(0, named=True)
    assert (first["open"], first["high"], first["low"], first["close"]) == (9.21, 9.5, 9.2, 9.4)
    assert first["volume"] == 1500.0
    assert first["turnover"] == 9350.0 + 500 * 9.21
    assert "merged the opening auction into 09:31 (1 bars)" in found.steps


def test_an_auction_without_a_first_bar_becomes_the_first_bar():
    rows = [bar(minute(15, "09:30")), bar(minute(15, "09:32")), bar(minute(16, "09:30"))]
    found = read(rows)
    expected = [shanghai(15, "09:31"), shanghai(15, "09:32"), shanghai(16, "09:31")]
    assert found.series[S]["time"].to_list() == expected
    assert "merged the opening auction into 09:31 (2 bars)" in found.steps


def test_futures_open_in_the_evening_and_in_the_morning():
    labels = [minute(15, c) for c in ("20:59", "21:01", "23:59")]
    labels += [minute(16, c) for c in ("00:00", "02:30", "09:00", "09:01", "10:15", "10:31")]
    found = read([bar(when, FUTURE) for when in labels], symbols=(FUTURE,))
    frame = found.series[FUTURE]
    clocks = [when.strftime("%H:%M") for when in frame["time"]]
    assert clocks == ["21:01", "23:59", "00:00", "02:30", "09:01", "10:15", "10:31"]
    assert frame["volume"].to_list() == [2000.0, 1000, 1000, 1000, 2000, 1000, 1000]
    assert set(frame["date"]) == {date(2024, 1, 16)}


def test_beyond_the_calendar_the_next_weekday_is_taken_and_told():
    def unknown(day):
        raise BeyondHorizon(f"nothing is known after {day}")

    for day, expected in ((15, 16), (12, 15), (13, 15), (14, 15)):
        found = read([bar(minute(day, "21:01"), FUTURE)], symbols=(FUTURE,), next_session=unknown)
        assert found.series[FUTURE]["date"].to_list() == [date(2024, 1, expected)]
        assert any("calendar's horizon" in step for step in found.steps)


def test_the_range_is_of_trading_dates_and_inclusive():
    labels = [minute(12, "14:00"), minute(12, "21:01"), minute(15, "14:00"), minute(15, "21:01")]
    found = read(
        [bar(when, FUTURE) for when in labels],
        symbols=(FUTURE,),
        start=date(2024, 1, 15),
        end=date(2024, 1, 15),
    )
    kept = [shanghai(12, "21:01"), shanghai(15, "14:00")]
    assert found.series[FUTURE]["time"].to_list() == kept
    assert "dropped 2 bars outside the range" in found.steps
    nothing = read([bar("20240115")], Period.D1, start=date(2024, 1, 16))
    assert nothing.series == {}


def test_a_bar_is_final_when_its_period_has_ended():
    rows = [bar(minute(15, "09:31")), bar(minute(15, "09:32")), bar(minute(15, "09:33"))]
    now = datetime(2024, 1, 15, 1, 32, 30, tzinfo=UTC)
    assert read(rows, now=now).series[S]["final"].to_list() == [True, True, False]
    days = [bar("20240115"), bar("20240116"), bar("20240117")]
    for clock, today_final in (("14:59", False), ("15:00", True)):
        frame = read(days, Period.D1, now=shanghai(16, clock)).series[S]
        assert frame["final"].to_list() == [True, today_final, False]


def test_a_vendors_own_week_is_final_after_its_last_day():
    rows = [bar("20240112"), bar("20240117")]
    for day, final in ((19, False), (22, True)):
        frame = read(rows, Period.W1, now=shanghai(day, "16:00")).series[S]
        assert frame["final"].to_list() == [True, final]
    month = read([bar("20240131")], Period.MON1, now=shanghai(31, "15:00")).series[S]
    assert month["final"].to_list() == [True]
