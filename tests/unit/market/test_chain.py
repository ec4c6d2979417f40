"""Daily bars whose `prev_close` does not follow upon the bar before are in doubt."""

import csv
from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core import BarsQuery, Period, parse_symbol
from argus_core.clock import SHANGHAI
from argus_core.market.chain import doubts_of

STOCK = parse_symbol("600519.SH")
FIRST = date(2024, 1, 2)


def query(symbol=STOCK, period=Period.D1):
    at = datetime(2024, 1, 2, tzinfo=SHANGHAI)
    return BarsQuery(
        symbols=(symbol,), period=period, start=FIRST, end=date(2030, 1, 1), since=at, until=at
    )


def bars(*rows):
    days = [FIRST + timedelta(days=day) for day, _, _ in rows]
    return pl.DataFrame(
        {"date": days, "close": [c for _, c, _ in rows], "prev_close": [p for _, _, p in rows]},
        schema={"date": pl.Date, "close": pl.Float64, "prev_close": pl.Float64},
    )


def doubt(frame, symbol=STOCK, period=Period.D1):
    return doubts_of(query(symbol, period), {symbol: frame}).get(symbol)


@st.composite
def chains(draw):
    """Closes of consecutive days, no two neighbours alike."""
    closes = draw(st.lists(st.integers(100, 99_999), min_size=4, max_size=40))
    closes = [a for a, b in zip(closes, [*closes[1:], None], strict=True) if a != b]
    rows, before = [], 1.0
    for day, close in enumerate(closes):
        rows.append((day, close / 100, before))
        before = close / 100
    return rows


@given(chains())
def test_a_whole_chain_is_in_no_doubt(rows):
    assert doubt(bars(*rows)) is None


@given(chains(), st.data())
def test_a_missing_day_in_between_is_noticed(rows, data):
    if len(rows) < 3:
        return
    at = data.draw(st.integers(1, len(rows) - 2))
    left = rows[:at] + rows[at + 1 :]
    apart = abs(rows[at][1] - rows[at - 1][1]) > rows[at - 1][1] * 1e-4
    assert (doubt(bars(*left)) is not None) == apart


def test_the_sentence_names_both_days():
    why = doubt(bars((0, 10.0, 9.9), (1, 10.5, 10.0), (4, 11.0, 10.8)))
    assert why is not None
    assert "2024-01-06 follows upon a close of 10.8" in why
    assert "2024-01-03, closed at 10.5" in why


@pytest.mark.parametrize(
    "frame",
    [
        bars(),
        bars((0, 10.0, 3.0)),
        bars((0, 10.0, 9.0), (1, 11.0, None)),
        bars((0, None, 9.0), (1, 11.0, 10.0)),
        bars((0, 3000.1234, 2990.0), (1, 3001.0, 3000.12)),
    ],
    ids=["none", "one", "unknown", "no close", "rounded"],
)
def test_what_cannot_be_told_is_in_no_doubt(frame):
    assert doubt(frame) is None


@pytest.mark.parametrize(
    ("symbol", "period"),
    [("IF2406.CFFEX", Period.D1), ("600519.SH", Period.M1), ("600519.SH", Period.W1)],
)
def test_only_days_of_what_has_one_close_form_a_chain(symbol, period):
    frame = bars((0, 10.0, 9.9), (1, 10.5, 8.0))
    assert doubt(frame, parse_symbol(symbol), period) is None


def test_recorded_days_are_in_doubt_at_ex_days_and_where_one_is_left_out(market_data):
    path = market_data / "tushare" / "daily_raw_600519.SH_2010-2020.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["trade_date"])
    frame = pl.DataFrame(
        {
            "date": [date.fromisoformat(f"{r['trade_date']:0>8}") for r in rows],
            "close": [float(r["close"]) for r in rows],
            "prev_close": [float(r["pre_close"]) for r in rows],
        }
    )
    year = frame.filter(pl.col("date").dt.year() == 2018)
    ex_day = doubt(year)
    assert ex_day is not None
    assert "2018-06-15" in ex_day
    before = year.filter(pl.col("date") < date(2018, 6, 15))
    assert doubt(before) is None
    assert doubt(before.filter(pl.col("date") != before["date"][40])) is not None
