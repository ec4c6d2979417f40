"""A vendor's session inside a worker: the source, the calls to it, what it pushes."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from argus_core.clock import Clock
from argus_core.errors import ConfigError, NotOffered, PluginError, SourceError, SourceUnavailable
from argus_core.extend.paths import placed
from argus_core.extend.source import DATASETS, Source
from argus_core.plugins import Plugins
from argus_core.routing.workers.faults import fault_of
from argus_core.routing.workers.forms import UNREADABLE
from argus_core.routing.workers.lane import Call, Lane
from argus_core.routing.workers.outbox import Outbox
from argus_core.routing.workers.protocol import (
    BEGAN,
    CLOSE,
    DONE,
    FACTS,
    FAILED,
    FAULTS,
    MAKE,
    OPEN,
    PING,
    SUBSCRIBE,
    Start,
    facts_of,
)
from argus_core.routing.workers.replies import argument_form, packed
from argus_core.routing.workers.wire import Frame, encoded

log = logging.getLogger(__name__)

_TOLD = frozenset({MAKE, OPEN, PING, CLOSE})
"""Operations whose failures operators read; the others' reach consumers."""


class Session:
    """Carries out what the gateway asks for and puts the outcome into the outbox.

    Plain methods run in the lane of calls, ``async`` ones on the event loop.
    """

    def __init__(self, start: Start, outbox: Outbox, loop: asyncio.AbstractEventLoop) -> None:
        self._start = start
        self._outbox = outbox
        self._loop = loop
        self._lane = Lane(start.name, self._run_plain)
        self._calls: dict[int, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.source: Source | None = None

    def begin(self, head: dict[str, Any]) -> None:
        """Let a call wait for its turn; may be called from any thread."""
        name = head["name"]
        call = Call(head["number"], name)
        self._calls[call.number] = call
        try:
            call.argument = argument_form(name).decode(head["argument"])
            alone = name not in _TOLD and not inspect.iscoroutinefunction(self._method(call))
        except UNREADABLE as error:
            self._fail(call, error)
            return
        if alone:
            self._lane.put(call)
        else:
            self._loop.call_soon_threadsafe(self._run_async, call)

    def drop(self, number: int) -> None:
        """Give a call up for which nobody waits; one that blocks a thread cannot be stopped."""
        call = self._calls.get(number)
        if call is None:
            return
        if call.take():
            self._fail(call, SourceUnavailable("given up before its turn"))
        elif call.leave is not None:
            self._loop.call_soon_threadsafe(call.leave)

    # -- running ------------------------------------------------------------------------------

    def _run_async(self, call: Call) -> None:
        if not call.take():
            return
        task = self._loop.create_task(self._finish(call, self._asked(call)))
        call.leave = task.cancel
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._outbox.at_once(_about(call, BEGAN))

    async def _asked(self, call: Call) -> Any:
        own: dict[str, Callable[[], Awaitable[Any]]] = {
            MAKE: self._make,
            OPEN: self._open,
            CLOSE: self._close,
        }
        if call.name in own:
            return await own[call.name]()
        return await self._method(call)(*self._arguments(call))

    def _run_plain(self, call: Call) -> None:
        self._outbox.at_once(_about(call, BEGAN))
        try:
            result = self._method(call)(*self._arguments(call))
            if inspect.isawaitable(result):
                ending = self._finish(call, result)
                asyncio.run_coroutine_threadsafe(ending, self._loop)
                return
            if isinstance(result, Iterator):
                drained: list[Any] = [*result]  # a generator does its work while it is read
                result = drained
            self._succeed(call, result)
        except BaseException as error:  # noqa: BLE001 - some SDKs end the process in a pinch
            self._fail(call, error)

    async def _finish(self, call: Call, result: Awaitable[Any]) -> None:
        try:
            self._succeed(call, await result)
        except asyncio.CancelledError:
            self._fail(call, SourceUnavailable(f"{self._start.name} gave its own call up"))
        except BaseException as error:  # noqa: BLE001 - as above
            self._fail(call, error)

    def _method(self, call: Call) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self.source, call.name)
        return method

    def _arguments(self, call: Call) -> tuple[Any, ...]:
        if call.name == SUBSCRIBE:
            return call.argument, self._outbox.push
        return () if call.argument is None else (call.argument,)

    # -- outcomes -----------------------------------------------------------------------------

    def _succeed(self, call: Call, result: Any) -> None:
        value, body = result if call.name == OPEN else None, b""
        if call.name in DATASETS:
            value, body = packed(call.argument, result, self._start.name)
        done = _about(call, DONE, body, value=value)
        self._calls.pop(call.number, None)
        self._outbox.at_once(done)

    def _fail(self, call: Call, error: BaseException) -> None:
        self._calls.pop(call.number, None)
        if not isinstance(error, SourceError | NotOffered | ConfigError):
            log.warning("source %s failed in %s", self._start.name, call.name, exc_info=error)
        fault = fault_of(error, self._start.name, telling=call.name in _TOLD)
        self._outbox.at_once(_about(call, FAILED, fault=FAULTS.encode(fault)))

    # -- life ---------------------------------------------------------------------------------

    async def _make(self) -> None:
        """Load the plugin and make its source; the vendor's package is imported here."""
        start = self._start
        cls: type[Source] = Plugins().load("source", start.plugin, start.where)
        settings = placed(cls.Settings.model_validate(start.table), Path(start.directory))
        try:
            self.source = cls(start.name, settings, Clock())
        except ConfigError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"{cls.__name__} cannot be made: {type(error).__name__}: {error}",
                where=start.where,
            ) from error

    async def _open(self) -> Any:
        if self.source is None:
            raise SourceUnavailable(f"{self._start.name} was not made")
        await self.source.open()
        return FACTS.encode(facts_of(self.source))

    async def _close(self) -> None:
        if self.source is not None:
            self.source.jobs.close()
            await self.source.close()


def _about(call: Call, what: str, body: bytes = b"", **more: Any) -> bytes:
    return encoded(Frame({"is": what, "number": call.number, "name": call.name, **more}, body))
