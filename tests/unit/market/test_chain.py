"""Daily bars whose `prev_close` does not follow upon the bar before are in doubt."""

import csv
from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core import BarsQuery, Period, parse_symbol
from argus_core.clock import SHANGHAI
from argus_core.market.calendar import session_dates
from argus_core.market.chain import doubts_of

STOCK = parse_symbol("600519.SH")
FIRST, FRIDAY, LATER = date(2024, 1, 2), date(2024, 1, 5), date(2024, 1, 12)


def query(symbol=STOCK, period=Period.D1):
    at = datetime(2024, 1, 2, tzinfo=SHANGHAI)
    return BarsQuery(
        symbols=(symbol,), period=period, start=FIRST, end=date(2030, 1, 1), since=at, until=at
    )


def bars(*rows):
    days = [day for day, _, _ in rows]
    return pl.DataFrame(
        {"date": days, "close": [c for _, c, _ in rows], "prev_close": [p for _, _, p in rows]},
        schema={"date": pl.Date, "close": pl.Float64, "prev_close": pl.Float64},
    )


def doubt(frame, symbol=STOCK, period=Period.D1):
    return doubts_of(query(symbol, period), {symbol: frame}).get(symbol)


@st.composite
def chains(draw):
    """Closes of consecutive trading days, no two neighbours alike."""
    closes = draw(st.lists(st.integers(100, 99_999), min_size=4, max_size=40))
    closes = [a for a, b in zip(closes, [*closes[1:], None], strict=True) if a != b]
    days = session_dates(FIRST, date(2024, 6, 30))
    rows, before = [], 1.0
    for day, close in zip(days, closes, strict=False):
        rows.append((day, close / 100, before))
        before = close / 100
    return rows


@given(chains())
def test_a_whole_chain_is_in_no_doubt(rows):
    assert doubt(bars(*rows)) is None


@given(chains(), st.data())
def test_a_missing_day_in_between_is_noticed_and_named(rows, data):
    if len(rows) < 3:
        return
    at = data.draw(st.integers(1, len(rows) - 2))
    found = doubt(bars(*rows[:at], *rows[at + 1 :]))
    apart = abs(rows[at][1] - rows[at - 1][1]) > rows[at - 1][1] * 1e-4
    assert (found is not None) == apart
    if found is not None:
        assert found.gaps == ((rows[at - 1][0], rows[at + 1][0]),)
        assert found.lacking(bars(*rows)) == rows[at][0]
        assert found.lacking(bars(*rows[:at], *rows[at + 1 :])) is None


@given(chains(), st.data())
def test_an_ex_day_between_neighbours_is_in_no_doubt(rows, data):
    at = data.draw(st.integers(0, len(rows) - 1))
    rows[at] = (*rows[at][:2], rows[at][2] * 0.9)
    assert doubt(bars(*rows)) is None


def test_the_sentence_names_both_days():
    found = doubt(bars((FRIDAY, 10.5, 10.0), (date(2024, 1, 9), 11.0, 10.8)))
    assert found is not None
    assert "2024-01-09 follows upon a close of 10.8" in found.reason
    assert "2024-01-05, closed at 10.5" in found.reason


def test_days_without_trading_leave_no_room():
    assert doubt(bars((FRIDAY, 10.5, 10.0), (date(2024, 1, 8), 11.0, 10.8))) is None
    assert doubt(bars((date(2099, 1, 5), 10.5, 10.0), (date(2099, 1, 9), 11.0, 10.8))) is None


@pytest.mark.parametrize(
    "frame",
    [
        bars(),
        bars((FIRST, 10.0, 3.0)),
        bars((FIRST, 10.0, 9.0), (LATER, 11.0, None)),
        bars((FIRST, None, 9.0), (LATER, 11.0, 10.0)),
        bars((FIRST, 3000.1234, 2990.0), (LATER, 3001.0, 3000.12)),
    ],
    ids=["none", "one", "unknown", "no close", "rounded"],
)
def test_what_cannot_be_told_is_in_no_doubt(frame):
    assert doubt(frame) is None


@pytest.mark.parametrize(
    ("symbol", "period"),
    [
        ("IF2406.CFFEX", Period.D1),
        ("204001.SH", Period.D1),
        ("600519.SH", Period.M1),
        ("600519.SH", Period.W1),
    ],
)
def test_only_days_of_what_has_one_close_form_a_chain(symbol, period):
    frame = bars((FIRST, 10.0, 9.9), (LATER, 10.5, 8.0))
    assert doubt(frame) is not None
    assert doubt(frame, parse_symbol(symbol), period) is None


@pytest.mark.parametrize(
    "path", ["600519.SH_2010-2020", "000001.SZ_2019-2020", "600240.SH_2019-2020"]
)
def test_of_recorded_days_only_those_are_in_doubt_that_are_left_out(market_data, path):
    path = market_data / "tushare" / f"daily_raw_{path}.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["trade_date"])
    days = [
        (date.fromisoformat(r["trade_date"]), float(r["close"]), float(r["pre_close"]))
        for r in rows
        if float(r["vol"])
    ]
    assert doubt(bars(*days)) is None, "ex-days and suspensions are none"
    found = doubt(bars(*days[:40], *days[41:]))
    assert found is not None
    assert found.lacking(bars(*days)) == days[40][0]
