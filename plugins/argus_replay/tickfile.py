"""Reading a file of ticks that was not made by a recorder, and one of trades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from argus_core import BadParameter, PluginError, Symbol, parse_symbol
from argus_replay.reel import LEVELS, ZONE, Day, day_of

_NEEDED: Final = ("symbol", "time", "price", "volume")

SPELLINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "last": "price",
        "pre_close": "prev_close",
        "volume_share": "volume",
        "amount_yuan": "turnover",
        **{
            f"{side}_vol{number}_share": f"{side}_volume{number}"
            for side in ("bid", "ask")
            for number in range(1, LEVELS + 1)
        },
    }
)
"""Other names of columns that files of ticks have."""


class TickFile:
    """A Parquet file of snapshots in the published layout, and one of trades where there is one."""

    def __init__(self, path: Path, trades: Path | None) -> None:
        self._path = path
        self._trades = trades

    def days(self) -> Sequence[Day]:
        """The trading dates of its snapshots."""
        ticks = self._ticks()
        stamps = ticks.select(at=_instant(ticks)).collect()["at"]
        if stamps.is_empty():
            raise PluginError(f"{self._path} holds no snapshot", fix="name another file")
        books = {day_of(hour) for hour in stamps.dt.truncate("1h").unique().to_list()}
        if self._trades is not None:
            trades = _columns(self._trades)
            stamps = stamps.append(trades.select(at=_instant(trades)).collect()["at"])
        hours = stamps.dt.truncate("1h")
        days = {hour: day_of(hour) for hour in hours.unique().to_list()}
        told = pl.DataFrame({"at": stamps, "day": hours.replace_strict(days, return_dtype=pl.Date)})
        each = told.group_by("day").agg(first=pl.col("at").min(), last=pl.col("at").max())
        return [
            Day(day=day, first=first, last=last, simulated=False, books=True)
            for day, first, last in each.sort("day").iter_rows()
            if day in books
        ]

    def symbols(self, day: date) -> tuple[Symbol, ...]:
        """The symbols of a day."""
        ticks = self._ticks()
        told = _of_day(ticks.select("symbol", at=_instant(ticks)).collect(), day)
        return tuple(sorted(self._spelt(name) for name in told["symbol"].unique().to_list()))

    def rows(self, day: date, symbols: Sequence[Symbol]) -> pl.DataFrame:
        """A book for each snapshot, and the trades with the books that they fall in."""
        named = self._ticks().select(pl.col("symbol").unique()).collect()["symbol"].to_list()
        spelt = {name: str(self._spelt(name)) for name in named}
        wanted = [name for name, symbol in spelt.items() if symbol in symbols]
        every = self._ticks()
        own = every.filter(pl.col("symbol").is_in(wanted))
        ticks = own.with_columns(pl.col("symbol").replace(spelt), at=_instant(every)).collect()
        ticks = ticks.sort("at", maintain_order=True)
        books = _of_day(ticks, day).select(_book(set(ticks.columns)))
        if self._trades is None:
            return books
        placed = _placed(self._read_trades(self._trades, symbols, day), books)
        return pl.concat([books, placed], how="diagonal").sort(
            "at", pl.col("kind") == "trades", maintain_order=True
        )

    def _ticks(self) -> pl.LazyFrame:
        rows = pl.scan_parquet(self._path)
        names = rows.collect_schema().names()
        rows = rows.rename({name: SPELLINGS[name] for name in names if name in SPELLINGS})
        _demand(self._path, rows)
        return rows

    def _read_trades(self, trades: Path, symbols: Sequence[Symbol], day: date) -> pl.DataFrame:
        rows = _columns(trades)
        direction = pl.col("direction") if "direction" in rows.collect_schema() else pl.lit(None)
        told = rows.select(
            kind=pl.lit("trades"),
            symbol=pl.col("symbol"),
            at=_instant(rows),
            as_of=_instant(rows),
            price=pl.col("price").cast(pl.Float64),
            volume=pl.col("volume").cast(pl.Float64),
            direction=direction.cast(pl.String),
        ).collect()
        named = {name: str(self._spelt(name)) for name in told["symbol"].unique().to_list()}
        told = told.with_columns(pl.col("symbol").replace(named))
        told = told.filter(pl.col("symbol").is_in([str(one) for one in symbols]))
        return _of_day(told, day).sort("at", maintain_order=True)

    def _spelt(self, name: str) -> Symbol:
        try:
            return parse_symbol(name)
        except BadParameter as error:
            raise PluginError(f"{self._path}: {error.message}", fix="write 600519.SH") from None


def _columns(path: Path) -> pl.LazyFrame:
    rows = pl.scan_parquet(path)
    _demand(path, rows)
    return rows


def _demand(path: Path, rows: pl.LazyFrame) -> None:
    missing = [name for name in _NEEDED if name not in rows.collect_schema()]
    if missing:
        raise PluginError(
            f"{path} lacks the columns {', '.join(missing)}",
            fix="docs/use/recordings.md lists the columns that can be played",
        )


def _instant(rows: pl.LazyFrame) -> pl.Expr:
    """The column ``time`` in Shanghai's time; without a zone it is taken for that already."""
    kind = rows.collect_schema()["time"]
    if not isinstance(kind, pl.Datetime):
        raise PluginError(f"the column time holds {kind}", fix="write instants: pl.Datetime")
    if kind.time_zone is None:
        return pl.col("time").cast(pl.Datetime("us")).dt.replace_time_zone(ZONE)
    return pl.col("time").dt.convert_time_zone(ZONE).dt.cast_time_unit("us")


def _of_day(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    hours = rows["at"].dt.truncate("1h").unique().to_list()
    own = [hour for hour in hours if day_of(hour) == day]
    return rows.filter(pl.col("at").dt.truncate("1h").is_in(own))


def _book(names: set[str]) -> list[pl.Expr]:
    """The row of a recording that a snapshot makes; zeros stand for what there is not."""

    def number(name: str) -> pl.Expr:
        if name not in names:
            return pl.lit(None, dtype=pl.Float64).alias(name)
        return pl.col(name).cast(pl.Float64).alias(name)

    def price(name: str) -> pl.Expr:
        return pl.when(number(name) > 0).then(number(name)).alias(name)

    def side(which: str, what: str) -> pl.Expr:
        each = [number(f"{which}_{what}{place}") for place in range(1, LEVELS + 1)]
        return pl.concat_list(each).alias(f"{which}_{what}s")

    name = pl.col("name") if "name" in names else pl.lit(None, dtype=pl.String)
    return [
        pl.lit("depth").alias("kind"),
        pl.col("symbol"),
        pl.col("at"),
        pl.col("at").alias("as_of"),
        name.alias("name"),
        *(price(each) for each in ("price", "open", "high", "low", "prev_close")),
        *(number(each) for each in ("volume", "turnover", "change", "change_pct")),
        *(side(which, what) for which in ("bid", "ask") for what in ("price", "volume")),
        *(pl.lit(None, dtype=pl.String).alias(each) for each in ("direction", "told")),
        pl.lit(None, dtype=pl.UInt64).alias("lost"),
    ]


def _placed(trades: pl.DataFrame, books: pl.DataFrame) -> pl.DataFrame:
    """Trades at the instants of the books that tell of them; later ones at their own."""
    instants = books.select("symbol", "at", book=pl.col("at")).sort("at")
    joined = trades.join_asof(
        instants, on="at", by="symbol", strategy="forward", check_sortedness=False
    )
    return joined.with_columns(at=pl.coalesce("book", "at")).drop("book")
