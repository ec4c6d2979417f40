# ruff: noqa: DTZ001  # naive times are what vendors send
from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import BARS, FACTORS, SHANGHAI, BadData, Symbol
from argus_core.market.frames import to_frame

ROW = {
    "symbol": "600000.SH",
    "time": "2024-01-15",
    "open": 9.3,
    "high": 9.5,
    "low": 9.2,
    "close": 9.4,
    "volume": 1000,
}
NAMES = [column.name for column in BARS]


def only(**changes):
    return to_frame([{**ROW, **changes}], BARS)


def test_rows_become_the_schema_in_its_order_and_unknown_columns_vanish():
    frame = only(symbol=Symbol("600000.SH"), mood="good")
    assert frame.columns == NAMES
    assert frame.schema["symbol"] == pl.String
    assert frame.schema["volume"] == pl.Float64
    assert frame["symbol"].to_list() == ["600000.SH"]
    assert frame["turnover"].to_list() == [None]


def test_a_table_of_any_library_reads_like_the_same_rows():
    rows = [ROW, {**ROW, "time": "2024-01-16", "volume": None}]
    expected = to_frame(rows, BARS)
    table = pl.DataFrame(rows)
    assert to_frame(table, BARS).equals(expected)
    assert to_frame(table.to_arrow(), BARS).equals(expected)
    assert to_frame(pd.DataFrame(rows), BARS).equals(expected)
    assert to_frame((row for row in rows), BARS).equals(expected)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1.7976931348623157e308, None])
@pytest.mark.parametrize("name", ["open", "close", "volume", "turnover"])
def test_what_vendors_write_for_missing_is_null(bad, name):
    two = to_frame([ROW, {**ROW, name: bad}], BARS)
    assert two[name].to_list() == [ROW.get(name), None]


def test_sentinels_that_cancel_out_are_still_found():
    huge = 1.7976931348623157e308
    frame = to_frame([{**ROW, "close": huge}, {**ROW, "close": -huge}], BARS)
    assert frame["close"].null_count() == 2


def test_int_max_is_missing_in_counts_and_a_number_in_prices():
    frame = only(
        volume=2147483647, turnover=2147483647.0, open_interest=2147483647, high=2147483647
    )
    assert frame.row(0, named=True)["high"] == 2147483647.0
    assert [frame[n][0] for n in ("volume", "turnover", "open_interest")] == [None] * 3
    assert only(volume=2147483648)["volume"][0] == 2147483648.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20240115", date(2024, 1, 15)),
        ("2024-01-15", date(2024, 1, 15)),
        (date(2024, 1, 15), date(2024, 1, 15)),
        ("2024-01-15 09:31:00", datetime(2024, 1, 15, 9, 31)),
        ("2024-01-15T09:31:00", datetime(2024, 1, 15, 9, 31)),
        (datetime(2024, 1, 15, 9, 31), datetime(2024, 1, 15, 9, 31)),
        (pd.Timestamp("2024-01-15 09:31"), datetime(2024, 1, 15, 9, 31)),
        ("2024-01-15T09:31:00+08:00", datetime(2024, 1, 15, 1, 31, tzinfo=UTC)),
        ("2024-01-15T01:31:00.000Z", datetime(2024, 1, 15, 1, 31, tzinfo=UTC)),
        (
            datetime(2024, 1, 15, 9, 31, tzinfo=SHANGHAI),
            datetime(2024, 1, 15, 1, 31, tzinfo=UTC),
        ),
        (
            datetime(2024, 1, 15, 9, 31, tzinfo=timezone(timedelta(hours=8))),
            datetime(2024, 1, 15, 1, 31, tzinfo=UTC),
        ),
    ],
)
def test_times_stay_dates_naive_or_aware(value, expected):
    (found,) = only(time=value)["time"]
    assert found == expected
    assert type(found) is type(expected)


def test_a_frames_own_time_zone_is_kept():
    frame = pl.DataFrame({**ROW, "time": datetime(2024, 1, 15, tzinfo=ZoneInfo("Asia/Tokyo"))})
    assert to_frame(frame, BARS).schema["time"] == pl.Datetime("ms", "Asia/Tokyo")


