"""Who of a pool may be asked now, and what keeps the others out."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from argus_core.clock import Clock
from argus_core.model.answer import Skip
from argus_core.model.query import Query
from argus_core.routing.health.outliers import may_pass_over
from argus_core.routing.node import Node
from argus_core.routing.pool import Member, Pool
from argus_core.routing.quarantine import listed
from argus_core.routing.scopes import scopes_of
from argus_core.routing.walk import Walk
from argus_core.telemetry.redact import Redactor

Able = dict[Member, frozenset[str]]
"""Members that may be asked, and for which keys."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Finds the nodes that a balancer may choose from."""

    clock: Clock
    redactor: Redactor

    def candidates(
        self,
        walk: Walk,
        place: int,
        query: Query,
        tried: Mapping[str, Container[str]],
        *,
        desperate: bool,
    ) -> Able:
        """Members of the pool at ``place`` that may be asked now, and for what.

        What keeps others out goes to the trace. ``desperate`` also takes cooling nodes that allow
        a last resort, and ejected ones where no other is left.
        """
        pool, able = walk.pools[place], Able()
        for member in pool.members:
            done = tried.get(member.name, ())
            keys = tuple(key for key in query.keys if key not in done)
            if not keys:
                continue
            part = query.only(keys)
            if not desperate and member.node.resting(part):
                walk.spared = True
            reason = self._obstacle(member.node, part, desperate=desperate)
            if reason is None:
                able[member] = frozenset(member.node.ready(part, desperate=desperate))
                held = member.node.quarantined(part)
                if not held:
                    continue
                reason = self.redactor.foreign(listed(held))
            _skip(walk, pool, member, reason)
        able = {member: ready for member, ready in able.items() if ready}
        able = self._well(walk, place, query, able, desperate=desperate)
        return able if desperate else self._in_time(walk, place, query, able)

    def left(self, walk: Walk, begin: int, query: Query, *, desperate: bool) -> int:
        """Nodes further down the route that could still be asked."""
        return sum(
            bool(node.ready(query, desperate=desperate)) and (desperate or node.health.available)
            for pool in walk.pools[begin:]
            for node in (member.node for member in pool.members)
        )

    def _well(self, walk: Walk, place: int, query: Query, able: Able, *, desperate: bool) -> Able:
        """The able members without those that are out, where the pool can do without them."""
        why = {member: member.node.health.obstacle for member in able}
        out = {member: reason for member, reason in why.items() if reason is not None}
        if not out:
            return able
        well = {member: keys for member, keys in able.items() if member not in out}
        if desperate:
            return well or able  # the sick ones come last
        pool = walk.pools[place]
        nodes = [member.node for member in pool.members if _counts(member.node, query)]
        elsewhere = self.left(walk, place + 1, query, desperate=False) > 0 or walk.dispensable
        if not may_pass_over(
            well=sum(bool(node.ready(query)) and node.health.available for node in nodes),
            nodes=len(nodes),
            elsewhere=elsewhere,
        ):
            step = f"{pool.name}: too few of its nodes are well, so ejected ones are asked too"
            if step not in walk.trace.steps:
                walk.trace.steps.append(step)
            return able
        for member, reason in out.items():
            _skip(walk, pool, member, reason)
        walk.spared = True
        return well

    def _in_time(self, walk: Walk, place: int, query: Query, able: Able) -> Able:
        """The able members without those that calls with as little time waited for in vain."""
        if not any(member.node.haste.noted for member in able):
            return able
        pool = walk.pools[place]
        kept = Able()
        for member, keys in able.items():
            slow = self._slow(walk, place, query.only(tuple(keys)), member, len(able))
            if slow:
                _skip(walk, pool, member, "too slow for the little time that it would get")
                walk.spared = True
            if rest := keys - slow:
                kept[member] = rest
        # Where nobody is left at all, little time is better than none
        return kept if kept or self.left(walk, place + 1, query, desperate=False) else able

    def _slow(
        self, walk: Walk, place: int, query: Query, member: Member, here: int
    ) -> frozenset[str]:
        """The keys that the member would be asked about in vain, and others could answer."""
        found: set[str] = set()
        for scope, keys in scopes_of(query, query.keys).items():
            later = self.left(walk, place + 1, query.only(keys), desperate=False)
            if here + later > 1:
                seconds = walk.deadline.remaining / (here + later)
                gate = walk.pools[place].gate
                if gate is not None:
                    seconds = min(seconds, gate.limits.timeout)
                if member.node.haste.too_little(scope, seconds):
                    found.update(keys)
        return frozenset(found)

    def _obstacle(self, node: Node, query: Query, *, desperate: bool) -> str | None:
        if node.down is not None:
            return f"down: {node.down}"
        if node.off is not None:
            return node.off
        if not node.serves(query):
            return "does not offer this"
        if node.ready(query, desperate=desperate):
            return None
        cooling = node.longest_cooling(query)
        if cooling is None:
            return None  # what kept it from being ready was over a moment later
        return self.redactor.foreign(cooling.why(self.clock.monotonic()))


def _counts(node: Node, query: Query) -> bool:
    """True if the node is one of those that a pool has for such questions."""
    return node.off is None and (node.down is not None or bool(node.serves(query)))


def _skip(walk: Walk, pool: Pool, member: Member, reason: str) -> None:
    skip = Skip(source=member.name, pool=pool.name, reason=reason)
    if skip not in walk.trace.skipped:
        walk.trace.skipped.append(skip)
