"""What `argus check` finds out: does every configured part start and answer?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from argus_core.assembly import Parts
from argus_core.clock import Clock
from argus_core.config import Config
from argus_core.errors import ArgusError, ConfigError
from argus_core.folders import Folder, archive_folder, state_folder
from argus_core.telemetry.mistakes import of_table
from argus_core.telemetry.redact import Redactor

PATIENCE = 20.0
"""Seconds that one part may take to open or to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One part's verdict: what it is, whether it works, how long it took, what to do if not."""

    kind: str
    name: str
    plugin: str
    ok: bool
    seconds: float
    message: str
    where: str = ""
    fix: str = ""


async def check(parts: Parts, config: Config, *, clock: Clock, redactor: Redactor) -> list[Check]:
    """A verdict on every source and cache, in the order of the configuration, and on the archive.

    The directory of the server's state is told of only if it cannot be used.
    """
    examiner = _Examiner(clock, redactor)
    tasks: list[Awaitable[Check]] = []
    if not parts.nodes:
        tasks.append(examiner.lame("(none)", "", "no source is configured"))
    for node in parts.nodes.values():
        if node.down is not None:
            tasks.append(examiner.lame(node.name, node.plugin, node.down))
            continue
        source = node.source
        steps = (source.open, source.ping, source.close)
        where = f"{config.where}, [sources.{node.name}]"
        tasks.append(examiner.run("source", node.name, node.plugin, steps, where))
    for level in parts.levels:
        cache = level.cache
        calls = (cache.open, cache.stats, cache.close)
        where = f"{config.where}, [caches.{cache.name}]"
        tasks.append(examiner.run("cache", cache.name, level.plugin, calls, where))
    found = list(await asyncio.gather(*tasks))
    if archive := archive_folder(config):
        found.append(_looked_at("archive", "history", archive))
    if (state := state_folder(config)) and state.refusal():
        found.append(_looked_at("state", "data_dir", state))
    return found


def _looked_at(kind: str, name: str, folder: Folder) -> Check:
    """The verdict on a directory, in which nothing is made."""
    error = folder.refusal()
    return Check(
        kind=kind,
        name=name,
        plugin="",
        ok=error is None,
        seconds=0.0,
        message=error.message if error else f"can be kept in {folder.path}",
        where=error.where if error else "",
        fix=error.fix if error else "",
    )


class _Examiner:
    def __init__(self, clock: Clock, redactor: Redactor) -> None:
        self._clock = clock
        self._redactor = redactor

    async def lame(self, name: str, plugin: str, reason: str) -> Check:
        """The verdict on a source that could not even be built."""
        return Check(kind="source", name=name, plugin=plugin, ok=False, seconds=0.0, message=reason)

    async def run(
        self,
        kind: str,
        name: str,
        plugin: str,
        steps: Iterable[Callable[[], Awaitable[object]]],
        table: str,
    ) -> Check:
        """The verdict after all steps: the last closes, whatever happened before."""
        *work, close = steps
        began = self._clock.monotonic()
        message, where, fix = "answers", "", ""
        ok = True
        limit = asyncio.timeout(PATIENCE)
        try:
            async with limit:
                for step in work:
                    await step()
        except ConfigError as error:
            told = of_table(error, table, self._redactor)
            ok, message, where, fix = False, told.message, told.where, told.fix
        except ArgusError as error:
            ok, message = False, f"{error.code}: {error.message}"
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; the table says so
            ok, message = False, f"{type(error).__name__}: {error}"
            if limit.expired():  # else a time-out is the part's own, and may come at once
                message = f"no answer within {PATIENCE:.0f} s"
        seconds = self._clock.monotonic() - began
        try:
            await close()
        except Exception as error:  # noqa: BLE001 - as above
            ok, message = False, f"close failed: {type(error).__name__}: {error}"
        return Check(
            kind=kind,
            name=name,
            plugin=plugin,
            ok=ok,
            seconds=seconds,
            message=self._redactor.foreign(message),
            where=where,
            fix=fix,
        )
