"""What a source answers that only passes on what another gateway said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from argus_core.errors import NotOffered, SourceError
from argus_core.model.answer import Origin
from argus_core.model.records import Depth, Quote
from argus_core.model.symbol import Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """An answer with the origin of each value in it.

    ``reply`` is what the method would return by itself, in canonical units; ``origins`` and
    ``failures`` are by key. A key with an origin and no value is one that the source over there
    does not have. One that failed is asked of the next source, and the failure is nobody's fault
    here; with an origin as well, it is one that another source over there might have had.
    ``steps`` go to ``explain``; ``now`` is the instant of the answer by the other gateway's
    clock, which decides what is final in it.
    """

    reply: Any
    origins: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    failures: Mapping[str, SourceError | NotOffered] = field(
        default_factory=dict[str, "SourceError | NotOffered"]
    )
    steps: tuple[str, ...] = ()
    now: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayedPush:
    """A book that another gateway pushed, in canonical units, with its origin.

    It is a quote where the source over there has no books to push. ``mode`` says whether that
    source pushes or is asked again and again.
    """

    value: Depth | Quote
    origin: Origin
    mode: Literal["push", "poll"] = "push"

    @property
    def symbol(self) -> Symbol:
        """The instrument that the book belongs to."""
        return self.value.symbol
