"""What the archive gives back, beside the keys and spans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from argus_core.history.revisions import Revision

Progress = Callable[[int, int], None]
"""Told how many steps of how many are done."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a series over a range, as they were archived, ascending."""

    frame: pl.DataFrame
    fetched_at: datetime
    """When the oldest of what is in it was fetched; a later answer of the same rows counts not."""
    resolution: Mapping[str, float] = field(default_factory=dict[str, float])
    """The fields that the vendor counts more coarsely than a share and a cent."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a clear removed."""

    series: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ArchiveStats:
    """How much an archive holds."""

    series: int
    rows: int
    bytes: int
    """Of the chunk files."""
    chunks: int
    spans: int
    """Stretches of sealed days, each within a chunk."""
    revisions: int


Mark = tuple[float, int]
"""A revision's place among all: when it was noticed, in POSIX seconds, and its number."""


@dataclass(frozen=True, slots=True)
class RevisionPage:
    """Some of the revisions that were asked for, the newest first."""

    rows: tuple[Revision, ...]
    total: int
    """How many there are, on this page and on all others."""
    last: Mark | None = None
    """After which the next page begins; None if nothing comes after this one."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds."""

    series: int
    chunks: int
    revisions: int
    bytes: int
    """Of the backup file."""


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore brought into the archive."""

    chunks: int
    """Chunks in the backup."""
    merged: int
    """Chunks of them that had anything new."""
    series: int
    revisions: int
    """Revisions that were not known yet."""


def silent(_done: int, _of: int) -> None:
    """Progress that nobody looks at."""
