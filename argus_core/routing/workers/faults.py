"""Errors that a worker reports, by name: nothing of a stranger's class crosses the pipe."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any

from argus_core import errors
from argus_core.errors import (
    ArgusError,
    CallerError,
    ConfigError,
    NotOffered,
    PluginError,
    SourceError,
    SourceUnavailable,
)
from argus_core.routing.workers.forms import UNREADABLE, form_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error in words: the class of the core that it is, and what that class was given."""

    kind: str
    message: str
    retry_after: float | None = None
    details: Any = None
    where: str = ""
    fix: str = ""


def fault_of(error: BaseException, name: str, *, telling: bool = False) -> Fault:
    """What to report of an error that the source ``name`` raised.

    An exception that is none of the core's becomes :class:`SourceUnavailable`; its own words are
    told only where operators alone read them (``telling``).
    """
    fault = _fault_of(error, name, telling=telling)
    # a lone surrogate is no JSON
    return replace(fault, message=fault.message.encode(errors="replace").decode())


def _fault_of(error: BaseException, name: str, *, telling: bool) -> Fault:
    if isinstance(error, ConfigError):
        name = PluginError.__name__ if isinstance(error, PluginError) else ConfigError.__name__
        return Fault(kind=name, message=error.message, where=error.where, fix=error.fix)
    if isinstance(error, SourceError | NotOffered):
        kind = next(cls for cls in type(error).__mro__ if cls.__module__ == errors.__name__)
        wait = error.retry_after if isinstance(error, SourceError) else None
        if isinstance(error, SourceError) and kind is not type(error):
            wait = error.cool_seconds  # the plugin's own class may have said how long
        return Fault(
            kind=kind.__name__,
            message=error.message,
            retry_after=wait,
            details=_portable(error.details),
        )
    if isinstance(error, CallerError):
        # As in Node: the question is at fault, as this source sees it, and nobody is blamed.
        return Fault(kind=NotOffered.__name__, message=error.message)
    message = f"{name} raised {type(error).__name__} instead of answering"
    if telling:
        message = f"{type(error).__name__}: {error}"
    return Fault(kind=SourceUnavailable.__name__, message=message)


def error_of(fault: Fault) -> ArgusError:
    """The error that a fault reports."""
    kind = getattr(errors, fault.kind, None)
    if inspect.isclass(kind) and issubclass(kind, ConfigError):
        return kind(fault.message, where=fault.where, fix=fault.fix)
    if inspect.isclass(kind) and issubclass(kind, SourceError):
        return kind(fault.message, retry_after=fault.retry_after, details=fault.details)
    if kind is NotOffered:
        return NotOffered(fault.message, details=fault.details)
    return SourceUnavailable(fault.message)


def _portable(details: Any) -> Any:
    try:
        form_of(Any).encode(details)
    except UNREADABLE:
        return None
    return details
