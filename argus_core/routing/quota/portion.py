"""One asker's part of what a call brought that several share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TypeVar

from argus_core.market.normalise import Reading

V = TypeVar("V")


def portion(reading: Reading, keys: Collection[str], *, first: bool) -> Reading:
    """What ``reading`` says of ``keys``; only the ``first`` asker gets the counts of its proof."""
    asked = frozenset(keys)
    return replace(
        reading,
        values=_of(reading.values, asked),
        faults=_of(reading.faults, asked),
        resolution=_of(reading.resolution, asked),
        origins=_of(reading.origins, asked),
        doubts=_of(reading.doubts, asked),
        failures=_of(reading.failures, asked),
        proved=reading.proved if first else 0,
        off=reading.off if first else 0,
    )


def _of(told: Mapping[str, V], asked: frozenset[str]) -> dict[str, V]:
    return {key: value for key, value in told.items() if key in asked}
