"""Prices made comparable across dividends and splits by ratios of cumulative factors.

Only ratios of factors are used, because vendors start their scales at different numbers. Volume
and turnover are never adjusted, and nothing is rounded here: :mod:`history` rounds what it writes.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import polars as pl

from argus_core.errors import BadData
from argus_core.model.period import Adjust

_ADJUSTED: Final = ("open", "high", "low", "close")


def adjust(
    frame: pl.DataFrame, factors: pl.DataFrame, how: Adjust, base: date | None = None
) -> tuple[pl.DataFrame, date | None]:
    """One canonical series with adjusted prices, and the date whose price is left as traded.

    ``factors`` has ``date`` and ``factor`` (in force from its date on). ``pre`` divides by the
    newest factor known, ``post`` by the first, either by the one in force at ``base`` if that is
    given. ``prev_close`` becomes the previous row's adjusted close. :class:`BadData` where a bar
    or ``base`` is older than every factor known, unless the scale starts with 1.
    """
    if how is Adjust.NONE or frame.is_empty():
        return frame, None
    table = _checked(factors)
    base_date, base_factor = _base(table, how, base)
    bars = frame.set_sorted("date").join_asof(table, on="date", strategy="backward")
    unknown = bars["factor"].null_count()
    if unknown and table["factor"][0] != 1.0:
        raise BadData(
            f"the first adjustment factor is of {table['date'][0]}, "
            f"{unknown} bars since {frame['date'][0]} are older"
        )
    # Divided value by value: by a scalar, polars multiplies with its inverse, and the base's own
    # price would no longer be exactly as traded
    at_base = pl.Series("factor", [base_factor]).new_from_index(0, bars.height)
    ratio = pl.lit(bars["factor"].fill_null(1.0) / at_base)
    first = (pl.col("prev_close") * ratio).first()
    return (
        bars.with_columns(
            pl.col(*_ADJUSTED) * ratio,
            prev_close=(pl.col("close") * ratio).shift(1).fill_null(first),
        ).drop("factor"),
        base_date,
    )


def _checked(factors: pl.DataFrame) -> pl.DataFrame:
    """The factors in order of date; empty, missing or impossible ones are refused."""
    table = factors.select("date", "factor").unique().sort("date")
    if table.is_empty():
        raise BadData("there is no adjustment factor at all")
    if table["factor"].null_count() or not (table["factor"] > 0).all():
        raise BadData("an adjustment factor is missing or not positive")
    if table["date"].is_duplicated().any():
        raise BadData("two different adjustment factors carry the same date")
    return table


def _base(table: pl.DataFrame, how: Adjust, base: date | None) -> tuple[date, float]:
    """The date whose price stays as traded, and the factor in force on it."""
    if base is None:
        row = table.row(-1 if how is Adjust.PRE else 0)
        return row[0], row[1]
    known = table.filter(pl.col("date") <= base)
    if not known.is_empty():
        return base, known["factor"][-1]
    if table["factor"][0] == 1.0:
        return base, 1.0
    raise BadData(f"the first adjustment factor is of {table['date'][0]}, the base {base} is older")


def factors_from_prev_close(frame: pl.DataFrame, *, tick: float = 0.01) -> pl.DataFrame:
    """Cumulative back factors (``date``, ``factor``) of one raw daily series, 1 on its first day.

    Each day multiplies by the previous close over the exchange's ex-right previous close, and by
    exactly 1 where the two agree within half a ``tick``. :class:`BadData` if a ``prev_close``
    after the first is missing.
    """
    days = frame.select("date", "close", "prev_close").sort("date")
    if days["prev_close"].slice(1).null_count():
        raise BadData("a daily bar lacks the exchange's previous close")
    before = pl.col("close").shift(1)
    # 1e-9: 10.005 - 10.0 is a hair more than half a cent in binary
    same = (before - pl.col("prev_close")).abs() <= tick / 2 + 1e-9
    step = pl.when(same).then(1.0).otherwise(before / pl.col("prev_close"))
    return days.select("date", factor=step.fill_null(1.0).cum_prod())
