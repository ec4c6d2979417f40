"""An application over a real gateway and one small source of the test's own."""

import contextlib

import httpx
import pytest
from support.clock import TestClock
from support.distribution import install

from argus_api import create_app
from argus_core.config import Config
from argus_core.gateway import Gateway

PLUGIN = """
    import asyncio
    from datetime import date, datetime, time, timedelta
    from argus_core import (
        SHANGHAI, Depth, Exchange, Instrument, Kind, Level, NotOffered, Period, Quote, Settings,
        Source, SourceUnavailable, Symbol, Trade, TradingDays, hookimpl,
    )

    NAMES = {"000001.SZ": "平安银行", "000002.SZ": "万科A", "600519.SH": "贵州茅台"}
    AT = datetime(2024, 1, 15, 9, 30, tzinfo=SHANGHAI)

    class Small(Source):
        class Settings(Settings):
            broken: bool = False
            closed: bool = False
            slow: float = 0.0
            lacks: tuple[str, ...] = ()

        async def open(self):
            if self.settings.closed:
                raise SourceUnavailable("the vendor is closed")

        async def _pass(self):
            if self.settings.slow:
                await asyncio.sleep(self.settings.slow)
            if self.settings.broken:
                raise SourceUnavailable("the vendor refused the connection")

        def _has(self, query):
            return [s for s in query.symbols if s in NAMES and s not in self.settings.lacks]

        def _quote(self, symbol):
            return Quote(
                symbol=symbol, name=NAMES[symbol], price=12.34, change=0.12, change_pct=0.98,
                volume=1234567.0, turnover=15234567.89, high=12.45, low=12.2, open=12.25,
                prev_close=12.22, as_of=AT,
            )

        async def quotes(self, query):
            await self._pass()
            return [self._quote(s) for s in self._has(query)]

        async def depth(self, query):
            await self._pass()
            def side(step):
                return tuple(Level(round(12.34 + step * (i + 1), 2), 1000.0)
                             for i in range(min(query.levels, 10)))
            trades = (Trade(price=12.34, volume=100.0, direction="buy",
                            time=AT + timedelta(milliseconds=123)),)
            return [Depth(quote=self._quote(s), bids=side(-0.01), asks=side(0.01),
                          trades=None if s == "600519.SH" else trades)
                    for s in self._has(query)]

        async def bars(self, query):
            await self._pass()
            return [row for s in self._has(query) if s != "000002.SZ"
                    for row in self._bars(s, query)]

        def _bars(self, symbol, query):
            day = query.start
            while day <= query.end:
                if day.weekday() < 5:
                    base = dict(symbol=symbol, open=12.0, high=12.5, low=11.8, close=12.3,
                                volume=1000000.0, turnover=12150000.0)
                    if query.period is Period.D1:
                        yield base | {"time": day, "prev_close": 12.0}
                    else:
                        for minute in range(1, 4):
                            label = datetime.combine(day, time(9, 30), SHANGHAI)
                            yield base | {"time": label + timedelta(minutes=minute)}
                day += timedelta(days=1)

        async def factors(self, query):
            await self._pass()
            return [dict(symbol=s, date=date(2024, 1, 1), factor=1.0) for s in query.symbols]

        async def instruments(self, query):
            await self._pass()
            return [
                Instrument(symbol=s, name=NAMES[s], kind=Kind.STOCK, full_name=NAMES[s] + "公司",
                           industry="银行", list_date=date(1991, 4, 3), total_shares=19405918198.0,
                           pe_ratio=4.85)
                for s in query.symbols if s in NAMES
            ]

        async def listings(self, query):
            return {e: [Instrument(symbol=Symbol(s), kind=Kind.STOCK, list_date=date(1991, 4, 3))
                        for s in NAMES if s.endswith("." + e)]
                    for e in query.exchanges}

        async def calendar(self, query):
            days = []
            day = query.start
            while day <= query.end:
                if day.weekday() < 5 and (day.month, day.day) != (1, 1):
                    days.append(day)
                day += timedelta(days=1)
            return {e: TradingDays(dates=tuple(days), known_through=query.end)
                    for e in query.exchanges}

        async def sectors(self, query):
            return {n: (Symbol("000001.SZ"), Symbol("600519.SH"))
                    for n in query.sectors if n == "银行"}

    @hookimpl
    def register_source():
        return Small
"""

V1 = "/api/v1/market_data"


class Api:
    """One application, asked over ASGI."""

    def __init__(self, app, client, gateway, clock):
        self.app = app
        self.client = client
        self.gateway = gateway
        self.clock = clock

    async def get(self, path, *, headers=None, **params):
        return await self.client.get(path, params=params, headers=headers)

    async def v1(self, name, *, headers=None, **params):
        return await self.get(f"{V1}/{name}", headers=headers, **params)


@pytest.fixture
def clock():
    return TestClock("2024-01-15 15:30:00")


@pytest.fixture
def start(tmp_path, monkeypatch, clock):
    """A function that starts an application over the given sources, as an async context."""
    install(
        tmp_path,
        monkeypatch,
        dist="small-dist",
        module="small_module",
        source=PLUGIN,
        entry="small",
    )

    @contextlib.asynccontextmanager
    async def start(sources=None, **tables):
        given = {"small": {}} if sources is None else sources
        table = {name: {"plugin": "small", **settings} for name, settings in given.items()}
        server = {"data_dir": str(tmp_path)}
        config = Config.parse({"server": server, "sources": table, **tables}, {})
        gateway = Gateway(config, clock=clock)
        app = create_app(gateway)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://argus") as client:
                yield Api(app, client, gateway, clock)

    return start


@pytest.fixture
async def api(start):
    """The application over one healthy source and a memory cache."""
    async with start(caches={"l1": {"plugin": "memory"}}) as running:
        yield running
