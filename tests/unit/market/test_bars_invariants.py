from __future__ import annotations

from datetime import date, datetime, time, timedelta
from random import Random

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import SHANGHAI, BarsQuery, Kind, Period, Session, Symbol, Units
from argus_core.market.bars import normalise_bars

S = Symbol("600000.SH")
OTHER = Symbol("600519.SH")
STOCK_DAY = (Session(time(9, 30), time(11, 30)), Session(time(13), time(15)))


def bar(when, symbol=S, volume=1000.0):
    prices = {"open": 9.3, "high": 9.5, "low": 9.2, "close": 9.4}
    return {"symbol": symbol, "time": when, **prices, "volume": volume, "turnover": volume * 9.35}


def minute(day, clock):
    return datetime.combine(date(2024, 1, day), time.fromisoformat(clock))


def read(rows, symbols=(S,), start=date(2024, 1, 1), end=date(2024, 2, 29), **facts):
    query = BarsQuery(
        symbols=symbols,
        period=Period.M1,
        start=start,
        end=end,
        since=datetime.combine(start, time(), SHANGHAI),
        until=datetime.combine(end, time(23, 59), SHANGHAI),
    )
    stated = {"units": (), "bar_label": "end", "timezone": "Asia/Shanghai", **facts}
    return normalise_bars(
        rows,
        query=query,
        sessions=lambda _: STOCK_DAY,
        kind=lambda _: Kind.STOCK,
        now=datetime(2030, 1, 1, tzinfo=SHANGHAI),
        **stated,
    )


MINUTES = [f"{9 + (30 + n) // 60:02}:{(30 + n) % 60:02}" for n in range(120)]
CLOCKS = st.lists(st.sampled_from(MINUTES), min_size=1, max_size=12, unique=True)


@settings(deadline=None, max_examples=60)
@given(clocks=CLOCKS, seed=st.integers(0, 99))
def test_order_and_repetition_change_nothing(clocks, seed):
    rows = [bar(minute(15, clock), volume=100.0 + n) for n, clock in enumerate(clocks)]
    rows += [bar(minute(16, clock), OTHER) for clock in clocks]
    expected = read(rows, symbols=(S, OTHER)).series
    Random(seed).shuffle(rows)
    again = read(rows + rows[: seed % 7], symbols=(S, OTHER)).series
    assert set(again) == set(expected)
    assert all(again[symbol].equals(expected[symbol]) for symbol in expected)


@settings(deadline=None, max_examples=60)
@given(clocks=CLOCKS)
def test_canonical_bars_stay_as_they_are(clocks):
    rows = [bar(minute(15, clock)) for clock in clocks]
    once = read(rows).series[S]
    twice = read(once.with_columns(symbol=pl.lit(S.upper()))).series[S]
    assert twice.equals(once)


@settings(deadline=None, max_examples=60)
@given(clocks=st.lists(st.sampled_from(MINUTES), min_size=1, max_size=12, unique=True))
def test_a_start_label_plus_its_period_is_the_end_label(clocks):
    starts = [bar(minute(15, clock)) for clock in clocks]
    ends = [{**row, "time": row["time"] + timedelta(minutes=1)} for row in starts]
    assert read(starts, bar_label="start").series[S].equals(read(ends).series[S])


def test_recorded_minutes_are_240_a_day_and_prove_themselves(market_data):
    raw = pl.read_csv(market_data / "minute" / "candle_201801_000001.SZ.csv")
    symbol = Symbol("000001.SZ")
    stamp = pl.format("{} {}", pl.col("date"), pl.col("time").cast(pl.String).str.zfill(9))
    rows = raw.with_columns(symbol=pl.lit(symbol), time=stamp.str.to_datetime("%Y%m%d %H%M%S%3f"))
    found = read(rows, symbols=(symbol,), start=date(2018, 1, 1), end=date(2018, 1, 31))
    frame = found.series[symbol]
    traded = raw.filter(pl.col("volume") > 0).height
    assert frame.height == traded
    assert f"proved {traded} of {traded} bars by turnover ÷ volume" in found.steps
    assert raw.group_by("date").len()["len"].unique().to_list() == [240]
    assert f"dropped {raw.height - traded} bars without a trade" in found.steps
    lots = read(
        rows,
        symbols=(symbol,),
        start=date(2018, 1, 1),
        end=date(2018, 1, 31),
        units=(Units(volume=100),),
    )
    assert "disproves its units" in lots.faults[symbol]
