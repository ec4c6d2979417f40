"""Whether the source of a table runs in a worker, and how patient the core is with it."""

from __future__ import annotations

from argus_core.config import SourceTable
from argus_core.errors import ConfigError
from argus_core.extend.source import Source
from argus_core.routing.workers.limits import Limits

_TERMS = ("kill_after", "heartbeat_lost", "job_limit")


def terms_of(table: SourceTable, cls: type[Source], where: str) -> Limits | None:
    """The limits of the worker that the table asks for; None if the source runs in the gateway.

    Raises :class:`ConfigError` for more than one worker, for limits of a worker where there is
    none, and for a worker that would only pass on what another process says.
    """
    given = {name: getattr(table, name) for name in _TERMS if getattr(table, name) is not None}
    if (table.isolation or cls.isolation) == "process":
        if cls.relays:
            raise ConfigError(
                f"plugin {table.plugin!r} asks another gateway, a process of its own already",
                where=where,
                fix='leave `isolation = "process"` out',
            )
        if table.workers > 1:
            raise _too_many(table, cls, where)
        return Limits(**given)
    if table.workers > 1:
        given["workers"] = table.workers
    if given:
        raise ConfigError(
            f"{' and '.join(given)}: only a worker has such limits, this source has none",
            where=where,
            fix='add `isolation = "process"`, or leave them out',
        )
    return None


def _too_many(table: SourceTable, cls: type[Source], where: str) -> ConfigError:
    if table.workers > cls.logins:
        allowed = "one login" if cls.logins == 1 else f"{cls.logins} logins"
        return ConfigError(
            f"{table.workers} workers are {table.workers} logins, and the vendor behind plugin "
            f"{table.plugin!r} allows {allowed} of one account at once",
            where=where,
            fix="set `workers = 1`",
        )
    return ConfigError(
        f"{table.workers} workers in one table cannot be balanced: a table is one source",
        where=where,
        fix="write a table for each login and put them into a pool, which names its balancer",
    )
