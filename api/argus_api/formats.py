"""The formats of history: which one a client wants, and the response in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import polars as pl
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from argus_api import frames
from argus_api.accept import best
from argus_api.arrow import ipc_stream, parquet_with_meta, stream_with_meta
from argus_api.envelope import Reply, encoded
from argus_api.errors import NotAcceptable
from argus_api.etag import etag_of, matches
from argus_api.provenance import failures, failures_header

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "json": "application/json",
        "csv": "text/csv",
        "ndjson": "application/x-ndjson",
        "arrow": "application/vnd.apache.arrow.stream",
        "parquet": "application/vnd.apache.parquet",
    }
)
"""The media type of each format that ``Accept`` can name, the preferred first."""

_BY_MEDIA_TYPE = MappingProxyType({media: name for name, media in MEDIA_TYPES.items()})
_WORTH_A_THREAD = 2000
"""Rows from which encoding is moved off the event loop."""

Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class _Tabular:
    """A format of one table: ``data`` makes what the ETag covers, ``body`` what is sent."""

    data: Callable[[pl.DataFrame], bytes]
    body: Callable[[pl.DataFrame, bytes, bytes], bytes]


_TABULAR: Mapping[str, _Tabular] = MappingProxyType(
    {
        "csv": _Tabular(frames.csv, lambda _table, data, _meta: data),
        "ndjson": _Tabular(frames.ndjson, lambda _table, data, _meta: data),
        "arrow": _Tabular(ipc_stream, lambda _table, data, meta: stream_with_meta(data, meta)),
        "parquet": _Tabular(ipc_stream, parquet_with_meta),
    }
)


def wanted(request: Request, named: str | None) -> str:
    """The format that ``format=`` or else ``Accept`` asks for, JSON if neither does."""
    if named is not None:
        return named
    header = request.headers.get("accept")
    if not header:
        return "json"
    media = best(header, tuple(MEDIA_TYPES.values()))
    if media is None:
        raise NotAcceptable(
            "Accept names no format of this path; available: " + ", ".join(MEDIA_TYPES.values()),
            details={"parameter": "Accept", "allowed": list(MEDIA_TYPES.values())},
        )
    return _BY_MEDIA_TYPE[media]


async def history_response(
    form: str, reply: Reply, bars: Frames, *, period: str, meta: Mapping[str, Any], explain: bool
) -> Response:
    """The bars of each symbol in the format ``form``."""
    if tabular := _TABULAR.get(form):
        return await _tabular_response(form, tabular, reply, bars, meta)
    encode = frames.rows_by_symbol if form == "json" else frames.columns_by_symbol
    total = total_of(bars)
    extra = {"total_records": total, "period": period}

    def respond() -> Response:
        # The tag and the envelope go over every byte too, so they belong to the encoding.
        return reply.enveloped(
            encode(bars), extra=extra, meta=meta, explain=explain, vary="Accept", form=form
        )

    return await off_loop(total, respond)


async def _tabular_response(
    form: str, tabular: _Tabular, reply: Reply, bars: Frames, meta: Mapping[str, Any]
) -> Response:
    def respond() -> Response:
        table = frames.table(bars)
        data = tabular.data(table)
        lost = reply.failures
        headers = reply.headers(etag_of(data, form), "Accept")
        if lost:
            headers["X-Argus-Errors"] = failures_header(lost)
        if matches(reply.request.headers.get("if-none-match"), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        told = {**reply.meta(), **meta, **({"errors": failures(lost)} if lost else {})}
        body = tabular.body(table, data, encoded(told))
        return Response(body, media_type=MEDIA_TYPES[form], headers=headers)

    return await off_loop(total_of(bars), respond)


async def off_loop(rows: int, respond: Callable[[], Response]) -> Response:
    """What ``respond`` returns, made in a thread where so many rows would stall the event loop."""
    if rows < _WORTH_A_THREAD:
        return respond()
    return await to_thread.run_sync(respond)


def total_of(bars: Frames) -> int:
    """The number of bars of all symbols together."""
    return sum(frame.height for frame in bars.values())
