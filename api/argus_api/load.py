"""How many data requests are answered at once, and which of them give way: before any work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from argus_api.errors import error_body
from argus_api.query import quoted
from argus_core import ArgusError, BadParameter
from argus_core.errors import Overloaded
from argus_core.gateway import Gateway
from argus_core.model.request import Priority, requesting

HEADER = "X-Argus-Priority"
RETRY_AFTER = 1.0
"""Seconds after which to come again: requests end soon, or at their deadlines."""
SHARES: Mapping[Priority, float] = MappingProxyType(
    {Priority.INTERACTIVE: 1.0, Priority.BATCH: 0.8, Priority.WARMUP: 0.6}
)
"""The part of ``max_in_flight`` up to which a request of each class is taken."""

_ALLOWED = {str(priority.name).lower(): priority for priority in Priority}
_V1 = "/api/v1/"
_STREAM = "/api/v1/market_data/stream"
_DATA = ("/api/v1/market_data/", "/api/v1/datasets/")
_ABOUT = ("/health", "/docs", "/redoc", "/openapi.json", "/asyncapi.json", "/metrics")


class Load:
    """Refuses data requests with 503 where too many are being answered; operators get through.

    The others learn how urgent they are: whatever is asked for them goes by it.
    """

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self.app = app
        self.gateway = gateway
        self.in_flight = 0
        """Data requests that are being answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if there is room for it, as ASGI has it."""
        if scope["type"] != "http" or not _asks_for_data(scope["path"]):
            await self.app(scope, receive, send)
            return
        try:
            priority = _priority(scope["headers"])
            self._refuse_excess(priority)
        except ArgusError as error:
            await self._refusal(error)(scope, receive, send)
            return
        self.in_flight += 1
        try:
            with requesting(priority=priority):
                await self.app(scope, receive, send)
        finally:
            self.in_flight -= 1

    def _refuse_excess(self, priority: Priority) -> None:
        most = self.gateway.config.server.max_in_flight
        allowed = max(1, int(most * SHARES[priority]))
        if self.in_flight >= allowed:
            raise Overloaded(
                f"{self.in_flight} requests are being answered already; "
                f"{priority.name.lower()} ones are taken up to {allowed}",
                retry_after=RETRY_AFTER,
                details={"in_flight": self.in_flight, "allowed": allowed},
            )

    def _refusal(self, error: ArgusError) -> Response:
        now = self.gateway.clock.now()
        body = error_body(now, error.code, error.message, error.details)
        headers = {"Cache-Control": "no-store"}
        if isinstance(error, Overloaded):
            headers["Retry-After"] = f"{RETRY_AFTER:.0f}"
        return Response(body, error.status, headers, media_type="application/json")


def _asks_for_data(path: str) -> bool:
    """True for both dialects' data, false for health, documentation and management.

    An event stream lasts and costs next to nothing meanwhile: the audience counts those.
    """
    if path == _STREAM:
        return False
    return path.startswith(_DATA) if path.startswith(_V1) else not path.startswith(_ABOUT)


def _priority(headers: Iterable[tuple[bytes, bytes]]) -> Priority:
    """The class that the header names, interactive without one."""
    wanted = HEADER.lower().encode()
    text = next((value.decode("latin-1") for name, value in headers if name == wanted), None)
    if text is None:
        return Priority.INTERACTIVE
    priority = _ALLOWED.get(text.strip().lower())
    if priority is None:
        raise BadParameter(
            f"{HEADER} must be one of {', '.join(_ALLOWED)}, not {quoted(text)}",
            details={"parameter": HEADER, "allowed": [*_ALLOWED]},
        )
    return priority
