"""From whatever rows a source returned to one polars frame of a published schema."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from argus_core.errors import BadData
from argus_core.extend.source import Rows
from argus_core.model.frames import Column

HUGE: Final = 1.797e308
"""xtquant and CTP write DBL_MAX (1.7976931348623157e308) where they have no number."""
INT_MAX: Final = 2147483647.0
"""The same habit in counts that were once 32-bit integers."""
_COUNTS: Final = frozenset({"volume", "turnover", "open_interest"})

_DATE_TEXT: Final = {8: "%Y%m%d", 10: "%Y-%m-%d"}
_UNREADABLE = (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError)


def to_frame(rows: Rows, schema: tuple[Column, ...]) -> pl.DataFrame:
    """A frame with exactly the columns of ``schema``, in its order.

    Text is String, numbers are Float64 with NaN, ±inf and the vendors' sentinels as null, a date
    column is Date. A time column stays what it was: Date, or Datetime (ms) naive or aware; text
    is read as ``YYYYMMDD``, ``YYYY-MM-DD`` or ``YYYY-MM-DD HH:MM:SS`` (``T`` and an offset are
    understood). No rows are a valid answer; no columns, a missing required column, a wrong type
    or a row without symbol or time raise :class:`BadData`, which names the column.
    """
    found = _columns(rows, tuple(column.name for column in schema))
    if not found:
        raise BadData("the answer is a table without any column")
    height = len(next(iter(found.values())))
    series: list[pl.Series] = []
    for column in schema:
        values = found.get(column.name)
        if values is None and column.required:
            raise BadData(f"the answer lacks the column {column.name!r}")
        series.append(_typed(column, _nulls(column.name, height) if values is None else values))
    return pl.DataFrame(series)


def _columns(rows: Rows, names: tuple[str, ...]) -> dict[str, pl.Series | list[Any]]:
    """The known columns that ``rows`` holds; an empty list of rows holds all of them."""
    if hasattr(rows, "__arrow_c_stream__"):
        try:
            frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
        except _UNREADABLE as error:
            raise BadData(f"the table cannot be read: {type(error).__name__}") from error
        if not frame.width:
            return {}
        found: dict[str, pl.Series | list[Any]] = {n: frame[n] for n in names if n in frame.columns}
        return found or _refuse("the table has none of the known columns")
    records = _records(rows)
    if not records:
        return {name: [] for name in names}
    present = set[str]().union(*records)
    lists: dict[str, pl.Series | list[Any]] = {
        name: [record.get(name) for record in records] for name in names if name in present
    }
    return lists or _refuse("the rows have none of the known columns")


def _refuse(message: str) -> dict[str, pl.Series | list[Any]]:
    raise BadData(message)


def _records(rows: Rows) -> list[Mapping[str, Any]]:
    kind = type(rows).__name__
    if isinstance(rows, (str, bytes, Mapping)) or not hasattr(rows, "__iter__"):
        raise BadData(f"rows are an iterable of mappings or a table, not {kind}")
    records: list[Any] = [*rows]
    for record in records:
        if not isinstance(record, Mapping):
            raise BadData(f"a row is a mapping, not {type(record).__name__}")
    return records


def _nulls(name: str, height: int) -> pl.Series:
    return pl.Series(name, [None], dtype=pl.Float64).new_from_index(0, height)


def _typed(column: Column, values: pl.Series | list[Any]) -> pl.Series:
    """``values`` in the type that the schema names."""
    try:
        if column.type == "float":
            return _numbers(column, values)
        series = _texts(column, values) if column.type == "text" else _times(column, values)
    except _UNREADABLE as error:
        raise BadData(
            f"column {column.name!r} should hold {column.type}: {type(error).__name__}"
        ) from error
    if series.null_count():
        raise BadData(f"column {column.name!r} has rows without a value")
    return series


def _texts(column: Column, values: pl.Series | list[Any]) -> pl.Series:
    if isinstance(values, list):
        return pl.Series(column.name, values, dtype=pl.String)
    if values.len() and not isinstance(values.dtype, (pl.String, pl.Categorical, pl.Enum)):
        raise BadData(f"column {column.name!r} should hold {column.type}, not {values.dtype}")
    return values.cast(pl.String)


def _numbers(column: Column, values: pl.Series | list[Any]) -> pl.Series:
    if isinstance(values, list):
        series = pl.Series(column.name, values, dtype=pl.Float64)
    elif values.null_count() == values.len():
        # An empty or all-null column often comes as text or object: it says nothing wrong.
        return _nulls(column.name, values.len())
    elif values.dtype.is_numeric():
        series = values.cast(pl.Float64)
    else:
        raise BadData(f"column {column.name!r} should hold numbers, not {values.dtype}")
    return series if _plain(series) else _without_sentinels(column, series)


def _plain(series: pl.Series) -> bool:
    """True if no value can be a sentinel, at the price of three passes without a query engine."""
    total: Any = series.sum()
    least: Any = series.min()
    most: Any = series.max()
    if least is None:
        return True
    # NaN makes the sum NaN, which fails every comparison; the bounds alone would not see it
    return bool(abs(total) < HUGE and abs(least) < HUGE and most < INT_MAX)


def _without_sentinels(column: Column, series: pl.Series) -> pl.Series:
    # polars orders NaN above every number, so NaN fails the first comparison
    true = (series < HUGE) & (series > -HUGE)
    if column.name in _COUNTS:
        true &= series != INT_MAX
    return series if true.all() else series.zip_with(true, _nulls(column.name, series.len()))


def _times(column: Column, values: pl.Series | list[Any]) -> pl.Series:
    if isinstance(values, list):
        values = _time_series(column, values)
    if values.dtype == pl.String:
        values = _parsed(values)
    if not values.len():
        return values.cast(pl.String).cast(pl.Date) if values.dtype != pl.Date else values
    if isinstance(values.dtype, pl.Datetime):
        if column.type != "date":
            return values.dt.cast_time_unit("ms")
        aware = values.dtype.time_zone is not None
        return (values.dt.convert_time_zone("Asia/Shanghai") if aware else values).dt.date()
    if values.dtype != pl.Date:
        raise BadData(f"column {column.name!r} should hold {column.type}, not {values.dtype}")
    return values


def _time_series(column: Column, values: list[Any]) -> pl.Series:
    """A Date, Datetime or String series; a mixture of kinds is refused."""
    kinds = {_time_kind(value) for value in values}
    if "missing" in kinds:
        raise BadData(f"column {column.name!r} has rows without a value")
    if len(kinds) > 1 or "other" in kinds:
        raise BadData(f"column {column.name!r} mixes kinds of time: {', '.join(sorted(kinds))}")
    return pl.Series(column.name, values)


def _time_kind(value: object) -> str:
    if isinstance(value, datetime):
        if value != value:  # noqa: PLR0124  # pandas' NaT is a datetime unequal to itself
            return "missing"
        return "naive date-time" if value.tzinfo is None else "aware date-time"
    if isinstance(value, date):
        return "date"
    return "text" if isinstance(value, str) else "missing" if value is None else "other"


def _parsed(texts: pl.Series) -> pl.Series:
    """Dates or date-times of ``texts``, all written alike."""
    if not texts.len() or texts[0] is None:
        return texts
    sample: str = texts[0]
    if len(sample) in _DATE_TEXT:
        return texts.str.to_date(_DATE_TEXT[len(sample)])
    pattern = "%Y-%m-%dT%H:%M:%S" if "T" in sample else "%Y-%m-%d %H:%M:%S"
    seconds = len("2024-01-15 09:31:00")
    if "." in sample[seconds:]:
        pattern += "%.f"
    if sample.endswith("Z") or set(sample[seconds:]) & set("+-"):
        pattern += "%#z"
    return texts.str.to_datetime(pattern, time_unit="ms")
