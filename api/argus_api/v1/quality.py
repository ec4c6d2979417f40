"""``/api/v1/quality``: what the sources proved, who is in quarantine, who differs from whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from argus_api.auth import EITHER_SCHEME, operates, reads_data
from argus_api.envelope import JSON, encoded
from argus_api.openapi import documented, plain_responses
from argus_api.params import ADJUST, END, MAX_STALENESS, PERIOD, START, SYMBOLS, USE_CACHE
from argus_api.query import BadValueError, Param, Params
from argus_api.reading import read_text, read_texts
from argus_api.terms import (
    HISTORY_CAP,
    HISTORY_SECONDS,
    ask_of,
    batch_of,
    gateway_of,
    span_of,
    today_of,
)
from argus_api.v1.quality_schemas import QualityBody, ReconciliationBody, ReleasedBody
from argus_api.wire import instant
from argus_core import BadParameter, parse_symbol
from argus_core.model.query import HistoryQuery
from argus_core.quality.compare import FIELDS, read_tolerance

router = APIRouter(prefix="/api/v1/quality", tags=["system"])


def _tolerances(text: str) -> Mapping[str, float]:
    try:
        return read_tolerance(read_texts(text))
    except BadParameter as error:
        raise BadValueError(error.message, allowed=FIELDS) from None


SOURCES: Param[tuple[str, ...] | None] = Param(
    name="sources",
    parse=read_texts,
    listed=True,
    about="The sources to compare, separated by commas; all that offer bars if absent.",
    schema={"type": "string", "minLength": 1},
)
TOLERANCE: Param[Mapping[str, float] | None] = Param(
    name="tolerance",
    parse=_tolerances,
    listed=True,
    about=(
        "By how large a share of a value equal ones may differ, by field: "
        f"FIELD=SHARE, separated by commas. Fields: {', '.join(FIELDS)}."
    ),
    schema={"type": "string", "minLength": 1},
    example="turnover=0.001",
)
ONE_SYMBOL: Param[str | None] = Param(
    name="symbol",
    parse=read_text,
    about="Only the quarantines of this symbol; all of the source if absent.",
    schema={"type": "string", "minLength": 1},
    example="600519.SH",
)
_SOURCE_IN_PATH = {
    "name": "source",
    "in": "path",
    "required": True,
    "description": "The source's name in the configuration.",
    "schema": {"type": "string", "minLength": 1},
}

_NONE = Params()
_DEFAULT_TERMS = Params(USE_CACHE, MAX_STALENESS)
_RELEASE = Params(ONE_SYMBOL)
_RECONCILE = Params(SYMBOLS, START, END, PERIOD, ADJUST, SOURCES, TOLERANCE)


def _untagged(described: Mapping[str, Any]) -> dict[str, Any]:
    """``described`` without the header that asks about an earlier answer's tag."""
    kept = [p for p in described["parameters"] if p["name"] != "If-None-Match"]
    return {**described, "parameters": kept}


@router.get(
    "/sources",
    summary="Quality of sources",
    responses=plain_responses(QualityBody),
    dependencies=[Depends(reads_data)],
    openapi_extra={"security": EITHER_SCHEME},
)
async def sources(request: Request) -> Response:
    """What each source's rows proved since start-up, failed checks, freshness, quarantines."""
    _NONE.read(request.query_params.multi_items())
    return _enveloped(request, gateway_of(request).quality.sources())


@router.delete(
    "/quarantine/{source}",  # noqa: FAST003 - declaring it would bring FastAPI's own 422
    summary="End quarantines",
    responses=plain_responses(ReleasedBody, 404),
    dependencies=[Depends(operates)],
    openapi_extra={
        "parameters": [_SOURCE_IN_PATH, *_RELEASE.openapi()],
        "security": EITHER_SCHEME,
    },
)
async def release(request: Request) -> Response:
    """Let a source be asked again at once for what it is in quarantine for; scope `manage`."""
    text = _RELEASE.read(request.query_params.multi_items())[ONE_SYMBOL]
    today = today_of(request)
    symbol = None if text is None else parse_symbol(text, start=today, end=today)
    released = gateway_of(request).quality.release(request.path_params["source"], symbol)
    return _enveloped(request, released)


@router.get(
    "/reconcile",
    summary="Sources compared on the same bars",
    responses=plain_responses(ReconciliationBody, 404, 413, 501, 503),
    dependencies=[Depends(reads_data)],
    openapi_extra=_untagged(documented(_RECONCILE)),
)
async def reconcile(request: Request) -> Response:
    """Ask each source alone, past all caches, and report what differs after normalising.

    Equal means equal at the coarser resolution of two sources. 503 where fewer than two answered.
    """
    asked = _RECONCILE.read(request.query_params.multi_items())
    start, end = span_of(asked[START], asked[END], asked[PERIOD])
    batch = batch_of(asked, HISTORY_CAP, start, end)
    if batch.errors:
        raise BadParameter(
            "; ".join(failure.message for failure in batch.errors.values()),
            details={"parameter": SYMBOLS.name},
        )
    query = HistoryQuery(
        symbols=batch.symbols, period=asked[PERIOD], start=start, end=end, adjust=asked[ADJUST]
    )
    tolerance = asked[TOLERANCE]
    report = await gateway_of(request).quality.reconcile(
        query,
        ask_of(request, _DEFAULT_TERMS.read(()), HISTORY_SECONDS),
        sources=asked[SOURCES],
        tolerance=tolerance or {},
    )
    if not report.compared:
        raise report.refusal()
    return _enveloped(request, report)


def _enveloped(request: Request, data: object) -> Response:
    now = gateway_of(request).clock.now()
    body = {"success": True, "data": data, "timestamp": instant(now.replace(microsecond=0))}
    return Response(encoded(body), headers={"Cache-Control": "no-store"}, media_type=JSON)
