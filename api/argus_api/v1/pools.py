"""``/api/v1/connection_pool``: pools made, looked at and changed at run time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
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
    CheckedBody,
    DeletedBody,
    PoolAsked,
    PoolBody,
    PoolChangeAsked,
    PoolConfigAsked,
    PoolMadeBody,
    PoolsBody,
    ScaleAsked,
    ScaledBody,
)
from argus_api.wire import instant
from argus_core.control.figures import NodeFigures, PoolFigures

router = APIRouter(
    prefix="/api/v1/connection_pool/pools",
    tags=["connection_pool"],
    dependencies=[Depends(operates)],
)

NODES = "remote"
"""The plugin of server nodes: each is another Argus."""
BALANCER = "round_robin"
"""The balancer of a pool that names none."""

_NONE = Params()
_NAME = in_path("name", "The pool's name.")
_ONE: dict[str, Any] = {"parameters": [_NAME], "security": EITHER_SCHEME}


@router.post(
    "",
    summary="Create a pool",
    responses=plain_responses(PoolMadeBody, 409, 500),
    openapi_extra=taking(PoolAsked),
)
async def create(request: Request) -> Response:
    """Make a pool of other Argus gateways; scope `manage`. It answers once a route names it.

    Every node must be on the operator's allow-list, `[server_nodes] allow` in plugins.toml.
    """
    _NONE.read(request.query_params.multi_items())
    asked = await read_body(request, PoolAsked)
    balancer, config = _settings(asked.config or PoolConfigAsked())
    pool = await gateway_of(request).pools.create(
        asked.name,
        plugin=NODES,
        balancer=BALANCER if balancer is None else balancer,
        config=config,
        server_nodes=[node.model_dump() for node in asked.server_nodes],
    )
    return _answered(request, _made(pool, "created"))


@router.get(
    "",
    summary="Pools",
    responses=plain_responses(PoolsBody),
    openapi_extra={"security": EITHER_SCHEME},
)
async def every(request: Request) -> Response:
    """Every pool of the file and of the API as it stands now; scope `manage`."""
    _NONE.read(request.query_params.multi_items())
    now = _now(request)
    rows = [_row(pool, now) for pool in gateway_of(request).pools.every()]
    return _answered(request, {"pools": rows, "total_pools": len(rows)})


@router.get(
    "/{name}",  # noqa: FAST003 - declaring it would bring FastAPI's own 422
    summary="One pool",
    responses=plain_responses(PoolBody, 404),
    openapi_extra=_ONE,
)
async def one(request: Request) -> Response:
    """A pool's load, its figures of the last minute, its nodes and its settings."""
    _NONE.read(request.query_params.multi_items())
    pool = gateway_of(request).pools.one(request.path_params["name"])
    body = {
        "pool_name": pool.name,
        "metrics": _metrics(pool, _now(request)),
        "config": _config(pool),
        "health_status": pool.health,
        "defined_by": pool.made,
        "routes": pool.routes,
    }
    return _answered(request, body)


@router.patch(
    "/{name}",  # noqa: FAST003 - as above
    summary="Change a pool",
    responses=plain_responses(PoolMadeBody, 404, 409, 500),
    openapi_extra=taking(PoolChangeAsked, _NAME),
)
async def alter(request: Request) -> Response:
    """Replace settings, or all nodes, of a pool that was made over the API; scope `manage`."""
    _NONE.read(request.query_params.multi_items())
    asked = await read_body(request, PoolChangeAsked)
    balancer, config = _settings(asked.config or PoolConfigAsked())
    nodes = asked.server_nodes
    pool = await gateway_of(request).pools.alter(
        request.path_params["name"],
        balancer=balancer,
        config=config,
        server_nodes=None if nodes is None else [node.model_dump() for node in nodes],
    )
    return _answered(request, _made(pool, "changed"))


@router.delete(
    "/{name}",  # noqa: FAST003 - as above
    summary="Delete a pool",
    responses=plain_responses(DeletedBody, 404, 409, 500),
    openapi_extra=_ONE,
)
async def delete(request: Request) -> Response:
    """Delete a pool that was made over the API and that no route names; scope `manage`.

    Calls under way end before its nodes are closed.
    """
    _NONE.read(request.query_params.multi_items())
    name = request.path_params["name"]
    await gateway_of(request).pools.delete(name)
    return _answered(request, {"message": f"Connection pool '{name}' deleted successfully"})


