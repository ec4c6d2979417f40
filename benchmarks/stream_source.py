"""The pushing source of the streaming benchmarks: a whole market at the cadence that it is told.

It is a plugin like any other; :func:`install` puts its metadata where the gateway finds them. It
pushes from a thread of its own, as the vendors' packages do. The volume of a pushed quote is the
monotonic instant of the push in microseconds: whoever receives it on the same machine knows how
long it was under way. Commands come over a loopback socket, one JSON object a line; see
:class:`Remote`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from pydantic import BaseModel

from argus_core import (
    SHANGHAI,
    Clock,
    Depth,
    DepthQuery,
    Level,
    Push,
    Quote,
    QuotesQuery,
    Settings,
    Source,
    Symbol,
    hookimpl,
)

NAME = "bench_stream"
_RANGES = (
    ("SH", 600000, 1800),
    ("SH", 603000, 600),
    ("SH", 688000, 600),
    ("SZ", 1, 1200),
    ("SZ", 300001, 1200),
)
MARKET = tuple(
    Symbol(f"{start + number:06d}.{exchange}")
    for exchange, start, count in _RANGES
    for number in range(count)
)
"""The 5 400 shares of the benchmark's market."""


class PaceSettings(Settings):
    """Where commands are taken, and how many shares are listed."""

    port: int
    symbols: int = len(MARKET)


class Pace(threading.Thread):
    """Pushes everything that is subscribed to, in so many slices of each period, until ended."""

    def __init__(self, source: Paced, period: float, slices: int, rounds: int | None) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self._source = source
        self._period = period
        self._slices = slices
        self._rounds = rounds

    def run(self) -> None:
        """Push slice by slice; one that comes too late for its instant comes at once."""
        started, turn, order = time.monotonic(), 0, Random(1)
        while self._rounds is None or turn < self._rounds:
            symbols = list(self._source.wanted())
            order.shuffle(symbols)
            for number in range(self._slices):
                due = started + (turn + number / self._slices) * self._period
                if self.ended.wait(max(0.0, due - time.monotonic())):
                    return
                self._source.lateness = max(self._source.lateness, time.monotonic() - due)
                self._source.pushed(symbols[number :: self._slices])
            turn += 1


