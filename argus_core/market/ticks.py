"""Past snapshots as a source returned them, made canonical, or the reason why they cannot be true.

The canonical series of a symbol is one frame in order of time: ``time`` (aware, Shanghai),
``date`` (the trading date), ``price``, ``open``, ``high``, ``low``, ``prev_close`` in yuan,
``volume`` and ``turnover`` since the trading day began, ``open_interest``, and five levels a side
(``bid_price1`` … ``ask_volume5``). A level without price or volume is no level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from argus_core.errors import BadData
from argus_core.extend.source import Rows
from argus_core.extend.units import Units
from argus_core.market import calendar
from argus_core.market.bars import Normalised
from argus_core.market.frames import to_frame
from argus_core.market.inference import inferred_from_bars
from argus_core.market.kinds import kind_of
from argus_core.market.labels import trading_dates
from argus_core.market.units import FLIP, SLACK, Disproof, provable, resolution, rule_for
from argus_core.model.frames import TICKS
from argus_core.model.query import TicksQuery
from argus_core.model.symbol import Symbol

_PRICES: Final = ("price", "open", "high", "low", "prev_close")
_SIDES: Final = tuple((side, number) for number in range(1, 6) for side in ("bid", "ask"))
_COUNTED: Final = ("volume", *(f"{side}_volume{number}" for side, number in _SIDES))


def normalise_ticks(
    rows: Rows, *, query: TicksQuery, units: tuple[Units, ...], timezone: str
) -> Normalised:
    """The canonical snapshots of every symbol of ``query`` that ``rows`` hold.

    :class:`BadData` if the rows as a whole cannot be read.
    """
    frame = _placed(to_frame(rows, TICKS), query, timezone)
    series: dict[str, pl.DataFrame] = {}
    faults: dict[str, str] = {}
    steps: list[str] = []
    coarse: dict[str, Mapping[str, float]] = {}
    for (name,), own in frame.group_by(["symbol"], maintain_order=True):
        symbol = Symbol(str(name))
        if symbol not in query.symbols:
            continue
        rule, step = _rule(own, symbol, units)
        steps.extend(step)
        scaled = _scaled(own, rule)
        fault = _disproof(scaled, symbol, rule)
        if fault is not None:
            faults[symbol] = fault
            continue
        series[symbol] = scaled.drop("symbol")
        if rough := resolution(rule):
            coarse[symbol] = rough
    return Normalised(series=series, faults=faults, steps=tuple(steps), resolution=coarse)


def _placed(frame: pl.DataFrame, query: TicksQuery, timezone: str) -> pl.DataFrame:
    """The snapshots within the asked trading dates, each once, in order, with those dates."""
    if frame.schema["time"] == pl.Date and frame.height:
        raise BadData("column 'time' holds dates where snapshots need date-times")
    stamp = pl.col("time").cast(pl.Datetime("ms")) if frame.is_empty() else pl.col("time")
    dtype = frame.schema["time"]
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone is None:
        stamp = stamp.dt.replace_time_zone(timezone, ambiguous="earliest")
    frame = frame.with_columns(time=stamp.dt.convert_time_zone("Asia/Shanghai"))
    frame = frame.unique(maintain_order=True).sort("symbol", "time", maintain_order=True)
    dates, _ = trading_dates(frame, calendar.next_session)
    frame = frame.insert_column(2, dates)
    return frame.filter(pl.col("date").is_between(query.start, query.end))


def _rule(own: pl.DataFrame, symbol: Symbol, units: tuple[Units, ...]) -> tuple[Units, list[str]]:
    """The unit rule of a symbol's snapshots, inferred where nobody knows it, and what was done."""
    kind = kind_of(symbol)
    rule = rule_for(units, "ticks", symbol, kind, None)
    if rule.volume is not None:
        return rule, []
    known = None
    if provable(symbol, kind):
        known = inferred_from_bars(own.rename({"price": "close"}), rule)
    if known is None:
        return rule, [f"left the volume of {symbol} out: its unit is not known"]
    return known, [f"inferred from turnover: volume of {symbol} × {known.volume:g}"]  # noqa: RUF001  # times, not x


def _scaled(own: pl.DataFrame, rule: Units) -> pl.DataFrame:
    """Shares and yuan; zeros that stand for "no price" and levels without both halves are null."""
    prices = pl.when(pl.col(*_PRICES) > 0).then(pl.col(*_PRICES))
    factor = pl.lit(None, dtype=pl.Float64) if rule.volume is None else rule.volume
    frame = own.with_columns(
        prices,
        (pl.col(*_COUNTED) * factor).round(4),
        turnover=(pl.col("turnover") * rule.turnover).round(4),
    )
    levels: list[pl.Expr] = []
    for side, number in _SIDES:
        price, volume = f"{side}_price{number}", f"{side}_volume{number}"
        # Whoever counts in whole lots rounds a few shares to none; their price stands in the book.
        least = pl.col(volume) >= 0 if rule.volume_step > 1.0 else pl.col(volume) > 0
        real = (pl.col(price) > 0) & least
        levels += [pl.when(real).then(pl.col(name)).alias(name) for name in (price, volume)]
    return frame.with_columns(levels)


def _disproof(frame: pl.DataFrame, symbol: Symbol, rule: Units) -> Disproof | None:
    """A sentence if the snapshots contradict themselves."""
    falls = frame.filter(pl.col("volume") < pl.col("volume").cum_max().over("date"))
    if falls.height:
        return Disproof(f"the day's volume falls at {falls['time'][0]}")
    if rule.volume is None or not provable(symbol, kind_of(symbol)):
        return None
    low = pl.col("low") * (pl.col("volume") - rule.volume_step) * (1 - SLACK) / FLIP
    high = pl.col("high") * (pl.col("volume") + rule.volume_step) * (1 + SLACK) * FLIP
    money, step = pl.col("turnover"), rule.turnover_step
    wrong = frame.filter(
        (pl.col("volume") > 0) & (money > 0) & ((money < low - step) | (money > high + step))
    )
    if wrong.is_empty():
        return None
    row = wrong.row(0, named=True)
    return Disproof(
        f"the snapshot of {row['time']} disproves its units: turnover {row['turnover']} ÷ volume "
        f"{row['volume']} lies outside [{row['low']}, {row['high']}]"
    )
