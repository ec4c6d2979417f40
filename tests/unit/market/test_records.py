"""Records out of vendors' libraries: plain values of the declared types, or a refusal."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core import BadData, Depth, Instrument, Kind, Level, Quote, Symbol, Trade, TradingDays
from argus_core.market.records import (
    read_days,
    read_depth,
    read_instrument,
    read_members,
    read_quote,
)

S = Symbol("600519.SH")
DAY = date(2001, 8, 27)
NOON = datetime(2024, 3, 15, 12, tzinfo=UTC)
WHERE = "vendor answered something"
NUMBERS = [f.name for f in fields(Instrument) if f.type == "float | None"]


class Label(str):
    """A text that prints as another."""

    __slots__ = ()

    def __str__(self):
        return "other"


class Vendor(str, Enum):  # noqa: UP042  # its str() is not its value
    NAME = "贵州茅台"


def quote(**changes):
    return read_quote(Quote(**{"symbol": S, **changes}), WHERE)


def instrument(**changes):
    return read_instrument(Instrument(**{"symbol": S, **changes}), WHERE)


def refused(read, value, name, kind):
    with pytest.raises(BadData) as caught:
        read(**{name: value})
    expected = f"{WHERE} with a {name!r} of type {kind} that cannot be read"
    assert caught.value.message == expected


def test_a_record_of_declared_types_is_the_same_object():
    given = Quote(symbol=S, as_of=NOON, name="贵州茅台", price=10.0)
    assert read_quote(given, WHERE) is given
    known = Instrument(symbol=S, name="a", kind=Kind.STOCK, list_date=DAY, pe_ratio=3.5)
    assert read_instrument(known, WHERE) is known


@pytest.mark.parametrize(
    "value",
    [np.float64(10), np.float32(10), np.int64(10), 10, Decimal(10), Fraction(10), 10.0],
    ids=lambda value: type(value).__name__,
)
def test_any_number_becomes_a_float(value):
    for found in (quote(price=value).price, instrument(pe_ratio=value).pe_ratio):
        assert type(found) is float
        assert found == 10.0


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        1.7976931348623157e308,
        2147483647,
        np.float32("nan"),
        Decimal("NaN"),
        pd.NA,
        pd.NaT,
    ],
)
def test_what_is_no_number_is_missing_from_an_instrument(name, value):
    assert getattr(instrument(**{name: value}), name) is None


@pytest.mark.parametrize(
    "value", ["10.0", True, np.bool_(True), b"1", [10.0], 1j, 10**400, Decimal("sNaN"), DAY]
)
def test_what_only_looks_like_a_number_is_refused(value):
    refused(quote, value, "price", type(value).__name__)
    refused(instrument, value, "market_cap", type(value).__name__)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.str_("贵州茅台"), "贵州茅台"),
        (Label("a"), "a"),
        (Vendor.NAME, "贵州茅台"),
        (math.nan, None),
        (np.float64("nan"), None),
        (pd.NA, None),
        (pd.NaT, None),
    ],
)
def test_any_text_becomes_a_plain_one(value, expected):
    for found in (quote(name=value).name, instrument(full_name=value).full_name):
        assert found == expected
        assert type(found) is type(expected)


@pytest.mark.parametrize("value", [5, 5.0, b"a", ["a"], "\ud800"])
def test_what_is_no_text_that_can_be_sent_is_refused(value):
    refused(quote, value, "name", type(value).__name__)
    refused(instrument, value, "industry", type(value).__name__)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pd.Timestamp("2001-08-27"), DAY),
        (pd.Timestamp("2001-08-26 16:00", tz="UTC"), DAY),
        (datetime(2001, 8, 26, 16, tzinfo=UTC), DAY),
        ("20010827", DAY),
        ("2001-08-27", DAY),
        (np.str_("20010827"), DAY),
        ("2001-08-27 00:00:00", DAY),
        ("2001-08-27T00:00:00+08:00", DAY),
        ("", None),
        ("0", None),
        ("99999999", None),
        (pd.NaT, None),
        (pd.NA, None),
        (math.nan, None),
    ],
)
def test_whatever_means_a_day_becomes_a_date(value, expected):
    found = instrument(list_date=value).list_date
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("value", [20010827, 0.5, "27.08.2001", "20011301", b"20010827", True])
def test_what_means_no_day_is_refused(value):
    refused(instrument, value, "list_date", type(value).__name__)


def test_timestamps_become_date_times():
    odd = timezone(timedelta(hours=8))
    naive = datetime(2024, 3, 15, 10, 0, 1, 5)  # noqa: DTZ001  # vendors' times are naive
    for expected in (naive, naive.replace(tzinfo=UTC), naive.replace(tzinfo=odd)):
        found = quote(as_of=pd.Timestamp(expected) + pd.Timedelta(7, "ns")).as_of
        assert found == expected
        assert type(found) is datetime
        assert found.utcoffset() == expected.utcoffset()
    assert quote(as_of=pd.NaT).as_of is None
    for value in (1710468000, "2024-03-15T10:00:00", DAY):
        refused(quote, value, "as_of", type(value).__name__)


def test_kinds_and_symbols_are_the_models():
    assert instrument(kind="stock").kind is Kind.STOCK
    assert instrument(kind=None).kind is Kind.UNKNOWN
    refused(instrument, "bank", "kind", "str")
    found = instrument(symbol=np.str_(S), former_symbols=["830799.BJ"])
    assert type(found.symbol) is Symbol
    assert found.former_symbols == ("830799.BJ",)
    assert type(found.former_symbols[0]) is Symbol
    for value in ("sh600519", "600519", "600519.XX", ".SH", "600519.SH\n", "6 0.SH", None, 600519):
        refused(instrument, value, "symbol", type(value).__name__)
    refused(instrument, "830799.BJ", "former_symbols", "str")


def test_a_subclass_of_a_record_becomes_the_record():
    class Wide(Instrument):
        """A vendor's instrument with more to it."""

    found = read_instrument(Wide(symbol=S, name="a"), WHERE)
    assert type(found) is Instrument
    assert found.name == "a"


