"""One call to one node: its time, what came of it, and whom that concerns."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from argus_core.clock import Clock
from argus_core.errors import BadData, NotOffered, SourceError, SourceTimeout
from argus_core.market.chain import Doubt
from argus_core.model.answer import Attempt, Found, Origin
from argus_core.model.ask import Deadline
from argus_core.model.query import Query
from argus_core.model.request import requesting
from argus_core.routing.health.breaker import Permit
from argus_core.routing.health.cooling import EVERYTHING
from argus_core.routing.hedge import Asking, patience, raced
from argus_core.routing.load.gate import Full, Place
from argus_core.routing.merit import Merits
from argus_core.routing.node import FAIR_CHANCE, Node, Reply
from argus_core.routing.pool import Member, Pool
from argus_core.routing.quota.spent import Spent
from argus_core.routing.scopes import scopes_of
from argus_core.routing.walk import Walk
from argus_core.telemetry.redact import Redactor

GIVEN_UP = "given up: nobody waits for it any more"
"""What the trace says of a call whose answer is not needed: another node was first."""
NOT_HEARD = "gave no second opinion in time"
"""What the trace says of a call about another's answer that was not waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked of whom, and for how many seconds at most."""

    walk: Walk
    pool: Pool
    member: Member
    query: Query
    seconds: float
    within: float
    """The seconds that the pool as a whole has, waiting for a place included."""
    heedless: bool = False
    """True if the node is asked whatever its health, since too few others are well."""
    place: Place | None = None
    """Its place in the pool, if it has one already."""
    spares: Callable[[], Sequence[Member]] = tuple
    """Other members that may be asked just now for all of it."""
    tried: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """The keys that each member was offered on this visit to the pool."""
    opinion: bool = False
    """True if it is asked about another's answer: the walk has one, and need not wait for it."""

    @property
    def node(self) -> Node:
        """The node that is asked."""
        return self.member.node


