"""SRC-40 to SRC-44: how a source behaves in a busy process, on whatever host."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from datetime import datetime, timedelta
from typing import Any

from argus_core.clock import Clock
from argus_core.model.records import Depth, Quote
from argus_core.testing.check import Check, Skipped, check, demand, skip
from argus_core.testing.questions import Asking, asking, datasets, same
from argus_core.testing.subject import Subject

_STALL = 0.4
"""Seconds without a turn of the event loop that every other request would feel."""
_BEAT = 0.01
_PATIENCE = 20.0
_TRIES = 3
_ZONES = ("UTC", "Asia/Shanghai", "America/New_York")
_HOURS = timedelta(minutes=59)


@check("SRC-40")
async def free_loop(subject: Subject) -> None:
    """A call never holds up the event loop: what blocks is a plain method, what is async awaits.

    One blocking call in an `async def` stalls every request of the gateway. A plain method runs
    in a thread. Judged with the vendor slowed down where the fault `slow` is given.
    """
    slow = subject.faults.get("slow", nullcontext)
    async with asking(subject) as it:
        for dataset in datasets(it.source):
            symbols = await it.answered(dataset)
            if not symbols:
                continue
            stalls: list[float] = []
            while len(stalls) < _TRIES and (not stalls or stalls[-1] > _STALL):
                async with _watched(stalls):
                    with slow():
                        await it.raw(it.query(dataset, symbols[:1]))
            demand(
                min(stalls) <= _STALL,
                f"{dataset} held up the event loop for {min(stalls):.1f} s: make it plain, "
                "so that it runs in a thread, or await what it waits for",
            )


@check("SRC-41")
async def cancelled_calls(subject: Subject) -> None:
    """A call that is cancelled half-way leaves the source usable.

    Deadlines cancel calls every day. Hold no lock and no half-read connection beyond them.
    """
    async with asking(subject) as it:
        dataset, query = await _a_question(it)
        for steps in range(6):
            call = asyncio.ensure_future(it.raw(query))
            for _ in range(steps):
                await asyncio.sleep(0)
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call
        limit = asyncio.timeout(_PATIENCE)
        try:
            async with limit:
                answered = await it.values(query)
        except TimeoutError:
            if not limit.expired():  # the plugin's own says more
                raise
            answered = {}
        demand(answered, f"after cancelled calls {dataset} answers nothing any more")


@check("SRC-42")
async def concurrent_calls(subject: Subject) -> None:
    """As many calls at once as `max_concurrency` allows give the same answers as one alone.

    State the number that the vendor's package can bear, 1 if it is not made for threads.
    """
    async with asking(subject) as it:
        dataset, query = await _a_question(it)
        alone = await it.values(query)
        many = min(it.source.max_concurrency, 16) + 2
        answers = await asyncio.gather(*(it.values(query) for _ in range(many)))
        for answer in answers:
            demand(
                answer.keys() == alone.keys(),
                f"{many} calls of {dataset} at once got in each other's way: "
                f"lower `max_concurrency` or guard what they share",
            )


@check("SRC-43")
async def any_time_zone(subject: Subject) -> None:
    """The answers are the same whatever the host's time zone is.

    Epochs turned into naive local times are right on a desk in Shanghai and eight hours off on a
    server in UTC. Judged under three zones; skipped where a process cannot change its own.
    """
    if not hasattr(time, "tzset"):
        skip("this platform cannot change the time zone of a process")
    clock = _Still(subject.clock.now())
    answers: dict[str, dict[str, Any]] = {}
    for zone in _ZONES:
        with _zone(zone):
            async with asking(subject, clock=clock) as it:
                answers[zone] = await _everything(it)
    first, *others = _ZONES
    for zone in others:
        for what, value in answers[first].items():
            demand(
                _agree(value, answers[zone].get(what)),
                f"{what} differs between TZ={first} and TZ={zone}: "
                "make aware times of epochs, in Asia/Shanghai",
            )


@check("SRC-44")
async def after_close(subject: Subject) -> None:
    """A closed source can be opened again in the same process, as a reload does.

    Skipped where the vendor's package allows one session a process (`isolation = "process"`).
    """
    if subject.cls.isolation == "process":
        skip("it runs in a process of its own, which is never opened twice")
    async with asking(subject) as it:
        dataset, query = await _a_question(it)
    async with asking(subject) as again:
        demand(await again.values(query), f"opened a second time, {dataset} answers nothing")


CHECKS: tuple[Check, ...] = (
    free_loop,
    cancelled_calls,
    concurrent_calls,
    any_time_zone,
    after_close,
)


async def _a_question(it: Asking) -> tuple[str, Any]:
    """A question by symbol that the source has an answer to, and its dataset."""
    for dataset in datasets(it.source):
        if symbols := await it.answered(dataset):
            return dataset, it.query(dataset, symbols[:2])
    raise Skipped("it answers none of the well-known symbols: name `symbols` that it knows")


@asynccontextmanager
async def _watched(stalls: list[float]) -> AsyncGenerator[None]:
    """Adds the longest time for which the event loop did not turn."""
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_BEAT)
            longest = max(longest, time.perf_counter() - began - _BEAT)

    heart = asyncio.ensure_future(beat())
    await asyncio.sleep(0)
    try:
        yield
        await asyncio.sleep(_BEAT)
    finally:
        heart.cancel()
        stalls.append(longest)


class _Still(Clock):
    """A clock whose market time stands still."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """The instant at which it was made."""
        return self._at


@contextmanager
def _zone(name: str) -> Generator[None]:
    """This process in another time zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    _take_over()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        _take_over()


def _take_over() -> None:
    """Make the C library read TZ again; Windows has no such call, and skips the check."""
    if sys.platform != "win32":
        time.tzset()


async def _everything(it: Asking) -> dict[str, Any]:
    """The canonical answer of each dataset about a known symbol, faults and all."""
    found: dict[str, Any] = {}
    for dataset in datasets(it.source):
        if symbols := await it.answered(dataset):
            reading = await it.ask(it.query(dataset, symbols[:1]))
            found |= {f"{dataset} of {key}": value for key, value in reading.values.items()}
            found |= {f"{dataset} of {key}": fault for key, fault in reading.faults.items()}
    return found


def _agree(one: Any, other: Any) -> bool:
    """True if two answers are equal; a live quote may have moved, but not by hours."""
    if isinstance(one, Depth) and isinstance(other, Depth):
        return _agree(one.quote, other.quote)
    if not (isinstance(one, Quote) and isinstance(other, Quote)):
        return same(one, other)
    if one.as_of is None or other.as_of is None:
        return one.as_of is other.as_of
    return abs(one.as_of - other.as_of) < _HOURS
