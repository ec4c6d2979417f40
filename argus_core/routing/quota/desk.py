"""Where the questions to one source wait for its quota, and are merged into the fewest calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from argus_core.clock import Clock
from argus_core.errors import NotOffered, SourceError, Throttled
from argus_core.extend.source import Source
from argus_core.market.normalise import Reading
from argus_core.model.query import Query
from argus_core.model.request import Priority, current_request, requesting
from argus_core.routing.quota.daybook import Page
from argus_core.routing.quota.ledger import Bill, Ledger, QuotaStatus, summed
from argus_core.routing.quota.line import Asker, Group, Line, latest
from argus_core.routing.quota.portion import portion
from argus_core.routing.quota.spent import Rest, Spent
from argus_core.routing.reply import Reply
from argus_core.routing.scopes import scopes_of

Caller = Callable[[Query, Sequence[Reply]], Awaitable[Reading]]
"""Calls the source for those who own these replies."""


class Desk:
    """One source's questions on their way to its vendor.

    A question that takes nothing of an allowance goes straight on. Any other waits for one turn
    of the event loop, in which its like may join it, and then until the quota and a free place
    allow the call. Nobody overtakes who needs the same interface, except the more urgent.
    """

    def __init__(
        self, source: Source, clock: Clock, call: Caller, page: Page | None = None
    ) -> None:
        self._source = source
        self._clock = clock
        self._call = call
        self._ledger = Ledger(source, clock, page)
        self._line = Line()
        self._running: dict[asyncio.Task[None], list[Asker]] = {}
        self._alarm: asyncio.TimerHandle | None = None

    # -- what the router wants to know --------------------------------------------------------

    def allowed(self, query: Query, *, patient: bool = False) -> tuple[str, ...]:
        """The keys that may be asked now; ``patient``: that can be within the asker's time."""
        within = current_request().time_left if patient else 0.0
        parts = scopes_of(query, query.keys).items()
        allowed = {key for scope, keys in parts for key in self._first(scope, query, keys, within)}
        return tuple(key for key in query.keys if key in allowed)

    def rests(self, query: Query) -> bool:
        """True if keys have to wait for the quota that need not wait too long."""
        now = len(self.allowed(query))
        return now < len(query.keys) and now < len(self.allowed(query, patient=True))

    def rest(self, query: Query) -> Rest | None:
        """Until when the quota keeps any keys of a query from being asked, if it does."""
        parts = scopes_of(query, query.keys).items()
        rests = [self._rest(scope, query.only(keys[:1])) for scope, keys in parts]
        return max(filter(None, rests), key=lambda rest: rest.until, default=None)

    def _first(
        self, scope: str, query: Query, keys: tuple[str, ...], within: float | None
    ) -> tuple[str, ...]:
        """The first keys of a scope, as many as may be asked within so many seconds."""
        if not self._ledger.bill(query.only(keys[:1])):
            return keys

        def fits(count: int) -> bool:
            rest = self._rest(scope, query.only(keys[:count]))
            return rest is None or within is None or rest.until - self._clock.monotonic() <= within

        return keys if fits(len(keys)) else keys[: _most(len(keys) - 1, fits)]

    def status(self) -> tuple[QuotaStatus, ...]:
        """What is used of the source's quotas."""
        return self._ledger.status()

    # -- asking -------------------------------------------------------------------------------

    async def ask(self, scope: str, query: Query, reply: Reply) -> tuple[tuple[str, ...], Reading]:
        """Some of the query's keys, the first ones, and the reading of what a call said of them.

        Raises what the call raised; :class:`Spent` if it cannot begin within the asker's time.
        """
        if not self._ledger.bill(query.only(query.keys[:1])):
            return query.keys, await self._at_once(query, reply)
        rest = self._rest(scope, query.only(query.keys[:1]))
        left, now = current_request().time_left, self._clock.monotonic()
        if rest is not None and left is not None and rest.until - now > left:
            raise Spent(rest.why(now), retry_after=rest.until - now)
        loop = asyncio.get_running_loop()
        asker = Asker(query.keys, reply, loop.create_future())
        reply.pauses.begin(asker, now)
        self._line.join(scope, query, asker, now)
        loop.call_soon(self._advance)
        try:
            keys, outcome = await asker.outcome
        except asyncio.CancelledError:
            reply.pauses.stop(self._clock.monotonic())
            self._leave(asker)
            raise
        reply.pauses.end(asker, self._clock.monotonic())
        if isinstance(outcome, Reading):
            return keys, outcome
        raise outcome

    async def _at_once(self, query: Query, reply: Reply) -> Reading:
        part = object()
        reply.pauses.begin(part, self._clock.monotonic())
        try:
            return await self._call(query, (reply,))
        except asyncio.CancelledError:
            reply.pauses.stop(self._clock.monotonic())
            raise
        finally:
            reply.pauses.end(part, self._clock.monotonic())

    def _leave(self, asker: Asker) -> None:
        """Give up a call for which nobody waits any more."""
        self._line.leave(asker)
        for task, askers in list(self._running.items()):
            if asker in askers:
                askers.remove(asker)
                if not askers:
                    task.cancel()
        self._advance()

    # -- whose turn it is ---------------------------------------------------------------------

    @property
    def _size(self) -> int:
        return max(1, self._source.symbols_per_call)

    def _advance(self) -> None:
        """Begin every call that may begin, and come back when the next one may."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        ahead: Counter[str] = Counter()
        rests: list[Rest] = []
        now = self._clock.monotonic()
        for group in self._line:
            rest: Rest | None = None
            while group.askers and len(self._running) < self._source.max_concurrency:
                keys, rest = self._next(group, ahead)
                if rest is not None:
                    rests.append(rest)
                    break
                self._begin(group, keys)
            group.hold(now, held=rest is not None)
            if group.askers:
                ahead.update(self._costs(group))
        self._line.tidy()
        if rests:
            wait = min(rest.until for rest in rests) - now
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, wait), self._advance)

    def _next(self, group: Group, ahead: Counter[str]) -> tuple[tuple[str, ...], Rest | None]:
        """The keys of a group's next call: as many as a call takes and the quota allows now."""
        keys = group.keys[: self._size]

        def rest(count: int) -> Rest | None:
            bill = self._ledger.bill(group.query.only(keys[:count]))
            return self._ledger.rest(bill, group.priority, ahead=ahead, alone=count == 1)

        if rest(len(keys)) is None:
            return keys, None
        least = rest(1)
        if least is not None:
            return (), least
        return keys[: max(1, _most(len(keys) - 1, lambda count: rest(count) is None))], None

    def _begin(self, group: Group, keys: tuple[str, ...]) -> None:
        query = group.query.only(keys)
        askers = group.served_by(keys)
        now = self._clock.monotonic()
        for asker in askers:
            asker.reply.pauses.hold(asker, now, held=False)
        bill = self._ledger.bill(query)
        self._ledger.begin(bill)
        task = asyncio.get_running_loop().create_task(
            self._run(query, askers, bill, group.priority), context=askers[0].context
        )
        self._running[task] = askers
        task.add_done_callback(lambda task: self._over(task, bill, askers))

    async def _run(self, query: Query, askers: list[Asker], bill: Bill, priority: Priority) -> None:
        outcome: Reading | SourceError | NotOffered
        try:
            with requesting(deadline=latest(askers), priority=priority):
                outcome = await self._call(query, [asker.reply for asker in askers])
        except (SourceError, NotOffered) as error:
            outcome = error
            if isinstance(error, Throttled):
                self._ledger.refused(bill, error.cool_seconds)
        asked = frozenset(query.keys)
        first = True
        for asker in askers:
            own = tuple(key for key in asker.keys if key in asked)
            said = portion(outcome, own, first=first) if isinstance(outcome, Reading) else outcome
            if not asker.outcome.done():
                asker.outcome.set_result((own, said))
                first = False

    def _over(self, task: asyncio.Task[None], bill: Bill, askers: list[Asker]) -> None:
        """Whatever ended a call, its place and what it did not use are free again."""
        del self._running[task]
        self._ledger.end(bill)
        for asker in askers:
            if not asker.outcome.done():  # whoever ends the event loop has ended the task
                asker.outcome.cancel()
        self._advance()

    # -- what the quota allows ----------------------------------------------------------------

    def _rest(self, scope: str, query: Query) -> Rest | None:
        """What keeps a query from being asked as a whole, together with its like in the line."""
        priority = current_request().priority
        like = self._line.like(scope, query, priority)
        ahead = self._ahead(priority, like)
        own, alone = self._bill(query), like is None and len(query.keys) == 1
        if like is None:
            return self._ledger.rest(own, priority, ahead=ahead, alone=alone)
        # Merged they take no more than apart; what exactly is asked only where that matters.
        apart = summed((*self._bill_of(like), *own))
        if self._ledger.rest(apart, priority, ahead=ahead, alone=False) is None:
            return None
        keys = tuple(dict.fromkeys((*like.keys, *query.keys)))
        return self._ledger.rest(
            self._bill(query.only(keys)), priority, ahead=ahead, alone=len(keys) == 1
        )

    def _ahead(self, priority: Priority, like: Group | None) -> Counter[str]:
        """The calls of the groups that go before whoever joins ``like``, or the line's end."""
        ahead: Counter[str] = Counter()
        for group in self._line:
            if group is like or group.priority > priority:
                break
            ahead.update(self._costs(group))
        return ahead

    def _costs(self, group: Group) -> dict[str, int]:
        """What the questions of a group take, by interface."""
        return {charge.allowance.interface: charge.calls for charge in self._bill_of(group)}

    def _bill_of(self, group: Group) -> Bill:
        if group.bill is None:
            group.bill = self._bill(group.query.only(group.keys))
        return group.bill

    def _bill(self, query: Query) -> Bill:
        """What a query takes, in as many calls as its keys need."""
        keys, size = query.keys, self._size
        calls = (
            self._ledger.bill(query.only(keys[begin : begin + size]))
            for begin in range(0, len(keys), size)
        )
        return summed(charge for call in calls for charge in call)


def _most(high: int, fits: Callable[[int], bool]) -> int:
    """The most of 0 to ``high`` that fit, where less always fits if more does."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
