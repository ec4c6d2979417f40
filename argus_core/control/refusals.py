"""Why a change is refused, besides a value that cannot be used."""

from __future__ import annotations

from argus_core.errors import BadParameter, CallerError, ConfigError


class NoSuch(CallerError):
    """There is no pool, source or dataset of this name."""

    code = "NOT_FOUND"
    status = 404


class Conflict(CallerError):
    """The change does not go together with what is in force; the message says what stands in it."""

    code = "CONFLICT"
    status = 409


def as_callers(error: ConfigError) -> BadParameter:
    """The same as a fault of who asked for it."""
    fix = f"; {error.fix}" if error.fix else ""
    return BadParameter(f"{error.message}{fix}")
