"""Bars as a source returned them, made canonical, or the reason why they cannot be true.

The canonical base series of a symbol is one frame in order of time with the columns
:data:`CANONICAL`: ``time`` is the bar's end (for days the midnight that begins the trading date),
``date`` the trading date, prices in yuan as traded, volume in shares, turnover in yuan, missing
values null. Pure functions: the present comes in as ``now``, the calendar as a callable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf
from types import MappingProxyType
from typing import Any, Final, Literal

import polars as pl

from argus_core.errors import BadData
from argus_core.extend.source import Rows
from argus_core.extend.units import Units
from argus_core.market import calendar
from argus_core.market.bar_rows import KEY, BarsReading, Market, distinct, filtered
from argus_core.market.bar_times import dated
from argus_core.market.frames import to_frame
from argus_core.market.inference import inferred_from_bars
from argus_core.market.labels import NextSession
from argus_core.market.sessions import Session
from argus_core.market.units import (
    CASH,
    PRICES,
    Disproof,
    provable,
    prove,
    resolution,
    rule_for,
    scale,
)
from argus_core.model.frames import BARS
from argus_core.model.query import BarsQuery
from argus_core.model.symbol import Kind, Symbol

CANONICAL: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {
        "time": pl.Datetime("ms", "Asia/Shanghai"),
        "date": pl.Date(),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),
        "turnover": pl.Float64(),
        "prev_close": pl.Float64(),
        "open_interest": pl.Float64(),
        "settle": pl.Float64(),
        "final": pl.Boolean(),
    }
)
"""The columns of a canonical base series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """The canonical series by symbol, the symbols that cannot be true, and what was done.

    A symbol that the rows do not hold (or hold only without a trade) is in neither mapping.
    """

    series: Mapping[str, pl.DataFrame]
    faults: Mapping[str, str] = field(default_factory=dict[str, str])
    steps: tuple[str, ...] = ()
    resolution: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict[str, Mapping[str, float]]
    )
    """Per symbol, the fields that the vendor counts more coarsely than a share and a cent."""
    proved: int = 0
    """Rows whose turnover ÷ volume lies in [low, high]."""
    off: int = 0
    """Rows outside of it by less than a factor of two."""


def normalise_bars(
    rows: Rows,
    *,
    query: BarsQuery,
    units: tuple[Units, ...],
    bar_label: Literal["end", "start"],
    timezone: str,
    sessions: Callable[[Symbol], tuple[Session, ...]],
    kind: Callable[[Symbol], Kind],
    now: datetime,
    next_session: NextSession = calendar.next_session,
) -> Normalised:
    """The canonical base series of every symbol of ``query`` that ``rows`` hold.

    ``units``, ``bar_label`` and ``timezone`` are the facts that the source states; ``sessions``
    and ``kind`` tell a symbol's trading sessions and kind; ``now`` is aware and decides which
    bars are final. :class:`BadData` if the rows as a whole cannot be read.
    """
    reading = BarsReading(query, bar_label, timezone, next_session, now)
    frame = distinct(_asked(to_frame(rows, BARS), reading), reading)
    series: dict[str, pl.DataFrame] = {}
    markets: dict[Market, list[str]] = {}
    for name in frame["symbol"].unique(maintain_order=True).to_list():
        symbol = Symbol(name)
        own = kind(symbol)
        rule = rule_for(units, "bars", symbol, own, query.period)
        market = Market(own, provable(symbol, own), rule, sessions(symbol))
        if rule.volume is None:
            market = _inferred(frame, symbol, market, reading)
        if steps := resolution(market.rule):
            reading.resolution[symbol] = steps
        markets.setdefault(market, []).append(name)
    for market, names in markets.items():
        part = frame if len(markets) == 1 else frame.filter(pl.col("symbol").is_in(names))
        series.update(_read(part, market, reading))
    return Normalised(
        series=series,
        faults=reading.faults,
        steps=_steps(reading),
        resolution={s: steps for s, steps in reading.resolution.items() if s in series},
        proved=sum(proof.proved for proof in reading.proofs),
        off=sum(proof.off for proof in reading.proofs),
    )


def _asked(frame: pl.DataFrame, reading: BarsReading) -> pl.DataFrame:
    """The rows of symbols that were asked for."""
    asked = set[str](reading.query.symbols)
    strangers = set(frame["symbol"].unique().to_list()) - asked
    if not strangers:
        return frame
    kept = frame.filter(~pl.col("symbol").is_in(list(strangers)))
    if kept.is_empty():
        # Nothing but strangers is no silence: most likely the vendor's spelling came through.
        raise BadData(
            f"the answer holds {min(strangers)}, which was not asked for, and none of what was; "
            f"a source answers in canonical symbols, here {reading.query.symbols[0]}"
        )
    reading.notes["dropped {n} bars of symbols that were not asked for"] += (
        frame.height - kept.height
    )
    return kept


def _inferred(frame: pl.DataFrame, symbol: Symbol, market: Market, reading: BarsReading) -> Market:
    """``market`` with the unit that the symbol's own bars show, or with none if they show none."""
    own = frame.filter(pl.col("symbol") == symbol)
    rule = inferred_from_bars(own, market.rule) if market.money else None
    if rule is not None:
        reading.notes[f"inferred from turnover: volume of {symbol} × {rule.volume:g}"] += 1  # noqa: RUF001  # times, not x
        return replace(market, rule=rule)
    if own["volume"].sum():
        reading.notes[f"left the volume of {symbol} out: its unit is not known"] += 1
    return replace(market, money=False)


