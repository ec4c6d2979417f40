# ruff: noqa: T201 - it prints, as SDKs do
"""A plugin that misbehaves on request, and answers every dataset with awkward values.

What it does to a question about quotes is written in the code of the first symbol.
"""

import asyncio
import ctypes
import logging
import math
import os
import sys
import threading
import time
from datetime import UTC, date, datetime, timedelta

from pydantic import Field, SecretStr

from argus_core import (
    SHANGHAI,
    Depth,
    Exchange,
    Gap,
    Instrument,
    Kind,
    Level,
    Meter,
    Period,
    Preparing,
    Quote,
    Settings,
    Source,
    Symbol,
    Throttled,
    Trade,
    TradingDays,
    Units,
    hookimpl,
)

RELEASED, HELD, EXITS, CRASHES = "600001.SH", "600002.SH", "600003.SH", "600004.SH"
RAISES, NOISY, TELLS, WORKS = "600005.SH", "600006.SH", "600007.SH", "600008.SH"
SLOW, THROTTLED, ABOUT, GAPS = "600009.SH", "600010.SH", "600011.SH", "600012.SH"
FOREVER = 1000


class Rough(Throttled):
    """A plugin's own error."""

    cool_down = 7.0


class HangingSettings(Settings):
    """Nothing but what the tests need."""

    token: SecretStr | None = None
    tame: bool = False
    opens: str = "well"
    job_seconds: float = 1.5
    seen: dict[str, object] = Field(default_factory=dict)


