"""One source as the router sees it: what it can answer, whether it may be asked, how it does."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from argus_core.clock import Clock
from argus_core.errors import BadData, Disproved, NotOffered, SourceError, SourceUnavailable
from argus_core.extend.source import Source
from argus_core.market.kinds import kind_of
from argus_core.market.normalise import Reading, normalise
from argus_core.model.answer import Origin
from argus_core.model.query import BarsQuery, Query
from argus_core.model.symbol import Exchange, Kind, Symbol
from argus_core.routing.evidence import Evidence
from argus_core.routing.quarantine import Quarantine, Quarantined, listed
from argus_core.routing.threads import Threads
from argus_core.routing.workers.isolated import Isolated

log = logging.getLogger(__name__)

EVERYTHING = "*"
"""The scope under which a cool-down covers the whole node."""
FAIR_CHANCE = 1.0
"""Seconds of running below which a time-out is the asker's haste and not held against the node."""
HASTY_IN_A_ROW = 3
"""So many hasty time-outs without a success between them are held against it all the same."""


@dataclass(frozen=True, slots=True)
class Cooling:
    """A node is passed over until then (monotonic seconds), because of that error."""

    until: float
    error: SourceError

    def why(self, now: float) -> str:
        """The sentence for ``explain``; ``now`` in monotonic seconds."""
        return f"cooling down {math.ceil(self.until - now)} s after {self.error.code}"


@dataclass(slots=True)
class Counters:
    """What a node has done since start-up."""

    calls: int = 0
    failures: int = 0
    last_error: str | None = None
    last_error_at: datetime | None = None
    last_ok_at: datetime | None = None


@dataclass(slots=True)
class Reply:
    """What came of asking a node: readings so far, and the errors that ended some of it.

    ``errors`` is by scope, the part of the question that failed; ``asked`` are the keys that
    were answered, be it with nothing. ``running_since`` is when the first call really began
    (monotonic seconds), after any wait for a free place.
    """

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    faults: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[str] = field(default_factory=list[str])
    steps: list[str] = field(default_factory=list[str])
    resolution: dict[str, Mapping[str, float]] = field(
        default_factory=dict[str, Mapping[str, float]]
    )
    errors: dict[str, SourceError | NotOffered] = field(
        default_factory=dict[str, "SourceError | NotOffered"]
    )
    origins: dict[str, Origin] = field(default_factory=dict[str, Origin])
    """Where the values really come from, by key, where the node passed them on."""
    failures: dict[str, SourceError | NotOffered] = field(
        default_factory=dict[str, "SourceError | NotOffered"]
    )
    """Keys that failed behind a node which is well itself."""
    running_since: float | None = None

    @property
    def false(self) -> bool:
        """True if all that came cannot be true."""
        return bool(self.faults) and not self.values

    @property
    def error(self) -> SourceError | NotOffered | None:
        """The first error, if there was one."""
        return next(iter(self.errors.values()), None)


Tell = Callable[[str, str, str], None]
"""Told of a node's name, what became of it, and why."""


def _tell_nobody(_name: str, _event: str, _message: str) -> None:
    return None


