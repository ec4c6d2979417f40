"""One source as the router sees it: what it can answer, whether it may be asked, how it does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random

from argus_core.clock import Clock
from argus_core.errors import (
    BadData,
    Disproved,
    NotOffered,
    SourceError,
)
from argus_core.extend.source import Source
from argus_core.market.kinds import kind_of
from argus_core.market.normalise import Reading
from argus_core.model.query import BarsQuery, Query
from argus_core.model.symbol import Exchange, Kind, Symbol
from argus_core.routing.calls import Calls
from argus_core.routing.evidence import Evidence
from argus_core.routing.health.cooling import EVERYTHING, CoolDowns, Cooling
from argus_core.routing.health.haste import Haste
from argus_core.routing.health.standing import Health, Tell
from argus_core.routing.quarantine import Quarantine, Quarantined, listed
from argus_core.routing.quota.daybook import Page
from argus_core.routing.quota.desk import Desk
from argus_core.routing.quota.spent import Rest
from argus_core.routing.reply import Counters, Reply
from argus_core.routing.scopes import dataset_of, scopes_of

__all__ = ["EVERYTHING", "FAIR_CHANCE", "HASTY_IN_A_ROW", "Counters", "Node", "Reply", "Tell"]

FAIR_CHANCE = 1.0
"""Seconds of running below which a time-out is the asker's haste and not held against the node."""
HASTY_IN_A_ROW = 3
"""So many hasty time-outs without a success between them are held against it all the same."""


def _tell_nobody(_name: str, _event: str, _message: str) -> None:
    return None