def _read(frame: pl.DataFrame, market: Market, reading: BarsReading) -> dict[str, pl.DataFrame]:
    """The canonical series of symbols of one market."""
    query = reading.query
    frame = _traded(_known(_scaled(frame, market, reading), market, reading), market, reading)
    frame = dated(frame, market, reading)
    # Two times of one day are two labels for the same bar
    frame = distinct(frame, reading)
    inside = (frame["date"] >= query.start) & (frame["date"] <= query.end)
    frame = filtered(frame, inside, "dropped {n} bars outside the range", reading)
    proofs = prove(frame, rule=market.rule, money=market.money)
    reading.proofs.extend(proof for proof in proofs.values() if not proof.faulty)
    reading.faults.update(
        {s: Disproof(p.reason or p.status) for s, p in proofs.items() if p.faulty}
    )
    if market.rule.volume is None:
        frame = frame.with_columns(volume=pl.lit(None, dtype=pl.Float64))
    parts = [frame] if len(proofs) == 1 else frame.partition_by("symbol", maintain_order=True)
    return {
        symbol: own[list(CANONICAL)]
        for symbol, own in zip(proofs, parts, strict=True)
        if symbol not in reading.faults
    }


def _scaled(frame: pl.DataFrame, market: Market, reading: BarsReading) -> pl.DataFrame:
    for name in ("volume", "turnover"):
        factor: float | None = getattr(market.rule, name)
        if factor not in (1.0, None):
            reading.notes[f"{name} × {factor:g}"] += 1  # noqa: RUF001  # times, not x
    return scale(frame, market.rule)


def _traded(frame: pl.DataFrame, market: Market, reading: BarsReading) -> pl.DataFrame:
    """The rows that report trading, without zeros that stand for "none".

    A stock's suspended day and a minute without a trade are no rows. An index has no volume of
    its own, and a futures day without a trade still has a settlement: those rows need a close.
    """
    active = frame["volume"] != 0
    if market.rule.volume_step > 1.0:
        # Whoever counts in whole lots rounds a few shares to none, but not what they cost.
        active = active | (frame["turnover"] > 0).fill_null(value=False)
    if any(_least(frame, n) <= 0 for n in (*PRICES, "turnover", "prev_close", "settle")):
        some = active.fill_null(value=False)
        frame = frame.with_columns(
            pl.when((pl.col(*PRICES) != 0) | some).then(pl.col(*PRICES)),
            pl.when(pl.col("prev_close", "settle") > 0).then(pl.col("prev_close", "settle")),
            # A trade has a price: nothing paid for something means that it was not recorded
            turnover=pl.when((pl.col("turnover") != 0) | ~some).then(pl.col("turnover")),
        )
    quiet = _may_be_quiet(market, reading)
    keep = active.fill_null(value=False) | frame["close"].is_not_null() if quiet else active
    return filtered(frame, keep, "dropped {n} bars without a trade", reading)


def _may_be_quiet(market: Market, reading: BarsReading) -> bool:
    """True if a bar may have a close but no trade: an index, or a day of futures and options."""
    intraday = reading.query.period.intraday
    return market.kind is Kind.INDEX if intraday else market.kind not in CASH


def _known(frame: pl.DataFrame, market: Market, reading: BarsReading) -> pl.DataFrame:
    """The rows that say if there was trading; a symbol with another row in range is a fault.

    A volume of zero says that nothing was traded. An absent one says that the source lost it,
    and to drop that bar would pass a gap in the data for a suspension.
    """
    unknown = frame["volume"].is_null()
    if unknown.any() and _may_be_quiet(market, reading):
        unknown &= ~(frame["close"] > 0).fill_null(value=False)
    if not unknown.any():
        return frame
    # Dated on their own, for a label tells the range only once it is a trading date
    lost = dated(frame.filter(unknown), market, replace(reading, notes=Counter()))
    inside = lost["date"].is_between(reading.query.start, reading.query.end)
    for name, when in lost.filter(inside).unique("symbol", keep="first")[list(KEY)].iter_rows():
        reading.faults[Symbol(name)] = f"the bar of {when} has no volume"
    faulty = frame["symbol"].is_in([str(name) for name in reading.faults])
    return frame.filter(~unknown & ~faulty)


def _least(frame: pl.DataFrame, name: str) -> float:
    least: Any = frame[name].min()
    return inf if least is None else float(least)


def _steps(reading: BarsReading) -> tuple[str, ...]:
    """What was done, a sentence each."""
    steps = [note.format(n=count) for note, count in reading.notes.items()]
    proved = sum(proof.proved for proof in reading.proofs)
    bars = sum(proof.bars for proof in reading.proofs)
    off = sum(proof.off for proof in reading.proofs)
    if proved or off:
        steps.append(f"proved {proved} of {bars} bars by turnover ÷ volume")
    if off:
        steps.append(f"{off} bars lie outside [low, high] by less than a factor of two")
    return tuple(steps)
