"""SRC-14, SRC-15 and SRC-19: labels of minutes, and snapshots."""

from __future__ import annotations

from datetime import time

import polars as pl

from argus_core.market.kinds import kind_of
from argus_core.market.sessions import Session, sessions_of
from argus_core.model.period import Period
from argus_core.model.symbol import Kind, Symbol
from argus_core.testing.check import Check, Failed, check, demand, skip
from argus_core.testing.checks.bars import demand_sessions
from argus_core.testing.questions import Asking, asking, offered
from argus_core.testing.subject import Subject

_BUSY = 200
"""Minutes with trading in a day, from which on the first and last ones are surely among them."""


@check("SRC-14")
async def end_labels(subject: Subject) -> None:
    """Minutes come out labelled by their end: 09:31 is the first, 11:30 and 15:00 are last ones.

    State `bar_label = "start"` where the vendor labels by the start. Taken for the other they are
    a minute off, and the last one of each session is lost. Skipped unless a day with some 200
    traded minutes is at hand.
    """
    async with asking(subject) as it:
        symbol, frame = await _busy_day(it)
        found = set(frame["time"].dt.time())
        day = [session for session in sessions_of(symbol) if session.sitting]
        for session in day:
            for wanted in (_minute_after(session.open), session.close):
                demand(
                    wanted in found,
                    f"{symbol} has no bar {wanted:%H:%M} on {frame['date'][0]}: is `bar_label` "
                    f"{it.source.bar_label!r} true, and `timezone` {it.source.timezone!r}?",
                )


@check("SRC-15")
async def within_sessions(subject: Subject) -> None:
    """Minutes lie within the trading sessions; the auctions are part of the first and the last.

    Labels that are hours off come from times without a zone, read in the wrong one: state
    `timezone`, or hand out aware times.
    """
    async with asking(subject) as it:
        if Period.M1 not in it.source.periods:
            skip("it offers no 1m bars")
        symbols = await it.known("bars", Period.M1)
        values = await it.values(it.query("bars", symbols, period=Period.M1))
        for name, frame in values.items():
            spans = sessions_of(Symbol(name))
            strays = [t for t in frame["time"].dt.time() if not any(_within(t, s) for s in spans)]
            shown = ", ".join(f"{t:%H:%M}" for t in strays[:3])
            demand(
                not strays,
                f"{len(strays)} bars of {name} lie outside its sessions: {shown}; is `timezone` "
                f"{it.source.timezone!r} true, and `bar_label` {it.source.bar_label!r}?",
            )


@check("SRC-19")
async def possible_ticks(subject: Subject) -> None:
    """Snapshots lie within the asked days, and the day's volume never falls.

    Volume and turnover count from the beginning of the trading day, and prove each other.
    """
    async with asking(subject) as it:
        symbols = await it.known("ticks")
        query = it.query("ticks", symbols)
        reading = await it.ask(query)
        for symbol, fault in reading.faults.items():
            raise Failed(f"ticks of {symbol}: {fault}")
        for symbol, frame in reading.values.items():
            demand_sessions(f"ticks of {symbol}", frame["date"].unique().to_list())
            late = frame.filter(pl.col("time") > it.now)
            demand(late.is_empty(), f"a tick of {symbol} lies in the future: is `timezone` true?")


CHECKS: tuple[Check, ...] = (end_labels, within_sessions, possible_ticks)


async def _busy_day(it: Asking) -> tuple[Symbol, pl.DataFrame]:
    """A symbol and its minutes of one day with a trade in nearly each."""
    offered(it.source, "bars")
    if Period.M1 not in it.source.periods:
        skip("it offers no 1m bars")
    symbols = [s for s in await it.known("bars", Period.M1) if kind_of(s) is not Kind.OPTION]
    values = await it.values(it.query("bars", tuple(symbols), period=Period.M1))
    busiest = max(values, key=lambda name: values[name].height, default=None)
    if busiest is None or values[busiest].height < _BUSY:
        skip(f"no known symbol traded in {_BUSY} minutes of {it.subject.days[-1]}")
    return Symbol(busiest), values[busiest]


def _minute_after(at: time) -> time:
    minute = at.hour * 60 + at.minute + 1
    return time(minute // 60 % 24, minute % 60)


def _within(at: time, session: Session) -> bool:
    if session.open < session.close:
        return session.open < at <= session.close
    return at > session.open or at <= session.close
