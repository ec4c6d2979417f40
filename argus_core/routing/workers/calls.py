"""The calls to one worker that are on their way, and what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from argus_core.errors import SourceUnavailable, Throttled
from argus_core.extend.source import DATASETS
from argus_core.routing.workers.faults import error_of
from argus_core.routing.workers.forms import UNREADABLE
from argus_core.routing.workers.limits import Limits
from argus_core.routing.workers.protocol import CALL, DONE, DROP, FACTS, FAULTS, OPEN
from argus_core.routing.workers.replies import argument_form, unpacked
from argus_core.routing.workers.signs import Signs
from argus_core.routing.workers.wire import Frame


@dataclass(slots=True)
class _Pending:
    name: str
    plain: bool
    future: asyncio.Future[Any]
    began: Callable[[], None] | None = None
    hung: bool = False
    """True if it was given up after a fair chance."""


class Calls:
    """Numbers calls, keeps them until the worker has answered, and hands the answers over.

    A call whose asker has left stays on the list as long as the worker is at it: that is what
    shows that its lane is stuck.
    """

    def __init__(self, name: str, signs: Signs, limits: Limits) -> None:
        self._name = name
        self._signs = signs
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, _Pending] = {}
        self._count = 0

    def opened(
        self,
        name: str,
        argument: Any,
        *,
        plain: bool,
        began: Callable[[], None] | None = None,
    ) -> tuple[int, Frame]:
        """A new call's number and the frame that asks for it.

        Raises :class:`Throttled` if too many are under way, and :class:`SourceUnavailable` if it
        would have to wait for one that hangs: nobody awaits it any more, and not out of haste.
        """
        if len(self._pending) >= self._limits.queue:
            waiting = f"{len(self._pending)} calls are waiting for the worker of {self._name}"
            raise Throttled(waiting, retry_after=1)
        if plain and (stuck := self._stuck()):
            raise SourceUnavailable(
                f"the worker of {self._name} is still busy with `{stuck}`, which was given up",
                retry_after=1,  # it may yet come back
            )
        if began is not None and not (plain and any(c.plain for c in self._pending.values())):
            began()  # nothing is before it, so whatever time passes is its own
            began = None
        self._count += 1
        head = {"is": CALL, "number": self._count, "name": name}
        head["argument"] = argument_form(name).encode(argument)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._pending[self._count] = _Pending(name, plain, future, began)
        return self._count, Frame(head)

    async def outcome(self, number: int) -> Any:
        """What the worker answers, or the error that it reports."""
        return await self._pending[number].future

    def given_up(self, number: int) -> Frame | None:
        """The frame that tells that nobody awaits a call; None if it is over anyway."""
        pending = self._pending.get(number)
        if pending is None:
            return None
        ran = self._signs.ran(number, time.monotonic())
        pending.hung = ran is not None and ran >= self._limits.fair_chance
        return Frame({"is": DROP, "number": number})

    def began(self, number: int) -> None:
        """Take note, in any thread, that a call which had to wait has left the queue."""
        pending = self._pending.get(number)
        if pending is not None and pending.began is not None:
            pending.began()

    def heard(self, frame: Frame) -> None:
        """Take an answer, in any thread."""
        number = frame.head["number"]
        self._signs.ended(number)
        pending = self._pending.get(number)
        if pending is None:
            return
        value, error = self._read(pending, frame)
        with contextlib.suppress(RuntimeError):  # the loop may be gone by now
            self._loop.call_soon_threadsafe(self._settle, number, value, error)

    def failed(self, error: SourceUnavailable) -> None:
        """Let every call end with the same error."""
        for number in list(self._pending):
            self._settle(number, None, error)

    def _stuck(self) -> str | None:
        now = time.monotonic()
        for number, call in self._pending.items():
            if not call.plain or not call.future.cancelled():
                continue
            ran = self._signs.ran(number, now)
            if ran is not None and (call.hung or ran >= self._limits.deserted):
                return call.name
        return None

    def _read(self, pending: _Pending, frame: Frame) -> tuple[Any, Exception | None]:
        try:
            if frame.head["is"] != DONE:
                return None, error_of(FAULTS.decode(frame.head["fault"]))
            value = frame.head["value"]
            if pending.name in DATASETS:
                return unpacked(pending.name, value, frame.body), None
            return (FACTS.decode(value) if pending.name == OPEN else None), None
        except UNREADABLE as error:
            return None, SourceUnavailable(
                f"the worker of {self._name} answered `{pending.name}` in a form that cannot "
                f"be read: {type(error).__name__}"
            )

    def _settle(self, number: int, value: Any, error: Exception | None) -> None:
        pending = self._pending.pop(number, None)
        if pending is None or pending.future.done():
            return
        if error is None:
            pending.future.set_result(value)
        else:
            pending.future.set_exception(error)
