"""What a recording holds: a row for each update that was said, and for each notice.

Prices in yuan as traded, volumes in shares, instants in Shanghai's time to the microsecond, all of
them as the hub said them. What was not known is null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, count, repeat
from types import MappingProxyType
from typing import Any, Final

import orjson
import polars as pl

from argus_core.market.hours import trading_date
from argus_core.model.records import Depth, Level, Quote, Trade
from argus_core.model.symbol import Symbol
from argus_core.streaming.topics import Carrier, Update

GAP, STATUS = "gap", "status"

_INSTANT: Final = pl.Datetime("us", "Asia/Shanghai")
_NUMBERS: Final = pl.List(pl.Float64())

SCHEMA: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {
        "kind": pl.String(),
        "symbol": pl.String(),
        "day": pl.Date(),
        "at": _INSTANT,
        "epoch": pl.String(),
        "seq": pl.UInt64(),
        "source": pl.String(),
        "via": pl.List(pl.String()),
        "mode": pl.String(),
        "simulated": pl.Boolean(),
        "replay_day": pl.String(),
        "replay_speed": pl.Float64(),
        "stale": pl.Boolean(),
        "as_of": _INSTANT,
        "name": pl.String(),
        "price": pl.Float64(),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "prev_close": pl.Float64(),
        "volume": pl.Float64(),
        "turnover": pl.Float64(),
        "change": pl.Float64(),
        "change_pct": pl.Float64(),
        "bid_prices": _NUMBERS,
        "bid_volumes": _NUMBERS,
        "ask_prices": _NUMBERS,
        "ask_volumes": _NUMBERS,
        "direction": pl.String(),
        "told": pl.String(),
        "lost": pl.UInt64(),
    }
)
"""The columns of a recording; docs/use/recordings.md says what each means."""

_TOLD_OF: Final = ("price", "open", "high", "low", "prev_close", "volume", "turnover")
_QUOTE: Final = ("as_of", "name", *_TOLD_OF, "change", "change_pct")
_LEAST: Final = 600
_A_LEVEL: Final = 120


@dataclass(frozen=True, slots=True)
class Heard:
    """A notice about one symbol, in its place among the updates.

    ``lost`` updates of it are missing from the recording, where the recording itself is at fault.
    """

    kind: str
    symbol: Symbol
    at: datetime
    told: Mapping[str, Any]
    lost: int | None = None


Entry = Update | Heard


def size_of(entry: Entry) -> int:
    """About how many bytes of memory an entry takes while it waits."""
    value = entry.value if isinstance(entry, Update) else None
    levels = len(value.bids) + len(value.asks) if isinstance(value, Depth) else 0
    return _LEAST + levels * _A_LEVEL


def frame_of(entries: Iterable[Entry], epoch: str) -> pl.DataFrame:
    """The rows of entries, in their order."""
    days: dict[tuple[date, int], date] = {}
    rows = [_row(entry, epoch, days) for entry in entries]
    columns = zip(*rows, strict=True) if rows else ((),) * len(SCHEMA)
    return pl.DataFrame(
        [
            _nested(name, values, kind)
            if isinstance(kind, pl.List)
            else pl.Series(name, values, kind)
            for (name, kind), values in zip(SCHEMA.items(), columns, strict=True)
        ]
    )


def _nested(name: str, values: Sequence[Sequence[Any] | None], kind: pl.List) -> pl.Series:
    """A column of lists, made of one flat column: list by list it takes five times as long."""
    full = [one for one in values if one]
    each = pl.DataFrame(
        {
            "place": list(chain.from_iterable(repeat(n, len(one)) for n, one in enumerate(full))),
            name: pl.Series(list(chain.from_iterable(full)), dtype=kind.inner),
        }
    )
    lists = each.group_by("place", maintain_order=True).agg(name)[name]
    lists = lists.append(pl.Series(name, [[]], kind))  # the one that all empty ones share
    places = count()
    taken = [None if one is None else next(places) if one else len(full) for one in values]
    return lists.gather(pl.Series(taken, dtype=pl.UInt32))


def _row(entry: Entry, epoch: str, days: dict[tuple[date, int], date]) -> tuple[Any, ...]:
    hour = (entry.at.date(), entry.at.hour)  # trading dates begin and end with an hour
    day = days.get(hour)
    if day is None:
        day = days[hour] = trading_date(entry.at)
    if isinstance(entry, Heard):
        told = orjson.dumps(dict(entry.told), default=str).decode()
        row: dict[str, Any] = {"kind": entry.kind, "told": told, "lost": entry.lost}
    else:
        row = {
            "kind": entry.channel,
            "epoch": epoch,
            "seq": entry.seq,
            "stale": entry.stale,
            **_carried(entry.carrier),
            **_said(entry.value),
        }
    row |= {"symbol": str(entry.symbol), "day": day, "at": entry.at}
    return tuple(map(row.get, SCHEMA))


def _carried(carrier: Carrier) -> dict[str, Any]:
    replay = carrier.replay or {}
    speed = replay.get("speed")
    return {
        "source": carrier.source,
        "via": list(carrier.via),
        "mode": carrier.mode,
        "simulated": carrier.simulated,
        "replay_day": None if carrier.replay is None else str(replay.get("day")),
        "replay_speed": None if speed is None else float(speed),
    }


def _said(value: Quote | Depth | Trade | Any) -> dict[str, Any]:
    if isinstance(value, Trade):
        return {
            "as_of": value.time,
            "price": value.price,
            "volume": value.volume,
            "direction": value.direction,
        }
    if isinstance(value, Depth):
        return {**_said(value.quote), **_side("bid", value.bids), **_side("ask", value.asks)}
    return {name: getattr(value, name) for name in _QUOTE}


def _side(name: str, levels: Sequence[Level]) -> dict[str, list[float]]:
    return {
        f"{name}_prices": [level.price for level in levels],
        f"{name}_volumes": [level.volume for level in levels],
    }
