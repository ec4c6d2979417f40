"""An answer in the making."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from argus_core.caching.memo import Hit
from argus_core.errors import ArgusError
from argus_core.model.answer import Answer, Attempt, Failure, Found, Provenance, Trace
from argus_core.model.codec import as_of
from argus_core.model.query import Query
from argus_core.routing.router import Routed


@dataclass(frozen=True, slots=True)
class Landing:
    """What one flight brought: the route's result, and where each value came from."""

    routed: Routed
    origins: Mapping[str, Provenance]
    late: bool
    """Whether the flight ended because its time was up."""
    began: datetime | None = None
    """When the flight began."""


@dataclass(slots=True)
class Draft:
    """What is known of a query's answer so far."""

    query: Query
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    errors: dict[str, Failure] = field(default_factory=dict[str, Failure])
    provenance: dict[str, Provenance] = field(default_factory=dict[str, Provenance])
    traces: list[Trace] = field(default_factory=list[Trace])
    absent: dict[str, Provenance] = field(default_factory=dict[str, Provenance])
    unsure: set[str] = field(default_factory=set[str])
    renewed: set[str] = field(default_factory=set[str])
    """Keys that were fetched once more, because what came of them was older than wanted."""
    raised: list[BaseException] = field(default_factory=list[BaseException])

    @property
    def missing(self) -> list[str]:
        """The keys about which nothing is known yet."""
        return [k for k in self.query.keys if k not in self.data and k not in self.absent]

    def take(self, key: str, hit: Hit, reason: str | None = None) -> None:
        """Use what a cache held; ``reason`` says why, where a source was to be asked instead."""
        origin = hit.origin
        if reason is not None:
            origin = replace(origin, stale=True, reason=reason)
        if hit.entry.absent:
            self.absent[key] = origin
        else:
            self.data[key] = hit.value
            self.provenance[key] = origin

    def book(self, landing: Landing, keys: Iterable[str]) -> None:
        """Use what a flight brought for these keys."""
        routed = landing.routed
        if not any(trace is routed.trace for trace in self.traces):
            self.traces.append(routed.trace)
        for key in keys:
            if key in routed.found:
                self.data[key] = routed.found[key].value
                self.provenance[key] = landing.origins[key]
            elif key in routed.failures:
                self.errors[key] = routed.failures[key]
            else:
                silent = routed.absent[key]
                if key in routed.unsure:
                    self.unsure.add(key)
                self.absent[key] = Provenance(
                    source=silent.source,
                    path=silent.path,
                    fetched_at=silent.fetched_at,
                    fresh_until=silent.fetched_at,
                    simulated=silent.simulated,
                    replay=silent.replay,
                )

    def blame(self, error: BaseException, keys: Iterable[str]) -> None:
        """Note that a flight ended with ``error`` and left these keys without a value."""
        if not isinstance(error, ArgusError):
            raise error
        self.raised.append(error)
        attempts: Sequence[Attempt] = getattr(error, "attempts", ())
        if attempts:
            self.traces.append(Trace(dataset=self.query.dataset, attempts=list(attempts)))
        for key in keys:
            self.errors[key] = Failure(code=error.code, message=error.message)

    def finished(self) -> Answer[Any]:
        """The answer in the asker's order; raises what ended it if nothing at all was found."""
        if self.raised and not self.data and not self.absent:
            raise self.raised[0]
        keys = self.query.keys
        if not self.errors and not self.absent and tuple(self.data) == keys:
            # All of it came in order, as it does out of one cache.
            return Answer(
                data=self.data, errors={}, provenance=self.provenance, traces=tuple(self.traces)
            )
        return Answer(
            data={key: self.data[key] for key in keys if key in self.data},
            errors={key: self.errors[key] for key in keys if key in self.errors},
            provenance={key: self.provenance[key] for key in keys if key in self.provenance},
            absent={key: self.absent[key] for key in keys if key in self.absent},
            unsure=frozenset(self.unsure),
            traces=tuple(self.traces),
        )


def ready(query: Query, hits: Mapping[str, Hit], now: datetime) -> Answer[Any] | None:
    """The answer where there is nothing to decide: all fresh, not yet to be fetched early."""
    data: dict[str, Any] = {}
    provenance: dict[str, Provenance] = {}
    for key in query.keys:
        hit = hits.get(key)
        if hit is None or hit.value is None or now >= hit.early_from:
            return None
        data[key] = hit.value
        provenance[key] = hit.origin
    trace = _cache_trace(query, len(data), provenance.values())
    return Answer(data=data, errors={}, provenance=provenance, traces=(trace,))


def cache_trace(draft: Draft) -> Trace:
    """What the caches contributed to a draft that nobody else has contributed to yet."""
    origins = [*draft.provenance.values(), *draft.absent.values()]
    return _cache_trace(draft.query, len(draft.data) + len(draft.absent), origins)


def _cache_trace(query: Query, many: int, origins: Iterable[Provenance]) -> Trace:
    tiers = ", ".join(dict.fromkeys([origin.cache or "" for origin in origins]))
    step = f"{many} of {len(query.keys)} from cache {tiers}"
    return Trace(dataset=query.dataset, steps=[step])


def found_of(hit: Hit) -> Found:
    """What a cache held, as the router would have given it."""
    entry = hit.entry
    return Found(
        hit.value,
        entry.source,
        entry.fetched_at,
        entry.simulated,
        entry.resolution,
        entry.path,
    )


def origin_of(item: Found) -> Provenance:
    """Where a value came from that no cache tier holds."""
    return Provenance(
        source=item.source,
        path=item.path,
        fetched_at=item.fetched_at,
        fresh_until=item.fetched_at,
        stale=item.outdated is not None,
        reason=item.reason,
        simulated=item.simulated,
        resolution=item.resolution,
        replay=item.replay,
        as_of=None if item.value is None else as_of(item.value),
    )
