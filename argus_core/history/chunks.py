"""One chunk of a series: its rows, what is sealed of it, and both as the bytes of one file.

A chunk describes itself in the Parquet file's own metadata, so that a lost ledger can be made
anew from the files. Its file's name holds a digest of the bytes: a file that was damaged, cut
short or renamed by somebody is told from a whole one without asking anything else.
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any, Final, cast

import orjson
import polars as pl

from argus_core.clock import SHANGHAI
from argus_core.history.series import SeriesKey

_FORMAT: Final = 1
_METADATA: Final = "argus"
_DIGEST: Final = 24
"""Hexadecimal digits of SHA-256 in a file's name."""
_NAME: Final = re.compile(rf"[0-9a-z-]+-([0-9a-f]{{{_DIGEST}}})\.parquet")

_DAY: Final = timedelta(days=1)

Pair = tuple[date, date]


class DamagedChunk(Exception):
    """The file is not the chunk that it was written as."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Days that were fetched in one go and will not be fetched again for their sake."""

    first: date
    last: date
    fetched_at: float
    """Seconds since the epoch, like the next."""
    sealed_at: float
    """When what is told of them last was new, or a while before that, to have them verified."""
    verified: bool = False
    """Whether they have been fetched once more since, and nothing was corrected."""

    def cut(self, first: date, last: date) -> Seal:
        """The same of other days."""
        return replace(self, first=first, last=last)

    def checked(self, start: date, end: date) -> Iterator[Seal]:
        """The seal in up to three pieces, that from ``start`` to ``end`` verified."""
        return self._parted(start, end, replace(self, verified=True))

    def corrected(self, start: date, end: date, at: float) -> Iterator[Seal]:
        """The same, that piece as if it was sealed ``at`` then: to be verified anew."""
        return self._parted(start, end, replace(self, sealed_at=at, verified=False))

    def doubted(self, start: date, end: date) -> Iterator[Seal]:
        """The same, that piece to be verified at once, though it may have been before.

        It is as if it had been sealed when it was young: what is old already is not verified.
        """
        begin = datetime.combine(max(self.first, start), time(), SHANGHAI).timestamp()
        at = min(self.sealed_at, begin)
        return self._parted(start, end, replace(self, sealed_at=at, verified=False))

    def _parted(self, start: date, end: date, changed: Seal) -> Iterator[Seal]:
        """The seal in up to three pieces, ``changed`` from ``start`` to ``end``."""
        if self.last < start or end < self.first:
            yield self
            return
        if self.first < start:
            yield self.cut(self.first, start - _DAY)
        yield changed.cut(max(self.first, start), min(self.last, end))
        if end < self.last:
            yield self.cut(end + _DAY, self.last)


@dataclass(frozen=True, slots=True)
class About:
    """What a chunk says of itself."""

    key: SeriesKey
    bucket: str
    version: int
    """One more than that of the chunk it replaces."""
    rows: int
    spans: tuple[Pair, ...]
    """The sealed days, in as few stretches as the calendar allows."""
    seals: tuple[Seal, ...]
    resolution: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows of one bucket of a series, ascending, and what is known of them."""

    about: About
    frame: pl.DataFrame

    def check(self, file: str) -> None:
        """Nothing, if this can be the chunk of ``file``; else :class:`DamagedChunk`."""
        about = self.about
        if file.rpartition("/")[0] != about.key.folder:
            raise DamagedChunk("it is not the series that its folder says")
        for seal in about.seals:
            bucket = about.key.bucket(seal.first)
            if bucket.name != about.bucket or not seal.first <= seal.last <= bucket.last:
                raise DamagedChunk("it has sealed what is not its own")


def encode(chunk: Chunk) -> bytes:
    """The chunk as a file's bytes; two chunks never have the same, whatever they hold."""
    buffer = io.BytesIO()
    about = orjson.dumps(_told(chunk.about) | {"token": secrets.token_hex(8)}).decode()
    chunk.frame.write_parquet(buffer, compression="zstd", metadata={_METADATA: about})
    return buffer.getvalue()


