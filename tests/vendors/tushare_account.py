"""Sources and clients that talk to the loopback Tushare server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime
from functools import cache
from pathlib import Path

from vendors.tushare_rows import Table, build
from vendors.tushare_server import TushareServer

from argus_core import SHANGHAI, BarsQuery, Clock, Period, Symbol
from argus_tushare.settings import TushareSettings
from argus_tushare.source import TushareSource

TOKEN = "s3cr3t-0123456789abcdef-token"
TODAY = date(2024, 6, 28)


class StillClock(Clock):
    """A clock whose market time stands still; the monotonic one runs."""

    def __init__(self, now: datetime | None = None) -> None:
        self.at = now or datetime(2024, 6, 28, 16, 0, tzinfo=SHANGHAI)

    def now(self) -> datetime:
        return self.at


@cache
def tables(data: Path | None = None) -> dict[str, Table]:
    """The tables of the loopback server, built once a run."""
    return build(data, today=TODAY)


@contextmanager
def serving(data: Path | None = None, **options) -> Iterator[TushareServer]:
    """A running server."""
    server = TushareServer(tables(data), tokens=(TOKEN,), **options).start()
    try:
        yield server
    finally:
        server.stop()


def settings(server: TushareServer, **overrides) -> TushareSettings:
    """Settings that point at the server."""
    facts = {"token": TOKEN, "endpoint": server.url, "timeout": 5.0}
    return TushareSettings.model_validate(facts | overrides)


@asynccontextmanager
async def opened(
    server: TushareServer, clock: Clock | None = None, **overrides
) -> AsyncIterator[TushareSource]:
    """An open source."""
    source = TushareSource("tushare", settings(server, **overrides), clock or StillClock())
    await source.open()
    try:
        yield source
    finally:
        await source.close()


def bars_of(*symbols: str, start: date, end: date, period: Period = Period.D1) -> BarsQuery:
    """A question for bars of whole dates."""
    return BarsQuery(
        symbols=tuple(Symbol(symbol) for symbol in symbols),
        period=period,
        start=start,
        end=end,
        since=datetime(start.year, start.month, start.day, tzinfo=SHANGHAI),
        until=datetime(end.year, end.month, end.day, 23, 59, 59, tzinfo=SHANGHAI),
    )
