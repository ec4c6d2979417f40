"""Canonical values to bytes and back: JSON for records, Arrow IPC for frames."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

import orjson
import polars as pl
from pydantic import TypeAdapter, ValidationError

from argus_core.clock import SHANGHAI
from argus_core.model.records import Depth, Instrument, Quote, TradingDays
from argus_core.model.symbol import Symbol


class Codec(Protocol):
    """Turns one dataset's values into bytes and back."""

    def encode(self, value: Any) -> bytes:
        """The value as bytes."""
        ...

    def decode(self, data: bytes) -> Any:
        """The value again; ValueError if the bytes are damaged."""
        ...


class _Json:
    """Records, and tuples of them."""

    def __init__(self, kind: Any) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def encode(self, value: Any) -> bytes:
        return orjson.dumps(value)

    def decode(self, data: bytes) -> Any:
        try:
            return self._adapter.validate_json(data)
        except ValidationError as error:
            raise ValueError("the stored record is damaged") from error


class _Frame:
    """Polars frames as an Arrow IPC stream, which small ones pass ten times faster than a file."""

    def encode(self, value: pl.DataFrame) -> bytes:
        buffer = io.BytesIO()
        value.write_ipc_stream(buffer)
        return buffer.getvalue()

    def decode(self, data: bytes) -> pl.DataFrame:
        try:
            return pl.read_ipc_stream(io.BytesIO(data))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise ValueError("the stored frame is damaged") from error


RECORDS: Mapping[str, Any] = MappingProxyType(
    {
        "quotes": Quote,
        "depth": Depth,
        "instruments": Instrument,
        "listings": tuple[Instrument, ...],
        "calendar": TradingDays,
        "sectors": tuple[Symbol, ...],
        "main_contracts": Symbol,
        "chart_panels": str,
    }
)
"""The datasets whose values are small, and what such a value is."""
FRAMES = ("bars", "factors", "ticks")
"""The datasets whose values are frames."""

CODECS: Mapping[str, Codec] = MappingProxyType(
    {name: _Json(kind) for name, kind in RECORDS.items()} | {name: _Frame() for name in FRAMES}
)
"""The codec of each dataset."""


def as_of(value: Any) -> datetime | None:
    """The instant that a value speaks of: a quote's time, a series' last bar."""
    if isinstance(value, Depth):
        return value.quote.as_of
    if isinstance(value, Quote):
        return value.as_of
    if isinstance(value, pl.DataFrame) and "time" in value.columns and value.height:
        last = value.get_column("time")[-1]
        return last.astimezone(SHANGHAI) if isinstance(last, datetime) else None
    return None
