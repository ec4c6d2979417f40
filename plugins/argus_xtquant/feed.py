"""From what the vendor pushes to what Argus hears, in a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from argus_core import Clock, Depth, Gap, Push, Symbol
from argus_xtquant.snapshots import read_book
from argus_xtquant.surface import Tick

logger = logging.getLogger(__name__)

_MOST_WAITING = 10_000
"""Payloads that may wait; more are dropped and told as a gap."""


@dataclass(slots=True)
class Line:
    """One subscribed symbol, who hears of it, and what they heard last."""

    symbol: Symbol
    push: Push
    last: Depth | None = None


class Feed:
    """Takes payloads from the vendor's threads and pushes books, in order, from its own.

    The vendor swallows what a callback raises, may run several at once and may stall while one
    runs, so a payload is only put on a queue there.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self.last_push: datetime | None = None
        """When the vendor last pushed anything."""
        self.pushed = 0
        """Books that were pushed on."""
        self.dropped = 0
        """Payloads that came too fast."""
        self.unreadable = 0
        """Payloads, or snapshots in them, that could not be read."""
        self._clock = clock
        self._lines: dict[str, Line] = {}
        self._waiting: queue.Queue[Any] = queue.Queue(_MOST_WAITING)
        self._overflown = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def codes(self) -> frozenset[str]:
        """The vendor's codes that are listened to."""
        return frozenset(self._lines)

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """The symbols that are listened to."""
        return tuple(line.symbol for line in self._lines.values())

    def add(self, code: str, symbol: Symbol, push: Push) -> None:
        """Push ``symbol`` from now on."""
        # A new mapping each time, so that the thread never walks one that changes
        self._lines = {**self._lines, code: Line(symbol, push)}
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"{self.name} feed", daemon=True)
            self._thread.start()

    def remove(self, symbols: Iterable[Symbol]) -> None:
        """Push these no more."""
        gone = frozenset(symbols)
        self._lines = {c: line for c, line in self._lines.items() if line.symbol not in gone}

    def take(self, payload: Any) -> None:
        """Accept what the vendor pushes; returns at once and never raises."""
        self.last_push = self._clock.now()
        try:
            self._waiting.put_nowait(payload)
        except queue.Full:
            self.dropped += 1
            self._overflown = True

    def gap(self, reason: str) -> None:
        """Tell everybody that something may be missing since the last push."""
        lines = list(self._lines.values())
        listeners = {id(line.push): line.push for line in lines}
        for key, push in listeners.items():
            symbols = tuple(line.symbol for line in lines if id(line.push) == key)
            self._tell(push, Gap(symbols=symbols, reason=reason, since=self.last_push))

    def close(self) -> None:
        """End the thread; what still waits is dropped."""
        self._ended.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            self._wake()
            thread.join(1.0)

    def _wake(self) -> None:
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return  # the thread has enough to wake up for

    def _run(self) -> None:
        while not self._ended.is_set():
            payload = self._waiting.get()
            if payload is not None:
                self._spread(payload)
            if self._overflown and self._waiting.empty():
                self._overflown = False
                self.gap("more was pushed than could be taken")

    def _spread(self, payload: Any) -> None:
        """Push each snapshot of a payload: one a code (whole quotes), or a list (single ones)."""
        if not isinstance(payload, Mapping):
            self._cannot_read(type(payload).__name__)
            return
        for code, value in cast("Mapping[str, Any]", payload).items():
            line = self._lines.get(code)
            if line is None:
                continue
            for tick in _listed(value):
                self._one(line, tick)

    def _one(self, line: Line, tick: Tick) -> None:
        try:
            book = read_book(line.symbol, tick)
        except Exception as error:  # noqa: BLE001 - one bad snapshot must not end the feed
            self._cannot_read(type(error).__name__)
            return
        if not _is_news(line.last, book):
            return
        line.last = book
        self.pushed += 1
        self._tell(line.push, book)

    def _cannot_read(self, what: str) -> None:
        self.unreadable += 1
        if self.unreadable == 1:
            logger.warning("%s: a push cannot be read (%s); more are only counted", self.name, what)

    def _tell(self, push: Push, item: Depth | Gap) -> None:
        try:
            push(item)
        except Exception:
            logger.exception("%s: whoever takes the pushes failed", self.name)


def _listed(value: object) -> Sequence[Any]:
    """The snapshots of one code: whole quotes push one, single subscriptions a list."""
    snapshots: Any = value
    return snapshots if type(value) is list else (snapshots,)


def _is_news(last: Depth | None, book: Depth) -> bool:
    """False for what was pushed already: a new subscription begins with the state known before."""
    if last is None:
        return True
    before, now = last.quote.as_of, book.quote.as_of
    if before is not None and now is not None and now < before:
        return False
    return book != last
