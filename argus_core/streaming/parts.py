"""The directory of a recording: Parquet parts, each whole and on the disk, and a manifest.

What is written at a time is a small part of its own; small parts are put together to a large one
when there are enough of them. A file has its name only once it is whole, so that whatever ends the
process, every part that has one can be read. The manifest only repeats what the parts hold.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl

from argus_core.disk import sync_names

log = logging.getLogger(__name__)

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MOST_SMALL: Final = 180
"""Small parts, at most, that wait to be put together."""
ROTATE_SECONDS: Final = 900.0
"""Seconds, at most, for which small parts wait to be put together."""
_LEFT_OVER: Final = 3600.0
"""Seconds after which an unfinished file is nobody's any more."""
_NAME: Final = re.compile(r"(\d{8}T\d{6}-[0-9a-f]{8})-(\d{6})(?:-(\d{6}))?\.parquet")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One file: the recording run that wrote it, and which of its small parts it holds."""

    run: str
    first: int
    last: int

    @property
    def name(self) -> str:
        """The file's name."""
        end = "" if self.last == self.first else f"-{self.last:06d}"
        return f"{self.run}-{self.first:06d}{end}.parquet"

    def holds(self, other: Part) -> bool:
        """True if everything in the other is in this one too."""
        same = self.run == other.run and self != other
        return same and self.first <= other.first and other.last <= self.last


@dataclass(frozen=True, slots=True)
class Facts:
    """What the manifest says of a part."""

    file: str
    rows: int
    bytes: int
    first_at: datetime
    last_at: datetime
    days: tuple[str, ...]
    simulated: bool
    replayed: tuple[str, ...]
    lost: int


def parts_in(folder: Path) -> list[Part]:
    """The parts of a recording in order; those that are in a larger one already are left out."""
    found: list[Part] = []
    for path in folder.iterdir():
        if match := _NAME.fullmatch(path.name):
            run, first, last = match.groups()
            found.append(Part(run, int(first), int(last or first)))
    kept: list[Part] = []
    for part in sorted(found, key=lambda one: (one.run, one.first, -one.last)):
        if not kept or not kept[-1].holds(part):
            kept.append(part)
    return kept


