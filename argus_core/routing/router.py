"""From a query to values: down the route, through each pool, until every key is answered.

The router knows no dataset, plugin or strategy by name. What to do after a failure is written on
the error's class; which node of a pool comes next is the balancer's choice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from argus_core.clock import Clock
from argus_core.model.answer import Trace
from argus_core.model.ask import Deadline
from argus_core.model.query import Query
from argus_core.model.request import current_request, requesting
from argus_core.routing.attempts import Attempts, Call
from argus_core.routing.choice import Able, Choice
from argus_core.routing.load.budget import RetryBudget, Rounds
from argus_core.routing.load.gate import Full, Place
from argus_core.routing.load.shares import Share
from argus_core.routing.merit import Merits
from argus_core.routing.node import Node, Reply
from argus_core.routing.opinions import Opinions
from argus_core.routing.pool import Finder, Member, Pool
from argus_core.routing.verdict import Routed, Verdict
from argus_core.routing.walk import Walk
from argus_core.telemetry.redact import Redactor

__all__ = ["MAX_ROUNDS", "Routed", "Router"]

MAX_ROUNDS = 3
"""How often the whole route is walked for one request, at most."""
NO_RETRY = "not tried again: too many requests are being retried already"
"""What the trace says where the retry budget is used up."""

Making = Coroutine[Any, Any, Sequence[Reply]]


@dataclass(slots=True)
class _Visit:
    """A walk at one of its pools, in one round."""

    walk: Walk
    number: int
    pool: Pool
    desperate: bool
    tried: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """What each member was offered."""
    heard: set[str] = field(default_factory=set[str])
    """What one node of a pool does not have, its peers have not."""


class Router:
    """Answers queries from nodes, with failover, retries and one deadline a request."""

    def __init__(
        self,
        routes: Finder,
        *,
        clock: Clock,
        redactor: Redactor,
        gateway: str = "",
        merits: Merits | None = None,
    ) -> None:
        self._routes = routes
        self.under_way: set[object] = set()
        """One mark for each fetch: those that are there now go by the routes of now, or older."""
        self._gateway = (gateway,) if gateway else ()
        self._clock = clock
        self._redactor = redactor
        self._attempts = Attempts(clock, redactor, merits)
        self._opinions = Opinions(clock, self._attempts)
        self._retries = RetryBudget()
        self._choice = Choice(clock, redactor)

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
        # Whoever is asked from here on, be it another gateway, may know through whom it came.
        fetching = object()
        self.under_way.add(fetching)
        try:
            via = (*current_request().via, *self._gateway)
            with requesting(via=via, deadline=deadline):
                await asyncio.gather(*(self._walk(walk) for walk in walks))
        finally:
            self.under_way.discard(fetching)
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
            last = state.attempt_number >= MAX_ROUNDS or not walk.query.idempotent
            if late or last or walk.dispensable:
                return True
            if turns.again():
                return False
            walk.trace.steps.append(NO_RETRY)
            return True

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
            walk.spared = False
            await self._round(walk, desperate=not first)
            spare = walk.dispensable
            passed_by = walk.spared or any(walk.untried(key) for key in walk.unheard)
            if first and not spare and walk.unheard and passed_by:
                await self._round(walk, desperate=True)  # somebody is left who was not asked
            first = False
            return bool(walk.unheard) and any(error.retry for error in walk.errors)

        with Rounds(self._retries) as turns:
            await rounds(once)

    async def _round(self, walk: Walk, *, desperate: bool) -> None:
        """One way down the route. A desperate round also asks cooling nodes that allow it."""
        for number, pool in enumerate(walk.pools):
            visit = _Visit(walk, number, pool, desperate)
            while await self._asked(visit):
                pass
        await self._opinions.settle(walk)

    async def _asked(self, visit: _Visit) -> bool:
        """Ask some members of a pool; false if it has nothing more to say."""
        walk, pool = visit.walk, visit.pool
        keys = walk.wanted(visit.heard)
        if not keys or walk.deadline.remaining <= 0 or (visit.desperate and not walk.unheard):
            return False
        query = walk.query.only(keys)
        able = self._able(visit, query)
        if not able:
            return False
        before = self._share(visit, query, able)
        try:
            place = await pool.enter(before.pool)
        except Full as full:
            walk.turn_away(pool, able, keys, full)
            return False
        try:
            # Only now is chosen whom to ask: while one waits, others come to be under way.
            if place.waited:
                able = self._able(visit, query)
            if not able or walk.deadline.remaining <= 0:
                return False
            calls = self._calls(visit, query, able, place, before)
            # One alone begins at once, so that the next pick already sees it under way.
            replies = [await calls[0]] if len(calls) == 1 else await asyncio.gather(*calls)
        finally:
            place.leave()
        for reply in chain.from_iterable(replies):
            visit.heard.update(key for key in reply.asked if key not in reply.faults)
        return True

    def _able(self, visit: _Visit, query: Query) -> Able:
        walk, tried, desperate = visit.walk, visit.tried, visit.desperate
        return self._choice.candidates(walk, visit.number, query, tried, desperate=desperate)

    def _share(self, visit: _Visit, query: Query, able: Able) -> Share:
        """What is left of the deadline, over the nodes that could still be asked.

        The wait at the pool's gate may take half of what the whole pool has, be it more than one
        node has: any of its nodes may become free. The call then still has one node's share.
        """
        walk, further = visit.walk, visit.number + 1
        later = self._choice.left(walk, further, query, desperate=visit.desperate)
        return Share(left=walk.deadline.remaining, here=len(able), later=later)

    def _calls(
        self, visit: _Visit, query: Query, able: Able, place: Place, before: Share
    ) -> list[Making]:
        """The calls to the members that the balancer chose; the first one has its place."""
        calls: list[Making] = []
        share = self._share(visit, query, able)
        heedless = not all(member.node.health.available for member in able)
        for member, offered in visit.pool.share(able, query.keys).items():
            visit.tried.setdefault(member.name, set()).update(offered)
            part = query.only(tuple(key for key in offered if key in able[member]))
            call = Call(
                walk=visit.walk,
                pool=visit.pool,
                member=member,
                query=part,
                seconds=share.call(before),
                within=share.pool,
                heedless=heedless,
                place=None if calls else place,
                tried=visit.tried,
                spares=partial(self._spares, visit, part),
            )
            calls.append(self._attempts.make(call))
        return calls

    def _spares(self, visit: _Visit, query: Query) -> list[Member]:
        """The members that were not asked yet for any of it, and may be asked now for all."""
        able = self._able(visit, query)
        whole = [member for member, keys in able.items() if keys.issuperset(query.keys)]
        return [member for member in whole if member.node.health.available]