def name_of(bucket: str, data: bytes) -> str:
    """The file's name for these bytes."""
    return f"{bucket}-{hashlib.sha256(data).hexdigest()[:_DIGEST]}.parquet"


def decode(name: str, data: bytes) -> Chunk:
    """The chunk in a file's bytes; :class:`DamagedChunk` if they are not those of ``name``."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise DamagedChunk("its name is not that of a chunk")
    if hashlib.sha256(data).hexdigest()[:_DIGEST] != match[1]:
        raise DamagedChunk("its bytes are not those that were written")
    about = describe(io.BytesIO(data))
    try:
        return Chunk(about, pl.read_parquet(io.BytesIO(data)))
    except pl.exceptions.PolarsError as error:
        raise DamagedChunk(f"its rows cannot be read: {error}") from error


def describe(file: Path | IO[bytes]) -> About:
    """What a chunk's file says of itself, without its rows; :class:`DamagedChunk` if nothing."""
    try:
        told = pl.read_parquet_metadata(file).get(_METADATA)
    except pl.exceptions.PolarsError as error:
        raise DamagedChunk(f"it is no Parquet file: {error}") from error
    if told is None:
        raise DamagedChunk("it does not say what it holds")
    try:
        return _read(orjson.loads(told))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedChunk(f"what it says of itself cannot be read: {error}") from error


def told_pairs(pairs: Iterable[Pair]) -> list[list[str]]:
    """Stretches of dates for JSON."""
    return [[first.isoformat(), last.isoformat()] for first, last in pairs]


def read_pairs(told: Iterable[Iterable[str]]) -> tuple[Pair, ...]:
    """What :func:`told_pairs` told; ValueError or TypeError for anything else."""
    return tuple((date.fromisoformat(first), date.fromisoformat(last)) for first, last in told)


def told_seals(seals: Iterable[Seal]) -> list[list[Any]]:
    """Seals for JSON."""
    return [
        [s.first.isoformat(), s.last.isoformat(), s.fetched_at, s.sealed_at, s.verified]
        for s in seals
    ]


def read_seals(told: Iterable[Iterable[Any]]) -> tuple[Seal, ...]:
    """What :func:`told_seals` told; ValueError or TypeError for anything else."""
    return tuple(
        Seal(
            date.fromisoformat(first),
            date.fromisoformat(last),
            float(fetched_at),
            float(sealed_at),
            bool(verified),
        )
        for first, last, fetched_at, sealed_at, verified in told
    )


def _told(about: About) -> dict[str, Any]:
    key = about.key
    return {
        "format": _FORMAT,
        "dataset": key.dataset,
        "period": key.period,
        "source": key.source,
        "symbol": key.symbol,
        "bucket": about.bucket,
        "version": about.version,
        "rows": about.rows,
        "spans": told_pairs(about.spans),
        "seals": told_seals(about.seals),
        "resolution": dict(about.resolution),
    }


def _read(told: dict[str, Any]) -> About:
    if told["format"] != _FORMAT:
        raise ValueError(f"format {told['format']}, not {_FORMAT}")
    if told["dataset"] not in ("bars", "factors"):
        raise ValueError(f"dataset {told['dataset']!r}")
    names = ("period", "source", "symbol", "bucket")
    if not all(isinstance(told[name], str) for name in names):
        raise TypeError("a name that is no text")
    resolution = cast("dict[str, Any]", told["resolution"])
    return About(
        key=SeriesKey(told["dataset"], told["period"], told["source"], told["symbol"]),
        bucket=told["bucket"],
        version=int(told["version"]),
        rows=int(told["rows"]),
        spans=read_pairs(told["spans"]),
        seals=read_seals(told["seals"]),
        resolution={str(name): float(step) for name, step in resolution.items()},
    )
