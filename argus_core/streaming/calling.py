"""A source's ``subscribe`` and ``unsubscribe``, which may be plain or not, and may fail."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from argus_core.errors import ArgusError
from argus_core.model.symbol import Symbol
from argus_core.routing.threads import Threads

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: the symbols that were accepted, or why it failed."""

    accepted: frozenset[Symbol] | None = None
    """None if the source did not say, which means all of them."""
    why: str | None = None

    def of(self, asked: Sequence[Symbol]) -> tuple[Symbol, ...]:
        """Those that were accepted of those that were asked for."""
        if self.why is not None:
            return ()
        known = self.accepted
        return tuple(symbol for symbol in asked if known is None or symbol in known)


class Calling:
    """Calls one source, one call at a time, each for so many seconds at most.

    A plain method runs in a thread, which nobody can stop: while one that was given up still
    hangs, no other is begun.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._threads = Threads(1)

    @property
    def hangs(self) -> bool:
        """True while a call that was given up has not returned."""
        return self._threads.stuck

    async def outcome(self, seconds: float, method: Callable[..., Any], *arguments: Any) -> Outcome:
        """What came of calling a method; whatever it raises is a sentence in it."""
        task, name = asyncio.current_task(), getattr(method, "__name__", "a call")
        try:
            async with asyncio.timeout(seconds):
                accepted = await self._called(method, *arguments)
            return Outcome(None if accepted is None else frozenset(accepted))
        except TimeoutError:
            return Outcome(why=f"{self._source} did not answer within {seconds:g} s")
        except ArgusError as error:
            log.warning("%s refused %s: %s", self._source, name, error.code)
            return Outcome(why=f"{self._source} refused: {error.code}")
        except asyncio.CancelledError:
            if task is not None and task.cancelling():
                raise
            return Outcome(why=f"{self._source} gave its own call up")
        # Some vendors' SDKs end the process in a pinch.
        except (Exception, SystemExit) as error:
            log.warning("%s failed in %s", self._source, name, exc_info=error)
            return Outcome(why=f"{self._source} failed: {type(error).__name__}")

    async def _called(self, method: Callable[..., Any], *arguments: Any) -> Any:
        if inspect.iscoroutinefunction(method):
            return await method(*arguments)
        result = await self._threads.run(lambda _: method(*arguments), None)
        return await result if inspect.isawaitable(result) else result
