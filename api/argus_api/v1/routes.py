"""``/api/v1/routes``, switches of sources, reloads: what is asked, in which order, from when on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from argus_api.auth import EITHER_SCHEME, operates
from argus_api.bodies import in_path, read_body, taking
from argus_api.envelope import JSON, encoded
from argus_api.openapi import plain_responses
from argus_api.query import Params
from argus_api.terms import gateway_of
from argus_api.v1.pool_schemas import (
    ReloadBody,
    RouteAsked,
    RouteBody,
    SwitchAsked,
    SwitchBody,
)
from argus_api.wire import instant
from argus_core import BadParameter
from argus_core.control.refusals import Conflict
from argus_core.control.routes import RouteView
from argus_core.errors import ConfigError

router = APIRouter(prefix="/api/v1", tags=["admin"], dependencies=[Depends(operates)])

_NONE = Params()
_DATASET = in_path("dataset", "A dataset, or `default` for those that have no route of their own.")
_SOURCE = in_path("name", "The source's name in the configuration.")
_ONE: dict[str, Any] = {"parameters": [_DATASET], "security": EITHER_SCHEME}


@router.get(
    "/routes/{dataset}",  # noqa: FAST003 - declaring it would bring FastAPI's own 422
    summary="A route",
    responses=plain_responses(RouteBody, 404),
    openapi_extra=_ONE,
)
async def route(request: Request) -> Response:
    """Which pools are asked for a dataset, best first, and who says so; scope `manage`."""
    _NONE.read(request.query_params.multi_items())
    view = gateway_of(request).routes.one(request.path_params["dataset"])
    return _answered(request, _row(view))


@router.put(
    "/routes/{dataset}",  # noqa: FAST003 - as above
    summary="Put a route",
    responses=plain_responses(RouteBody, 404, 500),
    openapi_extra=taking(RouteAsked, _DATASET),
)
async def put_route(request: Request) -> Response:
    """Ask these pools from now on, as written or (`order`) as they prove; scope `manage`.

    It holds over the file's route, also after a restart, until it is deleted or the file's own
    route for the dataset changes.
    """
    _NONE.read(request.query_params.multi_items())
    asked = await read_body(request, RouteAsked)
    desk = gateway_of(request).routes
    view = await desk.put(request.path_params["dataset"], tuple(asked.pools), asked.order)
    return _answered(request, _row(view))


@router.delete(
    "/routes/{dataset}",  # noqa: FAST003 - as above
    summary="Take a route back",
    responses=plain_responses(RouteBody, 404, 500),
    openapi_extra=_ONE,
)
async def delete_route(request: Request) -> Response:
    """Go by the file's route again; scope `manage`."""
    _NONE.read(request.query_params.multi_items())
    view = await gateway_of(request).routes.delete(request.path_params["dataset"])
    return _answered(request, _row(view))


@router.patch(
    "/sources/{name:path}",  # noqa: FAST003 - as above
    summary="Switch a source",
    responses=plain_responses(SwitchBody, 404, 409, 500),
    openapi_extra=taking(SwitchAsked, _SOURCE),
)
async def switch(request: Request) -> Response:
    """Switch a source off or on, or drain it; scope `manage`. It holds after a restart too.

    Neither takes new calls, and calls under way end; one that is switched off is closed then.
    """
    _NONE.read(request.query_params.multi_items())
    asked = await read_body(request, SwitchAsked)
    if asked.enabled is None and asked.drain is None:
        raise BadParameter('say what to change: {"enabled": false} or {"drain": true}')
    gateway, name = gateway_of(request), request.path_params["name"]
    was = next((one for one in gateway.sources() if one.name == name), None)
    done = await gateway.switches.set(name, enabled=asked.enabled, drain=asked.drain)
    now = next(one for one in gateway.sources() if one.name == name)
    row = {
        "name": name,
        "enabled": done.enabled,
        "drain": done.drain,
        "state": now.state,
        "in_flight": max(now.in_flight, was.in_flight if was else 0),
    }
    return _answered(request, row)


@router.post(
    "/admin/reload",
    summary="Read the configuration again",
    responses=plain_responses(ReloadBody, 409, 500),
    openapi_extra={"security": EITHER_SCHEME},
)
async def reload(request: Request) -> Response:
    """Put plugins.toml into force as it is now, without dropping a request; scope `manage`.

    409 with the reason if it cannot be; then everything goes on as before.
    """
    _NONE.read(request.query_params.multi_items())
    gateway = gateway_of(request)
    try:
        report = await gateway.reload_from_file()
    except ConfigError as error:
        clean = gateway.redactor.text
        raise Conflict(
            f"the configuration was not changed: {clean(error.message)}",
            details={"where": clean(error.where), "fix": clean(error.fix)},
        ) from None
    return _answered(request, asdict(report))


def _row(view: RouteView) -> dict[str, Any]:
    return {
        "dataset": view.dataset,
        "pools": view.pools,
        "order": view.order,
        "defined_by": view.made,
        "rules": [rule.model_dump(mode="json") for rule in view.rules],
    }


def _answered(request: Request, data: object) -> Response:
    now = gateway_of(request).clock.now().replace(microsecond=0)
    body = {"success": True, "data": data, "timestamp": instant(now)}
    return Response(encoded(body), headers={"Cache-Control": "no-store"}, media_type=JSON)