class Parts:
    """Writes one run of a recording, and keeps the manifest of the whole directory."""

    def __init__(self, folder: Path, *, began: datetime, rotate_bytes: int) -> None:
        self.folder = folder
        self.rows = 0
        """Rows that this run has written."""
        self.bytes = 0
        """Bytes on the disk of what this run has written, as it lies there now."""
        self._run = f"{began:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        self._rotate_bytes = rotate_bytes
        self._next = 1
        self.trouble: str | None = None
        """Why parts were not put together, or the manifest not written; no row is lost by it."""
        self._small: list[Part] = []
        self._since = time.monotonic()
        self._facts: dict[str, Facts] = {}
        self._symbols: dict[str, frozenset[str]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._sweep()

    def write(self, frame: pl.DataFrame) -> None:
        """Bring rows to the disk as a part; OSError if they are not there afterwards."""
        part = Part(self._run, self._next, self._next)
        self._place(part, lambda path: frame.write_parquet(path, compression="zstd"))
        self._next += 1
        self._small.append(part)
        self.rows += frame.height
        self.bytes += self._facts[part.name].bytes
        size = sum(self._facts[one.name].bytes for one in self._small)
        late = time.monotonic() - self._since > ROTATE_SECONDS
        self._tidy(rotating=size >= self._rotate_bytes or len(self._small) >= MOST_SMALL or late)

    def close(self) -> None:
        """Put together what is left."""
        self._tidy(rotating=True)

    def _tidy(self, *, rotating: bool) -> None:
        """Put the small parts together if it is time, and bring the manifest up to date.

        The rows are on the disk already, so whatever fails here is tried again the next time.
        """
        try:
            if rotating:
                self._rotate()
            self._write_manifest()
        except (OSError, pl.exceptions.PolarsError) as error:
            self.trouble = f"{type(error).__name__}: {error}"
            log.warning("the parts of %s are not in order: %s", self.folder, self.trouble)
        else:
            self.trouble = None

    def _rotate(self) -> None:
        small, self._since = self._small, time.monotonic()
        if len(small) < 2:  # noqa: PLR2004 - one is a large one already
            self._small = []
            return
        large = replace(small[0], last=small[-1].last)
        frames = pl.scan_parquet([self.folder / one.name for one in small])
        self._place(large, lambda path: frames.sink_parquet(path, compression="zstd"))
        self._small = []
        self.bytes += self._facts[large.name].bytes
        for one in small:
            self.bytes -= self._facts.pop(one.name).bytes
            del self._symbols[one.name]
            # A reader may hold it open where the system minds; the larger one counts in any case.
            with contextlib.suppress(OSError):
                (self.folder / one.name).unlink()

    def _place(self, part: Part, write: Callable[[Path], Any]) -> None:
        """The file of a part, under its name only once it is on the disk."""
        aside = self.folder / f".{part.name}.tmp"
        try:
            write(aside)
            _settled(aside)
            self._learn(part, aside)
            aside.replace(self.folder / part.name)
        except pl.exceptions.PolarsError as error:
            raise OSError(f"{part.name} cannot be written: {error}") from error
        finally:
            aside.unlink(missing_ok=True)
        sync_names(self.folder)

    def _learn(self, part: Part, path: Path) -> None:
        self._facts[part.name], self._symbols[part.name] = facts_of(path, part.name)

    def _write_manifest(self) -> None:
        parts = parts_in(self.folder)
        for part in parts:
            if part.name not in self._facts:
                self._learn(part, self.folder / part.name)
        facts = [self._facts[part.name] for part in parts]
        symbols = frozenset[str]().union(*(self._symbols[part.name] for part in parts))
        data = orjson.dumps(manifest_of(facts, symbols), option=orjson.OPT_INDENT_2)
        aside = self.folder / f".{MANIFEST}.{self._run}.tmp"
        aside.write_bytes(data)
        _settled(aside)
        aside.replace(self.folder / MANIFEST)
        sync_names(self.folder)

    def _sweep(self) -> None:
        """Remove what runs that were killed left unfinished."""
        for path in self.folder.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _LEFT_OVER:
                    path.unlink()


def facts_of(path: Path, name: str) -> tuple[Facts, frozenset[str]]:
    """What a part holds, and of which symbols."""
    rows = pl.scan_parquet(path)
    told = rows.select(
        rows=pl.len(),
        first=pl.col("at").min(),
        last=pl.col("at").max(),
        days=pl.col("day").unique().sort().implode(),
        symbols=pl.col("symbol").unique().implode(),
        simulated=pl.col("simulated").any(),
        replayed=pl.col("replay_day").drop_nulls().unique().sort().implode(),
        lost=pl.col("lost").sum(),
    )
    row = told.collect().row(0, named=True)
    facts = Facts(
        file=name,
        rows=row["rows"],
        bytes=path.stat().st_size,
        first_at=row["first"],
        last_at=row["last"],
        days=tuple(day.isoformat() for day in row["days"]),
        simulated=bool(row["simulated"]),
        replayed=tuple(row["replayed"]),
        lost=int(row["lost"] or 0),
    )
    return facts, frozenset(row["symbols"])


def manifest_of(parts: list[Facts], symbols: Iterable[str]) -> dict[str, Any]:
    """What the manifest says of the whole directory."""
    return {
        "format": FORMAT,
        "rows": sum(part.rows for part in parts),
        "bytes": sum(part.bytes for part in parts),
        "days": sorted({day for part in parts for day in part.days}),
        "symbols": sorted(symbols),
        "simulated": any(part.simulated for part in parts),
        "replayed": sorted({day for part in parts for day in part.replayed}),
        "lost": sum(part.lost for part in parts),
        "parts": [asdict(part) for part in parts],
    }


def _settled(path: Path) -> None:
    """Bring a file's bytes to the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
