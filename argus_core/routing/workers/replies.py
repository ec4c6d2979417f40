"""Questions and answers of each dataset between the gateway and a worker.

Both forms are read off the signatures of :class:`Source`: records travel as JSON, rows of a
published schema as an Arrow IPC stream.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

import polars as pl

from argus_core.errors import BadData
from argus_core.extend.source import DATASETS, Source
from argus_core.market.frames import to_frame
from argus_core.market.records import (
    read_days,
    read_depth,
    read_instrument,
    read_members,
    read_quote,
)
from argus_core.model.frames import BARS, FACTORS, TICKS, Column
from argus_core.model.query import Query
from argus_core.model.records import Depth, Instrument, Quote, TradingDays
from argus_core.model.symbol import Symbol
from argus_core.routing.workers.forms import UNREADABLE, Form, form_of

SCHEMAS: Mapping[str, tuple[Column, ...]] = MappingProxyType(
    {"bars": BARS, "factors": FACTORS, "ticks": TICKS}
)
"""The datasets whose answers are tables."""


@functools.cache
def argument_form(operation: str) -> Form:
    """The form of what a source's method is called with: its query, or symbols."""
    if operation in DATASETS:
        return form_of(get_type_hints(getattr(Source, operation))["query"])
    return form_of(tuple[Symbol, ...] | None)


@functools.cache
def _reply_form(dataset: str) -> Form:
    plain, _awaited = get_args(get_type_hints(getattr(Source, dataset))["return"])
    return form_of(plain)


def packed(query: Query, reply: Any, name: str) -> tuple[Any, bytes]:
    """A source's reply as JSON can say it, and its table, which is empty for records.

    Vendors' types are replaced by the declared ones; :class:`BadData` where a value means none,
    in the words that it would be refused with inside the gateway.
    """
    dataset = query.dataset
    if reply is None:
        return None, b""
    if dataset in SCHEMAS:
        buffer = io.BytesIO()
        to_frame(reply, SCHEMAS[dataset]).write_ipc_stream(buffer)
        return None, buffer.getvalue()
    try:
        read = _READERS.get(dataset)
        plain = reply if read is None else read(reply, query, f"{name} answered {dataset}")
        return _reply_form(dataset).encode(plain), b""
    except UNREADABLE as error:
        raise BadData(
            f"{name} answered {dataset} in a form that cannot be read: {type(error).__name__}"
        ) from error


def unpacked(dataset: str, value: Any, body: bytes) -> Any:
    """The reply that was packed; ValueError and its like if that cannot be read."""
    if body:
        try:
            return pl.read_ipc_stream(io.BytesIO(body))
        except pl.exceptions.PolarsError as error:
            raise ValueError("the table is damaged") from error
    return None if value is None else _reply_form(dataset).decode(value)


Reader = Callable[[Any, Query, str], Any]


def _listed(
    record: type[Any], read: Callable[[Any, str], Any], named: Callable[[Symbol], Any]
) -> Reader:
    """Reads records; those about other symbols than the asked ones stay behind.

    If all are, one goes along with its name only: the core says what is wrong with that.
    """

    def plain(reply: Any, query: Query, where: str) -> list[Any]:
        items = _typed(reply, record, where)
        asked = frozenset(query.keys)
        kept = [read(item, where) for item in items if item.symbol in asked]
        return kept or [named(item.symbol) for item in items[:1]]

    return plain


def _typed(reply: Iterable[Any], record: type[Any], where: str) -> list[Any]:
    items = [*reply]
    for item in items:
        if not isinstance(item, record):
            raise BadData(f"{where} with {type(item).__name__}")
    return items


def _keyed(read: Callable[[Any, str], Any]) -> Reader:
    """Reads one value a key; other keys than the asked ones stay behind."""

    def plain(reply: Any, query: Query, where: str) -> dict[Any, Any]:
        asked = frozenset(query.keys)
        return {key: read(value, where) for key, value in reply.items() if key in asked}

    return plain


def _days(value: Any, where: str) -> TradingDays:
    (days,) = _typed([value], TradingDays, where)
    return read_days(days, where)


def _table(value: Any, where: str) -> list[Instrument]:
    return [read_instrument(item, where) for item in _typed(value, Instrument, where)]


def _quote(symbol: Symbol) -> Quote:
    return Quote(symbol=symbol)


def _book(symbol: Symbol) -> Depth:
    return Depth(quote=Quote(symbol=symbol))


def _instrument(symbol: Symbol) -> Instrument:
    return Instrument(symbol=symbol)


_READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "quotes": _listed(Quote, read_quote, _quote),
        "depth": _listed(Depth, read_depth, _book),
        "instruments": _listed(Instrument, read_instrument, _instrument),
        "listings": _keyed(_table),
        "calendar": _keyed(_days),
        "sectors": _keyed(read_members),
    }
)
