"""``/latest`` and ``/full``: what is going on now."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from argus_api import wire
from argus_api.envelope import Reply, encoded
from argus_api.openapi import ASKING, documented, responses
from argus_api.params import DEPTH, EXPLAIN, FIELDS, MAX_STALENESS, SYMBOLS, USE_CACHE
from argus_api.query import Params
from argus_api.schemas import FullBody, LatestBody
from argus_api.terms import (
    FULL_CAP,
    LATEST_CAP,
    LATEST_SECONDS,
    ask_of,
    batch_of,
    gateway_of,
    picked,
    today_of,
)

router = APIRouter()

_LATEST = Params(SYMBOLS, FIELDS, USE_CACHE, MAX_STALENESS, EXPLAIN)
_FULL = Params(SYMBOLS, FIELDS, DEPTH, USE_CACHE, MAX_STALENESS, EXPLAIN)


@router.get(
    "/latest",
    summary="Latest quotes",
    responses=responses(LatestBody, *ASKING),
    openapi_extra=documented(_LATEST),
)
async def latest(request: Request) -> Response:
    """The latest quote of up to 1 000 symbols."""
    asked = _LATEST.read(request.query_params.multi_items())
    names = picked(asked[FIELDS], wire.QUOTE_FIELDS)
    today = today_of(request)
    batch = batch_of(asked, LATEST_CAP, today, today)
    ask = ask_of(request, asked, LATEST_SECONDS)
    answer = await gateway_of(request).quotes(batch.symbols, ask)
    reply = Reply(request=request, ask=ask, answer=answer, errors=batch.errors).checked()
    if asked[FIELDS] is None:
        data = {str(key): wire.quote(value) for key, value in answer.data.items()}
    else:
        data = {str(k): wire.only(wire.quote(v), names) for k, v in answer.data.items()}
    extra = {
        "cache_hit": answer.cached,
        "response_time_ms": round(ask.deadline.elapsed_ms, 2),
    }
    return reply.enveloped(encoded(data), extra=extra, explain=asked[EXPLAIN])


@router.get(
    "/full",
    summary="Quotes with order book and trades",
    responses=responses(FullBody, *ASKING),
    openapi_extra=documented(_FULL),
)
async def full(request: Request) -> Response:
    """Quote, order book and recent trades of up to 200 symbols."""
    asked = _FULL.read(request.query_params.multi_items())
    groups = picked(asked[FIELDS], wire.DEPTH_GROUPS)
    today = today_of(request)
    batch = batch_of(asked, FULL_CAP, today, today)
    ask = ask_of(request, asked, LATEST_SECONDS)
    answer = await gateway_of(request).depth(batch.symbols, asked[DEPTH], ask)
    reply = Reply(request=request, ask=ask, answer=answer, errors=batch.errors).checked()
    data = {str(key): wire.depth(value, groups) for key, value in answer.data.items()}
    return reply.enveloped(encoded(data), explain=asked[EXPLAIN])