class Paced(Source):
    """A market of which every share has news whenever its turn comes."""

    Settings: ClassVar[type[BaseModel]] = PaceSettings
    symbols_per_call = 6000

    def __init__(self, name: str, settings: Any, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self.pushes_made = 0
        self.lateness = 0.0
        """Seconds by which a slice was late at most."""
        self._listed = frozenset(MARKET[: settings.symbols])
        self._last: dict[Symbol, Quote] = {}
        self._pushes: dict[Symbol, Push] = {}
        self._lock = threading.Lock()
        self._pace: Pace | None = None
        self._desk: asyncio.Server | None = None

    async def open(self) -> None:
        """Take commands from now on."""
        self._desk = await asyncio.start_server(self._command, "127.0.0.1", self.settings.port)

    async def close(self) -> None:
        """Push nothing and take no command any more."""
        self.stop()
        if self._desk is not None:
            self._desk.close()

    # -- what every source does -------------------------------------------------------------------

    async def quotes(self, query: QuotesQuery) -> Iterable[Quote]:
        """What was pushed last of each share."""
        return [self._state(symbol) for symbol in query.symbols if symbol in self._listed]

    async def depth(self, query: DepthQuery) -> Iterable[Depth]:
        """The same with its book."""
        return [_book(self._state(symbol)) for symbol in query.symbols if symbol in self._listed]

    async def subscribe(self, symbols: tuple[Symbol, ...], push: Push) -> None:
        """Push these too."""
        with self._lock:
            self._pushes |= {symbol: push for symbol in symbols if symbol in self._listed}

    async def unsubscribe(self, symbols: tuple[Symbol, ...]) -> None:
        """Push these no more."""
        with self._lock:
            for symbol in symbols:
                self._pushes.pop(symbol, None)

    # -- the pace ---------------------------------------------------------------------------------

    def wanted(self) -> tuple[Symbol, ...]:
        """What is subscribed to just now."""
        with self._lock:
            return tuple(self._pushes)

    def pushed(self, symbols: Iterable[Symbol]) -> None:
        """Push the next state of these."""
        for symbol in symbols:
            push = self._pushes.get(symbol)
            if push is not None:
                quote = self._last[symbol] = _quote(symbol, _now_us())
                push(_book(quote))
                self.pushes_made += 1

    def stop(self) -> None:
        """End the present pace."""
        if self._pace is not None:
            self._pace.ended.set()
            self._pace.join()
            self._pace = None

    def _state(self, symbol: Symbol) -> Quote:
        quote = self._last.get(symbol)
        if quote is None:
            quote = self._last[symbol] = _quote(symbol, _now_us())
        return quote

    # -- commands ---------------------------------------------------------------------------------

    async def _command(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer commands until the other side closes."""
        try:
            while line := await reader.readline():
                told = await self._obey(json.loads(line))
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()
        finally:
            writer.close()

    async def _obey(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        if command["do"] != "tell":
            await asyncio.to_thread(self.stop)
            self.pushes_made, self.lateness = 0, 0.0
        if command["do"] == "play":
            self._pace = Pace(self, command["period"], command["slices"], command["rounds"])
            self._pace.start()
        if command["do"] == "tell" and command["collect"]:
            gc.collect()
        return {
            "subscribed": len(self._pushes),
            "pushed": self.pushes_made,
            "late": self.lateness,
            "tasks": len(asyncio.all_tasks()),
            "playing": self._pace is not None and self._pace.is_alive(),
        }


class Remote:
    """The commands, from another process. Each returns what the source tells of itself."""

    def __init__(self, port: int) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._file = self._line.makefile("rw", encoding="utf-8")

    def play(self, period: float, slices: int, rounds: int | None = None) -> dict[str, Any]:
        """Push everything once a period of so many seconds, in slices, for so many rounds."""
        return self._ask(do="play", period=period, slices=slices, rounds=rounds)

    def stop(self) -> dict[str, Any]:
        """Push nothing more; the figures begin anew."""
        return self._ask(do="stop")

    def tell(self, *, collect: bool = False) -> dict[str, Any]:
        """``subscribed``, ``pushed``, ``late`` in seconds, ``tasks`` of the loop, ``playing``."""
        return self._ask(do="tell", collect=collect)

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._line.close()

    def _ask(self, **command: Any) -> dict[str, Any]:
        self._file.write(json.dumps(command) + "\n")
        self._file.flush()
        told: dict[str, Any] = json.loads(self._file.readline())
        return told


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def _quote(symbol: Symbol, now_us: int) -> Quote:
    """A share's state at an instant, which its volume names."""
    base = 10.0 + int(symbol[:6]) % 900 / 10
    return Quote(
        symbol=symbol,
        as_of=_ORIGIN + timedelta(microseconds=now_us),
        price=round(base + now_us // 1000 % 10 / 100, 2),
        open=base,
        high=round(base + 0.1, 2),
        low=base,
        prev_close=base,
        volume=float(now_us),
    )


def _book(quote: Quote) -> Depth:
    bids, asks = _ladders(quote.low or 0.0)
    return Depth(quote=quote, bids=bids, asks=asks)


@cache
def _ladders(base: float) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    """Five bids below the day's range and five asks above it."""
    bids = tuple(Level(round(base - step / 100, 2), 1000.0 * step) for step in range(1, 6))
    asks = tuple(Level(round(base + 0.1 + step / 100, 2), 1000.0 * step) for step in range(1, 6))
    return bids, asks


_ORIGIN = datetime.now(SHANGHAI) - timedelta(microseconds=_now_us())
"""When the monotonic clock was 0, so that a later push is a later instant whatever a day's clock
does meanwhile."""


def install(root: Path) -> None:
    """The metadata of this module as a distribution under ``root``, which belongs on the path."""
    info = root / "bench_stream-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-stream\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[argus]\n{NAME} = stream_source\n")


@hookimpl
def register_source() -> type[Source]:
    """The plugin's class."""
    return Paced
