"""Bars and past snapshots, in the vendor's units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import polars as pl

from argus_core import BarsQuery, Kind, Period, Rows, Symbol, TicksQuery, kind_of
from argus_xtquant.cells import HUGE, INT_INVALID, PRICE_DIGITS, TINY, compact, compact_instant
from argus_xtquant.history import TICK, Stretch
from argus_xtquant.symbols import Spelt, spelled

_DERIVATIVES = frozenset({Kind.FUTURE, Kind.OPTION})
_LEVELS = 5
Frames = Mapping[str, pl.DataFrame]


def bars_stretch(query: BarsQuery) -> Stretch:
    """What of the client's history a question for bars is about."""
    if query.period is Period.D1:
        bounds = (compact(query.start), compact(query.end))
    else:
        bounds = (compact_instant(query.since), compact_instant(query.until))
    return Stretch(query.period.value, query.start, query.end, *bounds)


def ticks_stretch(query: TicksQuery) -> Stretch:
    """What of the client's history a question for snapshots is about."""
    bounds = (compact_instant(query.since), compact_instant(query.until))
    return Stretch(TICK, query.start, query.end, *bounds)


def asked_symbols(query: BarsQuery | TicksQuery) -> tuple[Spelt, ...]:
    """The symbols of a question that the client has a code for."""
    return spelled(query.symbols, query.start, query.end)


def read_bars(frames: Frames, asked: Iterable[Spelt], period: Period) -> Rows:
    """Rows of ``BARS``."""
    return _joined(
        _bars(symbol, frame, period).filter(_is_bar()) for symbol, frame in _owned(frames, asked)
    )


def read_ticks(frames: Frames, asked: Iterable[Spelt]) -> Rows:
    """Rows of ``TICKS``."""
    return _joined(_ticks(symbol, frame) for symbol, frame in _owned(frames, asked))


def _joined(parts: Iterable[pl.DataFrame]) -> Rows:
    tables = [part for part in parts if part.height]
    return pl.concat(tables) if tables else []


def _owned(frames: Frames, asked: Iterable[Spelt]) -> Iterator[tuple[Symbol, pl.DataFrame]]:
    """The rows of each symbol: those of its code that lie in its life."""
    for spelt in asked:
        frame = frames.get(spelt.code)
        if frame is None:
            continue
        if (spelt.since, spelt.until) != (date.min, date.max):
            frame = frame.filter(pl.col("at").dt.date().is_between(spelt.since, spelt.until))
        yield spelt.symbol, frame


def _bars(symbol: Symbol, frame: pl.DataFrame, period: Period) -> pl.DataFrame:
    days = period is Period.D1
    derivative = kind_of(symbol) in _DERIVATIVES
    at = pl.col("at").dt.date() if days else pl.col("at")
    return frame.select(
        pl.lit(str(symbol)).alias("symbol"),
        at.alias("time"),
        *(_price(frame, name, name) for name in ("open", "high", "low", "close")),
        _count(frame, "volume", "volume"),
        _count(frame, "amount", "turnover"),
        # Minutes carry uninitialised memory here
        _price(frame, "preClose" if days else "", "prev_close"),
        # A share's is its trading status
        _count(frame, "openInterest" if derivative else "", "open_interest"),
        _price(frame, _settlement(frame) if derivative else "", "settle"),
    )


def _is_bar() -> pl.Expr:
    """True for rows that say something; the others are holes that the client filled with zeros."""
    return pl.any_horizontal(pl.col("open", "high", "low", "close").is_not_null()) | (
        pl.col("volume") > 0
    )


def _settlement(frame: pl.DataFrame) -> str:
    """The name of the settlement price, which has two spellings."""
    names = ("settelementPrice", "settlementPrice")
    return next((name for name in names if name in frame.columns), "")


def _ticks(symbol: Symbol, frame: pl.DataFrame) -> pl.DataFrame:
    derivative = kind_of(symbol) in _DERIVATIVES
    frame = frame.select(
        pl.lit(str(symbol)).alias("symbol"),
        pl.col("at").alias("time"),
        _price(frame, "lastPrice", "price"),
        *(_price(frame, name, name) for name in ("open", "high", "low")),
        _price(frame, "lastClose", "prev_close"),
        _count(frame, "volume", "volume"),
        _count(frame, "amount", "turnover"),
        _count(frame, "openInt" if derivative else "", "open_interest"),
        *_levels(frame),
    )
    # Before the first trade the last price is what an auction's match would cost, not a trade
    traded = pl.col("volume") > 0
    opened = pl.col("open").is_not_null()
    traded |= opened if kind_of(symbol) is Kind.INDEX else opened & pl.col("volume").is_null()
    return frame.with_columns(pl.when(traded).then(pl.col("price", "open", "high", "low")))


def _levels(frame: pl.DataFrame) -> Iterator[pl.Expr]:
    """Five levels a side; one without a price is none, one of less than half a lot has volume 0."""
    for side in ("bid", "ask"):
        for n in range(_LEVELS):
            at = _cell(frame, f"{side}Price", n).round(PRICE_DIGITS)
            volume = _cell(frame, f"{side}Vol", n)
            there = (at >= TINY) & (volume >= 0)
            yield pl.when(there).then(at).alias(f"{side}_price{n + 1}")
            yield pl.when(there).then(volume).alias(f"{side}_volume{n + 1}")


def _cell(frame: pl.DataFrame, name: str, n: int) -> pl.Expr:
    if name not in frame.columns:
        return pl.lit(None, pl.Float64)
    return _valid(pl.col(name).list.get(n, null_on_oob=True))


def _price(frame: pl.DataFrame, name: str, alias: str) -> pl.Expr:
    """A price without binary noise; zero and garbage are none, and so is a missing column."""
    if name not in frame.columns:
        return pl.lit(None, pl.Float64).alias(alias)
    value = _valid(pl.col(name))
    return pl.when(value >= TINY).then(value.round(PRICE_DIGITS)).alias(alias)


def _count(frame: pl.DataFrame, name: str, alias: str) -> pl.Expr:
    if name not in frame.columns:
        return pl.lit(None, pl.Float64).alias(alias)
    value = _valid(pl.col(name))
    return pl.when(value >= 0).then(value).alias(alias)


def _valid(value: pl.Expr) -> pl.Expr:
    """A number that is neither NaN nor one of the vendor's two ways to say "invalid"."""
    usable = value.is_finite() & (value.abs() < HUGE) & (value != INT_INVALID)
    return pl.when(usable).then(value)
