"""A source that lives in a worker, as the gateway sees it: a source like any other."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from random import Random
from typing import Any, ClassVar

from argus_core.clock import Clock
from argus_core.errors import SourceError
from argus_core.extend.quota import Charge, Meter
from argus_core.extend.source import DATASETS, Push, Source
from argus_core.model.query import (
    BarsQuery,
    CalendarQuery,
    ChartPanelsQuery,
    DepthQuery,
    FactorsQuery,
    InstrumentsQuery,
    ListingsQuery,
    MainContractsQuery,
    Query,
    QuotesQuery,
    SectorsQuery,
    TicksQuery,
)
from argus_core.model.records import Depth, Gap
from argus_core.model.symbol import Symbol
from argus_core.routing.workers.limits import Limits
from argus_core.routing.workers.protocol import PING, SUBSCRIBE, UNSUBSCRIBE, Facts, Start
from argus_core.routing.workers.worker import Worker

log = logging.getLogger(__name__)

Tell = Callable[[str, str, str], None]
"""Told of a source's name, what became of it, and why."""

_FACTS = (
    "exchanges",
    "kinds",
    "periods",
    "units",
    "bar_label",
    "timezone",
    "symbols_per_call",
    "max_concurrency",
    "calls_per_minute",
)


class Isolated(Source):
    """Asks a source in a worker what it is asked itself.

    It states the facts of the plugin's class and, once open, those of the instance in the worker.
    Subscriptions outlive a worker: they are made again in the next one, with a :class:`Gap` when
    the old one ends and another when the new one pushes.
    """

    inner: ClassVar[type[Source]] = Source
    """The plugin's class."""
    offered: ClassVar[frozenset[str]] = frozenset()
    pushing: ClassVar[bool] = False
    in_line: ClassVar[frozenset[str]] = frozenset()
    """The datasets whose plain methods the worker calls one after another."""
    isolation = "process"

    def __init__(
        self,
        start: Start,
        settings: Any,
        clock: Clock,
        *,
        limits: Limits,
        secrets: Collection[str],
        random: Random,
        tell: Tell,
    ) -> None:
        super().__init__(start.name, settings, clock)
        self._worker = Worker(start, limits, self, secrets=secrets, random=random)
        self._tell = tell
        self._longest_pause = limits.longest_pause
        self._pause = limits.first_pause
        self._subscribed: dict[Symbol, Push] = {}
        self._as_of: dict[Symbol, datetime] = {}
        self._complete_to: dict[Symbol, datetime] = {}

    @classmethod
    def offers(cls) -> frozenset[str]:
        """The datasets that the source in the worker offers."""
        return cls.offered

    @classmethod
    def pushes(cls) -> bool:
        """True if the source in the worker pushes."""
        return cls.pushing

    @property
    def worker(self) -> str:
        """How the worker stands: starting, up, down or closed."""
        return self._worker.state

    async def open(self) -> None:
        """Return when the source is open in its worker; what it raised there is raised here."""
        await self._worker.open()

    async def close(self) -> None:
        """Close the source in the worker, and end the worker."""
        await self._worker.close()

    async def ping(self) -> None:
        """Return if the source answers its own ping."""
        await self._worker.call(PING)

    def report(self) -> Mapping[str, str | int | float | bool | None]:
        """What the source reports, and how its worker and its jobs stand."""
        worker = self._worker
        told: dict[str, str | int | float | bool | None] = {
            **worker.report,
            "worker": worker.state,
            "pid": worker.pid if worker.state == "up" else None,
            "restarts": worker.restarts,
            "logins": 1 if worker.state == "up" else 0,
        }
        if worker.reason is not None:
            told["worker_reason"] = worker.reason
        running = [job for job in worker.jobs if job.running]
        told["jobs_waiting"] = len(worker.jobs) - len(running)
        for job in running:
            told |= {"job": job.key, "job_done": job.done, "job_total": job.total}
        return told

    # -- quota --------------------------------------------------------------------------------

    @property
    def metered(self) -> bool:
        """True if a call to the source in the worker spends what its account is allowed."""
        return self.inner.charges is not Source.charges or self.calls_per_minute is not None

    def charges(self, query: Query) -> Iterable[Charge]:
        """What the plugin says; it needs no session for that, so it is asked on this side."""
        return self.inner.charges(self, query)

    def meters(self) -> Iterable[Meter]:
        """The meters of the last heartbeat; those of calls come too late to go by."""
        return [meter for meter in self._worker.meters if meter.window is not None]

    # -- questions ----------------------------------------------------------------------------

    async def asked(self, query: Query, began: Callable[[], None] | None = None) -> Any:
        """The worker's answer; ``began`` is called, in some thread, once it is this call's turn."""
        plain = query.dataset in self.in_line
        return await self._worker.call(query.dataset, query, plain=plain, began=began)

    async def quotes(self, query: QuotesQuery) -> Any:
        """The worker's answer."""
        return await self.asked(query)

    async def depth(self, query: DepthQuery) -> Any:
        """The worker's answer."""
        return await self.asked(query)

    async def bars(self, query: BarsQuery) -> Any:
        """The worker's answer."""
        return await self.asked(query)

    async def factors(self, query: FactorsQuery) -> Any:
        """The worker's answer."""
        return await self.asked(query)

    async def instruments(self, query: InstrumentsQuery) -> Any:
        """The worker's answer."""
        return await self.asked(query)

    async def listings(self, query: ListingsQuery) -> Any:
        """The worker's answer."""
        return await self.asked(query)

    async def calendar(self, query: CalendarQuery) -> Any:
        """The worker's answer."""
        return await self.asked(query)

    async def sectors(self, query: SectorsQuery) -> Any:
        """The worker's answer."""
        return await self.asked(query)

    async def ticks(self, query: TicksQuery) -> Any:
        """The worker's answer."""
        return await self.asked(query)

    async def main_contracts(self, query: MainContractsQuery) -> Any:
        """The worker's answer."""
        return await self.asked(query)

    async def chart_panels(self, query: ChartPanelsQuery) -> Any:
        """The worker's answer."""
        return await self.asked(query)

    # -- pushes -------------------------------------------------------------------------------

    async def subscribe(self, symbols: tuple[Symbol, ...], push: Push) -> None:
        """Return when the source in the worker has accepted the symbols."""
        before = {symbol: self._subscribed.get(symbol) for symbol in symbols}
        self._subscribed |= dict.fromkeys(symbols, push)
        try:
            await self._worker.call(SUBSCRIBE, symbols, plain=self._plain(SUBSCRIBE))
        except BaseException:
            for symbol, known in before.items():
                if known is None:
                    self._subscribed.pop(symbol, None)
                else:
                    self._subscribed[symbol] = known
            raise

    async def unsubscribe(self, symbols: tuple[Symbol, ...]) -> None:
        """Push these symbols no more, not even from the next worker."""
        for symbol in symbols:
            self._subscribed.pop(symbol, None)
            self._as_of.pop(symbol, None)
        if self._worker.state == "up":
            await self._worker.call(UNSUBSCRIBE, symbols, plain=self._plain(UNSUBSCRIBE))

    def _plain(self, operation: str) -> bool:
        return not inspect.iscoroutinefunction(getattr(self.inner, operation))

    # -- what the worker tells ----------------------------------------------------------------

    def learned(self, facts: Facts) -> None:
        """Take over what the instance in the worker says of itself."""
        for name in _FACTS:
            setattr(self, name, getattr(facts, name))
        kind = type(self)
        kind.offered, kind.pushing = facts.offers, facts.pushes

    def pushed(self, item: Depth | Gap) -> None:
        """Hand a push to those who subscribed to its symbols."""
        subscribed = self._subscribed
        if isinstance(item, Depth):
            if (push := subscribed.get(item.symbol)) is None:
                return
            at = item.quote.as_of
            if at is not None and at.tzinfo is not None:
                self._as_of[item.symbol] = at
            self._hand(push, item)
            return
        for symbol in item.symbols:
            if (push := subscribed.get(symbol)) is not None:
                self._hand(push, Gap(symbols=(symbol,), reason=item.reason, since=item.since))

    def died(self, reason: str) -> None:
        """Tell operators, and every subscriber that something may be missing from now on."""
        self._tell(self.name, "down", reason)
        self._complete_to = dict(self._as_of)
        self._tell_gaps(reason)

    async def revived(self) -> None:
        """Make the subscriptions again, as often as it takes while this worker lives."""
        self._tell(self.name, "recovered", "a new worker is up")
        pause = self._pause
        while symbols := tuple(self._subscribed):
            try:
                await self._worker.call(SUBSCRIBE, symbols, plain=self._plain(SUBSCRIBE))
            except SourceError as error:
                log.warning("%s is not subscribed again yet: %s", self.name, error.code)
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._longest_pause)
                continue
            self._tell_gaps("subscribed again in a new worker")
            return

    def _tell_gaps(self, reason: str) -> None:
        for symbol, push in list(self._subscribed.items()):
            since = self._complete_to.get(symbol)
            self._hand(push, Gap(symbols=(symbol,), reason=reason, since=since))

    def _hand(self, push: Push, item: Depth | Gap) -> None:
        try:
            push(item)
        except Exception:
            log.exception("a subscriber of %s failed", self.name)


def isolated(inner: type[Source]) -> type[Isolated]:
    """A class for one table that states what ``inner`` states and asks it in a worker."""
    stated = {name: getattr(inner, name) for name in (*_FACTS, "simulated", "logins", "Settings")}
    plain = frozenset(d for d in DATASETS if not inspect.iscoroutinefunction(getattr(inner, d)))
    own = {
        "inner": inner,
        "offered": inner.offers(),
        "pushing": inner.pushes(),
        "in_line": plain,
    }
    return type(f"Isolated{inner.__name__}", (Isolated,), {**stated, **own})