class Node:
    """A source with its limits, cool-downs and counters. Shared by every pool that names it."""

    def __init__(
        self,
        source: Source,
        *,
        plugin: str,
        clock: Clock,
        tell: Tell = _tell_nobody,
        random: Random | None = None,
        page: Page | None = None,
    ) -> None:
        self.source = source
        self.plugin = plugin
        self.down: str | None = None
        """Why the source could not start, if it could not."""
        self.reopens = False
        """True if it is down because it did not open, so that opening it again may help."""
        self.off: str | None = None
        """Why it takes no new calls, if an operator wants it so."""
        self.counters = Counters()
        self.evidence = Evidence()
        self.quarantine = Quarantine(clock)
        self._calls = Calls(source, clock, self.counters)
        self.quota = Desk(source, clock, self._calls.make, page)
        self._clock = clock
        self._tell = tell
        self._cool_downs = CoolDowns(clock)
        self.health = Health(source.name, clock, random or Random(), tell)
        self.haste = Haste(clock)
        self._asks = 0
        self._hasty = 0

    @property
    def name(self) -> str:
        """The source's name in the configuration."""
        return self.source.name

    @property
    def offers(self) -> frozenset[str]:
        """The datasets whose methods the source overrides, and which it says that it has."""
        told = self.source.datasets
        return self.source.offers() if told is None else self.source.offers() & told

    @property
    def in_flight(self) -> int:
        """Calls under way, abandoned ones included."""
        return self._calls.in_flight

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
        return tuple(key for key in query.keys if self.covers(key))

    def covers(self, key: str) -> bool:
        """True if the source says that it has such instruments."""
        if isinstance(key, Symbol):
            kind = kind_of(key)
            known = kind is Kind.UNKNOWN or kind in self.source.kinds
            return known and key.exchange in self.source.exchanges
        return not isinstance(key, Exchange) or key in self.source.exchanges

    def ready(self, query: Query, *, desperate: bool = False) -> tuple[str, ...]:
        """The keys of :meth:`serves` that may be asked now.

        ``desperate`` also takes keys whose cool-down allows a last resort, never quarantined ones,
        and keys for which the quota leaves room within the asker's time.
        """
        return self.quota.allowed(self._willing(query, desperate=desperate), patient=desperate)

    def resting(self, query: Query) -> bool:
        """True if nothing but the quota keeps some keys waiting, and within the asker's time."""
        return self.quota.rests(self._willing(query))

    def _willing(self, query: Query, *, desperate: bool = False) -> Query:
        """What may be asked as far as the node's health goes."""
        ready: set[str] = set()
        served = () if self.off is not None else self.serves(query)
        for scope, keys in scopes_of(query, served).items():
            cooling = self.cooling(scope)
            if cooling is None or (desperate and cooling.error.last_resort):
                ready.update(key for key in keys if self.quarantine.holds(scope, key) is None)
        return query.only(tuple(key for key in query.keys if key in ready))

    def rest(self, query: Query) -> Rest | None:
        """The quota that keeps keys of this query waiting longest, if one does."""
        return self.quota.rest(query.only(self.serves(query)))

    def longest_cooling(self, query: Query) -> Cooling | Quarantined | Rest | None:
        """The cool-down, quarantine or quota that keeps keys of this query waiting longest."""
        scopes = scopes_of(query, self.serves(query))
        found: list[Cooling | Quarantined | Rest] = [
            cooling for scope in scopes if (cooling := self.cooling(scope)) is not None
        ]
        found.extend(self.quarantined(query))
        if (rest := self.rest(query)) is not None:
            found.append(rest)
        return max(found, key=lambda c: c.until, default=None)

    def quarantined(self, query: Query) -> tuple[Quarantined, ...]:
        """The quarantines that keep keys of this query from being asked, each once."""
        scopes = scopes_of(query, self.serves(query)).items()
        held = (self.quarantine.holds(scope, key) for scope, keys in scopes for key in keys)
        return tuple({(q.scope, q.symbol): q for q in held if q is not None}.values())

    def cooling(self, scope: str) -> Cooling | None:
        """The cool-down in force for a scope, the longer one if the whole node cools too."""
        return self._cool_downs.of(scope)

    @property
    def all_cooling(self) -> Mapping[str, Cooling]:
        """Every cool-down by scope, ``*`` for the whole node; some may be over."""
        return self._cool_downs.all

    def failed(self, scope: str, error: SourceError) -> None:
        """Note a failure and cool down as its class says."""
        self._blame(error.code)
        self.cool(scope, error)

    def cool(self, scope: str, error: SourceError) -> None:
        """Cool down as the error's class says; where checks are known to work, until one is good.

        So no request has to find out whether a node is back that answers nobody.
        """
        if self.cooling(scope) is None:
            what = "everything" if error.whole_node else scope
            self._tell(self.name, "cooling", f"{what}: {error.code}, {error.cool_seconds:.0f} s")
        self._cool_downs.begin(scope, error, proof=error.unwell and self.health.vouched)

    def _blame(self, code: str) -> None:
        self.counters.failures += 1
        self.counters.last_error = code
        self.counters.last_error_at = self._clock.now()

    def timed_out(self, error: SourceError, reply: Reply) -> bool:
        """Note that no answer came in time; true if the node had a fair chance and is to blame.

        Where active checks work, one of them judges a node that only calls in a hurry complain of.
        """
        began = reply.running_since
        ran = reply.ran(self._clock.monotonic())
        self._hasty += began is not None  # a call that waited for its turn in vain proves nothing
        often = self._hasty >= HASTY_IN_A_ROW
        self.health.suspect = self.health.suspect or often
        fair = ran >= FAIR_CHANCE or self._calls.threads.stuck
        if not fair and (not often or self.health.vouched):
            return False
        self._hasty = 0
        self.failed(EVERYTHING, error)
        return True

    def succeeded(self, scope: str) -> None:
        """Note a success, which ends the cool-downs that spoke of this scope."""
        self._hasty = 0
        self.counters.last_ok_at = self._clock.now()
        self.health.answered()
        if self._cool_downs.end(scope):
            self._tell(self.name, "recovered", f"{scope} is answered again")

    def check_passed(self) -> None:
        """Note that active checks are answered: requests may come again, little by little."""
        self._hasty = 0
        self.health.suspect = False
        self.health.breaker.check_passed()
        error = self._cool_downs.check_passed()
        if error is not None:
            self.haste.forget()
            self.health.returned()
            self._tell(self.name, "recovered", f"checks are answered again after {error.code}")

    def opened(self) -> None:
        """Note that a source is open now that did not open at first."""
        self.down, self.reopens = None, False
        self.health.returned()
        self._tell(self.name, "recovered", "it could be opened")

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
        left = query.keys
        while left:
            part = query.only(left[:size])
            try:
                keys, reading = await self.quota.ask(scope, part, reply)
            except (SourceError, NotOffered) as error:
                if isinstance(error, BadData):
                    self.evidence.unreadable(dataset_of(query), error, self._clock.now())
                reply.errors[scope] = error
                return
            left = tuple(key for key in left if key not in keys)
            reply.asked.extend(key for key in keys if key not in reading.failures)
            reply.origins.update(reading.origins)
            reply.failures.update(reading.failures)
            reply.values.update(reading.values)
            reply.faults.update(reading.faults)
            reply.doubts.update(reading.doubts)
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
