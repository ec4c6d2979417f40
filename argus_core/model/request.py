"""What everybody on the way of a request may know of it: who asks, how urgently, until when.

It travels in a context variable, so that a balancer's queue or a source three calls below need
not be handed it: each request has its own, and two gateways in one process share nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from argus_core.errors import Loop
from argus_core.model.ask import Ask, Deadline

MOST_HOPS = 8
"""The most gateways that one question may have come through."""


class Priority(IntEnum):
    """Who goes first where not all can: the smaller number."""

    INTERACTIVE = 0
    BATCH = 1
    WARMUP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The circumstances of one request."""

    client: str = ""
    """Who asks, as the authenticator names him; empty for the gateway itself."""
    priority: Priority = Priority.INTERACTIVE
    via: tuple[str, ...] = ()
    """The ids of the gateways through which the question has come here, the first asker first."""
    deadline: Deadline | None = None
    """Until when an answer is of use; while a source is asked, the end of that attempt."""

    use_cache: bool = True
    """False if the asker wants nothing that a cache has kept."""
    anew: bool = False
    """True if what moves may come from a cache only where no source can be heard."""
    max_staleness: float | None = None
    """The most seconds past its life that the asker takes a value; None where he does not say."""
    trace_id: str = ""
    """The name of the request in logs and traces, also beyond this gateway."""

    @property
    def time_left(self) -> float | None:
        """Seconds until the deadline, never below 0; None where there is none."""
        return None if self.deadline is None else self.deadline.remaining


_CURRENT: ContextVar[Request | None] = ContextVar("argus_request", default=None)
_NOBODY = Request()


def current_request() -> Request:
    """The request that is being answered here; an empty one where there is none."""
    return _CURRENT.get() or _NOBODY


def amend(**changes: Any) -> None:
    """Change the current request until the block of :func:`requesting` around it ends.

    For who learns more of it on the way: who asks, until when. Without such a block it stays
    changed for the rest of the task.
    """
    _CURRENT.set(replace(current_request(), **changes))


def refuse_loop(gateway: str, via: tuple[str, ...]) -> None:
    """Raise :class:`Loop` if a question that came through ``via`` must not enter ``gateway``."""
    if gateway in via:
        raise Loop("this question has been here before: gateways ask one another in a circle")
    if len(via) >= MOST_HOPS:
        raise Loop(f"this question has come through {len(via)} gateways, and {MOST_HOPS} may pass")


@contextmanager
def requesting(**changes: Any) -> Generator[Request]:
    """The current request with some of its fields changed, for as long as the block lasts."""
    request = replace(current_request(), **changes)
    token = _CURRENT.set(request)
    try:
        yield request
    finally:
        _CURRENT.reset(token)


def asking(ask: Ask) -> AbstractContextManager[Request]:
    """The current request, with the terms of ``ask`` that a source may want to know."""
    return requesting(
        use_cache=ask.use_cache,
        anew=ask.anew,
        max_staleness=ask.max_staleness,
        trace_id=ask.trace_id,
    )
