"""Sources of the real rqdatac that talk to the loopback RQData server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

from argus_core import SHANGHAI, BarsQuery, Clock, Period, Symbol, TicksQuery
from argus_rqdatac.settings import RqdatacSettings
from argus_rqdatac.source import RqdatacSource

if TYPE_CHECKING:
    from vendors.rqdata_server import RQDataServer

USER, PASSWORD = "someone", "s3cr3t-0123456789"
JANUARY = {"start": date(2024, 1, 2), "end": date(2024, 1, 31)}


class ServersClock(Clock):
    """The server's instant; its monotonic seconds run, and can be moved on."""

    def __init__(self, server: RQDataServer) -> None:
        self._server = server
        self.later = 0.0
        self.at: datetime | None = None

    def now(self) -> datetime:
        return self.at or self._server.vendor.now.astimezone(SHANGHAI)

    def monotonic(self) -> float:
        return time.monotonic() + self.later


@asynccontextmanager
async def opened(
    server: RQDataServer, clock: Clock | None = None, **overrides
) -> AsyncIterator[RqdatacSource]:
    """An open source; the real client is out of the process again afterwards."""
    facts = {"username": USER, "password": PASSWORD, "timeout": 5.0, "live_url": server.live_url}
    facts |= {"host": "127.0.0.1", "port": server.port}
    settings = RqdatacSettings.model_validate(facts | overrides)
    source = RqdatacSource("rq", settings, clock or ServersClock(server))
    await source.open()
    try:
        yield source
    finally:
        await source.close()


def symbols(*names: str) -> tuple[Symbol, ...]:
    return tuple(Symbol(name) for name in names)


def bars_of(*names: str, start: date, end: date, period: Period = Period.D1) -> BarsQuery:
    """A question for bars of whole dates."""
    return BarsQuery(symbols=symbols(*names), period=period, **_range(start, end))


def ticks_of(*names: str, start: date, end: date) -> TicksQuery:
    """A question for ticks of whole dates."""
    return TicksQuery(symbols=symbols(*names), **_range(start, end))


def _range(start: date, end: date) -> dict:
    since = datetime(start.year, start.month, start.day, tzinfo=SHANGHAI) - timedelta(hours=4)
    until = datetime(end.year, end.month, end.day, 23, 59, tzinfo=SHANGHAI)
    return {"start": start, "end": end, "since": since, "until": until}


def without_pauses(monkeypatch) -> None:
    """Let the vendor's client retry at once."""
    import rqdatac.decorators

    quick = SimpleNamespace(sleep=lambda _: None, time=time.time)
    monkeypatch.setattr(rqdatac.decorators, "time", quick)


def rpcs(server: RQDataServer, name: str | None = None) -> dict | list[dict]:
    """How often each method was called, or the calls of one."""
    told = server.statistics()
    return told["rpcs"] if name is None else [c for c in told["calls"] if c["method"] == name]
