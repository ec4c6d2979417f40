"""SRC-10 to SRC-18: bars, where the vendors' habits differ most."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import polars as pl

from argus_core.market.frames import to_frame
from argus_core.market.kinds import kind_of
from argus_core.market.units import Proof, provable, prove, rule_for, scale
from argus_core.model.frames import BARS
from argus_core.model.period import Period
from argus_core.model.query import BarsQuery
from argus_core.model.symbol import Symbol
from argus_core.testing.check import Check, check, demand, skip
from argus_core.testing.questions import Asking, asking, offered, same, weekend
from argus_core.testing.subject import Subject, sessions

_YEARS = 3
"""How long the range is that should not fit into one page of a vendor."""
_EVENT = 1.002
"""The smallest step of the factor that tells raw from adjusted prices beyond rounding."""
_ROUNDING = 0.0005
_EXAMPLES = 3
"""Symbols whose ex-days are looked at."""


@check("SRC-10")
async def possible_bars(subject: Subject) -> None:
    """Every bar is possible: low ≤ open, close ≤ high, volume ≥ 0, one bar for one time.

    Where there was trading there is a price. A suspended day is no row.
    """
    async with asking(subject) as it:
        for period in await _periods(it):
            query = it.bars(await it.known("bars", period), period)
            reading = await it.ask(query)
            flipped = {
                str(p) for p, proof in (await _proofs(it, query)) if proof.status == "flipped"
            }
            for symbol, fault in reading.faults.items():
                demand(symbol in flipped, f"{period} bars of {symbol}: {fault}")


@check("SRC-11")
async def proved_units(subject: Subject) -> None:
    """Turnover ÷ volume lies between low and high: the volume is in shares, the turnover in yuan.

    Lots taken for shares are the most painful failover of all: they multiply every volume by 100.
    State how the vendor counts in `units`. Skipped for what does not cost price times volume
    (indices, futures) and where bars carry no turnover.
    """
    async with asking(subject) as it:
        proved = 0
        for period in await _periods(it):
            query = it.bars(await it.known("bars", period), period)
            for symbol, proof in await _proofs(it, query):
                said = f"{period} bars of {symbol}: {proof.reason}; state the vendor's `units`"
                demand(proof.status != "flipped", said)
                proved += proof.proved
        if not proved:
            skip("no bar has a turnover that could prove its volume")


@check("SRC-12")
async def inclusive_range(subject: Subject) -> None:
    """Both ends of a range are part of it, and one day is a range.

    Vendors differ: some leave the end out, some read it as the midnight that begins the day.
    """
    async with asking(subject) as it:
        period = (await _periods(it))[0]
        symbol = (await it.known("bars", period))[0]
        days = subject.days
        whole = await _dates(it, symbol, period, days[0], days[-1])
        if not whole:
            skip(f"it has no bars of {symbol} from {days[0]} to {days[-1]}")
        for first, last in {(whole[0], whole[-1]), (whole[0], whole[0]), (whole[-1], whole[-1])}:
            found = await _dates(it, symbol, period, first, last)
            wanted = [day for day in whole if first <= day <= last]
            lost = [f"{day}" for day in wanted if day not in found]
            demand(not lost, f"from {first} to {last} the bars of {', '.join(lost)} are missing")


@check("SRC-13")
async def trading_days_only(subject: Subject) -> None:
    """Every bar belongs to a trading day of the exchange, in Shanghai's calendar.

    An instant read in another zone makes Monday's bar a Sunday's. A day on which nothing was
    traded is no row.
    """
    async with asking(subject) as it:
        for period in await _periods(it):
            symbols = await it.known("bars", period)
            query = it.query("bars", symbols, period=period)
            values = await it.values(query)
            raw = to_frame(await it.raw(query), BARS)
            days = raw["time"] if raw.schema["time"] == pl.Date else None
            for symbol, frame in values.items():
                demand_sessions(f"{period} bars of {symbol}", frame["date"].to_list())
            if days is not None:
                demand_sessions(f"{period} bars", days.to_list())


@check("SRC-16")
async def empty_range(subject: Subject) -> None:
    """A range without trading is answered with nothing: no error, and no bar of another day.

    A vendor's "last bar" on a Sunday is Friday's, and an error would blame the source.
    """
    async with asking(subject) as it:
        dataset = offered(it.source, "bars", "ticks")
        period = (await _periods(it))[0] if dataset == "bars" else None
        symbols = await it.known(dataset, period)
        saturday, sunday = weekend(subject.days[-1])
        query = it.query(dataset, symbols, period=period, start=saturday, end=sunday)
        found = (await it.ask(query)).values
        demand(
            not any(frame.height for frame in found.values()),
            f"{dataset} of the weekend {saturday} to {sunday} hold rows: "
            "answer what lies in the range, and nothing else",
        )


@check("SRC-17")
async def long_ranges(subject: Subject) -> None:
    """A range longer than one page of the vendor equals its parts, every row once.

    Three years of days, and ten days of minutes. Ask page by page; a vendor cuts without a word.
    """
    async with asking(subject) as it:
        for period in await _periods(it):
            symbol = (await it.known("bars", period))[0]
            end = subject.days[-1]
            start = subject.days[0] if period.intraday else end - timedelta(days=365 * _YEARS)
            whole = await _series(it, symbol, period, start, end)
            parts = [await _series(it, symbol, period, a, b) for a, b in _thirds(start, end)]
            glued = pl.concat([part for part in parts if part is not None] or [pl.DataFrame()])
            rows = 0 if whole is None else whole.height
            demand(
                rows == glued.height and (whole is None or same(whole, glued)),
                f"{period} bars of {symbol} from {start} to {end} are {rows}, "
                f"but {glued.height} in three parts: the vendor cuts long answers",
            )


@check("SRC-18")
async def raw_prices(subject: Subject) -> None:
    """Prices are as traded, not adjusted: on an ex-day the previous close falls as the factor says.

    Argus adjusts from the factors. Skipped without factors, without `prev_close` in bars of days,
    or where no known symbol had an ex-day in the last three years.
    """
    async with asking(subject) as it:
        offered(it.source, "factors")
        if Period.D1 not in it.source.periods:
            skip("it offers no 1d bars")
        end = subject.days[-1]
        start = end - timedelta(days=365 * _YEARS)
        looked = 0
        priced = await it.known("bars", Period.D1)
        adjusted = [s for s in await it.known("factors") if s in priced]
        for symbol in adjusted[:_EXAMPLES]:
            bars = await _series(it, symbol, Period.D1, start, end)
            factors = (await it.values(it.query("factors", (symbol,), start=start, end=end)))[
                symbol
            ]
            for day, closed, before, ratio in _ex_days(bars, factors):
                looked += 1
                demand(
                    abs(before * ratio / closed - 1) < _ROUNDING + 0.01 / before,
                    f"{symbol} closed at {closed} before its ex-day {day}; by the factor "
                    f"{ratio:.6g} prev_close should be {closed / ratio:.4f} and is {before}: "
                    "ask the vendor for unadjusted prices",
                )
        if not looked:
            skip("no known symbol has an ex-day with prev_close in the last three years")


CHECKS: tuple[Check, ...] = (
    possible_bars,
    proved_units,
    inclusive_range,
    trading_days_only,
    empty_range,
    long_ranges,
    raw_prices,
)


async def _periods(it: Asking) -> tuple[Period, ...]:
    """The periods that the core asks this source for and that it has bars of, at least one."""
    offered(it.source, "bars")
    asked = [p for p in (Period.D1, Period.M1) if p in it.source.periods]
    found = tuple([period for period in asked if await it.answered("bars", period)])
    if not found:
        await it.known("bars", asked[0] if asked else None)
    return found or (it.period,)


async def _proofs(it: Asking, query: BarsQuery) -> list[tuple[Symbol, Proof]]:
    """What the bars of each symbol say about their own units, in canonical units."""
    paid = pl.when(pl.col("turnover") > 0).then(pl.col("turnover"))  # 0: it was not recorded
    frame = to_frame(await it.raw(query), BARS).with_columns(turnover=paid)
    found: list[tuple[Symbol, Proof]] = []
    for symbol in query.symbols:
        own = frame.filter(pl.col("symbol") == str(symbol))
        kind = kind_of(symbol)
        rule = rule_for(it.source.units, "bars", symbol, kind, query.period)
        if own.height and rule.volume is not None:
            proofs = prove(scale(own, rule), rule=rule, money=provable(symbol, kind))
            found += [(symbol, proof) for proof in proofs.values()]
    return found


async def _series(
    it: Asking, symbol: Symbol, period: Period, start: date, end: date
) -> pl.DataFrame | None:
    query = it.query("bars", (symbol,), period=period, start=start, end=end)
    frame: pl.DataFrame | None = (await it.values(query)).get(symbol)
    return frame


async def _dates(it: Asking, symbol: Symbol, period: Period, start: date, end: date) -> list[date]:
    frame = await _series(it, symbol, period, start, end)
    return [] if frame is None else sorted(set(frame["date"].to_list()))


def demand_sessions(what: str, days: Iterable[date]) -> None:
    """Every day is one of the mainland's trading dates."""
    days = sorted(set(days))
    if days:
        strays = [day for day in days if day not in set(sessions(days[0], days[-1]))]
        shown = ", ".join(f"{day:%a %Y-%m-%d}" for day in strays[:3])
        demand(not strays, f"{what} carry days without trading: {shown}")


def _thirds(start: date, end: date) -> list[tuple[date, date]]:
    """Three ranges that follow one another and make up the whole."""
    step = (end - start) // 3
    if step < timedelta(days=1):
        return [(start, end)]
    one, two = start + step, start + 2 * step
    day = timedelta(days=1)
    return [(start, one), (one + day, two), (two + day, end)]


def _ex_days(
    bars: pl.DataFrame | None, factors: pl.DataFrame
) -> Iterable[tuple[date, float, float, float]]:
    """Ex-days: the day, the close before it, its prev_close, and the step of the factor."""
    if bars is None or bars.is_empty():
        return
    joined = bars.select("date", "close", "prev_close").join_asof(factors, on="date")
    steps = joined.with_columns(
        closed=pl.col("close").shift(1), ratio=pl.col("factor") / pl.col("factor").shift(1)
    ).drop_nulls()
    marked = steps.filter((pl.col("ratio") > _EVENT) | (pl.col("ratio") < 1 / _EVENT))
    for row in marked.iter_rows(named=True):
        yield row["date"], row["closed"], row["prev_close"], row["ratio"]