class Hanging(Source):
    """Hangs, dies, prints, tells secrets; the instance knows more than the class."""

    Settings = HangingSettings
    symbols_per_call = 50

    def __init__(self, name, settings, clock):
        super().__init__(name, settings, clock)
        if settings.opens == "cannot be made":
            import a_vendor_that_is_absent  # noqa: F401
        self.units = (Units(volume=100.0, kinds=frozenset({Kind.STOCK})), Units())
        self.pushing = set()

    async def open(self):
        if self.settings.opens == "badly":
            raise ValueError(f"{self.settings.token.get_secret_value()} is refused")
        if self.settings.opens == "never":
            await asyncio.sleep(FOREVER)
        self.periods = frozenset({Period.D1})

    async def close(self):
        self.pushing = set()

    async def ping(self):
        await asyncio.sleep(0)

    def report(self):
        return {"version": "7", "quota": 0.5, "token": bool(self.settings.token)}

    def meters(self):
        return [
            Meter(unit="bytes", used=3, limit=10, window="day", resets_in=math.inf),
            Meter(used=5),
        ]

    def quotes(self, query):
        first = query.symbols[0]
        told = None if self.settings.tame else _DEEDS.get(first, lambda _: None)(self)
        return [Quote(symbol=s, price=5.0, name=told or str(os.getpid())) for s in query.symbols]

    async def depth(self, query):
        if query.levels == 1:
            await asyncio.sleep(FOREVER)
        aware = datetime(2024, 3, 15, 1, 30, tzinfo=UTC)
        quote = Quote(
            symbol=query.symbols[0], as_of=aware, price=math.nan, prev_close=5.0, volume=math.inf
        )
        naive = datetime(2024, 3, 15, 9, 30, 0, 250000)  # noqa: DTZ001 - as vendors do
        trades = (Trade(price=0.1 + 0.2, volume=1.0, time=naive, direction="buy"),)
        return (Depth(quote=quote, bids=(Level(1.0, -0.0),), trades=trades) for _ in "1")

    def bars(self, query):
        for symbol in query.symbols:
            yield {
                "symbol": symbol,
                "time": date(2024, 3, 15),
                "open": 1,
                "high": 2,
                "low": 0.5,
            } | {
                "close": math.nan,
                "volume": None,
                "unknown": object(),
            }

    def factors(self, query):
        return [{"symbol": s, "date": "20240315", "factor": 1.1} for s in query.symbols]

    def ticks(self, query):
        at = datetime(2024, 3, 15, 9, 30, tzinfo=SHANGHAI)
        return [
            {"symbol": s, "time": at, "price": 1.0, "volume": 5, "bid_price1": 0.9}
            for s in query.symbols
        ]

    def instruments(self, query):
        days = {"list_date": date(2001, 8, 27), "delist_date": None}
        return [
            Instrument(symbol=s, name="贵州茅台", kind=Kind.STOCK, former_symbols=(s,), **days)
            for s in query.symbols
        ]

    def listings(self, query):
        table = (Instrument(symbol=Symbol("600519.SH"), price_tick=0.01),)
        return {**dict.fromkeys(query.exchanges, table), Exchange.DCE: table}

    def calendar(self, query):
        days = TradingDays(dates=(date(2024, 3, 15),), known_through=date(2024, 12, 31))
        return dict.fromkeys(query.exchanges, days)

    def sectors(self, query):
        return {name: {Symbol("600519.SH")} for name in query.sectors}

    def main_contracts(self, query):
        return {symbol: Symbol("rb2410.SHFE") for symbol in query.symbols}

    def chart_panels(self, query):
        return {name: f"{name}-1" for name in query.panels}

    def subscribe(self, symbols, push):
        self.pushing |= set(symbols)
        threading.Thread(target=self._push, args=(symbols, push), daemon=True).start()

    def unsubscribe(self, symbols):
        self.pushing -= set(symbols)

    def _push(self, symbols, push):
        at = datetime.now(SHANGHAI)
        while self.pushing.intersection(symbols):
            at += timedelta(seconds=1)
            for symbol in symbols:
                if symbol == GAPS:
                    push(Gap(symbols=(symbol,), reason="the vendor's own"))
                push(Depth(quote=Quote(symbol=symbol, as_of=at, name=str(os.getpid()))))
            time.sleep(0.05)

    # -- deeds --------------------------------------------------------------------------------

    def released(self):
        ctypes.CDLL(None).sleep(FOREVER)

    def held(self):
        ctypes.PyDLL(None).sleep(FOREVER)

    def exits(self):
        os._exit(3)

    def crashes(self):
        ctypes.string_at(0)

    def raises(self):
        raise RuntimeError(f"no {self.settings.token.get_secret_value()}")

    def noisy(self):
        print("a banner")
        sys.stdout.flush()
        os.write(1, b"\x00\x00\x00\x05\x00\x00\x00\x00from native code\n")
        print(input() if sys.stdin.isatty() else sys.stdin.read() or "nobody types")

    def tells(self):
        token = self.settings.token.get_secret_value()
        logging.getLogger("vendor.sdk").warning("logged in with %s", token)
        half = len(token) // 2
        sys.stderr.write(f"the token is {token}\nwrapped: {token[:half]}\n    {token[half:]}\n")

    def works(self):
        def work(job):
            ends = time.monotonic() + self.settings.job_seconds
            while time.monotonic() < ends:
                job.alive(1, 2)
                time.sleep(0.05)

        self.jobs.start("a long download", work)
        raise Preparing("fetching", retry_after=3)

    def slow(self):
        time.sleep(0.4)

    def throttled(self):
        raise Rough("slower", details={"left": 0})

    def about(self):
        """The zone of local time, where imports come from, and what the settings hold."""
        where = os.environ["TZ"], time.strftime("%z"), os.environ["POLARS_MAX_THREADS"]
        argv = " ".join(sys.orig_argv)
        return repr((*where, self.settings.token.get_secret_value() in argv, self.settings.seen))


_DEEDS = {
    RELEASED: Hanging.released,
    HELD: Hanging.held,
    EXITS: Hanging.exits,
    CRASHES: Hanging.crashes,
    RAISES: Hanging.raises,
    NOISY: Hanging.noisy,
    TELLS: Hanging.tells,
    WORKS: Hanging.works,
    SLOW: Hanging.slow,
    THROTTLED: Hanging.throttled,
    ABOUT: Hanging.about,
}


@hookimpl
def register_source():
    return Hanging
