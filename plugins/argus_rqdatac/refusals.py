"""What the vendor's errors mean, the swallowed ones too. No text of the vendor's is passed on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from socket import gaierror

from argus_core import (
    ArgusError,
    LoginFailed,
    NotOffered,
    PermissionDenied,
    SourceTimeout,
    SourceUnavailable,
    Throttled,
)

_SWALLOWED = ("get history minbar price failed:", "get history tick failed:")
_SWALLOWED_TODAY = "Not permit to get realtime minbar price"
_NO_SERVICE = ("market not supported", "Can't found the request service", "no service")
_TOO_MANY_SESSIONS = "login session num reached"
_SESSION_PAUSE = 60.0


def meaning(error: Exception, what: str, now: datetime) -> ArgusError:
    """The error that the vendor's ``error`` stands for when it was asked for ``what``."""
    if isinstance(error, ArgusError):
        return error
    if _TOO_MANY_SESSIONS in str(error):
        return too_many_sessions()
    refused = _refusal(_vendor_names(error), what, now)
    if refused is not None:
        return refused
    if isinstance(error, TimeoutError):
        return SourceTimeout(f"rqdatac did not answer in time when asked for {what}")
    if isinstance(error, ConnectionRefusedError | gaierror):
        return SourceUnavailable(
            f"rqdatac's server cannot be reached ({type(error).__name__}): are host and port right?"
        )
    # Lost connections, the server's own errors, and what the client's code trips over.
    return SourceUnavailable(f"rqdatac failed with {type(error).__name__} on {what}")


def _refusal(names: set[str], what: str, now: datetime) -> ArgusError | None:
    """What the server says no to, told from the error's classes."""
    if "AuthenticationFailed" in names:
        return LoginFailed("rqdatac refuses the account: name, password or license key is wrong")
    if "QuotaExceeded" in names:
        return exhausted(until_midnight(now))
    if "PermissionDenied" in names:
        return PermissionDenied(f"the rqdatac account may not read {what}")
    if names & {"MarketNotSupportError", "NoSuchService"}:
        return NotOffered(f"rqdatac does not offer {what}")
    return None


def swallowed(warnings: Iterable[str], what: str) -> ArgusError | None:
    """The refusal that the vendor's client turned into a warning and half an answer."""
    for warning in warnings:
        if warning.startswith(_SWALLOWED_TODAY):
            return PermissionDenied(f"the rqdatac account may not read today's {what}")
        if warning.startswith(_SWALLOWED):
            if _TOO_MANY_SESSIONS in warning:
                return too_many_sessions()
            if any(told in warning for told in _NO_SERVICE):
                return NotOffered(f"rqdatac does not offer {what}")
            return PermissionDenied(f"the rqdatac account may not read {what}")
    return None


def too_many_sessions() -> LoginFailed:
    """The refusal of one login more than the account may have."""
    return LoginFailed(
        "all sessions of the rqdatac account are in use: end other programs that are logged in "
        "with it, or give each an account of its own",
        retry_after=_SESSION_PAUSE,
    )


def exhausted(pause: float) -> Throttled:
    """The refusal of a call after the day's bytes are used up."""
    return Throttled(
        "the day's quota of the rqdatac account is used up; it is asked again after midnight in "
        "Beijing (the vendor does not say at what hour it counts anew)",
        retry_after=pause,
    )


def until_midnight(now: datetime) -> float:
    """Seconds until the next midnight in Beijing; ``now`` is aware, Shanghai."""
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - now).total_seconds()


def _vendor_names(error: Exception) -> set[str]:
    """The names of the error's own classes and their parents, as far as they are the vendor's."""
    classes = type(error).__mro__
    return {cls.__name__ for cls in classes if cls.__module__.startswith("rqdatac")}
