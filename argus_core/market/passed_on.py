"""Canonical frames that another gateway passed on: checked, and otherwise left as they are.

They were read and proved where they came from. To read them a second time as a vendor's rows
would lose what only the first reader knew: an unknown unit, a lot that was rounded to none.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

from argus_core.errors import BadData
from argus_core.extend.units import Units
from argus_core.market.bars import CANONICAL
from argus_core.market.kinds import kind_of
from argus_core.market.units import Disproof, provable, prove
from argus_core.model.answer import Origin
from argus_core.model.frames import TICKS
from argus_core.model.query import BarsQuery, Query, TicksQuery
from argus_core.model.symbol import Symbol

_TICKS: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {
        "time": pl.Datetime("ms", "Asia/Shanghai"),
        "date": pl.Date(),
        **{c.name: pl.Float64() for c in TICKS if c.type == "float"},
    }
)
_SCHEMAS: Final[Mapping[str, Mapping[str, pl.DataType]]] = MappingProxyType(
    {"bars": CANONICAL, "ticks": _TICKS}
)


def is_canonical(query: Query, reply: object) -> bool:
    """True if ``reply`` is a frame with all the columns of the dataset's canonical form."""
    schema = _SCHEMAS.get(query.dataset)
    return (
        schema is not None
        and isinstance(reply, pl.DataFrame)
        and {"symbol", *schema} <= set(reply.columns)
    )


def series_of(
    query: BarsQuery | TicksQuery, frame: pl.DataFrame, origins: Mapping[str, Origin]
) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    """The series of each asked symbol in ``frame``, and the symbols that cannot be true.

    Raises :class:`BadData` if the columns are not of their types.
    """
    rows = _asked(query, _typed(frame, _SCHEMAS[query.dataset]))
    series: dict[str, pl.DataFrame] = {
        str(own["symbol"][0]): own[own.columns[1:]]
        for own in rows.partition_by("symbol", maintain_order=True)
    }
    faults = {symbol: why for symbol, own in series.items() if (why := _disorder(query, own))}
    if isinstance(query, BarsQuery):
        faults.update(_disproved(rows, series, origins))
    return {symbol: own for symbol, own in series.items() if symbol not in faults}, faults


def _typed(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The symbol and the columns of ``schema``, each of its type; keys and times are there."""
    types = {"symbol": pl.String(), **schema}
    rows = frame[[*types]]
    try:
        if rows.schema != types:
            rows = rows.select(pl.col(name).cast(type_) for name, type_ in types.items())
    except pl.exceptions.PolarsError as error:
        raise BadData("a table that was passed on has columns of other types") from error
    if any(rows[name].null_count() for name in ("symbol", "time", "date")):
        raise BadData("a table that was passed on has rows without symbol, time or date")
    return rows


def _asked(query: BarsQuery | TicksQuery, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that were asked for; mostly all, which is sooner seen than sorted out."""
    dates, asked = rows["date"], set[str](query.symbols)
    inside = (dates >= query.start) & (dates <= query.end)
    names = rows["symbol"]
    strangers = set((names.head(1) if names.n_unique() == 1 else names.unique()).to_list()) - asked
    if inside.all() and not strangers:
        return rows
    return rows.filter(inside & ~rows["symbol"].is_in(list(strangers)))


def counted(origins: Mapping[str, Origin]) -> tuple[Units, ...]:
    """The rules by which values were counted that are canonical already, but for their steps."""
    rules: dict[Units, list[str]] = {}
    for key, origin in origins.items():
        if origin.resolution:
            rules.setdefault(_rule(origin), []).append(key)
    return tuple(
        Units(
            volume_step=rule.volume_step,
            turnover_step=rule.turnover_step,
            time_step=rule.time_step,
            codes=tuple(keys),
        )
        for rule, keys in rules.items()
    )


def _rule(origin: Origin | None) -> Units:
    steps: Mapping[str, float] = {} if origin is None else origin.resolution
    return Units(
        volume_step=steps.get("volume", 1.0),
        turnover_step=steps.get("turnover", 0.01),
        time_step=steps.get("timestamp", 0.001),
    )


def _disorder(query: Query, own: pl.DataFrame) -> str | None:
    """Why one symbol's rows are no series, if they are none."""
    if not own["time"].is_sorted():
        return "its rows are not in order of time"
    twice = isinstance(query, BarsQuery) and own["time"].n_unique() < own.height
    return "two of its bars carry the same time" if twice else None


def _disproved(
    rows: pl.DataFrame, series: Mapping[str, pl.DataFrame], origins: Mapping[str, Origin]
) -> dict[str, str]:
    """The symbols whose bars contradict themselves; those counted alike are proved together."""
    alike: dict[tuple[Units, bool], list[str]] = {}
    for key, own in series.items():
        symbol = Symbol(key)
        money = provable(symbol, kind_of(symbol)) and not own["volume"].null_count()
        alike.setdefault((_rule(origins.get(key)), money), []).append(key)
    found: dict[str, str] = {}
    for (rule, money), symbols in alike.items():
        part = rows if len(alike) == 1 else rows.filter(pl.col("symbol").is_in(symbols))
        for symbol, proof in prove(part, rule=rule, money=money).items():
            if proof.faulty:
                found[symbol] = Disproof(proof.reason or proof.status)
    return found
