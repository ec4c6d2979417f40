"""Arrow IPC streams that carry our metadata in their schema."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, cast

import nanoarrow.ipc  # type: ignore[import-untyped]  # it ships no types
import polars as pl
from nanoarrow.c_array_stream import CArrayStream  # type: ignore[import-untyped]


def ipc_stream(frame: pl.DataFrame) -> bytes:
    """``frame`` as an Arrow IPC stream whose types every Arrow reader knows (no string views)."""
    buffer = BytesIO()
    frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()


def with_metadata(stream: bytes, metadata: Mapping[str, str]) -> bytes:
    """The same stream with ``metadata`` in its schema, where polars itself cannot put any."""
    # nanoarrow is untyped; these few lines are the only place that touches it.
    ipc = cast("Any", nanoarrow.ipc)
    with ipc.InputStream.from_readable(BytesIO(stream)) as source:
        arrays = CArrayStream.from_c_arrays
        batches = cast("Any", nanoarrow).c_array_stream(source)
        schema = batches.get_schema().modify(metadata=dict(metadata))
        buffer = BytesIO()
        with ipc.StreamWriter.from_writable(buffer) as writer:
            writer.write_stream(arrays(list(batches), schema))
    return buffer.getvalue()
