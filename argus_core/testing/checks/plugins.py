"""PLG: what every plugin keeps, whatever its kind."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pluggy
from pydantic import BaseModel, SecretStr

from argus_core import hookspecs
from argus_core.errors import ConfigError
from argus_core.plugins import read_settings
from argus_core.telemetry.secrets import Secrets
from argus_core.testing.check import Check, Failed, check, demand, skip
from argus_core.testing.exercise import exercise, opens
from argus_core.testing.importing import alien_imports, import_report
from argus_core.testing.subject import Subject

STRANGE = "no_such_key_as_this"
_SETTLING = 2.0
"""Seconds that threads and sockets may take to end after `close`."""


@check("PLG-01")
async def quiet_import(subject: Subject) -> None:
    """Importing the plugin does nothing but define it.

    No network, no thread, no output, no change of the environment, the warning filters, the
    logging set-up or the time zone: `argus plugins`, `argus check` and every worker import it.
    Import the vendor's package inside `open`. Judged in a process of its own.
    """
    report = await asyncio.to_thread(import_report, subject)
    demand(not report.error, f"it cannot be imported in a process of its own: {report.error}")
    demand(
        not report.deeds,
        f"importing it {'; '.join(report.deeds)}: move that into `open`",
    )


@check("PLG-02")
async def known_hooks(subject: Subject) -> None:
    """The module has a hook for the plugin's kind, and none that Argus does not know.

    A misspelt hook is never called. Skipped where a class was given instead of a plugin's name.
    """
    if subject.module is None:
        skip("a class was given, so there is no module with hooks to look at")
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    module = sys.modules.get(subject.module) or importlib.import_module(subject.module)
    try:
        manager.register(module)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise Failed(f"a hook is unknown or has another signature: {error}") from None
    callers = [caller.name for caller in manager.get_hookcallers(module) or ()]
    demand(
        f"register_{subject.kind}" in callers,
        f"add `@hookimpl def register_{subject.kind}(): return {subject.cls.__name__}`",
    )


@check("PLG-03")
async def public_names(subject: Subject) -> None:
    """The plugin imports from `argus_core` itself, never from a module below it.

    What lies below moves without notice; `argus_core.testing` is public too.
    """
    alien = alien_imports(subject.cls)
    demand(not alien, f"import these from argus_core: {', '.join(alien)}")


@check("PLG-04")
async def unknown_setting(subject: Subject) -> None:
    """A key that the settings do not know is refused with its name and its table.

    Otherwise a misspelt key is a silent default. Derive the settings from `argus_core.Settings`.
    """
    if not hasattr(subject.cls, "Settings"):
        skip("a balancer has no settings")
    where = f"plugins.toml, [{subject.kind}s.conformance]"
    model = subject.model
    table, environ = _as_written(model)
    table[STRANGE] = 1
    try:
        read_settings(subject.cls, table, where=where, secrets=Secrets(environ, Path()))
    except ConfigError as error:
        demand(
            STRANGE in error.message and where in error.where,
            f"the refusal of an unknown key should name it and its table, it says: {error}",
        )
        return
    raise Failed(
        f"the unknown key {STRANGE!r} was taken: derive Settings from argus_core.Settings, "
        'or set extra="forbid"'
    )


@check("PLG-05")
async def independent_instances(subject: Subject) -> None:
    """Two instances share nothing: no mutable class attribute, and one outlives the other.

    Two accounts of one vendor are two instances. Skipped where the vendor's package allows one
    session a process (`isolation = "process"`), except for the class attributes.
    """
    before = _mutables(subject.cls)
    one, other = subject.make("one"), subject.make("two")
    demand(one is not other, "two tables need two instances: do not keep one in the class")
    if getattr(subject.cls, "isolation", "none") == "process":
        async with opens(one):
            await exercise(subject, one)
    else:
        async with opens(one), opens(other):
            await exercise(subject, one)
            if hasattr(one, "close"):
                await one.close()
            await exercise(subject, other)
    after = _mutables(subject.cls)
    changed = [name for name, text in after.items() if before.get(name) != text]
    demand(
        not changed,
        f"the class attributes {', '.join(changed)} changed by use: make them in __init__",
    )


@check("PLG-06")
async def open_and_close(subject: Subject) -> None:
    """`close` can be called twice, and without `open`.

    The gateway closes everything when one part fails to start.
    """
    if not hasattr(subject.cls, "close"):
        skip(f"{subject.kind}s are not opened")
    await subject.make().close()
    instance = subject.make()
    try:
        await instance.open()
    finally:
        await instance.close()
        await instance.close()


@check("PLG-07")
async def hidden_secrets(subject: Subject) -> None:
    """A secret stands in no `repr`, no log record and no exception.

    Type it `SecretStr`, and say errors in your own words: a vendor's text may repeat the token.
    Skipped without secrets in the settings.
    """
    secrets = _secrets(subject)
    if not secrets:
        skip("its settings hold no secret")
    heard = _Heard()
    root = logging.getLogger()
    level = root.level
    root.addHandler(heard)
    root.setLevel(logging.DEBUG)
    try:
        told = await _told(subject)
    finally:
        root.setLevel(level)
        root.removeHandler(heard)
    for place, text in (*told, *(("a log record", text) for text in heard.texts)):
        demand(
            not any(secret in text for secret in secrets),
            f"{place} holds a secret: keep it in a SecretStr and out of every message",
        )


@check("PLG-08")
async def nothing_left(subject: Subject) -> None:
    """After `close` no task, thread or socket of the plugin is left.

    A gateway that reloads its configuration would gather them.
    """
    # The first use may start what belongs to the process: a library's pool, the core's calendar
    async with opens(first := subject.make()):
        await exercise(subject, first)
    tasks, threads, sockets = asyncio.all_tasks(), set(threading.enumerate()), _sockets()
    async with opens(second := subject.make()):
        await exercise(subject, second)
    ends = time.monotonic() + _SETTLING
    while left := _left(tasks, threads, sockets):
        if time.monotonic() > ends:
            break
        await asyncio.sleep(0.05)
    else:
        return
    raise Failed(f"after close there is still {', '.join(left)}: end it in `close`")


CHECKS: tuple[Check, ...] = (
    quiet_import,
    known_hooks,
    public_names,
    unknown_setting,
    independent_instances,
    open_and_close,
    hidden_secrets,
    nothing_left,
)


def _as_written(model: BaseModel) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The settings as a file writes them: secrets as references, and where those lead."""
    table: dict[str, Any] = {}
    environ: dict[str, str] = {}
    for name in model.model_fields_set:
        value = getattr(model, name)
        if isinstance(value, SecretStr):
            variable = f"CONFORMANCE_{name.upper()}"
            environ[variable] = value.get_secret_value()
            value = {"env": variable}
        table[name] = value
    return table, environ


