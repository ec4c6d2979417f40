"""Another Argus as a source."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

from argus_core import (
    BadData,
    BarsQuery,
    CalendarQuery,
    ChartPanelsQuery,
    Clock,
    DepthQuery,
    FactorsQuery,
    InstrumentsQuery,
    ListingsQuery,
    MainContractsQuery,
    NotOffered,
    Origin,
    Push,
    Query,
    QuotesQuery,
    Relayed,
    SectorsQuery,
    Source,
    SourceTimeout,
    SourceUnavailable,
    Symbol,
    Throttled,
    TicksQuery,
    Told,
    asked_body,
    current_request,
    read_told,
)
from argus_remote import abilities, refusals
from argus_remote.link import Link, Response
from argus_remote.settings import RemoteSettings
from argus_remote.stream import Stream

log = logging.getLogger("argus.remote")

PATH = "/api/v1/datasets/"
LEARN_EVERY = 300.0
"""Seconds after which its list of sources is read again."""
MARGIN = 0.1
"""Seconds, at most a tenth of what is left, by which it must be done before we give up."""
KEY = "symbol"
"""The column of a table that says whose row it is."""
_PUSHED = frozenset({"quotes", "depth"})
_LISTS = frozenset({"quotes", "depth", "instruments", "bars", "factors", "ticks"})


class RemoteSource(Source):
    """Another Argus. It passes on that one's values with their origins, ages and failures.

    What it can be asked is learned when it is opened, and again while it is watched. One that
    cannot be reached then is taken up as soon as it answers.
    """

    Settings = RemoteSettings
    relays = True
    symbols_per_call = 1000

    def __init__(self, name: str, settings: RemoteSettings, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self._settings = settings
        self.max_concurrency = settings.max_connections
        self.as_told = settings.simulated == "as_told"
        self.simulated = settings.simulated is True
        self.datasets = settings.datasets
        self._link: Link | None = None
        self._stream: Stream | None = None
        self._health: abilities.Health | None = None
        self._learned: float | None = None
        self._ahead: float | None = None
        self._id: str | None = None

    async def open(self) -> None:
        """Return when it was asked what it offers, be it in vain."""
        self._link = Link(self.name, self._settings)
        self._stream = Stream(
            self.name, self._settings, self.clock, self._unfit, carrier=lambda: self.carrier
        )
        try:
            await self.ping()
        except (SourceUnavailable, SourceTimeout, Throttled, refusals.Busy) as error:
            log.warning("source %s is not there yet: %s", self.name, error.message)

    async def close(self) -> None:
        """Drop the connections."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()

    async def ping(self) -> None:
        """Return if it can answer; what it offers is learned anew from time to time."""
        link, seconds = self._connected(), min(5.0, self._settings.timeout)
        response = await link.get("/health", seconds)
        if response.status not in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE):
            raise refusals.refusal(self.name, response)
        told = abilities.health(response.body)
        before, self._health = self._health, told
        if self._stale(before):
            sources = await link.get("/api/v1/sources", seconds)
            if sources.status != HTTPStatus.OK:
                raise refusals.refusal(self.name, sources)
            self._learn(abilities.abilities(sources.body))
        if response.status != HTTPStatus.OK:
            raise SourceUnavailable(f"{self.name} says that none of its sources can answer")

    def report(self) -> Mapping[str, str | int | float | bool | None]:
        """Where it is, what it is, how far its clock is ahead, how many questions are under way."""
        health = self._health
        return {
            "address": self._settings.uds or f"{self._settings.scheme}://{self._settings.host}",
            "version": None if health is None else health.version,
            "gateway": self._id,
            "clock_ahead_seconds": self._ahead,
            "connections": self._link.busy if self._link is not None else 0,
            "max_connections": self._settings.max_connections,
            "pushed_symbols": 0 if self._stream is None else len(self._stream.symbols),
            "stream_connections": 0 if self._stream is None else self._stream.connections,
            "pushed_over_cache": self._stream is not None and self._stream.shared,
        }

    async def quotes(self, query: QuotesQuery) -> Any:
        """The latest quote of each symbol."""
        return await self._asked(query)

    async def depth(self, query: DepthQuery) -> Any:
        """Quote, order book and trades of each symbol."""
        return await self._asked(query)

    async def bars(self, query: BarsQuery) -> Any:
        """Raw bars, out of its archive where it has them there."""
        return await self._asked(query)

    async def factors(self, query: FactorsQuery) -> Any:
        """Adjustment factors, out of its archive where it has them there."""
        return await self._asked(query)

    async def instruments(self, query: InstrumentsQuery) -> Any:
        """What each symbol is."""
        return await self._asked(query)

    async def listings(self, query: ListingsQuery) -> Any:
        """The instrument table of each exchange."""
        return await self._asked(query)

    async def calendar(self, query: CalendarQuery) -> Any:
        """The trading dates of each exchange."""
        return await self._asked(query)

    async def sectors(self, query: SectorsQuery) -> Any:
        """The members of each sector."""
        return await self._asked(query)

    async def ticks(self, query: TicksQuery) -> Any:
        """Past snapshots."""
        return await self._asked(query)

    async def main_contracts(self, query: MainContractsQuery) -> Any:
        """The contract behind each main continuous series."""
        return await self._asked(query)

    async def chart_panels(self, query: ChartPanelsQuery) -> Any:
        """The panel, drawn on the screen of its client."""
        return await self._asked(query)

    async def subscribe(self, symbols: tuple[Symbol, ...], push: Push) -> Collection[Symbol]:
        """Begin to push these too, over one connection for all of them.

        What the other one is itself told by its sources comes as it comes; what it asks for again
        and again comes as often as it asks.
        """
        self._connected()
        if self._stream is None or not (self.datasets is None or self.datasets & _PUSHED):
            raise NotOffered(f"{self.name} is asked for neither quotes nor books")
        return await self._stream.subscribe(symbols, push, current_request().via)

    async def unsubscribe(self, symbols: tuple[Symbol, ...]) -> None:
        """Push these no more."""
        if self._stream is not None:
            await self._stream.unsubscribe(symbols)

    # -- one question -------------------------------------------------------------------------

    async def _asked(self, query: Query) -> Relayed:
        link, request = self._connected(), current_request()
        # What it would serve stale, another source may have fresh.
        staleness = request.max_staleness if self.as_told else 0.0
        body = asked_body(
            query,
            use_cache=request.use_cache,
            max_staleness=staleness,
            compress=self._settings.compressed,
        )
        response = await link.post(PATH + query.dataset, body, _headers())
        if response.status != HTTPStatus.OK:
            return self._failed(query, response)
        self._id = response.headers.get("X-Argus-Gateway")
        try:
            told = read_told(query.dataset, response.body)
        except ValueError as error:
            raise BadData(f"{self.name}: {error}") from None
        self._ahead = round((told.now - self.clock.now()).total_seconds(), 1)
        self._refuse_nameless(told)
        self._refuse_other_world(told)
        failures = {key: refusals.failure(lost) for key, lost in told.failures.items()}
        for key in query.keys:
            if key not in told.origins:  # that it does not have it, it would have said
                failures.setdefault(key, BadData(f"{self.name} says nothing about {key}"))
        return Relayed(
            reply=_reply(query, told),
            origins=told.origins,
            failures=failures,
            steps=told.steps,
            now=told.now,
        )

    def _failed(self, query: Query, response: Response) -> Relayed:
        """No value at all: its sources' fault is told key by key, any other raised."""
        lost = refusals.failed_sources(response, query.keys)
        if lost is None:
            raise refusals.refusal(self.name, response)
        nothing: Any = [] if query.dataset in _LISTS else {}
        failures = {key: refusals.failure(why) for key, why in lost.items()}
        return Relayed(reply=nothing, failures=failures)

    def _refuse_nameless(self, told: Told) -> None:
        """Never take a value of which nobody knows from whom it is, and whether it is invented."""
        valued = told.values if told.frame is None else _named(told.frame[KEY])
        nameless = next((key for key in valued if key not in told.origins), None)
        if nameless is not None:
            raise BadData(f"{self.name} does not say where its {nameless} comes from")

    def _refuse_other_world(self, told: Told) -> None:
        """Never let invented prices pass for live ones, or the other way round."""
        for key, origin in told.origins.items():
            why = self._unfit(origin)
            if why is not None:
                raise BadData(f"{self.name} tells of {key} {why}")

    def _unfit(self, origin: Origin) -> str | None:
        """Why a value must not be passed on, if it must not."""
        if self.as_told:
            return None
        if origin.simulated != self.simulated:
            return f"what {self._world(origin.simulated)}"
        if origin.replay is not None:
            return (
                "what is out of a recorded day: set "
                f'`simulated = "as_told"` in [sources.{self.name}] if that is meant'
            )
        return None

    def _world(self, simulated: bool) -> str:  # noqa: FBT001 - it is the value itself
        now, mend = ("is", "true") if simulated else ("is not", "false")
        return (
            f"{now} simulated: set `simulated = {mend}` in [sources.{self.name}] if that is meant"
        )

    # -- what it offers -----------------------------------------------------------------------

    def _stale(self, before: abilities.Health | None) -> bool:
        """True if what it offers is not known, or may have changed."""
        now, health = self.clock.monotonic(), self._health
        restarted = before is not None and health is not None and health.uptime < before.uptime
        due = self._learned is None or now - self._learned >= LEARN_EVERY
        return due or restarted

    def _learn(self, able: abilities.Abilities) -> None:
        if not self.as_told and able.simulated not in (None, self.simulated):
            raise BadData(f"{self.name} has only what {self._world(not self.simulated)}")
        wanted = self._settings.datasets
        self.datasets = able.datasets if wanted is None else able.datasets & wanted
        self.exchanges, self.kinds = able.exchanges, able.kinds
        self.periods = able.periods
        self._learned = self.clock.monotonic()

    def _connected(self) -> Link:
        if self._link is None:
            raise SourceUnavailable(f"{self.name} is not open")
        return self._link


def _named(keys: Any) -> list[str]:
    """Each key of a column once; of the one symbol that most answers hold, without a query."""
    return [keys[0]] if keys.n_unique() == 1 else keys.unique().to_list()


def _headers() -> dict[str, str]:
    """What the other one is told of the request: its name, urgency, deadline and way so far."""
    request = current_request()
    headers = {"X-Argus-Priority": request.priority.name.lower()}
    if request.trace_id:
        headers["X-Request-ID"] = request.trace_id
    if request.anew:
        headers["Cache-Control"] = "no-cache"
    if request.via:
        headers["X-Argus-Via"] = ", ".join(request.via)
    left = request.time_left
    if left is not None:
        seconds = max(0.01, min(60.0, left - min(MARGIN, left / 10)))
        headers["X-Argus-Deadline"] = f"{seconds:.3f}"
    return headers


def _reply(query: Query, told: Told) -> Any:
    """What the dataset's method would return by itself."""
    if query.dataset not in _LISTS:
        return told.values
    if told.frame is not None:
        return told.frame
    return list(told.values.values())