class Node:
    """A source with its limits, cool-downs and counters. Shared by every pool that names it."""

    def __init__(
        self, source: Source, *, plugin: str, clock: Clock, tell: Tell = _tell_nobody
    ) -> None:
        self.source = source
        self.plugin = plugin
        self.down: str | None = None
        """Why the source could not start, if it could not."""
        self.counters = Counters()
        self.evidence = Evidence()
        self.quarantine = Quarantine(clock)
        self._clock = clock
        self._tell = tell
        self._cooling: dict[str, Cooling] = {}
        self._calls = asyncio.Semaphore(source.max_concurrency)
        self._asks = 0
        self._async_calls = 0
        self._threads = Threads(source.max_concurrency)
        self._hasty = 0

    @property
    def name(self) -> str:
        """The source's name in the configuration."""
        return self.source.name

    @property
    def offers(self) -> frozenset[str]:
        """The datasets whose methods the source overrides."""
        return self.source.offers()

    @property
    def in_flight(self) -> int:
        """Calls under way, abandoned ones included."""
        return self._async_calls + self._threads.busy

    @property
    def load(self) -> int:
        """Questions that wait for a place or are being asked, abandoned calls included."""
        return max(self._asks, self.in_flight)

    def serves(self, query: Query) -> tuple[str, ...]:
        """The keys of the query that this source says it can answer."""
        if self.down is not None or query.dataset not in self.offers:
            return ()
        if isinstance(query, BarsQuery) and query.period not in self.source.periods:
            return ()
        return tuple(key for key in query.keys if self._covers(key))

    def _covers(self, key: str) -> bool:
        if isinstance(key, Symbol):
            kind = kind_of(key)
            known = kind is Kind.UNKNOWN or kind in self.source.kinds
            return known and key.exchange in self.source.exchanges
        return not isinstance(key, Exchange) or key in self.source.exchanges

    def ready(self, query: Query, *, desperate: bool = False) -> tuple[str, ...]:
        """The keys of :meth:`serves` that may be asked now.

        ``desperate`` also takes keys whose cool-down allows a last resort, never quarantined ones.
        """
        ready: set[str] = set()
        for scope, keys in scopes_of(query, self.serves(query)).items():
            cooling = self.cooling(scope)
            if cooling is None or (desperate and cooling.error.last_resort):
                ready.update(key for key in keys if self.quarantine.holds(scope, key) is None)
        return tuple(key for key in query.keys if key in ready)

    def longest_cooling(self, query: Query) -> Cooling | Quarantined | None:
        """The cool-down or quarantine that keeps keys of this query from being asked longest."""
        cooling = (self.cooling(scope) for scope in scopes_of(query, self.serves(query)))
        found: list[Cooling | Quarantined] = [c for c in cooling if c is not None]
        found.extend(self.quarantined(query))
        return max(found, key=lambda c: c.until, default=None)

    def quarantined(self, query: Query) -> tuple[Quarantined, ...]:
        """The quarantines that keep keys of this query from being asked, each once."""
        scopes = scopes_of(query, self.serves(query)).items()
        held = (self.quarantine.holds(scope, key) for scope, keys in scopes for key in keys)
        return tuple({(q.scope, q.symbol): q for q in held if q is not None}.values())

    def cooling(self, scope: str) -> Cooling | None:
        """The cool-down in force for a scope, the longer one if the whole node cools too."""
        now = self._clock.monotonic()
        for name in [name for name, c in self._cooling.items() if c.until <= now]:
            del self._cooling[name]
        found = [self._cooling[name] for name in (scope, EVERYTHING) if name in self._cooling]
        return max(found, key=lambda cooling: cooling.until, default=None)

    @property
    def all_cooling(self) -> Mapping[str, Cooling]:
        """Every cool-down by scope, ``*`` for the whole node; some may be over."""
        return self._cooling

    def failed(self, scope: str, error: SourceError) -> None:
        """Note a failure and cool down as its class says."""
        self._blame(error.code)
        if self.cooling(scope) is None:
            what = "everything" if error.whole_node else scope
            self._tell(self.name, "cooling", f"{what}: {error.code}, {error.cool_seconds:.0f} s")
        place = EVERYTHING if error.whole_node else scope
        cooling = Cooling(self._clock.monotonic() + error.cool_seconds, error)
        before = self._cooling.get(place)
        # A refusal for an hour is not lifted because the vendor also had a hiccup.
        if before is None or before.until < cooling.until:
            self._cooling[place] = cooling

    def _blame(self, code: str) -> None:
        self.counters.failures += 1
        self.counters.last_error = code
        self.counters.last_error_at = self._clock.now()

    def timed_out(self, error: SourceError, reply: Reply) -> None:
        """Note that no answer came in time; blame the node only if it had a fair chance."""
        began = reply.running_since
        ran = 0.0 if began is None else self._clock.monotonic() - began
        self._hasty += began is not None  # a call that waited for its turn in vain proves nothing
        if ran >= FAIR_CHANCE or self._hasty >= HASTY_IN_A_ROW or self._threads.stuck:
            self._hasty = 0
            self.failed(EVERYTHING, error)

    def succeeded(self, scope: str) -> None:
        """Note a success, which ends the cool-downs that spoke of this scope."""
        self._hasty = 0
        self.counters.last_ok_at = self._clock.now()
        ended = [self._cooling.pop(name, None) for name in (scope, EVERYTHING)]
        if any(ended):
            self._tell(self.name, "recovered", f"{scope} is answered again")

    async def ask(self, query: Query, reply: Reply) -> None:
        """Fill ``reply`` with what the source has.

        The reply is the caller's, so that what arrived before a time-out is not lost. Kinds of
        instruments are asked apart, since vendors license and limit them apart.
        """
        scopes = scopes_of(query, query.keys)
        self._asks += 1  # at once: who picks a node in the same tick must see it
        try:
            await asyncio.gather(
                *(self._ask(scope, query.only(keys), reply) for scope, keys in scopes.items())
            )
        finally:
            self._asks -= 1

    async def _ask(self, scope: str, query: Query, reply: Reply) -> None:
        """One scope's part of a question, call by call, up to its first error."""
        size = max(1, self.source.symbols_per_call)
        for begin in range(0, len(query.keys), size):
            part = query.only(query.keys[begin : begin + size])
            try:
                reading = await self._call(part, reply)
            except (SourceError, NotOffered) as error:
                if isinstance(error, BadData):
                    self.evidence.unreadable(dataset_of(query), error, self._clock.now())
                reply.errors[scope] = error
                return
            reply.asked.extend(key for key in part.keys if key not in reading.failures)
            reply.origins.update(reading.origins)
            reply.failures.update(reading.failures)
            reply.values.update(reading.values)
            reply.faults.update(reading.faults)
            reply.resolution.update(reading.resolution)
            reply.steps.extend(step for step in reading.steps if step not in reply.steps)
            odd = [why for key, why in reading.faults.items() if key not in reading.disproved]
            if reading.values or not reading.faults:
                self.succeeded(scope)
            elif odd:
                reply.errors[scope] = BadData(odd[0])
            if self._proves_false(scope, query, reading) or scope in reply.errors:
                return

    def _proves_false(self, scope: str, query: Query, reading: Reading) -> bool:
        """Book what an answer proves of the source; true if nothing of the scope is to be asked."""
        self.evidence.read(dataset_of(query), reading, self._clock.now())
        known = reading.disproved
        disproved = {key: why for key, why in reading.faults.items() if key in known}
        if disproved:
            self._blame(Disproved.code)
        verdict = self.quarantine.judge(scope, disproved, reading.values)
        if verdict.caught:
            self._tell(self.name, "quarantined", listed(verdict.caught))
        if verdict.cured:
            self._tell(self.name, "recovered", listed(verdict.cured, past=True))
        return self.quarantine.holds_all(scope)

    def release(self, symbol: str | None = None) -> tuple[Quarantined, ...]:
        """The quarantines that this ended: those of ``symbol``, or all."""
        lifted = self.quarantine.lift(symbol)
        if lifted:
            self._tell(self.name, "released", listed(lifted, past=True))
        return lifted

    async def _call(self, query: Query, reply: Reply) -> Reading:
        """The reading of one call. Whatever a plugin raises becomes a fault of the source."""
        method: Callable[[Any], Any] = getattr(self.source, query.dataset)
        task = asyncio.current_task()
        try:
            raw = await self._run(method, query, reply)
            return normalise(query, raw, self.source, self._clock.now())
        except (SourceError, NotOffered):
            raise
        except asyncio.CancelledError:
            if task is not None and task.cancelling():
                raise
            raise SourceUnavailable(f"{self.name} gave its own call up") from None
        # Some vendors' SDKs end the process in a pinch, and generators end themselves.
        except (Exception, SystemExit, GeneratorExit) as error:
            log.warning("source %s failed in %s", self.name, query.dataset, exc_info=error)
            raise SourceUnavailable(
                f"{self.name} raised {type(error).__name__} instead of answering"
            ) from error

    async def _run(self, method: Callable[[Any], Any], query: Query, reply: Reply) -> Any:
        def begin() -> None:
            self.counters.calls += 1
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

            result = await self._threads.run(work, query)
            return await result if inspect.isawaitable(result) else result
        async with self._calls:
            self._async_calls += 1
            try:
                if isinstance(self.source, Isolated):
                    return await self.source.asked(query, begin)  # it may have to wait for its turn
                begin()
                return await method(query)
            finally:
                self._async_calls -= 1


def scopes_of(query: Query, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The keys by scope: what a vendor allows, limits and fails together.

    That is the dataset, for bars with the period, for symbols with the kind: `bars:1m:stock`.
    """
    dataset = dataset_of(query)
    scopes: dict[str, list[str]] = {}
    for key in keys:
        scope = f"{dataset}:{kind_of(key)}" if isinstance(key, Symbol) else dataset
        scopes.setdefault(scope, []).append(key)
    return {scope: tuple(members) for scope, members in scopes.items()}


def dataset_of(query: Query) -> str:
    """The dataset of a query, for bars with the period: `bars:1m`."""
    if isinstance(query, BarsQuery):
        return f"{query.dataset}:{query.period}"
    return query.dataset
