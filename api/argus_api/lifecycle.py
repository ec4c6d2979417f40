"""Whether this process lives, and whether it wants more requests: for those who route to it.

Readiness goes off before the process stops to listen, so that a load balancer has time to look
elsewhere; meanwhile every answer tells its connection to close.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from argus_api.envelope import JSON, encoded

STARTING = "starting"
DRAINING = "draining"

router = APIRouter(tags=["system"])


@dataclass(slots=True)
class Lifecycle:
    """Where in its life one server is. ``reason`` says why it wants no requests, while it does."""

    reason: str | None = STARTING
    busy: Callable[[], bool] = lambda: False
    """True in the moments in which newcomers had better wait: listeners are being sent updates."""

    @property
    def draining(self) -> bool:
        """True once the server was told to end."""
        return self.reason == DRAINING

    def begin(self) -> None:
        """Everything is open: requests are welcome, unless the end has come already."""
        if not self.draining:
            self.reason = None

    def drain(self) -> None:
        """No more requests are wanted; those that come are still answered."""
        self.reason = DRAINING


class LiveBody(BaseModel):
    """That the process answers at all."""

    live: bool = Field(examples=[True])


class ReadyBody(BaseModel):
    """Whether more requests are welcome."""

    ready: bool = Field(examples=[True])
    reason: Literal["starting", "draining"] | None = Field(
        default=None, description="Why not; absent where they are."
    )


@router.get("/health/live", summary="Liveness", responses={200: {"model": LiveBody}})
async def live(_request: Request) -> Response:
    """200 as long as the process answers; no source is looked at. No envelope."""
    return _told({"live": True}, 200)


@router.get(
    "/health/ready",
    summary="Readiness",
    responses={
        200: {"model": ReadyBody},
        503: {"model": ReadyBody, "description": "It starts, or it was told to end."},
    },
)
async def ready(request: Request) -> Response:
    """200 while more requests are welcome, 503 from the moment the process was told to end.

    Sources that are down do not count: `/health` speaks of them. No envelope.
    """
    lifecycle: Lifecycle = request.app.state.lifecycle
    if lifecycle.reason is None:
        return _told({"ready": True}, 200)
    return _told({"ready": False, "reason": lifecycle.reason}, 503)


def _told(body: dict[str, object], status: int) -> Response:
    return Response(encoded(body), status, {"Cache-Control": "no-store"}, media_type=JSON)


class Farewell:
    """Tells each connection to close after its answer, from the moment the server drains."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle) -> None:
        self.app = app
        self.lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; the answer's head is looked at when it goes out, not before."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if self.lifecycle.draining and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, closing)
