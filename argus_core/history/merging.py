"""A new answer laid over sealed days: the chunks as they become, and what was corrected.

Pure functions; nothing here reads or writes a file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from argus_core.clock import SHANGHAI
from argus_core.errors import CacheError
from argus_core.history.chunks import About, Chunk, Pair, Seal
from argus_core.history.revisions import Revision, corrections
from argus_core.history.series import Bucket, SeriesKey
from argus_core.history.silence import SealedDays
from argus_core.history.spans import HasSession, Spans, any_day
from argus_core.market.bars import CANONICAL
from argus_core.market.resample import bucket_bounds
from argus_core.model.period import Period

_DAY: Final = timedelta(days=1)
_TIME: Final = pl.Datetime("ms", SHANGHAI.key)
_FACTORS: Final[Mapping[str, pl.DataType]] = {"date": pl.Date(), "factor": pl.Float64()}


@dataclass(frozen=True, slots=True)
class Patch:
    """An answer: rows by label, ascending, and the days it speaks of."""

    frame: pl.DataFrame
    seals: tuple[Seal, ...]
    resolution: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def days(self) -> Spans:
        """The days it speaks of, exactly."""
        return Spans.of(((seal.first, seal.last) for seal in self.seals), any_day)


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a bucket: always its seals, and a new chunk where more than those change."""

    bucket: str
    seals: tuple[Seal, ...]
    chunk: Chunk | None


@dataclass(frozen=True, slots=True)
class Merged:
    """The buckets that change, and the cells that were corrected."""

    changes: tuple[Change, ...]
    revisions: tuple[Revision, ...]
    added: bool = False
    """Whether a day that was sealed without a row has one now."""


def tidy(key: SeriesKey, frame: pl.DataFrame, days: Spans) -> pl.DataFrame:
    """The rows of ``days``, each label once (the last one counts), ascending.

    :class:`CacheError` if the frame has no usable labels.
    """
    if not frame.width and not frame.height:
        frame = pl.DataFrame(schema=dict(_FACTORS if key.dataset == "factors" else CANONICAL))
    try:
        frame = frame.with_columns(pl.col("date").cast(pl.Date()))
        if key.intraday:
            frame = frame.with_columns(pl.col("time").cast(_TIME))
    except pl.exceptions.PolarsError as error:
        raise CacheError(f"these rows cannot be archived as {key.dataset}: {error}") from error
    if frame["date"].null_count() or frame[key.label].null_count():
        raise CacheError(f"these rows cannot be archived as {key.dataset}: one has no {key.label}")
    frame = rows_of(frame, days.pairs)
    return frame.unique(key.label, keep="last", maintain_order=True).sort(key.label)


def rows_of(frame: pl.DataFrame, days: Sequence[Pair]) -> pl.DataFrame:
    """The rows whose trading date lies in ``days``."""
    return frame.filter(_within(days))


def merge(
    key: SeriesKey,
    old: Mapping[str, Chunk],
    known: Mapping[str, tuple[Seal, ...]],
    patch: Patch,
    *,
    has_session: HasSession,
    noticed_at: datetime,
) -> Merged:
    """``old`` chunks by bucket with ``patch`` over them, where the patch speaks.

    ``known`` are the seals by bucket as the ledger has them, which may be newer than a chunk's
    own. An answer that has no row at all where rows were sealed is no correction: the old rows
    stay, and with them the time they were fetched. One that has rows where none were sealed has the
    silent days beside it verified anew, as far as their chunks are among ``old``.
    """
    days = patch.days
    if _silent_about_the_sealed(old, patch):
        days = days.minus(pair for chunk in old.values() for pair in chunk.about.spans)
    told, kept = _days_of(patch.frame), _kept(key, old.values(), has_session)
    doubted = kept.doubted(told, days)
    changes: list[Change] = []
    found: list[Revision] = []
    for bucket in _buckets(key, days.union(doubted)):
        own = days.within(bucket.first, bucket.last)
        chunk = old.get(bucket.name)
        new = rows_of(patch.frame, own.pairs)
        if chunk is None and new.is_empty() and not any(has_session(*pair) for pair in own):
            # Before the exchange opened there is nothing to know
            continue
        corrected: Pair | None = None
        if chunk is not None:
            sealed = common(own.pairs, chunk.about.spans)
            before, now = rows_of(chunk.frame, sealed), rows_of(new, sealed)
            revised = corrections(key, before, now, noticed_at)
            corrected = _days_between(key, (before, now), revised)
            found += revised
        seals = _sealed(known.get(bucket.name, ()), patch.seals, own, corrected)
        seals = _doubted(seals, doubted)
        about = About(
            key=key,
            bucket=bucket.name,
            version=1 if chunk is None else chunk.about.version + 1,
            rows=0,
            spans=Spans.of(((s.first, s.last) for s in seals), has_session).pairs,
            seals=seals,
            resolution=patch.resolution if own else {},
        )
        changes.append(Change(bucket.name, seals, _overlaid(chunk, new, own, about)))
    return Merged(tuple(changes), tuple(found), added=bool(kept.added(told)))


def newer(seals: Iterable[Seal], known: Sequence[Seal]) -> tuple[Seal, ...]:
    """The seals, or pieces of them, of days that ``known`` has not, or fetched earlier."""
    return tuple(
        seal.cut(first, last)
        for seal in seals
        for first, last in Spans(((seal.first, seal.last),), any_day).minus(
            (one.first, one.last) for one in known if one.fetched_at >= seal.fetched_at
        )
    )


