"""``/api/v1/subscriptions``: who listens to what just now, for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from argus_api.auth import EITHER_SCHEME, operates
from argus_api.envelope import JSON, encoded
from argus_api.openapi import plain_responses
from argus_api.query import Params
from argus_api.stream import Audience
from argus_api.stream.connection import Connection
from argus_api.terms import gateway_of
from argus_api.wire import instant
from argus_core.model.symbol import Symbol

router = APIRouter(prefix="/api/v1", tags=["admin"], dependencies=[Depends(operates)])

_NONE = Params()


class ListenerBody(BaseModel):
    """One connection and how it keeps up."""

    who: str | None = Field(description="The key's owner; null before it has said who it is.")
    client: str = Field(description="The address that it comes from.")
    protocol: str = Field(description="The dialect; empty for the one without a name.")
    since: str = Field(description="When it connected.")
    channels: dict[str, list[str]] = Field(description="The symbols heard, by channel.")
    interval_ms: list[int] = Field(description="The paces at which it is told, 0: at once.")
    sent: int = Field(description="Messages so far.")
    backlog: int = Field(description="Updates and messages that wait.")
    unsent_bytes: int = Field(description="Bytes written that the other side has not taken.")
    conflated: int = Field(description="Updates replaced by newer ones before they could be sent.")
    lost: int = Field(description="Updates that each counted and were too many; it was told.")


class FeedBody(BaseModel):
    """How one symbol is brought."""

    mode: str | None = Field(description="push, poll, or null while nobody brings it.")
    source: str | None = Field(description="Who brought it last.")
    carrier: str | None = Field(description="The node or pool that it is asked of.")
    listeners: int = Field(description="Connections that listen to it.")
    silent_seconds: float = Field(description="Since anything came, or was made sure of.")
    stale: str | None = Field(description="Why nobody brings it.")


class FanoutBody(BaseModel):
    """What goes to other gateways over a cache that they share, once for all of them."""

    followers: int = Field(description="Gateways that follow.")
    symbols: int = Field(description="Symbols that go this way.")
    published: int = Field(description="Messages so far.")
    fault: str | None = Field(description="Why nothing can be published just now.")


class SubscriptionsBody(BaseModel):
    """Everybody who listens at this process, and how each symbol is brought."""

    success: bool = True
    data: list[ListenerBody]
    feeds: dict[str, FeedBody]
    fanout: FanoutBody | None = Field(description="Null where there is no such cache.")
    stats: dict[str, Any]
    timestamp: str


@router.get(
    "/subscriptions",
    summary="Who listens to what",
    responses=plain_responses(SubscriptionsBody),
    openapi_extra={"security": EITHER_SCHEME},
)
async def subscriptions(request: Request) -> Response:
    """Every open connection of this process with its symbols, lag and drops; scope `manage`."""
    _NONE.read(request.query_params.multi_items())
    audience = cast("Audience", request.app.state.audience)
    clock = gateway_of(request).clock
    body = {
        "success": True,
        "data": [_listener(audience, connection) for connection in audience.connections],
        "feeds": _feeds(audience, clock.monotonic()),
        "fanout": _fanout(audience),
        "stats": audience.stats(),
        "timestamp": instant(clock.now().replace(microsecond=0)),
    }
    return Response(encoded(body), headers={"Cache-Control": "no-store"}, media_type=JSON)


def _listener(audience: Audience, connection: Connection) -> Mapping[str, Any]:
    heard = audience.streaming.hub.heard(connection)
    channels: dict[str, list[Symbol]] = {}
    for channel, symbol in heard:
        channels.setdefault(channel, []).append(symbol)
    principal = connection.principal
    return {
        "who": None if principal is None else principal.id,
        "client": connection.client,
        "protocol": connection.dialect.name,
        "since": instant(connection.since),
        "channels": channels,
        "interval_ms": sorted({round(lane.interval * 1000) for _, lane in heard.values()}),
        "sent": connection.sent,
        "backlog": connection.backlog,
        "unsent_bytes": connection.wire.unsent,
        "conflated": connection.skipped,
        "lost": connection.lost,
    }


def _fanout(audience: Audience) -> Mapping[str, Any] | None:
    if (fanout := audience.fanout) is None:
        return None
    names = FanoutBody.model_fields
    return {name: getattr(fanout, name) for name in names}


def _feeds(audience: Audience, now: float) -> dict[str, Mapping[str, Any]]:
    streaming = audience.streaming
    listeners: dict[Symbol, set[int]] = {}
    for connection in audience.connections:
        for _, symbol in streaming.hub.heard(connection):
            listeners.setdefault(symbol, set()).add(id(connection))
    return {
        str(symbol): {
            "mode": None if line.leg is None else line.leg.mode,
            "source": line.source,
            "carrier": None if line.leg is None else line.leg.name,
            "listeners": len(listeners.get(symbol, ())),
            "silent_seconds": round(max(0.0, now - line.heard), 3),
            "stale": line.stale if line.leg is None else None,
        }
        for symbol, line in streaming.supplier.lines.items()
    }
