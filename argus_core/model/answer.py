"""The answer to a query: the data and everything known about where they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, TypeVar

T = TypeVar("T")

UNHEARD = "no source answered"
"""How the reason begins of what is served past its life because nobody gave anything newer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call to one node. ``error`` is a code, ``reason`` Argus' own words, never the vendor's.

    ``started_ms`` counts from the start of the request; ``asked`` and ``answered`` count keys.
    """

    source: str
    pool: str
    started_ms: float
    ms: float
    asked: int
    answered: int
    error: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A node that was considered and not asked, and why."""

    source: str
    pool: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Trace:
    """How one dataset was found: the route, who was asked, who was passed over, what was done."""

    dataset: str
    route: tuple[str, ...] = ()
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    skipped: list[Skip] = field(default_factory=list[Skip])
    steps: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value really comes from that a source passed on, as another gateway told it.

    ``path`` names the sources behind the one that was asked, the nearest first; the last of them
    gave the value, ``age`` seconds ago. ``reason`` says why it is stale, where it is, or that it
    was found offline.
    """

    path: tuple[str, ...]
    age: float = 0.0
    stale: bool = False
    reason: str | None = None
    simulated: bool = False
    resolution: Mapping[str, float] = field(default_factory=dict[str, float])
    replay: Mapping[str, Any] | None = None
    """The recorded day that it is out of and how fast that is played; None where it is live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where one key's value came from.

    ``cache`` is the tier that held it, ``None`` for a fresh fetch; ``as_of`` is the instant that
    the value speaks of, if it speaks of one; ``fresh_until`` ends its life in the cache.
    """

    source: str
    """The source of this gateway that was asked."""
    fetched_at: datetime
    fresh_until: datetime
    path: tuple[str, ...] = ()
    """The sources behind it, the nearest first, where it only passed the value on."""
    as_of: datetime | None = None
    cache: str | None = None
    stale: bool = False
    reason: str | None = None
    """Why the value is stale, or that it was found offline."""
    simulated: bool = False
    resolution: Mapping[str, float] = field(default_factory=dict[str, float])
    """The fields that the source counts more coarsely than a share and a cent, and its steps."""
    replay: Mapping[str, Any] | None = None
    """As in :class:`Origin`."""

    @property
    def giver(self) -> str:
        """The source that gave the value, be it behind another gateway."""
        return self.path[-1] if self.path else self.source

    @property
    def via(self) -> tuple[str, ...]:
        """The sources that passed the value on, the nearest first; none where it came directly."""
        return (self.source, *self.path[:-1]) if self.path else ()


@dataclass(frozen=True, slots=True)
class Found:
    """One key's value and the node that gave it."""

    value: Any
    source: str
    fetched_at: datetime
    simulated: bool
    resolution: Mapping[str, float] = field(default_factory=dict[str, float])
    path: tuple[str, ...] = ()
    """As in :class:`Provenance`."""
    outdated: str | None = None
    """Why the value was stale already when it came; such a value is not kept."""
    doubtful: bool = False
    """True if it may lack days and nobody else could be heard; it is not archived for good."""
    replay: Mapping[str, Any] | None = None
    """As in :class:`Origin`; what is out of a recorded day is not kept."""
    remark: str | None = None
    """What is told of a value that is not stale: that it was found offline. It is not kept."""

    @property
    def kept(self) -> bool:
        """True if it may be kept for others.

        What is stale already or out of a recorded day may not, nor what comes with a remark: that
        holds as long as the gateway behind is offline, which nobody here hears the end of.
        """
        return self.outdated is None and self.replay is None and self.remark is None

    @property
    def reason(self) -> str | None:
        """Why the value is stale, or what else was told of it."""
        return self.outdated or self.remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why one key has no value: an error code of the contract, and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """Values by key, in the asker's order; keys without a value are in ``errors`` instead.

    ``absent`` holds the keys in neither: a working source, the one named, does not have them;
    ``unsure`` are those of them that a source which could not be heard might have had.
    ``adjust_base`` holds, per symbol, the date whose price is left as traded.
    """

    data: Mapping[str, T]
    errors: Mapping[str, Failure]
    provenance: Mapping[str, Provenance]
    traces: tuple[Trace, ...] = ()
    absent: Mapping[str, Provenance] = field(default_factory=dict[str, Provenance])
    unsure: frozenset[str] = frozenset()
    adjust_base: Mapping[str, date] = field(default_factory=dict[str, date])

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that gave a value, each once, in order of first use."""
        return tuple(dict.fromkeys(p.giver for p in self.provenance.values()))

    @property
    def via(self) -> tuple[str, ...]:
        """The sources that passed values on, each once, in order of first use."""
        return tuple(dict.fromkeys(name for p in self.provenance.values() for name in p.via))

    @property
    def attempts(self) -> int:
        """Calls to nodes that this answer cost."""
        return sum(len(trace.attempts) for trace in self.traces)

    @property
    def cached(self) -> bool:
        """True if every value came out of a cache."""
        return bool(self.provenance) and all(p.cache for p in self.provenance.values())

    @property
    def simulated(self) -> bool:
        """True if any value, or the absence of one, is invented."""
        told = (*self.provenance.values(), *self.absent.values())
        return any(p.simulated for p in told)

    @property
    def replay(self) -> Mapping[str, Any] | None:
        """The recorded day that a value, or the absence of one, is out of, and its speed."""
        told = (*self.provenance.values(), *self.absent.values())
        return next((p.replay for p in told if p.replay is not None), None)

    @property
    def stale(self) -> bool:
        """True if any value is older than it should be."""
        return any(p.stale for p in self.provenance.values())

    @property
    def reason(self) -> str | None:
        """Why some value is stale, or that all were found offline."""
        return next((p.reason for p in self.provenance.values() if p.reason), None)

    @property
    def resolution(self) -> dict[str, float]:
        """The coarsest step of each field that some value has more coarsely than it should."""
        return coarsest(origin.resolution for origin in self.provenance.values())

    @property
    def as_of(self) -> datetime | None:
        """The oldest instant that a value speaks of."""
        return min((p.as_of for p in self.provenance.values() if p.as_of), default=None)

    @property
    def fetched_at(self) -> datetime | None:
        """When the oldest value was fetched."""
        return min((p.fetched_at for p in self.provenance.values()), default=None)

    @property
    def fresh_until(self) -> datetime | None:
        """When the first value ceases to be fresh."""
        return min((p.fresh_until for p in self.provenance.values()), default=None)


def coarsest(steps: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The coarsest step of each field that any of ``steps`` names."""
    found: dict[str, float] = {}
    for resolution in steps:
        for name, step in resolution.items():
            found[name] = max(step, found.get(name, 0.0))
    return found


def merged(answers: Sequence[Answer[T]]) -> Answer[T]:
    """One answer with everything that several hold; a value of a later one wins over an error."""
    data: dict[str, T] = {}
    errors: dict[str, Failure] = {}
    provenance: dict[str, Provenance] = {}
    absent: dict[str, Provenance] = {}
    base: dict[str, date] = {}
    for answer in answers:
        absent.update(answer.absent)
        data.update(answer.data)
        errors.update(answer.errors)
        provenance.update(answer.provenance)
        base.update(answer.adjust_base)
    return Answer(
        data=data,
        errors={key: failure for key, failure in errors.items() if key not in data},
        provenance=provenance,
        traces=tuple(trace for answer in answers for trace in answer.traces),
        absent={key: origin for key, origin in absent.items() if key not in data},
        unsure=frozenset(key for answer in answers for key in answer.unsure if key not in data),
        adjust_base=base,
    )
