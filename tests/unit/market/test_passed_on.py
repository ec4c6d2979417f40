"""Canonical frames that another gateway passed on stay as they are, and false ones are found."""

from datetime import date, datetime

import polars as pl
import pytest
from support.clock import TestClock

from argus_core import SHANGHAI, BadData, Origin, Period, Relayed, Source, Symbol, TicksQuery
from argus_core.market.bars import CANONICAL
from argus_core.market.normalise import normalise
from argus_core.market.ranges import bars_query, bounds
from argus_core.model.frames import TICKS

ONE, OTHER = Symbol("600519.SH"), Symbol("000001.SZ")
DAY = date(2024, 3, 15)
QUERY = bars_query((ONE, OTHER), Period.M1, DAY, DAY)
SOURCE = Source("agent", None, TestClock())
BAR = {
    "open": 10.0,
    "high": 10.0,
    "low": 10.0,
    "close": 10.0,
    "volume": 100.0,
    "turnover": 1000.0,
    "date": DAY,
    "final": True,
}


def bars(*rows, symbol=ONE):
    filled = [
        dict.fromkeys(CANONICAL)
        | BAR
        | {"symbol": symbol, "time": datetime(2024, 3, 15, 9, 31 + n, tzinfo=SHANGHAI)}
        | row
        for n, row in enumerate(rows)
    ]
    frame = pl.DataFrame(filled, schema_overrides=dict(CANONICAL))
    return frame.select("symbol", *(pl.col(n).cast(t) for n, t in CANONICAL.items()))


def read(frame, query=QUERY, **resolution):
    origin = Origin(path=("vendor",), resolution=resolution)
    origins = dict.fromkeys((ONE, OTHER), origin)
    told = Relayed(reply=frame, origins=origins, now=datetime(2024, 3, 15, 9, 31, tzinfo=SHANGHAI))
    return normalise(query, told, SOURCE, SOURCE.clock.now())


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"final": False},
        {"volume": None},
        {"turnover": None},
        {"volume": 0.0, "turnover": 55.0},
        {"prev_close": 9.0},
    ],
)
def test_what_only_the_first_reader_knew_is_not_lost(row):
    frame = bars({}, row)
    reading = read(frame, volume=100.0)
    assert reading.values[ONE].equals(frame.drop("symbol"), null_equal=True)
    assert reading.values[ONE].schema == dict(CANONICAL)
    assert reading.resolution == {ONE: {"volume": 100.0}}
    assert set(reading.origins) == {ONE, OTHER}
    assert not reading.faults


def test_symbols_are_told_apart_and_strangers_and_other_days_left_out():
    frame = pl.concat(
        [
            bars({}, symbol=OTHER),
            bars({}, {"date": date(2024, 3, 14)}),
            bars({}, symbol=Symbol("600000.SH")),
        ]
    )
    reading = read(frame)
    assert {symbol: own.height for symbol, own in reading.values.items()} == {ONE: 1, OTHER: 1}


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([{"turnover": 100_000.0}], "disproves its units"),
        ([{"high": 1.0}], "impossible"),
        ([{"time": datetime(2024, 3, 15, 9, 32, tzinfo=SHANGHAI)}, {}], "same time"),
        ([{"time": datetime(2024, 3, 15, 9, 33, tzinfo=SHANGHAI)}, {}], "order of time"),
    ],
)
def test_a_false_series_is_a_fault_of_its_symbol_alone(rows, word):
    reading = read(pl.concat([bars(*rows), bars({}, symbol=OTHER)]))
    assert list(reading.values) == [OTHER]
    assert word in reading.faults[ONE]


@pytest.mark.parametrize(
    "change",
    [
        pl.lit("x").alias("close"),
        pl.lit(None, dtype=pl.Date).alias("date"),
        pl.lit(None, dtype=pl.String).alias("symbol"),
    ],
)
def test_columns_of_other_types_are_bad_data(change):
    with pytest.raises(BadData):
        read(bars({}).with_columns(change))


def test_rows_that_are_not_canonical_are_read_as_rows_in_shares_and_yuan():
    rows = [{"symbol": ONE, "time": "2024-03-15 09:31:00", **BAR}]
    frame = read(rows).values[ONE]
    assert frame["volume"].to_list() == [100.0]
    # By the other gateway's clock that bar has just ended.
    assert frame["final"].to_list() == [True]


def test_ticks_stay_as_they_are():
    since, until = bounds(DAY, DAY, nightly=False)
    query = TicksQuery(symbols=(ONE,), start=DAY, end=DAY, since=since, until=until)
    names = [column.name for column in TICKS if column.type == "float"]
    at = datetime(2024, 3, 15, 9, 31, tzinfo=SHANGHAI)
    frame = pl.DataFrame({"symbol": [ONE] * 2, "time": [at] * 2, "date": [DAY] * 2}).with_columns(
        pl.col("time").cast(pl.Datetime("ms", "Asia/Shanghai")),
        *(pl.lit(None, dtype=pl.Float64).alias(name) for name in names),
    )
    assert read(frame, query).values[ONE].equals(frame.drop("symbol"), null_equal=True)
