"""Single values: missing is None, nonsense is an error, nothing becomes zero."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core import SHANGHAI, BadData
from argus_tushare.cells import day, instant, known_day, number, price, scaled, snapshot_time, text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_stay_what_they_are(value):
    assert number(value) == number(repr(value)) == value
    assert scaled(value, 2.0) == value * 2.0


@pytest.mark.parametrize("value", [None, "", float("nan"), float("inf"), "nan"])
def test_missing_numbers_are_none(value):
    assert number(value) is None
    assert price(value) is None
    assert scaled(value, 100.0) is None


@pytest.mark.parametrize("value", [True, [1], {}, "--", 10**400])
def test_no_numbers(value):
    with pytest.raises(BadData):
        number(value)


def test_a_snapshot_price_of_zero_is_missing_and_a_volume_of_zero_is_not():
    assert price(0) is None
    assert number(0) == 0.0


def test_texts():
    assert text(" 万 科A ") == "万 科A"
    assert text("  ") is text(None) is None


@given(st.dates(date(1900, 1, 1), date(2999, 12, 31)))
def test_days(when):
    assert day(f"{when:%Y%m%d}") == known_day(f"{when:%Y%m%d}") == when


@pytest.mark.parametrize("value", ["20240230", "2024-01-01", "soon", "0"])
def test_no_days(value):
    with pytest.raises(BadData):
        day(value)
    with pytest.raises(BadData):
        known_day(None)


def test_instants():
    at = datetime(2024, 1, 2, 9, 31, tzinfo=SHANGHAI)
    assert instant("2024-01-02 09:31:00") == snapshot_time("2024-01-02 09:31:00") == at
    # Without a date the day would be a guess.
    assert snapshot_time("09:31:00") is snapshot_time(None) is snapshot_time("x" * 19) is None
    with pytest.raises(BadData):
        instant("09:31:00")
