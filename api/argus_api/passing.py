"""What an edge process does not answer by itself: passed on to the agent, as it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

import httpx
import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from argus_api.auth import asker_of
from argus_api.envelope import JSON, encoded
from argus_api.terms import gateway_of, request_id_of
from argus_api.vouched import PRIVATE, vouched
from argus_api.wire import instant
from argus_core import __version__
from argus_core.errors import AllSourcesFailed

RELOAD_PATH = "/api/v1/admin/reload"
PATIENCE = httpx.Timeout(75.0, connect=2.0)
"""Longer than the longest deadline, which the agent keeps by itself."""
ALONE = "argus.alone"
"""The key of an ASGI scope whose request this process answers itself, whatever it asks for."""

_HERE = ("/api/v1/market_data/", "/api/v1/datasets")
_CACHE = "/api/v1/cache/"
_HEALTH = "/health"
_ELSEWHERE = frozenset({_HEALTH, "/metrics", "/create_chart_panel"})
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# The edge has judged the credentials and the page, compresses by itself and gives the id.
_NOT_SENT = frozenset(
    {
        "host",
        "authorization",
        "x-api-key",
        "cookie",
        "accept-encoding",
        "x-request-id",
        "origin",
        "sec-fetch-site",
    }
)
_NOT_RETURNED = {"date", "server", "x-request-id"}


class Edges(Protocol):
    """All edges of this Argus, the asking one among them."""

    async def answers(self, method: str, path: str, query: str) -> Mapping[str, Any]:
        """What each edge answers for itself, by its name; None for one that did not."""
        ...

    def reloaded(self) -> None:
        """Tell that the agent reads another configuration now."""
        ...


class Elsewhere(BaseRoute):
    """The route of everything that only the agent knows: put it before all others."""

    def __init__(self, agent: httpx.AsyncClient, edges: Edges) -> None:
        self._agent = agent
        self._edges = edges

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Full for what this process cannot answer, whatever the method."""
        if scope["type"] != "http" or ALONE in scope or _answered_here(scope["path"]):
            return Match.NONE, {}
        return Match.FULL, {}

    def url_path_for(self, name: str, /, **_params: Any) -> Any:
        """Nothing: paths are not named here."""
        raise NoMatchFound(name, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what the agent says, once the asker is known here."""
        request = Request(scope, receive)
        path = request.url.path
        if path == _HEALTH:
            await (await self._health(request))(scope, receive, send)
            return
        headers = vouched(await asker_of(request))
        if path.startswith(_CACHE):
            await (await self._caches(request, headers))(scope, receive, send)
            return
        async with self._asked(request, headers) as told:
            body = StreamingResponse(told.aiter_raw(), told.status_code, _returned(told.headers))
            await body(scope, receive, send)
        if path == RELOAD_PATH and request.method == "POST" and told.is_success:
            self._edges.reloaded()

    @asynccontextmanager
    async def _asked(
        self, request: Request, more: Mapping[str, str]
    ) -> AsyncGenerator[httpx.Response]:
        """The agent's response to the same request, its body still unread."""
        kept = {
            name: value
            for name, value in request.headers.items()
            if name not in _HOP_BY_HOP | _NOT_SENT | PRIVATE
        }
        id_ = {"x-request-id": request_id_of(request), "accept-encoding": "identity"}
        asked = self._agent.build_request(
            request.method,
            httpx.URL(path=request.url.path, query=request.url.query.encode()),
            headers={**kept, **id_, **more},
            content=request.stream() if _has_body(request) else None,
        )
        try:
            told = await self._agent.send(asked, stream=True)
            try:
                yield told
            finally:
                await told.aclose()
        except httpx.TransportError:
            raise AllSourcesFailed(
                "the process that holds the sessions is being started again", retry_after=1.0
            ) from None

    async def _health(self, request: Request) -> Response:
        """What the agent says of its sources; without it, that only what is kept is served."""
        try:
            async with self._asked(request, {}) as told:
                return Response(await told.aread(), told.status_code, _returned(told.headers))
        except AllSourcesFailed:
            gateway = gateway_of(request)
            now = gateway.clock.now()
            body: dict[str, Any] = {
                "status": "degraded",
                "timestamp": instant(now.replace(microsecond=0)),
                "version": __version__,
                "uptime_seconds": int((now - (gateway.started or now)).total_seconds()),
                "services": {},
            }
            return Response(encoded(body), 200, {"Cache-Control": "no-store"}, media_type=JSON)

    async def _caches(self, request: Request, headers: Mapping[str, str]) -> Response:
        """The agent's answer, and beside it what each edge says of its own first tier.

        The agent comes first: an edge that was cleared before it would fill itself from it again.
        """
        async with self._asked(request, headers) as told:
            body = await told.aread()
        if not told.is_success:
            return Response(body, told.status_code, _returned(told.headers))
        url = request.url
        edges = await self._edges.answers(request.method, url.path, url.query)
        whole = _together(orjson.loads(body), edges)
        return Response(encoded(whole), 200, {"Cache-Control": "no-store"}, media_type=JSON)


def _answered_here(path: str) -> bool:
    if path in _ELSEWHERE:
        return False
    return not path.startswith("/api/v1/") or path.startswith(_HERE)


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers


def _returned(headers: httpx.Headers) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k not in _HOP_BY_HOP | _NOT_RETURNED}


def _together(body: dict[str, Any], edges: Mapping[str, Any]) -> dict[str, Any]:
    """The agent's answer with the edges' beside it; what was cleared is the sum of all."""
    told = {name: _figures(answer) for name, answer in edges.items()}
    body = {**body, "process": "agent", "edges": told}
    if "cleared_keys" not in body:
        return body
    answers = [cast("dict[str, Any]", answer) for answer in edges.values() if answer]
    body["cleared_keys"] += sum(answer.get("cleared_keys", 0) for answer in answers)
    freed = [body["freed_memory_mb"], *(a.get("freed_memory_mb", 0.0) for a in answers)]
    body["freed_memory_mb"] = None if None in freed else round(sum(freed), 3)
    # The asking edge is among them: where there is none, nobody was heard at all.
    done = [answer is not None and answer["complete"] for answer in edges.values()]
    body["complete"] = body["complete"] and bool(done) and all(done)
    return body


def _figures(answer: Any) -> Any:
    """What an edge says, without what every answer carries."""
    if answer is None:
        return None
    kept = {k: v for k, v in answer.items() if k not in ("success", "timestamp", "message")}
    return kept.get("data", kept)
