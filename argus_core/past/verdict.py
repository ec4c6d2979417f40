"""Why a series has no value, where several sources were asked one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from argus_core.errors import (
    AllSourcesFailed,
    ArgusError,
    BadData,
    DeadlineExceeded,
    GatewayError,
    NotOffered,
    NotReady,
)
from argus_core.model.answer import Failure

FAILED = "every source of the route failed or is cooling down"

_FIRST = (NotReady.code, BadData.code)


def worst(errors: Sequence[ArgusError], *, late: bool) -> ArgusError:
    """The error that speaks for all of ``errors``, with the attempts of each.

    ``late`` says that the asker's own time is over: what one source was given is not all of it.
    """
    chosen = min(errors, key=lambda error: _rank(error, late=late))
    if not isinstance(chosen, GatewayError):
        return chosen
    heard = [error for error in errors if isinstance(error, GatewayError)]
    waits = [error.retry_after for error in heard if error.retry_after is not None]
    early = isinstance(chosen, DeadlineExceeded) and not late
    kind = AllSourcesFailed if early else type(chosen)
    return kind(
        FAILED if early else chosen.message,
        attempts=[attempt for error in heard for attempt in error.attempts],
        retry_after=min(waits, default=None),
        details=chosen.details,
    )


def refusal(failures: Sequence[Failure], *, late: bool) -> Failure:
    """The failure of one series that speaks for all of ``failures``."""
    chosen = min(failures, key=_place)
    if chosen.code == DeadlineExceeded.code and not late:
        return Failure(code=AllSourcesFailed.code, message=FAILED)
    return chosen


def outweighs_silence(failures: Sequence[Failure]) -> bool:
    """True if a failure says more than that another source has nothing."""
    return any(failure.code in _FIRST for failure in failures)


def _rank(error: ArgusError, *, late: bool) -> int:
    if isinstance(error, NotReady):
        return 0
    if isinstance(error, DeadlineExceeded):
        return 1 if late else 3
    return 2 if isinstance(error, GatewayError) else 4


def _place(failure: Failure) -> int:
    if failure.code in _FIRST:
        return _FIRST.index(failure.code)
    return len(_FIRST) + (failure.code == NotOffered.code)