@router.post(
    "/{name}/scale",  # noqa: FAST003 - as above
    summary="Scale a pool",
    responses=plain_responses(ScaledBody, 404, 409, 500),
    openapi_extra=taking(ScaleAsked, _NAME),
)
async def scale(request: Request) -> Response:
    """Set how many calls a pool makes at once, between its bounds; scope `manage`.

    Of a pool of the file it holds until the next start.
    """
    _NONE.read(request.query_params.multi_items())
    name, target = request.path_params["name"], (await read_body(request, ScaleAsked)).target_size
    done = await gateway_of(request).pools.scale(name, target)
    body = {
        "message": f"Pool '{name}' scaled from {done.before} to {done.after} connections",
        "previous_size": done.before,
        "new_size": done.after,
        "target_size": target,
    }
    return _answered(request, body)


@router.post(
    "/{name}/health_check",  # noqa: FAST003 - as above
    summary="Check a pool's nodes",
    responses=plain_responses(CheckedBody, 404),
    openapi_extra=_ONE,
)
async def health_check(request: Request) -> Response:
    """Ask every node of a pool now how it is; it takes a few seconds at most; scope `manage`."""
    _NONE.read(request.query_params.multi_items())
    pool = await gateway_of(request).pools.check(request.path_params["name"])
    well = sum(node.healthy for node in pool.nodes)
    body = {
        "message": f"Health check completed for pool '{pool.name}'",
        "total_nodes": len(pool.nodes),
        "healthy_nodes": well,
        "unhealthy_nodes": len(pool.nodes) - well,
        "node_details": [
            {**_end(node), "last_health_check": instant(_whole(node.checked_at))}
            for node in pool.nodes
        ],
    }
    return _answered(request, body)


def _settings(config: PoolConfigAsked) -> tuple[str | None, dict[str, Any]]:
    """The balancer that is named, and the other settings that are given."""
    given = {key: value for key, value in config.model_dump().items() if value is not None}
    return given.pop("load_balance_strategy", None), given


def _row(pool: PoolFigures, now: datetime) -> dict[str, Any]:
    return {
        "name": pool.name,
        **_load(pool),
        "health_status": pool.health,
        "server_nodes_count": len(pool.nodes),
        "waiting": pool.load.waiting,
        "defined_by": pool.made,
        "routes": pool.routes,
        "last_update": instant(now),
    }


def _load(pool: PoolFigures) -> dict[str, Any]:
    load = pool.load
    return {
        "active_connections": load.in_use,
        "idle_connections": max(0, load.size - load.in_use),
        "total_connections": load.size,
        "pool_utilization": round(load.utilisation, 4),
    }


def _metrics(pool: PoolFigures, now: datetime) -> dict[str, Any]:
    load = pool.load
    nodes = [
        {**_end(node), "response_time": node.response_ms, "weight": node.weight}
        for node in pool.nodes
    ]
    return {
        **_load(pool),
        "avg_response_time": load.response_ms,
        "error_rate": None if load.error_rate is None else round(load.error_rate, 4),
        "throughput": round(load.throughput, 3),
        "server_nodes": nodes,
        "waiting": load.waiting,
        "refused": load.refused,
        "last_update": instant(now),
    }


def _end(node: NodeFigures) -> dict[str, Any]:
    return {
        "host": node.host,
        "port": node.port,
        "health_status": node.healthy,
        "current_connections": node.connections,
        "name": node.name,
        "reason": node.reason,
    }


def _config(pool: PoolFigures) -> dict[str, Any]:
    return {**pool.limits.model_dump(), "load_balance_strategy": pool.balancer}


def _made(pool: PoolFigures, deed: str) -> dict[str, Any]:
    return {
        "message": f"Connection pool '{pool.name}' {deed} successfully",
        "pool_name": pool.name,
        "config": _config(pool),
        "server_nodes_count": len(pool.nodes),
    }


def _now(request: Request) -> datetime:
    return gateway_of(request).clock.now().replace(microsecond=0)


def _whole(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(microsecond=0)


def _answered(request: Request, body: Mapping[str, Any]) -> Response:
    whole = {"success": True, **body, "timestamp": instant(_now(request))}
    return Response(encoded(whole), headers={"Cache-Control": "no-store"}, media_type=JSON)
