"""Gateways that ask gateways: each with a server of its own in a thread, over TCP or a socket."""

import asyncio
import contextlib
import threading
import time

import httpx
import uvicorn
from starlette.responses import Response
from support.clock import TestClock
from support.process import PLAINLY

from argus_api import create_app
from argus_core.config import Config
from argus_core.gateway import Gateway
from argus_core.model.ask import Ask, Deadline

PLUGIN = """
    from dataclasses import replace
    from pathlib import Path
    from argus_core import (
        NotOffered, Period, Settings, SourceUnavailable, Symbol, Units, hookimpl,
    )
    from argus_demo import Demo, DemoSettings

    class EverySettings(DemoSettings):
        book: str | None = None
        lacks: tuple[str, ...] = ()
        silent: tuple[str, ...] = ()
        false: tuple[str, ...] = ()
        broken: bool = False
        invented: bool = False

    class Every(Demo):
        Settings = EverySettings
        simulated = False

        def __init__(self, name, settings, clock):
            super().__init__(name, settings, clock)
            self.simulated = settings.invented

        def _markets(self, symbols):
            if self.settings.book:
                with Path(self.settings.book).open("a") as file:
                    file.write(",".join(symbols) + "\\n")
            if self.settings.broken:
                raise SourceUnavailable("the vendor hiccups")
            return super()._markets(s for s in symbols if s not in self.settings.lacks)

        async def quotes(self, query):
            told = [q for q in await super().quotes(query) if q.symbol not in self.settings.silent]
            return [replace(q, volume=-1.0) if q.symbol in self.settings.false else q for q in told]

        def bars(self, query):
            return [r for r in super().bars(query) if r["symbol"] not in self.settings.silent]

        async def sectors(self, query):
            return {n: (Symbol("600519.SH"), Symbol("000001.SZ")) for n in query.sectors
                    if n == "白酒"}

        async def ticks(self, query):
            asked = dict(symbols=query.symbols, period=Period.M1, start=query.start)
            rows, total = [], {}
            for row in self.bars(_Bars(query)):
                key = row["symbol"], row["time"].date()
                volume, turnover = total.get(key, (0.0, 0.0))
                total[key] = volume + row["volume"], turnover + row["turnover"]
                volume, turnover = total[key]
                rows.append(dict(symbol=row["symbol"], time=row["time"], price=row["close"],
                                 volume=volume, turnover=None, bid_price1=row["close"],
                                 bid_volume1=100.0))
            return rows

        async def main_contracts(self, query):
            return {s: Symbol("rb2410.SHFE") for s in query.symbols if s == "rb88.SHFE"}

        async def chart_panels(self, query):
            return {p: "panel of " + ",".join(query.symbols) for p in query.panels}

    class _Bars:
        period = Period.M1

        def __init__(self, query):
            self.symbols, self.start, self.end = query.symbols, query.start, query.end

    @hookimpl
    def register_source():
        return Every
"""
"""The simulated exchange with what it lacks, and passed off as a live one."""


class Afternoon(TestClock):
    """A Friday's trading; its monotonic seconds are the real ones."""

    def __init__(self, now="2024-03-15 14:00:00"):
        super().__init__(now)
        self._began = time.monotonic()

    def monotonic(self):
        return self._seconds + time.monotonic() - self._began


def gateway(tmp_path, sources, *, clock=None, environ=None, **tables):
    """A gateway that nobody has opened yet."""
    server = {"data_dir": str(tmp_path / f"data-{len(list(tmp_path.iterdir()))}")}
    config = Config.parse({"server": server, "sources": sources, **tables}, environ or {})
    return Gateway(config, clock=clock or Afternoon())


def ask(clock, seconds=10.0, **terms):
    """The terms of one request."""
    return Ask(deadline=Deadline.within(seconds, clock), **terms)


class Moody:
    """An application that answers questions for datasets as it is told to, others as ever."""

    def __init__(self, app):
        self.app = app
        self.state = app.state
        self.mood = None
        """Status, headers and body of every answer; None: those of the application."""
        self.asked = []
        """The headers of each question."""

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or not scope["path"].startswith("/api/v1/datasets"):
            await self.app(scope, receive, send)
            return
        self.asked.append({k.decode(): v.decode() for k, v in scope["headers"]})
        if self.mood is None:
            await self.app(scope, receive, send)
            return
        await receive()
        status, headers, body = self.mood
        await Response(body, status, headers)(scope, receive, send)

    @contextlib.contextmanager
    def answering(self, status, body=b"", **headers):
        """Every question is answered so until the block ends."""
        self.mood = (status, {k.replace("_", "-"): v for k, v in headers.items()}, body)
        try:
            yield
        finally:
            self.mood = None


class Agent:
    """A gateway behind a server of its own."""

    def __init__(self, gateway, url, app):
        self.gateway = gateway
        self.url = url
        self.app = app

    def get(self, path, **kwargs):
        """The answer to a GET over TCP."""
        return httpx.get(self.url + path, timeout=30, **PLAINLY, **kwargs)


@contextlib.contextmanager
def serving(gateway, *, uds=None, port=0):
    """The gateway, served until the block ends."""
    app = Moody(create_app(gateway))
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        uds=uds,
        log_level="critical",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        ends = time.monotonic() + 20
        while not server.started and thread.is_alive() and time.monotonic() < ends:
            time.sleep(0.005)
        assert server.started, "the agent did not start"
        bound = server.servers[0].sockets[0].getsockname()
        yield Agent(gateway, "" if uds else f"http://127.0.0.1:{bound[1]}", app)
    finally:
        server.should_exit = True
        thread.join(20)
