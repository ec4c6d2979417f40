"""How an edge vouches to its agent for who is asking: a key of the two, and three headers."""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest
from urllib.parse import quote, unquote

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from argus_api.auth import DATA, MANAGE, VOUCHED
from argus_core import Principal

KEY = "x-api-key"
ASKER = "x-argus-asker"
SCOPES = "x-argus-asker-scopes"
PRIVATE = frozenset({ASKER, SCOPES})
"""Headers that count behind the door only; whoever else sends them is not believed."""

_EDGE = "edge"


def vouched(principal: Principal) -> dict[str, str]:
    """The headers that tell the agent who asks and what they may do."""
    scopes = ",".join(sorted(quote(scope) for scope in principal.scopes))
    return {ASKER: quote(principal.id), SCOPES: scopes}


class Guarded:
    """Lets in only who shows ``key``, as the asker that the edge vouches for.

    Where it vouches for nobody, the edge asks for itself and may do everything.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self.app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        headers = Headers(scope=scope)
        if not compare_digest(headers.get(KEY, "").encode(), self._key):
            await Response(status_code=401)(scope, receive, send)
            return
        await self.app({**scope, VOUCHED: _asker(headers)}, receive, send)


def _asker(headers: Mapping[str, str]) -> Principal:
    if ASKER not in headers:
        return Principal(id=_EDGE, scopes=frozenset({DATA, MANAGE}))
    scopes = (unquote(scope) for scope in headers.get(SCOPES, "").split(",") if scope)
    return Principal(id=unquote(headers[ASKER]), scopes=frozenset(scopes))
