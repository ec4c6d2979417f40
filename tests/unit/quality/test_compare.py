"""Two frames side by side: nothing where they are equal, and whatever was changed in one."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import BadParameter
from argus_core.quality.compare import FIELDS, ROOM, Cell, Differing, OnlyIn, compare
from argus_core.quality.compare import read_tolerance as read

START = date(2023, 1, 2)
NUMBER = st.one_of(
    st.none(), st.integers(0, 10**13).map(lambda n: n / 100), st.floats(0, 1e9, width=32)
)


def frame(rows):
    """Rows of :data:`FIELDS` as a frame of days."""
    days = [START + timedelta(days=n) for n in range(len(rows))]
    columns = {name: [row[n] for row in rows] for n, name in enumerate(FIELDS)}
    schema = {"date": pl.Date(), **dict.fromkeys(FIELDS, pl.Float64())}
    return pl.DataFrame({"date": days, **columns}, schema=schema)


FRAMES = st.lists(st.tuples(*[NUMBER] * len(FIELDS)), max_size=6).map(frame)


def between(a, b, **more):
    return compare(("a", a), ("b", b), **more)


def plain(n=3, value=10.0):
    return frame([(value,) * len(FIELDS)] * n)


@settings(deadline=None)
@given(FRAMES)
def test_a_frame_is_identical_with_itself(one):
    found = between(one, one)
    assert found.identical
    assert found.rows == one.height
    assert (found.fields, found.only_in, found.examples) == ({}, {}, ())


@settings(deadline=None)
@given(FRAMES, FRAMES)
def test_it_is_symmetric(a, b):
    there, back = between(a, b), compare(("b", b), ("a", a))
    assert there.identical == back.identical
    assert there.rows == back.rows
    assert there.only_in == back.only_in
    assert {n: set(s) for n, s in there.missing_fields.items()} == {
        n: set(s) for n, s in back.missing_fields.items()
    }
    assert {n: f.rows for n, f in there.fields.items()} == {
        n: f.rows for n, f in back.fields.items()
    }
    for name, found in there.fields.items():
        worst, mirror = found.worst, back.fields[name].worst
        assert (worst.bar, worst.a, worst.b) == (mirror.bar, mirror.b, mirror.a)


@settings(deadline=None)
@given(FRAMES.filter(lambda f: f.height > 1), st.data())
def test_any_changed_cell_is_found_and_nothing_else(one, data):
    name = data.draw(st.sampled_from(FIELDS))
    row = data.draw(st.integers(0, one.height - 1))
    before = one[name][row]
    step = max(10 * ROOM[name], 1e-5 * (before or 0))
    after = data.draw(st.sampled_from([before + step, before - step, None] if before else [7.0]))
    values = one[name].to_list()
    values[row] = after
    other = one.with_columns(pl.Series(name, values, dtype=pl.Float64))
    if before == after or one[name].null_count() == one.height or other[name].is_null().all():
        return  # the same, or a field that one of them lacks entirely
    found = between(one, other)
    assert not found.identical
    cell = Cell(bar=one["date"][row], field=name, a=before, b=after)
    assert found.fields == {name: Differing(rows=1, worst=cell)}
    assert found.examples == (cell,)


def test_rows_that_only_one_has_are_listed():
    a, b = plain(30), plain(30)
    found = between(a.head(29), b.tail(12))
    assert found.rows == 11
    first = tuple(START + timedelta(days=n) for n in range(10))
    assert found.only_in == {
        "a": OnlyIn(rows=18, first=first),
        "b": OnlyIn(rows=1, first=(START + timedelta(days=29),)),
    }
    assert not found.identical


def test_a_field_that_one_lacks_entirely_is_named_and_no_difference():
    a = plain()
    b = a.with_columns(turnover=pl.lit(None, dtype=pl.Float64))
    found = between(a, b)
    assert found.identical
    assert found.missing_fields == {"turnover": ("b",)}
    assert between(b, b).missing_fields == {"turnover": ("a", "b")}


def test_one_value_against_none_is_the_worst_difference():
    a = frame([(10.0,) * 8, (10.0,) * 8, (99.0,) * 8])
    b = plain()
    b = b.with_columns(close=pl.Series([10.0, None, 10.0]))
    found = between(a, b).fields["close"]
    assert (found.rows, found.worst.a, found.worst.b) == (2, 10.0, None)


def test_an_empty_answer_lacks_rows_and_no_fields():
    found = between(plain(), plain(0))
    assert (found.missing_fields, found.rows, found.only_in["a"].rows) == ({}, 0, 3)


def test_within_the_day_bars_are_told_by_their_ends():
    times = pl.datetime_range(
        pl.datetime(2023, 1, 3, 9, 31, time_zone="Asia/Shanghai"),
        pl.datetime(2023, 1, 3, 9, 33, time_zone="Asia/Shanghai"),
        "1m",
        eager=True,
    )
    a = plain().with_columns(time=times.dt.cast_time_unit("ms"), date=pl.lit(START))
    assert between(a, a).rows == 3
    found = between(a, a.with_columns(close=pl.Series([10.0, 11.0, 10.0])))
    assert found.examples[0].bar.isoformat() == "2023-01-03T09:32:00+08:00"


@pytest.mark.parametrize(
    ("name", "apart", "same"),
    [
        ("close", 1e-6, True),
        ("close", 2e-6, False),
        ("change_pct", 1e-4, True),
        ("change_pct", 2e-4, False),
        ("volume", 0.5, True),
        ("volume", 1.0, False),
        ("turnover", 0.005, True),
        ("turnover", 0.01, False),
    ],
)
def test_equal_means_to_the_last_digit_a_share_and_a_cent(name, apart, same):
    a = plain(1)
    b = a.with_columns(pl.lit(10.0 + apart).alias(name))
    assert between(a, b).identical is same


def test_a_tolerance_is_a_share_of_the_greater_value():
    a, b = plain(1), plain(1, 11.0)
    assert between(a, b, tolerance=dict.fromkeys(FIELDS, 0.1)).identical
    assert not between(a, b, tolerance=dict.fromkeys(FIELDS, 0.09)).identical
    assert set(between(a, b, tolerance={"close": 0.1}).fields) == set(FIELDS) - {"close"}


def test_examples_are_few_and_come_in_order_of_time():
    a, b = plain(40), plain(40, 20.0)
    found = between(a, b)
    assert found.fields["open"].rows == 40
    assert len(found.examples) == 10
    assert [cell.bar for cell in found.examples] == sorted(cell.bar for cell in found.examples)
    assert [cell.field for cell in found.examples[:8]] == list(FIELDS)


def test_tolerances_are_read_field_by_field():
    assert read(["close=0.001", "volume=0"]) == {"close": 0.001, "volume": 0.0}
    assert read([]) == {}


@pytest.mark.parametrize("text", ["close", "close=x", "close=nan", "close=-1", "close=2", "x=0.1"])
def test_tolerances_that_make_no_sense_are_refused(text):
    with pytest.raises(BadParameter, match="FIELD=SHARE"):
        read([text])
