"""A source over the shipped xtdata.py, over the native stand-in."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime
from pathlib import Path

from support.clock import TestClock
from vendors import xtquant_native
from vendors.world import load
from vendors.xtquant_server import MiniQmt

from argus_core import SHANGHAI, BarsQuery, Period, Symbol, TicksQuery
from argus_xtquant.settings import XtquantSettings
from argus_xtquant.source import XtquantSource

AFTER_HOURS = "2026-04-30 16:30:00"


@contextmanager
def serving(data: Path, **settings):
    """A running miniQMT; ``install`` puts the native module in its place in this process."""
    xtquant_native.install()
    server = MiniQmt(load(data), **settings).start()
    try:
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def opened(server: MiniQmt, now: str = AFTER_HOURS, **settings):
    """An open source whose clock stands at ``now``, as the server's."""
    server.control({"set": {"now": now}})
    clock = TestClock(now)
    source = XtquantSource("qmt", XtquantSettings(port=server.port, **settings), clock)
    try:
        await source.open()
        yield source
    finally:
        await source.close()


def symbols(*names: str) -> tuple[Symbol, ...]:
    return tuple(Symbol(name) for name in names)


def _bounds(start: date, end: date) -> dict:
    return {
        "start": start,
        "end": end,
        "since": datetime.combine(start, datetime.min.time(), SHANGHAI),
        "until": datetime.combine(end, datetime.max.time(), SHANGHAI),
    }


def bars_of(*names: str, start: date, end: date, period: Period = Period.D1) -> BarsQuery:
    return BarsQuery(symbols=symbols(*names), period=period, **_bounds(start, end))


def ticks_of(*names: str, day: date, span: str = "09:20-09:36") -> TicksQuery:
    """The snapshots of a part of a day: a whole one takes the stand-in seconds."""
    since, to = (
        datetime.fromisoformat(f"{day}T{at}").replace(tzinfo=SHANGHAI) for at in span.split("-")
    )
    return TicksQuery(symbols=symbols(*names), start=day, end=day, since=since, until=to)
