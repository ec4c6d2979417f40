"""What may become of one way to answer a series."""

from __future__ import annotations

from dataclasses import dataclass

from argus_core.model.answer import Failure, Found, Provenance


@dataclass(frozen=True, slots=True)
class Whole:
    """A series that is answered; ``item`` has no value if the source has none of it."""

    item: Found
    origin: Provenance
    unsure: bool = False


class Forgotten:
    """The archived days of the source cannot be used."""


class Outdated:
    """More was archived since the look at it."""


Outcome = Whole | Failure | Forgotten | Outdated
