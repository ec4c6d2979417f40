"""SRC-45: the source in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from random import Random
from typing import Any

from pydantic import BaseModel, SecretStr

from argus_core import hookspecs
from argus_core.clock import Clock
from argus_core.routing.workers.isolated import isolated
from argus_core.routing.workers.limits import Limits
from argus_core.routing.workers.protocol import Start
from argus_core.testing.check import Check, check, demand, skip
from argus_core.testing.questions import Asking, asking, datasets, same
from argus_core.testing.subject import Subject

_SEALED = ("bars", "factors", "instruments")


@check("SRC-45")
async def same_in_a_worker(subject: Subject) -> None:
    """In a worker process the source answers as it does in this one.

    `isolation = "process"` is a line of the operator's. Judged on the bars, factors and instruments
    of known symbols, under the real clock. Skipped where a class was given instead of the name of
    an installed plugin: a worker loads it by that.
    """
    if subject.cls.relays:
        skip("another gateway is a process of its own already")
    if not _installed(subject):
        skip("it was not given by the name of an installed plugin")
    async with asking(subject, clock=Clock()) as it:
        here = await _answers(it)
    async with _in_a_worker(subject) as it:
        there = await _answers(it)
    for what, value in here.items():
        demand(
            what in there and same(value, there[what]),
            f"{what} differs in a worker: what does the source keep outside of its settings?",
        )
    if not here:
        skip("it answers no bars, no factors and no instruments of known symbols")


CHECKS: tuple[Check, ...] = (same_in_a_worker,)


def _installed(subject: Subject) -> bool:
    entries = entry_points(group=hookspecs.PROJECT)
    return any(e.name == subject.plugin and e.module == subject.module for e in entries)


async def _answers(it: Asking) -> dict[str, Any]:
    """The canonical values of what does not change by itself."""
    found: dict[str, Any] = {}
    for dataset in datasets(it.source):
        if dataset in _SEALED and (symbols := await it.answered(dataset)):
            reading = await it.ask(it.query(dataset, symbols[:2]))
            found |= {f"{dataset} of {key}": value for key, value in reading.values.items()}
    return found


@asynccontextmanager
async def _in_a_worker(subject: Subject) -> AsyncGenerator[Asking]:
    """The source, opened in a worker."""
    limits = Limits()
    start = Start(
        name="conformance",
        plugin=subject.plugin,
        where=f"the settings of {subject.plugin}",
        table=_plain(subject),
        beat=limits.beat,
        heartbeat_lost=limits.heartbeat_lost,
    )
    source = isolated(subject.cls)(
        start,
        subject.model,
        Clock(),
        limits=limits,
        secrets=(),
        random=Random(1),
        tell=lambda _name, _event, _message: None,
    )
    try:
        await source.open()
        yield Asking(subject, source)
    finally:
        await source.close()


def _plain(subject: Subject) -> dict[str, Any]:
    """The settings as the worker gets them: what was given, secrets in clear."""
    given: BaseModel = subject.model
    values = {name: getattr(given, name) for name in given.model_fields_set}
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in values.items()
    }
