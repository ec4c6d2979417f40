"""Reading a directory that ``argus record`` wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from argus_core import PluginError, Symbol
from argus_replay.reel import COLUMNS, Day

_PART: Final = re.compile(r"(\d{8}T\d{6}-[0-9a-f]{8})-(\d{6})(?:-(\d{6}))?\.parquet")


class Recording:
    """A directory of parts; a part that lies in a larger one too counts once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def days(self) -> Sequence[Day]:
        """The days that it holds; refuses the recording of a replay, which is no day of its own."""
        told = (
            self._scan()
            .group_by("day")
            .agg(
                first=pl.col("at").min(),
                last=pl.col("at").max(),
                simulated=pl.col("simulated").any(),
                books=(pl.col("kind") == "depth").any(),
                replayed=pl.col("replay_day").drop_nulls().first(),
            )
            .sort("day")
            .collect()
        )
        for row in told.iter_rows(named=True):
            if row["replayed"] is not None:
                raise PluginError(
                    f"the recording of {row['day']} was made while {row['replayed']} was replayed",
                    fix=f"play the recording of {row['replayed']} itself",
                )
        return [
            Day(
                day=row["day"],
                first=row["first"],
                last=row["last"],
                simulated=bool(row["simulated"]),
                books=bool(row["books"]),
            )
            for row in told.iter_rows(named=True)
        ]

    def symbols(self, day: date) -> tuple[Symbol, ...]:
        """The symbols of a day."""
        named = self._scan().filter(pl.col("day") == day).select(pl.col("symbol").unique())
        return tuple(Symbol(text) for text in sorted(named.collect()["symbol"].to_list()))

    def rows(self, day: date, symbols: Sequence[Symbol]) -> pl.DataFrame:
        """The rows of symbols of a day; runs of the recorder follow one another."""
        wanted = (pl.col("day") == day) & pl.col("symbol").is_in([str(one) for one in symbols])
        return self._scan().filter(wanted).select(COLUMNS).collect()

    def _scan(self) -> pl.LazyFrame:
        found = _parts(self._folder)
        if not found:
            raise PluginError(
                f"{self._folder} holds no part of a recording",
                fix="name the directory that `argus record` wrote to, or a Parquet file of ticks",
            )
        return pl.scan_parquet([self._folder / name for name in found])


def _parts(folder: Path) -> list[str]:
    """The names of parts in order, without those whose rows are in a larger one too."""
    found: list[tuple[str, int, int, str]] = []
    for path in folder.iterdir():
        if match := _PART.fullmatch(path.name):
            run, first, last = match.groups()
            found.append((run, int(first), -int(last or first), path.name))
    kept: list[tuple[str, int, int, str]] = []
    for part in sorted(found):
        if not kept or kept[-1][0] != part[0] or part[2] < kept[-1][2]:
            kept.append(part)
    return [name for *_, name in kept]
