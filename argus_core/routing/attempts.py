"""One call to one node: its time, what came of it, and whom that concerns."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from argus_core.clock import Clock
from argus_core.errors import BadData, NotOffered, SourceError, SourceTimeout
from argus_core.model.answer import Attempt, Found
from argus_core.model.ask import Deadline
from argus_core.model.query import Query
from argus_core.model.request import requesting
from argus_core.routing.node import EVERYTHING, Node, Reply, scopes_of
from argus_core.routing.pool import Member, Pool
from argus_core.routing.walk import Walk
from argus_core.telemetry.redact import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked of whom, and for how many seconds at most."""

    walk: Walk
    pool: Pool
    member: Member
    query: Query
    seconds: float

    @property
    def node(self) -> Node:
        """The node that is asked."""
        return self.member.node


class Attempts:
    """Makes attempts and books each in the walk, the trace, the node and the balancer."""

    def __init__(self, clock: Clock, redactor: Redactor) -> None:
        self._clock = clock
        self._redactor = redactor

    async def make(self, call: Call) -> Reply:
        """What the node said in time, booked wherever it matters."""
        began, started_ms = self._clock.monotonic(), call.walk.deadline.elapsed_ms
        reply = Reply()
        try:
            with requesting(deadline=Deadline.within(call.seconds, self._clock)):
                async with asyncio.timeout(call.seconds):
                    await call.node.ask(call.query, reply)
        except asyncio.CancelledError:
            call.pool.gave_up(call.member, seconds=self._clock.monotonic() - began)
            raise
        except TimeoutError:
            late = SourceTimeout(f"no answer within {call.seconds:.1f} s")
            reply.errors = {EVERYTHING: late, **reply.errors}
        seconds = self._clock.monotonic() - began
        self._book(call, reply)
        good = reply.error is None and not reply.false
        call.pool.report(call.member, ok=good, seconds=seconds)
        self._trace(call, reply, started_ms, seconds)
        return reply

    def _trace(self, call: Call, reply: Reply, started_ms: float, seconds: float) -> None:
        error = reply.error or next(iter(reply.failures.values()), None)
        fault = next(iter(reply.faults.values()), None)
        reason = error.message if error else fault
        call.walk.trace.attempts.append(
            Attempt(
                source=call.node.name,
                pool=call.pool.name,
                started_ms=round(started_ms, 3),
                ms=round(seconds * 1000, 3),
                asked=len(call.query.keys),
                answered=len(reply.values),
                error=error.code if error else BadData.code if fault else None,
                reason=self._redactor.foreign(reason) if reason else None,
            )
        )
        call.walk.trace.steps.extend(f"{call.node.name}: {step}" for step in reply.steps)

    def _book(self, call: Call, reply: Reply) -> None:
        """Book what a reply brought: values, silent keys, faults, and the node's own standing."""
        walk, node, query = call.walk, call.node, call.query
        self._book_values(walk, node, reply)
        for key, error in reply.failures.items():
            _book_error(walk, error, [key])
        scopes = scopes_of(query, query.keys)
        for scope, error in reply.errors.items():
            keys = [key for key in scopes.get(scope, query.keys) if key not in reply.asked]
            _book_error(walk, error, keys)
            if isinstance(error, NotOffered) or error.preparing:
                continue
            if isinstance(error, SourceTimeout) and scope == EVERYTHING:
                node.timed_out(error, reply)
            else:
                node.failed(scope, error)

    def _book_values(self, walk: Walk, node: Node, reply: Reply) -> None:
        now = self._clock.now()
        for key, value in reply.values.items():
            coarse = reply.resolution.get(key, {})
            origin = reply.origins.get(key)
            if origin is None:
                walk.found[key] = Found(value, node.name, now, node.source.simulated, coarse)
                continue
            walk.found[key] = Found(
                value,
                node.name,
                now - timedelta(seconds=origin.age),
                origin.simulated,
                coarse,
                origin.path,
                (origin.reason or f"{node.name} says so") if origin.stale else None,
            )
        walk.faults.update(reply.faults)
        for key in reply.asked:
            if key not in reply.values and key not in reply.faults:
                walk.absent.setdefault(key, Found(None, node.name, now, node.source.simulated))


def _book_error(walk: Walk, error: SourceError | NotOffered, keys: list[str]) -> None:
    """Note why these keys have no value from a node."""
    if isinstance(error, NotOffered):
        walk.declined.update(keys)
        return
    walk.errors.append(error)
    walk.failed.update(keys)
    if error.preparing:
        walk.preparing.update(dict.fromkeys(keys, error.cool_seconds))
