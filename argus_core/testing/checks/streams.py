"""STR: sources that push."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from argus_core.extend.relay import RelayedPush
from argus_core.extend.source import Push, Source
from argus_core.market.calendar import session_dates
from argus_core.market.normalise import normalise
from argus_core.market.sessions import sessions_of
from argus_core.model.query import DepthQuery
from argus_core.model.records import Depth, Gap
from argus_core.model.symbol import Symbol
from argus_core.testing import candidates
from argus_core.testing.check import Check, check, demand, skip
from argus_core.testing.subject import Subject

FIRST = 10.0
"""Seconds within which a subscription brings its first push while the market trades."""
_QUIET = 0.6
"""Seconds of silence that show that nothing is pushed any more."""
_GRACE = 0.3
_SLOW = 0.05
_CLOSED = "nothing trades now: run it during a session, or override `feed`"


class Stream:
    """An open source that pushes, and what it has pushed so far."""

    def __init__(self, subject: Subject, source: Source, symbols: tuple[Symbol, ...]) -> None:
        self.subject = subject
        self.source = source
        self.symbols = symbols
        self.pushed: list[Any] = []
        self._lock = threading.Lock()

    def push(self, item: Depth | RelayedPush | Gap) -> None:
        """Keep what is pushed, from whatever thread."""
        with self._lock:
            self.pushed.append(item)

    async def subscribe(self, symbols: tuple[Symbol, ...], push: Push | None = None) -> None:
        """Subscribe as the core does: a plain method in a thread."""
        await _called(self.source.subscribe, symbols, push or self.push)

    async def unsubscribe(self, symbols: tuple[Symbol, ...]) -> None:
        """Unsubscribe as the core does."""
        await _called(self.source.unsubscribe, symbols)

    @property
    def depths(self) -> list[Depth]:
        """The books among what was pushed."""
        values = (item.value if isinstance(item, RelayedPush) else item for item in self.pushed)
        return [value for value in values if isinstance(value, Depth)]

    async def more(self, count: int = 1) -> list[Any]:
        """The items after the next ``count`` pushes; the check ends if none come."""
        wanted = len(self.pushed) + count
        return await self.until(lambda: len(self.pushed) >= wanted, f"{count} more pushes")

    async def until(self, met: Callable[[], bool], what: str) -> list[Any]:
        """What was pushed, once the condition is met within the time for a first push."""
        ends = time.monotonic() + FIRST
        while not met():
            if time.monotonic() > ends:
                self._silent(what)
            await asyncio.sleep(0.01)
        return self.pushed

    def _silent(self, what: str) -> None:
        if self.subject.feed is None and not _trading(self.subject, self.symbols):
            self.subject.memo["silent"] = True
            skip(_CLOSED)
        demand(False, f"there were no {what} within {FIRST:g} s")


@asynccontextmanager
async def streaming(subject: Subject) -> AsyncGenerator[Stream]:
    """An open source under a vendor that has something to push."""
    symbols = _symbols(subject)
    if subject.memo.get("silent"):  # one long wait for a closed market is enough
        skip(_CLOSED)
    source: Source = subject.make()
    try:
        await source.open()
        with (subject.feed or nullcontext)():
            yield Stream(subject, source, symbols)
    finally:
        await source.close()


@check("STR-01")
async def first_push(subject: Subject) -> None:
    """A subscription brings books of its symbols within ten seconds of trading.

    `subscribe` returns when the vendor has accepted; what is pushed is a `Depth` or a `Gap`.
    """
    async with streaming(subject) as stream:
        await stream.subscribe(stream.symbols)
        await stream.until(lambda: bool(stream.depths), "books")
        odd = [item for item in stream.pushed if not isinstance(item, Depth | RelayedPush | Gap)]
        demand(not odd, f"it pushes {type(odd[0]).__name__ if odd else ''}: push Depth or Gap")


@check("STR-02")
async def readable_pushes(subject: Subject) -> None:
    """A pushed book is as possible as an asked one, in the vendor's stated units.

    The same rules of `units` and `timezone` hold for both.
    """
    async with streaming(subject) as stream:
        await stream.subscribe(stream.symbols)
        await stream.until(lambda: bool(stream.depths), "books")
        for depth in stream.depths:
            query = DepthQuery(symbols=(depth.symbol,))
            reading = normalise(query, [depth], stream.source, subject.clock.now())
            demand(not reading.faults, f"a pushed book: {reading.faults.get(depth.symbol)}")


@check("STR-03")
async def asked_pushes_only(subject: Subject) -> None:
    """Nothing is pushed that was not subscribed.

    Vendors push whole markets, and the spelling of their own.
    """
    async with streaming(subject) as stream:
        asked = stream.symbols[:1]
        await stream.subscribe(asked)
        await stream.until(lambda: bool(stream.pushed), "pushes")
        await asyncio.sleep(_GRACE)
        strangers = {depth.symbol for depth in stream.depths} - set(asked)
        demand(not strangers, f"it also pushes {', '.join(sorted(strangers))}")


@check("STR-04")
async def unsubscribed_silence(subject: Subject) -> None:
    """After `unsubscribe` the symbols are pushed no more; unknown ones are no error.

    A push that is on its way may still arrive.
    """
    async with streaming(subject) as stream:
        await stream.unsubscribe(stream.symbols)
        await stream.subscribe(stream.symbols)
        await stream.until(lambda: bool(stream.depths), "books")
        await stream.unsubscribe(stream.symbols)
        await _demand_silence(stream, "unsubscribe")


@check("STR-05")
async def closed_silence(subject: Subject) -> None:
    """After `close` nothing is pushed, and no thread goes on in the background."""
    async with streaming(subject) as stream:
        await stream.subscribe(stream.symbols)
        await stream.until(lambda: bool(stream.depths), "books")
        await stream.source.close()
        await _demand_silence(stream, "close")


@check("STR-06")
async def slow_consumer(subject: Subject) -> None:
    """A consumer that is slow, or that raises, does not end the stream.

    The core's own `push` returns at once; but one error in a callback must not kill the vendor's
    thread for good.
    """
    async with streaming(subject) as stream:
        calls: list[int] = []

        def awkward(item: Depth | RelayedPush | Gap) -> None:
            calls.append(1)
            if len(calls) == 1:
                raise ValueError("a consumer that fails")
            time.sleep(_SLOW)
            stream.push(item)

        await stream.subscribe(stream.symbols, awkward)
        await stream.until(lambda: bool(calls), "pushes")
        await stream.more(2)


@check("STR-07")
async def told_gap(subject: Subject) -> None:
    """A lost connection is told by a `Gap` of its symbols, and then the pushes go on.

    The source subscribes again by itself. Fault `disconnect`.
    """
    fault = subject.faults.get("disconnect")
    if fault is None:
        skip("no fault 'disconnect' was given: override `faults`")
    async with streaming(subject) as stream:
        await stream.subscribe(stream.symbols)
        await stream.until(lambda: bool(stream.depths), "books")
        with fault():
            await asyncio.sleep(_GRACE)
        await stream.until(lambda: bool(_gaps(stream)), "gaps after a lost connection")
        missed = set(stream.symbols).difference(*(gap.symbols for gap in _gaps(stream)))
        demand(not missed, f"the gap does not name {', '.join(sorted(missed))}")
        before = len(stream.depths)
        await stream.until(
            lambda: len(stream.depths) > before, "books after the connection is back"
        )


@check("STR-08")
async def added_symbols(subject: Subject) -> None:
    """Subscribing more symbols keeps those that are subscribed, and none comes twice.

    `subscribe` adds; the hub calls it whenever somebody asks for another symbol.
    """
    async with streaming(subject) as stream:
        if len(stream.symbols) < 2:  # noqa: PLR2004
            skip("fewer than two symbols are known")
        for symbol in stream.symbols:
            await stream.subscribe((symbol,))
        wanted = set(stream.symbols)
        await stream.until(
            lambda: wanted <= {depth.symbol for depth in stream.depths[-200:]},
            f"books of all of {', '.join(stream.symbols)}",
        )


CHECKS: tuple[Check, ...] = (
    first_push,
    readable_pushes,
    asked_pushes_only,
    unsubscribed_silence,
    closed_silence,
    slow_consumer,
    told_gap,
    added_symbols,
)


async def _called(method: Callable[..., Any], *arguments: Any) -> None:
    result = (
        method(*arguments)
        if inspect.iscoroutinefunction(method)
        else await asyncio.to_thread(method, *arguments)
    )
    if inspect.isawaitable(result):
        await result


def _symbols(subject: Subject) -> tuple[Symbol, ...]:
    if subject.symbols:
        return subject.symbols[:2]
    groups = candidates.groups(subject)
    stocks = next((group for group in groups if group), ())
    return stocks[:2] or skip("no symbols are known: name `symbols`")


def _trading(subject: Subject, symbols: tuple[Symbol, ...]) -> bool:
    now = subject.clock.now()
    if not session_dates(now.date(), now.date()):
        return False
    spans = sessions_of(symbols[0])
    return any(s.open < now.time() <= s.close for s in spans if s.sitting)


def _gaps(stream: Stream) -> list[Gap]:
    return [item for item in stream.pushed if isinstance(item, Gap)]


async def _demand_silence(stream: Stream, after: str) -> None:
    await asyncio.sleep(_GRACE)
    before = len(stream.depths)
    await asyncio.sleep(_QUIET)
    late = len(stream.depths) - before
    demand(not late, f"{late} books were pushed after {after}")
