"""From a query to values: down the route, through each pool, until every key is answered.

The router knows no dataset, plugin or strategy by name. What to do after a failure is written on
the error's class; which node of a pool comes next is the balancer's choice.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from argus_core.clock import Clock
from argus_core.errors import (
    AllSourcesFailed,
    DeadlineExceeded,
    GatewayError,
    NotOffered,
    NotReady,
    SourceError,
    SourceTimeout,
)
from argus_core.model.answer import Attempt, Failure, Found, Skip, Trace
from argus_core.model.ask import Deadline
from argus_core.model.query import Query
from argus_core.routing.node import EVERYTHING, Node, Reply, scopes_of
from argus_core.routing.pool import Finder, Member, Pool
from argus_core.routing.quarantine import listed
from argus_core.telemetry.redact import Redactor

MAX_ROUNDS = 3
"""How often the whole route is walked for one request, at most."""


@dataclass(slots=True)
class Routed:
    """What a route gave: values, keys that working sources do not have, and failures."""

    trace: Trace
    found: dict[str, Found] = field(default_factory=dict[str, Found])
    absent: dict[str, Found] = field(default_factory=dict[str, Found])
    """Keys that a working source was asked for and does not have; the values are None."""
    unsure: set[str] = field(default_factory=set[str])
    """Absent keys that a source which failed or is cooling down might have had."""
    failures: dict[str, Failure] = field(default_factory=dict[str, Failure])


@dataclass(slots=True)
class _Walk:
    """The state of one query on one route."""

    query: Query
    pools: tuple[Pool, ...]
    deadline: Deadline
    trace: Trace
    found: dict[str, Found] = field(default_factory=dict[str, Found])
    absent: dict[str, Found] = field(default_factory=dict[str, Found])
    faults: dict[str, str] = field(default_factory=dict[str, str])
    errors: list[SourceError] = field(default_factory=list[SourceError])
    declined: set[str] = field(default_factory=set[str])
    """Keys that a source was asked for and said it cannot answer."""
    failed: set[str] = field(default_factory=set[str])
    """Keys that a node failed to answer, in whatever round."""
    preparing: dict[str, float] = field(default_factory=dict[str, float])
    """Keys that a node is fetching, and in how many seconds to ask again."""

    @property
    def served(self) -> frozenset[str]:
        """The keys that some node of the route says it can answer."""
        nodes = (member.node for pool in self.pools for member in pool.members)
        return frozenset(key for node in nodes for key in node.serves(self.query))

    @property
    def pending(self) -> tuple[str, ...]:
        return tuple(key for key in self.query.keys if key not in self.found)

    @property
    def unheard(self) -> tuple[str, ...]:
        """Pending keys that could be answered and about which no working node has spoken."""
        pending = [key for key in self.pending if key not in self.absent]
        if not pending:
            return ()
        served = self.served
        return tuple(key for key in pending if key in served)

    def untried(self, key: str) -> bool:
        """True if nobody was asked about the key, because of cool-downs."""
        return key not in self.failed and key not in self.faults and key not in self.declined

    def wanted(self, heard: Container[str]) -> tuple[str, ...]:
        """Pending keys about which no node of the present pool has spoken."""
        return tuple(key for key in self.pending if key not in heard)


class Router:
    """Answers queries from nodes, with failover, retries and one deadline a request."""

    def __init__(self, routes: Finder, *, clock: Clock, redactor: Redactor) -> None:
        self._routes = routes
        self._clock = clock
        self._redactor = redactor

    async def fetch(self, query: Query, deadline: Deadline) -> Routed:
        """Values for as many keys as the route has.

        Raises :class:`NotOffered` if no node of the route answers such questions,
        :class:`DeadlineExceeded` or :class:`AllSourcesFailed` if no key could be answered.
        """
        trace = Trace(dataset=query.dataset)
        walks = [
            _Walk(query=part, pools=pools, deadline=deadline, trace=trace)
            for pools, part in self._routes.split(query)
        ]
        trace.route = tuple(dict.fromkeys(pool.name for walk in walks for pool in walk.pools))
        await asyncio.gather(*(self._walk(walk) for walk in walks))
        return self._merge(query, walks, trace)

    async def _walk(self, walk: _Walk) -> None:
        """Rounds over the route until every key was heard of; waits with jitter in between."""

        def over(state: RetryCallState) -> bool:
            late = walk.deadline.remaining <= state.upcoming_sleep
            return late or state.attempt_number >= MAX_ROUNDS

        rounds = AsyncRetrying(
            stop=over,
            wait=wait_random_exponential(multiplier=0.1, max=2),
            retry=retry_if_result(bool),
            retry_error_callback=lambda _state: None,
        )
        first = True

        async def once() -> bool:
            nonlocal first
            walk.errors.clear()
            await self._round(walk, desperate=not first)
            if first and any(walk.untried(key) for key in walk.unheard):
                await self._round(walk, desperate=True)  # cool-downs kept everybody from them
            first = False
            return bool(walk.unheard) and any(error.retry for error in walk.errors)

        await rounds(once)

    async def _round(self, walk: _Walk, *, desperate: bool) -> None:
        """One way down the route. A desperate round also asks cooling nodes that allow it."""
        for place, pool in enumerate(walk.pools):
            tried: set[str] = set()
            heard: set[str] = set()  # what one node of a pool does not have, its peers have not
            while (keys := walk.wanted(heard)) and walk.deadline.remaining > 0:
                if desperate and not walk.unheard:
                    return
                query = walk.query.only(keys)
                candidates = self._candidates(walk, pool, query, tried, desperate=desperate)
                if not candidates:
                    break
                member = pool.pick(candidates)
                tried.add(member.name)
                left = len(candidates) + self._able(walk, place + 1, query, desperate=desperate)
                share = walk.deadline.remaining / left
                query = query.only(member.node.ready(query, desperate=desperate))
                reply = await self._attempt(walk, pool, member, query, share)
                heard.update(key for key in reply.asked if key not in reply.faults)

    def _able(self, walk: _Walk, begin: int, query: Query, *, desperate: bool) -> int:
        """Nodes further down the route that could still be asked."""
        return sum(
            bool(member.node.ready(query, desperate=desperate))
            for pool in walk.pools[begin:]
            for member in pool.members
        )

    def _candidates(
        self, walk: _Walk, pool: Pool, query: Query, tried: set[str], *, desperate: bool
    ) -> list[Member]:
        """Members that may be asked now; what keeps the others out is noted in the trace."""
        able: list[Member] = []
        for member in pool.members:
            if member.name in tried:
                continue
            reason = self._obstacle(member.node, query, desperate=desperate)
            if reason is None:
                able.append(member)
                held = member.node.quarantined(query)
                if not held:
                    continue
                reason = self._redactor.foreign(listed(held))
            skip = Skip(source=member.name, pool=pool.name, reason=reason)
            if skip not in walk.trace.skipped:
                walk.trace.skipped.append(skip)
        return able

    def _obstacle(self, node: Node, query: Query, *, desperate: bool) -> str | None:
        if node.down is not None:
            return f"down: {node.down}"
        if not node.serves(query):
            return "does not offer this"
        if node.ready(query, desperate=desperate):
            return None
        cooling = node.longest_cooling(query)
        if cooling is None:
            return None  # what kept it from being ready was over a moment later
        return self._redactor.foreign(cooling.why(self._clock.monotonic()))

    async def _attempt(
        self, walk: _Walk, pool: Pool, member: Member, query: Query, share: float
    ) -> Reply:
        """One call to one node within ``share`` seconds, noted in trace, node and balancer."""
        node = member.node
        began, started_ms = self._clock.monotonic(), walk.deadline.elapsed_ms
        reply = Reply()
        try:
            async with asyncio.timeout(share):
                await node.ask(query, reply)
        except TimeoutError:
            late = SourceTimeout(f"no answer within {share:.1f} s")
            reply.errors = {EVERYTHING: late, **reply.errors}
        seconds = self._clock.monotonic() - began
        self._judge(walk, node, query, reply)
        pool.report(member, ok=reply.error is None and not reply.false, seconds=seconds)
        error = reply.error
        fault = next(iter(reply.faults.values()), None)
        reason = error.message if error else fault
        walk.trace.attempts.append(
            Attempt(
                source=node.name,
                pool=pool.name,
                started_ms=round(started_ms, 3),
                ms=round(seconds * 1000, 3),
                asked=len(query.keys),
                answered=len(reply.values),
                error=error.code if error else "BAD_DATA" if fault else None,
                reason=self._redactor.foreign(reason) if reason else None,
            )
        )
        walk.trace.steps.extend(f"{node.name}: {step}" for step in reply.steps)
        return reply

    def _judge(self, walk: _Walk, node: Node, query: Query, reply: Reply) -> None:
        """Book what a reply brought: values, silent keys, faults, and the node's own standing."""
        now = self._clock.now()
        simulated = type(node.source).simulated
        for key, value in reply.values.items():
            coarse = reply.resolution.get(key, {})
            walk.found[key] = Found(value, node.name, now, simulated, coarse)
        walk.faults.update(reply.faults)
        for key in reply.asked:
            if key not in reply.values and key not in reply.faults:
                walk.absent.setdefault(key, Found(None, node.name, now, simulated))
        scopes = scopes_of(query, query.keys)
        for scope, error in reply.errors.items():
            keys = [key for key in scopes.get(scope, query.keys) if key not in reply.asked]
            if isinstance(error, NotOffered):
                walk.declined.update(keys)
                continue
            walk.errors.append(error)
            walk.failed.update(keys)
            if error.preparing:
                walk.preparing.update(dict.fromkeys(keys, error.cool_seconds))
                continue
            if isinstance(error, SourceTimeout) and scope == EVERYTHING:
                node.timed_out(error, reply)
            else:
                node.failed(scope, error)

    def _merge(self, query: Query, walks: Sequence[_Walk], trace: Trace) -> Routed:
        routed = Routed(trace=trace)
        worst: list[GatewayError] = []
        for walk in walks:
            routed.found.update(walk.found)
            for key in walk.pending:
                failure = self._failure(walk, key)
                if isinstance(failure, GatewayError):
                    worst.append(failure)
                    failure = Failure(code=failure.code, message=failure.message)
                if failure is None:
                    routed.absent[key] = walk.absent[key]
                    if key in walk.failed or self._cools(walk, key):
                        routed.unsure.add(key)
                else:
                    routed.failures[key] = failure
        if not routed.found and not routed.absent:
            if worst:
                raise worst[0]
            if all(f.code == NotOffered.code for f in routed.failures.values()):
                raise NotOffered(
                    f"no source of the route offers {query.dataset} like this",
                    details={"dataset": query.dataset},
                )
            raise AllSourcesFailed(
                "no source gave data that can be true",
                attempts=trace.attempts,
                retry_after=max(self._retry_after(walk) for walk in walks),
            )
        return routed

    def _failure(self, walk: _Walk, key: str) -> Failure | GatewayError | None:
        """Why a pending key has no value; None if a working source simply does not have it."""
        if key in walk.preparing and walk.deadline.remaining > 0:
            return NotReady(
                "a source is still fetching it",
                attempts=walk.trace.attempts,
                retry_after=max(1, math.ceil(walk.preparing[key])),
            )
        if key in walk.faults:
            return Failure(code="BAD_DATA", message=self._redactor.foreign(walk.faults[key]))
        if key in walk.absent:
            return None
        refused = key in walk.declined and key not in walk.failed and not self._cools(walk, key)
        if key not in walk.served or refused:
            return Failure(code=NotOffered.code, message="no source of the route offers this")
        if walk.deadline.remaining <= 0:
            return DeadlineExceeded(
                "the deadline passed before a source answered", attempts=walk.trace.attempts
            )
        return AllSourcesFailed(
            "every source of the route failed or is cooling down" + self._quarantined(walk, key),
            attempts=walk.trace.attempts,
            retry_after=self._retry_after(walk),
        )

    def _cools(self, walk: _Walk, key: str) -> bool:
        """True if some node that could answer the key is cooling down."""
        query = walk.query.only((key,))
        nodes = (member.node for pool in walk.pools for member in pool.members)
        return any(node.longest_cooling(query) is not None for node in nodes)

    def _quarantined(self, walk: _Walk, key: str) -> str:
        """The end of a sentence: which sources are not asked about the key, and why."""
        query = walk.query.only((key,))
        told = {
            member.name: listed(held)
            for pool in walk.pools
            for member in pool.members
            if (held := member.node.quarantined(query))
        }
        return "".join(f"; {name}: {self._redactor.foreign(why)}" for name, why in told.items())

    def _retry_after(self, walk: _Walk) -> float:
        """Whole seconds until the first node of the route may be asked again, at least 1."""
        now = self._clock.monotonic()
        waits = [
            cooling.until - now
            for pool in walk.pools
            for member in pool.members
            if (cooling := member.node.longest_cooling(walk.query)) is not None
        ]
        return max(1, math.ceil(min(waits, default=1.0)))
