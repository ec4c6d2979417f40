"""What everybody on the way of a request may know of it: who asks, how urgently, until when.

It travels in a context variable, so that a balancer's queue or a source three calls below need
not be handed it: each request has its own, and two gateways in one process share nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from argus_core.model.ask import Deadline


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

    @property
    def time_left(self) -> float | None:
        """Seconds until the deadline, never below 0; None where there is none."""
        return None if self.deadline is None else self.deadline.remaining


_CURRENT: ContextVar[Request | None] = ContextVar("argus_request", default=None)
_NOBODY = Request()


def current_request() -> Request:
    """The request that is being answered here; an empty one where there is none."""
    return _CURRENT.get() or _NOBODY


@contextmanager
def requesting(**changes: Any) -> Iterator[Request]:
    """The current request with some of its fields changed, for as long as the block lasts."""
    request = replace(current_request(), **changes)
    token = _CURRENT.set(request)
    try:
        yield request
    finally:
        _CURRENT.reset(token)
