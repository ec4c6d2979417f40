"""``/health`` for machines that watch, ``/api/v1/sources`` for people who operate."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from argus_api.auth import EITHER_SCHEME, reads_data
from argus_api.envelope import JSON, encoded
from argus_api.openapi import plain_responses
from argus_api.query import Params
from argus_api.schemas import HealthBody, SourcesBody
from argus_api.terms import gateway_of
from argus_api.wire import instant
from argus_core import __version__

router = APIRouter(tags=["system"])

_NONE = Params()
_DOWN = {"model": HealthBody, "description": "Nothing can answer."}


@router.get(
    "/health",
    summary="Health",
    responses={200: {"model": HealthBody}, 503: _DOWN},
)
async def health(request: Request) -> Response:
    """Whether Argus can answer: 200 if it can, even in part, 503 if it cannot. No envelope."""
    gateway = gateway_of(request)
    now = gateway.clock.now()
    services = dict(gateway.health())
    status = _overall(services, offline=gateway.offline)
    started = gateway.started or now
    body = {
        "status": status,
        "timestamp": instant(now.replace(microsecond=0)),
        "version": __version__,
        "uptime_seconds": int((now - started).total_seconds()),
        "services": services,
    }
    return Response(
        encoded(body),
        status_code=503 if status == "down" else 200,
        headers={"Cache-Control": "no-store"},
        media_type=JSON,
    )


@router.get(
    "/api/v1/sources",
    summary="Sources",
    responses=plain_responses(SourcesBody),
    dependencies=[Depends(reads_data)],
    openapi_extra={"security": EITHER_SCHEME},
)
async def sources(request: Request) -> Response:
    """Every enabled source: its state, what it offers, which routes reach it."""
    _NONE.read(request.query_params.multi_items())
    gateway = gateway_of(request)
    now = gateway.clock.now()
    body = {
        "success": True,
        "data": gateway.sources(),
        "timestamp": instant(now.replace(microsecond=0)),
    }
    return Response(encoded(body), headers={"Cache-Control": "no-store"}, media_type=JSON)


def _overall(services: dict[str, str], *, offline: bool) -> str:
    """One word for all: down only where no part is left that could answer.

    An offline gateway answers from its disk, which is all that it is there for.
    """
    states = set(services.values())
    if not states - {"down"}:
        return "degraded" if offline else "down"
    return "healthy" if states == {"healthy"} else "degraded"
