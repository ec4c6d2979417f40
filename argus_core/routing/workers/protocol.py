"""The words of the conversation between the gateway and a worker."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Literal

from argus_core.extend.jobs import JobStatus
from argus_core.extend.quota import Meter
from argus_core.extend.source import Source
from argus_core.extend.units import Units
from argus_core.model.period import Period
from argus_core.model.records import Depth, Gap
from argus_core.model.symbol import Exchange, Kind
from argus_core.routing.workers.faults import Fault
from argus_core.routing.workers.forms import form_of

# What a head's "is" says, to the worker …
START, CALL, DROP, DIE = "start", "call", "drop", "die"
# … and from it.
BEGAN, DONE, FAILED, PUSH, BEAT, LOG = "began", "done", "failed", "push", "beat", "log"

MAKE, OPEN, PING, CLOSE = "make", "open", "ping", "close"
SUBSCRIBE, UNSUBSCRIBE = "subscribe", "unsubscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a worker is told first: which plugin to load, with which table, and how to behave.

    ``table`` holds the settings, secrets in clear: this frame goes through the pipe and is
    written nowhere else.
    """

    name: str
    plugin: str
    where: str
    table: Any = field(repr=False)
    beat: float
    heartbeat_lost: float
    level: int = logging.INFO
    directory: str = ""
    """Where the relative paths of the table start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a source's instance says of itself."""

    exchanges: frozenset[Exchange]
    kinds: frozenset[Kind]
    periods: frozenset[Period]
    units: tuple[Units, ...]
    bar_label: Literal["end", "start"]
    timezone: str
    symbols_per_call: int
    max_concurrency: int
    calls_per_minute: int | None
    offers: frozenset[str]
    pushes: bool


def facts_of(source: Source) -> Facts:
    """The facts of a source as they stand now."""
    return Facts(
        exchanges=frozenset(source.exchanges),
        kinds=frozenset(source.kinds),
        periods=frozenset(source.periods),
        units=tuple(source.units),
        bar_label=source.bar_label,
        timezone=source.timezone,
        symbols_per_call=source.symbols_per_call,
        max_concurrency=source.max_concurrency,
        calls_per_minute=source.calls_per_minute,
        offers=source.offers(),
        pushes=source.pushes(),
    )


STARTS = form_of(Start)
FACTS = form_of(Facts)
FAULTS = form_of(Fault)
JOBS = form_of(tuple[JobStatus, ...])
REPORT = form_of(Any)
METERS = form_of(tuple[Meter, ...])
BOOKS = form_of(list[Depth])
GAP = form_of(Gap)
