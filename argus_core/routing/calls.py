"""The calls of one node into its source's plain or async methods."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from argus_core.clock import Clock
from argus_core.errors import CallerError, NotOffered, SourceError, SourceUnavailable
from argus_core.extend.source import Source
from argus_core.market.normalise import Reading, normalise
from argus_core.model.query import Query
from argus_core.routing.reply import Counters, Reply
from argus_core.routing.threads import Threads
from argus_core.routing.workers.isolated import Isolated

log = logging.getLogger(__name__)


class Calls:
    """Runs a source's methods, as many at once as it takes, and reads what they return."""

    def __init__(self, source: Source, clock: Clock, counters: Counters) -> None:
        self._source = source
        self._clock = clock
        self._counters = counters
        self._places = asyncio.Semaphore(source.max_concurrency)
        self._async_calls = 0
        self.threads = Threads(source.max_concurrency)

    @property
    def in_flight(self) -> int:
        """Calls under way, abandoned ones included."""
        return self._async_calls + self.threads.busy

    async def make(self, query: Query, replies: Sequence[Reply]) -> Reading:
        """The reading of one call, for the askers who own the replies.

        Whatever a plugin raises becomes a fault of the source.
        """
        method: Callable[[Any], Any] = getattr(self._source, query.dataset)
        task = asyncio.current_task()
        try:
            raw = await self._run(method, query, replies)
            replays = self._source.replaying is not None
            now = self._source.now() if replays else self._clock.now()
            return normalise(query, raw, self._source, now)
        except (SourceError, NotOffered):
            raise
        except CallerError as error:
            # The question is at fault, as this source sees it; another may see it otherwise.
            raise NotOffered(error.message, details=error.details) from error
        except asyncio.CancelledError:
            if task is not None and task.cancelling():
                raise
            raise SourceUnavailable(f"{self._source.name} gave its own call up") from None
        # Some vendors' SDKs end the process in a pinch, and generators end themselves.
        except (Exception, SystemExit, GeneratorExit) as error:
            log.warning("source %s failed in %s", self._source.name, query.dataset, exc_info=error)
            raise SourceUnavailable(
                f"{self._source.name} raised {type(error).__name__} instead of answering"
            ) from error

    async def _run(
        self, method: Callable[[Any], Any], query: Query, replies: Sequence[Reply]
    ) -> Any:
        def begin() -> None:
            self._counters.calls += 1
            for reply in replies:
                if reply.running_since is None:
                    reply.running_since = self._clock.monotonic()

        if not inspect.iscoroutinefunction(method):

            def work(query: Any) -> Any:
                begin()
                result = method(query)
                if isinstance(result, Iterator):
                    # A generator does its work while it is read, so it is read in the thread.
                    drained: list[Any] = [*result]
                    return drained
                return result

            result = await self.threads.run(work, query)
            return await result if inspect.isawaitable(result) else result
        async with self._places:
            self._async_calls += 1
            try:
                if isinstance(self._source, Isolated):
                    return await self._source.asked(
                        query, begin
                    )  # it may have to wait for its turn
                begin()
                return await method(query)
            finally:
                self._async_calls -= 1