def common(some: Iterable[Pair], others: Iterable[Pair]) -> tuple[Pair, ...]:
    """The days that both hold."""
    others = tuple(others)
    cut = ((max(a, c), min(b, d)) for a, b in some for c, d in others)
    return Spans.of(cut, any_day).pairs


def _within(days: Iterable[Pair]) -> pl.Expr:
    """Whether a row's trading date lies in ``days``."""
    held = [pl.col("date").is_between(first, last) for first, last in days]
    return pl.any_horizontal(held) if held else pl.lit(value=False)


def _silent_about_the_sealed(old: Mapping[str, Chunk], patch: Patch) -> bool:
    """True if there were rows where the patch speaks, and it has none there."""
    any_before = False
    for chunk in old.values():
        sealed = common(patch.days.pairs, chunk.about.spans)
        if rows_of(patch.frame, sealed).height:
            return False
        any_before = any_before or bool(rows_of(chunk.frame, sealed).height)
    return any_before


def _buckets(key: SeriesKey, days: Spans) -> list[Bucket]:
    """The buckets that hold any of ``days``, in order."""
    return list(dict.fromkeys(b for first, last in days for b in key.buckets(first, last)))


def _sealed(
    known: Sequence[Seal], fresh: Sequence[Seal], own: Spans, corrected: Pair | None
) -> tuple[Seal, ...]:
    """``known`` with the fresh seals over the days of ``own``.

    What was sealed before keeps the day of its sealing and whether it was verified, except for
    the days that were ``corrected``.
    """
    pieces = [s.cut(a, b) for s in known for a, b in _minus(s, own.pairs)]
    for seal in fresh:
        clipped = common([(seal.first, seal.last)], own.pairs)
        for before in known:
            again = [
                replace(before, first=first, last=last, fetched_at=seal.fetched_at)
                for first, last in common(clipped, [(before.first, before.last)])
            ]
            if corrected is not None:
                at = max(before.sealed_at, seal.sealed_at)
                again = [part for one in again for part in one.corrected(*corrected, at)]
            pieces += again
        unsealed = Spans.of(clipped, any_day).minus((s.first, s.last) for s in known)
        pieces += [seal.cut(first, last) for first, last in unsealed]
    return _joined(pieces)


def _doubted(seals: tuple[Seal, ...], doubted: Spans) -> tuple[Seal, ...]:
    """The seals, those of the doubted days to be verified."""
    for first, last in doubted:
        seals = tuple(part for seal in seals for part in seal.doubted(first, last))
    return _joined(seals)


def _kept(key: SeriesKey, chunks: Collection[Chunk], has_session: HasSession) -> SealedDays:
    """What the chunks hold, as far as silence goes; of factors nothing: most days bring no row."""
    if key.dataset != "bars":
        return SealedDays(Spans(), (), lambda day: (day, day))
    days = sorted(day for chunk in chunks for day in _days_of(chunk.frame))
    held = Spans.of((pair for chunk in chunks for pair in chunk.about.spans), has_session)
    period = Period(key.period)
    return SealedDays(held, days, lambda day: bucket_bounds(day, period))


def _days_of(frame: pl.DataFrame) -> list[date]:
    """The days that have a row."""
    days: list[date] = frame["date"].unique().to_list()
    return days


def _days_between(
    key: SeriesKey, frames: Iterable[pl.DataFrame], revised: Collection[Revision]
) -> Pair | None:
    """The first and the last trading date of the rows that were revised."""
    labels = {one.label for one in revised}
    if not labels:
        return None
    rows = (row for frame in frames for row in zip(frame[key.label], frame["date"], strict=True))
    days = [day for label, day in rows if label in labels]
    return min(days), max(days)


def _minus(seal: Seal, days: Iterable[Pair]) -> Spans:
    return Spans(((seal.first, seal.last),), any_day).minus(days)


def _joined(pieces: Iterable[Seal]) -> tuple[Seal, ...]:
    """The pieces in order, neighbours that tell the same made one."""
    joined: list[Seal] = []
    for piece in sorted(pieces, key=lambda seal: seal.first):
        last = joined[-1] if joined else None
        if last and last.last + _DAY == piece.first and _same(last, piece):
            joined[-1] = last.cut(last.first, piece.last)
        else:
            joined.append(piece)
    return tuple(joined)


def _same(a: Seal, b: Seal) -> bool:
    return a.cut(b.first, b.last) == b


def _overlaid(chunk: Chunk | None, new: pl.DataFrame, own: Spans, about: About) -> Chunk | None:
    """The chunk with the new rows in place of its own of those days; None if it stays as it is."""
    if chunk is None:
        return Chunk(replace(about, rows=new.height), new)
    kept = chunk.frame.filter(~_within(own.pairs))
    frame = pl.concat([kept, new], how="diagonal_relaxed") if kept.height else new
    frame = frame.sort(about.key.label)
    coarse = dict(chunk.about.resolution)
    for name, step in about.resolution.items():
        coarse[name] = max(step, coarse.get(name, step))
    same_rows = frame.select(sorted(frame.columns)).equals(
        chunk.frame.select(sorted(chunk.frame.columns))
    )
    if same_rows and about.spans == chunk.about.spans and coarse == chunk.about.resolution:
        return None
    return Chunk(replace(about, rows=frame.height, resolution=coarse), frame)