def test_books_are_read_level_by_level():
    at = pd.Timestamp("2024-03-15 10:00")
    given = Depth(
        quote=Quote(symbol=S, price=np.float64(10)),
        bids=[Level(np.float64(9.9), np.int64(3)), Level(9.8, None)],
        asks=(level for level in [Level(10.1, 1.0)]),
        trades=[Trade(price=Decimal(10), volume=1, time=at, direction=np.str_("buy"))],
    )
    found = read_depth(given, WHERE)
    assert found.bids == (Level(9.9, 3.0), Level(9.8, 0.0))
    assert found.asks == (Level(10.1, 1.0),)
    assert {type(v) for level in found.bids for v in (level.price, level.volume)} == {float}
    (trade,) = found.trades
    assert (type(trade.price), type(trade.time), type(trade.direction)) == (float, datetime, str)
    orjson.dumps(found)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("quote", {}, "dict"),
        ("bids", "9.9", "str"),
        ("bids", None, "NoneType"),
        ("asks", [(9.9, 1.0)], "tuple"),
        ("asks", [Level("9.9", 1.0)], "str"),
        ("trades", 5, "int"),
        ("trades", [Level(9.9, 1.0)], "Level"),
    ],
)
def test_a_book_of_something_else_is_refused(name, value, kind):
    plain = Depth(quote=Quote(symbol=S))
    refused(lambda **change: read_depth(replace(plain, **change), WHERE), value, name, kind)


def test_trading_days_are_dates():
    days = TradingDays(dates=pd.DatetimeIndex(["2024-03-11"]), known_through=np.str_("20241231"))
    assert read_days(days, WHERE) == TradingDays(
        dates=(date(2024, 3, 11),), known_through=date(2024, 12, 31)
    )

    def read(**change):
        return read_days(replace(TradingDays(dates=(), known_through=DAY), **change), WHERE)

    refused(read, None, "known_through", "NoneType")
    refused(read, "20240311", "dates", "str")
    refused(read, [pd.NaT], "dates", "NaTType")
    refused(read, 5, "dates", "int")


def test_members_are_symbols_and_never_letters():
    assert read_members(pd.Series(["600519.SH"]), WHERE) == (S,)
    assert type(read_members({"600519.SH"}, WHERE)[0]) is Symbol
    for value in ("600519.SH", 5, None):
        with pytest.raises(BadData, match="'members'"):
            read_members(value, WHERE)
    for value in ("600519", 600519, math.nan, None):
        with pytest.raises(BadData, match="'member' of type"):
            read_members([value], WHERE)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(st.characters(), max_size=10),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=2),
    st.sampled_from([pd.NA, pd.NaT, np.float64(1), np.int64(1), np.str_("a"), [], S]),
)


@given(
    st.dictionaries(
        st.sampled_from([f.name for f in fields(Instrument) if f.name != "symbol"]), ANYTHING
    )
)
def test_what_is_read_is_of_plain_types_and_reading_twice_changes_nothing(values):
    try:
        found = instrument(**values)
    except BadData:
        return
    plain = {float, str, date, tuple, Kind, Symbol, type(None)}
    assert {type(getattr(found, field.name)) for field in fields(found)} <= plain
    orjson.dumps(found, option=orjson.OPT_PASSTHROUGH_SUBCLASS, default=str)
    assert read_instrument(found, WHERE) is found or values.get("former_symbols")
