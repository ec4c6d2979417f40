"""``/latest_market``, ``/full_market`` and ``/create_chart_panel``."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from argus_api.auth import EITHER_SCHEME
from argus_api.envelope import Reply, encoded
from argus_api.errors import raise_for
from argus_api.legacy import rows
from argus_api.legacy.schemas import LegacyFull, LegacyQuotes
from argus_api.openapi import ASKING, documented, responses
from argus_api.params import DEPTH, FIELDS, MAX_STALENESS, SYMBOL, SYMBOLS, USE_CACHE
from argus_api.provenance import failures
from argus_api.query import Params
from argus_api.schemas import ErrorBody
from argus_api.terms import (
    LATEST_CAP,
    LATEST_SECONDS,
    ask_of,
    batch_of,
    gateway_of,
    picked,
    symbol_of,
    today_of,
)
from argus_api.wire import only
from argus_core import NotOffered

router = APIRouter()

_LATEST = Params(SYMBOLS, USE_CACHE, MAX_STALENESS)
_FULL = Params(SYMBOL, FIELDS, DEPTH, USE_CACHE, MAX_STALENESS)


@router.get(
    "/latest_market",
    summary="Latest quotes",
    responses=responses(LegacyQuotes, *ASKING),
    openapi_extra=documented(_LATEST),
)
async def latest_market(request: Request) -> Response:
    """The latest quote of up to 1 000 symbols."""
    asked = _LATEST.read(request.query_params.multi_items())
    today = today_of(request)
    batch = batch_of(asked, LATEST_CAP, today, today)
    ask = ask_of(request, asked, LATEST_SECONDS)
    answer = await gateway_of(request).quotes(batch.symbols, ask)
    reply = Reply(request=request, ask=ask, answer=answer, errors=batch.errors).checked()
    body: dict[str, object] = {"data": [rows.quote(value) for value in answer.data.values()]}
    if lost := reply.failures:
        body["errors"] = failures(lost)
    return reply.plain(encoded(body))


@router.get(
    "/full_market",
    summary="Quote with order book and trades",
    responses=responses(LegacyFull, *ASKING),
    openapi_extra=documented(_FULL),
)
async def full_market(request: Request) -> Response:
    """Quote, order book and recent trades of one symbol; ``fields`` picks entries or groups."""
    asked = _FULL.read(request.query_params.multi_items())
    names = _wanted(asked[FIELDS])
    today = today_of(request)
    symbol = symbol_of(asked, today, today)
    ask = ask_of(request, asked, LATEST_SECONDS)
    answer = await gateway_of(request).depth((symbol,), asked[DEPTH], ask)
    raise_for(answer.errors)
    reply = Reply(request=request, ask=ask, answer=answer)
    return reply.plain(encoded(only(rows.full(answer.data[symbol]), names)))


def _wanted(fields: Sequence[str] | None) -> tuple[str, ...]:
    """The entries that ``fields`` picks; the symbol always, for the body has no other key."""
    if fields is None:
        return rows.FULL_FIELDS
    names = picked(fields, (*rows.GROUPS, *(n for n in rows.FULL_FIELDS if n not in rows.GROUPS)))
    chosen = {"symbol"}.union(*(rows.GROUPS.get(name, (name,)) for name in names))
    return tuple(name for name in rows.FULL_FIELDS if name in chosen)


@router.post(
    "/create_chart_panel",
    summary="A chart in a vendor's client (no source has one)",
    status_code=501,
    responses={
        400: {"model": ErrorBody, "description": "Credentials stand in the URL."},
        401: {"model": ErrorBody, "description": "Credentials are absent or not valid."},
        403: {"model": ErrorBody, "description": "The credentials do not allow this."},
        501: {"model": ErrorBody, "description": "No configured source has a client screen."},
    },
    openapi_extra={
        "security": EITHER_SCHEME,
        "requestBody": {
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "symbols": {"type": "array", "items": {"type": "string"}},
                            "period": {"type": "string"},
                        },
                    }
                }
            }
        },
    },
)
async def create_chart_panel() -> Response:
    """Always 501: a chart panel needs a source that draws on a screen."""
    raise NotOffered("no configured source has a client screen to draw a chart panel on")
