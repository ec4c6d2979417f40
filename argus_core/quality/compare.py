"""Two sources' finished bars of one symbol, laid side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from math import inf, isfinite
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from argus_core.errors import BadParameter

FIELDS: Final = ("open", "high", "low", "close", "volume", "turnover", "change", "change_pct")
"""The fields that are compared."""
EXAMPLES: Final = 10
"""Differing cells, and rows that only one source has, of which each report shows the first."""

_PRICE: Final = 1e-6
_WITHIN: Final = 0.999
"""Less than a step apart is equal at that step; the rest is room for binary noise."""

ROOM: Final[Mapping[str, float]] = MappingProxyType(
    {
        **dict.fromkeys(("open", "high", "low", "close", "change"), _PRICE * (1 + 1e-3)),
        "change_pct": 1e-4 * (1 + 1e-3),
        "volume": _WITHIN,
        "turnover": 0.01 * _WITHIN,
    }
)
"""How far apart equal values may lie: a price's last digit, less than a share or a cent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One field of one bar in both sources; ``bar`` is its end, or from a day on its date."""

    bar: date
    field: str
    a: float | None
    b: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """The bars whose field differs: how many, and the one that differs most."""

    rows: int
    worst: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyIn:
    """Bars that one source has and the other lacks: how many, and the first of them."""

    rows: int
    first: tuple[date, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Source ``b`` against source ``a``: ``rows`` bars that both have, and what differs.

    ``missing_fields`` names, by field, the sources that have it in no bar: nothing to compare.
    """

    a: str
    b: str
    identical: bool
    rows: int
    fields: Mapping[str, Differing]
    missing_fields: Mapping[str, tuple[str, ...]]
    only_in: Mapping[str, OnlyIn]
    examples: tuple[Cell, ...]


def compare(
    a: tuple[str, pl.DataFrame],
    b: tuple[str, pl.DataFrame],
    *,
    room: Mapping[str, float] = ROOM,
    tolerance: Mapping[str, float] = MappingProxyType({}),
) -> Comparison:
    """What differs between two named frames of history in order of time.

    ``room`` is, by field, how far apart equal values may lie; ``tolerance`` adds a share of the
    greater value to that. A value against none differs.
    """
    label = "time" if "time" in a[1].columns else "date"
    missing = {name: lacking for name in FIELDS if (lacking := _lacking(name, a, b))}
    only = {
        name: OnlyIn(rows=own.height, first=tuple(own[label].head(EXAMPLES).to_list()))
        for name, frame, other in ((*a, b[1]), (*b, a[1]))
        if (own := frame.join(other, on=label, how="anti", maintain_order="left")).height
    }
    both = a[1].join(b[1], on=label, how="inner", suffix=_OTHER, maintain_order="left")
    cells: list[Cell] = []
    fields: dict[str, Differing] = {}
    for name in FIELDS:
        if name in missing:
            continue
        found = _differing(both, label, name, room.get(name, 0.0), tolerance.get(name, 0.0))
        if found.height:
            (worst,) = _cells(found.slice(found["apart"].arg_max() or 0, 1), name)
            fields[name] = Differing(rows=found.height, worst=worst)
            cells += _cells(found.head(EXAMPLES), name)
    cells.sort(key=lambda cell: cell.bar)
    return Comparison(
        a=a[0],
        b=b[0],
        identical=not fields and not only,
        rows=both.height,
        fields=fields,
        missing_fields=missing,
        only_in=only,
        examples=tuple(cells[:EXAMPLES]),
    )


_OTHER: Final = " of b"


def _lacking(
    name: str, a: tuple[str, pl.DataFrame], b: tuple[str, pl.DataFrame]
) -> tuple[str, ...]:
    """The sources that have bars and in none of them the field."""
    return tuple(
        source
        for source, frame in (a, b)
        if frame.height and frame[name].null_count() == frame.height
    )


def _differing(
    both: pl.DataFrame, label: str, name: str, room: float, tolerance: float
) -> pl.DataFrame:
    """The bars whose values differ: label, both values, and how far ``apart`` they lie."""
    ours, theirs = pl.col(name), pl.col(name + _OTHER)
    greater = pl.max_horizontal(ours.abs(), theirs.abs())
    allowed = pl.max_horizontal(pl.lit(room), greater * tolerance)
    # A value against none lies farthest apart
    one_sided = pl.when(ours.is_null() != theirs.is_null()).then(pl.lit(inf))
    apart = one_sided.otherwise((ours - theirs).abs())
    return both.select(
        pl.col(label), ours, theirs, apart=apart, differs=(apart > allowed).fill_null(value=True)
    ).filter(pl.col("differs") & pl.col("apart").is_not_null())


def _cells(found: pl.DataFrame, name: str) -> list[Cell]:
    return [Cell(bar=bar, field=name, a=a, b=b) for bar, a, b, *_ in found.iter_rows()]


def read_tolerance(texts: Iterable[str]) -> dict[str, float]:
    """The relative tolerances that texts such as ``close=0.001`` give, by field.

    Raises :class:`BadParameter` for an unknown field or what is no share from 0 to 1.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, given = text.partition("=")
        try:
            share: Any = float(given)
        except ValueError:
            share = inf
        if name not in FIELDS or not isfinite(share) or not 0 <= share <= 1:
            raise BadParameter(
                "must be FIELD=SHARE, such as close=0.001, with a share from 0 to 1 and one of "
                f"the fields {', '.join(FIELDS)}",
                details={"parameter": "tolerance", "allowed": list(FIELDS)},
            )
        found[name] = share
    return found