class Attempts:
    """Makes attempts and books each in the walk, the trace, the node and the balancer."""

    def __init__(self, clock: Clock, redactor: Redactor, merits: Merits | None = None) -> None:
        self._clock = clock
        self._redactor = redactor
        self._merits = merits

    async def make(self, call: Call) -> Sequence[Reply]:
        """What the node said in time, booked wherever it matters; nothing if the pool is full.

        Where the call is hedged, what each node said that was heard to the end.
        """
        began = self._clock.monotonic()
        try:
            places = [call.place or await call.pool.enter(call.within)]
        except Full as full:
            call.walk.turn_away(call.pool, [call.member], call.query.keys, full)
            return ()
        left = call.within - (self._clock.monotonic() - began)
        call = replace(call, seconds=min(call.seconds, left))
        try:
            gate = call.pool.gate
            if gate is None:
                return (await self.ask(call),)
            gate.hedges.earn()
            call = replace(call, seconds=min(call.seconds, gate.limits.timeout))
            after = patience(gate, call.query)
            if after is None or call.node.source.metered:
                return (await self.ask(call),)
            return await raced(self.ask(call), after, lambda: self._hedge(call, after, places))
        finally:
            for place in places:
                place.leave()

    def _hedge(self, call: Call, after: float, places: list[Place]) -> Asking | None:
        """The same question to another node of the pool, if there is room for it at once."""
        gate, left = call.pool.gate, call.seconds - after
        if gate is None or left <= 0 or not gate.hedges.affordable:
            return None
        spares = [one for one in call.spares() if not one.node.source.metered]
        place = gate.try_enter() if spares else None
        if place is None:
            return None
        places.append(place)
        gate.hedges.spend()
        other = call.pool.pick(spares)
        call.tried.setdefault(other.name, set()).update(call.query.keys)
        call.walk.trace.steps.append(
            f"{call.node.name} was slow, so {other.name} was asked too after {after * 1000:.0f} ms"
        )
        return self.ask(replace(call, member=other, seconds=left, heedless=False))

    async def ask(self, call: Call) -> Reply:
        """What one node said in time, booked.

        Nothing is asked of a node on trial while another request finds out how it is.
        """
        permit = call.node.health.permit(heedless=call.heedless)
        if permit is None:
            call.walk.spared = True
            return Reply()
        try:
            return await self._made(call, permit)
        finally:
            permit.end()

    async def _made(self, call: Call, permit: Permit) -> Reply:
        began, started_ms = self._clock.monotonic(), call.walk.deadline.elapsed_ms
        reply = Reply()
        try:
            with requesting(deadline=Deadline.within(call.seconds, self._clock)):
                async with asyncio.timeout(call.seconds):
                    await call.node.ask(call.query, reply)
        except asyncio.CancelledError:
            seconds = self._clock.monotonic() - began
            call.pool.gave_up(call.member, seconds=seconds)
            self._trace(call, Reply(), started_ms, seconds, GIVEN_UP)
            raise
        except TimeoutError:
            if call.opinion:
                seconds = self._clock.monotonic() - began
                call.pool.gave_up(call.member, seconds=seconds)
                self._trace(call, Reply(), started_ms, seconds, NOT_HEARD)
                return Reply()
            reply.errors = {EVERYTHING: _late(call, reply), **reply.errors}
        now = self._clock.monotonic()
        seconds = now - began
        blamed = self._book(call, reply)
        call.node.health.judge(
            permit,
            blamed,
            answered=bool(reply.asked),
            ran=reply.ran(now),
            had=math.inf if call.opinion else call.seconds,
        )
        _note_haste(call, reply, reply.ran(now))
        self._tell(call, reply, seconds)
        self._weigh(call, reply, seconds, seconds - reply.pauses.seconds(began))
        self._trace(call, reply, started_ms, seconds)
        return reply

    def _tell(self, call: Call, reply: Reply, seconds: float) -> None:
        """Tell those who choose among nodes how this one did, if that was seen."""
        if reply.pauses.lasting:
            call.pool.gave_up(call.member, seconds=seconds)
            return
        good = reply.error is None and not reply.false
        call.pool.report(call.member, ok=good, seconds=seconds)
        if self._merits is not None:
            self._merits.note(call.node, call.query, well=good, seconds=seconds)

    def _weigh(self, call: Call, reply: Reply, seconds: float, busy: float) -> None:
        """Tell the gate what the call came to, and whether it was too much for the node.

        ``busy`` are the ``seconds`` without the waits for the vendor's quota.
        """
        if call.pool.gate is None or reply.pauses.lasting:
            return
        told = [error for error in reply.errors.values() if isinstance(error, SourceError)]
        failed = [error for error in told if not error.preparing]
        # As for the node: who gives a call no time has no say in how fast the pool is.
        hasty = EVERYTHING in reply.errors and busy < FAIR_CHANCE
        strain = not hasty and any(error.strain for error in failed)
        ok = not failed and not reply.false
        call.pool.gate.note(call.node.name, ok=ok, seconds=seconds, strain=strain)

    def _trace(
        self, call: Call, reply: Reply, started_ms: float, seconds: float, note: str | None = None
    ) -> None:
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
                reason=self._redactor.foreign(reason) if reason else note,
            )
        )
        call.walk.trace.steps.extend(f"{call.node.name}: {step}" for step in reply.steps)

    def _book(self, call: Call, reply: Reply) -> SourceError | None:
        """Book what a reply brought: values, silent keys, faults, and the node's own standing.

        The worst of what the node itself is to blame for is handed back.
        """
        blamed: SourceError | None = None
        walk, node, query = call.walk, call.node, call.query
        self._book_values(walk.hear if call.opinion else walk.find, walk, node, reply)
        for key, error in reply.failures.items():
            _book_error(walk, error, [key])
            if isinstance(error, BadData):
                walk.faults.setdefault(key, error.message)
        scopes = scopes_of(query, query.keys)
        for scope, error in reply.errors.items():
            keys = [key for key in scopes.get(scope, query.keys) if key not in reply.asked]
            _book_error(walk, error, keys)
            if isinstance(error, NotOffered) or not error.blame:
                continue
            if isinstance(error, SourceTimeout) and scope == EVERYTHING:
                if not node.timed_out(error, reply):
                    continue
            else:
                node.failed(scope, error)
            blamed = blamed if blamed is not None and blamed.unwell else error
        return blamed

    def _book_values(
        self,
        find: Callable[[str, Found, Doubt | None], None],
        walk: Walk,
        node: Node,
        reply: Reply,
    ) -> None:
        now = self._clock.now()
        for key, value in reply.values.items():
            coarse = reply.resolution.get(key, {})
            origin = reply.origins.get(key)
            source = node.source
            found = Found(value, node.name, now, source.simulated, coarse, replay=source.replaying)
            if origin is not None:
                found = Found(
                    value,
                    node.name,
                    now - timedelta(seconds=origin.age),
                    origin.simulated,
                    coarse,
                    origin.path,
                    (origin.reason or f"{node.name} says so") if origin.stale else None,
                    replay=origin.replay,
                    remark=None if origin.stale else origin.reason,
                )
            find(key, found, reply.doubts.get(key))
        walk.faults.update(reply.faults)
        # What was both denied and failed behind the node is absent too, though not for certain.
        denied = (key for key in reply.failures if key in reply.origins)
        for key in (*reply.asked, *denied):
            if key not in reply.values and key not in reply.faults:
                walk.absent.setdefault(key, _silence(node, reply.origins.get(key), now))


def _note_haste(call: Call, reply: Reply, ran: float) -> None:
    """Note for which parts of the question the time was enough, and for which it was not."""
    if call.opinion or reply.running_since is None or reply.pauses.lasting:
        return
    haste, missed = call.node.haste, EVERYTHING in reply.errors
    for scope, keys in scopes_of(call.query, call.query.keys).items():
        if any(key in reply.asked for key in keys):
            haste.answered(scope, ran=ran)
        elif missed:
            haste.late(scope, had=ran)


def _late(call: Call, reply: Reply) -> SourceError:
    """Why there was no answer in time: of a node that was not asked, it is the quota's doing."""
    if reply.pauses.lasting:
        return Spent(f"its quota left no room within {call.seconds:.1f} s")
    return SourceTimeout(f"no answer within {call.seconds:.1f} s")


def _silence(node: Node, origin: Origin | None, now: datetime) -> Found:
    """That nobody has a key, as the node says or somebody behind it."""
    if origin is None:
        source = node.source
        return Found(None, node.name, now, source.simulated, replay=source.replaying)
    since = now - timedelta(seconds=origin.age)
    return Found(
        None,
        node.name,
        since,
        origin.simulated,
        path=origin.path,
        replay=origin.replay,
        remark=None if origin.stale else origin.reason,
    )


def _book_error(walk: Walk, error: SourceError | NotOffered, keys: list[str]) -> None:
    """Note why these keys have no value from a node."""
    if isinstance(error, NotOffered):
        walk.declined.update(keys)
        return
    walk.errors.append(error)
    walk.failed.update(keys)
    if error.preparing:
        walk.preparing.update(dict.fromkeys(keys, error.cool_seconds))
