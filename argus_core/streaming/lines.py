"""How one symbol is brought: by whom, since when, and how well."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from argus_core.clock import Clock
from argus_core.model.symbol import Symbol
from argus_core.routing.health.cooling import EVERYTHING
from argus_core.routing.node import Node
from argus_core.streaming.topics import Mode


@dataclass(frozen=True, slots=True)
class Leg:
    """A way to bring symbols: one node that pushes, or a pool that is asked again and again."""

    pool: str
    mode: Mode
    node: Node | None
    """The node that pushes; None where the pool is asked."""
    members: frozenset[str]
    """The names of the sources that may answer."""
    rank: int = field(default=0, compare=False)
    """Its place on the route: 0 is what is wanted most; the nodes of a pool share one."""
    nodes: tuple[Node, ...] = field(default=(), compare=False, repr=False)
    """The nodes that may bring something."""
    key: tuple[Mode, str] = field(init=False, compare=False)
    """What tells it from others: a lone source that pushes and is asked has one name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (self.mode, self.name))

    @property
    def name(self) -> str:
        """The node that pushes, or the pool that is asked."""
        return self.pool if self.node is None else self.node.name

    def now(self, clock: Clock) -> datetime:
        """The present as its sources live it: one that plays a recorded day has its own."""
        sources = (node.source for node in self.nodes)
        playing = next((source for source in sources if source.replaying is not None), None)
        return clock.now() if playing is None else playing.now()

    @property
    def well(self) -> bool:
        """True if some node of it may be asked as any other."""
        return any(n.cooling(EVERYTHING) is None and n.health.available for n in self.nodes)


@dataclass(slots=True, eq=False)
class Line:
    """A symbol that somebody wants, and how it is brought."""

    symbol: Symbol
    leg: Leg | None = None
    trial: Leg | None = None
    """A better leg, which takes over with the first thing that it brings."""
    tried: float = 0.0
    """The monotonic instant from which it is on trial."""
    heard: float = 0.0
    """When something came last, or when it was made sure that there is nothing new."""
    patience: float = 1.0
    """By how much longer than usual it may be silent, since it was found to be a quiet one."""
    as_of: datetime | None = None
    """The newest instant that anything spoke of."""
    source: str | None = None
    """Who brought it last."""
    mode: Mode | None = None
    """How that one has it, be it behind another gateway."""
    outdated: bool = False
    """True if whoever listens was told that nobody brings it to the gateway that passes it on."""
    told: tuple[Mode, str] | None = None
    """The key of the leg that whoever listens was told of; None if nobody was told, or lost."""
    fresh: bool = True
    """True until its leg has brought something."""
    faults: int = 0
    """Times in a row that it said what cannot be true, or nothing when it was asked."""
    old: int = 0
    """Times in a row that it said what is older than what is known."""
    missed: int = 0
    """Times in a row that others had news of which it said nothing."""
    unheard: int = 0
    """Times in a row that it was silent and nobody could say whether there is news."""
    suspect: float | None = None
    """From when on it may have missed something; None: nothing is suspected."""
    reason: str | None = None
    """Why the last leg was given up, until whoever listens is told."""
    lost: bool = False
    """True if whoever listens was told that nobody brings it."""
    again: float = 0.0
    """When a leg is looked for again, where none was found."""
    failed: dict[tuple[Mode, str], float] = field(default_factory=dict[tuple[Mode, str], float])
    """Until when, monotonic, a leg is not tried again, by its key."""

    @property
    def stale(self) -> str | None:
        """Why nobody brings it, if nobody does and that was told."""
        return (self.reason or "nobody can bring it") if self.lost else None

    def carried(self, leg: Leg, now: float) -> None:
        """Be brought by a leg from now on, which may have missed what was said before."""
        self.leg, self.fresh, self.mode = leg, True, None
        self.heard, self.patience = now, 1.0
        self.faults = self.old = self.missed = self.unheard = 0
        self.suspect = now if leg.mode == "push" else None

    def spoke(self, now: float) -> None:
        """Note that it said something that can be true and is not old."""
        self.heard, self.suspect, self.fresh = now, None, False
        self.patience = max(1.0, self.patience / 2)
        self.faults = self.old = self.missed = self.unheard = 0

    def fail(self, leg: Leg, until: float) -> None:
        """Let a leg, the present one or the one on trial, not be tried again for a while."""
        self.failed[leg.key] = until
        if self.leg is leg:
            self.leg = None
        if self.trial is leg:
            self.trial = None
