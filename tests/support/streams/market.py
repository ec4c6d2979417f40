"""A market that every source of it knows alike, so that whoever listens can be checked.

The state of a share is a number that grows with time alone; its quote follows from the number.
Each source writes down what it pushes, before it pushes it. It falls silent, and breaks, while a
file with its name says so.
"""

import math
import os
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

from argus_core import (
    SHANGHAI,
    Depth,
    Level,
    Quote,
    Settings,
    Source,
    SourceUnavailable,
    Symbol,
    hookimpl,
)

PLUGIN = "checked"
SYMBOLS = tuple(Symbol(f"{600000 + number}.SH") for number in range(12))
OPEN = datetime(2024, 3, 15, 9, 40, tzinfo=SHANGHAI)
"""What the market's clock shows when it begins: a Friday's trading."""
STEP = 0.005


def pace(symbol):
    """Seconds from one state to the next: from 30 ms to half a second."""
    return 0.03 + SYMBOLS.index(symbol) % 6 * 0.09


def number_at(symbol, began, ends, now):
    """The number of a share's state."""
    return 1 + int((min(now, ends) - began) / pace(symbol))


def quote_of(symbol, number):
    """The quote of a state; its volume is the number."""
    return Quote(
        symbol=symbol,
        as_of=OPEN + timedelta(seconds=round(number * pace(symbol), 3)),
        price=10 + number % 50 / 100,
        open=10.0,
        high=10.5,
        low=10.0,
        prev_close=10.0,
        volume=float(number),
    )


class CheckedSettings(Settings):
    """Where it writes, and the seconds since 1970 from which on things happen.

    Until when, the file ``ends`` says as soon as somebody knows.
    """

    record: Path
    began: float


class Checked(Source):
    """Pushes every state of the market, as soon as it is reached."""

    Settings = CheckedSettings

    def __init__(self, name, settings, clock):
        super().__init__(name, settings, clock)
        self._pushes = {}
        self._told = {}
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._file = None
        self._ends = math.inf

    async def open(self):
        self._over.clear()
        path = self.settings.record / f"{self.name}.pushed"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        (self.settings.record / f"{self.name}.pid").write_text(str(os.getpid()))
        threading.Thread(target=self._run, daemon=True).start()

    async def close(self):
        self._over.set()

    async def quotes(self, query):
        self._refuse()
        return [quote_of(s, self._number(s)) for s in query.symbols if s in SYMBOLS]

    async def depth(self, query):
        return [_book(quote) for quote in await self.quotes(query)]

    async def subscribe(self, symbols, push):
        self._refuse()
        with self._lock:
            self._pushes |= dict.fromkeys(symbols, push)

    async def unsubscribe(self, symbols):
        with self._lock:
            for symbol in symbols:
                self._pushes.pop(symbol, None)
                self._told.pop(symbol, None)

    def _number(self, symbol):
        if self._ends == math.inf and (known := self.settings.record / "ends").exists():
            self._ends = float(known.read_text())
        return number_at(symbol, self.settings.began, self._ends, time.time())

    def _is(self, what):
        return (self.settings.record / f"{self.name}.{what}").exists()

    def _refuse(self):
        if self._is("broken"):
            raise SourceUnavailable("the vendor is away")

    def _run(self):
        while not self._over.wait(STEP):
            if self._is("silent") or self._is("broken"):
                continue
            with self._lock:
                wanted = list(self._pushes.items())
            for symbol, push in wanted:
                number = self._number(symbol)
                if self._told.get(symbol) != number:
                    self._told[symbol] = number
                    os.write(self._file, f"{symbol} {number}\n".encode())
                    push(_book(quote_of(symbol, number)))


def _book(quote):
    return Depth(quote=quote, bids=(Level(9.9, 100.0),), asks=(Level(10.6, 100.0),))


@hookimpl
def register_source():
    return Checked
