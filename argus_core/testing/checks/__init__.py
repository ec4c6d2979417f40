"""Every check, by the kind of plugin that it judges."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from argus_core.testing.check import Check
from argus_core.testing.checks import (
    alerters,
    answers,
    authenticators,
    balancers,
    bars,
    books,
    caches,
    conduct,
    faults,
    minutes,
    plugins,
    reference,
    shared_caches,
    streams,
    workers,
)


def _in_order(*rooms: tuple[Check, ...]) -> tuple[Check, ...]:
    return tuple(sorted((one for room in rooms for one in room), key=lambda one: one.id))


GROUPS: Final = MappingProxyType(
    {
        "plugin": plugins.CHECKS,
        "source": _in_order(
            *(answers.CHECKS, bars.CHECKS, minutes.CHECKS, books.CHECKS),
            *(reference.CHECKS, conduct.CHECKS, workers.CHECKS, faults.CHECKS),
        ),
        "stream": streams.CHECKS,
        "cache": _in_order(caches.CHECKS, shared_caches.CHECKS),
        "balancer": balancers.CHECKS,
        "authenticator": authenticators.CHECKS,
        "alerter": alerters.CHECKS,
    }
)
"""The checks by group: ``plugin`` judges every plugin, ``stream`` sources that push."""


def checks_of(kind: str, *, pushes: bool = False) -> tuple[Check, ...]:
    """The checks that judge a plugin of a kind, in order."""
    streams_too = GROUPS["stream"] if pushes else ()
    return (*GROUPS["plugin"], *GROUPS[kind], *streams_too)
