"""What a worker has to say, in the order in which it should reach the gateway."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from argus_core.errors import BadData
from argus_core.market.records import read_depth
from argus_core.model.records import Depth, Gap
from argus_core.model.symbol import Symbol
from argus_core.routing.workers.protocol import BOOKS, GAP, LOG, PUSH
from argus_core.routing.workers.wire import Frame, encoded

MOST_LOGS = 1_000
"""Log records that may wait; the next ones are counted and left out."""
MOST_PUSHES = 4_096
"""Books that may wait before those of one symbol give way to its newest."""
AT_ONCE = 256
"""Books in one frame."""


class Outbox:
    """Encoded frames on their way out, bounded whatever the gateway does.

    Heartbeats go first. Pushes wait symbol by symbol; when many do, a symbol's newest
    book replaces its older ones and a :class:`Gap` tells so.
    """

    def __init__(
        self, name: str, write: Callable[[bytes], None], most_pushes: int = MOST_PUSHES
    ) -> None:
        self._name = name
        self._write = write
        self._most = most_pushes
        self._filled = threading.Condition()
        self._beat: bytes | None = None
        self._logs: deque[bytes] = deque()
        self._unsaid = 0
        self._books: dict[Symbol, list[Depth]] = {}
        self._waiting = 0
        self._dropped: dict[Symbol, int] = {}
        self._gaps: deque[Any] = deque(maxlen=MOST_LOGS)

    def at_once(self, frame: bytes) -> None:
        """Return when a frame is in the pipe, ahead of all others.

        So are beginnings and ends of calls told: native code that takes the GIL would stop the
        writing thread, and a call that ends the process would take the answers before it along.
        """
        self._write(frame)

    def beat(self, frame: bytes) -> None:
        """Send a heartbeat, in place of one that still waits."""
        with self._filled:
            self._beat = frame
            self._filled.notify()

    def log(self, level: int, logger: str, text: str) -> None:
        """Send a log record, if not too many wait."""
        with self._filled:
            if len(self._logs) >= MOST_LOGS:
                self._unsaid += 1
                return
            if self._unsaid:
                text, self._unsaid = f"{text} ({self._unsaid} lines before it left out)", 0
            text = text.encode(errors="replace").decode()  # a lone surrogate is no JSON
            told = {"is": LOG, "level": level, "logger": logger, "text": text}
            self._logs.append(encoded(Frame(told)))
            self._filled.notify()

    def push(self, item: Depth | Gap) -> None:
        """Send what a vendor pushed; :class:`BadData` if it is not what a source may push."""
        if isinstance(item, Gap):
            gap = GAP.encode(item)
            with self._filled:
                self._gaps.append(gap)
                self._filled.notify()
            return
        if not isinstance(item, Depth):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadData(f"{self._name} pushed {type(item).__name__}")
        book = read_depth(item, f"{self._name} pushed a book")
        with self._filled:
            waiting = self._books.setdefault(book.symbol, [])
            if waiting and self._waiting >= self._most:
                self._dropped[book.symbol] = self._dropped.get(book.symbol, 0) + len(waiting)
                self._waiting -= len(waiting)
                waiting.clear()
            waiting.append(book)
            self._waiting += 1
            self._filled.notify()

    def send_on(self) -> None:
        """Send what waits, for ever."""
        while True:
            self._write(self._next())

    def _next(self) -> bytes:
        with self._filled:
            while True:
                if self._beat is not None:
                    beat, self._beat = self._beat, None
                    return beat
                if self._gaps or self._books:
                    return self._pushes()
                if self._logs:
                    return self._logs.popleft()
                self._filled.wait()

    def _pushes(self) -> bytes:
        gaps = list(self._gaps)
        self._gaps.clear()
        books: list[Depth] = []
        while self._books and len(books) < AT_ONCE:
            symbol = next(iter(self._books))
            books += self._books.pop(symbol)
            if lost := self._dropped.pop(symbol, 0):
                reason = f"{lost} updates gave way to a newer one: their reader was too slow"
                gaps.append(GAP.encode(Gap(symbols=(symbol,), reason=reason)))
        self._waiting -= len(books)
        return encoded(Frame({"is": PUSH, "gaps": gaps, "books": BOOKS.encode(books)}))
