"""From a query to values: down the route, through each pool, until every key is answered.

The router knows no dataset, plugin or strategy by name. What to do after a failure is written on
the error's class; which node of a pool comes next is the balancer's choice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Coroutine, Mapping
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from argus_core.clock import Clock
from argus_core.model.answer import Skip, Trace
from argus_core.model.ask import Deadline
from argus_core.model.query import Query
from argus_core.routing.attempts import Attempts, Call
from argus_core.routing.node import Node, Reply
from argus_core.routing.pool import Finder, Member, Pool
from argus_core.routing.quarantine import listed
from argus_core.routing.verdict import Routed, Verdict
from argus_core.routing.walk import Walk
from argus_core.telemetry.redact import Redactor

__all__ = ["MAX_ROUNDS", "Routed", "Router"]

MAX_ROUNDS = 3
"""How often the whole route is walked for one request, at most."""


class Router:
    """Answers queries from nodes, with failover, retries and one deadline a request."""

    def __init__(self, routes: Finder, *, clock: Clock, redactor: Redactor) -> None:
        self._routes = routes
        self._clock = clock
        self._redactor = redactor
        self._attempts = Attempts(clock, redactor)

    async def fetch(
        self, query: Query, deadline: Deadline, only: frozenset[str] | None = None
    ) -> Routed:
        """Values for as many keys as the route has.

        With ``only`` these sources are asked, once as long as others further down the route could
        be asked instead. Raises :class:`NotOffered` if no node of the route answers such
        questions, :class:`DeadlineExceeded` or :class:`AllSourcesFailed` if no key could be
        answered.
        """
        trace = Trace(dataset=query.dataset)
        walks = [
            Walk(query=part, pools=pools, deadline=deadline, trace=trace)
            for pools, part in self._routes.split(query)
        ]
        trace.route = tuple(dict.fromkeys(pool.name for walk in walks for pool in walk.pools))
        if only is not None:
            for walk in walks:
                walk.narrow(only)
        await asyncio.gather(*(self._walk(walk) for walk in walks))
        return Verdict(self._clock, self._redactor).merged(query, walks, trace)

    def ranked(self, query: Query) -> dict[str, tuple[tuple[Node, ...], ...]]:
        """The nodes of each key's route in the order of failover, pool by pool."""
        return {
            key: tuple(tuple(member.node for member in pool.members) for pool in pools)
            for pools, part in self._routes.split(query)
            for key in part.keys
        }

    async def _walk(self, walk: Walk) -> None:
        """Rounds over the route until every key was heard of; waits with jitter in between."""

        def over(state: RetryCallState) -> bool:
            late = walk.deadline.remaining <= state.upcoming_sleep
            return late or state.attempt_number >= MAX_ROUNDS or walk.dispensable

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
            spare = walk.dispensable
            if first and not spare and any(walk.untried(key) for key in walk.unheard):
                await self._round(walk, desperate=True)  # cool-downs kept everybody from them
            first = False
            return bool(walk.unheard) and any(error.retry for error in walk.errors)

        await rounds(once)

    async def _round(self, walk: Walk, *, desperate: bool) -> None:
        """One way down the route. A desperate round also asks cooling nodes that allow it."""
        for place, pool in enumerate(walk.pools):
            tried: dict[str, set[str]] = {}  # what each member was offered
            heard: set[str] = set()  # what one node of a pool does not have, its peers have not
            while (keys := walk.wanted(heard)) and walk.deadline.remaining > 0:
                if desperate and not walk.unheard:
                    return
                query = walk.query.only(keys)
                able = self._candidates(walk, pool, query, tried, desperate=desperate)
                if not able:
                    break
                left = len(able) + self._able(walk, place + 1, query, desperate=desperate)
                share = walk.deadline.remaining / left
                calls: list[Coroutine[Any, Any, Reply]] = []
                for member, offered in pool.share(able, keys).items():
                    tried.setdefault(member.name, set()).update(offered)
                    asked = tuple(key for key in offered if key in able[member])
                    call = Call(
                        walk=walk,
                        pool=pool,
                        member=member,
                        query=query.only(asked),
                        seconds=share,
                    )
                    calls.append(self._attempts.make(call))
                # One alone begins at once, so that the next pick already sees it under way.
                replies = [await calls[0]] if len(calls) == 1 else await asyncio.gather(*calls)
                for reply in replies:
                    heard.update(key for key in reply.asked if key not in reply.faults)

    def _able(self, walk: Walk, begin: int, query: Query, *, desperate: bool) -> int:
        """Nodes further down the route that could still be asked."""
        return sum(
            bool(member.node.ready(query, desperate=desperate))
            for pool in walk.pools[begin:]
            for member in pool.members
        )

    def _candidates(
        self,
        walk: Walk,
        pool: Pool,
        query: Query,
        tried: Mapping[str, Container[str]],
        *,
        desperate: bool,
    ) -> dict[Member, frozenset[str]]:
        """Members that may be asked now, and for what; what keeps others out goes to the trace."""
        able: dict[Member, frozenset[str]] = {}
        for member in pool.members:
            done = tried.get(member.name, ())
            keys = tuple(key for key in query.keys if key not in done)
            if not keys:
                continue
            part = query.only(keys)
            reason = self._obstacle(member.node, part, desperate=desperate)
            if reason is None:
                able[member] = frozenset(member.node.ready(part, desperate=desperate))
                held = member.node.quarantined(part)
                if not held:
                    continue
                reason = self._redactor.foreign(listed(held))
            skip = Skip(source=member.name, pool=pool.name, reason=reason)
            if skip not in walk.trace.skipped:
                walk.trace.skipped.append(skip)
        return {member: ready for member, ready in able.items() if ready}

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
