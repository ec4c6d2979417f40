"""Asks the gateway what will be asked of it, slowly, so that its caches hold the answers."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable
from datetime import timedelta

from argus_core.caching.rules import Rules
from argus_core.clock import Clock
from argus_core.errors import ArgusError, GatewayError, NotReady
from argus_core.model.ask import Ask, Deadline
from argus_core.model.request import Priority, requesting
from argus_core.model.symbol import Symbol
from argus_core.routing.node import Node
from argus_core.routing.pace import Pace, Sleep
from argus_core.routing.quota.ledger import WARMUP_SHARE
from argus_core.tables import WarmupTable
from argus_core.warmup.daily import Claim, Day, daily
from argus_core.warmup.plan import (
    AskedFor,
    Batch,
    Kind,
    MostAsked,
    last_settled,
    most_asked,
    planned,
)
from argus_core.warmup.progress import (
    GIVE_UP,
    Missed,
    Outcome,
    Progress,
    failed,
    further,
    given_up,
    outcome_of,
)
from argus_core.warmup.questions import Asks, asked

log = logging.getLogger(__name__)

CAREFUL = 60.0
"""Calls a minute to a source of which nobody says how many its account allows."""
SECONDS = 60.0
"""What a batch may take, the waits for a source that is still preparing it included."""
TRIES = 3
"""How often a batch is asked if what failed is said to be over within :data:`SECONDS`."""


class Warmup:
    """Fetches what is configured and what was asked for most, one batch at a time, paced.

    It asks the gateway's ordinary questions, so what a cache or the archive has costs no call:
    a run that was broken off is gone on with by running again.
    """

    def __init__(
        self,
        argus: Asks,
        *,
        nodes: Iterable[Node],
        table: WarmupTable | None,
        rules: Rules,
        clock: Clock,
        most_asked: MostAsked | None = None,
        settle_hours: float = 3.0,
        lasting: Iterable[str] = (),
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.table = table or WarmupTable()
        self.lasting = tuple(lasting)
        """The names of the tiers, and of the archive, that outlive this process."""
        self._argus = argus
        self._nodes = nodes  # read anew each time: sources come and go at run time
        self._rules = rules
        self._clock = clock
        self._most_asked = most_asked
        self._settle_hours = settle_hours
        self._sleep = sleep
        self._paces: dict[str, Pace] = {}
        self._shared: Pace | None = None
        self._booked: dict[str, int] = {}

    async def plan(self, table: WarmupTable | None = None) -> list[Batch]:
        """What a run with ``table`` (the configured one if None) asks, in order."""
        table = table or self.table
        last = last_settled(self._clock.now(), self._settle_hours)
        much: list[AskedFor] = []
        if self._most_asked is not None:
            much = await asyncio.to_thread(most_asked, self._most_asked, last, table.most_asked)
        return planned(table, much, last=last, limit=self._limit, rules=self._rules)

    async def run(
        self, table: WarmupTable | None = None, only: Collection[str] | None = None
    ) -> AsyncGenerator[Progress]:
        """The progress of a run: once before the first batch, then after each.

        A batch that fails is told and does not stop the rest. ``only`` names the datasets to ask
        of those in the plan, all if None.
        """
        table = table or self.table
        batches = [b for b in await self.plan(table) if only is None or b.kind.dataset in only]
        now = Progress(done=0, total=sum(len(batch.keys) for batch in batches))
        self._set_paces(table)
        streaks: Counter[Kind] = Counter()
        reasons: dict[Kind, Missed] = {}
        yield now
        for batch in batches:
            kind = batch.kind
            if streaks[kind] >= GIVE_UP:
                outcome = given_up(batch, reasons[kind])
            else:
                await self._paid(kind.dataset)
                outcome = await self._ask(batch, patient=not streaks[kind])
                self._book()
                streaks[kind] = streaks[kind] + 1 if outcome.against_the_kind else 0
                if outcome.against_the_kind:
                    reasons[kind] = outcome.missed[0]
            now = further(now, batch, outcome)
            yield now

    async def daily(self, claim: Claim | None = None) -> None:
        """Run before the open of every trading date, until cancelled.

        ``claim(name, seconds)`` says whether this process is the one to do it; all do if None.
        What holds for a whole day is asked for once the day's tables are out, or it would have to
        be fetched again.
        """
        exchanges = [Symbol(symbol).exchange for symbol in self.table.symbols]
        day = Day.of(exchanges, timedelta(minutes=self.table.minutes_before_open))
        await daily(self._whole, day, clock=self._clock, sleep=self._sleep, claim=claim)

    async def _whole(self, only: Collection[str]) -> None:
        """Run to the end, and write what came of it to the log."""
        last = Progress(done=0, total=0)
        async for last in self.run(only=only):
            for missed in last.missed:
                many = f"{missed.kind} of {len(missed.keys)} keys"
                log.warning("warm-up: %s: %s, %s", many, missed.code, missed.message)
        counts = (last.fetched, last.fresh, last.failed)
        log.info("warmed up: %d fetched, %d fresh already, %d failed", *counts)

    # -- one batch ----------------------------------------------------------------------------

    async def _ask(self, batch: Batch, *, patient: bool) -> Outcome:
        """What became of a batch, asked again where a source says that it may soon be had.

        ``patient`` is false where the last batch of the kind failed too.
        """
        deadline = Deadline.within(SECONDS, self._clock)
        began = self._clock.now()
        tries = 0
        while True:
            tries += 1
            try:
                with requesting(priority=Priority.WARMUP):  # whoever asks too goes first
                    answer = await asked(self._argus, batch, self._terms())
                return outcome_of(batch, answer, began)
            except ArgusError as error:
                wait = _pause(error, deadline, tries, patient=patient)
                if wait is None:
                    return failed(batch, error.code, error.message)
            except Exception as error:
                log.exception("warm-up: a batch of %s broke", batch.kind)
                return failed(batch, ArgusError.code, f"{type(error).__name__}, see the log")
            self._book()
            await self._sleep(wait)
            await self._paid(batch.kind.dataset)

    def _terms(self) -> Ask:
        within = Deadline.within(SECONDS, self._clock)
        return Ask(deadline=within, max_staleness=0.0, background=True)

    # -- pace ---------------------------------------------------------------------------------

    def _limit(self, dataset: str) -> int:
        """The most keys that every source of a dataset takes in one call."""
        sizes = [node.source.symbols_per_call for node in self._up(dataset)]
        return min(sizes, default=1)

    def _up(self, dataset: str) -> list[Node]:
        return [node for node in self._nodes if node.down is None and dataset in node.offers]

    def _set_paces(self, table: WarmupTable) -> None:
        """A pace for each source; one for all where the operator states it."""
        given = table.calls_per_minute
        self._shared = None if given is None else Pace(given, self._clock, self._sleep)
        for node in self._nodes:
            self._pace(node)

    def _pace(self, node: Node) -> None:
        own = Pace(_allowed(node), self._clock, self._sleep)
        self._paces[node.name] = self._shared or own
        self._booked[node.name] = _calls(node)

    async def _paid(self, dataset: str) -> None:
        """Return when every source of the dataset has rested as long as its calls ask for."""
        self._book()
        for node in self._up(dataset):
            await self._paces[node.name].ready()

    def _book(self) -> None:
        """Book what each source was called since the last time, whoever made it do so.

        Consumers go first: what they ask is paid for by warm-up's waiting.
        """
        for node in self._nodes:
            calls = _calls(node)
            if node.name not in self._paces:
                self._pace(node)
            self._paces[node.name].spent(max(0, calls - self._booked[node.name]))
            self._booked[node.name] = calls


def _calls(node: Node) -> int:
    """The calls that a source made of its vendor so far."""
    made = node.source.calls_made()
    return node.counters.calls if made is None else made


def _allowed(node: Node) -> float:
    """The calls a minute that warm-up may make of a source."""
    if node.source.simulated:
        return math.inf  # nobody's quota is spent
    stated = node.source.calls_per_minute
    return CAREFUL if stated is None else WARMUP_SHARE * stated


def _pause(error: ArgusError, deadline: Deadline, tries: int, *, patient: bool) -> float | None:
    """Seconds after which a failed batch is worth asking again; None if it is not."""
    wait = error.retry_after if isinstance(error, GatewayError) else None
    if wait is None:
        return None
    if isinstance(error, NotReady):
        return wait if wait <= deadline.remaining else None
    return wait if patient and tries < TRIES and wait <= SECONDS else None
