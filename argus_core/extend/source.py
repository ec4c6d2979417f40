"""The base class of every data source."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from argus_core.clock import Clock
from argus_core.errors import NotOffered
from argus_core.extend.jobs import Jobs
from argus_core.extend.quota import Allowance, Charge, Meter
from argus_core.extend.relay import RelayedPush
from argus_core.extend.units import Units
from argus_core.model.period import Period
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
from argus_core.model.records import Depth, Gap, Instrument, Quote, TradingDays
from argus_core.model.symbol import Exchange, Kind, Symbol

if TYPE_CHECKING:
    from argus_core.extend.cache import Cache

Rows = Any
"""Rows of a published schema: an iterable of mappings, or an object with ``__arrow_c_stream__``."""

DATASETS = (
    "quotes",
    "depth",
    "bars",
    "factors",
    "instruments",
    "listings",
    "calendar",
    "sectors",
    "ticks",
    "main_contracts",
    "chart_panels",
)
"""Every dataset, by the name of the method that offers it."""

Push = Callable[[Depth | RelayedPush | Gap], None]
"""Takes what a vendor pushes, from any thread: a book in the vendor's units, or a gap.

It returns at once; whoever wants to work on an item puts it on a queue of his own.
"""


class Settings(BaseModel):
    """The base of a plugin's settings: its table in plugins.toml, unknown keys refused.

    A text below a field is its description in the documentation.
    Type secrets as ``pydantic.SecretStr``; they are then accepted only as ``{ env = "NAME" }`` or
    ``{ file = "path" }`` and never appear in a log.
    A relative ``pathlib.Path`` starts at the directory of the file that the table stands in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Source:
    """One configured data source: a vendor account, an SDK session, another gateway.

    Override the methods of the datasets that the vendor offers, plain or ``async``; a method that
    is not overridden is not offered. A plain method runs in a thread and may block. Leave out
    what the vendor does not have: a symbol that is missing from the answer is asked of the next
    source. Raise a :class:`SourceError` where the vendor fails, :class:`NotOffered` where the
    question is beyond it or at fault; any other exception counts as :class:`SourceUnavailable`.

    The class attributes are facts about the vendor. The core uses them to scale units, shift bar
    labels, split long symbol lists and limit concurrency, so a plugin does none of that itself.
    """

    Settings: ClassVar[type[BaseModel]] = Settings

    exchanges: frozenset[Exchange] = frozenset(Exchange)
    """The exchanges that this source covers."""
    kinds: frozenset[Kind] = frozenset(Kind)
    """The kinds of instruments that it covers."""
    periods: frozenset[Period] = frozenset({Period.M1, Period.D1})
    """The periods that :meth:`bars` can be asked for; the core makes the others from these."""
    units: tuple[Units, ...] = (Units(),)
    """How the vendor counts; the first matching rule wins, none means shares and yuan."""
    bar_label: Literal["end", "start"] = "end"
    """Whether an intraday bar's time is its end or its start."""
    timezone: str = "Asia/Shanghai"
    """The zone of times that carry none."""
    symbols_per_call: int = 100
    """The most symbols in one call; longer lists are split."""
    max_concurrency: int = 8
    """The most calls under way at once."""
    calls_per_minute: int | None = None
    """The most calls a minute that the account allows; None where the vendor states none.

    An instance may take it from its settings. The core keeps it; see :meth:`charges` for a vendor
    that counts its interfaces apart.
    """
    simulated: bool = False
    """True if the data are invented; such a source never shares a route with a live one."""
    as_told: bool = False
    """True if what the source passes on says itself whether it is invented; it then shares a
    route only with its like."""
    datasets: frozenset[str] | None = None
    """What an instance offers where that is less than its class does; it may learn it late."""
    replaying: Mapping[str, Any] | None = None
    """The recorded day that an instance plays and how fast, ``{"day": …, "speed": …}``; such a
    source never shares a route with a live one either, and nothing that it says is kept. A class
    that plays states a mapping too."""
    relays: ClassVar[bool] = False
    """True if the source is another gateway: it answers with :class:`Relayed`, and what that says
    of a value's origin counts instead of what the class says."""
    carrier: Cache | None = None
    """The cache over which gateways tell one another things, given to sources that relay; None
    where there is none. It may change while the source is open."""
    isolation: ClassVar[Literal["none", "process"]] = "none"
    """``process`` where the vendor's package needs a process of its own; a table may override."""
    logins: ClassVar[int] = 1
    """How many sessions of one account the vendor allows at once, each in its own worker."""

    def __init__(self, name: str, settings: Any, clock: Clock) -> None:
        self.name = name
        self.settings = settings
        self.clock = clock
        self.jobs = Jobs(name)
        """The lane for work that outlives a request, such as a vendor's long downloads."""

    def now(self) -> datetime:
        """The present as the source lives it: the instant up to which a recorded day is played.

        It decides which bars are final. Only a source that is ``replaying`` overrides it.
        """
        return self.clock.now()

    async def open(self) -> None:
        """Return when the source is ready; called once, before any question.

        After a failure :meth:`close` and this are called again, with growing pauses, where the
        configuration does not require the source.
        """

    async def close(self) -> None:
        """Release everything; safe to call twice and after a failed :meth:`open`."""

    async def ping(self) -> None:
        """Return if the vendor answers a cheap question, else raise a :class:`SourceError`.

        A source that overrides it is asked now and then while no request shows how it is, within
        3 s, so that no request has to find out. Where ``calls_per_minute`` is stated it is asked
        only to find out whether the source is back.
        """

    def report(self) -> Mapping[str, str | int | float | bool | None]:
        """What operators should see of the session: versions, quota, logins. Must not block."""
        return {}

    def calls_made(self) -> int | None:
        """How often the vendor has been called so far, as it counts; None: once a question.

        Override it where one question may take several calls, so that the pace can be kept.
        """
        return None

    def charges(self, query: Query) -> Iterable[Charge]:
        """What a question takes of which of the vendor's allowances, at most as far as is known.

        By default one call of ``calls_per_minute``, and nothing where that is not stated. A
        question that takes something is counted, waits for its turn where the allowance is used
        up, and is merged with others that wait too. Derive it from ``settings`` and the class
        alone: where the source runs in a worker, it is asked on the gateway's side.
        """
        if self.calls_per_minute is None:
            return ()
        return (Charge(allowance=Allowance(calls_per_minute=self.calls_per_minute)),)

    def meters(self) -> Iterable[Meter]:
        """What the counters of the vendor, or of this plugin, show now. Must not block.

        By default what :meth:`calls_made` says. What no meter shows is counted by the charges.
        """
        made = self.calls_made()
        return () if made is None else (Meter(used=made),)

    @property
    def metered(self) -> bool:
        """True if each call spends what the account is allowed, so none is made for nothing."""
        counted = type(self).charges is not Source.charges
        return counted or self.calls_per_minute is not None

    def quotes(self, query: QuotesQuery) -> Iterable[Quote] | Awaitable[Iterable[Quote]]:
        """The latest quote of each symbol. Volumes and turnovers in the vendor's units."""
        raise NotOffered(f"{self.name} offers no quotes")

    def depth(self, query: DepthQuery) -> Iterable[Depth] | Awaitable[Iterable[Depth]]:
        """Quote, order book and trades of each symbol. Volumes in the vendor's units."""
        raise NotOffered(f"{self.name} offers no depth")

    def bars(self, query: BarsQuery) -> Rows | Awaitable[Rows]:
        """Raw, unadjusted bars: rows of the published schema ``BARS``, in any order."""
        raise NotOffered(f"{self.name} offers no bars")

    def factors(self, query: FactorsQuery) -> Rows | Awaitable[Rows]:
        """Cumulative adjustment factors: rows of the published schema ``FACTORS``.

        Include the factor in force at ``query.start``, dated at or before it.
        """
        raise NotOffered(f"{self.name} offers no factors")

    def instruments(
        self, query: InstrumentsQuery
    ) -> Iterable[Instrument] | Awaitable[Iterable[Instrument]]:
        """What each symbol is. Leaving one out says that the vendor does not know it."""
        raise NotOffered(f"{self.name} offers no instruments")

    def listings(
        self, query: ListingsQuery
    ) -> (
        Mapping[Exchange, Iterable[Instrument]] | Awaitable[Mapping[Exchange, Iterable[Instrument]]]
    ):
        """The instrument table of each exchange, what is listed today, everything it holds."""
        raise NotOffered(f"{self.name} offers no listings")

    def calendar(
        self, query: CalendarQuery
    ) -> Mapping[Exchange, TradingDays] | Awaitable[Mapping[Exchange, TradingDays]]:
        """The trading dates of each exchange, and how far the vendor's calendar reaches."""
        raise NotOffered(f"{self.name} offers no calendar")

    def sectors(
        self, query: SectorsQuery
    ) -> Mapping[str, Iterable[Symbol]] | Awaitable[Mapping[str, Iterable[Symbol]]]:
        """The members of each sector that the vendor itself knows."""
        raise NotOffered(f"{self.name} offers no sectors")

    def ticks(self, query: TicksQuery) -> Rows | Awaitable[Rows]:
        """Past snapshots with five levels: rows of the published schema ``TICKS``."""
        raise NotOffered(f"{self.name} offers no ticks")

    def main_contracts(
        self, query: MainContractsQuery
    ) -> Mapping[Symbol, Symbol] | Awaitable[Mapping[Symbol, Symbol]]:
        """The contract behind each main continuous series on the asked day."""
        raise NotOffered(f"{self.name} offers no main contracts")

    def chart_panels(
        self, query: ChartPanelsQuery
    ) -> Mapping[str, str] | Awaitable[Mapping[str, str]]:
        """Draw each panel on the client's screen; the client's name of it, by the asked name."""
        raise NotOffered(f"{self.name} has no screen")

    def subscribe(
        self, symbols: tuple[Symbol, ...], push: Push
    ) -> Awaitable[Collection[Symbol] | None] | Collection[Symbol] | None:
        """Begin to push these symbols too; return when the vendor has accepted them.

        Those that it accepted come back, or None for all of them; the others are had of another
        source. Raise :class:`NotOffered` or a :class:`SourceError` where it accepts none.
        Each item is a :class:`Depth` in the vendor's units (its ``trades`` are new ones only), or
        a :class:`Gap` where something may be missing, after a lost connection for one. Pushes go
        on over reconnects until :meth:`unsubscribe` or :meth:`close`.
        """
        raise NotOffered(f"{self.name} pushes nothing")

    def unsubscribe(self, symbols: tuple[Symbol, ...]) -> Awaitable[None] | None:
        """Push these symbols no more; unknown ones are no error."""
        raise NotOffered(f"{self.name} pushes nothing")

    @classmethod
    def offers(cls) -> frozenset[str]:
        """The datasets whose methods this class overrides."""
        return frozenset(
            name for name in DATASETS if getattr(cls, name) is not getattr(Source, name)
        )

    @classmethod
    def pushes(cls) -> bool:
        """True if this class overrides :meth:`subscribe`."""
        return cls.subscribe is not Source.subscribe
