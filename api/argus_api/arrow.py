"""Arrow IPC streams that carry our metadata in their schema."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, cast

import nanoarrow  # type: ignore[import-untyped]  # it ships no types
import nanoarrow.ipc  # type: ignore[import-untyped]
import polars as pl
from nanoarrow.c_array_stream import CArrayStream  # type: ignore[import-untyped]

# nanoarrow is untyped; this module is the only place that touches it.
_arrow = cast("Any", nanoarrow)
_ipc = cast("Any", nanoarrow.ipc)
_Stream = cast("Any", CArrayStream)


def ipc_stream(frame: pl.DataFrame) -> bytes:
    """``frame`` as an Arrow IPC stream whose types every Arrow reader knows (no string views)."""
    buffer = BytesIO()
    frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()


def with_metadata(stream: bytes, metadata: Mapping[str, str]) -> bytes:
    """The same stream with ``metadata`` in its schema, where polars itself cannot put any."""
    with _ipc.InputStream.from_readable(BytesIO(stream)) as source:
        batches = _arrow.c_array_stream(source)
        schema = batches.get_schema().modify(metadata=dict(metadata))
        marked = _Stream.from_c_arrays(list(batches), schema)
    buffer = BytesIO()
    with _ipc.StreamWriter.from_writable(buffer) as writer:
        writer.write_stream(marked)
    return buffer.getvalue()
