"""Live bars of a recorded day: what 600519.SH did on 2023-02-01."""

import importlib
import io
import sys
import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from argus_core import SHANGHAI, Period, Symbol, Trade
from argus_core.streaming.builder import Builder

SYMBOL = Symbol("600519.SH")
MIDNIGHT = datetime(2023, 2, 1, tzinfo=SHANGHAI)
NAMES = ("open", "high", "low", "close", "volume", "turnover")
ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "use" / "live-bars.md"


@pytest.fixture(scope="module")
def ticks(market_data):
    return pl.read_parquet(market_data / "tidy_tick5_600519.SH_20230201.parquet")


@pytest.fixture(scope="module")
def traded(market_data):
    folder = market_data / "level2"
    with zipfile.ZipFile(folder / "600519.SH_20230201_entrust_trade_snapshot.zip") as archive:
        text = archive.read("20230201/trade.csv")
    columns = ["TradTime", "TradPrice", "TradVolume", "TradeMoney", "BizIndex"]
    return pl.read_csv(io.BytesIO(text), columns=columns, infer_schema_length=None).sort("BizIndex")


@pytest.fixture(scope="module")
def livebars():
    """The benchmark, which is a script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        yield importlib.import_module("livebars")


@pytest.fixture(scope="module")
def quotes(livebars, market_data):
    return list(livebars.snapshots(market_data))


def played(period, told):
    """Everything that a builder says of snapshots, each with its new trades or None."""
    builder = Builder(SYMBOL, period)
    said = []
    for quote, trades in told:
        said += builder.closed(quote.as_of)
        said += builder.update(quote, trades, quote.as_of)
    said += builder.closed(MIDNIGHT + timedelta(days=1))
    assert builder.late == 0
    return said


def offline(ticks, every):
    """The bars of snapshots as one query over the whole day says them; it knows no builder."""
    stamp = pl.col("time")
    ceiled = stamp.dt.offset_by("59999ms").dt.truncate("1m")
    minute = ceiled.dt.hour().cast(pl.Int32) * 60 + ceiled.dt.minute()
    morning = minute.clip(571, 690) - 570
    afternoon = minute.clip(781, 900) - 780 + 120
    elapsed = pl.when(minute < 781 - 30).then(morning).otherwise(afternoon)
    number = (elapsed + every - 1) // every
    traded = pl.col("volume_share") - pl.col("volume_share").shift(1).fill_null(0)
    bars = (
        ticks.with_columns(number=number, traded=traded)
        .filter(pl.col("traded") > 0)
        .group_by("number", maintain_order=True)
        .agg(
            first=pl.col("last").first(),
            top=pl.col("last").max(),
            bottom=pl.col("last").min(),
            close=pl.col("last").last(),
            day_open=pl.col("open").last(),
            day_high=pl.col("high").last(),
            day_low=pl.col("low").last(),
            volume=pl.col("volume_share").last(),
            turnover=pl.col("amount_yuan").last(),
        )
    )
    before_high, before_low = pl.col("day_high").shift(1), pl.col("day_low").shift(1)
    higher = (pl.col("day_high") > before_high).fill_null(value=True)
    lower = (pl.col("day_low") < before_low).fill_null(value=True)
    passed = pl.col("number") * every
    ended = 570 + passed + pl.when(passed > 120).then(90).otherwise(0)
    return bars.select(
        minute=ended,
        open=pl.when(before_high.is_null()).then(pl.col("day_open")).otherwise(pl.col("first")),
        high=pl.when(higher).then(pl.col("day_high")).otherwise(pl.col("top")),
        low=pl.when(lower).then(pl.col("day_low")).otherwise(pl.col("bottom")),
        close=pl.col("close"),
        volume=(pl.col("volume") - pl.col("volume").shift(1).fill_null(0)).cast(pl.Float64),
        turnover=(pl.col("turnover") - pl.col("turnover").shift(1).fill_null(0.0)).round(4),
    )


def as_frame(bars):
    rows = [
        {
            "minute": int((bar.time - MIDNIGHT).total_seconds()) // 60,
            **{name: getattr(bar, name) for name in NAMES},
        }
        for bar in bars
    ]
    return pl.DataFrame(rows, schema={"minute": pl.Int32, **dict.fromkeys(NAMES, pl.Float64)})


@pytest.mark.parametrize("period", ["1m", "5m", "15m", "30m", "1h"])
def test_bars_of_snapshots_equal_an_offline_query(ticks, quotes, period):
    said = played(Period(period), ((quote, None) for quote in quotes))
    finals = [bar for bar in said if bar.final]
    expected = offline(ticks, Period(period).minutes).cast({"minute": pl.Int32})
    assert as_frame(finals).equals(expected)
    assert not any(bar.partial for bar in said)
    assert {bar.date for bar in said} == {date(2023, 2, 1)}
    if period == "1m":
        # Of the 240 minutes of a day the two of the closing call see no trade.
        assert len(finals) == 238
    assert sum(bar.volume for bar in finals) == 3_397_389
    assert sum(bar.turnover for bar in finals) == pytest.approx(6_244_678_924.61, abs=0.01)


def test_the_day_is_exact(ticks, quotes):
    said = played(Period.D1, ((quote, None) for quote in quotes))
    (bar,) = [bar for bar in said if bar.final]
    known = ticks.filter(pl.col("last") > 0).select(
        open=pl.col("last").first(),
        high=pl.col("high").max(),
        low=pl.col("low").filter(pl.col("low") > 0).min(),
        close=pl.col("last").last(),
    )
    assert (bar.open, bar.high, bar.low, bar.close) == known.row(0)
    assert (bar.volume, bar.turnover) == (3_397_389.0, 6_244_678_924.61)
    assert (bar.date, bar.partial) == (date(2023, 2, 1), False)


def test_bars_of_pushed_trades_equal_an_offline_query(quotes, traded):
    clock = pl.col("TradTime").str.strptime(pl.Time, "%H:%M:%S%.3f")
    table = traded.with_columns(at=pl.lit(date(2023, 2, 1)).dt.combine(clock))
    trades = [
        Trade(price=price, volume=float(volume), time=at.replace(tzinfo=SHANGHAI))
        for at, price, volume in table.select("at", "TradPrice", "TradVolume").iter_rows()
    ]
    said = played(Period.M1, with_trades(quotes, trades))
    finals = [bar for bar in said if bar.final]
    minute = pl.col("at").dt.hour().cast(pl.Int32) * 60 + pl.col("at").dt.minute() + 1
    expected = table.group_by(minute=minute.clip(571, 900), maintain_order=True).agg(
        open=pl.col("TradPrice").first(),
        high=pl.col("TradPrice").max(),
        low=pl.col("TradPrice").min(),
        close=pl.col("TradPrice").last(),
        volume=pl.col("TradVolume").cast(pl.Float64).sum(),
        turnover=pl.col("TradeMoney").sum().round(2),
    )
    told = as_frame(finals).with_columns(pl.col("turnover").round(2))
    assert told.equals(expected.cast({"minute": pl.Int32}))
    assert all(bar.built_from == "trades" and not bar.partial for bar in said)


def with_trades(quotes, trades):
    """Each snapshot with the trades since the one before, as a source pushes them."""
    start = 0
    for quote in quotes:
        end = start
        while end < len(trades) and trades[end].time <= quote.as_of:
            end += 1
        yield quote, tuple(trades[start:end])
        start = end


def test_how_well_they_agree_with_the_trades(livebars, market_data, capsys):
    agreements = livebars.measured(market_data)
    table = livebars.table_of(agreements)
    with capsys.disabled():
        sys.stdout.write(f"\n{table}\n")
    assert table in PAGE.read_text(encoding="utf-8"), "the page shows other figures"
    minutes, *_, day = agreements
    assert (minutes.bars, minutes.missing, minutes.more) == (238, 0, 0)
    assert set(day.equal.values()) == {1}
