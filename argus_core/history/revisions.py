"""What a vendor corrected after the day was sealed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import orjson
import polars as pl

from argus_core.clock import SHANGHAI
from argus_core.errors import CacheError
from argus_core.history.series import SeriesKey

Kind: TypeAlias = Literal["changed", "added", "removed"]
_OLD: Final = "_old"
_SIDE: Final = "_side"


@dataclass(frozen=True, slots=True)
class Revision:
    """One value of a sealed row that the source says differently now."""

    dataset: str
    period: str
    source: str
    symbol: str
    label: date | datetime
    """The row: its trading date, within the day the bar's end, aware ``Asia/Shanghai``."""
    field: str
    old: float | None
    new: float | None
    noticed_at: datetime
    kind: Kind = "changed"
    """``added`` and ``removed``: the whole row came or went; one revision for each value of it."""


def corrections(
    key: SeriesKey, old: pl.DataFrame, new: pl.DataFrame, noticed_at: datetime
) -> list[Revision]:
    """The cells in which ``new`` differs from ``old``, by label and then field.

    Only numbers that both frames have a column for are compared.
    """
    label = key.label
    fields = [
        name for name, kind in old.schema.items() if kind.is_numeric() and name in new.columns
    ]
    if not (old.height or new.height) or _alike(old, new, [label, *fields]):
        return []
    side = pl.lit(value=True).alias(_SIDE)
    both = old.select(label, *fields, side).join(
        new.select(label, *fields, side), on=label, how="full", coalesce=True, suffix=_OLD
    )
    found = list(_differences(key, both.sort(label), fields, noticed_at))
    return sorted(found, key=lambda revision: (str(revision.label), fields.index(revision.field)))


def _alike(old: pl.DataFrame, new: pl.DataFrame, columns: list[str]) -> bool:
    return old.height == new.height and old.select(columns).equals(new.select(columns))


def _differences(
    key: SeriesKey, both: pl.DataFrame, fields: list[str], noticed_at: datetime
) -> Iterator[Revision]:
    """``both``: the old values under their own names, the new ones with a suffix."""
    for name in fields:
        was, now = pl.col(name), pl.col(name + _OLD)
        for label, old, new, before, after in (
            both.filter(was.ne_missing(now))
            .select(key.label, was, now, _SIDE, _SIDE + _OLD)
            .iter_rows()
        ):
            kind: Kind = "added" if before is None else "removed" if after is None else "changed"
            yield Revision(
                key.dataset,
                key.period,
                key.source,
                key.symbol,
                label,
                name,
                old,
                new,
                noticed_at,
                kind,
            )


def append(path: Path, revisions: Iterable[Revision]) -> None:
    """Add a line for each to the journal, on the disk when this returns; :class:`CacheError`."""
    lines = b"".join(orjson.dumps(told(one)) + b"\n" for one in revisions)
    try:
        with path.open("ab") as file:
            if file.tell() and not _ends_whole(path):
                # Whoever wrote last was killed in the middle of a line
                file.write(b"\n")
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CacheError(f"the archive cannot write {path}: {error}") from error


def journal(path: Path) -> list[Revision]:
    """The revisions in the journal, oldest first, each once.

    A line is written before what it tells of is committed, so a writer that was killed in between
    has it noticed twice: a repetition of the last word on a cell is dropped, as are broken lines.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CacheError(f"the archive cannot read {path}: {error}") from error
    last: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    found: list[Revision] = []
    for line in lines:
        try:
            one = read(orjson.loads(line))
        except (KeyError, TypeError, ValueError):
            continue
        cell, says = (*identity(one)[:6],), identity(one)[6:]
        if last.get(cell) != says:
            last[cell] = says
            found.append(one)
    return found


def identity(one: Revision) -> tuple[Any, ...]:
    """What makes two revisions the same, whenever each was noticed: the cell, then its values."""
    cell = (one.dataset, one.period, one.source, one.symbol, one.label.isoformat(), one.field)
    return (*cell, one.kind, one.old, one.new)


def told(one: Revision) -> dict[str, Any]:
    """A revision for JSON."""
    return {
        "dataset": one.dataset,
        "period": one.period,
        "source": one.source,
        "symbol": one.symbol,
        "label": one.label.isoformat(),
        "field": one.field,
        "old": one.old,
        "new": one.new,
        "kind": one.kind,
        "noticed_at": one.noticed_at.timestamp(),
    }


def read(said: dict[str, Any]) -> Revision:
    """What :func:`told` told; KeyError, TypeError or ValueError for anything else."""
    if said["kind"] not in ("changed", "added", "removed"):
        raise ValueError(f"kind {said['kind']!r}")
    return Revision(
        dataset=str(said["dataset"]),
        period=str(said["period"]),
        source=str(said["source"]),
        symbol=str(said["symbol"]),
        label=read_label(said["label"]),
        field=str(said["field"]),
        old=None if said["old"] is None else float(said["old"]),
        new=None if said["new"] is None else float(said["new"]),
        noticed_at=datetime.fromtimestamp(said["noticed_at"], SHANGHAI),
        kind=said["kind"],
    )


def read_label(text: str) -> date | datetime:
    """The label of a row out of its ISO text."""
    if "T" not in text:
        return date.fromisoformat(text)
    return datetime.fromisoformat(text).astimezone(SHANGHAI)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
