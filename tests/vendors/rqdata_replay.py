"""Rows that a test hands over, to be served instead of the world's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

Row = dict[str, Any]
Replayed = dict[str, dict[str, Any]]

_NAMES = ("order_book_id", "symbol", "date", "datetime", "trading_date")


def replayed(given: dict) -> Replayed:
    """Rows by frequency and id out of ``{"1d": [row, …], "1m": […], "snapshots": {id: row}}``.

    A row has an ``order_book_id``, a ``date`` or a ``datetime`` as text, ``trading_date`` where
    that is another day, and whichever columns were recorded.
    """
    unknown = given.keys() - {"1d", "1m", "snapshots"}
    if unknown:
        raise ValueError(f"nothing replays {', '.join(sorted(unknown))}")
    found: Replayed = {"snapshots": given.get("snapshots", {})}
    for frequency in ("1d", "1m"):
        rows: dict[str, list[Row]] = {}
        for row in given.get(frequency, ()):
            rows.setdefault(row["order_book_id"], []).append(_row(row))
        found[frequency] = rows
    return found


def _row(given: Row) -> Row:
    values = {name: value for name, value in given.items() if name not in _NAMES}
    if "date" in given:
        return values | {"date": _int8(given["date"])}
    at = datetime.fromisoformat(given["datetime"])
    day = _int8(given.get("trading_date", given["datetime"]))
    return values | {"datetime": int(f"{at:%Y%m%d%H%M%S}"), "trading_date": day}


def _int8(text: str) -> int:
    return int(text[:10].replace("-", ""))
