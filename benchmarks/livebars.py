"""How well live bars made of snapshots agree with bars made of the trades themselves.

    python benchmarks/livebars.py [--data DIR]

One recorded day of 600519.SH, 2023-02-01: 5 109 snapshots and all 27 135 trades. The snapshots go
through the builder of the stream, one by one, as a source pushes them; the trades are put together
by a query that knows nothing of the builder. For each period and field the table tells how many
bars are equal, and by how much the others differ at most. ``--data`` is where the recorded data
lie; else the variable ARGUS_TEST_DATA says so. Exit code 1 if the day's volume or turnover is not
exact.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from argus_core import SHANGHAI, Period, Quote, Symbol, sessions_of
from argus_core.market.labels import bucket_ends
from argus_core.streaming.bars import VALUES, LiveBar
from argus_core.streaming.builder import Builder
from argus_core.streaming.topics import BAR_PERIODS

SYMBOL = Symbol("600519.SH")
SNAPSHOTS = "tidy_tick5_600519.SH_20230201.parquet"
TRADES = "level2/600519.SH_20230201_entrust_trade_snapshot.zip"
VOLUME, TURNOVER = 3_397_389.0, 6_244_678_924.61
_MIDNIGHT = datetime(2023, 2, 1, tzinfo=SHANGHAI)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the bars of one period compare; the counts are by field."""

    period: Period
    bars: int
    """Bars of minutes with a trade."""
    missing: int
    """Those that were not made."""
    more: int
    """Bars that were made where no trade was."""
    equal: dict[str, int]
    apart: dict[str, float]
    """The largest difference."""


def snapshots(data: Path) -> Iterator[Quote]:
    """The day's snapshots in canonical form, in order."""
    for row in pl.read_parquet(data / SNAPSHOTS).iter_rows(named=True):
        yield Quote(
            symbol=SYMBOL,
            as_of=row["time"].replace(tzinfo=SHANGHAI),
            price=row["last"] or None,
            open=row["open"] or None,
            high=row["high"] or None,
            low=row["low"] or None,
            prev_close=row["pre_close"],
            volume=float(row["volume_share"]),
            turnover=round(row["amount_yuan"], 4),
        )


def trades(data: Path) -> pl.DataFrame:
    """The day's trades in order: ``minute`` (of the day, in which it took place), price, sums."""
    with zipfile.ZipFile(data / TRADES) as archive:
        name = next(name for name in archive.namelist() if name.endswith("trade.csv"))
        table = pl.read_csv(io.BytesIO(archive.read(name)), infer_schema_length=None)
    clock = pl.col("TradTime").str.split(":").list
    return table.sort("BizIndex").select(
        minute=clock.get(0).cast(pl.Int64) * 60 + clock.get(1).cast(pl.Int64),
        price=pl.col("TradPrice").round(4),
        volume=pl.col("TradVolume").cast(pl.Float64),
        turnover=pl.col("TradeMoney").cast(pl.Float64),
    )


def live(period: Period, quotes: Iterable[Quote]) -> list[LiveBar]:
    """The final bars that the builder of the stream makes."""
    builder = Builder(SYMBOL, period)
    said: list[LiveBar] = []
    for quote in quotes:
        if quote.as_of is not None:
            said += builder.closed(quote.as_of)
            said += builder.update(quote, None, quote.as_of)
    said += builder.closed(_MIDNIGHT + timedelta(days=1))
    return [bar for bar in said if bar.final]


def of_trades(period: Period, table: pl.DataFrame) -> pl.DataFrame:
    """The bars of the trades: ``minute`` is that of the end, 0 for the day."""
    ends = dict.fromkeys(table["minute"].unique().to_list(), 0)
    if period.intraday:
        labels = {minute: min(minute + 1, 15 * 60) for minute in ends}
        later = bucket_ends(labels.values(), period.minutes, sessions_of(SYMBOL))
        ends = {minute: label + later[label] for minute, label in labels.items()}
    end = pl.col("minute").replace_strict(list(ends), list(ends.values()), return_dtype=pl.Int64)
    return table.group_by(end, maintain_order=True).agg(
        open=pl.col("price").first(),
        high=pl.col("price").max(),
        low=pl.col("price").min(),
        close=pl.col("price").last(),
        volume=pl.col("volume").sum(),
        turnover=pl.col("turnover").sum().round(2),
    )


def compared(period: Period, made: Iterable[LiveBar], told: pl.DataFrame) -> Agreement:
    """How bars that were made agree with those of the trades."""
    own = {int((bar.time - _MIDNIGHT).total_seconds()) // 60: bar for bar in made}
    true = {row["minute"]: row for row in told.iter_rows(named=True)}
    equal, apart = dict.fromkeys(VALUES, 0), dict.fromkeys(VALUES, 0.0)
    for minute in own.keys() & true.keys():
        for name in VALUES:
            difference = round(abs(getattr(own[minute], name) - true[minute][name]), 2)
            equal[name] += difference == 0
            apart[name] = max(apart[name], difference)
    missing, more = true.keys() - own.keys(), own.keys() - true.keys()
    return Agreement(period, len(true), len(missing), len(more), equal, apart)


def measured(data: Path) -> list[Agreement]:
    """The agreement of every period."""
    quotes, table = list(snapshots(data)), trades(data)
    return [
        compared(period, live(period, quotes), of_trades(period, table))
        for period in BAR_PERIODS.values()
    ]


def table_of(agreements: Iterable[Agreement]) -> str:
    """The agreement as a table in Markdown."""
    lines = [
        f"| period | bars | missing | more | {' | '.join(VALUES)} |",
        f"|---|---:|---:|---:|{'---:|' * len(VALUES)}",
    ]
    for one in agreements:
        cells = [_cell(one, name) for name in VALUES]
        lines.append(
            f"| {one.period} | {one.bars} | {one.missing} | {one.more} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def _cell(one: Agreement, name: str) -> str:
    apart = one.apart[name]
    return f"{one.equal[name]}" + (f" (≤ {apart:,.10g})" if apart else "")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("ARGUS_TEST_DATA"))
    data = parser.parse_args().data
    if data is None or not Path(data).is_dir():
        sys.exit("recorded market data are absent: say --data DIR or set ARGUS_TEST_DATA")
    print(table_of(measured(Path(data))))
    (day,) = live(Period.D1, snapshots(Path(data)))
    print(f"\nthe day: volume {day.volume:,.0f}, turnover {day.turnover:,.2f}")
    return 0 if (day.volume, day.turnover) == (VOLUME, TURNOVER) else 1


if __name__ == "__main__":
    sys.exit(main())
