"""Second opinions: what other sources say where a series may lack days.

They are asked beside the way of the request: an answer is at hand, so there is little time for it,
nobody waits at a gate, and a source that is too slow for it has done nothing wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from argus_core.clock import Clock
from argus_core.routing.attempts import Attempts, Call
from argus_core.routing.pool import Member, Pool
from argus_core.routing.walk import Walk

WAIT: Final = 2.0
"""Seconds, at most, that a request waits for all of its second opinions together …"""
PART: Final = 0.5
"""… and no more than this part of what its deadline leaves."""


class Opinions:
    """Asks others about what a walk holds back, and settles it."""

    def __init__(self, clock: Clock, attempts: Attempts) -> None:
        self._clock = clock
        self._attempts = attempts

    async def settle(self, walk: Walk) -> None:
        """Leave nothing held back: each key is found, or a fault if its source was refuted."""
        if not walk.held:
            return
        others = tuple(self._others(walk))
        until = self._clock.monotonic() + min(WAIT, PART * walk.deadline.remaining)
        for pool in others:
            seconds = until - self._clock.monotonic()
            if not walk.held or seconds <= 0:
                break
            await self._ask(walk, pool, seconds)
        left = walk.query.only(tuple(walk.held))
        nodes = (member.node for pool in others for member in pool.members)
        walk.settle(frozenset(key for node in nodes for key in node.serves(left)))

    def _others(self, walk: Walk) -> Iterator[Pool]:
        """The pools that none of what is held back came from, in the order of the route."""
        for pool in (*walk.pools, *walk.aside):
            names = {member.name for member in pool.members}
            if not names & {held.found.source for held in walk.held.values()}:
                yield pool

    async def _ask(self, walk: Walk, pool: Pool, seconds: float) -> None:
        """Hear one node of a pool, if one is well and has room at once."""
        query = walk.query.only(tuple(walk.held))
        able: dict[Member, tuple[str, ...]] = {
            member: ready
            for member in pool.members
            if member.node.health.available and (ready := member.node.ready(query))
        }
        place = pool.try_enter() if able else None
        if place is None:
            return
        try:
            member = pool.pick(list(able))
            call = Call(
                walk=walk,
                pool=pool,
                member=member,
                query=query.only(able[member]),
                seconds=seconds,
                within=seconds,
                opinion=True,
            )
            # Whoever is too late for it, or slow, is not to blame: the call says what it is for.
            await self._attempts.ask(call)
        finally:
            place.leave()
