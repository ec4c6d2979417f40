"""What the other Argus can be asked, as its list of sources says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from argus_core import BadData, Exchange, Kind, Period

E = TypeVar("E", bound=StrEnum)


class _Source(BaseModel):
    datasets: list[str]
    exchanges: list[str]
    kinds: list[str]
    periods: list[str]
    simulated: bool


class _Sources(BaseModel):
    data: list[_Source]


class _Health(BaseModel):
    version: str
    uptime_seconds: int


_SOURCES = TypeAdapter(_Sources)
_HEALTH = TypeAdapter(_Health)


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What some source of the other one offers; ``simulated`` is None where they differ."""

    datasets: frozenset[str]
    exchanges: frozenset[Exchange]
    kinds: frozenset[Kind]
    periods: frozenset[Period]
    simulated: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Which Argus it is, and for how many seconds it has been up."""

    version: str
    uptime: int


def abilities(body: bytes) -> Abilities:
    """The abilities that ``/api/v1/sources`` tells; :class:`BadData` if it tells none."""
    try:
        sources = _SOURCES.validate_json(body).data
    except ValidationError:
        raise BadData("its list of sources cannot be read: is it an Argus?") from None
    invented = {source.simulated for source in sources}
    return Abilities(
        datasets=frozenset(name for source in sources for name in source.datasets),
        exchanges=_known(Exchange, (name for source in sources for name in source.exchanges)),
        kinds=_known(Kind, (name for source in sources for name in source.kinds)),
        periods=_known(
            Period,
            (name for source in sources if "bars" in source.datasets for name in source.periods),
        ),
        simulated=invented.pop() if len(invented) == 1 else None,
    )


def health(body: bytes) -> Health:
    """What ``/health`` tells; :class:`BadData` if it is not that of an Argus."""
    try:
        told = _HEALTH.validate_json(body)
    except ValidationError:
        raise BadData("its health cannot be read: is it an Argus?") from None
    return Health(version=told.version, uptime=told.uptime_seconds)


def _known(kind: type[E], names: Iterable[str]) -> frozenset[E]:
    """Those of the names that are known here too."""
    known = {member.value: member for member in kind}
    return frozenset(known[name] for name in names if name in known)