def _mutables(cls: type[Any]) -> dict[str, str]:
    """The lists, sets and mappings that the class's instances share, as text."""
    own: dict[str, Any] = {n: v for c in reversed(cls.__mro__) for n, v in vars(c).items()}
    return {n: repr(v) for n, v in own.items() if type(v) in (list, dict, set)}


def _secrets(subject: Subject) -> set[str]:
    if not hasattr(subject.cls, "Settings"):
        return set()
    known = Secrets({}, Path())
    known.remember(subject.model)
    return {text for text in known.known if len(text) >= 4}  # noqa: PLR2004


async def _told(subject: Subject) -> list[tuple[str, str]]:
    """What the plugin says of itself and of its troubles."""
    told: list[tuple[str, str]] = []
    for fault in (None, *subject.faults.values()):
        instance = subject.make()
        told += [("repr()", repr(instance)), ("repr() of the settings", repr(subject.model))]
        try:
            if fault is None:
                async with opens(instance):
                    await exercise(subject, instance)
            else:
                with fault():
                    async with opens(instance):
                        await exercise(subject, instance)
        except Exception as error:  # noqa: BLE001 - its text is what is looked at
            told.append((f"the text of {type(error).__name__}", f"{error} {error!r}"))
    return told


class _Heard(logging.Handler):
    """Every record of every logger, as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record's text."""
        self.texts.append(record.getMessage())
        if record.exc_info:
            self.texts.append(logging.Formatter().formatException(record.exc_info))


def _sockets() -> set[int]:
    """The file descriptors of all open sockets that Python knows."""
    # By type: isinstance would ask a weak proxy for what may be gone
    found = (thing for thing in gc.get_objects() if issubclass(type(thing), socket.socket))
    return {number for thing in found if (number := thing.fileno()) >= 0}


def _left(tasks: set[Any], threads: set[threading.Thread], sockets: set[int]) -> list[str]:
    gc.collect()
    left = [f"the task {t.get_coro()}" for t in asyncio.all_tasks() - tasks if not t.done()]
    started = set(threading.enumerate()) - threads
    # The loop's own executor ends with the loop
    left += [f"the thread {t.name!r}" for t in started if not t.name.startswith("asyncio_")]
    if opened := _sockets() - sockets:
        left.append(f"{len(opened)} open socket(s)")
    return left
