"""Arrow IPC streams and Parquet files that carry our metadata in their schema."""

from __future__ import annotations

from io import BytesIO
from typing import Any, cast

import nanoarrow  # type: ignore[import-untyped]  # it ships no types
import nanoarrow.ipc  # type: ignore[import-untyped]
import polars as pl
from nanoarrow.c_array_stream import CArrayStream  # type: ignore[import-untyped]

META_KEY = "argus.meta"

# nanoarrow is untyped; this module is the only place that touches it.
_arrow = cast("Any", nanoarrow)
_ipc = cast("Any", nanoarrow.ipc)
_Stream = cast("Any", CArrayStream)


def ipc_stream(frame: pl.DataFrame) -> bytes:
    """``frame`` as an Arrow IPC stream whose types every Arrow reader knows (no string views)."""
    buffer = BytesIO()
    frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()


def stream_with_meta(stream: bytes, meta: bytes) -> bytes:
    """The same stream with ``meta`` in its schema, where polars itself cannot put any."""
    with _ipc.InputStream.from_readable(BytesIO(stream)) as source:
        batches = _arrow.c_array_stream(source)
        schema = _marked(batches.get_schema(), meta)
        marked = _Stream.from_c_arrays(list(batches), schema)
    buffer = BytesIO()
    with _ipc.StreamWriter.from_writable(buffer) as writer:
        writer.write_stream(marked)
    return buffer.getvalue()


def parquet_with_meta(frame: pl.DataFrame, stream: bytes, meta: bytes) -> bytes:
    """``frame``, whose IPC stream is ``stream``, as a Parquet file with ``meta``.

    It stands twice in the file: as key-value metadata, which every reader shows, and in the Arrow
    schema, which Arrow readers take instead where there is one.
    """
    with _ipc.InputStream.from_readable(BytesIO(stream)) as source:
        schema = _marked(_arrow.c_array_stream(source).get_schema(), meta)
    buffer = BytesIO()
    frame.write_parquet(buffer, metadata={META_KEY: meta.decode()}, arrow_schema=schema)
    return buffer.getvalue()


def _marked(schema: Any, meta: bytes) -> Any:
    return schema.modify(metadata={META_KEY: meta.decode()})