def test_no_rows_are_an_answer_and_no_columns_are_none():
    assert to_frame([], BARS).columns == NAMES
    assert to_frame([], BARS).height == 0
    assert to_frame(pd.DataFrame(columns=NAMES), BARS).height == 0
    assert to_frame(pl.DataFrame(schema=dict.fromkeys(NAMES, pl.String)), BARS).height == 0
    for empty in (pd.DataFrame(), pl.DataFrame()):
        with pytest.raises(BadData, match="without any column"):
            to_frame(empty, BARS)


@pytest.mark.parametrize("name", [c.name for c in BARS if c.required])
def test_a_missing_required_column_is_named(name):
    short = {key: value for key, value in ROW.items() if key != name}
    for rows in ([short], pl.DataFrame([short])):
        with pytest.raises(BadData, match=f"'{name}'"):
            to_frame(rows, BARS)


def test_a_value_missing_from_one_row_is_null_but_not_symbol_or_time():
    frame = to_frame([ROW, {"symbol": "600000.SH", "time": "2024-01-16"}], BARS)
    assert frame["close"].to_list() == [9.4, None]
    assert to_frame([{**ROW, "time": pd.Timestamp(2024, 1, 15)}], BARS).height == 1
    with pytest.raises(BadData, match="'time' has rows without a value"):
        to_frame([{**ROW, "time": pd.Timestamp(2024, 1, 15)}, {**ROW, "time": pd.NaT}], BARS)
    for name in ("symbol", "time"):
        with pytest.raises(BadData, match=f"'{name}' has rows without a value"):
            to_frame([ROW, {**ROW, name: None}], BARS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("close", "9.4"),
        ("close", [1]),
        ("symbol", 600000),
        ("time", 20240115),
        ("time", "yesterday"),
        ("time", "2024-13-41"),
        ("volume", date(2024, 1, 15)),
    ],
)
def test_a_wrong_type_names_its_column(name, value):
    row = {**ROW, name: value}
    with pytest.raises(BadData, match=f"'{name}'"):
        to_frame([row], BARS)
    with pytest.raises(BadData, match=f"'{name}'"):
        to_frame(pl.DataFrame([row]), BARS)


@pytest.mark.parametrize(
    "pair",
    [
        ("2024-01-15", datetime(2024, 1, 15)),
        (date(2024, 1, 15), datetime(2024, 1, 15)),
        (datetime(2024, 1, 15), datetime(2024, 1, 15, tzinfo=UTC)),
        ("20240115", "2024-01-16"),
    ],
)
def test_kinds_of_time_do_not_mix(pair):
    with pytest.raises(BadData, match="time"):
        to_frame([{**ROW, "time": moment} for moment in pair], BARS)


@pytest.mark.parametrize("rows", [None, "rows", ROW, 7, [ROW, "row"], [{"a": 1}]])
def test_what_is_no_table_is_refused(rows):
    with pytest.raises(BadData):
        to_frame(rows, BARS)
    with pytest.raises(BadData, match="known columns"):
        to_frame(pl.DataFrame({"a": [1]}), BARS)


def test_a_frame_that_arrow_cannot_carry_is_refused():
    with pytest.raises(BadData, match="cannot be read"):
        to_frame(pd.DataFrame({"close": [1, "x"]}), BARS)


def test_numbers_of_every_sort_are_floats():
    frame = only(open=Decimal("9.3"), high=10, low=True)
    assert frame.row(0, named=True)["open"] == 9.3
    table = pl.DataFrame(ROW).with_columns(open=pl.lit(Decimal("9.30")))
    assert to_frame(table, BARS)["open"].to_list() == [9.3]


def test_factor_dates_are_dates_of_shanghai():
    def dated(value):
        return to_frame([{"symbol": "600000.SH", "date": value, "factor": 1.5}], FACTORS)["date"][0]

    assert dated("20240115") == date(2024, 1, 15)
    assert dated(datetime(2024, 1, 15, 15)) == date(2024, 1, 15)
    assert dated(datetime(2024, 1, 14, 16, tzinfo=UTC)) == date(2024, 1, 15)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(), min_size=1))
def test_no_nan_and_no_infinity_ever_comes_out(values):
    frame = to_frame([{**ROW, "close": value, "volume": value} for value in values], BARS)
    for name in ("close", "volume"):
        for value, found in zip(values, frame[name], strict=True):
            sentinel = name == "volume" and value == 2147483647
            missing = sentinel or not abs(value) < 1.797e308
            assert found == (None if missing else value)
