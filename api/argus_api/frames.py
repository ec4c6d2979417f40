"""Frames of bars as bytes: encoded by polars column by column, never row by row in Python.

Columns are picked by ``frame[names]``, not by ``select``: that one wakes the query engine and its
threads, which for an answer of a few hundred rows costs more than everything else here.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import orjson
import polars as pl

BAR_FIELDS = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "turnover",
    "change",
    "change_pct",
)
_LABELS = ("time", "date")
FIELDS = ("symbol", *_LABELS, *BAR_FIELDS, "final")
"""Every key and column of a bar, each of which ``fields`` may name."""
_INSTANT = "%Y-%m-%dT%H:%M:%S%:z"


def columns_of(frame: pl.DataFrame, fields: Sequence[str]) -> pl.DataFrame:
    """The labels, the wanted fields and ``final``, in the contract's order.

    A bar without its label would be no bar: labels stay, whether ``fields`` names them or not.
    """
    labels = [name for name in _LABELS if name in frame.columns]
    values = [name for name in BAR_FIELDS if name in fields]
    return frame[[*labels, *values, "final"]]


def whole_counts(frame: pl.DataFrame) -> pl.DataFrame:
    """The same frame whose volume, if no value has a fraction, is of whole numbers.

    Only texts need it: in Arrow and Parquet a column's type must not depend on its values.
    """
    if "volume" not in frame.columns:
        return frame
    volume = frame["volume"]
    whole = volume.cast(pl.Int64, strict=False)
    if volume.null_count() < whole.null_count() or not (whole == volume).all():
        return frame
    return frame.clone().replace_column(frame.get_column_index("volume"), whole)


def rows(frame: pl.DataFrame) -> bytes:
    """A JSON array of rows; only an unfinished bar says ``"final": false``."""
    runs = _runs(whole_counts(frame))
    parts = [_json(run) for run in runs if not run.is_empty()]
    if len(parts) == 1:
        return parts[0]  # a year of minutes is eleven megabytes: no copy that is not needed
    return b"[" + b",".join(part[1:-1] for part in parts) + b"]"


def rows_by_symbol(frames: Mapping[str, pl.DataFrame]) -> bytes:
    """A JSON object of symbols and their rows."""
    return orjson.dumps({str(key): orjson.Fragment(rows(f)) for key, f in frames.items()})


def columns_by_symbol(frames: Mapping[str, pl.DataFrame]) -> bytes:
    """A JSON object of symbols and their columns, each a list."""
    return orjson.dumps({str(key): orjson.Fragment(_columns(f)) for key, f in frames.items()})


def table(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """All symbols in one frame, told apart by a leading ``symbol`` column."""
    return pl.concat(
        frame.select(pl.lit(str(key)).alias("symbol"), pl.all()) for key, frame in frames.items()
    )


def csv(frame: pl.DataFrame) -> bytes:
    """CSV with a header line; a missing value is an empty cell."""
    return whole_counts(frame).write_csv(datetime_format=_INSTANT).encode()


def ndjson(frame: pl.DataFrame) -> bytes:
    """One JSON row a line, each as in the rows of JSON."""
    return "".join(part.write_ndjson() for part in _runs(whole_counts(frame))).encode()


def _runs(frame: pl.DataFrame) -> list[pl.DataFrame]:
    """``frame`` cut where ``final`` changes; the finished runs lose that column."""
    if frame["final"].all():
        return [_without_final(frame)]
    numbered = frame.with_columns(run=pl.col("final").rle_id())
    runs = numbered.partition_by("run", maintain_order=True, include_key=False)
    return [_without_final(run) if run["final"][0] else run for run in runs]


def _without_final(frame: pl.DataFrame) -> pl.DataFrame:
    return frame[[name for name in frame.columns if name != "final"]]


def _columns(frame: pl.DataFrame) -> bytes:
    return _json(whole_counts(frame).select(pl.all().implode()))[1:-1]


def _json(frame: pl.DataFrame) -> bytes:
    """What polars writes, without its way through a text."""
    buffer = io.BytesIO()
    frame.write_json(buffer)
    return buffer.getvalue()
