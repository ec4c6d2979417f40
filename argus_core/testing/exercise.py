"""A little of everything that a plugin of each kind does."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from argus_core.clock import Clock
from argus_core.errors import BadCredentials, NotOffered
from argus_core.extend.alerter import Alert, Alerter
from argus_core.extend.authenticator import Authenticator, Presented
from argus_core.extend.balancer import Balancer
from argus_core.extend.cache import Cache
from argus_core.extend.source import Source
from argus_core.testing.check import Skipped
from argus_core.testing.questions import Asking, datasets
from argus_core.testing.subject import Subject


@dataclass(frozen=True, slots=True)
class Member:
    """A node of a pool as a balancer sees it; nothing else can be read off it or changed."""

    name: str
    weight: float = 1.0
    in_flight: int = 0


class Ticking(Clock):
    """A clock on which each look takes so many seconds, so that a run can be repeated."""

    def __init__(self, tick: float = 0.01) -> None:
        self._tick = tick
        self._seconds = 0.0

    def monotonic(self) -> float:
        """The seconds of the last look and a tick."""
        self._seconds += self._tick
        return self._seconds


@asynccontextmanager
async def opens(instance: Any) -> AsyncGenerator[Any]:
    """The instance, opened and closed if it is of a kind that is."""
    try:
        if hasattr(instance, "open"):
            await instance.open()
        yield instance
    finally:
        if hasattr(instance, "close"):
            await instance.close()


async def exercise(subject: Subject, instance: Any) -> None:
    """Return when the open instance has done one thing of its trade."""
    if isinstance(instance, Source):
        await _ask(subject, instance)
    elif isinstance(instance, Cache):
        await instance.set_many({"exercise": b"1"}, 60)
        await instance.get_many(["exercise"])
        await instance.stats()
    elif isinstance(instance, Balancer):
        members = [Member("a"), Member("b")]
        instance.report(instance.pick(members), ok=True, seconds=0.01)
        for chosen in instance.pick_each(members, ["600519.SH"]).values():
            instance.gave_up(chosen, seconds=0.01)
    elif isinstance(instance, Authenticator):
        await _show(subject, instance)
    elif isinstance(instance, Alerter):
        await instance.send(alert(subject))


def alert(subject: Subject, message: str = "this is a test of the conformance kit") -> Alert:
    """An alert that says what it is."""
    return Alert(at=subject.clock.now(), subject="conformance", event="test", message=message)


async def _ask(subject: Subject, source: Source) -> None:
    """The first dataset about a known symbol; a source of tables only is pinged."""
    asking = Asking(subject, source)
    try:
        dataset = datasets(source)[0]
        await asking.raw(asking.query(dataset, (await asking.known(dataset))[:1]))
    except (Skipped, NotOffered):
        await source.ping()


async def _show(subject: Subject, authenticator: Authenticator) -> None:
    presents = [Presented(), Presented(bearer=SecretStr("nobody's"))]
    if subject.credentials is not None:
        presents += subject.credentials(authenticator).values()
    for presented in presents:
        try:
            await authenticator.authenticate(presented)
        except BadCredentials:
            continue
